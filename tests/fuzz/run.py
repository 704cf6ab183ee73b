"""Run one target under atheris: `python tests/fuzz/run.py reader CORPUS... -runs=200000`. See `make fuzz`."""

from __future__ import annotations

import sys
from pathlib import Path
from random import Random

import atheris

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

with atheris.instrument_imports(include=["cdss", "ucumvert"]):
    from targets import TARGETS

from mutate import mutate_alike, mutate_reader, mutate_units
from seeds import write_seeds

BLIND = 0.15  # how often libFuzzer's own mutation has its way
LIMITS = ("-max_len=8192", "-timeout=30", "-rss_limit_mb=2048", "-print_final_stats=1", "-verbosity=0")
DICTIONARIES = {"reader": "fhir.dict", "alike": "fhir.dict", "units": "units.dict"}


def _mutator(target: str):
    change = {"reader": mutate_reader, "units": mutate_units, "alike": mutate_alike}[target]

    def mutate(data: bytes, max_size: int, seed: int) -> bytes:
        rng = Random(seed)
        changed = None if rng.random() < BLIND else change(data, rng)
        if changed is None or len(changed) > max_size:
            return atheris.Mutate(data, max_size)
        return changed

    return mutate


def main() -> None:
    target, corpus, *options = sys.argv[1:]
    write_seeds(target, Path(corpus))
    options = [*LIMITS, f"-artifact_prefix={Path(corpus).parent}/broke-{target}-", *options]
    if target in DICTIONARIES:
        options.append(f"-dict={Path(__file__).with_name(DICTIONARIES[target])}")
    more = {} if target == "lines" else {"custom_mutator": _mutator(target)}
    atheris.Setup([sys.argv[0], corpus, *options], TARGETS[target], **more)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
