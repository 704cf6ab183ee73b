"""Files as they come: JSON that is none, NDJSON with broken lines, archives, directories."""

from __future__ import annotations

import gzip
import io
import zipfile
from pathlib import Path

import pytest
from bedside import Reading, bundle, look_at, patient, potassium, quantity, to_bytes, to_ndjson

from cdss.errors import InputRefusedError, SourceNotFoundError
from cdss.fhir.read import read

GOOD = to_bytes(bundle(patient(), potassium()))
LINES = to_ndjson(patient(), potassium())
OTHER = potassium("k2", valueQuantity=quantity(4.6), effectiveDateTime="2025-09-03T18:30:00Z")


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("../evil.json", GOOD)
    return buffer.getvalue()


@pytest.mark.catalogue(13, 55, 56, 57, 59, 60, 64, 65)
@pytest.mark.parametrize(
    ("raw", "reason", "place"),
    [
        pytest.param(GOOD.replace(b"3.9", b"NaN"), "json-not-a-number", "line 1, column", id="NaN"),
        pytest.param(GOOD.replace(b"3.9", b"-Infinity"), "json-not-a-number", "line 1, column", id="minus-Infinity"),
        pytest.param(GOOD.replace(b'"final"', b'"final", "status": "amended"'), "json-duplicate-name", "line 1, column",
                     id="status-twice"),
        pytest.param(GOOD.replace(b'"final"', b'"final", "st\\u0061tus": "amended"'), "json-duplicate-name",
                     "line 1, column", id="status-twice-once-escaped"),
        pytest.param(b"[" * 60_000, "json-too-deep", "line 1, column 65", id="60000-deep"),
        pytest.param(b'{"resourceType":' * 60_000, "json-too-deep", "line 1, column", id="60000-objects-deep"),
        pytest.param(GOOD[:-20], "json-cut", "line 1, column", id="cut"),
        pytest.param(GOOD + GOOD, "json-trailing-data", "line 1, column", id="two-documents"),
        pytest.param(GOOD + b"\nx", "json-trailing-data", "line 2, column 1", id="garbage-after"),
        pytest.param(GOOD.replace(b"3.9", b"03.9"), "json-malformed", "line 1, column", id="leading-zero"),
        pytest.param(GOOD.replace(b"3.9,", b"3.9,,"), "json-malformed", "line 1, column", id="two-commas"),
        pytest.param(GOOD.replace(b"mmol/L", b"mmol/\xb5L"), "json-not-utf8", "line 1, column", id="latin-1"),
        pytest.param(GOOD.replace(b"mmol/L", b"\\ud800"), "json-malformed", "line 1, column", id="half-a-surrogate"),
        pytest.param(GOOD.decode().encode("utf-16"), "utf-16", "byte 0", id="utf-16"),
        pytest.param(GOOD.decode().encode("utf-16-le"), "utf-16", "byte 0", id="utf-16-without-mark"),
        pytest.param(GOOD.decode().encode("utf-32"), "utf-16", "byte 0", id="utf-32"),
        pytest.param(b"<Bundle xmlns='http://hl7.org/fhir'/>", "xml", "byte 0", id="xml"),
        pytest.param(b"\n <!DOCTYPE html><html>", "xml", "byte 0", id="html"),
        pytest.param(b"<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>", "xml", "byte 0", id="entity"),
        pytest.param(zipped(), "zip", "zip", id="zip"),
        pytest.param(b"", "empty", "empty", id="empty"),
        pytest.param(b"  \n ", "json-cut", "line", id="blank"),
        pytest.param(b"null", "not-fhir", "resourceType", id="null"),
        pytest.param(b"[]", "not-fhir", "resourceType", id="list"),
        pytest.param(b'"Bundle"', "not-fhir", "resourceType", id="string"),
        pytest.param(b'{"a": 1}', "not-fhir", "resourceType", id="other-json"),
        pytest.param(GOOD.replace(b'"Bundle"', b'"bundle"'), "type-unknown", "letter", id="small-letters"),
        pytest.param(b'{"resourceType": null}', "not-fhir", "resourceType", id="type-null"),
        pytest.param(b'{"resourceType": "OperationOutcome"}', "operation-outcome", "OperationOutcome", id="outcome"),
        pytest.param(gzip.compress(GOOD)[:-12], "gzip-cut", "gzip", id="gzip-cut"),
        pytest.param(gzip.compress(b" " * (16 << 20)), "gzip-ratio", "100 times", id="gzip-bomb"),
        pytest.param(gzip.compress(gzip.compress(GOOD)), "json-not-utf8", "line 1", id="gzip-in-gzip"),
    ],
)  # fmt: skip
def test_input_that_is_no_fhir_json_is_refused_with_its_place(
    tmp_path: Path, raw: bytes, reason: str, place: str
) -> None:
    with pytest.raises(InputRefusedError) as refused:
        look_at(tmp_path, raw)
    assert refused.value.reason == reason
    assert place in str(refused.value)
    assert refused.value.exit_code == 3


