"""The printed decision record, read back."""

from __future__ import annotations

import copy
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdss.demo.people import people
from cdss.paper import decision_pdf
from tests.paper.decided import (
    NOT_FOR,
    STATEMENT,
    abstention,
    digest,
    history,
    named,
    pages,
    read,
    receipt,
    record,
    words,
)


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
    assert "\u22120.28 ▼ lowers" in text
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
        assert "SYNTHETIC DATA \u2013 demo hospital" in page


def test_ward_and_bed_are_named_once() -> None:
    assert "Place Ward 7B, bed 12" in pages(decision_pdf(record(), [], None))[0]
    changed = record()
    changed["patient"] |= {"ward": "Ward 7B", "bed": "bed 12"}
    assert "Place Ward 7B, bed 12" in pages(decision_pdf(changed, [], None))[0]


@pytest.mark.catalogue(66)
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


@pytest.mark.catalogue(48, 49)
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


@pytest.mark.catalogue(48, 49)
@pytest.mark.parametrize(("family", "given"), HOSTILE)
def test_hostile_names_come_out_as_typed(family: str, given: str) -> None:
    for page in pages(named(family, given)):
        assert " ".join(f"{family}, {given}".split()) in page


@pytest.mark.catalogue(48, 49)
@pytest.mark.parametrize(
    "where", ["statement", "plan", "note", "finding", "fact", "source", "detail", "act", "name", "ward"]
)
def test_hostile_text_comes_out_as_typed_anywhere(where: str) -> None:
    text = "<b>x</b> & <a href='u'>y</a> &amp; *z* =1+1"
    changed, acts, proof = record(), history(), receipt()
    places: dict[str, tuple[dict[str, Any], str]] = {
        "statement": (changed, "statement"), "plan": (changed["decision"], "plan"),
        "note": (changed["decision"], "note"),
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
        head = pages(decision_pdf({"patient": {"family": family, "given": given}}, [], None))[0]
        assert " ".join(f"{family}, {given}".split()) in head


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
    assert "ليلى"[::-1] in text  # pypdf gives letters as they are drawn, from left to right
    assert "النورمارية"[::-1] in text
    assert text.index("ليلى"[::-1]) < text.index("النورمارية"[::-1])
    content = read(document).pages[0].get_contents()
    assert content is not None
    assert b"/ActualText <FEFF0644>" in content.get_data()  # lam, as typed, behind its joined form


@pytest.mark.parametrize("name", ["سلام", "لآلئ", "علاء الدين", "مُحَمَّد", "نیک\u200cنام", "שָׁלוֹם", "بەختیار", "ژاله"])
def test_names_from_right_to_left_need_no_code_point(name: str) -> None:
    text = pages(decision_pdf({"patient": {"family": name, "given": "Ruth"}}, [], None))[0]
    assert "U+" not in text
    assert "Ruth" in text


@pytest.mark.catalogue(51)
@pytest.mark.parametrize(
    ("char", "shown"),
    [("😀", "U+1F600"), ("漢", "U+6F22"),
     ("\u202e", "U+202E"), ("\u200b", "U+200B"), ("\x07", "U+0007"), ("\ud800", "U+D800"),
     ("\u0e01", "U+0E01"), ("\u200d", "U+200D")],
)  # fmt: skip
def test_what_no_font_can_show_comes_out_as_its_code_point(char: str, shown: str) -> None:
    assert all(shown in page for page in pages(named(f"A{char}b", "Ruth")))


@given(st.text(max_size=60) | st.text("لاآأإ سَٰ\u200c\u200d(12)-aא", max_size=30))
@settings(max_examples=150)
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


def test_the_fonts_are_small_and_come_with_their_licences() -> None:
    folder = files("cdss.paper") / "fonts"
    held = {one.name: len(one.read_bytes()) for one in folder.iterdir()}
    assert {"LICENSE-DejaVu.txt", "LICENSE-Inter.txt"} <= held.keys()
    assert sum(held.values()) < 1_600_000


def test_an_answer_is_printed_as_it_was_given() -> None:
    changed = record()
    changed["estimates"][0] |= {"alive": 100, "risk": 0.01}  # kept off 0 for the combination
    assert re.search(r"to “[^”]+” 0 not asked", words(decision_pdf(changed, history(), receipt())))


def test_the_own_estimate_that_was_combined_is_the_one_compared() -> None:
    changed = record()
    early = changed["estimates"][0] | {"alive": 95, "risk": 0.05, "combined": False, "why_not": "you had seen a score"}
    changed["estimates"] = [early, changed["estimates"][0] | {"number": 2}]
    text = words(decision_pdf(changed, history(), receipt()))
    assert "The clinician said 20 of 100" in text
    assert "Second estimate 20" in text  # on the axis
    assert "5 Not combined: you had seen a score" in text


def test_the_model_says_the_event_in_its_own_words() -> None:
    changed = record()
    changed["model"] |= {"event": {"ask": "return", "past": "returned"}, "horizon": "within 30 days"}
    text = words(decision_pdf(changed, history(), receipt()))
    assert "Of 100, return within 30 days" in text
    assert "51 of 100 returned within 30 days" in text


def test_the_statement_keeps_its_emphasis_only_where_its_parts_are_the_statement() -> None:
    changed = record()
    changed["statement_parts"] = [[STATEMENT[:30], False], [STATEMENT[30:], True]]
    assert STATEMENT in pages(decision_pdf(changed, history(), receipt()))[0]
    changed["statement_parts"] = [["Something else.", True]]
    text = words(decision_pdf(changed, history(), receipt()))
    assert STATEMENT in text
    assert "Something else" not in text


def test_what_was_added_later_is_printed() -> None:
    added = [{"at": "2026-03-15T08:00:00Z", "by": "Dr K. Osei", "what": "Amended", "text": "Plan: <b>home</b>."}]
    text = words(decision_pdf(record() | {"added": added}, history(), receipt()))
    assert "15 Mar 2026 08:00:00 Amended Plan: <b>home</b>. Dr K. Osei" in text
    assert STATEMENT in text
