"""`--report`: a data-quality report beside what `cdss read` prints."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cdss import __version__
from cdss.cli.output import keep_apart, show, whole_file
from cdss.codes import CodeMap
from cdss.domain.feature import FeatureSpec
from cdss.domain.instant import to_micros
from cdss.errors import UsageError
from cdss.features import read_spec
from cdss.record import PatientRecord
from cdss.workflow.model import models_directory, shipped_releases
from cdss.workflow.quality import quality_page, quality_report

PAGE, FIGURES = "report.html", "quality.json"


def check_report(arguments: argparse.Namespace) -> None:
    """Refuse what no report can be made of, before anything is read.

    Raises
    ------
    UsageError
        With one patient named, or a directory that is a file, is not writable or lies in the source.
    """
    folder, source = Path(arguments.report), Path(arguments.source).resolve()
    if arguments.subject:
        raise UsageError("--report is about a whole source. Leave out --subject.")
    if source in (folder.resolve(), *folder.resolve().parents):
        raise UsageError(f"{show(arguments.report)}: lies in what is read. Name another directory.")
    for name in (PAGE, FIGURES):
        keep_apart(str(folder / name), arguments.source, arguments.out, arguments.rejections, arguments.unmapped)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{show(arguments.report)}: is no directory to write to ({error.strerror}).") from error


def make_report(record: PatientRecord, index_time: int | None, code_map: CodeMap | None) -> dict[str, Any]:
    """The figures, as of now.

    Raises
    ------
    IntegrityError
        If they do not agree with each other.
    """
    return quality_report(
        record,
        shipped_specs(),
        made=to_micros(datetime.now(UTC)),
        version=__version__,
        index_time=index_time,
        code_map=None if code_map is None else code_map.to_dict(),
    )


def write_report(report: Mapping[str, Any], folder: str) -> str:
    """Write the page and the figures; where the page is."""
    page = Path(folder) / PAGE
    with whole_file(page) as scratch:
        scratch.write_text(quality_page(report), "utf-8")
    with whole_file(Path(folder) / FIGURES) as scratch:
        scratch.write_text(json.dumps(report, indent=1) + "\n", "utf-8")
    return str(page)


def shipped_specs() -> list[FeatureSpec]:
    """The specification of the newest shipped release of each model."""
    newest: dict[str, tuple[int, ...]] = {}
    for release in shipped_releases():
        name, _, version = release.partition("@")
        newest[name] = max(newest.get(name, ()), tuple(int(part) for part in version.split(".")))
    specs = []
    for name, parts in sorted(newest.items()):
        path = models_directory() / name / "releases" / ".".join(map(str, parts)) / "spec.toml"
        specs.append(read_spec(path.read_bytes(), f"{name}/spec.toml"))
    return specs