@pytest.mark.catalogue(52, 55, 63)
@pytest.mark.parametrize(
    ("raw", "name"),
    [
        pytest.param(b"\xef\xbb\xbf" + GOOD, "input.json", id="byte-order-mark"),
        pytest.param(b"\xef\xbb\xbf" + LINES, "input.ndjson", id="byte-order-mark-of-ndjson"),
        pytest.param(gzip.compress(GOOD), "input.json.gz", id="gzip"),
        pytest.param(gzip.compress(GOOD), "input.json", id="gzip-by-another-name"),
        pytest.param(gzip.compress(LINES), "input.ndjson.gz", id="gzipped-ndjson"),
        pytest.param(gzip.compress(LINES[:200]) + gzip.compress(LINES[200:]), "input.ndjson.gz", id="two-gzip-members"),
        pytest.param(LINES.replace(b"\n", b"\r\n"), "input.ndjson", id="crlf"),
        pytest.param(b"\n\n" + LINES.replace(b"\n", b"\n  \n\r\n"), "input.ndjson", id="blank-lines"),
        pytest.param(LINES.rstrip(), "input.ndjson", id="no-last-line-feed"),
        pytest.param(GOOD.replace(b"mmol/L", b"mmol\\/L"), "input.json", id="escaped-slash"),
        pytest.param(GOOD.replace(b", ", b" ,\n\t"), "input.json", id="other-white-space"),
        pytest.param(
            to_ndjson(patient(name=[{"family": "a\u2028b\u0085c\u2029"}]), potassium()), "input.ndjson",
            id="line-separators-inside-strings",
        ),
        pytest.param(GOOD.replace(b'"female"', b'"female", "name": [{"family": "\\u0000"}]'), "input.json", id="nul"),
    ],
)  # fmt: skip
def test_every_legal_form_of_a_file_reads_the_same(tmp_path: Path, raw: bytes, name: str) -> None:
    reading = look_at(tmp_path, raw, name)
    assert reading.value() == "3.9 mmol/L"
    assert not reading.reasons()
    assert not reading.blocked


class TestNdjson:
    """One resource a line; a bad line is counted by its number."""

    @pytest.mark.catalogue(63)
    @pytest.mark.parametrize(
        ("bad", "reason"),
        [
            pytest.param(to_bytes(OTHER)[:-9], "json-cut", id="cut"),
            pytest.param(b'{"resourceType": "Observation", "id": NaN}', "json-not-a-number", id="NaN"),
            pytest.param(to_bytes(OTHER) + b" " + to_bytes(OTHER), "json-trailing-data", id="two-on-one-line"),
            pytest.param(to_bytes(OTHER).replace(b"mmol", b"\xe9mol"), "json-not-utf8", id="latin-1"),
            pytest.param(b"null", "not-fhir", id="null"),
            pytest.param(b"[1, 2]", "not-fhir", id="list"),
            pytest.param(b'{"resourceType": "Bundle", "entry": 7}', "not-fhir", id="a-bundle-without-a-list"),
        ],
    )
    @pytest.mark.parametrize("last", [False, True])
    def test_a_bad_line_is_refused_by_number_and_the_rest_used(
        self, tmp_path: Path, bad: bytes, reason: str, last: bool
    ) -> None:
        raw = LINES + bad if last else bad + b"\n" + LINES
        reading = look_at(tmp_path, raw, "input.ndjson")
        assert reading.value() == "3.9 mmol/L"
        assert reading.report["refused"] == 1
        (finding,) = [found for found in reading.report["rejections"] if found["severity"] == "error"]
        assert (finding["source"], finding["reason"]) == ("line 3" if last else "line 1", reason)

    @pytest.mark.catalogue(63)
    def test_a_pretty_printed_document_is_refused(self, tmp_path: Path) -> None:
        pretty = b'{\n  "resourceType": "Patient",\n  "name": [{"given": [\n"Brannoc"\n]}],\n  "id":\n  "p1"\n}\n'
        with pytest.raises(InputRefusedError) as refused:
            look_at(tmp_path, pretty, "input.ndjson")
        assert refused.value.reason == "not-ndjson"

    @pytest.mark.catalogue(60, 63)
    def test_an_outcome_among_the_lines_is_a_note(self, tmp_path: Path) -> None:
        reading = look_at(tmp_path, LINES + b'{"resourceType": "OperationOutcome"}\n', "input.ndjson")
        assert reading.value() == "3.9 mmol/L"
        assert reading.reasons() == {"operation-outcome"}

    def test_a_bundle_on_a_line_is_read(self, tmp_path: Path) -> None:
        assert look_at(tmp_path, GOOD + b"\n", "input.ndjson").value() == "3.9 mmol/L"


