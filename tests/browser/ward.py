"""The served demo hospital as the tests see it from behind: the same store, through the Python API."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import update

import cdss
from cdss.access.tables import session
from cdss.demo.start import FEED, MODEL, PASSWORD

__all__ = ["PASSWORD", "Ward"]
_ANSWER_S = 60


class Ward:
    """A hospital with its store and the address of its server."""

    def __init__(self, home: Path, url: str) -> None:
        self.home, self.url = home, url
        self.hospital = cdss.open(cdss.Settings(home=str(home)))
        self._taken: set[str] = set()
        self._by_name = {}
        for case in self.hospital.ports.board.refresh().cases.values():
            head = self.head(case.id)
            self._by_name.setdefault(f"{head['family']}, {head['given']}", case.id)

    def __enter__(self) -> Ward:
        return self

    def __exit__(self, *error: object) -> None:
        self.hospital.close()

    def sign_in(self, login: str, *, role: str | None = None) -> cdss.SignedIn:
        return self.hospital.sign_in(login, PASSWORD, role=role, client="test")

    def case(self, name: str) -> str:
        """The case of a patient whom no other test has; the name is `Family, Given` or how it begins."""
        found = [one for one in self._by_name if one.startswith(name)]
        assert len(found) == 1, f"{name}: {len(found)} patients"
        assert found[0] not in self._taken, f"{name} is another test's patient"
        self._taken.add(found[0])
        return self._by_name[found[0]]

    def admit(self, like: str, family: str) -> str:
        """Another patient with the results of one of the demo, for a test that needs one of its own."""
        case = self._by_name[next(one for one in self._by_name if one.startswith(like))]
        known, head = self.board(case), self.head(case)
        number = f"99{len(self._by_name):07}"
        text = self.bundle(case).decode()
        own = head["reference"].removeprefix("Patient/")
        for old, new in (
            (own, f"new-{number}"), (head["family"], family), (head["identifier"]["value"], number),
        ):  # fmt: skip
            text = text.replace(old, new)
        self._by_name[f"{family}, {number}"] = new_case = self.hospital.receive(
            text.encode(), name="new.json", subject=f"Patient/new-{number}",
            encounter=(head["encounter"] or "").replace(own, f"new-{number}") or None,
            index_time=_instant(known.index_time), model=MODEL, sender=FEED,
        )  # fmt: skip
        return new_case

    def ask(
        self, path: str, *, method: str = "GET", body: str | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, dict[str, str], str]:
        """One request without a browser: status, headers, text; redirects are not followed."""
        where = urlsplit(self.url)
        connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=_ANSWER_S)
        try:
            connection.request(method, path, body, dict(headers or {}))
            answer = connection.getresponse()
            named = {name.lower(): value for name, value in answer.getheaders()}
            return answer.status, named, answer.read().decode("utf-8", "replace")
        finally:
            connection.close()

    def board(self, case: str) -> Any:
        """Where a case stands by the ledger."""
        return self.hospital.ports.board.refresh().cases[case]

    def head(self, case: str) -> dict[str, Any]:
        return self.hospital.ports.blob_json(self.hospital.ports.board.cases[case].head)

    def bundle(self, case: str) -> bytes:
        return self.hospital.ports.store.get_blob(self.board(case).bundle)[0]

    def answer(self, case: str) -> dict[str, Any]:
        return self.hospital.ports.blob_json(self.board(case).assessment)

    def of_100(self, case: str) -> int:
        return round(self.answer(case)["probability"] * 100)

    def kinds(self, case: str) -> list[str]:
        """What was done in a case, in order, without the looks."""
        entries = self.hospital.ports.store.entries(case=case)
        return [one.kind for one in entries if one.kind not in ("case.viewed", "case.opened")]

    def failures(self) -> int:
        """How often somebody failed to prove who they are."""
        return sum(one.kind == "auth.failed" for one in self.hospital.ports.store.entries())

    def size(self) -> int:
        return self.hospital.ports.board.refresh().size

    def estimate(self, by: cdss.SignedIn, case: str, alive: int = 60, *, seen_score: bool = False) -> None:
        """Commit an own estimate from behind."""
        version = self.board(case).version
        self.hospital.commit_estimate(
            by.person, case, version=version, alive=alive, treating=True, seen_score=seen_score
        )

    def decide(
        self, by: cdss.SignedIn, case: str, outcome: str = "accepted", *, signed: bool = True, **more: Any
    ) -> None:
        """Record a decision from behind, to be signed or noted only."""
        if self.board(case).has_number and not self.board(case).estimate_of(by.person.sub):
            self.estimate(by, case)
        decision = cdss.ReviewDecision(outcome=cdss.Outcome(outcome), plan="Family meeting tomorrow", **more)
        self.hospital.decide(by.person, case, version=self.board(case).version, decision=decision, sign=signed)

    def sign(self, by: cdss.SignedIn, case: str, outcome: str = "overridden", **more: Any) -> None:
        """Decide and sign from behind."""
        if outcome == "overridden":
            more = {"reason": "clinical-judgement", **more}
        self.decide(by, case, outcome, **more)
        login = next(one for one in self.hospital.ports.accounts.list() if one.id == by.person.account).login
        meaning = next(iter(self.hospital.words.meanings(outcome)))
        self.hospital.sign_decision(
            by, case, decision=self.board(case).decided.leaf, meaning=meaning, password=PASSWORD, login=login
        )

    def new_creatinine(self, case: str, value: float) -> str:
        """A new result arrives from the laboratory: the Bundle is sent again with it; the case it comes to."""
        known = self.board(case)
        bundle = json.loads(self.bundle(case))
        newest = max(
            (one["resource"] for one in bundle["entry"] if _is_creatinine(one["resource"])),
            key=lambda one: one["effectiveDateTime"],
        )
        newest["valueQuantity"]["value"] = value
        head = self.head(case)
        return self.hospital.receive(
            json.dumps(bundle).encode(), name=known.bundle_name, subject=head["reference"],
            encounter=head["encounter"], index_time=_instant(known.index_time), model=MODEL, sender=FEED,
        )  # fmt: skip

    def end_session(self, by: cdss.SignedIn) -> None:
        """Let a session be idle for longer than it may."""
        with self.hospital.ports.access.write() as connection:
            long_ago = self.hospital.ports.clock() - timedelta(minutes=16)
            mine = session.c.digest == by.person.session
            connection.execute(update(session).where(mine).values(seen_at=long_ago))


def _instant(at: int) -> str:
    return datetime.fromtimestamp(at / 1e6, UTC).isoformat().replace("+00:00", "Z")


def _is_creatinine(resource: dict[str, Any]) -> bool:
    codes = {one.get("code") for one in resource.get("code", {}).get("coding", ())}
    return resource["resourceType"] == "Observation" and "2160-0" in codes
