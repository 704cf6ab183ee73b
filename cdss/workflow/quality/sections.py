"""The other sections of the page: resources, models, time, patients, findings, unknown codes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cdss.workflow.quality.parts import (
    DASH,
    OUTCOMES,
    Report,
    count,
    history,
    month,
    outcome_bar,
    part_of,
    percent,
    share_bar,
    system_words,
    table,
    words,
    zero,
)

_LINES = 30


def resources_section(report: Report) -> str:
    """The four outcomes by type and by file."""
    legend = "".join(
        f'<li><svg width="14" height="12" viewBox="0 0 14 12" aria-hidden="true"><rect class="{name}" x="0.5" y="0.5" '
        f'width="13" height="11"/></svg>{label}</li>'
        for name, label in OUTCOMES
    )
    head = ("", "resources", "as a bar", *(label for _, label in OUTCOMES))

    def cells(row: Mapping[str, int]) -> list[str]:
        return [count(row["resources"]), outcome_bar(row), *(zero(row[name]) for name, _ in OUTCOMES)]

    types = sorted(report["resources"]["by_type"], key=lambda row: (-row["resources"], row["type"] or ""))
    by_type = [[words(row["type"] or "not a resource of FHIR R4"), *cells(row)] for row in types]
    total = {"resources": report["counts"]["resources"], **{name: report["counts"][name] for name, _ in OUTCOMES}}
    by_type.append(["<b>all</b>", *cells(total)])
    by_file = [
        [f"<code>{words(row['file'])}</code>{_several(row['files'])}", *cells(row)]
        for row in report["resources"]["by_file"]
    ]
    return (
        f'<p class="quiet">Every resource is in exactly one of four places.</p><ul class="legend">{legend}</ul>'
        + table("By resource type", ("type", *head[1:]), by_type, right=(1, 3, 4, 5, 6))
        + table("By source file", ("file", *head[1:]), by_file, right=(1, 3, 4, 5, 6))
        + '<p class="fine">Documents of one folder are one line: a file of one patient may carry the '
        "patient’s name.</p>"
    )


def _several(number_of: int) -> str:
    return "" if number_of == 1 else f'<span class="fine">{count(number_of)} files</span>'


def models_section(report: Report) -> str:
    """Patients with anything that a feature of a model could read."""
    shown, people = "", report["patients"]["n"]
    for model in report["models"]:
        rows = [
            [
                words(feature["label"]),
                "must be there" if feature["needed"] else "may be absent",
                words(feature["kind"]),
                count(feature["events"]),
                count(feature["patients"]),
                part_of(feature["patients"], people),
                share_bar(feature["share"], f"{percent(feature['share']).replace('&gt;', 'over ')} of the patients"),
            ]
            for feature in model["features"]
        ]
        head = ("feature", "the model", "read from", "events", "patients", "share", "as a bar")
        shown += table(
            f"{model['model']} {model['version']}: patients with anything a feature could read",
            head,
            rows,
            right=(3, 4, 5),
        )
    return (
        '<p class="quiet">At any time in the source. What a model sees at its index time, within its look-back, is '
        f"less. A condition that is not on record counts as absent.</p>{shown}"
    )


def time_section(report: Report) -> str:
    """Events over time, and the faults of times."""
    months, times = report["months"], report["times"]
    chart = by_period = ""
    if months:
        by_month = {entry["month"]: entry["events"] for entry in months}
        chart = "<h3>Events over time</h3>" + history(by_month, months[0]["month"], months[-1]["month"])
        by_period = _calendar(months)
    whole = times["observations"]
    kept = report["counts"]["events"]
    rows = [
        [
            "Observations without an issued time",
            count(times["without_issued"]),
            part_of(times["without_issued"], whole),
        ],
        ["times of day without an offset from UTC", count(times["without_zone"]), ""],
        ["no time at all", count(times["missing"]), ""],
        ["no FHIR time, or more than one", count(times["invalid"]), ""],
        ["a period that ends before it starts", count(times["reversed"]), ""],
        ["at or before 1 January 1900, a default", count(times["defaults"]), ""],
        ["a date without a time of day", count(times["partial"]), ""],
        ["taken from the issued time or the stay", count(times["from_another_time"]), ""],
        [
            "events before the patient’s birth",
            count(times["events_before_birth"]),
            part_of(times["events_before_birth"], kept),
        ],
        [
            "events more than two days after the patient’s death",
            count(times["events_after_death"]),
            part_of(times["events_after_death"], kept),
        ],
        [
            "events after the day of this report",
            count(times["events_in_the_future"]),
            part_of(times["events_in_the_future"], kept),
        ],
    ]
    return chart + by_period + table("Faults of times", ("what", "number", "share"), rows, right=(1, 2), kind="narrow")


def _calendar(months: Sequence[Mapping[str, Any]]) -> str:
    """Months where they fit on a page, else years or decades; patients only by month, since they do not add up."""
    names = ("events", "observation", "condition", "encounter", "procedure", "medication")
    years = len({entry["month"][:-3] for entry in months})
    unit, cut = ("month", 7) if len(months) <= _LINES else ("year", 4) if years <= _LINES else ("decade", 3)
    found: dict[str, list[int]] = {}
    for entry in months:
        sums = found.setdefault(entry["month"][:cut], [0] * len(names))
        for place, name in enumerate(names):
            sums[place] += entry[name]
    ends = {"month": "", "year": "", "decade": "0s"}
    rows = [
        [words(month(text) if unit == "month" else text + ends[unit]), *(zero(value) for value in sums)]
        for text, sums in found.items()
    ]
    head = [unit, "events", "observations", "conditions", "stays", "procedures", "medications"]
    if unit == "month":
        rows = [[*row, count(entry["patients"])] for row, entry in zip(rows, months, strict=True)]
        head.append("patients")
    caption = f"Events by {unit}" + ("" if unit == "month" else "; quality.json has the months")
    return table(caption, head, rows, right=tuple(range(1, len(head))))


def patients_section(report: Report) -> str:
    """What is known of the patients, their stays, and the code systems in use."""
    people, stays = report["patients"], report["encounters"]
    whole = people["n"]
    facts = [
        ("with a full birth date", people["birth_date"]["full"]),
        ("with a year or month of birth only", people["birth_date"]["partial"]),
        ("without a birth date", people["birth_date"]["missing"]),
        ("born after the day of this report, or more than 123 years before", people["birth_implausible"]),
        ("female", people["sex"]["female"]),
        ("male", people["sex"]["male"]),
        ("neither recorded", people["sex"]["unknown"]),
        ("with a date of death", people["death"]["dated"]),
        ("dead without a date", people["death"]["undated"]),
        ("without any event", people["without_events"]),
        *((f"no score: {reason}", n) for reason, n in people["blocked"].items()),
    ]
    rows = [[words(what), zero(n), part_of(n, whole)] for what, n in facts]
    rows.append(["named by events, without a Patient resource", zero(people["named_by_events_only"]), ""])
    days = stays["days"]
    length = (
        f"Of those that ended, the median lasted {days['median']:.2f} days, the longest {days['maximum']:.1f}. "
        if days
        else ""
    )
    classes = [[words(name), count(n), part_of(n, stays["n"])] for name, n in list(stays["classes"].items())[:12]]
    systems = [
        [
            words(kind["kind"]),
            system_words(system["system"]),
            count(system["events"]),
            count(system["codes"]),
            count(kind["patients"]),
            count(kind["with_an_end"]),
        ]
        for kind in report["events"]
        for system in kind["systems"]
    ]
    return (
        f'<div class="pair"><div>{table(f"{whole:,} patients", ("what", "number", "share"), rows, right=(1, 2))}</div>'
        f"<div>{table('Stays by class', ('class', 'stays', 'share'), classes, right=(1, 2), empty='No stay.')}"
        f'<p class="fine">{count(stays["n"])} stays, {count(stays["open"])} without an end. {length}</p></div></div>'
        + table(
            "Code systems of the events",
            ("kind", "system", "events", "codes", "patients of that kind", "with an end"),
            systems,
            right=(2, 3, 4, 5),
            empty="No event.",
        )
    )


def findings_section(report: Report) -> str:
    """Every reason with its number and its first place."""
    rows = [
        [
            f'{words(finding["reason"])}<span class="fine">{words(finding["category"])}, '
            f"{words(finding['subcategory'])}</span>",
            f'<span class="tag {words(finding["severity"])}">{words(finding["severity"])}</span>',
            count(finding["n"]),
            f"<code>{words(finding['example']['source'])}</code>",
            f"<code>{words(finding['example']['location'] or DASH)}</code>",
            words(finding["example"]["message"]),
        ]
        for finding in report["findings"]
    ]
    blocked = ", ".join(f"{words(reason)} {count(n)}" for reason, n in report["blocked"].items())
    return (
        '<p class="quiet">Error: something could not be used. Note: it was used, or nothing was lost. The place and '
        "the words are those of the first.</p>"
        + table(
            "Findings",
            ("reason", "severity", "number", "first place", "element", "what it says"),
            rows,
            right=(2,),
            kind="places",
        )
        + (f"<p>What forbids a score: {blocked}.</p>" if blocked else "")
    )


def unknown_section(report: Report) -> str:
    """Codes that neither units.toml nor a model knows."""
    unknown = report["unknown_codes"]
    rows = [
        [f"<code>{words(code['code'])}</code>", system_words(code["system"]), count(code["events"])]
        for code in unknown["listed"]
    ]
    more = unknown["codes"] - len(rows)
    return (
        f'<p class="quiet">{count(unknown["events"])} Observation events carry only such codes, '
        f"{count(unknown['codes'])} of them. Nothing is lost: they are kept in their own units, and compared with no "
        "limit. No model reads them.</p>"
        + table("The most frequent", ("code", "system", "events"), rows, right=(2,), kind="narrow")
        + (f'<p class="fine">And {count(more)} more.</p>' if more > 0 else "")
    )