class TestDirectory:
    """All FHIR files of a directory together."""

    def test_sub_folders_and_gzip_are_read_and_other_files_passed_over(self, tmp_path: Path) -> None:
        folder = tmp_path / "export"
        (folder / "deep" / "er").mkdir(parents=True)
        (folder / "Patient.ndjson").write_bytes(to_ndjson(patient()))
        (folder / "deep" / "er" / "Observation.ndjson.gz").write_bytes(gzip.compress(to_ndjson(potassium())))
        (folder / "k2.json").write_bytes(to_bytes(OTHER))
        (folder / "README.md").write_text("not FHIR")
        (folder / "cohort.csv").write_text("subject\n")
        (folder / "more.zip").write_bytes(zipped())
        reading = look_at_directory(folder)
        assert reading.value() == "4.6 mmol/L"
        assert reading.report["resources"] == 3

    @pytest.mark.catalogue(59)
    @pytest.mark.parametrize(
        "broken", [b"", b"{", b"<Bundle/>", GOOD[:-5], GOOD.decode().encode("utf-16"), gzip.compress(GOOD)[:-9]]
    )
    def test_one_broken_file_forbids_every_score(self, tmp_path: Path, broken: bytes) -> None:
        folder = tmp_path / "export"
        folder.mkdir()
        (folder / "good.json").write_bytes(GOOD)
        (folder / "broken.json").write_bytes(broken)
        reading = look_at_directory(folder)
        assert reading.value() == "3.9 mmol/L"
        assert reading.report["refused"] == 1
        assert reading.blocked == {"source-incomplete"}
        assert reading.report["blocked"][0]["source"] == "broken.json"

    def test_a_manifest_that_is_no_fhir_is_counted_and_blocks_nothing(self, tmp_path: Path) -> None:
        folder = tmp_path / "export"
        folder.mkdir()
        (folder / "good.json").write_bytes(GOOD)
        (folder / "manifest.json").write_bytes(b'{"transactionTime": "2025"}')
        reading = look_at_directory(folder)
        assert reading.report["refused"] == 1
        assert not reading.blocked

    def test_lines_are_named_by_their_file(self, tmp_path: Path) -> None:
        folder = tmp_path / "export"
        folder.mkdir()
        (folder / "a.ndjson").write_bytes(LINES)
        (folder / "b.ndjson").write_bytes(to_ndjson(OTHER) + b"{\n")
        reading = look_at_directory(folder)
        (finding,) = [found for found in reading.report["rejections"] if found["severity"] == "error"]
        assert finding["source"] == "b.ndjson, line 2"

    def test_without_a_fhir_file_it_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(InputRefusedError) as refused:
            look_at_directory(tmp_path)
        assert refused.value.reason == "no-fhir-files"


def look_at_directory(folder: Path):
    return Reading(folder)


def test_a_path_that_does_not_exist_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFoundError) as missing:
        look_at_directory(tmp_path / "nothing")
    assert missing.value.exit_code == 2


def test_answers_written_beside_the_records_take_nothing_away(tmp_path: Path) -> None:
    (tmp_path / "Patient.ndjson").write_text('{"resourceType":"Patient","id":"a"}\n')
    (tmp_path / "answers.ndjson").write_text('{"schema":1,"kind":"estimate"}\n')
    assert not read(tmp_path).source_blocks
    (tmp_path / "answers.ndjson").write_text('{"schema":1,"kind":"est')
    assert [block.reason for block in read(tmp_path).source_blocks] == ["source-incomplete"]
