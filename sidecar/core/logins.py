"""A sign-in as values: the attempt that waits in the browser, the callback that answers it, the breaker of circles.

All checks on the browser's side are made here, before a code is redeemed.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl

from sidecar.domain.identity import UnixSeconds
from sidecar.domain.reason import Reason

ATTEMPT_LIFE = 600
"""Seconds in which somebody must finish a sign-in (rule 30)."""

SKEW = 60
"""Seconds by which the clocks of two instances may differ."""

MAX_ATTEMPTS = 12
MAX_ATTEMPT_BYTES = 3600
"""Attempts of one browser, names included: the oldest are dropped beyond. With the session's cookie and the two small
ones beside it, all that is ours stays under 4 kB (rule 31)."""

LOOP_WINDOW = 30
LOOP_BOUND = 3
"""A sign-in that begins within so many seconds of a finished one is suspicious; this many in a row are a circle."""

_ONCE = ("code", "state", "iss", "error", "error_description", "response", "session_state")
_ATTEMPT_NAME = re.compile(r"[0-9a-f]{12}", re.ASCII)

KNOWN_ERRORS = frozenset(
    {"access_denied", "invalid_request", "invalid_scope", "server_error", "temporarily_unavailable"}
    | {"unauthorized_client", "unsupported_response_type", "account_selection_required", "consent_required"}
    | {"interaction_required", "login_required", "request_not_supported", "request_uri_not_supported"}
    | {"invalid_request_uri", "invalid_request_object", "registration_not_supported"}
)
"""RFC 6749, section 4.1.2.1, and OIDC Core 1.0, section 3.1.2.6. Only these are repeated in logs: anybody can write
another word into the address."""

UNCONFIRMED = frozenset({"login_required", "interaction_required", "consent_required", "account_selection_required"}
    | {"access_denied"})  # fmt: skip
"""What a provider answers to `prompt=none` when it will not vouch for the person without asking (section 3.1.2.6)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What is sealed into the attempt cookie; the server stores nothing.

    Attributes:
        state, nonce, verifier: Random (OIDC Core 1.0, section 3.1.2.1; RFC 7636, section 4.1).
        back_to: A judged return path.
        began: When.
        circles: Sign-ins that began suspiciously soon after a finished one, this one included.
        acr: Ways of signing in of which one must be used; empty: any.
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
    acr: tuple[str, ...] = ()


_TEXTS = Attempt.__slots__.index("began")
"""The first so many fields are texts."""


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


def is_attempt_name(name: str) -> bool:
    """Whether a flow cookie is an attempt at all: others stand beside them."""
    return _ATTEMPT_NAME.fullmatch(name) is not None


def attempt_to_bytes(attempt: Attempt) -> bytes:
    """Compact JSON: the cookie must stay small."""
    fields = [getattr(attempt, name) for name in Attempt.__slots__]
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode()


def attempt_from_bytes(data: bytes) -> Attempt | None:
    """The attempt, or None if the bytes are of another version of the program. Never raises."""
    try:
        values = json.loads(data)
    except (ValueError, RecursionError):
        return None
    if not isinstance(values, list) or len(values) != len(Attempt.__slots__):
        return None
    texts, (began, silent, max_age, circles, acr) = values[:_TEXTS], values[_TEXTS:]
    if not all(isinstance(text, str) for text in texts) or not isinstance(silent, bool):
        return None
    if not _is_count(began) or not _is_count(circles) or not (max_age is None or _is_count(max_age)):
        return None
    if not isinstance(acr, list) or not all(isinstance(value, str) for value in acr):
        return None
    return Attempt(**dict(zip(Attempt.__slots__, [*values[:-1], tuple(acr)], strict=True)))


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def finished_to_bytes(at: UnixSeconds, circles: int) -> bytes:
    """What the browser remembers of its last finished sign-in."""
    return json.dumps([at, circles]).encode()


def finished_from_bytes(data: bytes) -> tuple[int, int] | None:
    """When the last sign-in was finished and its circles, or None. Never raises."""
    try:
        values = json.loads(data)
    except (ValueError, RecursionError):
        return None
    if not isinstance(values, list) or len(values) != 2 or not all(_is_count(value) for value in values):
        return None
    return values[0], values[1]


def read_callback(query: str) -> Callback | None:
    """The callback's parameters; None if one stands there twice, the state is missing, or not exactly one of code and
    error is there. Never raises."""
    if not query.isascii():
        return None
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
        error=error or None,
        description=given.get("error_description", ""),
    )


def judge_attempt(attempt: Attempt, callback: Callback, application: str, provider: str, now: UnixSeconds) -> Reason:
    """Whether the callback answers this attempt: right state, in time, at the endpoint of its own provider (mix-up)."""
    if not hmac.compare_digest(attempt.state.encode(), callback.state.encode()):
        return Reason.STATE_MISSING
    if attempt.application != application or attempt.provider != provider:
        return Reason.ISSUER_MISMATCH
    if not -SKEW <= now - attempt.began <= ATTEMPT_LIFE:
        return Reason.STATE_EXPIRED
    return Reason.OK


def circles_of(last_finished: int | None, circles: int, now: UnixSeconds) -> int:
    """How many suspicious sign-ins there have been in a row, the one that begins now included."""
    if last_finished is None or not 0 <= now - last_finished <= LOOP_WINDOW:
        return 0
    return circles + 1


def too_many(sizes: Sequence[tuple[UnixSeconds, str, int]], coming: int) -> tuple[str, ...]:
    """Names of the attempt cookies to drop so that one more fits: the newest stay.

    Args:
        sizes: (began, name, bytes) of the attempts that the browser carries.
        coming: Bytes of the one more.
    """
    newest = sorted(sizes, reverse=True)
    kept, total = 0, coming
    for _, _, size in newest:
        if kept + 1 >= MAX_ATTEMPTS or total + size > MAX_ATTEMPT_BYTES:
            break
        kept += 1
        total += size
    return tuple(name for _, name, _ in newest[kept:])
