"""Every page in both themes: accessible, no wider than a telephone, without a name in its title or address."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, TimeoutError

from browser.desk import Desk, Reception, Watch
from browser.tour import TOURS, Scene
from browser.ward import Ward

_STYLE = Path(__file__).resolve().parents[2] / "apps" / "clinician" / "style.css"
_RULES = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}}
# The dark theme changes colours and nothing else, so only what depends on colours is asked a second time.
_SHAPE = _RULES | {"rules": {"color-contrast": {"enabled": False}}}  # a narrow page has the colours of a wide one
_COLOURS = {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}}
_AXE = Axe()
_WIDE, _NARROW = {"width": 1440, "height": 900}, {"width": 320, "height": 800}
# What Streamlit draws itself and nothing outside it can change: rule and a part of the element, with the reason.
_ALLOWED: tuple[tuple[str, str], ...] = ()
_TITLES = {"cdss", "Sign in · cdss"}
# Selectors of states that the tour does not come to, with the reason.
_UNREACHED = {
    ".axis .b3": "a release with four bands; the shipped one has three",
    '[data-testid="stHtml"] .both-sides li.none': "an estimate for which nothing recorded speaks",
    ".round.stop": "a receipt whose proof fails",
    '[data-testid="InputInstructions"]': "drawn while somebody types",
    "span.missing": "a value not measured among the eight that move the machine most",
}
_SIDEWAYS = """() => Math.max(...[document.documentElement, document.querySelector('[data-testid=stMain]')]
    .filter(one => one).map(one => one.scrollWidth - one.clientWidth))"""
_FITS_MS = 5000  # a table measures itself anew after the window
_MATCHED = """selectors => selectors.filter(one => document.querySelector(one))"""
_PSEUDO = re.compile(r"::?(focus-visible|focus-within|focus|hover|before|after|first-line)\b")


@dataclass
class Found:
    """What the tour found out, by page and theme."""

    violations: list[str] = field(default_factory=list)
    wide: list[str] = field(default_factory=list)
    titles: list[str] = field(default_factory=list)
    selectors: set[str] = field(default_factory=set)
    complaints: list[str] = field(default_factory=list)
    pages: set[str] = field(default_factory=set)


def selectors() -> list[str]:
    """Every selector of the stylesheet, without what is a state of a moment."""
    text = re.sub(r"/\*.*?\*/", "", _STYLE.read_text("utf-8"), flags=re.DOTALL)
    found = []
    for head in re.findall(r"([^{}@;]+)\{(?=[^{}]*\})", re.sub(r"@media[^{]*\{", "", text)):
        depth, part = 0, ""
        for char in head.strip() + ",":
            depth += (char in "([") - (char in ")]")
            if char == "," and not depth:
                found.append(_PSEUDO.sub("", part.strip()))
                part = ""
            else:
                part += char
    return sorted(set(found))


@pytest.fixture(scope="module")
def found(browser: Browser, ward: Ward) -> Found:
    result, watch = Found(), Watch()
    scene, wanted = Scene(ward), selectors()
    for theme in ("light", "dark"):
        reception = Reception(browser, ward, watch)
        for login, visit in TOURS.values():
            desk = reception.sit_down(login, color_scheme=theme)
            for name in visit(desk, scene):
                look_at(desk, f"{name}, {theme}", wanted, result)
        reception.close()
    result.complaints = watch.complaints
    return result


def look_at(desk: Desk, name: str, wanted: list[str], result: Found) -> None:
    page = desk.page
    if page.get_by_test_id("stApp").count():
        desk.still()
    result.pages.add(name.partition(",")[0])
    result.titles.append(f"{page.title()} {page.url}")
    result.selectors |= set(page.evaluate(_MATCHED, wanted))
    if name.endswith("dark"):
        violations(page, name, result, _COLOURS)
        return
    violations(page, name, result, _RULES)
    page.set_viewport_size(_NARROW)
    page.wait_for_function("() => innerWidth === 320")
    try:
        page.wait_for_function(f"() => ({_SIDEWAYS})() <= 0", timeout=_FITS_MS)
    except TimeoutError:
        result.wide.append(f"{name}: {page.evaluate(_SIDEWAYS)} px sideways")
    violations(page, f"{name}, narrow", result, _SHAPE)
    page.set_viewport_size(_WIDE)
    page.wait_for_function("() => innerWidth === 1440")


def violations(page: Any, name: str, result: Found, rules: dict[str, Any]) -> None:
    for one in _AXE.run(page, options=rules).response["violations"]:
        for node in one["nodes"]:
            if not any(one["id"] == rule and part in node["html"] for rule, part in _ALLOWED):
                result.violations.append(f"{name}: {one['id']} at {node['target']} {node['html'][:200]}")


def test_no_page_fails_or_complains(found: Found) -> None:
    assert not found.complaints, "\n".join(found.complaints)
    assert len(found.pages) >= 22


def test_every_page_is_accessible(found: Found) -> None:
    assert not found.violations, "\n".join(found.violations)


def test_no_page_scrolls_sideways_on_a_telephone(found: Found) -> None:
    assert not found.wide, "\n".join(found.wide)


def test_no_title_and_no_address_names_a_patient(found: Found) -> None:
    for one in found.titles:
        title, _, url = one.rpartition(" ")
        assert title in _TITLES, one
        assert re.fullmatch(
            r"http://127\.0\.0\.1:\d+/[\w-]*(\?((case=[0-9a-f]*|page=\d+|next=[\w%.]*"
            r"|worklist-(view|whose)=\w+)&?)*)?",
            url,
        ), one


def test_every_selector_of_the_stylesheet_matches_something(found: Found) -> None:
    unmatched = [one for one in selectors() if one not in found.selectors and one not in _UNREACHED]
    assert not unmatched, "\n".join(unmatched)
    assert not [one for one in _UNREACHED if one in found.selectors]
