"""Driving the app as a clinician does, and watching what every page does."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from typing import TYPE_CHECKING

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, Request, WebError, expect

from browser.ward import PASSWORD

if TYPE_CHECKING:
    import cdss
    from browser.ward import Ward

# Streamlit looks for its server below the path of a page too, and finds it on the second try. A library of its own
# tries once a page whether WebAssembly is allowed and goes on without it; no script is let in for that.
_HARMLESS = re.compile(
    r"status of 404 .* http://127\.0\.0\.1:\d+/[^?]+/_stcore/(health|host-config)$|^error: CSP script-src wasm-eval $"
)
_LOOKS = 600
STEP_MS = 25_000  # a step takes under a second; a busy machine may take many times as long
expect.set_options(timeout=STEP_MS)
_INSIDE = ("data:", "blob:")
_TELL = """
addEventListener('securitypolicyviolation', e => console.error(`CSP ${e.violatedDirective} ${e.blockedURI}`));
new MutationObserver(changes => { for (const one of changes) for (const node of one.addedNodes) {
    const failed = node.querySelector?.('[data-testid=stException]') || node.dataset?.testid === 'stException';
    if (failed || node.textContent?.includes('This page failed')) console.error('page failed: ' + node.textContent);
} }).observe(document, {childList: true, subtree: true});
"""
# Between a run and the one it asks for there is a moment without either, so stillness has to last.
_STILL = """() => {
    const app = document.querySelector('[data-testid=stApp]')?.dataset;
    const still = app && app.testScriptState === 'notRunning' && app.testConnectionState === 'CONNECTED'
        && !document.querySelector('[data-stale=true]');
    window.stillSince = still ? window.stillSince ?? performance.now() : null;
    return still && performance.now() - window.stillSince > 120;
}"""


class Watch:
    """Collects what no page may do: fail, complain, break the content policy, ask another machine."""

    def __init__(self) -> None:
        self.complaints: list[str] = []
        self._expected: list[re.Pattern[str]] = []

    def expect(self, pattern: str) -> None:
        """What this one test brings about on purpose."""
        self._expected.append(re.compile(pattern))

    def over(self, context: BrowserContext, url: str) -> None:
        context.add_init_script(_TELL)
        context.on("console", self._console)
        context.on("weberror", self._error)
        context.on("request", lambda request: self._request(request, url))

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self._note(f"{message.type}: {message.text} {message.location['url']}")

    def _error(self, error: WebError) -> None:
        self._note(f"page error: {error.error}")

    def _request(self, request: Request, url: str) -> None:
        if not request.url.startswith((f"{url}/", *_INSIDE)):
            self._note(f"request to {request.url}")

    def _note(self, complaint: str) -> None:
        if not _HARMLESS.search(complaint) and not any(one.search(complaint) for one in self._expected):
            self.complaints.append(complaint)


class Desk:
    """One browser tab of one person."""

    def __init__(self, page: Page, ward: Ward, by: cdss.SignedIn | None, watch: Watch) -> None:
        self.page, self.ward, self.by, self.watch = page, ward, by, watch

    # ---- going somewhere -------------------------------------------------------------------------------------------

    def go(self, path: str = "/") -> None:
        self.page.goto(self.ward.url + path)

    def open(self, case: str) -> None:
        """Open a case by its address and wait for the patient's banner."""
        self.go(f"/review?case={case}")
        self.is_patient(case)
        self.still()

    def until(self, holds: Callable[[], bool]) -> None:
        """Wait for something to be true behind the page, such as that a draft was kept."""
        for _ in range(_LOOKS):
            if holds():
                return
            self.page.evaluate("() => new Promise(requestAnimationFrame)")
        raise AssertionError("it did not become true")

    def kept(self, case: str, text: str) -> None:
        """Wait until what was typed is in the person's draft."""
        version = self.ward.board(case).scored_version
        self.until(lambda: text in str(self.ward.hospital.draft(self.by.person, case, version)))

    def another_tab(self) -> Desk:
        return Desk(self.page.context.new_page(), self.ward, self.by, self.watch)

    def still(self) -> None:
        """Wait until the page is drawn: the script has ended and nothing is left of an older run."""
        self.page.evaluate("() => { window.stillSince = null }")
        self.page.wait_for_function(_STILL)

    def is_dark(self) -> bool:
        return bool(self.page.evaluate("() => matchMedia('(prefers-color-scheme: dark)').matches"))

    # ---- what is there ---------------------------------------------------------------------------------------------

    def sees(self, text: str | re.Pattern[str], *, exact: bool = False) -> Locator:
        found = self.page.get_by_text(text, exact=exact).first
        expect(found).to_be_visible()
        return found

    def sees_not(self, text: str | re.Pattern[str]) -> None:
        expect(self.page.get_by_text(text)).to_have_count(0)

    def heading(self, name: str | re.Pattern[str]) -> Locator:
        found = self.page.get_by_role("heading", name=name).first
        expect(found).to_be_visible()
        return found

    def is_patient(self, case: str) -> None:
        self.ward.board(case)
        family = self.ward.head(case)["family"].upper()
        expect(self.page.get_by_role("region", name="Patient")).to_contain_text(family)

    def step(self, name: str) -> None:
        """Which step of the review is marked as the present one."""
        expect(self.page.locator("[aria-current=step]")).to_contain_text(name)

    def button(self, name: str | re.Pattern[str]) -> Locator:
        return self.page.get_by_role("button", name=name)

    def link(self, name: str | re.Pattern[str]) -> Locator:
        return self.page.get_by_role("link", name=name)

    def group(self, name: str) -> Locator:
        return self.page.get_by_role("radiogroup", name=name)

    def field(self, name: str) -> Locator:
        return self.page.get_by_label(name, exact=True)

    # ---- acts ------------------------------------------------------------------------------------------------------

    def choose(self, group: str, answer: str) -> None:
        """Answer a question with radio buttons, and see that it took."""
        self.group(group).get_by_text(answer, exact=True).click()
        expect(self.group(group).get_by_role("radio", name=answer, exact=True)).to_be_checked()

    def accept(self) -> None:
        """Choose to accept; what that is called depends on whether the machine suggests anything."""
        self.group("Your decision").get_by_text(re.compile("^Accept: ")).click()
        expect(self.group("Your decision").get_by_role("radio", name=re.compile("^Accept: "))).to_be_checked()

    def set_aside(self) -> None:
        """Where there is no number: not applicable, and that it is meant."""
        self.button("Not applicable to this patient").click()
        self.button(re.compile("^Record it: ")).click()

    def write(self, field: str, text: str) -> None:
        """Type into a field and leave it."""
        self.field(field).fill(text)
        self.field(field).press("Tab")
        self.still()

    def pick(self, field: str, answer: str) -> None:
        """Choose from a list, by typing what is wanted."""
        box = self.page.get_by_role("combobox", name=field)
        box.click()
        box.fill(answer)
        self.page.get_by_role("option", name=answer).click()
        expect(box).to_have_value(answer)

    def commit(self, alive: int) -> None:
        """Give the own estimate."""
        self.write("Alive, of 100 patients", str(alive))
        self.sees(f"That is {100 - alive} of 100 dying.")
        self.choose("Are you a treating attending physician of this patient?", "Yes")
        self.choose("Have you seen a risk score for this stay?", "No")
        self.button("Commit my estimate").click()

    def sign(self, login: str, password: str = PASSWORD) -> None:
        """Fill the panel and press the button that names the patient."""
        self.field("Your user name").fill(login)
        self.field("Your password").fill(password)
        self.button(re.compile("^Sign for ")).click()

    def text(self) -> str:
        """All that the page shows."""
        return self.page.locator("body").inner_text()


class Reception:
    """Gives people a browser with an empty profile."""

    def __init__(self, browser: Browser, ward: Ward, watch: Watch) -> None:
        self._browser, self._ward, self._watch = browser, ward, watch
        self._contexts: list[BrowserContext] = []

    def sit_down(
        self, login: str | None = None, *, at: Ward | None = None, role: str | None = None, **look: object
    ) -> Desk:
        """`sit_down("marlow")` is signed in, `sit_down()` is nobody."""
        where = at or self._ward
        context = self._browser.new_context(**{"viewport": {"width": 1440, "height": 900}, **look})
        self._contexts.append(context)
        context.set_default_timeout(STEP_MS)
        self._watch.over(context, where.url)
        signed_in = where.sign_in(login, role=role) if login else None
        if signed_in:
            context.add_cookies([{"name": "cdss_session", "value": signed_in.token, "url": where.url}])
        return Desk(context.new_page(), where, signed_in, self._watch)

    def close(self) -> None:
        for context in self._contexts:
            context.close()


def sign_label(ward: Ward, case: str) -> str:
    """What the button that signs says."""
    head = ward.head(case)
    born = date.fromisoformat(head["birth_date"])
    return f"Sign for {head['given']} {head['family']}, born {born.day} {born:%b %Y}"
