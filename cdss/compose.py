"""Settings -> parts: the only place that chooses them."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

from cdss.access import AccessSettings, AccessStore, Change, Fact
from cdss.errors import UsageError
from cdss.ledger.engine import store_file
from cdss.ledger.keys import Keys
from cdss.ledger.kinds import Actor, Draft, Kind, Tick
from cdss.ledger.store import LedgerStore
from cdss.settings import Settings, read_settings
from cdss.workflow import drafts
from cdss.workflow.board import Board
from cdss.workflow.hospital import Hospital
from cdss.workflow.model import Model, load_model
from cdss.workflow.ports import Ports, shipped_policy

Clock = Callable[[], datetime]


def now_utc() -> datetime:
    """The clock of this machine."""
    return datetime.now(UTC)


def open_hospital(
    settings: Settings | str | Path | None = None,
    *,
    clock: Clock = now_utc,
    access: AccessSettings | None = None,
    create: bool = False,
) -> Hospital:
    """Open a hospital: its ledger, registry and accounts.

    Parameters
    ----------
    settings : Settings, str or Path, optional
        Or the path of a cdss.toml; without it, the one in the working directory and the `CDSS_*` variables.
    clock : callable
        Gives an aware time.
    access : AccessSettings, optional
        Limits of sign-in, if not those of the house.
    create : bool
        Make keys and store if they are not there.

    Raises
    ------
    UsageError
        If there is no store and `create` is not asked for.
    DependencyError
        If the store or a key cannot be used.
    """
    chosen = settings if isinstance(settings, Settings) else read_settings(settings)
    file = store_file(chosen.store_url)
    if not create and file is not None and not file.is_file():
        raise UsageError(f"{file}: there is no store. `cdss users add` makes one, `cdss demo` a made-up hospital.")
    keys = Keys.open(chosen.home, create=create)
    store = LedgerStore.open(chosen.store_url, keys, clock=lambda: Tick(clock(), time.monotonic()))

    def record(fact: Fact, change: Change) -> None:
        draft = Draft(kind=Kind(fact.kind), actor=Actor(**fact.actor()), data=fact.data)
        store.append(draft, also=lambda connection, entry: change(connection))

    store_of_access = AccessStore(store.engine, record=record, clock=clock, key=keys.pseudonyms, settings=access)
    store_of_access.prepare()
    with store_of_access.write() as connection:
        drafts.prepare(connection)
    ports = Ports(
        store=store,
        store_url=chosen.store_url,
        access=store_of_access,
        keys=keys,
        policy=shipped_policy(),
        clock=clock,
        load=_load,
        board=Board(store),
        environment=chosen.environment,
    )
    return Hospital(ports)


@lru_cache(maxsize=8)
def _load(release: str) -> Model:
    return load_model(release)
