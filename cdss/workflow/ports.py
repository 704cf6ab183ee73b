"""What the use cases stand on: the ledger, access, the policy, the words, the clock and the released models."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Any

from cdss.access import AccessStore, Accounts, Person, Proofs, Sessions
from cdss.domain.instant import parse_duration, to_micros
from cdss.domain.recommendation import Policy
from cdss.domain.review import Outcome
from cdss.ledger.keys import Keys
from cdss.ledger.kinds import Actor
from cdss.ledger.store import LedgerStore
from cdss.workflow.board import Board
from cdss.workflow.model import Model


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """The coded words of a review (review.toml)."""

    outcome: Mapping[str, Mapping[str, str]]
    reason: Mapping[str, Mapping[str, Any]]
    knows: Mapping[str, str]
    meaning: Mapping[str, Mapping[str, Any]]
    event: Mapping[str, Mapping[str, str]]
    hl7_system: str

    def label(self, outcome: str, *, flag: bool) -> str:
        """What an outcome is called beside a flagged answer, or one below the threshold."""
        row = self.outcome[outcome]
        return row["label"] if flag else row.get("below", row["label"])

    def meanings(self, outcome: str) -> dict[str, str]:
        """What a first signature under an outcome may mean, the usual one first."""
        return {code: row["label"] for code, row in self.meaning.items() if outcome in row["outcomes"]}


@cache
def vocabulary() -> Vocabulary:
    """The words in force."""
    return Vocabulary(**tomllib.loads(_text("review.toml")))


@cache
def shipped_policy() -> Policy:
    """The policy a site starts with."""
    return read_policy(_text("policy.toml"))


def read_policy(document: str) -> Policy:
    """The policy of a TOML document."""
    found = tomllib.loads(document)
    signed = {
        name: frozenset(map(Outcome, found[name])) for name in ("sign_unflagged", "sign_flagged", "second_flagged")
    }
    return Policy(
        version=found["version"],
        estimate_first=found["estimate_first"],
        review_within=parse_duration(found["review_within"]),
        expires_after=parse_duration(found["expires_after"]),
        defer_at_most=parse_duration(found["defer_at_most"]),
        stale_after={group: parse_duration(text) for group, text in found["stale_after"].items()},
        **signed,
    )


def _text(name: str) -> str:
    return files(__package__).joinpath(name).read_text("utf-8")


@dataclass(frozen=True, kw_only=True)
class Ports:
    """One hospital's parts, chosen in `cdss.compose`.

    `load` gives a released model by `name@version`; `clock` gives an aware time.
    """

    store: LedgerStore
    store_url: str
    access: AccessStore
    keys: Keys
    policy: Policy
    clock: Callable[[], datetime]
    load: Callable[[str], Model]
    board: Board
    environment: str
    accounts: Accounts = field(init=False)
    sessions: Sessions = field(init=False)
    proofs: Proofs = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "accounts", Accounts(self.access))
        object.__setattr__(self, "sessions", Sessions(self.access))
        object.__setattr__(self, "proofs", Proofs(self.access))

    def now(self) -> int:
        """The present in microseconds."""
        return to_micros(self.clock())

    def blob_json(self, sha256: str) -> Any:
        """A JSON blob of the ledger."""
        return json.loads(self.store.get_blob(sha256)[0])


def actor(person: Person) -> Actor:
    """A signed-in person as the ledger names them."""
    return Actor(**person.actor())


def as_json(value: object) -> bytes:
    """A blob of JSON: every text as it is."""
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")
