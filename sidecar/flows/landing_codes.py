"""Codes that the product redeems at us while a dance is under way. They never leave this process.

Nothing here waits, so the token endpoint needs no lock that a dance could hold.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace

from sidecar.core.grants import TOKEN_LIFE, Client, Grant, Redemption, fits
from sidecar.core.kept import Kept, kept
from sidecar.domain.identity import UnixSeconds
from sidecar.flows.telling import Chance, Clock

MOST = 20_000
"""Codes and access tokens that are remembered; a dance takes a second and they end after minutes."""


@dataclass(slots=True)
class _Code:
    grant: Grant
    forget_at: UnixSeconds
    redeemed: bool = False
    spoilt: bool = False
    token: bytes = b""


@dataclass(frozen=True, slots=True)
class Redeemed:
    """A code that was good, with the access token for userinfo."""

    grant: Grant
    access_token: str


class Codes:
    """The codes and access tokens of all products; each is kept under its hash."""

    def __init__(self, clock: Clock, chance: Chance) -> None:
        self._clock = clock
        self._chance = chance
        self._codes: dict[bytes, _Code] = kept("landing_codes", Kept(), MOST)
        self._tokens: dict[bytes, Grant] = kept("landing_tokens", Kept(), MOST)
        self.spoilt: Callable[[Grant], None] = lambda _: None

    def issue(self, grant: Grant) -> str:
        """A code for *grant*."""
        now = self._clock.now()
        self._forget(now)
        code = self._chance.token()
        # Remembered for longer than it is good, so that a second use is known for what it is.
        self._codes[_hash(code)] = _Code(grant, forget_at=UnixSeconds(grant.ends_at + TOKEN_LIFE))
        return code

    def redeem(self, client: Client, redemption: Redemption) -> Redeemed | None:
        """What the code stands for, once; None if it is not good for this request.

        A second use, or one with other particulars, spoils what came of the first (RFC 6749, section 4.1.2).
        """
        known = self._codes.get(_hash(redemption.code))
        if known is None:
            return None
        if known.redeemed or known.spoilt or not fits(known.grant, client, redemption, self._clock.now()):
            known.spoilt = True
            _ = self._tokens.pop(known.token, None)
            self.spoilt(known.grant)
            return None
        known.redeemed = True
        token = self._chance.token()
        known.token = _hash(token)
        ends_at = UnixSeconds(self._clock.now() + TOKEN_LIFE)
        self._tokens[known.token] = replace(known.grant, ends_at=ends_at)
        return Redeemed(known.grant, token)

    def is_redeemed(self, code: str) -> bool:
        """Whether the product has taken the code, and nobody else tried."""
        known = self._codes.get(_hash(code))
        return known is not None and known.redeemed and not known.spoilt

    def withdraw(self, code: str) -> None:
        """The dance is over without it."""
        known = self._codes.get(_hash(code))
        if known is not None and not known.redeemed:
            known.spoilt = True

    def of_token(self, client: Client, token: str) -> Grant | None:
        """Of whom an access token speaks, at the client to which it was given."""
        grant = self._tokens.get(_hash(token))
        if grant is None or grant.client != client or self._clock.now() >= grant.ends_at:
            return None
        return grant

    def _forget(self, now: UnixSeconds) -> None:
        if len(self._codes) + len(self._tokens) < MOST // 10:
            return
        for key in [key for key, code in self._codes.items() if now >= code.forget_at]:
            del self._codes[key]
        for token in [token for token, grant in self._tokens.items() if now >= grant.ends_at]:
            del self._tokens[token]
        while len(self._codes) >= MOST:
            # The oldest: a dance that began so long ago has failed.
            del self._codes[next(iter(self._codes))]
        while len(self._tokens) >= MOST:
            del self._tokens[next(iter(self._tokens))]


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
