"""Codes: value sets and reviewed names as data, the linter that holds them together, and a hospital's own code map."""

from cdss.codes.codemap import CodeMap, MapRow, build_map
from cdss.codes.valueset import ValueSet, sets_holding, value_sets

__all__ = ["CodeMap", "MapRow", "ValueSet", "build_map", "sets_holding", "value_sets"]
