"""Programs that act for a person: from a provider's access token to somebody whom the rules can judge.

Called by the gateway for requests with such a token, on machine paths only. A caller has no session: nothing is stored,
and what is remembered of a token is found by its full hash, for one application, portal, provider and policy.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, replace
from ipaddress import ip_address, ip_network
from typing import Protocol

from cachetools import LRUCache, TTLCache

from sidecar.core.access_tokens import Access
from sidecar.core.claims import freeze_claims, identity_from, is_stranger
from sidecar.core.credentials import jwt_of
from sidecar.core.issuers import issuers_of
from sidecar.core.kept import kept
from sidecar.core.standing import needed_claims, standing_of
from sidecar.core.tokens import TokenFault
from sidecar.domain.decision import Place
from sidecar.domain.identity import UnixSeconds
from sidecar.domain.policy import JwtPolicy, Policy
from sidecar.domain.reason import Reason
from sidecar.domain.session import Jar, Session
from sidecar.domain.standing import Standing
from sidecar.flows.barrier import Barrier
from sidecar.flows.login import LoginError
from sidecar.flows.owned import stopped
from sidecar.flows.telling import Clock

MOST = 5000
"""Tokens that are remembered: those that were accepted, and as many that were not."""
REFUSED_FOR = 10
"""Seconds for which a refusal stands. Short: the provider's new key may be known by then."""
SKEW = 60
"""Seconds by which a provider's clock may be ahead when it issued a token and we heard of a revocation."""


class AccessTokens(Protocol):
    """The access tokens of one provider."""

    async def check(self, token: str, audiences: frozenset[str], shape: str) -> Access:
        """What a person's token for one of *audiences* says.

        Raises:
            LoginError: `token_not_accepted`; or the keys cannot be had.
        """
        ...


@dataclass(slots=True)
class Caller:
    """For whom a token speaks. *session* is one by its shape only: it is stored nowhere and has no cookie."""

    session: Session
    standing: Standing

    def keep(self, seat: str, jar: Jar) -> None:
        """Remember the application's cookies, as long as the token is."""
        self.session = replace(self.session, jars={seat: jar})


@dataclass(frozen=True, slots=True)
class _Asked:
    """Everything that an answer depends on; the key of what is remembered (rule 47)."""

    application: str
    portal: str
    provider: str
    policy: str
    digest: str


class Callers:
    """Finds out for whom access tokens speak."""

    def __init__(
        self,
        providers: Mapping[str, AccessTokens],
        barrier: Barrier,
        policy: Callable[[], Policy],
        clock: Clock,
    ) -> None:
        self._providers = providers
        self._barrier = barrier
        self._policy = policy
        self._clock = clock
        self._known: MutableMapping[_Asked, Caller] = kept("callers", LRUCache(MOST), MOST)
        self._refused: MutableMapping[_Asked, str] = kept(
            "callers_refused", TTLCache(MOST, REFUSED_FOR, timer=clock.monotonic), MOST
        )
        self._tasks: dict[_Asked, asyncio.Task[Caller]] = {}

    async def find(self, place: Place, authorization: str, source: str) -> Caller | None:
        """The caller; None where the field holds no token of a provider from which some are taken here.

        Args:
            source: The client's address as far as it is believed.

        Raises:
            LoginError: `token_not_accepted`; or the provider's keys cannot be had.
            StateError: nobody knows whether it was revoked.
        """
        terms, found, policy = place.application.api.jwt, jwt_of(authorization), self._policy()
        if terms is None or found is None:
            return None
        token, issuer = found
        asked_of = (name for name in terms.shapes if name in policy.providers)
        provider = next((name for name in asked_of if issuer in issuers_of(policy.providers[name])), None)
        if provider is None:
            return None
        if provider not in place.portal.providers:
            raise LoginError(Reason.TOKEN_NOT_ACCEPTED, "the portal of this path does not use the token's provider")
        if not _is_welcome(source, terms.addresses):
            raise LoginError(Reason.TOKEN_NOT_ACCEPTED, "no such tokens are taken from this address")
        digest = hashlib.sha256(token.encode()).hexdigest()
        asked = _Asked(place.application.name, place.portal.name, provider, policy.hash, digest)
        caller = await self._caller(asked, token, terms, policy)
        session = caller.session
        if await self._barrier.bars(session.identity, UnixSeconds(session.created_at - SKEW)):
            raise LoginError(Reason.TOKEN_NOT_ACCEPTED, "it was revoked since")
        banned = self._barrier.banned(session, caller.standing)
        if banned is not Reason.OK:
            raise LoginError(banned, "an administrator took it back")
        return caller

    async def close(self) -> None:
        """Stop what is under way."""
        await stopped(*self._tasks.values())

    async def _caller(self, asked: _Asked, token: str, terms: JwtPolicy, policy: Policy) -> Caller:
        known = self._known.get(asked)
        if known is not None and self._clock.now() < min(
            known.session.ends_at, known.session.checked_at + policy.limits.recheck
        ):
            return known
        refused = self._refused.get(asked)
        if refused is not None:
            raise LoginError(Reason.TOKEN_NOT_ACCEPTED, refused)
        task = self._tasks.get(asked)
        if task is None:
            task = self._tasks[asked] = asyncio.create_task(self._verify(asked, token, terms, policy))
            task.add_done_callback(lambda _: self._tasks.pop(asked, None))
        try:
            return await asyncio.shield(task)
        except LoginError as error:
            # One exception object in many tasks would gather all their tracebacks.
            raise LoginError(error.reason, error.detail) from error

    async def _verify(self, asked: _Asked, token: str, terms: JwtPolicy, policy: Policy) -> Caller:
        self._known.pop(asked, None)
        try:
            access = await self._providers[asked.provider].check(token, terms.audiences, terms.shapes[asked.provider])
            caller = self._of(asked, access, policy)
        except LoginError as error:
            if error.reason is Reason.TOKEN_NOT_ACCEPTED:
                self._refused[asked] = error.detail
            raise
        self._known[asked] = caller
        return caller

    def _of(self, asked: _Asked, access: Access, policy: Policy) -> Caller:
        provider, application = policy.providers[asked.provider], policy.applications[asked.application]
        try:
            claims = freeze_claims(access.claims)
            if is_stranger(claims, provider):
                raise TokenFault("the person stands outside the provider's fence")
            identity = identity_from(claims, provider, needed_claims(application))
        except TokenFault as fault:
            raise LoginError(Reason.TOKEN_NOT_ACCEPTED, fault.detail) from None
        session = Session(
            key=asked.digest,
            application=asked.application,
            portal=asked.portal,
            identity=identity,
            created_at=access.issued_at,
            ends_at=access.expires_at,
            checked_at=self._clock.now(),
            form_token="",
            stored=False,
        )
        standing = standing_of(session, policy)
        if standing is None:
            raise LoginError(Reason.TOKEN_NOT_ACCEPTED, "the policy no longer knows the portal or the provider")
        return Caller(session, standing)


def _is_welcome(source: str, networks: tuple[str, ...]) -> bool:
    if not networks:
        return True
    try:
        address = ip_address(source)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return any((mapped or address) in ip_network(network) for network in networks)
