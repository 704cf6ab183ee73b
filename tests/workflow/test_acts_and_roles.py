"""Every act of a hospital by every role, against the table of roles: whoever may not, leaves nothing behind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from at_work import FLAGGED, FLAGGED_TOO, NO_NUMBER, PASSWORD, SETTLING, Day

from cdss.access import AccessDeniedError, Act, Role, SessionExpiredError, SignedIn, local_operator, rules
from cdss.domain.review import Outcome, ReviewDecision
from cdss.errors import UsageError
from cdss.ledger.kinds import Entry, Kind
from cdss.workflow import registry
from cdss.workflow.audit import Filter

SET_ASIDE = ReviewDecision(outcome=Outcome.NOT_APPLICABLE)


@dataclass
class Scene:
    """What was there before anybody tried: one case decided by marlow, one signed by him that waits for a second."""

    day: Day
    decided: Entry
    signed: Entry


def _estimate(scene: Scene, who: SignedIn) -> Any:
    return scene.day.estimate(who, scene.day.cases[SETTLING])


def _decide(scene: Scene, who: SignedIn) -> Any:
    case = scene.day.cases[NO_NUMBER]
    return scene.day.hospital.decide(who.person, case, version=2, decision=SET_ASIDE)


def _sign(scene: Scene, who: SignedIn) -> Any:
    return scene.day.sign(who, scene.day.cases[FLAGGED], scene.decided)


def _second(scene: Scene, who: SignedIn) -> Any:
    return scene.day.second(who, scene.day.cases[FLAGGED_TOO], scene.signed)


def _amend(scene: Scene, who: SignedIn) -> Any:
    login = next(one.login for one in scene.day.hospital.ports.accounts.list() if one.id == who.person.account)
    return scene.day.hospital.amend(who, scene.day.cases[FLAGGED_TOO], "words", password=PASSWORD, login=login)


def _registry(kind: Kind) -> Callable[[Scene, SignedIn], Any]:
    def act(scene: Scene, who: SignedIn) -> Any:
        ports = scene.day.hospital.ports
        model = ports.load("serious-illness-180d@1.0.0")
        return registry.change_state(ports, who.person, kind, model, why="a test")

    return act


def _plain(name: str, *more: Any, case: int | None = None) -> Callable[[Scene, SignedIn], Any]:
    def act(scene: Scene, who: SignedIn) -> Any:
        about = [] if case is None else [scene.day.cases[case]]
        found = getattr(scene.day.hospital, name)(who.person, *about, *more)
        return list(found) if name == "export_audit" else found

    return act


def _try(scene: Scene, who: SignedIn) -> Any:
    return scene.day.hospital.try_file(who.person, "x.json", b"{}", index_time="2026-03-14T09:40:00Z")


# What each method of a hospital asks of the table of roles.
DOORS: dict[str, tuple[Act, Callable[[Scene, SignedIn], Any]]] = {
    "worklist": (Act.VIEW_WORKLIST, _plain("worklist")),
    "waiting for second": (Act.SECOND_SIGN, _plain("waiting_for_second")),
    "look": (Act.OPEN_CASE, _plain("look", case=SETTLING)),
    "commit estimate": (Act.COMMIT_ESTIMATE, _estimate),
    "decide": (Act.DECIDE, _decide),
    "sign decision": (Act.SIGN, _sign),
    "second sign": (Act.SECOND_SIGN, _second),
    "record": (Act.VIEW_RECORD, _plain("record", case=FLAGGED_TOO)),
    "records": (Act.VIEW_RECORD, _plain("records")),
    "frozen": (Act.VIEW_RECORD, _plain("frozen", case=FLAGGED_TOO)),
    "print record": (Act.EXPORT_RECORD, _plain("print_record", case=FLAGGED_TOO)),
    "keep draft": (Act.DRAFT, _plain("keep_draft", 2, {"plan": "x"}, case=SETTLING)),
    "draft": (Act.DRAFT, _plain("draft", 2, case=SETTLING)),
    "amend": (Act.AMEND, _amend),
    "report problem": (Act.REPORT_PROBLEM, _plain("report_problem", "looks wrong", case=SETTLING)),
    "audit": (Act.READ_AUDIT, _plain("audit", Filter())),
    "pseudonym": (Act.READ_AUDIT, _plain("pseudonym", "Patient/demo-01")),
    "export audit": (Act.EXPORT_AUDIT, _plain("export_audit")),
    "verify": (Act.VERIFY_LEDGER, _plain("verify")),
    "propose model": (Act.PROPOSE_MODEL, _registry(Kind.MODEL_PROPOSED)),
    "approve model": (Act.APPROVE_MODEL, _registry(Kind.MODEL_APPROVED)),
    "retire model": (Act.SWITCH_MODEL, _registry(Kind.MODEL_RETIRED)),
    "try a file": (Act.TRY_FILE, _try),
}
LOGINS = {
    Role.CLINICIAN: "marlow", Role.TRAINEE: "quill", Role.APPROVER: "vantongeren", Role.DATA_SCIENTIST: "ferrowitz",
    Role.AUDITOR: "holmquay", Role.ADMIN: "arkwell",
}  # fmt: skip


def test_every_act_of_the_table_that_a_hospital_offers_has_a_door_here() -> None:
    later = {
        Act.WITHDRAW, Act.WRITE_BACK, Act.VIEW_MODELS, Act.VIEW_MONITORING, Act.RETRAIN, Act.MANAGE_USERS,
        Act.CHANGE_POLICY, Act.BACK_UP, Act.SEE_SYSTEM, Act.HELP,
    }  # fmt: skip
    assert {act for act, _ in DOORS.values()} | later == set(Act)
    assert not {act for act, _ in DOORS.values()} & later


@pytest.fixture
def scene(day: Day) -> Scene:
    marlow = day.sign_in("marlow")
    decided = day.decide(marlow, day.cases[FLAGGED])
    signed = day.decide(marlow, day.cases[FLAGGED_TOO], "overridden")
    day.sign(marlow, day.cases[FLAGGED_TOO], signed)
    return Scene(day, decided, signed)


@pytest.mark.parametrize("role", list(Role), ids=lambda role: role.value)
def test_each_role_does_what_the_table_gives_it_and_nothing_else(scene: Scene, role: Role) -> None:
    day = scene.day
    who = day.sign_in(LOGINS[role])
    for name, (act, do) in DOORS.items():
        before = day.size
        if role not in rules()[act].roles:
            with pytest.raises(AccessDeniedError, match=f"The role {role.value} may not"):
                do(scene, who)
            assert day.size == before, f"{name} by {role} left something behind"
            continue
        try:
            do(scene, who)
        except AccessDeniedError:
            assert (name, role) == ("sign decision", Role.APPROVER), "she may sign, but not what marlow decided"
        except UsageError:
            assert name in ("propose model", "approve model"), "the release is live already"


@pytest.mark.parametrize("name", list(DOORS))
def test_nobody_signed_in_is_asked_to_sign_in(scene: Scene, name: str) -> None:
    """The session ended while the page was open: whoever the door finds is nobody."""
    act, do = DOORS[name]
    day = scene.day
    who = day.sign_in(LOGINS[sorted(rules()[act].roles)[0]])
    day.hospital.ports.accounts.disable(local_operator("t"), LOGINS[Role(who.person.role)])
    before = day.size
    by_token = name in ("sign decision", "second sign", "amend")
    nobody: Any = who if by_token else type(who)(token=who.token, person=day.hospital.identify(who.token))
    if name == "commit estimate":
        with pytest.raises(SessionExpiredError):
            day.hospital.commit_estimate(
                nobody.person, day.cases[SETTLING], version=2, alive=60, treating=True, seen_score=False
            )
    else:
        with pytest.raises(SessionExpiredError):
            do(scene, nobody)
    assert day.size == before
