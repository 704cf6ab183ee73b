"""Rate and peak memory of `read`, beside the bare parse of the same lines by msgspec. Sources are named as arguments.

Run: `.venv/bin/python benchmarks/read_rate.py ../shared/data/mimic-iv-demo`.
"""

from __future__ import annotations

import gzip
import resource
import sys
import time
from pathlib import Path

import msgspec

import cdss


def main() -> None:
    """Print one line a source."""
    for source in sys.argv[1:]:
        start = time.process_time()
        record = cdss.read(source)
        ours = time.process_time() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        size, bare = 0, 0.0
        for path in sorted(Path(source).rglob("*")):
            if not path.name.endswith((".json", ".json.gz", ".ndjson", ".ndjson.gz")):
                continue
            raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
            size += len(raw)
            lines = raw.split(b"\n") if "ndjson" in path.name else [raw]
            start = time.process_time()
            for line in filter(None, lines):
                msgspec.json.decode(line)
            bare += time.process_time() - start
        megabytes = size / 1e6
        print(
            f"{Path(source).name}: {record.counts.resources} resources, {megabytes:.0f} MB; "
            f"read {megabytes / ours:.1f} MB per CPU-second, bare parse {megabytes / bare:.1f}, peak {peak:.0f} MiB"
        )


if __name__ == "__main__":
    main()
