"""The app as a browser meets it: time to the first page, a rerun of the worklist with 44 and 1,000 patients.

A WebSocket driver speaks Streamlit's own protocol to a real server in another process, so that what is measured is the
page's script, its messages and the server, and no drawing. `gc.freeze()` is measured beside the same server without it.
Run: `.venv/bin/python benchmarks/app.py`; about three minutes.
"""

from __future__ import annotations

import http.client
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import ClientConnection, connect

import cdss
from cdss.demo.hospital import demo_hospital
from cdss.demo.start import FEED, MODEL, PASSWORD, start_demo

ROUNDS, WARM_UP = 15, 3
MANY = 1000
FIRST_PAGE_LIMIT_S = 60

SERVER = """
import gc, sys
if sys.argv[3] == "thawed":
    gc.freeze = lambda: None
from cdss.cli.serving import listen, serve
from cdss.compose import open_hospital
from cdss.settings import Settings
settings = Settings(home=sys.argv[1], port=int(sys.argv[2]))
opened = listen(settings)
with open_hospital(settings) as hospital:
    serve(hospital, settings, opened)
"""


def free_port() -> int:
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        return int(opened.getsockname()[1])


def fill(home: Path, patients: int) -> None:
    """A demo hospital with so many patients; those beyond the demo's own are its patients under other ids."""
    with start_demo(cdss.Settings(home=str(home))) as hospital:
        now = datetime.now(UTC)
        ward = demo_hospital(now)
        for number in range(patients - len(ward)):
            one = ward[number % len(ward)]
            own, new = one.subject.removeprefix("Patient/"), f"more-{number:04}"
            content = re.sub(rf"\b{own}\b", new, one.to_json().decode()).encode()
            hospital.receive(
                content,
                name=f"{new}.json",
                subject=f"Patient/{new}",
                encounter=one.encounter.replace(own, new),
                index_time=now.strftime("%Y-%m-%dT%H:%M:%SZ"),
                model=MODEL,
                sender=FEED,
            )


class Server:
    """A server in a process of its own, and a signed-in browser session."""

    def __init__(self, home: Path, collector: str) -> None:
        self.port = free_port()
        started = time.perf_counter()
        self.process = subprocess.Popen([sys.executable, "-c", SERVER, str(home), str(self.port), collector])
        self._wait()
        self.started_s = time.perf_counter() - started
        with cdss.open(cdss.Settings(home=str(home))) as hospital:
            self.token = hospital.sign_in("marlow", PASSWORD).token

    def _wait(self) -> None:
        until = time.monotonic() + FIRST_PAGE_LIMIT_S
        while time.monotonic() < until:
            try:
                asked = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
                asked.request("GET", "/health")
                if asked.getresponse().status == 200:
                    return
            except OSError:
                time.sleep(0.05)
        raise SystemExit("the server does not answer")

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()

    def page(self) -> ClientConnection:
        return connect(
            f"ws://127.0.0.1:{self.port}/_stcore/stream",
            additional_headers={"Cookie": f"cdss_session={self.token}"},
            origin=f"http://127.0.0.1:{self.port}",
            subprotocols=["streamlit"],
            max_size=1 << 26,
        )


def rerun(page: ClientConnection, query: str) -> tuple[float, int]:
    """Milliseconds from asking for a run to its last message, and the bytes that came."""
    asked = BackMsg()
    asked.rerun_script.query_string = query
    started, size = time.perf_counter(), 0
    page.send(asked.SerializeToString())
    while True:
        raw = page.recv(timeout=30)
        size += len(raw)
        message = ForwardMsg()
        message.ParseFromString(bytes(raw))
        if message.WhichOneof("type") == "script_finished":
            return (time.perf_counter() - started) * 1000, size


def measure(home: Path, collector: str) -> dict[str, float]:
    server = Server(home, collector)
    try:
        with server.page() as page:
            first, _ = rerun(page, "worklist-whose=All")
            for _ in range(WARM_UP):
                rerun(page, "worklist-whose=All")
            runs = [rerun(page, "worklist-whose=All") for _ in range(ROUNDS)]
        times = sorted(milliseconds for milliseconds, _ in runs)
        return {
            "started_s": server.started_s,
            "first_ms": first,
            "p50_ms": statistics.median(times),
            "max_ms": times[-1],
            "bytes": float(runs[-1][1]),
        }
    finally:
        server.stop()


def main() -> None:
    """Print one table."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    heads = ("patients", "collector", "server up s", "first run ms", "rerun p50 ms", "max ms", "KiB")
    print(" ".join(f"{head:>{wide}}" for head, wide in zip(heads, (8, 9, 12, 13, 13, 8, 6), strict=True)))
    for patients in (44, MANY):
        with tempfile.TemporaryDirectory() as folder:
            home = Path(folder) / "home"
            fill(home, patients)
            for collector in ("frozen", "thawed"):
                found = measure(home, collector)
                print(
                    f"{patients:>8} {collector:>9} {found['started_s']:>12.1f} {found['first_ms']:>13.0f} "
                    f"{found['p50_ms']:>13.0f} {found['max_ms']:>8.0f} {found['bytes'] / 1024:>6.0f}"
                )


if __name__ == "__main__":
    main()
