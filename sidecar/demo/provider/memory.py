"""All that the demo provider remembers, and only until it stops.

The endpoints read and write here. Everything is found by a random key of 256 bits, and every
shelf is bounded: the oldest entry goes when it is full.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from sidecar.demo.provider.model import Client

Value = TypeVar("Value")


class Shelf(Generic[Value]):
    """Values under random keys; at most `limit` of them."""

    def __init__(self, limit: int = 10_000) -> None:
        self._values: dict[str, Value] = {}
        self._limit = limit

    def put(self, value: Value, key: str | None = None) -> str:
        """Keep the value and give its key: a new one, or the one it was taken by."""
        key = secrets.token_urlsafe(32) if key is None else key
        self._values[key] = value
        while len(self._values) > self._limit:
            del self._values[next(iter(self._values))]
        return key

    def peek(self, key: str | None) -> Value | None:
        """The value, which stays."""
        return None if key is None else self._values.get(key)

    def take(self, key: str | None) -> Value | None:
        """The value, which is gone afterwards."""
        return None if key is None else self._values.pop(key, None)

    def items(self) -> Iterator[tuple[str, Value]]:
        """A copy of all entries, oldest first."""
        return iter(list(self._values.items()))


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """What a client asked for, checked. `max_age` is in seconds."""

    client: Client
    redirect_uri: str
    state: str | None
    scope: tuple[str, ...]
    challenge: str
    nonce: str | None
    prompt: frozenset[str]
    max_age: int | None
    login_hint: str | None
    id_token_hint: str | None
    form_post: bool = False


@dataclass(frozen=True, slots=True)
class LogoutRequest:
    """Where a browser goes after it has signed out; `None` means that it stays here."""

    return_to: str | None


@dataclass(slots=True)
class SignIn:
    """The single sign-on session of one browser; `clients` took part in it."""

    person_key: str
    sub: str
    auth_time: float
    acr: str
    amr: tuple[str, ...]
    sid: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    clients: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Interaction:
    """A page with buttons that waits for its answer from the browser that got it.

    `sign_in` is what its answer led to: for a moment the page is kept behind it, for who pressed the button twice.
    """

    request: AuthorizationRequest | LogoutRequest
    browser: str
    expires: float
    sign_in: SignIn | None = None


@dataclass(slots=True)
class Grant:
    """What one code led to. All of its tokens die when it is revoked."""

    request: AuthorizationRequest
    sign_in: SignIn
    revoked: bool = False

    @property
    def client_id(self) -> str:
        """The client that the tokens belong to."""
        return self.request.client.client_id


@dataclass(slots=True)
class Ticket:
    """A code, an access token or a refresh token. `expires` is in seconds since 1970."""

    grant: Grant
    scope: tuple[str, ...]
    expires: float
    spent: bool = False


class Memory:
    """The shelves, one for each kind of thing."""

    def __init__(self) -> None:
        self.interactions: Shelf[Interaction] = Shelf(limit=1000)
        self.sign_ins: Shelf[SignIn] = Shelf()
        self.codes: Shelf[Ticket] = Shelf()
        self.access_tokens: Shelf[Ticket] = Shelf()
        self.refresh_tokens: Shelf[Ticket] = Shelf()

    def end(self, sign_in: SignIn) -> None:
        """Forget a sign-in and revoke every grant that came from it."""
        for key, kept in self.sign_ins.items():
            if kept is sign_in:
                self.sign_ins.take(key)
        for shelf in (self.codes, self.access_tokens, self.refresh_tokens):
            for _, ticket in shelf.items():
                if ticket.grant.sign_in is sign_in:
                    ticket.grant.revoked = True
