"""The printed decision record, read back."""

from __future__ import annotations

import copy
import hashlib
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pypdf import PdfReader

from cdss.demo.people import people
from cdss.paper import decision_pdf
from cdss.paper.bidi import levels, shape, visual
from cdss.paper.fonts import load_fonts
from cdss.paper.text import Span, Text
from cdss.paper.words import day, fours, hospital_number, moment, of_hundred, signed, value_text, years_between

NOT_FOR = "Limiting or withdrawing treatment, ICU triage, hospice eligibility; children; any decision that cannot wait."
QUESTION = "Of 100 patients like this one, how many will be alive in six months?"
STATEMENT = (
    "I have reviewed this estimate and its inputs. My own judgement is 20 of 100 die within 180 days. I override the "
    "machine's 54 of 100, because my clinical judgement differs (imaging). My plan is: reassess after the extubation trial."
)
MARLOW = {"sub": "marlow", "name": "Dr Ines Marlow", "role": "clinician"}


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def fact(label: str, value: object, unit: str, change: float, text: str, **more: object) -> dict[str, Any]:
    found = {"feature": label.lower(), "label": label, "value": value, "unit": unit, "shap_value": change, "text": text}
    return found | {"effective": "2026-03-14T06:10:00Z", "sources": [f"Observation/{label.lower()}-1"]} | more


def record() -> dict[str, Any]:
    contributions = [
        fact("Coma", 26.0, "{score}", 0.4638, "Coma score 26, 4 h before the index time, raises the estimate. Not Glasgow."),
        fact("Group", "Sepsis & organ failure", "1", -0.28, "Study disease group (sepsis) lowers the estimate. As studied."),
        fact("Creatinine", 2.1, "mg/dL", 0.2, "Creatinine 2.1 mg/dL raises the estimate. A rise points to the kidneys."),
        fact("Albumin", None, "g/dL", 0.09, "Albumin not measured raises the estimate.", effective=None, sources=[]),
        fact("Age", 70.5927446954141, "a", 0.06, "Age 70 years raises the estimate.", effective=None),
        fact("Dementia", 0.0, "1", 0.0, "Dementia not on record hardly changes the estimate.", effective=None, sources=[]),
    ]  # fmt: skip
    head = {"subject": "Patient/demo-12", "index_time": "2026-03-14T09:40:00Z", "outcome": "death", "horizon": "P180D"}
    assessment = {
        "schema": 1, "kind": "estimate", "id": "urn:uuid:bcc38e1c-49a2-84d4-8467-77ca5f315a7a", **head,
        "model": {"name": "serious-illness-180d", "version": "1.0.0", "digest": f"sha256:{digest('model')}"},
        "probability": 0.5412, "interval": {"low": 0.45, "high": 0.63, "level": 0.9, "method": "bootstrap of model"},
        "log_odds": 0.41, "band": "middle", "flag": True,
        "explanation": {"scale": "log-odds", "base_value": -0.12, "contributions": contributions},
        "team": {"clinician_estimate": 0.2, "probability": 0.39, "disagreement": True},
        "findings": [{"severity": "note", "source": "Observation/k7", "reason": "value-impossible",
                      "message": "Heart rate of 0 per minute was put aside"}],
        "inputs_digest": f"sha256:{digest('inputs')}", "release_state": "live",
    }  # fmt: skip
    estimate = {
        "number": 1, "alive": 80, "risk": 0.2, "question": QUESTION, "at": "2026-03-14T09:43:02.000000Z", "by": MARLOW,
        "combined": True, "why_not": None,
    }  # fmt: skip
    return {
        "schema": 1, "case": "case-12", "number": "DR-2026-000417", "version": 3, "synthetic": True,
        "patient": {
            "reference": "Patient/demo-12", "family": "Adeyemark", "given": "Ruth", "birth_date": "1957-03-02", "sex": "female",
            "identifier": {"system": "https://hospital.example/mrn", "value": "730418226"}, "ward": "7B", "bed": "12",
            "attending": "Dr Ines Marlow",
        },
        "assessment": assessment,
        "model": {"title": "Death within 180 days", "intended_use": "To prompt an added conversation.", "not_for": NOT_FOR,
                  "bands": [{"name": "low", "low": 0.0}, {"name": "middle", "low": 0.3}, {"name": "high", "low": 0.6}]},
        "observed": {"n": 412, "rate": 0.51, "low": 0.46, "high": 0.56},
        "reliance": [{"ok": True, "text": "Inside the intended population", "detail": "Adult, third day"},
                     {"ok": False, "text": "One fact was not measured", "detail": "Albumin"}],
        "estimates": [estimate],
        "decision": {"outcome": "overridden", "outcome_text": "Override: my judgement differs", "reason": "clinical-judgement",
                     "reason_text": "Clinical judgement differs", "knows": ["Imaging"], "note": "", "until": None,
                     "plan": "Reassess after the extubation trial"},
        "statement": STATEMENT, "at": "2026-03-14T09:47:12Z",
    }  # fmt: skip


