"""Sign-in at a provider: an attempt goes out in a sealed cookie, a callback comes back, a session begins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from sidecar.domain.identity import Claim, Identity, Person, UnixSeconds
from sidecar.domain.reason import Reason


class LoginError(Exception):
    """A sign-in cannot go on.

    Attributes:
        reason: Stable word for the page, the audit event and the metric.
        detail: A sentence for the log and the administrator: truncated, never with tokens, codes or claims' values.
        back_to: The judged return path of the attempt that failed, so that a new one leads there; "" if unknown.
        refresh_token: What the provider gave for the next time before something else failed, or None. The old one may
            be spent by then.
        told: Whether the audit trail has heard of it under the id of the request that failed.
        identity: Who it was, where the provider vouched for somebody who is let in at all; else None. Whoever else can
            sign in at a provider is a stranger, of whom the audit trail tells only so many.
    """

    told: bool = False
    back_to: str = ""
    refresh_token: str | None = None
    identity: Identity | None = None

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationRequest:
    """What goes to the provider with the browser (OIDC Core 1.0, section 3.1.2.1; RFC 7636).

    Attributes:
        prompt: `none`, `login`, `select_account` or None.
        max_age: Seconds, or None.
        acr: `acr_values`, any of them.
    """

    state: str
    nonce: str
    verifier: str
    redirect_uri: str
    prompt: str | None = None
    max_age: int | None = None
    login_hint: str | None = None
    acr: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeGrant:
    """What is redeemed at the provider's token endpoint.

    Attributes:
        issuer: The callback's `iss`, or None (RFC 9207).
        acr: The kinds of sign-in that were asked for.
        silent: It confirms a session; nobody signed in.
    """

    code: str
    verifier: str
    redirect_uri: str
    nonce: str
    max_age: int | None
    issuer: str | None
    now: UnixSeconds
    silent: bool = False
    acr: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """A verified answer of the token endpoint.

    Attributes:
        claims: Claims of the ID token, with those of userinfo where they were missing. All checks are passed.
        id_token: As received, for the logout hint.
        refresh_token: Or None if the provider gave none.
    """

    claims: Mapping[str, Claim]
    id_token: str
    refresh_token: str | None


class Provider(Protocol):
    """One OpenID provider. Every method may raise `LoginError`."""

    async def authorization_url(self, request: AuthorizationRequest) -> str:
        """Where to send the browser."""
        ...

    async def check_response_issuer(self, issuer: str | None) -> None:
        """Refuse a callback whose `iss` is not this provider's, or lacks it although the provider promises it
        (RFC 9207, section 2.4). Called before the code is redeemed."""
        ...

    async def redeem(self, grant: CodeGrant) -> Tokens:
        """Turn a code into verified tokens."""
        ...

    async def refresh(self, refresh_token: str, person: Person, now: UnixSeconds) -> Tokens:
        """Confirm the claims anew; the old refresh token is returned when the provider gives no new one.

        Raises:
            LoginError: `code_refused` when the provider says `invalid_grant`; others mean that it failed.
        """
        ...

    async def end_session_url(self, id_token: str | None, back_to: str, state: str) -> str | None:
        """Where to send the browser for RP-initiated logout, or None if the provider has no such endpoint."""
        ...


class SpentStates(Protocol):
    """Remembers which states were used, so that each is used once."""

    async def spend(self, state: str, until: UnixSeconds) -> bool:
        """Atomically mark *state* as spent; False if it was spent before. Forgotten after *until*.

        Raises:
            StateError: then nobody signs in (fails closed).
        """
        ...
