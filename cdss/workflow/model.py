"""A released model, ready to assess."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

import numpy as np

from cdss.domain.assessment import Abstention, ModelReference, RiskEstimate
from cdss.domain.feature import FeatureSpec
from cdss.errors import IntegrityError, UnknownModelError, UsageError
from cdss.features import read_spec
from cdss.fhir.read import sole_subject
from cdss.record import PatientRecord
from cdss.risk.artefact import Machine, open_release, read_machine
from cdss.workflow.assess import Scorer, assess_rows
from cdss.workflow.cohort import CohortRow, cohort_row

SHIPPED = "shipped.json"


class Model(Scorer):
    """A release whose digests, features and golden vectors were checked."""

    def assess(
        self,
        record: PatientRecord,
        index_time: str,
        *,
        subject: str | None = None,
        encounter: str | None = None,
        clinician_estimate: float | None = None,
    ) -> RiskEstimate | Abstention:
        """Assess one patient at one index time.

        Parameters
        ----------
        record : PatientRecord
        index_time : str
            ISO 8601 with an offset from UTC.
        subject : str, optional
            `ID` or `Patient/ID`; may be left out where the record holds one patient.
        encounter : str, optional
            The stay in question.
        clinician_estimate : float, optional
            Probability of the outcome, 0 to 1, committed before any score was seen.

        Raises
        ------
        AmbiguousSubjectError
            If the record holds several patients and none is named.
        """
        row = cohort_row(
            subject or sole_subject(record),
            index_time,
            encounter or "",
            "" if clinician_estimate is None else repr(float(clinician_estimate)),
            place="model.assess",
        )
        return self.assess_rows(record, [row])[0]

    def assess_rows(self, record: PatientRecord, rows: list[CohortRow]) -> list[RiskEstimate | Abstention]:
        """Assess the rows of a cohort, in their order."""
        return assess_rows(self, record, rows)


def models_directory() -> Path:
    """Where the shipped models are: inside an installed package, or beside it in a checkout."""
    package = Path(str(files("cdss")))
    inside = package / "models"
    return inside if inside.is_dir() else package.parent / "models"


def shipped_releases() -> dict[str, str]:
    """Digest of the manifest of each release this version of cdss ships, by `name@version`."""
    found: dict[str, str] = json.loads(files("cdss").joinpath(SHIPPED).read_text("utf-8"))
    return found


def load_model(name: str | Path) -> Model:
    """Load a release: `name`, `name@version`, or the path of a release directory.

    Raises
    ------
    UnknownModelError
        If there is no such model or release.
    IntegrityError
        If a digest, a schema or a golden vector does not hold.
    """
    shipped = shipped_releases()
    asked = str(name)
    if "/" not in asked and "\\" not in asked and asked not in (".", ".."):
        key = asked if "@" in asked else _newest(asked, shipped)
        if key in shipped:
            model, _, version = key.partition("@")
            return _load(models_directory() / model / "releases" / version, shipped[key])
    path = Path(asked)
    if not path.is_dir():
        known = ", ".join(shipped)
        raise UnknownModelError(f"{asked}: no such model or release. Known are {known}, or the path of a release.")
    inside = path.resolve().parent.parent.parent == models_directory().resolve()
    pinned = shipped.get(f"{path.resolve().parent.parent.name}@{path.resolve().name}") if inside else None
    return _load(path, pinned)


def _newest(name: str, shipped: dict[str, str]) -> str:
    versions = [key for key in shipped if key.partition("@")[0] == name]
    return max(versions, key=lambda key: [int(part) for part in key.partition("@")[2].split(".")], default="")


def _load(path: Path, pinned: str | None) -> Model:
    stored = open_release(path, pinned)
    spec = _spec_of(stored.files["spec.toml"], path.name)
    machine = read_machine(stored, len(spec.features))
    if stored.manifest["name"] != spec.name or stored.manifest["version"] != spec.version:
        raise IntegrityError(f"{path.name}: manifest and spec.toml name different releases. Fetch the release again.")
    return Model(
        spec=spec,
        machine=machine,
        reference=ModelReference(name=spec.name, version=spec.version, digest=stored.digest),
        ranges=_ranges(stored.manifest, spec, path.name),
        path=path,
    )


def _spec_of(raw: bytes, place: str) -> FeatureSpec:
    try:
        return read_spec(raw, f"{place}/spec.toml")
    except UsageError as error:
        raise IntegrityError(f"{error} The release must not be used.") from error


def _ranges(manifest: object, spec: FeatureSpec, place: str) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    try:
        stored = manifest["features"]  # type: ignore[index]
        if [(entry["name"], entry["unit"]) for entry in stored] != [(each.name, each.unit) for each in spec.features]:
            raise ValueError
        ranges = [(entry["low"], entry["high"]) for entry in stored]
        unseen = [pair == (None, None) for pair in ranges]  # no training row had the feature
        found = np.array([[np.nan if bound is None else float(bound) for bound in pair] for pair in ranges])
        if not ((found[:, 0] <= found[:, 1]) | unseen).all():
            raise ValueError
        return found
    except (KeyError, TypeError, ValueError) as error:
        raise IntegrityError(f"{place}: manifest and spec.toml list different features. Fetch it again.") from error


__all__ = ["Machine", "Model", "load_model", "models_directory", "shipped_releases"]
