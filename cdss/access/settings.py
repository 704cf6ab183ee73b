"""The limits of access, in one frozen value; every default is the rule of the house."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessSettings:
    """Limits of sign-in, sessions and proofs.

    Parameters
    ----------
    argon2_memory_kib, argon2_passes, argon2_lanes : int
        Argon2id. OWASP asks for at least 19,456 KiB, 2 passes and 1 lane; only tests go below.
    hashes_at_once : int
        How many passwords one process hashes at a time, so that sign-in cannot eat the memory.
    password_min, password_max : int
        Length in characters.
    failures : int
        So many make one wait.
    first_wait, longest_wait : timedelta
        The first wait; each further one is twice as long, up to the longest.
    forget : timedelta
        Without a failure for so long, all is forgotten.
    idle, absolute : timedelta
        A session ends after so long without an act, and so long after sign-in.
    touch : timedelta
        How often a session notes that it is alive; one may end this much too early, and never late.
    proof : timedelta
        How long a proof of identity is good for.
    both : timedelta
        Without a signature for so long, the next one asks for the log-in name too.
    skew : timedelta
        How far the clocks of two servers may differ; a session from further in the future is refused.
    """

    argon2_memory_kib: int = 65536
    argon2_passes: int = 3
    argon2_lanes: int = 1
    hashes_at_once: int = 2
    password_min: int = 12
    password_max: int = 256
    failures: int = 5
    first_wait: timedelta = timedelta(minutes=15)
    longest_wait: timedelta = timedelta(hours=4)
    forget: timedelta = timedelta(hours=24)
    idle: timedelta = timedelta(minutes=15)
    absolute: timedelta = timedelta(hours=12)
    touch: timedelta = timedelta(minutes=1)
    proof: timedelta = timedelta(minutes=2)
    both: timedelta = timedelta(minutes=15)
    skew: timedelta = timedelta(seconds=60)
