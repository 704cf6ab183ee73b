"""Records of PhysioNet 2012 made by hand."""

from __future__ import annotations

HEAD = "Time,Parameter,Value"


def record(*rows: str, name: str = "132539", age: str = "54", gender: str = "0", icu: str = "4") -> str:
    about = (f"RecordID,{name}", f"Age,{age}", f"Gender,{gender}", "Height,-1", f"ICUType,{icu}", "Weight,-1")
    return "\n".join([HEAD, *(f"00:00,{row}" for row in about), *rows]) + "\n"
