"""Which releases are in use: each change of state is an entry by a named person."""

from __future__ import annotations

from cdss.access import Act, Person, require
from cdss.errors import IntegrityError, UsageError
from cdss.ledger.kinds import Attachment, Draft, Kind
from cdss.workflow.model import Model
from cdss.workflow.ports import Ports, actor

# What must be on record before a state, and the act its author needs.
_BEFORE = {
    Kind.MODEL_PROPOSED: (frozenset[str](), Act.PROPOSE_MODEL),
    Kind.MODEL_APPROVED: (frozenset({"proposed"}), Act.APPROVE_MODEL),
    Kind.MODEL_SILENT: (frozenset({"approved"}), Act.SWITCH_MODEL),
    Kind.MODEL_LIVE: (frozenset({"approved", "silent"}), Act.SWITCH_MODEL),
    Kind.MODEL_RETIRED: (frozenset({"approved", "silent", "live"}), Act.SWITCH_MODEL),
}


def change_state(ports: Ports, by: Person, kind: Kind, model: Model, *, why: str) -> None:
    """Propose, approve, put to silence, put to use or retire a release.

    Parameters
    ----------
    ports : Ports
    by : Person
    kind : Kind
        One of the `model.` kinds.
    model : Model
        Loaded, and so checked.
    why : str
        The reason, for the ledger; no patient data.

    Raises
    ------
    AccessDeniedError
        If the role does not hold the act, or one person does two steps that want two.
    UsageError
        If the release is not in a state that this may follow.
    IntegrityError
        If the release on record under this name and version is another one.
    """
    before, act = _BEFORE[kind]
    person = require(by, act)
    release = f"{model.reference.name}@{model.reference.version}"
    known = ports.board.refresh().models.get(release)
    if known and known["digest"] != model.reference.digest:
        raise IntegrityError(f"{release}: the registry knows another release of this name. Give it a new version.")
    state = known["state"] if known else None
    if (state is None) != (not before) or (before and state not in before):
        raise UsageError(f"{release}: is {state or 'not proposed'}; {kind.value} cannot follow. See cdss models list.")
    attach: tuple[Attachment, ...] = ()
    if kind is Kind.MODEL_PROPOSED:
        manifest = (model.path / "manifest.json").read_bytes()
        attach = (Attachment(role="manifest", data=manifest, media_type="application/json"),)
    data = {"release": release, "digest": model.reference.digest, "why": why}
    ports.store.append(Draft(kind=kind, actor=actor(person), data=data), attach=attach)


def live_release(ports: Ports, name: str) -> str:
    """`name@version` of the live release of a model.

    Raises
    ------
    UsageError
        If none is live.
    """
    for release, known in ports.board.refresh().models.items():
        if release.partition("@")[0] == name and known["state"] == "live":
            return release
    raise UsageError(f"{name}: no release is live. Propose one, have it approved, and put it to use.")
