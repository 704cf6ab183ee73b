"""Public data sets the user holds, turned into FHIR R4 NDJSON, a cohort and outcomes."""

from cdss.datasets.diabetes130 import write_diabetes130
from cdss.datasets.physionet2012 import write_physionet2012
from cdss.datasets.support2 import write_support2
from cdss.datasets.writing import Dataset

DATASETS = {"support2": write_support2, "physionet2012": write_physionet2012, "diabetes130": write_diabetes130}

__all__ = ["DATASETS", "Dataset", "write_diabetes130", "write_physionet2012", "write_support2"]
