"""`cdss serve`: the app and the HTTP service of a hospital."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace

from cdss.cli.serving import listen, make_ready, serve
from cdss.compose import open_hospital
from cdss.settings import read_settings


def run(arguments: argparse.Namespace) -> None:
    """Serve until Ctrl-C."""
    settings = read_settings(port=arguments.port)
    with listen(settings) as opened, open_hospital(settings) as hospital:
        settings = replace(settings, port=opened.getsockname()[1])
        make_ready(hospital)
        said = json.dumps({"url": settings.url}) if arguments.json else f"cdss is at {settings.url} (Ctrl-C stops it)"
        print(said, flush=True)
        serve(hospital, settings, opened)
