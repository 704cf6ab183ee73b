"""The catalogue of inputs, rows 58, 64 and 65: files that are too large, packed, or in another format."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import stat
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from bedside import Reading, bundle, is_refused, look, look_at, patient, potassium, quantity, to_bytes, to_ndjson

from cdss.errors import InputRefusedError
from cdss.fhir import files

GOOD = to_bytes(bundle(patient(), potassium()))
LINES = to_ndjson(patient(), potassium())
MODEL = "serious-illness-180d"
MOST_MIB = 500


def peak(path: Path) -> tuple[int, int, str]:
    """Exit code of `cdss read`, the most memory it held in MiB, and what it said."""
    status = Path("/proc/self/status")
    if not status.exists():
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)("memory is measured by Linux")
    program = (
        "import sys\nfrom cdss.cli.main import main\ncode = main(['read', sys.argv[1]])\n"
        f"most = next(line for line in open({str(status)!r}) if line.startswith('VmHWM'))\n"
        "print(code, int(most.split()[1]) >> 10)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True)
    code, most = done.stdout.split("\n")[-2].split()
    return int(code), int(most), done.stdout + done.stderr


# ---- size


@pytest.mark.catalogue(58)
def test_a_document_over_the_limit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "DOCUMENT_LIMIT", len(GOOD))
    assert look_at(tmp_path, GOOD).value() == "3.9 mmol/L"
    is_refused(tmp_path, GOOD + b" ", "too-large", "input.json")
    is_refused(tmp_path, gzip.compress(GOOD + b" "), "too-large", "input.json.gz", "input.json.gz")


@pytest.mark.catalogue(58)
def test_a_bundle_of_2_gb_is_refused_without_being_held_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "input.json"
    with path.open("wb") as opened:
        opened.write(b'{"resourceType": "Bundle", "entry": [ ')
        opened.truncate(2 << 30)  # sparse: it takes no room on the disk
    code, most, said = peak(path)
    assert (code, "is larger than 1024 MiB" in said) == (3, True)
    assert most < MOST_MIB


@pytest.mark.catalogue(58)
def test_a_line_with_a_text_of_100_mb_is_refused_and_memory_stays_small(tmp_path: Path) -> None:
    path = tmp_path / "input.ndjson"
    path.write_bytes(b'{"resourceType": "Patient", "id": "p1", "language": "' + b"a" * (100 << 20) + b'"}\n')
    code, most, said = peak(path)
    assert (code, "has a line longer than 64 MiB" in said) == (3, True)
    assert most < MOST_MIB


@pytest.mark.catalogue(58)
def test_more_lines_than_fit_in_memory_are_read_as_a_stream(tmp_path: Path) -> None:
    path, count = tmp_path / "input.ndjson", 250_000
    line = to_ndjson(potassium("%", subject={"reference": "Patient/%"})).replace(b"%", b"%d").replace(b"3.9", b"3.%d")
    with path.open("wb") as opened:
        opened.writelines(line % (number, number // 40, number % 10) for number in range(count))
    assert path.stat().st_size > files.LINE_LIMIT
    code, most, said = peak(path)
    assert code == 0
    assert f"{count} resources = " in said
    assert most < MOST_MIB


# ---- archives and other formats


def zipped(*names: str, content: bytes = GOOD) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, content)
    return buffer.getvalue()


def zip_with_a_link() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        link = zipfile.ZipInfo("link.json")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    return buffer.getvalue()


def tarred(name: str, kind: bytes = tarfile.REGTYPE) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        member = tarfile.TarInfo(name)
        member.size, member.type, member.linkname = (len(GOOD) if kind == tarfile.REGTYPE else 0), kind, "/etc/passwd"
        archive.addfile(member, io.BytesIO(GOOD))
    return buffer.getvalue()


@pytest.mark.catalogue(64)
@pytest.mark.parametrize(
    ("raw", "reasons"),
    [
        pytest.param(zipped("a.json"), {"zip"}, id="zip"),
        pytest.param(zipped("../../evil.json"), {"zip"}, id="zip-slip"),
        pytest.param(zipped("/etc/evil.json"), {"zip"}, id="absolute-name"),
        pytest.param(zipped("a.zip", content=zipped("a.json")), {"zip"}, id="zip-in-a-zip"),
        pytest.param(zip_with_a_link(), {"zip"}, id="zip-with-a-link"),
        pytest.param(gzip.compress(zipped("../evil.json")), {"zip"}, id="zip-in-gzip"),
        pytest.param(zipped(), {"json-malformed"}, id="empty-zip"),
        pytest.param(tarred("../../evil.json"), {"json-malformed"}, id="tar-slip"),
        pytest.param(tarred("/etc/evil.json"), {"json-malformed"}, id="tar-with-an-absolute-name"),
        pytest.param(tarred("link.json", tarfile.SYMTYPE), {"json-malformed"}, id="tar-with-a-link"),
        pytest.param(bz2.compress(GOOD), {"json-malformed", "json-not-utf8"}, id="bzip2"),
        pytest.param(lzma.compress(GOOD), {"utf-16", "json-malformed", "json-not-utf8"}, id="xz"),
        pytest.param(gzip.compress(gzip.compress(GOOD)), {"json-not-utf8"}, id="gzip-in-gzip"),
    ],
)
def test_an_archive_is_refused_and_nothing_is_unpacked(tmp_path: Path, raw: bytes, reasons: set[str]) -> None:
    home = tmp_path / "a" / "b"
    home.mkdir(parents=True)
    for name in ("input.json", "input.json.gz"):
        with pytest.raises(InputRefusedError) as refused:
            look_at(home, raw, name)
        assert refused.value.reason in reasons
        assert refused.value.exit_code == 3
    assert {path.name for path in tmp_path.rglob("*")} == {"a", "b", "input.json", "input.json.gz"}


@pytest.mark.catalogue(64)
@pytest.mark.parametrize("kept", [0.1, 0.5, 0.99])
@pytest.mark.parametrize(("raw", "name"), [(GOOD, "input.json.gz"), (LINES, "input.ndjson.gz")])
def test_a_cut_gzip_is_refused(tmp_path: Path, raw: bytes, name: str, kept: float) -> None:
    packed = gzip.compress(raw)
    is_refused(tmp_path, packed[: int(len(packed) * kept)], "gzip-cut", name, name)


@pytest.mark.catalogue(64)
@pytest.mark.parametrize("name", ["input.json.gz", "input.ndjson.gz"])
def test_a_gzip_bomb_is_refused_long_before_it_has_grown(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(gzip.compress((b" " * 1023 + b"\n") * (256 << 10), compresslevel=1))
    code, most, said = peak(path)
    assert (code, "grows to more than 100 times its size" in said) == (3, True)
    assert most < MOST_MIB


@pytest.mark.catalogue(64)
def test_an_export_that_packs_as_well_as_real_ones_is_read(tmp_path: Path) -> None:
    raw = LINES + b"".join(to_ndjson(potassium(f"k{number}")) for number in range(5000))
    packed = gzip.compress(raw)
    assert len(raw) > 23 * len(packed)
    reading = look_at(tmp_path, packed, "input.ndjson.gz")
    assert (reading.value(), sum(reading.counts), reading.counts[3]) == ("3.9 mmol/L", 5002, 0)


@pytest.mark.catalogue(64)
def test_a_link_in_a_directory_leads_nowhere_outside(tmp_path: Path) -> None:
    outside, export = tmp_path / "outside", tmp_path / "export"
    outside.mkdir()
    export.mkdir()
    (outside / "k2.json").write_bytes(to_bytes(potassium("k2", valueQuantity=quantity(6.9))))
    (export / "input.ndjson").write_bytes(LINES)
    for name, target in (("k2.json", outside / "k2.json"), ("all", outside), ("round", export)):
        (export / name).symlink_to(target)
    reading = Reading(export)
    assert (reading.value(), reading.counts) == ("3.9 mmol/L", (2, 0, 0, 0))


BOMB = b'<!DOCTYPE x [<!ENTITY a "ha">%b]><Patient>&i;</Patient>' % b"".join(
    b'<!ENTITY %c "%b">' % (new, b"&%c;" % old * 10) for old, new in zip(b"abcdefgh", b"bcdefghi", strict=True)
)
XML = {
    "fhir": b'<?xml version="1.0"?><Patient xmlns="http://hl7.org/fhir"><id value="p1"/></Patient>',
    "a-dtd": b'<!DOCTYPE Patient SYSTEM "https://evil.example/x.dtd"><Patient/>',
    "a-file": b'<!DOCTYPE x [<!ENTITY b SYSTEM "file:///etc/passwd">]><Patient>&b;</Patient>',
    "an-entity-bomb": BOMB,
    "behind-white-space": b"\n \t <Bundle/>",
    "behind-a-mark": b"\xef\xbb\xbf<Bundle/>",
}


@pytest.mark.catalogue(65)
@pytest.mark.parametrize("raw", XML.values(), ids=XML)
@pytest.mark.parametrize("name", ["input.json", "input.ndjson", "input.json.gz", "input.xml"])
def test_xml_is_refused_before_anything_in_it_is_read(tmp_path: Path, raw: bytes, name: str) -> None:
    is_refused(tmp_path, gzip.compress(raw) if name.endswith(".gz") else raw, "xml", "byte 0", name)


@pytest.mark.catalogue(65)
def test_an_entity_bomb_inside_a_narrative_is_words(tmp_path: Path) -> None:
    text = {"text": {"status": "generated", "div": BOMB.decode()}}
    reading = look(tmp_path, patient(**text), potassium(), with_patient=False)
    assert (reading.value(), reading.counts, reading.reasons()) == ("3.9 mmol/L", (2, 0, 0, 0), set())
