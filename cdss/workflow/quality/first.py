"""What a data team should look at first: sentences made from the figures of a report, the gravest on top."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cdss.workflow.quality.kahn import COMPLETENESS, CONFORMANCE, FIRST, PLAUSIBILITY
from cdss.workflow.quality.parts import count, percent, words

MOST = 9
MOST_CODES = 3
MOST_PLACES = 3
_SERIOUS = 0.01  # a reason that puts aside this share of all resources is worth a line
_LOST = 0.05
_SHIFTED = 0.5
_ALWAYS = 3  # the most frequent reasons are told whatever their share


def shifted(report: Mapping[str, Any]) -> bool:
    """Whether most times lie after the day of the report, as in sets whose dates were moved."""
    events = report["counts"]["events"]
    return bool(events) and report["times"]["events_in_the_future"] > _SHIFTED * events


def first_lines(report: Mapping[str, Any]) -> list[str]:
    """At most nine lines of HTML."""
    return list(_lines(report))[:MOST]


def _lines(report: Mapping[str, Any]) -> Iterator[str]:
    if blocked := report["source_blocked"]:
        places = ", ".join(_code(block["source"]) for block in blocked[:MOST_PLACES])
        more = f" and {count(len(blocked) - MOST_PLACES)} more" if len(blocked) > MOST_PLACES else ""
        yield (
            f"<b>The source is incomplete</b> at {places}{more}: {words(blocked[0]['message'])}. No score is "
            "given from it until that is fetched again."
        )
    errors = {finding["reason"]: finding for finding in report["findings"] if finding["severity"] == "error"}
    for reason in FIRST:
        if reason in errors:
            yield _finding(report, errors.pop(reason))
    yield from _needed(report)
    yield from _codes(report)
    grave = [f for f in errors.values() if f["category"] in (CONFORMANCE, COMPLETENESS, PLAUSIBILITY)]
    ordered = sorted(grave, key=lambda finding: (-finding["n"], finding["reason"]))
    for place, finding in enumerate(ordered):
        if place < _ALWAYS or finding["n"] >= _SERIOUS * report["counts"]["resources"]:
            yield _finding(report, finding)
    yield from _times(report)
    unknown, events = report["unknown_codes"], _observations(report)
    if events and unknown["events"] > 0.2 * events:
        yield (
            f"<b>{percent(unknown['events'] / events)} of the Observation events carry no code this product knows</b> "
            f"({count(unknown['events'])} events, {count(unknown['codes'])} codes). They are kept, and no model reads "
            "them. A map of local codes would make use of them."
        )


def _finding(report: Mapping[str, Any], finding: Mapping[str, Any]) -> str:
    part, example = finding["n"] / max(1, report["counts"]["resources"]), finding["example"]
    where = " ".join(_code(text) for text in (example["source"], example["location"]) if text)
    many = "1 finding" if finding["n"] == 1 else f"{count(finding['n'])} findings"
    return (
        f"<b>{words(finding['reason'])}</b>: {many}, {percent(part)} of the resources. As in {where}: "
        f"{words(example['message'].rstrip('.'))}."
    )


def _needed(report: Mapping[str, Any]) -> Iterator[str]:
    for model in report["models"]:
        absent = [f["label"] for f in model["features"] if f["needed"] and not f["patients"]]
        if absent and report["patients"]["n"]:
            yield (
                f"<b>{words(model['model'])} will give nobody a number from this source</b>: it must have "
                f"{', '.join(words(label) for label in absent)}, and no patient has any."
            )


def _codes(report: Mapping[str, Any]) -> Iterator[str]:
    """Codes of which a good part is absent, or lost to a fault of the data."""
    lost = []
    for code in report["codes"]:
        reasons = dict(code["put_aside"])
        if "value-absent" in code["notes"]:
            reasons["value-absent"] = code["notes"]["value-absent"]
        if sum(reasons.values()) >= max(3, _LOST * code["sent"]):
            lost.append((sum(reasons.values()) / max(1, code["sent"]), code, reasons))
    for _, code, reasons in sorted(lost, key=lambda entry: -entry[0])[:MOST_CODES]:
        said = ", ".join(f"{words(reason)} {count(n)}" for reason, n in reasons.items())
        yield (
            f"<b>{words(code['label'])}</b> ({words(code['code'])}): {count(code['usable'])} of {count(code['sent'])} "
            f"sent are usable ({said})."
        )


def _times(report: Mapping[str, Any]) -> Iterator[str]:
    times = report["times"]
    if times["observations"] and times["without_issued"] > 0.1 * times["observations"]:
        yield (
            f"<b>{percent(times['without_issued'] / times['observations'])} of the Observations have no "
            f"{_code('issued')}</b>: they count as known from the moment of the sample, hours before anyone "
            f"could read them."
        )
    if times["events_before_birth"] or times["events_after_death"]:
        yield (
            f"<b>Events before a birth: {count(times['events_before_birth'])}. More than two days after a death: "
            f"{count(times['events_after_death'])}.</b> Check whose they are."
        )


def _observations(report: Mapping[str, Any]) -> int:
    return sum(kind["events"] for kind in report["events"] if kind["kind"] == "observation")


def _code(text: str) -> str:
    return f"<code>{words(text)}</code>"
