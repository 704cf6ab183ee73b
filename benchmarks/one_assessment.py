"""Time of one assessment, from the bytes of a Bundle of 140 resources to the answer as JSON, beside its floor.

The floor is what any such program must do and nothing else: msgspec decodes the fields needed, the last value of each
code becomes a row, XGBoost gives margin and SHAP values in one pass, the answer is written as JSON. Nothing is checked.
Run: `.venv/bin/python benchmarks/one_assessment.py`.
"""

from __future__ import annotations

import gc
import json
import math
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import xgboost

import cdss

RESOURCES, ROUNDS, WARM_UP = 140, 300, 20
INDEX_TIME = "2026-01-04T00:00:00Z"
EXAMPLE = Path(__file__).parent.parent / "docs" / "examples" / "seriously-ill.json"


class Coding(msgspec.Struct):
    code: str = ""


class Concept(msgspec.Struct):
    coding: list[Coding] = msgspec.field(default_factory=list)


class Quantity(msgspec.Struct):
    value: float = math.nan


class Resource(msgspec.Struct):
    code: Concept = msgspec.field(default_factory=Concept)
    valueQuantity: Quantity = msgspec.field(default_factory=Quantity)  # noqa: N815 - FHIR's name
    effectiveDateTime: str = ""  # noqa: N815


class Entry(msgspec.Struct):
    resource: Resource


class Bundle(msgspec.Struct):
    entry: list[Entry]


def bundle() -> bytes:
    """The example Bundle, filled up with older results to 140 resources."""
    found = json.loads(EXAMPLE.read_text("utf-8"))
    entries = found["entry"]
    results = [entry for entry in entries if "valueQuantity" in entry["resource"]]
    for number in range(RESOURCES - len(entries)):
        entry = json.loads(json.dumps(results[number % len(results)]))
        resource = entry["resource"]
        resource["id"] += f"-{number}"
        resource["effectiveDateTime"] = f"2026-01-0{1 + number % 3}T{number % 24:02}:{number % 60:02}:00Z"
        resource.pop("issued", None)
        if "fullUrl" in entry:
            entry["fullUrl"] = f"https://example.org/fhir/Observation/{resource['id']}"
        entries.append(entry)
    return json.dumps(found, separators=(",", ":")).encode()


def median_ms(run: Callable[[], object]) -> tuple[float, float]:
    """Median and 99th percentile, in milliseconds."""
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        run()
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times), sorted(times)[int(0.99 * ROUNDS)]


def main() -> None:
    """Print both, and their ratio."""
    model = cdss.load_model("serious-illness-180d")
    codes = {
        key.partition("|")[2]: place
        for place, feature in enumerate(model.spec.features)
        for key in feature.readings[0].codes
    }
    decode, booster = msgspec.json.Decoder(Bundle).decode, model.machine.booster
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "patient.json"
        path.write_bytes(bundle())

        def ours() -> str:
            return json.dumps(model.assess(cdss.read(path), INDEX_TIME).to_dict())

        def floor() -> str:
            row, newest = np.full((1, len(model.spec.features)), np.nan, np.float32), dict[str, str]()
            for entry in decode(path.read_bytes()).entry:
                resource = entry.resource
                for coding in resource.code.coding:
                    if coding.code in codes and resource.effectiveDateTime >= newest.get(coding.code, ""):
                        newest[coding.code] = resource.effectiveDateTime
                        row[0, codes[coding.code]] = resource.valueQuantity.value
            parts = booster.predict(xgboost.DMatrix(row, nthread=1), pred_contribs=True)[0]
            return json.dumps({"risk": 1 / (1 + math.exp(-float(parts.sum()))), "shap": parts.tolist()})

        assert json.loads(ours())["kind"] == "estimate"
        for _ in range(WARM_UP):
            ours()
            floor()
        gc.collect()
        gc.freeze()
        (our_p50, our_p99), (floor_p50, floor_p99) = median_ms(ours), median_ms(floor)
    print(f"floor  p50 {floor_p50:6.2f} ms  p99 {floor_p99:6.2f} ms")
    print(f"cdss   p50 {our_p50:6.2f} ms  p99 {our_p99:6.2f} ms")
    print(f"ratio  p50 {our_p50 / floor_p50:6.2f}     p99 {our_p99 / floor_p99:6.2f}")


if __name__ == "__main__":
    main()
