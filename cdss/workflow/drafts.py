"""What somebody has typed and not committed: kept sealed, so that a reload or an ended session loses nothing."""

from __future__ import annotations

import json
import os
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    delete,
    insert,
    select,
)

from cdss.access import Act, Person, require
from cdss.workflow.ports import Ports, as_json

metadata = MetaData()
review_draft = Table(
    "review_draft",
    metadata,
    Column("case_id", Text, nullable=False),
    Column("sub", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    PrimaryKeyConstraint("case_id", "sub"),
)
_NONCE = 12
_LONGEST = 16384


def keep(ports: Ports, by: Person, case: str, version: int, typed: dict[str, Any]) -> None:
    """Keep what a person has typed in a case; an empty form keeps nothing."""
    person = require(by, Act.DRAFT)
    content = as_json(typed)
    mine = (review_draft.c.case_id == case) & (review_draft.c.sub == person.sub)
    with ports.access.write() as connection:
        connection.execute(delete(review_draft).where(mine))
        if any(typed.values()) and len(content) <= _LONGEST:
            nonce = os.urandom(_NONCE)
            sealed = nonce + AESGCM(ports.keys.kek).encrypt(nonce, content, _bound(case, person.sub))
            row = {"case_id": case, "sub": person.sub, "version": version, "sealed": sealed}
            connection.execute(insert(review_draft), row)


def typed_so_far(ports: Ports, by: Person, case: str, version: int) -> dict[str, Any]:
    """What a person had typed in a case at a version; nothing if something newer came since."""
    person = require(by, Act.DRAFT)
    mine = (review_draft.c.case_id == case) & (review_draft.c.sub == person.sub)
    with ports.access.read() as connection:
        row = connection.execute(select(review_draft).where(mine)).one_or_none()
    if row is None or row.version != version:
        return {}
    try:
        opened = AESGCM(ports.keys.kek).decrypt(row.sealed[:_NONCE], row.sealed[_NONCE:], _bound(case, person.sub))
    except InvalidTag:
        return {}
    found: dict[str, Any] = json.loads(opened)
    return found


def prepare(connection: Connection) -> None:
    """Make the table if it is not there."""
    metadata.create_all(connection)


def _bound(case: str, sub: str) -> bytes:
    return f"{case}\0{sub}".encode()
