"""Draw the pictures of the documentation anew: `PYTHONPATH=tests .venv/bin/python -m browser.screenshots`.

They are pages of the demo hospital in Debian's Chromium: 1440 by 900 pixels in both themes, and as on a telephone.
"""

from __future__ import annotations

import io
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

from browser.conftest import FLAGS, begin, end
from browser.desk import Desk, Reception, Watch
from browser.ward import Ward

_PICTURES = Path(__file__).resolve().parents[2] / "docs" / "pictures"
_WIDE, _NARROW = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
# Size, and patients of their own: what is signed once cannot be signed again.
_LOOKS = {
    "light": (_WIDE, "Brandthuber", "Bolatovski"),
    "dark": (_WIDE, "Fehérvárnagy", "Oyelarsen"),
    "light-narrow": (_NARROW, "Mbekenstein", "Nakagaworth"),
}
_TITLES = {
    "sign-in": "Signing in",
    "worklist": "The worklist",
    "worklist-table": "The worklist as a table",
    "estimate": "The clinician's own estimate, before any number is shown",
    "review": "A case under review",
    "override": "An override with its reason",
    "sign": "What is about to be signed, word for word",
    "record": "The signed record and its receipt",
    "records": "Records",
    "abstention": "No number, and why",
    "help": "Help",
    "second": "Second signature",
    "audit": "The audit",
}


def clinician(desk: Desk, case: str, without: str) -> Iterator[str]:
    """One case from the worklist to the signed record."""
    desk.go("/")
    desk.heading("Worklist")
    desk.choose("Whose", "All")
    yield "worklist"
    desk.go("/?worklist-view=Table&worklist-whose=All")
    desk.sees("Arrows move, Shift and Space choose a row")
    yield "worklist-table"
    desk.open(case)
    yield "estimate"
    desk.commit(40)
    desk.step("Decide")
    yield "review"
    desk.choose("Your decision", "Override: my judgement differs")
    desk.pick("Reason for the override", "Clinical judgement differs")
    desk.write("Your plan", "Reassess after the family meeting tomorrow")
    yield "override"
    desk.button("Continue to signing").click()
    desk.heading("You are about to sign this")
    yield "sign"
    desk.sign("thorsby")
    desk.heading("Ledger receipt")
    yield "record"
    desk.go("/records-list")
    desk.heading("Records")
    yield "records"
    desk.open(without)
    desk.heading("No estimate for this patient")
    yield "abstention"
    desk.go("/help")
    desk.heading("With the keyboard")
    yield "help"


def approver(desk: Desk, case: str, without: str) -> Iterator[str]:
    desk.go("/second")
    desk.heading("Second signature")
    yield "second"


def auditor(desk: Desk, case: str, without: str) -> Iterator[str]:
    desk.go("/audit")
    desk.heading(re.compile("Ledger unbroken"))
    yield "audit"


def nobody(desk: Desk, case: str, without: str) -> Iterator[str]:
    desk.go("/")
    desk.heading("Sign in")
    yield "sign-in"


_VISITS = (("thorsby", clinician), ("vantongeren", approver), ("holmquay", auditor), (None, nobody))


def keep(png: bytes, name: str) -> None:
    """Write a picture with a palette, a third of the size."""
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    picture.quantize(256, dither=Image.Dither.NONE).save(_PICTURES / f"{name}.png", optimize=True)


def main() -> None:
    _PICTURES.mkdir(exist_ok=True)
    drawn: dict[str, list[str]] = {}
    with tempfile.TemporaryDirectory() as directory, sync_playwright() as playwright:
        home = Path(directory) / "hospital"
        process, url = begin(home, Path(directory) / "log")
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        try:
            with Ward(home, url) as ward:
                for look, (size, whose, without) in _LOOKS.items():
                    cases, reception = (ward.case(whose), ward.case(without)), Reception(chromium, ward, Watch())
                    for login, visit in _VISITS:
                        desk = reception.sit_down(login, color_scheme=look.partition("-")[0], viewport=size)
                        for name in visit(desk, *cases):
                            desk.page.wait_for_load_state("networkidle")
                            if desk.page.get_by_test_id("stApp").count():
                                desk.still()
                                desk.page.get_by_test_id("stMain").evaluate("one => one.scrollTo(0, 0)")
                            keep(desk.page.screenshot(animations="disabled"), f"{name}-{look}")
                            drawn.setdefault(name, []).append(look)
                    reception.close()
        finally:
            chromium.close()
            end(process)
    write_list(drawn)


def write_list(drawn: dict[str, list[str]]) -> None:
    """The page that lists the pictures."""
    lines = [
        "# Pictures of the app",
        "",
        "Pages of the demo hospital, whose patients are invented, in Debian's Chromium.",
        "",
    ]
    lines += ["| Page | Light | Dark | Telephone |", "|---|---|---|---|"]
    for name, title in _TITLES.items():
        cells = (f"[{name}-{look}]({name}-{look}.png)" for look in _LOOKS)
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
        assert drawn[name] == list(_LOOKS), name
    lines += ["", "Drawn anew by `PYTHONPATH=tests .venv/bin/python -m browser.screenshots`.", ""]
    (_PICTURES / "README.md").write_text("\n".join(lines), "utf-8")


if __name__ == "__main__":
    main()
