"""How fast FHIR is read, beside what else reads it, what memory that takes, and where the time goes, in one run.

Run: `.venv/bin/python benchmarks/reading.py`, or with `--quick` for a tenth of the patients, or with `--profile` for
where the time goes alone. The tools beside it are installed into an environment of their own; nothing is written into
the repository. The tables are those of docs/reference/speed.md: megabytes of made-up Observation NDJSON per CPU-second,
the median of runs that take turns.
"""

from __future__ import annotations

import argparse
import json
import signal
import statistics
import subprocess
import sys
import tempfile
import venv
from collections import Counter
from pathlib import Path
from types import FrameType

from made_up_source import RESOURCES_PER_PATIENT, write_source

ROOT = Path(__file__).resolve().parents[1]
TOOLS = ("orjson", "fhir-pyrate")
SMALL, LARGE, SAMPLE = 2_000, 20_000, 1_000
OURS, BARE = "cdss, every check on", "orjson, bare parse"

# Each prints CPU seconds for the file named first, its imports and what it holds before it starts left out, and bytes.
HEAD = "import sys, time\nlines = open(sys.argv[1], 'rb').readlines()\n"
SOME = "import itertools, sys, time\nlines = list(itertools.islice(open(sys.argv[1], 'rb'), int(sys.argv[2])))\n"
CLOCK = "start = time.process_time()\n"
TOLD = "print(time.process_time() - start, sum(map(len, lines)))\n"
PATHS = (
    "[('id', 'id'), ('subject', 'subject.reference'), ('effective', 'effectiveDateTime'), ('issued', 'issued'), "
    "('status', 'status'), ('code', 'code.coding.code'), ('value', 'valueQuantity.value'), "
    "('unit', 'valueQuantity.code')]"
)
PYRATE = (
    SOME + "import json\nfrom fhir_pyrate import Pirate\nfrom fhir_pyrate.util import FHIRObj\n"
    "pirate = Pirate(auth=None, base_url='http://localhost/fhir')\n" + CLOCK + "bundles = [FHIRObj(**{'resourceType': "
    "'Bundle', 'entry': [{'resource': json.loads(line)} for line in lines[at:at + 100]]}) "
    "for at in range(0, len(lines), 100)]\npirate.bundles_to_dataframe(bundles=bundles"
)
SCRIPTS = {
    BARE: HEAD + "import orjson\n" + CLOCK + "for line in lines: orjson.loads(line)\n" + TOLD,
    OURS: (
        "import os, sys, time\nimport cdss\ncdss.read(sys.argv[3])\n" + CLOCK + "record = cdss.read(sys.argv[1])\n"
        "print(time.process_time() - start, os.path.getsize(sys.argv[1]))\n"
        "assert record.counts.used == record.counts.resources, record.counts\n"
    ),
    "fhir.resources, loop": (
        SOME + "from fhir.resources.R4B.observation import Observation\n" + CLOCK + "for line in lines:\n"
        "    found = Observation.model_validate_json(line)\n"
        "    row = found.id, found.subject.reference, found.effectiveDateTime, found.code.coding[0].code\n" + TOLD
    ),
    "fhir-pyrate, FHIR paths": PYRATE + f", fhir_paths={PATHS})\n" + TOLD,
    "fhir-pyrate, flatten_data": PYRATE + ")\n" + TOLD,
}
WHOLE = (
    "import resource, sys, time\nfrom cdss.cli.main import main\nstart = time.process_time()\n"
    "code = main(['assess', sys.argv[1], '--model', 'serious-illness-180d', '--cohort', sys.argv[2], '--out', "
    "sys.argv[3], '--json'])\nassert code == 0\n"
    "print(time.process_time() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)\n"
)
# The stages of reading, by the function at work; the innermost that is named here counts.
STAGES = {
    "read_lines": "cut the file into lines",
    "take": "find the template of each line and compare it to the byte",
    "check": "check ids, times and numbers",
    "put": "enter events, references and content hashes",
    "read_line": "read in full what no template is known for",
    "learn": "make templates",
    "settle": "settle the whole: versions, repeats, contradictions, order",
}


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


def rates(lines: Path, warm: Path, python: Path, repeats: int) -> dict[str, float]:
    """Megabytes per CPU-second of each reader on the same Observations, the medians of runs that take turns."""
    found: dict[str, list[float]] = {name: [] for name in SCRIPTS}
    for _ in range(repeats):
        for name, script in SCRIPTS.items():
            own = sys.executable if name.startswith(("cdss", "fhir.resources")) else python
            seconds, size = run(own, script, lines, SAMPLE, warm)
            found[name].append(size / 1e6 / seconds)
    return {name: statistics.median(values) for name, values in found.items()}


def print_table(folder: Path, python: Path, sizes: tuple[int, int], repeats: int) -> None:
    """The readers, and CPU and peak memory of `cdss assess --cohort`, at two sizes."""
    warm, columns = folder / "warm", []
    write_source(warm, 20)
    for patients in sizes:
        source = folder / f"source-{patients}"
        write_source(source, patients)
        found = rates(source / "Observation.ndjson", warm / "Observation.ndjson", python, repeats)
        seconds, peak = run(sys.executable, WHOLE, source, write_cohort(source), folder / "out.ndjson")
        rows = {f"{name}, MB per CPU-second": f"{rate:.1f}" for name, rate in found.items()}
        rows |= {f"cdss as a multiple of {name}": f"{found[OURS] / found[name]:.2f}" for name in found if name != OURS}
        rows |= {"`cdss assess --cohort`, CPU seconds": f"{seconds:.1f}"}
        columns.append(rows | {"`cdss assess --cohort`, peak MiB": f"{peak:.0f}"})
    print(f"\n| Observation NDJSON | {sizes[0]:,} patients | {sizes[1]:,} patients |\n|---|---|---|")
    for name, small in columns[0].items():
        print(f"| {name} | {small} | {columns[1][name]} |")


def print_profile(folder: Path, patients: int = SMALL) -> None:
    """Where the CPU time of reading goes, by stage: what is at work is looked at every millisecond."""
    import cdss

    seen: Counter[str] = Counter()

    def look(_: int, frame: FrameType | None) -> None:
        while frame is not None and frame.f_code.co_name not in STAGES:
            frame = frame.f_back
        seen[STAGES[frame.f_code.co_name] if frame else "the rest"] += 1

    write_source(folder.with_name("ready"), 20)
    cdss.read(folder.with_name("ready"))  # loads what reading needs
    write_source(folder, patients)
    signal.signal(signal.SIGPROF, look)
    signal.setitimer(signal.ITIMER_PROF, 0.001, 0.001)
    cdss.read(folder / "Observation.ndjson")
    signal.setitimer(signal.ITIMER_PROF, 0)
    print("\n| Where the time of reading goes | CPU time |\n|---|---|")
    for stage in [*STAGES.values(), "the rest"]:
        print(f"| {stage} | {seen[stage] / seen.total():.0%} |")


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the patients, fewer repeats")
    parser.add_argument("--profile", action="store_true", help="where the time goes, and nothing else")
    arguments = parser.parse_args()
    sizes = (SMALL // 10, LARGE // 10) if arguments.quick else (SMALL, LARGE)
    with tempfile.TemporaryDirectory(prefix="cdss-reading-") as name:
        folder = Path(name)
        if not arguments.profile:
            print(f"made-up patients of {RESOURCES_PER_PATIENT} resources; Python {sys.version.split()[0]}")
            print_table(folder, tools_python(folder / "tools"), sizes, 3 if arguments.quick else 5)
        print_profile(folder / "profiled")


if __name__ == "__main__":
    main()
