"""The demo hospital as a running one: accounts, a live release, and a ward whose patients were just assessed."""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import Any

from cdss.access import Accounts, Person, Role, UnknownAccountError, local_operator
from cdss.compose import Clock, now_utc, open_hospital
from cdss.demo.hospital import SEED, DemoPatient, demo_hospital
from cdss.demo.people import Staff, demo_staff
from cdss.domain.instant import from_micros, instant_text, to_micros
from cdss.ledger.kinds import Draft, Kind
from cdss.settings import Settings
from cdss.workflow import registry
from cdss.workflow.hospital import Hospital
from cdss.workflow.model import load_model
from cdss.workflow.ports import Ports, actor

MODEL = "serious-illness-180d"
PASSWORD = "demo hospital ward"  # printed by `cdss demo`: whoever runs it is to sign in with it
FEED = "demo hospital feed"
_NEW_DAY = timedelta(hours=12)
_ROUNDS = 2, 4, 6, 9, 22
_SET_UP = "demo set-up"


def start_demo(settings: Settings, *, clock: Clock = now_utc, seed: int = SEED, access: Any = None) -> Hospital:
    """Open the demo hospital, making whatever of it is not there, and let the model answer for each patient.

    A demo of an earlier day gets a new day of results, so that its values are as old as a ward's.

    Parameters
    ----------
    settings : Settings
    clock : callable
    seed : int
    access : AccessSettings, optional
        Limits of sign-in; tests choose quicker ones.
    """
    hospital = open_hospital(settings, clock=clock, access=access, create=True)
    ports = hospital.ports
    if hospital.check_ledger().report.findings:
        return hospital  # nothing may be added to a broken ledger
    if not ports.board.refresh().synthetic:
        said = Draft(kind=Kind.CONFIG_CHANGED, actor=actor(local_operator(_SET_UP)), data={"patients": "made up"})
        ports.store.append(said)
    for one in demo_staff():
        _account(ports.accounts, one)
    _release(ports)
    newest = max((case.asked for case in ports.board.refresh().cases.values()), default=0)
    if from_micros(newest) + _NEW_DAY <= clock():
        for number, patient in enumerate(demo_hospital(clock(), seed)):
            _send(hospital, patient, number)
    hospital.catch_up()
    return hospital


def _account(accounts: Accounts, one: Staff) -> None:
    try:
        accounts.find(one.login)
    except UnknownAccountError:
        roles = (one.role, *one.also)
        accounts.add(local_operator(_SET_UP), login=one.login, name=one.name, password=PASSWORD, roles=roles)


def _person(accounts: Accounts, login: str, role: Role) -> Person:
    found = accounts.find(login)
    return Person(sub=found.person, name=found.name, role=role.value, account=found.id, client=_SET_UP)


def _release(ports: Ports) -> None:
    """Propose, approve and put to use the shipped release, each by another member of staff."""
    model = load_model(MODEL)
    if f"{model.reference.name}@{model.reference.version}" in ports.board.refresh().models:
        return
    steps = (
        (Kind.MODEL_PROPOSED, "ferrowitz", Role.DATA_SCIENTIST, "the release shipped with cdss"),
        (Kind.MODEL_APPROVED, "vantongeren", Role.APPROVER, "for made-up patients only; no local validation"),
        (Kind.MODEL_LIVE, "altamira", Role.APPROVER, "for made-up patients only; no local validation"),
    )
    for kind, login, role, why in steps:
        registry.change_state(ports, _person(ports.accounts, login, role), kind, model, why=why)


def _send(hospital: Hospital, patient: DemoPatient, number: int) -> None:
    round_at = patient.index_time.astimezone(UTC) + timedelta(hours=_ROUNDS[number % len(_ROUNDS)])
    hospital.receive(
        patient.to_json(),
        name=f"{patient.subject.removeprefix('Patient/')}.json",
        subject=patient.subject,
        encounter=patient.encounter,
        index_time=instant_text(to_micros(patient.index_time)),
        model=MODEL,
        sender=FEED,
        due=instant_text(to_micros(round_at.replace(minute=0))),
    )
