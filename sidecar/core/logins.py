"""A sign-in as values: the attempt that waits in the browser, the callback that answers it, the breaker of circles.

All checks on the browser's side are made here, before a code is redeemed.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl

from sidecar.domain.identity import UnixSeconds
from sidecar.domain.reason import Reason

ATTEMPT_LIFE = 600
"""Seconds in which somebody must finish a sign-in (rule 30)."""

MAX_ATTEMPTS = 12
MAX_ATTEMPT_BYTES = 3500
"""Attempts of one browser: the oldest are dropped beyond (rule 31: the cookie header stays under 4 kB)."""

LOOP_WINDOW = 30
LOOP_BOUND = 3
"""A sign-in that begins within so many seconds of a finished one is suspicious; this many in a row are a circle."""

_ONCE = ("code", "state", "iss", "error", "error_description", "session_state")


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What is sealed into the attempt cookie; the server stores nothing.

    Attributes:
        state, nonce, verifier: Random (OIDC Core 1.0, section 3.1.2.1; RFC 7636, section 4.1).
        back_to: A judged return path.
        began: When.
        circles: Sign-ins that began suspiciously soon after a finished one, this one included.
    """

    application: str
    portal: str
    provider: str
    state: str
    nonce: str
    verifier: str
    back_to: str
    began: UnixSeconds
    silent: bool = False
    max_age: int | None = None
    circles: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Callback:
    """The parameters with which the browser came back; each stood there at most once (rule 27)."""

    state: str
    code: str | None
    issuer: str | None
    error: str | None
    description: str


def attempt_name(state: str) -> str:
    """The part of the attempt cookie's name that finds it again by its state."""
    return hashlib.sha256(state.encode()).hexdigest()[:12]


def attempt_to_bytes(attempt: Attempt) -> bytes:
    """Compact JSON: the cookie must stay small."""
    fields = [getattr(attempt, name) for name in Attempt.__slots__]
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode()


def attempt_from_bytes(data: bytes) -> Attempt | None:
    """The attempt, or None if the bytes are of another version of the program."""
    try:
        values = json.loads(data)
    except ValueError:
        return None
    if not isinstance(values, list) or len(values) != len(Attempt.__slots__):
        return None
    return Attempt(**dict(zip(Attempt.__slots__, values, strict=True)))


def read_callback(query: str) -> Callback | None:
    """The callback's parameters; None if one stands there twice or the state or both code and error are missing."""
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=20, strict_parsing=bool(query), errors="strict")
    except ValueError:
        return None
    names = [name for name, _ in pairs]
    if any(names.count(name) > 1 for name in _ONCE):
        return None
    given = dict(pairs)
    state, code, error = given.get("state"), given.get("code"), given.get("error")
    if not state or bool(code) == bool(error):
        return None
    return Callback(
        state=state,
        code=code or None,
        issuer=given.get("iss"),
        error=error,
        description=given.get("error_description", ""),
    )


def judge_attempt(attempt: Attempt, callback: Callback, application: str, provider: str, now: UnixSeconds) -> Reason:
    """Whether the callback answers this attempt: right state, in time, at the endpoint of its own provider (mix-up)."""
    if not hmac.compare_digest(attempt.state.encode(), callback.state.encode()):
        return Reason.STATE_MISSING
    if attempt.application != application or attempt.provider != provider:
        return Reason.ISSUER_MISMATCH
    if not 0 <= now - attempt.began <= ATTEMPT_LIFE:
        return Reason.STATE_EXPIRED
    return Reason.OK


def circles_of(last_finished: int | None, circles: int, now: UnixSeconds) -> int:
    """How many suspicious sign-ins there have been in a row, the one that begins now included."""
    if last_finished is None or not 0 <= now - last_finished <= LOOP_WINDOW:
        return 0
    return circles + 1


def too_many(sizes: Sequence[tuple[UnixSeconds, str, int]]) -> tuple[str, ...]:
    """Names of the attempt cookies to drop, the oldest first, so that one more fits.

    Args:
        sizes: (began, name, bytes) of the attempts that the browser carries.
    """
    newest = sorted(sizes, reverse=True)
    kept = 0
    total = 0
    for _, _, size in newest:
        if kept + 1 >= MAX_ATTEMPTS or total + size > MAX_ATTEMPT_BYTES:
            break
        kept += 1
        total += size
    return tuple(name for _, name, _ in newest[kept:])