def history() -> list[dict[str, Any]]:
    acts = ("Opened, inputs frozen", "Estimate committed", "Score made", "Viewed", "Decision: overridden", "Signed")
    return [
        {"at": f"2026-03-14T09:4{at}:02Z", "act": act, "by": "Dr Ines Marlow", "seq": 18437 + at}
        for at, act in enumerate(acts)
    ]


def receipt() -> dict[str, Any]:
    signature = {
        "name": "Dr Ines Marlow", "role": "clinician", "meaning": "overridden with reason", "slot": "author",
        "at": "2026-03-14T09:47:31.101Z", "key": "7c2f90aa", "value": "Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeO==",
    }  # fmt: skip
    return {
        "number": "DR-2026-000417", "seq": 18442, "size": 18442, "at": "2026-03-14T09:47:31.204Z", "leaf": digest("leaf"),
        "root": digest("root"), "checkpoint": "cdss.example/ledger\n18442\nwH0Y6U9io7F3DF4t=\n\n\u2014 cdss Az3grlgt=\n",
        "path": [digest(str(at)) for at in range(15)], "signatures": [signature],
    }  # fmt: skip


def abstention() -> dict[str, Any]:
    changed = record()
    gone = ("probability", "interval", "log_odds", "band", "flag", "explanation", "team")
    changed["assessment"] = {key: value for key, value in changed["assessment"].items() if key not in gone} | {
        "kind": "abstention",
        "reasons": [{"code": "required-missing", "feature": "creatinine", "message": "Creatinine: nothing usable is on record",
                     "remedy": "Measure it in mg/dL."}],
        "findings": [],
    }  # fmt: skip
    changed |= {
        "estimates": [],
        "observed": None,
        "statement": "I have seen that there is no estimate.",
        "reliance": [],
    }
    return changed


def read(document: bytes) -> PdfReader:
    return PdfReader(BytesIO(document))


def pages(document: bytes) -> list[str]:
    return [" ".join(page.extract_text().split()) for page in read(document).pages]


def words(document: bytes) -> str:
    return " ".join(pages(document))


def named(family: str, given: str) -> bytes:
    changed = record()
    changed["patient"] |= {"family": family, "given": given}
    return decision_pdf(changed, history(), receipt())


@pytest.fixture(scope="module")
def signed_record() -> bytes:
    return decision_pdf(record(), history(), receipt())


def test_it_says_what_was_decided_by_whom_and_when(signed_record: bytes) -> None:
    first = pages(signed_record)[0]
    assert "Overridden with reason, signed by Dr Ines Marlow, clinician, 14 Mar 2026 09:47:31 UTC" in first
    assert STATEMENT in first
    assert "Reassess after the extubation trial" in first


