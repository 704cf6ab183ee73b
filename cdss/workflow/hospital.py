"""A hospital's one object: every act a door may ask for, each checked and recorded before it is answered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from cdss.access import Act, Person, Role, SignedIn, allowed, require
from cdss.domain.instant import parse_index_time
from cdss.domain.recommendation import Policy, Recommendation
from cdss.domain.review import Outcome, ReviewDecision
from cdss.errors import CdssError, StaleDecisionError, UsageError
from cdss.ledger.kinds import Actor, Entry
from cdss.workflow import drafts, intake, registry, review
from cdss.workflow.audit import AuditPage, Filter, Verdict, export_ledger, search, verify_now
from cdss.workflow.decision_record import DecisionRecord, print_record, read_frozen, read_record, records_of, refusal_of
from cdss.workflow.ports import Ports, Vocabulary, vocabulary
from cdss.workflow.recording import CaseView, about_model, is_stale
from cdss.workflow.trying import try_file
from cdss.workflow.worklist import Row, alerts_of, second_queue, worklist


class Hospital:
    """What `cdss.open` gives. Close it when done, or use it in a `with` block."""

    def __init__(self, ports: Ports) -> None:
        self.ports = ports
        self._heads: dict[str, dict[str, Any]] = {}

    def __enter__(self) -> Hospital:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Sign the head of the ledger and let go of the store."""
        self.ports.store.close()

    # ---- who is it -------------------------------------------------------------------------------------------------

    def sign_in(self, login: str, password: str, *, role: str | None = None, client: str = "python") -> SignedIn:
        """Begin a session; its token is the secret a browser keeps."""
        return self.ports.sessions.sign_in(login, password, role=role, client=client)

    def sign_out(self, token: str) -> None:
        """End a session."""
        self.ports.sessions.sign_out(token)

    def identify(self, token: str | None) -> Person | None:
        """Who a session belongs to now; the one way by which identity enters."""
        return self.ports.sessions.identify(token, self.ports.clock())

    def is_signed_in(self, token: str) -> bool:
        """Whether a session is alive, without keeping it alive: for a door that only lets in."""
        return self.ports.sessions.peek(token, self.ports.clock()) is not None

    def switch_role(self, token: str, role: str) -> SignedIn:
        """Go on in another role of the same account, under a new token."""
        return self.ports.sessions.switch_role(token, role)

    def roles_of(self, person: Person) -> tuple[Role, ...]:
        """The roles a person's account holds."""
        return next((one.roles for one in self.ports.accounts.list() if one.id == person.account), ())

    def may(self, person: Person | None, act: str) -> bool:
        """Whether a role holds an act: for menus; each act asks again."""
        return person is not None and allowed(person.role, act)

    def asks_login(self, person: Person) -> bool:
        """Whether the next signature asks for the log-in name too."""
        return self.ports.proofs.asks_login(person)

    # ---- patients --------------------------------------------------------------------------------------------------

    @property
    def policy(self) -> Policy:
        """The site's policy."""
        return self.ports.policy

    @property
    def words(self) -> Vocabulary:
        """The coded words of a review."""
        return vocabulary()

    @property
    def synthetic(self) -> bool:
        """Whether all patients are made up, which every page then says."""
        return self.ports.board.refresh().synthetic

    @property
    def environment(self) -> str:
        """The name shown on every page."""
        return self.ports.environment

    def now(self) -> int:
        """The present, in microseconds."""
        return self.ports.now()

    def receive(
        self,
        content: bytes,
        *,
        name: str,
        subject: str,
        encounter: str | None,
        index_time: str,
        model: str,
        sender: str,
        due: str | None = None,
    ) -> str:
        """Take in a Bundle about one patient, let the live release answer, and return the id of the case."""
        return intake.receive(
            self.ports,
            content,
            name=name,
            subject=subject,
            encounter=encounter,
            index_time=parse_index_time(index_time),
            release=registry.live_release(self.ports, model),
            sender=Actor(sub=f"feed:{sender}", name=sender, role="service"),
            due=None if due is None else parse_index_time(due),
        )

    def worklist(self, by: Person) -> list[Row]:
        """The open cases, as far as this person may see them now."""
        return worklist(self.ports, self._heads, by)

    def waiting_for_second(self, by: Person) -> list[Row]:
        """Signed decisions that wait for a second person, oldest first."""
        return second_queue(self.ports, self._heads, by)

    def look(self, by: Person, case: str) -> CaseView:
        """Open a case; that it was looked at is recorded first."""
        view = review.look(self.ports, by, case)
        return replace(
            view,
            alerts=alerts_of(self.ports, self._heads, view.case),
            refusal=refusal_of(self.ports, view.case),
        )

    def commit_estimate(
        self, by: Person, case: str, *, version: int, alive: int, treating: bool, seen_score: bool
    ) -> Entry:
        """Record a person's own estimate: of 100 such patients, how many will be alive."""
        return review.commit_estimate(
            self.ports, by, case, version=version, alive=alive, treating=treating, seen_score=seen_score
        )

    def decide(self, by: Person, case: str, *, version: int, decision: ReviewDecision, sign: bool = False) -> Entry:
        """Record a decision with the frozen copy of what was shown; with `sign`, to be signed in any case."""
        return review.decide(self.ports, by, case, version=version, decision=decision, sign=sign)

    def sign_decision(
        self, by: SignedIn, case: str, *, decision: str, meaning: str, password: str, login: str | None = None
    ) -> Entry:
        """Sign the decision on record, named by the leaf that was shown."""
        return review.sign(self.ports, by, case, decision=decision, meaning=meaning, password=password, login=login)

    def second_sign(
        self,
        by: SignedIn,
        case: str,
        *,
        decision: str,
        approve: bool,
        password: str,
        login: str | None = None,
        why: str = "",
    ) -> Entry:
        """Approve a signed decision as another person, or refuse it with a reason."""
        return review.second(
            self.ports, by, case, decision=decision, approve=approve, password=password, login=login, why=why
        )

    def sign(
        self,
        recommendation: Recommendation,
        *,
        by: SignedIn,
        outcome: str,
        proof: str,
        reason: str | None = None,
        knows: Sequence[str] = (),
        note: str = "",
        plan: str = "",
        until: str | None = None,
        meaning: str | None = None,
        login: str | None = None,
    ) -> DecisionRecord:
        """Decide and sign in one call, for programs.

        Parameters
        ----------
        recommendation : Recommendation
            As `look` gave it; if something newer is on record, nothing is signed.
        by : SignedIn
        outcome : str
            `accepted`, `overridden`, `deferred` or `not-applicable`.
        proof : str
            The password once more.
        reason, knows, note, plan, until
            See `ReviewDecision`.
        meaning : str, optional
            What the signature means; the usual meaning of the outcome without it.
        login : str, optional
            The log-in name, at the first signature of a session.

        Returns
        -------
        DecisionRecord
        """
        if outcome not in set(Outcome):
            raise UsageError(f"The outcome is one of {', '.join(Outcome)}.")
        decision = ReviewDecision(
            outcome=Outcome(outcome), reason=reason, knows=tuple(knows), note=note, plan=plan, until=until
        )
        decided = self.decide(
            by.person, recommendation.case, version=recommendation.version, decision=decision, sign=True
        )
        case = review.find_case(self.ports, recommendation.case)
        if case.decided is None or case.decided.leaf != decided.leaf:
            raise StaleDecisionError(case=case.id)
        chosen = meaning or next(iter(self.words.meanings(outcome)))
        self.sign_decision(by, case.id, decision=decided.leaf, meaning=chosen, password=proof, login=login)
        return self.record(by.person, case.id)

    def frozen(self, by: Person, case: str) -> Mapping[str, Any]:
        """The frozen copy that the newest decision of a case names: what is to be signed, and nothing else."""
        return read_frozen(self.ports, require(by, Act.VIEW_RECORD), review.find_case(self.ports, case))

    def stale(self, facts: Mapping[str, Any]) -> frozenset[str]:
        """The names of the facts that are older than this site expects of such a value."""
        now = self.now()
        return frozenset(one["name"] for one in facts["facts"] if is_stale(one, self.policy, now))

    def about(self) -> list[dict[str, Any]]:
        """What each live release is for and not for."""
        live = [name for name, known in self.ports.board.refresh().models.items() if known["state"] == "live"]
        return [about_model(self.ports.load(name), vocabulary()) for name in live]

    def record(self, by: Person, case: str) -> DecisionRecord:
        """The frozen copy of a decision, its history and its receipt."""
        return read_record(self.ports, by, case)

    def records(self, by: Person) -> list[Row]:
        """The cases that were decided, newest first."""
        return records_of(self.ports, self._heads, by)

    def print_record(self, by: Person | None, case: str) -> tuple[str, bytes]:
        """The number of a decision record, and the record as PDF; that it was printed is recorded first."""
        person = require(by, Act.EXPORT_RECORD)
        return print_record(self.ports, person, case)

    def keep_draft(self, by: Person, case: str, version: int, typed: dict[str, Any]) -> None:
        """Keep what was typed and not committed."""
        drafts.keep(self.ports, by, case, version, typed)

    def draft(self, by: Person, case: str, version: int) -> dict[str, Any]:
        """What was typed and not committed."""
        return drafts.typed_so_far(self.ports, by, case, version)

    def amend(self, by: SignedIn, case: str, text: str, *, password: str, login: str | None = None) -> Entry:
        """Add to a record; nothing of it is changed."""
        return review.amend(self.ports, by, case, text, password=password, login=login)

    def report_problem(self, by: Person, case: str, text: str) -> Entry:
        """Say that a score looks wrong."""
        return review.report_problem(self.ports, by, case, text)

    # ---- audit and running -----------------------------------------------------------------------------------------

    def audit(self, by: Person, wanted: Filter) -> AuditPage:
        """Entries of the ledger, newest first; reading them is an entry too."""
        return search(self.ports, by, wanted)

    def verify(self, by: Person) -> Verdict:
        """Run the separate verifier over the store now."""
        require(by, Act.VERIFY_LEDGER)
        return verify_now(self.ports, by)

    def export_audit(self, by: Person | None) -> Iterator[str]:
        """The ledger as a stream that proves itself, without sealed bytes; that it left is recorded first."""
        return export_ledger(self.ports, require(by, Act.EXPORT_AUDIT))

    def pseudonym(self, by: Person, subject: str) -> str:
        """The keyed pseudonym of a patient, for a search of the audit."""
        require(by, Act.READ_AUDIT)
        return self.ports.keys.pseudonym(subject)

    def try_file(self, by: Person, name: str, content: bytes, *, subject: str = "", index_time: str) -> dict[str, Any]:
        """What this version makes of a FHIR file; in the demo only, and nothing of the file is kept."""
        model = next((one["name"] for one in self.about()), "")
        return try_file(self.ports, by, name, content, model=model, subject=subject, index_time=index_time)

    def check_ledger(self) -> Verdict:
        """Run the separate verifier before work begins; a broken ledger is read only from then on."""
        return verify_now(self.ports, None)

    def catch_up(self) -> None:
        """Finish what a stop left behind: unanswered inputs, and reviews that nobody did in time."""
        intake.catch_up(self.ports)
        review.expire(self.ports)

    def health(self) -> tuple[bool, dict[str, Any]]:
        """Whether the hospital can work now, and why not."""
        store = self.ports.store
        reasons = []
        if store.read_only:
            reasons.append(f"read-only, since {store.read_only}")
        live = []
        try:
            live = [name for name, known in self.ports.board.refresh().models.items() if known["state"] == "live"]
            if not live:
                reasons.append("no release is live")
        except CdssError as error:
            reasons.append(str(error))
        state = {"status": "ok"} if not reasons else {"status": "unavailable", "reasons": reasons}
        return not reasons, state | {"entries": self.ports.board.size, "models": live}
