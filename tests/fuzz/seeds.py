"""Where the fuzzer starts: the resources of docs/examples, small resources of each kind read, units, lines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"
FOUND = Path(__file__).parent / "found"
LOINC, UCUM, SNOMED = "http://loinc.org", "http://unitsofmeasure.org", "http://snomed.info/sct"
OWNER = {"subject": {"reference": "Patient/p1"}}
AT_STAY = {"reference": "Encounter/e"}

Resource = dict[str, Any]


def _code(code: str, system: str = LOINC) -> Resource:
    return {"coding": [{"system": system, "code": code}]}


def _quantity(value: Any, unit: str) -> Resource:
    return {"value": value, "unit": unit, "system": UCUM, "code": unit}


def _result(own_id: str, loinc: str = "2823-3", **more: Any) -> Resource:
    return {
        "resourceType": "Observation", "id": own_id, "status": "final", "code": _code(loinc),
        "effectiveDateTime": "2025-09-03T18:10:00Z", **OWNER, **more,
    }  # fmt: skip


PATIENT = {
    "resourceType": "Patient", "id": "p1", "gender": "female", "birthDate": "1958-05-17", "deceasedBoolean": False,
    "identifier": [{"system": "urn:oid:1", "value": "7"}],
}  # fmt: skip
STAY = {
    "resourceType": "Encounter", "id": "e", "status": "finished",
    "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"},
    "period": {"start": "2025-09-01T06:00:00Z", "end": "2025-09-02T06:00:00Z"}, **OWNER,
}  # fmt: skip
RESOURCES: list[Resource] = [
    PATIENT,
    STAY,
    _result("k1", valueQuantity=_quantity(3.9, "mmol/L"), issued="2025-09-03T18:30:00Z"),
    _result("k2", valueQuantity=_quantity(4.25, "meq/L"), status="preliminary", meta={"versionId": "2"}),
    _result("k3", valueQuantity={"value": 4, "unit": "mmol/L", "comparator": "<"}, encounter=AT_STAY),
    _result("t", "8310-5", valueQuantity=_quantity(98.6, "[degF]")),
    _result("a", "80288-4", valueCodeableConcept=_code("LA9340-6")),
    _result("g", "9269-2", valueInteger=15),
    _result("x", "2160-0", dataAbsentReason=_code("unknown", "urn:x")),
    _result("s", valueString="4.1"),
    {key: value for key, value in _result(
        "bp", "85354-9",
        component=[
            {"code": _code("8480-6"), "valueQuantity": _quantity(124, "mm[Hg]")},
            {"code": _code("8462-4"), "valueQuantity": _quantity(76, "mm[Hg]")},
        ],
        effectivePeriod={"start": "2025-09-03T18:00:00Z", "end": "2025-09-03T18:10:00Z"},
    ).items() if key != "effectiveDateTime"},
    {"resourceType": "Condition", "id": "c", "code": _code("44054006", SNOMED), "encounter": AT_STAY,
     "clinicalStatus": _code("active", "urn:c"), "verificationStatus": _code("confirmed", "urn:v"), **OWNER},
    {"resourceType": "Condition", "id": "c2", "code": _code("I10", "http://hl7.org/fhir/sid/icd-10-cm"),
     "onsetDateTime": "2020-01", "recordedDate": "2020-02-01", "abatementDateTime": "2021", **OWNER},
    {"resourceType": "Medication", "id": "m", "code": _code("7806", "http://www.nlm.nih.gov/research/umls/rxnorm")},
    {"resourceType": "MedicationRequest", "id": "r", "status": "active", "intent": "order",
     "authoredOn": "2025-09-01T10:00:00Z", "medicationReference": {"reference": "Medication/m"}, **OWNER},
    {"resourceType": "MedicationAdministration", "id": "ma", "status": "completed",
     "medicationCodeableConcept": _code("7806", "urn:rx"), "effectivePeriod": {"start": "2025-09-01T10:00:00Z"},
     **OWNER},
    {"resourceType": "Procedure", "id": "o", "status": "completed", "code": _code("1", SNOMED),
     "performedDateTime": "2025-09-01", **OWNER},
    {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "incomplete"}]},
    {"resourceType": "Organization", "id": "org", "contained": [{"resourceType": "Observation"}]},
]  # fmt: skip


def _bundle(*resources: Resource, kind: str = "collection", **more: Any) -> Resource:
    entries = [
        {"fullUrl": f"https://fhir.example.org/{one['resourceType']}/{one.get('id')}", "resource": one}
        for one in resources
    ]
    return {"resourceType": "Bundle", "type": kind, "entry": entries, **more}


def _bytes(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _reader() -> list[bytes]:
    found = [b"J0" + _bytes(one) for one in RESOURCES]
    found += [b"J1" + _bytes(_bundle(PATIENT, one)) for one in RESOURCES[1:]]
    found += [b"J0" + _bytes(_bundle(*RESOURCES[:6])), b"J1" + _bytes(_bundle(*RESOURCES[10:], kind="transaction"))]
    deletion = {"fullUrl": "https://fhir.example.org/Observation/k1", "request": {"method": "DELETE", "url": "x"}}
    history = _bundle(PATIENT, RESOURCES[2], kind="history")
    history["entry"].append(deletion)
    paged = _bundle(PATIENT, kind="searchset", total=9, link=[{"relation": "next", "url": "https://x"}])
    found += [b"J0" + _bytes(history), b"J0" + _bytes(paged), b"J0" + _bytes(_bundle(_bundle(PATIENT)))]
    found += [b"L0" + b"\n".join(_bytes(one) for one in RESOURCES), b"L1" + _bytes(_bundle(PATIENT, STAY)) + b"\r\n\n{"]
    for path in sorted(EXAMPLES.glob("*.json")):
        document = json.loads(path.read_text("utf-8"))
        resources = [entry["resource"] for entry in document["entry"]]
        found += [b"J1" + _bytes(_bundle(resources[0], one)) for one in resources[1:6]]
        found.append(b"L1" + b"\n".join(_bytes(one) for one in resources[:4]))
    return found


def _alike() -> list[bytes]:
    """Some lines of one shape each: the second makes a template, the rest are read by it."""
    found = []
    for one in RESOURCES[2:]:
        copies = [
            _bytes({**one, "id": f"{one.get('id')}{number}"}).replace(b"T18:10", b"T18:1%d" % number)
            for number in range(6)
        ]
        found += [b"\n".join(copies), b"\n".join([_bytes(PATIENT), *copies[:3], copies[0], *copies[3:]])]
    for value in (b"3.9", b"-3.9", b"400", b"0"):
        line = _bytes(_result("k", valueQuantity=_quantity(7, "mmol/L"), issued="2025-09-03T18:30:00Z"))
        found.append(b"\n".join([line, line, line.replace(b'"value":7', b'"value":' + value), line]))
    return found


def _units() -> list[bytes]:
    said = [
        (UCUM, "mg/dL", "mg/dL"), (UCUM, "umol/L", ""), ("", "", "mmHg"), (UCUM, "[degF]", "F"), (UCUM, "10*3/uL", ""),
        (UCUM, "meq/L", "meq/L"), ("urn:x", "bpm", ""), (UCUM, "{score}", "score"), ("", "", "\u00b5mol/L"),
        (UCUM, "mmol/mol", ""), ("", "", "138 units"), (UCUM, "mL/(24.h)", ""), (UCUM, "1", "%"), (UCUM, "K/uL", ""),
    ]  # fmt: skip
    return [
        bytes([number]) + b"\0" + b"\0".join(part.encode() for part in parts)
        for number in range(1, 60, 7)
        for parts in said
    ]


def _lines() -> list[bytes]:
    two = b'{"resourceType":"Patient","id":"a"}\n{"resourceType":"Patient","id":"b"}'
    texts = [
        two, two + b"\n", two.replace(b"\n", b"\r\n"), b"\xef\xbb\xbf" + two, b"\n\n" + two + b"\n \t\r\n", b"",
        b'{"a":"\xe2\x80\xa8"}\n\x0b\n\x85\n\x1c', b"\xff\xfe{\0", b"<html>", b"PK\x03\x04", b" " * 40 + b"\n" + two,
    ]  # fmt: skip
    return [head + b"\x10" + text for text in texts for head in (b"P", b"Z")]


def seeds(target: str) -> list[bytes]:
    """Inputs to start from, and those that once broke something."""
    made = {"reader": _reader, "units": _units, "lines": _lines, "alike": _alike}[target]()
    return made + [path.read_bytes() for path in sorted(FOUND.glob(f"{target}-*"))]


def write_seeds(target: str, folder: Path) -> None:
    """Put the seeds of a target into a folder, a file each."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(seeds(target)):
        (folder / f"seed-{number:03}").write_bytes(data)
