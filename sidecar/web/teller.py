"""Begins and ends the record of every request: metrics, and an audit event where there is something to tell."""

from __future__ import annotations

import re
from collections.abc import MutableMapping
from ipaddress import ip_network
from itertools import count

from aiohttp import web
from cachetools import TTLCache

from sidecar.core.headers import Head
from sidecar.core.kept import kept
from sidecar.domain.decision import Decision, Deny, Forward, Kind, PassThrough
from sidecar.domain.events import UNTOLD, Code, Event, Fact
from sidecar.domain.policy import Policy
from sidecar.domain.reason import Reason
from sidecar.domain.record import RequestRecord
from sidecar.flows.telling import Audit, Chance, Clock, Meter
from sidecar.web.head import Clients, facts_of
from sidecar.web.reading import Reading
from sidecar.web.visit import Visit

_REQUEST_ID = re.compile(r"[A-Za-z0-9-]{8,64}")
LONGEST_NAME = 64
MOST_NAMES = 10
LONGEST_DETAIL = 300
_REPEATED = 60
_TOLD = 4096
"""Seconds in which the same noisy event is told once."""
PAGES = 10
"""Refusals of one kind that one client is told of on pages, in that time: each page bears an id that is looked for."""
_PAGES = frozenset({Kind.NAVIGATION, Kind.FRAME})


