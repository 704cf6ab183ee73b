"""Event table and index times -> numbers; no clock, no file but the specification, no network."""

from cdss.features.build import FeatureMatrix, build_features
from cdss.features.spec import read_spec

__all__ = ["FeatureMatrix", "build_features", "read_spec"]