def test_numbers_are_of_100(signed_record: bytes) -> None:
    text = words(signed_record)
    assert "Of 100, die within 180 days" in text
    assert re.search(
        r"First estimate, Dr Ines Marlow, clinician Answered 80 alive to “Of 100 [^”]+” 20 not asked", text
    )
    assert re.search(
        r"Machine, serious-illness-180d 1\.0\.0 Band: middle 54 45 to 63 \(90 %\) bootstrap of model", text
    )
    assert re.search(r"Both together 39 no interval fitted", text)
    assert "The clinician said 20 of 100, the machine 54 of 100: 34 apart." in text
    assert "54 of 100" in text
    assert "0.54" not in text
    assert "Band middle or high: the interval reaches into 2 bands" in text
    assert (
        "of 412 patients in the same band when the model was tested, 51 of 100 died within 180 days (interval 46 to 56)"
        in text
    )


def test_every_input_stands_with_unit_time_source_and_change(signed_record: bytes) -> None:
    text = words(signed_record)
    assert "Creatinine 2.1 mg/dL 14 Mar 2026 06:10 Observation/creatinine-1 +0.20 ▲ raises" in text
    assert "Albumin Not measured no entry +0.09 ▲ raises" in text
    assert "Group Sepsis & organ failure" in text
    assert "−0.28 ▼ lowers" in text
    assert "Dementia Not on record no time no entry 0.00 hardly" in text
    assert "Age 70.59 years no time" in text
    assert "Heart rate of 0 per minute was put aside." in text


def test_signatures_history_and_receipt(signed_record: bytes) -> None:
    text = words(signed_record)
    assert "Dr Ines Marlow, clinician Overridden with reason 14 Mar 2026 09:47:31 author" in text
    assert "7c2f90aa" in text
    assert receipt()["signatures"][0]["value"] in text
    assert "14 Mar 2026 09:41:02 Estimate committed Dr Ines Marlow 18,438" in text
    assert "18,442 of 18,442" in text
    assert "Size 18,442" in text
    for one in (receipt()["leaf"], receipt()["root"], *receipt()["path"]):
        assert one in text.replace(" ", "")
    assert "\u2014 cdss Az3grlgt=" in text
    assert "It contains no patient data." in text


def test_the_limits_are_the_models_own(signed_record: bytes) -> None:
    assert f"This is not a medical device. It is not for {NOT_FOR[0].lower()}{NOT_FOR[1:]}" in words(signed_record)


@pytest.mark.parametrize("part", ["document", "record"])
def test_the_same_input_gives_the_same_bytes(signed_record: bytes, part: str) -> None:
    changed = record()
    if part == "record":
        changed["statement"] += " More."
    assert (decision_pdf(changed, history(), receipt()) == signed_record) == (part == "document")


def test_threads_do_not_disturb_each_other(signed_record: bytes) -> None:
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: decision_pdf(record(), history(), receipt()), range(8)))
    assert all(one == signed_record for one in made)


def test_every_page_says_whose_it_is_and_which_entry(signed_record: bytes) -> None:
    found = pages(signed_record)
    assert 1 <= len(found) <= 3
    for number, page in enumerate(found, 1):
        assert "Adeyemark, Ruth" in page
        assert "Born 2 Mar 1957 (69 y)" in page
        assert "Hospital no. 730 418 226" in page
        assert "Record DR-2026-000417" in page
        assert digest("leaf") in page.replace(" ", "")
        assert f"Page {number} of {len(found)}" in page
        assert "SYNTHETIC DATA – demo hospital" in page


def test_only_a_synthetic_record_is_marked_so() -> None:
    assert "SYNTHETIC" not in words(decision_pdf(record() | {"synthetic": False}, history(), receipt()))


def test_what_a_viewer_shows_in_its_title_holds_no_name(signed_record: bytes) -> None:
    about = read(signed_record)
    assert about.metadata is not None
    assert about.metadata.title == "Decision record DR-2026-000417"
    assert not any(
        name in str(value) for value in about.metadata.values() for name in ("Adeyemark", "Ruth", "730418226")
    )
    assert about.trailer["/Root"]["/Lang"] == "en"
    assert about.trailer["/Root"]["/ViewerPreferences"]["/DisplayDocTitle"] in (True, "true")
    assert not any("Adeyemark" in str(one) for one in about.outline)


