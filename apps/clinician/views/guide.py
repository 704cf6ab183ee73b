"""The words of the help page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apps.clinician.views.text import say, show_text


def model(one: Mapping[str, Any]) -> str:
    """Intended use, population, limits, and the study's own figures of one release."""
    bands = ", ".join(f"{show_text(band['name'])} {say('from')} {band['low'] * 100:g}" for band in one["bands"])
    pairs = (
        ("For", show_text(one["intended_use"])),
        ("Not for", show_text(" ".join(one["not_for"].split()))),
        ("Whom", show_text(one["population"])),
        ("Bands, of 100", bands),
        ("Flag", f"{say('from')} {one['threshold'] * 100:g} {say('of 100')}"),
    )
    listed = "".join(f"<div><dt>{say(name)}</dt><dd>{value}</dd></div>" for name, value in pairs)
    limits = say(
        "This is not a medical device. No authority has cleared it, and nobody has shown that it makes care or "
        "outcomes better. "
        "It was made from records of 1989 to 1994, and it is not validated at this site."
    )
    return f'<dl class="pairs wide">{listed}</dl><p class="quiet">{limits}</p>'


def flow() -> str:
    """The five steps."""
    steps = (
        ("Facts", "Everything the machine will read, as received, with its age. What is missing says so."),
        (
            "Your estimate",
            "Of 100 patients like this one, how many will be alive? Until you commit it, no score is shown.",
        ),
        (
            "Machine and team",
            "Your number, the machine’s with its interval, and both together; if you differ by 30 or more, it says so.",
        ),
        ("Decide", "Accept, override with a reason, defer, or not applicable."),
        ("Sign", "Your user name and password once more. It is signed when the ledger has stored it, and not before."),
    )
    items = "".join(f"<li><b>{say(name)}</b><span>{say(text)}</span></li>" for name, text in steps)
    return f'<ol class="flow">{items}</ol>'


def keys() -> str:
    """Keyboard."""
    rows = (
        ("Tab, Shift+Tab", "go on, go back; the order is that of reading"),
        ("Enter", "open a link, press a button, send a form"),
        ("Arrow keys", "choose among the answers of one question"),
        ("Space", "choose a pill, open a list"),
        ("Shift+Space", "choose a row in the table view"),
    )
    items = "".join(f"<div><dt><kbd>{say(name)}</kbd></dt><dd>{say(text)}</dd></div>" for name, text in rows)
    note = say(
        "No single key decides anything. The keys r and c belong to the page itself (rerun, clear cache) and change "
        "nothing."
    )
    return f'<dl class="pairs wide">{items}</dl><p class="fine">{note}</p>'


def words() -> str:
    """How risk, missing values and abstentions are written."""
    rows = (
        ("54 of 100", "a risk: of 100 patients like this one"),
        ("45 to 63", "an interval; level and method stand beside it"),
        ("Not measured", "no usable value; never a zero, never a guess"),
        ("△ not used", "the record holds it, but it could not be proved; shown as received"),
        ("◷", "older than this site expects of such a value"),
        ("No estimate", "the machine gives no number. That does not mean low risk"),
        ("▲ ▼", "raises, lowers the machine’s number; not a cause"),
    )
    items = "".join(f"<div><dt>{say(name)}</dt><dd>{say(text)}</dd></div>" for name, text in rows)
    return f'<dl class="pairs wide">{items}</dl>'


def version(number: str, environment: str) -> str:
    """Which software this is."""
    return f"<p>cdss {show_text(number)}{f' · {show_text(environment)}' if environment else ''}</p>"
