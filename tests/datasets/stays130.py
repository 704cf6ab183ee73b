"""A row of the Diabetes 130-US data, and the data set made of some rows."""

from __future__ import annotations

from pathlib import Path

from by_hand import as_csv

from cdss.datasets import write_diabetes130
from cdss.datasets.diabetes130 import COLUMNS

GOOD = {
    "encounter_id": "50", "patient_nbr": "7", "race": "?", "gender": "Female", "age": "[60-70)", "weight": "?",
    "admission_type_id": "1", "discharge_disposition_id": "1", "admission_source_id": "7", "time_in_hospital": "3",
    "payer_code": "MC", "medical_specialty": "Surgery-Colon&Rectal", "num_lab_procedures": "41", "num_procedures": "0",
    "num_medications": "12", "number_outpatient": "0", "number_emergency": "1", "number_inpatient": "2",
    "diag_1": "38", "diag_2": "250.83", "diag_3": "V45", "number_diagnoses": "9", "max_glu_serum": "None",
    "A1Cresult": "None", **dict.fromkeys(COLUMNS["drug"], "No"), "change": "No", "diabetesMed": "Yes",
    "readmitted": "NO",
}  # fmt: skip


def converted(folder: Path, *rows: dict[str, str]) -> Path:
    """The data set made of some rows."""
    folder.mkdir(exist_ok=True)
    (folder / "in.csv").write_text(as_csv(*rows), "utf-8")
    write_diabetes130([folder / "in.csv"], folder / "out")
    return folder / "out"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}
