"""The server of `cdss serve` and `cdss demo`: app and HTTP service in one process."""

from __future__ import annotations

import importlib
import logging
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cdss.errors import UsageError
from cdss.settings import Settings
from cdss.workflow.hospital import Hospital

_START_S = 60


def listen(settings: Settings) -> socket.socket:
    """The socket to serve on, bound already, so that a port in use is known before anything else is done.

    Raises
    ------
    UsageError
        If the port is in use or may not be taken.
    """
    opened = socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        opened.bind((settings.host, settings.port))
        opened.listen(128)
    except OSError as error:
        opened.close()
        where = f"{settings.host}:{settings.port}"
        raise UsageError(
            f"{where}: cannot listen there ({error.strerror}). Choose another with --port N (make demo PORT=N)."
        ) from None
    return opened


def make_ready(hospital: Hospital) -> None:
    """Verify the ledger, and finish what a stop left behind; a broken ledger is served read only, and said aloud."""
    report = hospital.check_ledger().report
    if report.findings:
        where = f"at entry {report.first_bad}" if report.first_bad else "and no entry is to blame"
        print(
            f"The ledger is broken {where}: {report.findings[0].what}. Nothing will be recorded or signed. "
            "Keep the store as it is, and compare it with a backup.",
            file=sys.stderr,
            flush=True,
        )
        return
    hospital.catch_up()


def _server(hospital: Hospital, settings: Settings) -> Any:
    import uvicorn

    # The app is named as text: doors below it know nothing of it.
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    logging.getLogger("uvicorn.access").setLevel(logging.ERROR)
    app = importlib.import_module("apps.clinician.server").make_app(hospital, settings)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        ws_max_size=16 << 20,
        timeout_graceful_shutdown=3,
    )
    return uvicorn.Server(config)


def serve(hospital: Hospital, settings: Settings, opened: socket.socket) -> None:
    """Serve until Ctrl-C."""
    _server(hospital, settings).run(sockets=[opened])


@contextmanager
def serving(hospital: Hospital, settings: Settings, opened: socket.socket) -> Iterator[None]:
    """Serve in another thread while the block runs."""
    server = _server(hospital, settings)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [opened]}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(_START_S)
