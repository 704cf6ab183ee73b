"""What a Bundle and the servers behind it say about the whole: hosts, deletions, pages, misspelt envelopes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from bedside import (
    AS_OF,
    BASE,
    Reading,
    Resource,
    bundle,
    look,
    look_at,
    measured,
    patient,
    potassium,
    to_bytes,
    to_ndjson,
)

from cdss.errors import InputRefusedError
from cdss.fhir.read import read

OTHER = "https://other.example.org/fhir/"


def write(folder: Path, **files: Any) -> Path:
    source = folder / "in"
    source.mkdir()
    for name, content in files.items():
        raw = content if isinstance(content, bytes) else to_bytes(content)
        (source / f"{name}.{'ndjson' if isinstance(content, bytes) else 'json'}").write_bytes(raw)
    return source


@pytest.mark.catalogue(32, 34)
def test_a_result_from_another_server_is_not_this_patients_in_whatever_file_it_comes(tmp_path: Path) -> None:
    source = write(tmp_path, a=bundle(patient(), potassium()), b=bundle(potassium("x"), base=OTHER))
    reading = Reading(source)
    assert ("Observation/x", "subject", "subject-unresolved") in reading.findings("error")
    assert reading.record.counts.put_aside == 1


@pytest.mark.catalogue(32)
def test_one_id_on_two_servers_is_two_patients_and_neither_is_scored(tmp_path: Path) -> None:
    source = write(tmp_path, a=bundle(patient(), potassium()), b=bundle(patient(), base=OTHER))
    reading = Reading(source)
    assert "patient-unusable" in reading.blocked
    assert {reason for _, _, reason in reading.findings("error")} == {"same-id-other-server", "subject-unresolved"}


@pytest.mark.catalogue(32)
def test_results_of_two_servers_without_a_patient_of_either_are_nobodys(tmp_path: Path) -> None:
    source = write(
        tmp_path, a=to_ndjson(patient()), b=bundle(potassium()), c=bundle(potassium("x"), base=OTHER),
    )  # fmt: skip
    assert Reading(source).record.counts.put_aside == 2


def test_a_record_that_comes_as_lines_and_as_a_bundle_of_one_server_is_one(tmp_path: Path) -> None:
    reading = Reading(write(tmp_path, a=to_ndjson(patient()), b=bundle(potassium())))
    assert reading.value() == "3.9 mmol/L"


@pytest.mark.catalogue(24)
@pytest.mark.parametrize(
    ("deletion", "value"),
    [
        pytest.param({"url": "Observation/k"}, None, id="by-its-address"),
        pytest.param({"url": "Observation/k", "method": "delete"}, None, id="in-small-letters"),
        pytest.param({"url": f"{BASE}Observation/k"}, None, id="by-its-address-in-full"),
        pytest.param({"url": f"{OTHER}Observation/k"}, "3.9 mmol/L", id="on-another-server"),
    ],
)
def test_a_deletion_means_the_result_of_its_own_server(
    tmp_path: Path, deletion: dict[str, str], value: str | None
) -> None:
    entry = {"request": {"method": "DELETE"} | deletion}
    assert look_at(tmp_path, to_bytes(bundle(patient(), potassium(), entry, kind="history"))).value() == value


@pytest.mark.catalogue(24)
@pytest.mark.parametrize(("at", "value"), [("2025-09-03T18:00:00Z", "3.9 mmol/L"), ("2025-09-03T18:40:00Z", None)])
def test_a_result_made_again_after_its_deletion_is_there(tmp_path: Path, at: str, value: str | None) -> None:
    again = potassium(meta={"versionId": "3", "lastUpdated": "2025-09-03T18:30:00Z"})
    entry = {"request": {"method": "DELETE", "url": "Observation/k"}, "response": {"status": "204", "lastModified": at}}
    for order in ((again, entry), (entry, again)):
        assert look_at(tmp_path, to_bytes(bundle(patient(), *order, kind="history"))).value() == value


@pytest.mark.catalogue(62)
@pytest.mark.parametrize(
    "more",
    [
        pytest.param({"total": "500"}, id="a-total-in-words"),
        pytest.param({"total": 2.5}, id="half-a-result"),
        pytest.param({"link": {"relation": "next", "url": "x"}}, id="a-link-that-is-no-list"),
        pytest.param({"link": [{"relation": "Next ", "url": "x"}]}, id="another-spelling-of-next"),
        pytest.param({"Entry": []}, id="entries-misspelt"),
        pytest.param({"entrys": []}, id="entries-misspelt-again"),
        pytest.param({"entries": []}, id="entries-in-the-plural"),
        pytest.param({"links": []}, id="links-in-the-plural"),
        pytest.param({"Total": 40}, id="a-total-in-capitals"),
        pytest.param({"modifierExtension": []}, id="a-rule-not-known"),
    ],
)
def test_an_envelope_that_may_hide_a_part_forbids_a_score(tmp_path: Path, more: dict[str, Any]) -> None:
    reading = look_at(tmp_path, to_bytes(bundle(patient(), potassium(), kind="searchset", **more)))
    assert "source-incomplete" in reading.blocked


@pytest.mark.catalogue(46, 62)
@pytest.mark.parametrize("kind", ["Collection", "", 5, None])
def test_a_bundle_of_no_known_type_is_told_and_read(tmp_path: Path, kind: Any) -> None:
    reading = look_at(tmp_path, to_bytes(bundle(patient(), potassium(), kind=kind)))
    assert reading.findings("note") == {("Bundle", "type", "bundle-type-unknown")}
    assert reading.value() == "3.9 mmol/L"


@pytest.mark.catalogue(62)
def test_what_stands_inside_parameters_is_not_silently_lost(tmp_path: Path) -> None:
    answer = {"resourceType": "Parameters", "id": "q", "parameter": [{"name": "return", "resource": potassium()}]}
    assert ("Parameters/q", "parameter", "contained-not-read") in look(tmp_path, answer).findings("note")


@pytest.mark.catalogue(34, 54)
def test_an_entry_whose_address_names_another_id_is_put_aside(tmp_path: Path) -> None:
    entry = {"fullUrl": f"{BASE}Observation/other", "resource": potassium()}
    reading = look(tmp_path, entry)
    assert reading.findings("error") == {("Observation/k", "id", "id-contradicts")}
    assert reading.value() is None


def test_a_result_without_an_id_has_one_name_through_every_door(tmp_path: Path) -> None:
    nameless: Resource = measured("2160-0", 1.1, "mg/dL")
    del nameless["id"]
    everyone = [patient(), potassium(), nameless]
    names = set()
    doors = [
        to_ndjson(*everyone),
        to_ndjson(*everyone[::-1]),
        to_bytes(bundle(*everyone[:2], {"resource": nameless})),
    ]
    for number, raw in enumerate(doors):
        path = tmp_path / f"{number}.{'json' if number == 2 else 'ndjson'}"
        path.write_bytes(raw)
        record = read(path, subject="p1", index_time=AS_OF)
        names.add(tuple(sorted(event.source for event in record.events)))
    ((first, second),) = names
    assert first.startswith("Observation sha256:")
    assert second == "Observation/k"


def test_a_bundle_whose_entries_are_misspelt_alone_is_no_empty_record(tmp_path: Path) -> None:
    document = {"resourceType": "Bundle", "type": "collection", "Entry": [{"resource": patient()}]}
    try:
        reading = look_at(tmp_path, to_bytes(document), subject=None)
    except InputRefusedError:
        return
    assert "source-incomplete" in reading.blocked


DEAD = patient(deceasedDateTime="2025-08-01T10:00:00Z", meta={"versionId": "9"})


@pytest.mark.catalogue(61)
@pytest.mark.parametrize("name", ["more.jsonl", "more.ndjson.bz2", "more.ndjson.1", "more.json.bak"])
def test_a_file_that_looks_like_fhir_and_is_not_read_is_told(tmp_path: Path, name: str) -> None:
    source = write(tmp_path, a=bundle(patient(), potassium()))
    (source / name).write_bytes(to_ndjson(DEAD))
    (source / "README.md").write_text("about the export")
    assert Reading(source).findings("note") == {(name, "", "file-passed-over")}


@pytest.mark.catalogue(64)
def test_a_link_is_not_followed_and_told(tmp_path: Path) -> None:
    source = write(tmp_path, a=bundle(patient(), potassium()))
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "dead.ndjson").write_bytes(to_ndjson(DEAD))
    (source / "dead.ndjson").symlink_to(tmp_path / "elsewhere" / "dead.ndjson")
    (source / "folder").symlink_to(tmp_path / "elsewhere")
    reading = Reading(source)
    assert reading.findings("note") == {("dead.ndjson", "", "file-passed-over"), ("folder", "", "file-passed-over")}
    assert not reading.blocked


def forbid(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Tests may run as root, whom no permission stops."""
    scan = os.scandir

    def scandir(path: Any) -> Any:
        if Path(path) == folder:
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", scandir)


@pytest.mark.catalogue(61)
def test_a_folder_that_cannot_be_opened_forbids_a_score(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write(tmp_path, a=bundle(patient(), potassium()))
    (source / "sub").mkdir()
    forbid(monkeypatch, source / "sub")
    reading = Reading(source)
    assert reading.findings("error") == {("sub", "", "not-readable")}
    assert reading.blocked == {"source-incomplete"}


def test_a_source_that_cannot_be_opened_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write(tmp_path, a=bundle(patient(), potassium()))
    forbid(monkeypatch, source)
    with pytest.raises(InputRefusedError, match="cannot be opened"):
        read(source)
