"""How fast FHIR is read, beside what else reads it, and what memory that takes, in one run on made-up patients.

Run: `.venv/bin/python benchmarks/reading.py`, or with `--quick` for a tenth of it, or with `--profile` for the time by
function. The tools beside it are installed into an environment of their own; nothing is written into the repository.
Every figure is megabytes of NDJSON per CPU-second, the median of several runs that take turns.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import pstats
import statistics
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from made_up_source import RESOURCES_PER_PATIENT, write_source

ROOT = Path(__file__).resolve().parents[1]
TOOLS = ("orjson", "fhir-pyrate")
SMALL, LARGE, MEASURED, SAMPLE = 2_000, 20_000, 500, 1_000

# Each prints CPU seconds for the file named first, its imports and the reading of the file itself left out.
HEAD = "import sys, time\npath, count = sys.argv[1], int(sys.argv[2])\nraw = open(path, 'rb').read()\n"
LINES = "lines = raw.split(b'\\n')[:-1][:count]\n"
CLOCK = "start = time.process_time()\n"
TOLD = "print(time.process_time() - start, sum(map(len, lines)) + len(lines))\n"
PATHS = (
    "[('id', 'id'), ('subject', 'subject.reference'), ('effective', 'effectiveDateTime'), ('issued', 'issued'), "
    "('status', 'status'), ('code', 'code.coding.code'), ('value', 'valueQuantity.value'), "
    "('unit', 'valueQuantity.code')]"
)
PYRATE = (
    HEAD + LINES + "import json\nfrom fhir_pyrate import Pirate\nfrom fhir_pyrate.util import FHIRObj\n"
    "pirate = Pirate(auth=None, base_url='http://localhost/fhir')\n" + CLOCK + "bundles = [FHIRObj(**{'resourceType': "
    "'Bundle', 'entry': [{'resource': json.loads(line)} for line in lines[at:at + 100]]}) "
    "for at in range(0, len(lines), 100)]\npirate.bundles_to_dataframe(bundles=bundles"
)
SCRIPTS = {
    "UTF-8 scan": (HEAD + LINES + CLOCK + "raw.decode()\n" + TOLD, True),
    "orjson, bare parse": (
        HEAD + LINES + "import orjson\n" + CLOCK + "for line in lines: orjson.loads(line)\n" + TOLD, True,
    ),
    "cdss": (
        HEAD + LINES + "import cdss\ncdss.read(sys.argv[3])\ndel raw\n" + CLOCK + "record = cdss.read(path)\n" + TOLD
        + "assert record.counts.used == len(lines), record.counts\n", True,
    ),
    "fhir.resources, loop": (
        HEAD + LINES + "from fhir.resources.R4B.observation import Observation\n" + CLOCK + "for line in lines:\n"
        "    found = Observation.model_validate_json(line)\n"
        "    row = found.id, found.subject.reference, found.effectiveDateTime, found.code.coding[0].code\n" + TOLD,
        False,
    ),
    "fhir-pyrate, FHIR paths": (PYRATE + f", fhir_paths={PATHS})\n" + TOLD, False),
    "fhir-pyrate, flatten_data": (PYRATE + ")\n" + TOLD, False),
}  # fmt: skip
WHOLE = (
    "import resource, sys, time\nfrom cdss.cli.main import main\nstart = time.process_time()\n"
    "code = main(['assess', sys.argv[1], '--model', 'serious-illness-180d', '--cohort', sys.argv[2], '--out', "
    "sys.argv[3], '--json'])\nassert code == 0\n"
    "print(time.process_time() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)\n"
)


def run(python: str | Path, script: str, *arguments: object) -> list[float]:
    """The numbers on the last line that a script prints."""
    command = [str(python), "-W", "ignore", "-c", script, *map(str, arguments)]
    told = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
    return [float(part) for part in told.stdout.strip().splitlines()[-1].split()]


def tools_python(folder: Path) -> Path:
    """The Python of an environment with the tools beside us."""
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    pip = ["-m", "pip", "--python", str(python), "--disable-pip-version-check", "install", "--quiet", *TOOLS]
    host = Path(sys.base_prefix) / "bin" / "python3"
    subprocess.run([str(host), *pip], check=True)
    return python


def write_cohort(folder: Path) -> Path:
    """Every patient of a source, asked about at one time."""
    cohort = folder.with_suffix(".csv")
    with (folder / "Patient.ndjson").open(encoding="ascii") as lines, cohort.open("w", encoding="ascii") as rows:
        rows.write("subject,index_time\n")
        rows.writelines(f"Patient/{json.loads(line)['id']},2022-01-01T00:00:00Z\n" for line in lines)
    return cohort


def rates(folder: Path, python: Path, repeats: int) -> dict[str, float]:
    """Megabytes per CPU-second of each reader on the same Observations, the medians of runs that take turns."""
    write_source(folder, MEASURED)
    write_source(folder.with_name("warm"), 20)
    lines, warm = folder / "Observation.ndjson", folder.with_name("warm") / "Observation.ndjson"
    found: dict[str, list[float]] = {name: [] for name in SCRIPTS}
    for _ in range(repeats):
        for name, (script, is_whole) in SCRIPTS.items():
            own = sys.executable if name.startswith(("cdss", "fhir.resources")) else python
            seconds, size = run(own, script, lines, 10**9 if is_whole else SAMPLE, warm)
            found[name].append(size / 1e6 / seconds)
    return {name: statistics.median(values) for name, values in found.items()}


def print_rates(found: dict[str, float]) -> None:
    """One row for each reader, with what ours is beside it."""
    ours = found["cdss"]
    print(f"\n{'Observation NDJSON':<28}{'MB per CPU-s':>14}{'cdss is':>12}")
    for name, rate in sorted(found.items(), key=lambda item: -item[1]):
        print(f"{name:<28}{rate:>14.1f}{ours / rate:>11.2f}x")


def print_growth(folder: Path, sizes: tuple[int, int]) -> None:
    """CPU and peak memory of `cdss assess --cohort` at two sizes."""
    print(f"\n{'cdss assess --cohort':<28}{'MB':>8}{'CPU-s':>10}{'peak MiB':>10}")
    found = []
    for patients in sizes:
        source = folder / f"source-{patients}"
        size = write_source(source, patients)
        seconds, peak = run(sys.executable, WHOLE, source, write_cohort(source), folder / "out.ndjson")
        found.append((seconds, peak))
        print(f"{f'{patients} patients':<28}{size / 1e6:>8.0f}{seconds:>10.1f}{peak:>10.0f}")
    (less, small), (more, large) = found
    print(f"{'ratio':<28}{sizes[1] / sizes[0]:>7.1f}x{more / less:>9.1f}x{large / small:>9.2f}x")


def print_profile(folder: Path) -> None:
    """Where the time of reading goes, by function."""
    import cdss

    write_source(folder, MEASURED)
    profile = cProfile.Profile()
    profile.runcall(cdss.read, folder / "Observation.ndjson")
    pstats.Stats(profile).sort_stats("tottime").print_stats(25)


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the patients, fewer repeats")
    parser.add_argument("--profile", action="store_true", help="the time by function, and nothing else")
    arguments = parser.parse_args()
    sizes = (SMALL // 2, LARGE // 4) if arguments.quick else (SMALL, LARGE)
    with tempfile.TemporaryDirectory(prefix="cdss-reading-") as name:
        folder = Path(name)
        if arguments.profile:
            print_profile(folder / "source")
            return
        print(f"made-up patients of {RESOURCES_PER_PATIENT} resources; Python {sys.version.split()[0]}")
        print_rates(rates(folder / "rates", tools_python(folder / "tools"), 3 if arguments.quick else 5))
        print_growth(folder, sizes)


if __name__ == "__main__":
    main()
