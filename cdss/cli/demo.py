"""`cdss demo`: a made-up hospital with its patients assessed, and the app over it."""

from __future__ import annotations

import argparse
import http.client
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from cdss.cli.serving import listen, make_ready, serve, serving
from cdss.demo import demo_staff
from cdss.demo.start import MODEL, PASSWORD, start_demo
from cdss.errors import DependencyError, IntegrityError
from cdss.ledger.engine import store_file
from cdss.settings import Settings, read_settings
from cdss.workflow.worklist import Group

if TYPE_CHECKING:
    from cdss.access import SignedIn
    from cdss.workflow.hospital import Hospital

_WAIT_S = 45
_STEP_S = 0.1


def run(arguments: argparse.Namespace) -> None:
    """Make the demo hospital, and serve it or try it."""
    settings = read_settings(home=arguments.dir, port=0 if arguments.smoke else arguments.port)
    settings = replace(settings, environment=settings.environment or "Harbour Vale, demo hospital")
    with listen(settings) as opened:
        settings = replace(settings, port=opened.getsockname()[1])
        with start_demo(settings) as hospital:
            make_ready(hospital)
            if arguments.smoke:
                with serving(hospital, settings, opened):
                    _report(_try(hospital, settings), as_json=arguments.json)
                return
            if arguments.json:
                logins = {one.login: [one.role, *one.also] for one in demo_staff()}
                print(json.dumps({"url": settings.url, "logins": logins, "password": PASSWORD}), flush=True)
            else:
                print(_welcome(settings), flush=True)
            serve(hospital, settings, opened)


def _welcome(settings: Settings) -> str:
    lines = ["", "The demo hospital is open. All patients and staff are made up.", "", f"  {settings.url}", ""]
    lines += [f"  {one.login:<12} {one.name}, {' and '.join([one.role, *one.also])}" for one in demo_staff()]
    lines += ["", f"  password of all: {PASSWORD}", "", f"The store is in {settings.home}. Ctrl-C stops the demo.", ""]
    return "\n".join(lines)


def _report(done: Iterator[tuple[str, str]], *, as_json: bool) -> None:
    found = {}
    for what, said in done:
        found[what] = said
        if not as_json:
            print(f"{what}: {said}", flush=True)
    if as_json:
        print(json.dumps(found))


def _try(hospital: Hospital, settings: Settings) -> Iterator[tuple[str, str]]:
    """Health, one assessment, one signed decision, one verification."""
    health = _get(settings, "/health")
    yield "health", f"{health['status']}, {health['entries']} entries, {', '.join(health['models'])} live"
    clinician = hospital.sign_in("marlow", PASSWORD, client="smoke")
    yield from _sign_one(hospital, clinician)
    hospital.ports.store.checkpoint()
    yield "ledger", _verify(hospital, settings)


def _sign_one(hospital: Hospital, clinician: SignedIn) -> Iterator[tuple[str, str]]:
    rows = [row for row in hospital.worklist(clinician.person) if row.group in (Group.ESTIMATE, Group.READY)]
    if not rows:
        raise DependencyError("The demo has no open case left. Remove its directory and start again.")
    case = rows[0].case
    view = hospital.look(clinician.person, case)
    if view.answer is None:
        hospital.commit_estimate(
            clinician.person, case, version=view.case.version, alive=80, treating=True, seen_score=False
        )
        view = hospital.look(clinician.person, case)
    answer = view.answer
    if answer is None or view.recommendation is None:
        raise DependencyError("The demo's case shows no answer after an estimate. Please report this.")
    yield "assessment", f"{MODEL}, {answer['kind']}, {round(answer['probability'] * 100)} of 100"
    found = hospital.sign(
        view.recommendation,
        by=clinician,
        outcome="accepted",
        plan="Family meeting tomorrow.",
        proof=PASSWORD,
        login="marlow",
    )
    if found.receipt is None or not found.receipt["proved"]:
        raise IntegrityError("The signed decision cannot be proved. Run cdss ledger verify.")
    yield "decision", f"{found.number} signed by {clinician.person.name}, proof checked"


def _verify(hospital: Hospital, settings: Settings) -> str:
    from cdss.ledger.verify import verify

    path = store_file(settings.store_url)
    if path is None:
        return "in a server; run cdss ledger verify"
    report = verify(path, key=hospital.ports.keys.log.public, kek=hospital.ports.keys.kek)
    if report.findings:
        raise IntegrityError(f"The ledger is broken at entry {report.first_bad}: {report.findings[0].what}.")
    return f"unbroken, {report.size} of {report.size} entries verified"


def _get(settings: Settings, path: str) -> dict[str, Any]:
    until = time.monotonic() + _WAIT_S
    while True:
        connection = http.client.HTTPConnection(settings.host, settings.port, timeout=5)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            found: dict[str, Any] = json.load(answer)
        except OSError:
            if time.monotonic() > until:
                where = f"{settings.url}{path}"
                raise DependencyError(f"{where}: does not answer after {_WAIT_S} s. See what else runs here.") from None
            time.sleep(_STEP_S)
            continue
        finally:
            connection.close()
        if answer.status != HTTPStatus.OK:
            reasons = "; ".join(found.get("reasons", ()))
            raise DependencyError(f"{settings.url}{path}: answers {answer.status}: {reasons}. Mend that first.")
        return found
