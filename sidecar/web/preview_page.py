"""`/.lychgate/test`: somebody's own sign-in, looked through; nothing is written (issue: seeing before doing).

A door of its own: off unless the portal says who may use it, only after a recent sign-in, some times a minute.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from urllib.parse import parse_qs

from aiohttp import web

from sidecar.core.accounts import Refusal
from sidecar.core.ages import claims_age, is_stepped_up
from sidecar.core.conditions import meets
from sidecar.core.departures import hint_of
from sidecar.core.preview import Look, chapters
from sidecar.core.redirects import TEST
from sidecar.core.usernames import fold
from sidecar.domain.account import Account
from sidecar.domain.decision import Deny, Kind, StartLogin
from sidecar.domain.ledger import Pin
from sidecar.domain.policy import Application, Mode, Portal, Rule
from sidecar.domain.reason import Reason
from sidecar.domain.standing import Standing
from sidecar.flows.account_look import Foreseen
from sidecar.flows.accounts import AccountError
from sidecar.flows.foreseeing import Foresight
from sidecar.flows.sessions import Entry
from sidecar.web.entrance import LONGEST_QUERY, Entrance, page_at
from sidecar.web.failures import denied
from sidecar.web.replies import Replies
from sidecar.web.visit import Visit

SessionOf = Callable[[Visit, Application], Awaitable[Entry | None]]


class PreviewPage:
    """Serves it."""

    def __init__(self, foresight: Foresight, entrance: Entrance, replies: Replies, session_of: SessionOf) -> None:
        self._foresight = foresight
        self._entrance = entrance
        self._replies = replies
        self._session_of = session_of

    async def serve(self, visit: Visit, application: Application, query: str) -> web.StreamResponse:
        """The page, the sign-in before it, or why there is none."""
        entry = visit.entry = await self._session_of(visit, application)
        portal = _portal(application, entry, query)
        place = visit.place = page_at(visit, application, application.start_of(portal))
        if portal is None or place is None or portal.test_page is None or portal.mode is Mode.OFF:
            return self._refuse(visit, Deny(status=404, reason=Reason.UNKNOWN_ENDPOINT))
        rule = portal.test_page
        if entry is not None and entry.standing is not None:
            verdict = meets(entry.session.identity, rule.condition)
            if verdict is not Reason.OK:
                return self._refuse(visit, Deny(status=403, reason=verdict, place=place, rule=rule.id))
            if self._is_recent(visit, entry, rule):
                if not self._foresight.may_look(application.name, entry.session.identity.person):
                    denial = Deny(status=429, reason=Reason.TOO_MANY_TESTS, place=place, rule=rule.id)
                    return self._refuse(visit, denial)
                return await self._page(visit, application, portal, entry, entry.standing)
        if visit.facts.kind is not Kind.NAVIGATION:
            return self._refuse(visit, Deny(status=401, reason=Reason.NO_SESSION, place=place, rule=rule.id))
        known = entry.session if entry is not None else None
        order = StartLogin(
            place=place,
            portal=portal,
            provider=known.identity.provider if known else "" if portal.asks_where else portal.providers[0],
            back_to=application.context + TEST,
            rule=rule.id,
            max_age=rule.fresh,
            login_hint=hint_of(known) if known else None,
        )
        return await self._entrance.start(visit, order)

    @staticmethod
    def _is_recent(visit: Visit, entry: Entry, rule: Rule) -> bool:
        age = claims_age(entry.session.checked_at, visit.now, visit.policy.limits.recheck)
        return is_stepped_up(entry.session, rule, age, visit.now)

    async def _page(
        self, visit: Visit, application: Application, portal: Portal, entry: Entry, standing: Standing
    ) -> web.Response:
        identity, look = entry.session.identity, None
        if standing.order is not None:
            try:
                look = _look(await self._foresight.foresee(standing.order, identity))
            except AccountError as error:
                look = Look(fault=error.reason, detail=error.detail)
        told = chapters(identity, standing, application, portal, look)
        page = self._replies.pages.preview(
            product=application.product.title, portal=portal.name, chapters=told, request_id=visit.record.request
        )
        return self._replies.page(page, visit.record)

    def _refuse(self, visit: Visit, deny: Deny) -> web.Response:
        return denied(self._replies, visit, deny)


def _look(found: Foreseen) -> Look:
    """What the person may see of it."""
    seen, way = found.seen, found.way
    if seen is None:
        return Look(way=way, managed=False)
    if isinstance(way, Refusal) and seen.account is not None and not _is_linked(seen.account, seen.pin):
        # An account that is not theirs is nothing that they may read.
        return Look(way=way, fault=way.reason, detail=way.detail)
    return Look(way=way, account=seen.account, deactivation=seen.deactivation)


def _is_linked(account: Account, pin: Pin | None) -> bool:
    """Whether the account is the one that is tied to the person, by its name and by its key."""
    return pin is not None and pin.username == fold(account.username) and pin.key in {None, account.key}


def _portal(application: Application, entry: Entry | None, query: str) -> Portal | None:
    """The session's home; without a session the portal that the address names, or the default one."""
    if entry is not None:
        return application.portal(entry.session.portal)
    named = parse_qs(query).get("portal", []) if len(query) <= LONGEST_QUERY else []
    return application.portal(named[0]) if named else application.default_portal
