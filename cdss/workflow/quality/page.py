"""The figures of a report as one page: no script, no request, light and dark, screen and paper."""

from __future__ import annotations

from importlib.resources import files

from cdss.workflow.quality.by_code import completeness_section, conformance_section, plausibility_section
from cdss.workflow.quality.first import first_lines, shifted
from cdss.workflow.quality.parts import (
    OUTCOMES,
    Report,
    count,
    moment,
    table,
    words,
)
from cdss.workflow.quality.sections import (
    findings_section,
    models_section,
    patients_section,
    resources_section,
    time_section,
    unknown_section,
)


def quality_page(report: Report) -> str:
    """The page of a report, from the object of quality.json alone."""
    style = files(__package__).joinpath("style.css").read_text("utf-8")
    title = f"Data quality of {words(report['source'])}"
    sections = [
        ("first", "What to look at first", _first(report)),
        ("resources", "What became of every resource", resources_section(report)),
        ("completeness", "Completeness by code", completeness_section(report)),
        ("conformance", "Conformance: units and reasons, by code and by unit", conformance_section(report)),
        ("plausibility", "Plausibility by code", plausibility_section(report)),
        ("models", "What the models would find", models_section(report)),
        ("time", "Over time", time_section(report)),
        ("patients", "Patients, stays and code systems", patients_section(report)),
        ("findings", "Findings by reason", findings_section(report)),
        ("unknown", "Codes that no model and no table knows", unknown_section(report)),
        ("method", "How to read this page", _method(report)),
    ]
    nav = "".join(f'<li><a href="#{name}">{words(heading)}</a></li>' for name, heading, _ in sections)
    body = "".join(
        f'<section id="{name}" aria-labelledby="h{name}"><h2 id="h{name}">{words(heading)}</h2>{content}</section>'
        for name, heading, content in sections
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>'
        f'{title}</title><meta name="viewport" content="width=device-width, initial-scale=1">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f'<meta name="referrer" content="no-referrer"><style>{style}</style></head><body>'
        f'<header><h1>{title}</h1>{_head(report)}<nav aria-label="Sections"><ol>{nav}</ol></nav></header>'
        f"<main>{body}</main><footer>{_foot(report)}</footer></body></html>\n"
    )


def _head(report: Report) -> str:
    counts, people = report["counts"], report["patients"]["n"]
    known = "" if report["index_time"] is None else f", as known at {moment(report['index_time'])}"
    if report["code_map"] is not None:
        known += f", with the code map {words(report['code_map']['file'])}"
    cells = [("resources", "resources", "=")]
    cells += [(name, label, "+" if name != "refused" else "") for name, label in OUTCOMES]
    row = "".join(
        f"<div><dd>{count(counts[name])}</dd><dt>{label}</dt></div>"
        + (f'<span aria-hidden="true">{sign}</span>' if sign else "")
        for name, label, sign in cells
    )
    return (
        f"<p>{count(people)} {'patient' if people == 1 else 'patients'}, {count(counts['events'])} events, "
        f"{count(counts['findings'])} findings. Made {moment(report['made'])} by cdss "
        f"{words(report['cdss'])}{known}.</p>"
        f'<dl class="sum">{row}</dl>'
        f'<p class="ok">\N{CHECK MARK} The counts agree: {len(report["checks"])} equations hold, on resources, files, '
        "events, months and findings. They are listed at the end; with one that fails there is no report.</p>"
        f"{_notices(report)}"
    )


def _notices(report: Report) -> str:
    shown = ""
    if report["source_blocked"]:
        shown += '<p class="bad">No score is given from this source: part of it is missing or was refused.</p>'
    if shifted(report):
        shown += (
            '<p class="warn">Most times lie after the day of this report, as in sets whose dates were moved to protect '
            "patients. Checks against today, and gaps between patients, say little here.</p>"
        )
    return shown


def _first(report: Report) -> str:
    lines = first_lines(report)
    if not lines:
        return "<p>Nothing stands out. The tables below say what was looked at.</p>"
    return f'<ol class="first">{"".join(f"<li>{line}</li>" for line in lines)}</ol>'


def _method(report: Report) -> str:
    checks = [[words(check["equation"]), count(check["left"]), count(check["right"])] for check in report["checks"]]
    return (
        "<p>The terms are those of the harmonised framework of Kahn and others (eGEMs 2016;4:1244): "
        "<b>conformance</b>, is it written as agreed; <b>completeness</b>, is it there; <b>plausibility</b>, can it be "
        "true. All of it is verification against rules and references; nothing here was compared with another "
        "source.</p>"
        "<p>What each reason means and what to do about it stands in docs/reference/reasons.md; limits and units with "
        "their references in docs/reference/units.md; the figures of this page, for machines, in quality.json beside "
        "it, described in docs/reference/quality.md.</p>"
        "<p><b>Keep this page where the source may be kept.</b> It names no patient, but minimum and maximum are "
        "values of single patients, and a place is the id of a resource.</p>"
        + table("The equations", ("equation", "left side", "right side"), checks, right=(1, 2), kind="narrow")
    )


def _foot(report: Report) -> str:
    return f"Data quality of {words(report['source'])}, made {moment(report['made'])} by cdss {words(report['cdss'])}."
