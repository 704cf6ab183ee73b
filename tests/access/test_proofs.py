"""A proof of identity: for one person, one decision, one meaning, two minutes, once."""

from __future__ import annotations

from datetime import timedelta

import pytest
from clinic import OPERATOR, OTHER, PASSWORD, Clinic

from cdss.access import (
    LockedOutError,
    LoginNeededError,
    Proof,
    ProofError,
    ProofUsedError,
    SessionExpiredError,
    SignedIn,
    WrongPasswordError,
)

ASKED = {"meaning": "reviewed", "decision": "ab" * 32}


@pytest.fixture
def begun(clinic: Clinic) -> SignedIn:
    clinic.staff("marlow")
    return clinic.sessions.sign_in("marlow", PASSWORD)


def prove(clinic: Clinic, begun: SignedIn, **changes: str) -> Proof:
    return clinic.proofs.prove(begun.token, PASSWORD, **(ASKED | {"login": "marlow"} | changes))


def consume(clinic: Clinic, proof: Proof | str, begun: SignedIn, **changes: object) -> None:
    with clinic.store.write() as connection:
        clinic.proofs.consume(connection, proof, **({"person": begun.person} | ASKED | changes))


def test_a_proof_is_good_once(clinic: Clinic, begun: SignedIn) -> None:
    proof = prove(clinic, begun)
    assert clinic.facts[-1].kind == "auth.ok"
    assert clinic.facts[-1].data == {"what": "prove", **ASKED}
    consume(clinic, proof, begun)
    for again in (proof, proof.nonce):
        with pytest.raises(ProofUsedError):
            consume(clinic, again, begun)


def test_the_proof_tells_when_the_person_showed_who_they_are(clinic: Clinic, begun: SignedIn) -> None:
    clinic.clock.pass_(minutes=5)
    proof = prove(clinic, begun)
    assert proof.person.auth_time == clinic.clock()
    assert clinic.who(begun.token).auth_time == clinic.clock()
    assert proof.expires_at == clinic.clock() + timedelta(minutes=2)


def test_a_signing_that_fails_leaves_the_proof_good(clinic: Clinic, begun: SignedIn) -> None:
    proof = prove(clinic, begun)

    def sign_and_fail() -> None:
        with clinic.store.write() as connection:
            clinic.proofs.consume(connection, proof, person=begun.person, **ASKED)
            raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        sign_and_fail()
    consume(clinic, proof, begun)


@pytest.mark.parametrize("changes", [{"meaning": "approved"}, {"decision": "cd" * 32}])
def test_a_proof_does_not_move(clinic: Clinic, begun: SignedIn, changes: dict[str, str]) -> None:
    proof = prove(clinic, begun)
    with pytest.raises(ProofError, match="something else"):
        consume(clinic, proof, begun, **changes)
    consume(clinic, proof, begun)


def test_a_proof_is_no_other_persons_and_no_other_sessions(clinic: Clinic, begun: SignedIn) -> None:
    clinic.staff("thorsby")
    proof = prove(clinic, begun)
    for login in ("thorsby", "marlow"):
        other = clinic.sessions.sign_in(login, PASSWORD)
        with pytest.raises(ProofError, match="something else"):
            consume(clinic, proof, other)
    consume(clinic, proof, begun)


def test_a_proof_lasts_two_minutes(clinic: Clinic, begun: SignedIn) -> None:
    first, second = prove(clinic, begun), prove(clinic, begun)
    clinic.clock.pass_(seconds=119)
    consume(clinic, first, begun)
    clinic.clock.pass_(seconds=1)
    with pytest.raises(ProofError, match="too old"):
        consume(clinic, second, begun)


@pytest.mark.parametrize("nonce", ["", "x", "\ud800"])
def test_a_made_up_proof_is_not_known(clinic: Clinic, begun: SignedIn, nonce: str) -> None:
    with pytest.raises(ProofError, match="not known"):
        consume(clinic, nonce, begun)


@pytest.mark.parametrize("end", ["sign out", "disable", "roles", "idle"])
def test_a_proof_ends_with_its_session(clinic: Clinic, begun: SignedIn, end: str) -> None:
    clinic.clock.pass_(seconds=1)
    proof = prove(clinic, begun)
    if end == "sign out":
        clinic.sessions.sign_out(begun.token)
    elif end == "disable":
        clinic.accounts.disable(OPERATOR, "marlow")
    elif end == "roles":
        clinic.accounts.change_roles(OPERATOR, "marlow", ["auditor"])
    else:
        clinic.clock.pass_(hours=13)
    with pytest.raises((SessionExpiredError, ProofError)):
        consume(clinic, proof, begun)
    with pytest.raises(SessionExpiredError):
        prove(clinic, begun)


def test_the_first_signature_asks_for_both_and_later_ones_for_one(clinic: Clinic, begun: SignedIn) -> None:
    assert clinic.proofs.asks_login(begun.person)
    with pytest.raises(LoginNeededError):
        clinic.proofs.prove(begun.token, PASSWORD, **ASKED)
    consume(clinic, prove(clinic, begun), begun)
    assert not clinic.proofs.asks_login(begun.person)
    consume(clinic, clinic.proofs.prove(begun.token, PASSWORD, **ASKED), begun)
    for _ in range(2):
        clinic.clock.pass_(minutes=8)
        clinic.who(begun.token)
    assert clinic.proofs.asks_login(begun.person)


@pytest.mark.parametrize("changes", [{"login": "thorsby"}, {"login": ""}])
def test_another_name_is_a_failure(clinic: Clinic, begun: SignedIn, changes: dict[str, str]) -> None:
    clinic.staff("thorsby")
    with pytest.raises(WrongPasswordError):
        prove(clinic, begun, **changes)
    assert clinic.facts[-1].kind == "auth.failed"
    assert clinic.facts[-1].actor()["sub"] == begun.person.sub


def test_guessing_at_an_open_session_ends_it(clinic: Clinic, begun: SignedIn) -> None:
    def guess() -> None:
        clinic.proofs.prove(begun.token, OTHER, login="marlow", **ASKED)

    for _ in range(4):
        with pytest.raises(WrongPasswordError):
            guess()
    with pytest.raises(LockedOutError):
        guess()
    assert clinic.kinds()[-1] == "auth.locked"
    assert clinic.who(begun.token) is None
    again = clinic.sessions.sign_in("marlow", PASSWORD)
    with pytest.raises(LockedOutError):
        prove(clinic, again)
    clinic.clock.pass_(minutes=14)
    clinic.who(again.token)
    clinic.clock.pass_(minutes=1)
    assert prove(clinic, again)


def test_a_new_role_is_no_new_set_of_guesses(clinic: Clinic) -> None:
    clinic.staff("marlow", "clinician", "approver")
    token = clinic.sessions.sign_in("marlow", PASSWORD).token
    for turn in range(4):
        with pytest.raises(WrongPasswordError):
            clinic.proofs.prove(token, OTHER, login="marlow", **ASKED)
        token = clinic.sessions.switch_role(token, "approver" if turn % 2 == 0 else "clinician").token
    with pytest.raises(LockedOutError):
        clinic.proofs.prove(token, OTHER, login="marlow", **ASKED)


def test_failures_outside_do_not_keep_a_clinician_from_signing(clinic: Clinic, begun: SignedIn) -> None:
    for _ in range(6):
        with pytest.raises((WrongPasswordError, LockedOutError)):
            clinic.sessions.sign_in("marlow", OTHER)
    consume(clinic, prove(clinic, begun), begun)
