"""The whole way without a mouse: what has the focus shows it, and the order is that of reading."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import JSHandle, TimeoutError, expect

from browser.desk import Desk, sign_label
from browser.ward import PASSWORD, Ward

# How an element and what lies around and in it look; a mark of focus is a difference.
_LOOK = """one => {
    const parts = [one, ...[...one.querySelectorAll('*')].slice(0, 12)];
    for (let up = one.parentElement, n = 0; up && n < 4; up = up.parentElement, n++)
        parts.push(up, ...[...up.children].slice(0, 4));
    return parts.map(part => { const s = getComputedStyle(part);
        return [s.outlineStyle, s.outlineWidth, s.outlineColor, s.boxShadow, s.borderColor, s.backgroundColor,
                s.position, s.clip, s.transform].join(); }).join('|');
}"""
_ACTIVE = "() => document.activeElement"
_NAME = """one => (one.getAttribute('aria-label') || (one.getAttribute('aria-labelledby') || '').split(' ')
    .map(id => document.getElementById(id)?.textContent || '').join(' ').trim() || one.textContent || one.id
    || one.closest('label')?.textContent || one.tagName).trim()"""
_BEFORE = "(one, other) => !!(one.compareDocumentPosition(other) & Node.DOCUMENT_POSITION_FOLLOWING)"
# The cell of the table view is painted on a canvas, its ring of focus too.
_DRAWN_BY_PAGE = "one => one.isConnected && one !== document.body && !one.closest('[data-testid=stDataFrame]')"
_ON_TOP = """one => { const box = one.getBoundingClientRect(); if (!box.width || !box.height) return true;
    return box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth; }"""
_MOST, _PAINT_MS = 60, 5000


class Keys:
    """A person with a keyboard only."""

    def __init__(self, desk: Desk) -> None:
        self.desk, self.page = desk, desk.page
        self.path: list[str] = []

    def at(self) -> JSHandle:
        return self.page.evaluate_handle(_ACTIVE)

    def name(self) -> str:
        return re.sub(r"^keyboard_arrow_(right|down)|\s+", " ", self.at().evaluate(_NAME)).strip()

    def tab(self, key: str = "Tab") -> str:
        """Go on by one, and see that the focus shows, is on the screen, and moved as one reads."""
        old = self.at()
        before = old.evaluate(_LOOK)
        name = self.name()
        self.page.keyboard.press(key)
        new = self.at()
        if self.path:  # the first stop is where the browser itself begins
            attached = old.evaluate(_DRAWN_BY_PAGE)
            if attached and old.evaluate("(one, other) => one !== other", new):
                try:
                    self.page.wait_for_function(
                        f"([one, look]) => ({_LOOK})(one) !== look", arg=[old, before], timeout=_PAINT_MS
                    )
                except TimeoutError:
                    raise AssertionError(f"{name} does not show that it has the focus") from None
                first, second = (old, new) if key == "Tab" else (new, old)
                assert first.evaluate(_BEFORE, second), f"{name}: the next stop lies before it"
        assert new.evaluate(_ON_TOP), f"{self.name()} has the focus off the screen"
        self.path.append(self.name())
        return self.path[-1]

    def to(self, name: str, key: str = "Tab") -> None:
        """Press Tab until something has the focus."""
        for _ in range(_MOST):
            if self.tab(key).startswith(name):
                return
        raise AssertionError(f"{name} cannot be reached: {self.path[-_MOST:]}")

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def passed(self, *names: str) -> None:
        """These were stops on the way, in this order."""
        at = 0
        for name in names:
            found = [number for number, one in enumerate(self.path[at:], at) if one.startswith(name)]
            assert found, f"{name} was not passed: {self.path[at:]}"
            at = found[0] + 1
        self.path.clear()


def test_a_case_is_signed_by_keyboard_alone_from_the_sign_in_to_the_receipt(
    ward: Ward, sit_down: Callable[..., Desk]
) -> None:
    case, desk = ward.case("Hallgrímsvik"), sit_down()
    keys = Keys(desk)
    desk.go("/")
    expect(desk.field("User name")).to_be_focused()
    keys.press(*"thorsby", "Tab")
    expect(desk.field("Password")).to_be_focused()
    desk.page.keyboard.type(PASSWORD)
    assert keys.tab() == "Sign in"
    keys.press("Space")
    desk.heading("Worklist")
    desk.still()

    keys.to("Estimate: Hallgrímsvik")
    keys.passed("Skip to main content", "Worklist", "Records", "Help", "Sign out", "Mine", "List", "Resolve: ")
    keys.press("Enter")
    desk.is_patient(case)
    desk.still()

    keys.to("Alive, of 100 patients")
    keys.passed("Worklist", "Sign out", "Measurements the machine will use", "All inputs", "Alive, of 100")
    desk.page.keyboard.type("35")
    keys.to("Yes")
    desk.sees("That is 65 of 100 dying.")
    keys.press("Space")
    expect(desk.group("Are you a treating").get_by_role("radio", name="Yes")).to_be_checked()
    desk.still()
    keys.tab()
    keys.press("Space")
    expect(desk.group("Have you seen").get_by_role("radio", name="No", exact=True)).to_be_checked()
    desk.still()
    assert keys.tab() == "Commit my estimate"
    keys.press("Enter")
    desk.step("Decide")
    desk.still()

    keys.to("Accept: ")
    keys.path.clear()
    keys.press("Space", "ArrowDown", "ArrowDown", "ArrowUp")
    expect(desk.group("Your decision").get_by_role("radio", name="Override")).to_be_checked()
    reason = desk.page.get_by_role("combobox", name="Reason for the override")
    expect(reason).to_be_visible()
    expect(desk.page.get_by_role("combobox", name="Until")).to_have_count(0)
    desk.still()
    keys.to("Frailty")
    keys.press("ArrowRight", "Space")
    expect(desk.page.locator("[data-variant=pills][data-selected]")).to_have_text("Imaging")
    desk.still()
    keys.to("Reason for the override")
    keys.press("ArrowDown")
    expect(desk.page.get_by_role("option").first).to_be_visible()
    keys.press("ArrowDown", "Enter")
    desk.still()
    expect(reason).not_to_have_value("")
    keys.to("Your plan")
    desk.page.keyboard.type("Repeat the scan")
    keys.to("Continue to signing")
    keys.to("Your plan", "Shift+Tab")
    keys.press("End")
    desk.page.keyboard.type(" on Monday")
    keys.to("Continue to signing")
    keys.press("Enter")
    desk.heading("You are about to sign this")
    desk.sees("Repeat the scan on Monday")
    desk.still()

    keys.path.clear()
    keys.to("Meaning of your signature")
    keys.to("Your user name")
    desk.page.keyboard.type("thorsby")
    keys.to("Your password")
    desk.page.keyboard.type(PASSWORD)
    keys.to(sign_label(ward, case))
    keys.passed("Meaning of your", "Your user name", "Your password", "Show password", "Sign for ")
    keys.press("Enter")
    desk.heading("Ledger receipt")
    desk.still()
    assert ward.board(case).signatures[-1].name == "Dr Kwabena Thorsby"
    assert ward.board(case).decided.outcome == "overridden"
    keys.to("Download PDF")
    keys.to("Back to the worklist")
    keys.press("Enter")
    desk.heading("Worklist")


def test_the_table_view_opens_a_case_by_keyboard(ward: Ward, sit_down: Callable[..., Desk]) -> None:
    desk = sit_down("marlow")
    keys = Keys(desk)
    desk.go("/?worklist-view=Table")
    desk.sees("Arrows move, Shift and Space choose a row")
    desk.still()
    expect(desk.page.get_by_test_id("data-grid-canvas")).to_be_visible()
    for _ in range(_MOST):
        keys.press("Tab")
        if keys.at().evaluate("one => one.tagName === 'CANVAS' || !!one.closest('[data-testid=stDataFrame]')"):
            break
    keys.press("ArrowDown", "ArrowDown", "Shift+Space")
    expect(desk.button("Open this case")).to_be_visible()
    keys.to("Open this case")
    keys.press("Enter")
    expect(desk.page.get_by_role("region", name="Patient")).to_be_visible()
    assert re.fullmatch(re.escape(ward.url) + r"/review\?case=[0-9a-f]{32}", desk.page.url)