def test_fonts_are_all_inside(signed_record: bytes) -> None:
    for page in read(signed_record).pages:
        for font in page["/Resources"]["/Font"].values():
            assert "/FontFile2" in font.get_object()["/FontDescriptor"].get_object()


def test_nothing_in_it_acts_or_reaches_out(signed_record: bytes) -> None:
    assert not any(
        word in signed_record for word in (b"/JavaScript", b"/URI", b"/Launch", b"/EmbeddedFile", b"/AcroForm")
    )


def test_an_abstention_has_no_number_and_is_not_low_risk() -> None:
    text = words(decision_pdf(abstention(), history(), receipt()))
    assert "No estimate" in text
    assert "That does not mean low risk." in text
    assert "Creatinine: nothing usable is on record." in text
    assert "Measure it in mg/dL." in text
    assert "of 100" not in text.lower()
    assert "log-odds" not in text.lower()


def test_an_abstention_keeps_the_clinicians_own_estimate() -> None:
    text = words(decision_pdf(abstention() | {"estimates": record()["estimates"]}, history(), receipt()))
    assert "20 not asked" in text
    assert "Machine No estimate Both together Not combined" in text


def test_a_number_beside_an_abstention_is_not_printed() -> None:
    changed = abstention()
    changed["assessment"]["probability"] = 0.5412
    assert "54" not in words(decision_pdf(changed, [], None))


def test_not_combined_says_why() -> None:
    changed = record()
    changed["assessment"]["team"] = {"absent": "you had seen a score"}
    changed["estimates"][0] |= {"combined": False, "why_not": "you had seen a score"}
    text = words(decision_pdf(changed, history(), receipt()))
    assert "Both together Not combined: you had seen a score" in text
    assert "disagree" not in text


def test_without_a_receipt_it_says_that_it_is_not_signed() -> None:
    found = pages(decision_pdf(record(), history(), None))
    assert "Overridden with reason. Recorded, not signed, 14 Mar 2026 09:47:12 UTC" in found[0]
    assert all("Recorded, not signed: there is no entry hash." in page for page in found)


HOSTILE = [
    ("=1+1 <b>Ohmsworth</b> & `Sons`", "*Ada* [click](x) $y$"),
    ("</para><font size=90>", "&lt;b&gt; %s {0} \\n"),
    ("' OR 1=1 --", '"><script>alert(1)</script>'),
    ("(a) Tj ET Q", "\\051 BT /F1 99 Tf"),
]


@pytest.mark.parametrize(("family", "given"), HOSTILE)
def test_hostile_names_come_out_as_typed(family: str, given: str) -> None:
    for page in pages(named(family, given)):
        assert " ".join(f"{family}, {given}".split()) in page


@pytest.mark.parametrize(
    "where", ["statement", "plan", "note", "finding", "fact", "source", "detail", "act", "name", "ward"]
)
def test_hostile_text_comes_out_as_typed_anywhere(where: str) -> None:
    text = "<b>x</b> & <a href='u'>y</a> &amp; *z* =1+1"
    changed, acts, proof = record(), history(), receipt()
    places: dict[str, tuple[dict[str, Any], str]] = {
        "statement": (changed, "statement"), "plan": (changed["decision"], "plan"), "note": (changed["decision"], "note"),
        "finding": (changed["assessment"]["findings"][0], "message"), "ward": (changed["patient"], "ward"),
        "fact": (changed["assessment"]["explanation"]["contributions"][0], "text"), "act": (acts[0], "act"),
        "source": (changed["assessment"]["findings"][0], "source"), "detail": (changed["reliance"][0], "detail"),
        "name": (proof["signatures"][0], "name"),
    }  # fmt: skip
    holder, key = places[where]
    holder[key] = text
    assert text.replace(" ", "") in words(decision_pdf(changed, acts, proof)).replace(" ", "")


def test_every_name_of_the_demo_comes_out_as_typed() -> None:
    for person in people():
        family, given = person.family, person.given
        if any(unicodedata.bidirectional(char) in ("R", "AL") for char in family + given):
            continue
        assert " ".join(f"{family}, {given}".split()) in pages(named(family, given))[0]


