"""Somebody's account made ready by the running gate, as their next sign-in would: `lychgate accounts sync`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from sidecar.core.candidates import Candidate, candidate, candidate_of
from sidecar.core.claims import freeze_claims, with_userinfo
from sidecar.core.tokens import TokenFault
from sidecar.core.usernames import fold
from sidecar.domain.account import AccountOrder
from sidecar.domain.identity import Identity
from sidecar.domain.policy import Application, Policy, Portal
from sidecar.domain.reason import Reason
from sidecar.domain.session import Session
from sidecar.flows.commanding import Answer, Asked, CommandError
from sidecar.flows.sessions import SessionStore
from sidecar.flows.telling import Clock, Trace
from sidecar.flows.whom import Pins, Whom, whom


class MakesReady(Protocol):
    """The account flow: `flows.provisioning.Accounts`."""

    async def ensure(self, order: AccountOrder, identity: Identity, request: Trace) -> str:
        """The username, once the account is as ordered.

        Raises:
            AccountError: it is not ready.
        """
        ...


class Syncing:
    """Makes accounts ready on command."""

    def __init__(
        self, accounts: MakesReady, store: SessionStore, pins: Pins, policy: Callable[[], Policy], clock: Clock
    ) -> None:
        self._accounts = accounts
        self._store = store
        self._pins = pins
        self._policy = policy
        self._clock = clock

    async def sync(self, asked: Asked) -> Answer:
        """Do it with the claims that the command brings, or with those of the youngest session.

        Raises:
            CommandError: there are none, they are somebody else's, or the portal keeps the person out.
            AccountError: the account is not ready.
            StateError: the state did not answer.
        """
        policy = self._policy()
        application = policy.applications.get(asked.text("application"))
        if application is None:
            raise CommandError(f"the configuration has no application {asked.text('application')}")
        meant = await whom(self._pins, asked.text("person"), (application.name,))
        portal, who = await self._candidate(asked, application, meant, policy)
        if who.identity is None or who.order is None or who.refused is not Reason.OK:
            raise CommandError(f"portal {portal.name} keeps them out ({who.refused.value}): nothing was done")
        account = (application.name, fold(who.order.username))
        if who.identity.person not in meant.persons and account not in meant.accounts:
            raise CommandError("the claims are somebody else's")
        # An occasion of its own: what was found a moment ago is looked at anew.
        trace = Trace(session=f"command {self._clock.now()}"[:16])
        return {
            "application": application.name,
            "username": await self._accounts.ensure(who.order, who.identity, trace),
        }

    async def _candidate(
        self, asked: Asked, application: Application, meant: Whom, policy: Policy
    ) -> tuple[Portal, Candidate]:
        now = self._clock.now()
        if "claims" in asked.arguments:
            portal = self._portal(application, asked.optional("portal"))
            provider = asked.optional("provider") or portal.providers[0]
            if provider not in portal.providers:
                raise CommandError(f"portal {portal.name} does not use {provider}")
            claims = _claims(asked, policy, provider)
            return portal, candidate(claims, application, portal, provider, policy, now)
        session = await self._youngest(application.name, meant)
        if session is None:
            raise CommandError("their claims are not known: nobody has a session; give --claims FILE")
        portal = self._portal(application, session.portal)
        return portal, candidate_of(session.identity, application, portal, policy, now)

    @staticmethod
    def _portal(application: Application, name: str) -> Portal:
        found = application.portal(name) if name else application.default_portal
        if found is None:
            raise CommandError(f"{application.name} has no portal {name}")
        return found

    async def _youngest(self, application: str, meant: Whom) -> Session | None:
        now, idle = self._clock.now(), self._policy().limits.idle
        found: list[Session] = []
        for person in meant.persons:
            for key in await self._store.of_person(application, person):
                stored = await self._store.get(key)
                if stored is not None and stored[0].is_live(now, stored[1], idle):
                    found.append(stored[0])
        return max(found, key=lambda session: session.created_at, default=None)


def _claims(asked: Asked, policy: Policy, provider: str) -> Mapping[str, object]:
    """Those of the ID token, completed by userinfo as at a sign-in."""
    claims, userinfo = asked.arguments.get("claims"), asked.arguments.get("userinfo", {})
    if not isinstance(claims, dict) or not isinstance(userinfo, dict):
        raise CommandError("claims and userinfo must be JSON objects")
    if not userinfo:
        return claims
    try:
        return dict(with_userinfo(freeze_claims(claims), freeze_claims(userinfo), policy.providers[provider].groups))
    except TokenFault as fault:
        raise CommandError(f"the claims are unusable: {fault.detail}") from None
