"""Public data sets the user holds, turned into FHIR R4 NDJSON, a cohort and outcomes."""

from cdss.datasets.support2 import write_support2
from cdss.datasets.writing import Dataset

DATASETS = {"support2": write_support2}

__all__ = ["DATASETS", "Dataset", "write_support2"]
