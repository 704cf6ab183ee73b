"""The catalogue of inputs, rows 13, 55 to 57 and 59 to 63: JSON that is none, cut, doubled, or another answer."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from bedside import BASE, bundle, is_refused, look, look_at, patient, potassium, quantity, to_bytes, to_ndjson
from patients import INDEX

import cdss
from cdss.cli.main import main

PRETTY = json.dumps(bundle(patient(), potassium()), indent=1).encode()
GOOD = to_bytes(bundle(patient(), potassium()))
LINES = to_ndjson(patient(), potassium())
MODEL = "serious-illness-180d"


def place(raw: bytes, offset: int) -> str:
    """A place in bytes as a person finds it in an editor."""
    line, column = raw.count(b"\n", 0, offset) + 1, offset - raw.rfind(b"\n", 0, offset)
    return f"line {line}, column {column}"


# ---- JSON that is none


@pytest.mark.catalogue(13)
@pytest.mark.parametrize("text", [b"NaN", b"Infinity", b"-Infinity"])
def test_a_value_that_is_no_number_refuses_the_input_with_line_and_column(tmp_path: Path, text: bytes) -> None:
    raw = PRETTY.replace(b"3.9", text)
    is_refused(tmp_path, raw, "json-not-a-number", place(raw, raw.index(text)))


@pytest.mark.catalogue(13, 63)
@pytest.mark.parametrize("text", [b"NaN", b"Infinity", b"-Infinity"])
def test_a_line_with_a_value_that_is_no_number_is_refused_alone(tmp_path: Path, text: bytes) -> None:
    bad = to_bytes(potassium("k2")).replace(b"3.9", text)
    reading = look_at(tmp_path, LINES + bad + b"\n", "input.ndjson")
    assert reading.findings("error") == {("line 3", "input.ndjson", "json-not-a-number")}
    assert (reading.value(), reading.counts) == ("3.9 mmol/L", (2, 0, 0, 1))


@pytest.mark.catalogue(55)
@pytest.mark.parametrize(("raw", "name"), [(GOOD, "input.json"), (LINES, "input.ndjson")])
def test_a_byte_order_mark_is_skipped(tmp_path: Path, raw: bytes, name: str) -> None:
    reading = look_at(tmp_path, b"\xef\xbb\xbf" + raw, name)
    assert (reading.value(), reading.counts, reading.reasons()) == ("3.9 mmol/L", (2, 0, 0, 0), set())


@pytest.mark.catalogue(55)
@pytest.mark.parametrize("name", ["input.json", "input.ndjson"])
@pytest.mark.parametrize("code", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_utf_16_is_refused_by_name(tmp_path: Path, code: str, name: str) -> None:
    is_refused(tmp_path, LINES.decode().encode(code), "utf-16", "UTF-16", name)


@pytest.mark.catalogue(55)
def test_a_latin_1_byte_is_refused_with_its_place(tmp_path: Path) -> None:
    raw = PRETTY.replace(b"mmol/L", b"\xb5mol/L", 1)
    is_refused(tmp_path, raw, "json-not-utf8", place(raw, raw.index(b"\xb5")))


@pytest.mark.catalogue(56)
@pytest.mark.parametrize(
    ("once", "twice", "second"),
    [
        (b'"status": "final"', b'"status": "final", "status": "cancelled"', b'"status": "cancelled"'),
        (b'"value": 3.9', b'"value": 3.9, "value": 39', b'"value": 39'),
        (b'"gender": "female"', b'"gender": "female", "gender": "female"', b'"gender": "female",\n'),
        (b'"status": "final"', b'"status": "final", "st\\u0061tus": "cancelled"', b'"st\\u0061tus"'),
        (b'"type": "collection"', b'"type": "collection", "type": "history"', b'"type": "history"'),
    ],
)
def test_a_name_that_stands_twice_refuses_the_input_at_the_second(
    tmp_path: Path, once: bytes, twice: bytes, second: bytes
) -> None:
    raw = PRETTY.replace(once, twice)
    is_refused(tmp_path, raw, "json-duplicate-name", place(raw, raw.index(second)))


@pytest.mark.catalogue(56, 63)
def test_a_line_in_which_a_name_stands_twice_is_refused_alone(tmp_path: Path) -> None:
    bad = to_bytes(potassium("k2")).replace(b'"final"', b'"final", "status": "final"')
    reading = look_at(tmp_path, bad + b"\n" + LINES, "input.ndjson")
    assert reading.findings("error") == {("line 1", "input.ndjson", "json-duplicate-name")}
    assert (reading.value(), reading.counts) == ("3.9 mmol/L", (2, 0, 0, 1))


def nested(depth: int) -> bytes:
    lists = depth - 1
    return b'{"resourceType": "Patient", "id": "p1", "extension": ' + b"[" * lists + b"]" * lists + b"}"


@pytest.mark.catalogue(57)
def test_nesting_is_read_to_64_and_refused_at_65(tmp_path: Path) -> None:
    assert look_at(tmp_path, nested(64)).counts == (1, 0, 0, 0)
    raw = nested(65)
    is_refused(tmp_path, raw, "json-too-deep", place(raw, raw.index(b"[") + 63))


@pytest.mark.catalogue(57)
@pytest.mark.parametrize("raw", [nested(60_000), b"[" * 60_000, b'{"a":' * 60_000])
def test_nesting_of_60000_is_refused_and_nothing_falls_over(tmp_path: Path, raw: bytes) -> None:
    is_refused(tmp_path, raw, "json-too-deep", "deeper than 64")
    reading = look_at(tmp_path, LINES + raw, "input.ndjson")
    assert reading.findings("error") == {("line 3", "input.ndjson", "json-too-deep")}
    assert (reading.value(), reading.counts) == ("3.9 mmol/L", (2, 0, 0, 1))


# ---- documents that are cut, doubled, or an answer of another kind


@pytest.mark.catalogue(59)
def test_a_bundle_cut_anywhere_is_refused_and_nothing_half_used(tmp_path: Path) -> None:
    draw = random.Random(59)
    for length in {1, 2, len(PRETTY) - 1, *(draw.randrange(1, len(PRETTY)) for _ in range(60))}:
        is_refused(tmp_path, PRETTY[:length], "json-cut", "line ")


@pytest.mark.catalogue(59)
@pytest.mark.parametrize("more", [PRETTY, b"{}", b"null", b"]", b"Bye"])
def test_something_behind_the_end_of_a_bundle_refuses_it_at_its_place(tmp_path: Path, more: bytes) -> None:
    raw = PRETTY + b"\n\n" + more
    is_refused(tmp_path, raw, "json-trailing-data", place(raw, len(PRETTY) + 2))


@pytest.mark.catalogue(59)
@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        pytest.param(b"<!DOCTYPE html><html><body>502 Bad Gateway</body></html>", "xml", id="an-error-page"),
        pytest.param(b"\xef\xbb\xbf\r\n<html>", "xml", id="a-page-behind-a-mark"),
        pytest.param(b"", "empty", id="nothing"),
        pytest.param(b"\n \t\n", "json-cut", id="white-space"),
        pytest.param(b"502 Bad Gateway", "json-trailing-data", id="words-behind-a-number"),
        pytest.param(b"Service unavailable", "json-malformed", id="words"),
    ],
)
def test_an_answer_that_is_no_json_is_refused(tmp_path: Path, raw: bytes, reason: str) -> None:
    is_refused(tmp_path, raw, reason)


OUTCOME = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "processing"}]}


@pytest.mark.catalogue(60)
@pytest.mark.parametrize(
    "document",
    [
        pytest.param(OUTCOME, id="an-outcome"),
        pytest.param({"resourceType": "Bundle", "type": "searchset", "total": 0}, id="an-empty-search"),
        pytest.param({"resourceType": "Bundle", "type": "searchset", "total": 0, "entry": []}, id="no-entries"),
        pytest.param(bundle({"resource": OUTCOME}, kind="searchset", total=0), id="a-search-with-an-outcome-alone"),
    ],
)
def test_an_answer_without_a_patient_gives_no_estimate_and_no_all_clear(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], document: Any
) -> None:
    (tmp_path / "answer.json").write_bytes(to_bytes(document))
    assert main(["assess", str(tmp_path / "answer.json"), "--model", MODEL, "--index-time", INDEX]) == 3
    assert capsys.readouterr().out == ""


@pytest.mark.catalogue(60)
def test_a_search_that_found_the_patient_and_nothing_else_gives_no_estimate(tmp_path: Path) -> None:
    (tmp_path / "answer.json").write_bytes(to_bytes(bundle(patient(), kind="searchset", total=1)))
    answer = cdss.load_model(MODEL).assess(cdss.read(tmp_path / "answer.json"), INDEX)
    assert isinstance(answer, cdss.Abstention)
    assert "required-missing" in {reason.code for reason in answer.reasons}


@pytest.mark.catalogue(61)
@pytest.mark.parametrize(
    ("entry", "location", "severity", "reason"),
    [
        (None, "", "error", "entry-not-readable"),
        ("Observation/k", "", "error", "entry-not-readable"),
        ([], "", "error", "entry-not-readable"),
        ({}, "resource", "note", "entry-without-resource"),
        ({"fullUrl": f"{BASE}Observation/k9"}, "resource", "note", "entry-without-resource"),
        ({"resource": None}, "", "error", "not-fhir"),
        ({"resource": "k"}, "", "error", "not-fhir"),
        ({"resource": {}}, "resourceType", "error", "not-fhir"),
        ({"resource": {"resourceType": 7}}, "resourceType", "error", "not-fhir"),
    ],
)
def test_an_entry_that_holds_nothing_is_told_and_the_rest_is_used(
    tmp_path: Path, entry: Any, location: str, severity: str, reason: str
) -> None:
    reading = look(tmp_path, entry, potassium())
    assert reading.findings(severity) == {("Bundle.entry[1]", location, reason)}
    assert (reading.value(), reading.counts) == ("3.9 mmol/L", (2, 0, 0, 1))


@pytest.mark.catalogue(61)
@pytest.mark.parametrize("kind", ["observation", "OBSERVATION", "Observations", "Obs"])
def test_a_type_in_other_letters_is_put_aside_and_the_rest_is_used(tmp_path: Path, kind: str) -> None:
    reading = look(tmp_path, potassium("k2", valueQuantity=quantity(5.9)) | {"resourceType": kind}, potassium())
    assert reading.findings("error") == {(f"{kind}/k2", "resourceType", "type-unknown")}
    assert (reading.value(), reading.counts) == ("3.9 mmol/L", (2, 0, 1, 0))


def entry_of(resource: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"fullUrl": f"{BASE}{resource['resourceType']}/{resource['id']}", "resource": resource} | more


@pytest.mark.catalogue(62)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
@pytest.mark.parametrize("kind", ["transaction", "batch"])
def test_the_requests_of_a_bundle_are_data_and_never_carried_out(tmp_path: Path, kind: str, method: str) -> None:
    entry = entry_of(potassium(), request={"method": method, "url": "Observation/k"})
    reading = look_at(tmp_path, to_bytes(bundle(patient(), entry, kind=kind)))
    assert reading.findings("note") == {("Bundle", "type", "bundle-of-requests")}
    assert (reading.value(), reading.counts) == ("3.9 mmol/L", (2, 0, 0, 0))


@pytest.mark.catalogue(62)
@pytest.mark.parametrize("kind", ["transaction", "batch"])
def test_a_request_to_delete_deletes_nothing(tmp_path: Path, kind: str) -> None:
    wish = {"request": {"method": "DELETE", "url": "Observation/k"}}
    reading = look_at(tmp_path, to_bytes(bundle(patient(), potassium(), wish, kind=kind)))
    assert reading.value() == "3.9 mmol/L"
    assert sum(reading.counts) == 3


@pytest.mark.catalogue(62)
@pytest.mark.parametrize(("kind", "first"), [("document", "Composition"), ("message", "MessageHeader")])
def test_a_document_and_a_message_are_read_behind_their_head(tmp_path: Path, kind: str, first: str) -> None:
    head = {"resourceType": first, "id": "h"}
    reading = look_at(tmp_path, to_bytes(bundle(head, patient(), potassium(), kind=kind)))
    assert (reading.value(), reading.counts, reading.reasons()) == ("3.9 mmol/L", (2, 1, 0, 0), set())


@pytest.mark.catalogue(62)
def test_what_a_search_includes_and_its_outcome_are_no_matches(tmp_path: Path) -> None:
    entries = [
        entry_of(patient(), search={"mode": "include"}),
        entry_of(potassium(), search={"mode": "match"}),
        {"resource": OUTCOME, "search": {"mode": "outcome"}},
    ]
    whole = look_at(tmp_path, to_bytes(bundle(*entries, kind="searchset", total=1)))
    assert (whole.value(), whole.counts, whole.reasons()) == ("3.9 mmol/L", (2, 1, 0, 0), {"operation-outcome"})
    assert not whole.blocked
    assert look_at(tmp_path, to_bytes(bundle(*entries, kind="searchset", total=2))).blocked == {"source-incomplete"}


# ---- NDJSON


@pytest.mark.catalogue(63)
@pytest.mark.parametrize(
    ("raw", "line", "reason"),
    [
        pytest.param(LINES + to_bytes(potassium("k2"))[:-30], "line 3", "json-cut", id="a-cut-last-line"),
        pytest.param(LINES.replace(b"\n", b'\n{"resourceType"\n', 1), "line 2", "json-cut", id="a-bad-middle-line"),
        pytest.param(LINES + b"\n\n\r\n[]\r\n", "line 6", "not-fhir", id="behind-blank-lines"),
    ],
)
def test_a_bad_line_is_told_by_its_number_and_the_others_are_used(
    tmp_path: Path, raw: bytes, line: str, reason: str
) -> None:
    reading = look_at(tmp_path, raw, "input.ndjson")
    assert {(source, why) for source, _, why in reading.findings("error")} == {(line, reason)}
    assert (reading.value(), reading.counts) == ("3.9 mmol/L", (2, 0, 0, 1))


@pytest.mark.catalogue(63)
@pytest.mark.parametrize("sign", ["\u2028", "\u2029", "\u0085", "\x0b", "\x0c", "\x1c"])
def test_only_a_line_feed_ends_a_line(tmp_path: Path, sign: str) -> None:
    family = json.dumps(f"a{sign}b", ensure_ascii=ord(sign) < 32)
    raw = LINES.replace(b'"gender"', f'"name": [{{"family": {family}}}], "gender"'.encode()).replace(b"\n", b"\r\n")
    reading = look_at(tmp_path, raw, "input.ndjson")
    assert (reading.value(), reading.counts, reading.reasons()) == ("3.9 mmol/L", (2, 0, 0, 0), set())


@pytest.mark.catalogue(63)
def test_a_pretty_printed_bundle_named_as_lines_is_refused(tmp_path: Path) -> None:
    is_refused(tmp_path, PRETTY, "not-ndjson", "pretty-printed", "input.ndjson")