@pytest.mark.parametrize(
    ("family", "given"),
    [
        ("Hallgrímsvik", "Guðrún"),
        ("Tömörsen", "Батбаяр"),
        ("Παπαθώρνη", "Ἑλένη"),
        ("Nguyễn", "Thị Ánh"),
        ("Աբգարյան", "გიორგი"),
    ],
)
def test_names_of_many_scripts_come_out_as_typed(family: str, given: str) -> None:
    assert f"{family}, {given}" in pages(named(family, given))[0]


def test_a_letter_with_its_mark_apart_is_the_same_letter() -> None:
    assert "Tömörsen, Ines" in pages(named(unicodedata.normalize("NFD", "Tömörsen"), "Ines"))[0]


def test_arabic_names_are_joined_and_can_be_read_back() -> None:
    document = named("النورمارية", "ليلى")
    text = unicodedata.normalize("NFKC", pages(document)[0])
    assert "النورمارية" in text
    assert "ليلى" in text
    content = read(document).pages[0].get_contents()
    assert content is not None
    assert b"/ActualText <FEFF0644>" in content.get_data()  # lam, as typed, behind its joined form


def test_letters_take_the_form_their_neighbours_ask_for() -> None:
    def drawn(text: str) -> list[str]:
        return [unicodedata.decomposition(shown).split(">")[0].strip("<") for _, shown in shape(text)]

    assert drawn("ليلى") == ["initial", "medial", "medial", "final"]
    assert drawn("نور") == ["initial", "final", ""]
    assert [shown for _, shown in shape("سلام")] == ["\ufeb3", "\ufefc", "م"]  # lam and alef are one
    assert "".join(typed for typed, _ in shape("سَلام Ada")) == "سَلام Ada"


@pytest.mark.parametrize(
    ("typed", "drawn"),
    [
        ("Ada Lovelace", "Ada Lovelace"),
        ("אבג", "גבא"),
        ("Dr אבג, 12", "Dr גבא, 12"),
        ("אבג 12", "12 גבא"),
        ("אבג (דה)", "(הד) גבא"),
        ("אבג, דה", "הד ,גבא"),
        ("a (אב) c", "a (בא) c"),
        ("1.5-2 mg", "1.5-2 mg"),
    ],
)
def test_text_from_right_to_left_is_drawn_in_its_order(typed: str, drawn: str) -> None:
    depth = levels(typed)
    swap = str.maketrans("()", ")(")
    turned = [char.translate(swap) if level % 2 else char for char, level in zip(typed, depth, strict=True)]
    assert "".join(turned[at] for at in visual(depth)) == drawn


@given(st.text(max_size=40))
@settings(max_examples=200)
def test_order_and_forms_lose_nothing(text: str) -> None:
    assert sorted(visual(levels(text))) == list(range(len(text)))
    assert "".join(typed for typed, _ in shape(text)) == text


@pytest.mark.parametrize(
    ("char", "shown"),
    [("😀", "U+1F600"), ("漢", "U+6F22"), ("\u202e", "U+202E"), ("\u200b", "U+200B"), ("\x07", "U+0007"), ("\ud800", "U+D800"),
     ("\u0e01", "U+0E01"), ("\u200d", "U+200D")],
)  # fmt: skip
def test_what_no_font_can_show_comes_out_as_its_code_point(char: str, shown: str) -> None:
    assert all(shown in page for page in pages(named(f"A{char}b", "Ruth")))


@given(st.text(max_size=60))
@settings(max_examples=60)
def test_any_name_is_printed(name: str) -> None:
    assert len(pages(decision_pdf({"patient": {"family": name, "given": "Ruth"}}, [], None))) == 1


def test_a_long_name_wraps_in_the_head_of_every_page() -> None:
    family, given = (
        "Quintavallejo-Ørstedsen von Hohenbrückingen zu Oberwaldstetten",
        "María de los Ángeles Evangelina Montserrat",
    )
    found = pages(named(family, given))
    assert len(found) <= 3
    assert all(f"{family}, {given}" in page for page in found)