class Teller:
    """Owns the record while the gateway works."""

    def __init__(self, audit: Audit, meter: Meter, clock: Clock, chance: Chance) -> None:
        self._audit = audit
        self._meter = meter
        self._clock = clock
        # Unique over processes and restarts; nobody need be unable to guess it.
        self._instance = chance.token(9).translate({ord("_"): "0", ord("-"): "1"})
        self._count = count(1)
        self._clients = Clients(())
        self._proxies: tuple[str, ...] = ()
        self._told: MutableMapping[tuple[str, ...], int] = kept(
            "events_told", TTLCache(_TOLD, _REPEATED, timer=clock.monotonic), _TOLD
        )

    def began(self, request: web.BaseRequest, head: Head, reading: Reading) -> Visit:
        """Give the request its id, its client's address and its facts."""
        facts = facts_of(
            request.method,
            request.raw_path,
            head,
            has_body=request.body_exists,
            current=request.version == (1, 1),
        )
        record, chain = self.record(request.remote or "", head, facts.method, reading.policy)
        visit = Visit(request, record, head, facts, reading, self._clock.now(), chain)
        self._meter.began()
        if head.stripped:
            record.stripped = True
            self._stripped(visit)
        return visit

    def trusts(self, peer: str, policy: Policy) -> bool:
        """Whether the site believes what *peer* says of where a request comes from."""
        self._read(policy)
        return self._clients.trusts(peer)

    def took_up(self) -> None:
        """A request of which there is a record is under way."""
        self._meter.began()

    def let_go(self) -> None:
        """It is begun otherwise after all."""
        self._meter.withdrew()

    def record(
        self, peer: str, head: Head, method: str, policy: Policy, given: str | None = None
    ) -> tuple[RequestRecord, str]:
        """A fresh record and the chain for `X-Forwarded-For`; nothing is counted, nothing told.

        *given* is the request's id if it is not in the head any more; it counts only from a trusted proxy.
        """
        self._read(policy)
        source, chain = (
            self._clients.read(peer, head.noted.get(b"x-forwarded-for", "")) if self._proxies else (peer, peer)
        )
        given = (given or head.noted.get(b"x-request-id")) if source != peer else None
        if given is None or _REQUEST_ID.fullmatch(given) is None:
            given = f"{self._instance}-{next(self._count):x}"
        return RequestRecord(given, self._clock.monotonic(), source, chain=chain, method=method), chain

    def decided(self, visit: Visit, decision: Decision) -> None:
        """Note where the request went."""
        record = visit.record
        record.application = visit.application.name if visit.application is not None else ""
        record.portal = visit.place.portal.name if visit.place is not None else ""
        record.rule = getattr(decision, "rule", "")
        if isinstance(decision, Deny) and decision.reason is not Reason.NO_SESSION:
            self._denied(visit, decision, Code.ACCESS_DENIED)
        elif isinstance(decision, PassThrough) and isinstance(decision.observed, Deny):
            self._denied(visit, decision.observed, Code.ACCESS_OBSERVED)
        elif isinstance(decision, PassThrough) and not decision.transparent:
            self._passed(visit, decision)
        elif isinstance(decision, Forward) and decision.username is not None:
            self._called(visit, decision)
            self._crossed(visit)

    def refused(self, visit: Visit) -> None:
        """The answer is an error page or its like: told here unless that was done before, so that its id is found."""
        record = visit.record
        page = visit.facts.kind in _PAGES
        if record.told or (record.reason is Reason.NO_SESSION and not page):
            return
        place = visit.place
        record.application = visit.application.name if visit.application is not None else ""
        record.portal = record.portal or (place.portal.name if place is not None else "")
        session = visit.entry.session.key if visit.entry is not None else ""
        if self._is_new(Code.REQUEST_FAILED, visit, record.reason, session, most=PAGES if page else 1):
            facts: dict[str, Fact] = {"path": _path(visit), "status": record.status}
            if visit.detail:
                facts["detail"] = visit.detail[:LONGEST_DETAIL]
            self._tell(visit, Code.REQUEST_FAILED, "failure", record.reason, record.rule, facts)

    def ended(self, record: RequestRecord) -> None:
        """The answer is out, or the client is gone."""
        self._meter.request(record, self._clock.monotonic() - record.started)

    def _read(self, policy: Policy) -> None:
        if policy.trusted_proxies is not self._proxies:
            self._proxies = policy.trusted_proxies
            self._clients = Clients(tuple(ip_network(text) for text in policy.trusted_proxies))

    def _denied(self, visit: Visit, deny: Deny, code: Code) -> None:
        visit.record.told = code is Code.ACCESS_DENIED
        session = visit.entry.session.key if visit.entry is not None else ""
        page = visit.facts.kind in _PAGES and code is Code.ACCESS_DENIED
        if self._is_new(code, visit, deny.reason, deny.rule, session, most=PAGES if page else 1):
            # Whoever opens a log-in page with a live session has met D14's circle: that is a failed landing.
            told = Code.LANDING_FAILED if deny.reason is Reason.LANDING_FAILED else code
            facts: dict[str, Fact] = {"path": _path(visit)}
            if visit.detail:
                facts["detail"] = visit.detail
            self._tell(visit, told, "failure", deny.reason, deny.rule, facts)

    def _passed(self, visit: Visit, decision: PassThrough) -> None:
        """Machines call all day: told once a minute for each client and kind of credential."""
        if self._is_new(Code.API_PASSTHROUGH, visit, decision.credential, visit.record.portal):
            facts: dict[str, Fact] = {"credential": decision.credential}
            self._tell(visit, Code.API_PASSTHROUGH, "success", Reason.OK, decision.rule, facts)

    def _called(self, visit: Visit, decision: Forward) -> None:
        """Told once a minute for each client and token."""
        caller = visit.caller
        if caller is not None and self._is_new(Code.API_CALLER, visit, caller.session.key, visit.record.portal):
            self._tell(visit, Code.API_CALLER, "success", Reason.OK, decision.rule, {})

    def _crossed(self, visit: Visit) -> None:
        entry, place = visit.entry, visit.place
        if entry is None or place is None or place.shared or place.portal.name == entry.session.portal:
            return
        if self._is_new(Code.PORTAL_CROSS_USE, visit, entry.session.key[:16], place.portal.name):
            self._tell(visit, Code.PORTAL_CROSS_USE, "success", Reason.OK, "", {"home": entry.session.portal})

    def _stripped(self, visit: Visit) -> None:
        # A client chooses what follows `X-Lychgate-`: enough to know it by, not enough to fill a disk.
        names = tuple(name[:LONGEST_NAME] for name in sorted(set(visit.head.stripped))[:MOST_NAMES])
        if self._is_new(Code.HEADER_STRIPPED, visit, *names):
            self._tell(visit, Code.HEADER_STRIPPED, "success", Reason.OK, "", {"headers": names})

    def _is_new(self, code: Code, visit: Visit, *marks: str, most: int = 1) -> bool:
        key = (code, visit.record.source, *marks)
        told = self._told.get(key, 0)
        if told >= most:
            return False
        self._told[key] = told + 1
        return True

    def _tell(
        self,
        visit: Visit,
        code: Code,
        outcome: str,
        reason: Reason,
        rule: str,
        facts: dict[str, Fact],
    ) -> None:
        entry, caller = visit.entry, visit.caller
        known = entry.session if entry is not None else caller.session if caller is not None else None
        standing = entry.standing if entry is not None else caller.standing if caller is not None else None
        self._audit.tell(
            Event(
                code=code,
                outcome=outcome,
                reason=reason,
                request=visit.record.request,
                source=visit.record.source,
                proxies=visit.record.proxies,
                person=known.identity.person if known is not None else None,
                signed_in=known.identity.signed_in if known is not None else UNTOLD,
                username=(standing.username or "") if standing is not None else "",
                application=visit.record.application,
                portal=visit.record.portal,
                provider=known.identity.provider if known is not None else "",
                rule=rule,
                session=known.key[:16] if known is not None else "",
                facts=facts,
            )
        )


def _path(visit: Visit) -> str:
    """Without the query: values there may be secrets."""
    return visit.facts.target.partition("?")[0][:200]
