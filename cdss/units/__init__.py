"""Units: which unit a value is in, and what it is in the unit the models read.

Conversion is exact (``Fraction``); the caller rounds once, with ``float()``. Clinical knowledge (codes, molar masses,
limits, aliases) is data with references in ``units.toml``. pint and ucumvert load only when a unit has to be converted.
"""

from cdss.units.analyte import Analyte, analyte_for, analytes
from cdss.units.reading import UnitReading, convert, read_unit

__all__ = ["Analyte", "UnitReading", "analyte_for", "analytes", "convert", "read_unit"]