def test_a_name_too_long_for_the_head_is_cut_there_and_stands_in_full_below() -> None:
    family = " ".join(f"Name{at}" for at in range(60))
    found = pages(named(family, "Ruth"))
    assert all("…" in page for page in found)
    assert f"{family}, Ruth" in found[0]


@pytest.mark.parametrize(
    "text", ["word " * 40, "x" * 400, "Observation/" + "ab-" * 80, "النورمارية " * 20, "\u0301" * 9]
)
@pytest.mark.parametrize("width", [30.0, 90.0, 499.0])
def test_lines_stay_inside_their_width(text: str, width: float) -> None:
    load_fonts()
    lines = Text(Span(text))
    lines.wrap(width, 1000)
    assert all(sum(unit.width for unit in line if unit.drawn != " ") <= width + 0.1 for line in lines._lines)
    typed = "".join(unit.typed for line in lines._lines for unit in line)
    assert typed == unicodedata.normalize("NFC", text)


@pytest.mark.parametrize("where", ["statement", "message", "value"])
def test_texts_longer_than_a_page_go_on_the_next(where: str) -> None:
    text = " ".join(f"word{at}" for at in range(1500))
    changed = record()
    if where == "statement":
        changed["statement"] = text
    elif where == "message":
        changed["assessment"]["findings"][0]["message"] = text
    else:
        changed["assessment"]["explanation"]["contributions"][1]["value"] = text
    found = words(decision_pdf(changed, history(), receipt()))
    assert all(f"word{at}" in found for at in (0, 700, 1499))


def _paths(tree: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    inner = tree.items() if isinstance(tree, Mapping) else enumerate(tree[:1]) if isinstance(tree, list) else ()
    for key, value in inner:
        yield (*before, key)
        yield from _paths(value, (*before, key))


def _without(tree: Any, path: Sequence[Any]) -> Any:
    changed = copy.deepcopy(tree)
    holder = changed
    for key in path[:-1]:
        holder = holder[key]
    del holder[path[-1]]
    return changed


def test_any_part_may_be_missing() -> None:
    for path in _paths(record()):
        assert decision_pdf(_without(record(), path), [], receipt())[:5] == b"%PDF-"
    for path in _paths(receipt()):
        assert decision_pdf({}, history(), _without(receipt(), path))[:5] == b"%PDF-"
    assert "No name on record" in words(decision_pdf({}, [], None))


def test_how_things_are_written() -> None:
    assert [of_hundred(one) for one in (0.0001, 0.5412, 0.9999)] == ["<1", "54", ">99"]
    assert [signed(one) for one in (0.46, -0.284, 0.001, -0.001)] == ["+0.46", "−0.28", "0.00", "0.00"]
    assert [value_text(one) for one in (26.0, 7.34, -4, 176.55288, "word")] == ["26", "7.34", "−4", "176.55", "word"]
    assert value_text(0.2, "<") == "<0.2"
    assert [day(one) for one in ("1957-03-02", "1957-03", "1957", "unknown", "1957-13-01")] == [
        "2 Mar 1957", "Mar 1957", "1957", "unknown", "1957-13-01",
    ]  # fmt: skip
    assert moment("2026-03-14T10:47:31.9+01:00", zone=True) == "14 Mar 2026 09:47:31 UTC"
    assert moment("2026-03-14 10:47") == "2026-03-14 10:47"  # no offset: as it is
    assert hospital_number("730418226").split("\u00a0") == ["730", "418", "226"]
    assert hospital_number("A-12") == "A-12"
    assert fours("sha256:9f3a71c4") == "sha256: 9f3a 71c4"
    assert years_between("1957-03-02", "2026-03-01T00:00:00Z") == 68
    assert years_between("1957", "2026-03-01T00:00:00Z") is None


def test_the_fonts_are_small_and_come_with_their_licences() -> None:
    folder = files("cdss.paper") / "fonts"
    held = {one.name: len(one.read_bytes()) for one in folder.iterdir()}
    assert {"LICENSE-DejaVu.txt", "LICENSE-Inter.txt"} <= held.keys()
    assert sum(held.values()) < 1_600_000
