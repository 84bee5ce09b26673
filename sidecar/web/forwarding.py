"""Hands a request to the application and its answer to the client (D6 to D8)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import TypedDict, Unpack

from aiohttp import web

from sidecar.core.cookies import names_any
from sidecar.core.headers import Passage, request_head
from sidecar.core.passwords import FORM_HEAD, form_has, has_odd_charset
from sidecar.domain.account import AccountOrder
from sidecar.domain.decision import Forward, PassThrough, Place
from sidecar.domain.policy import Mode
from sidecar.domain.reason import Reason
from sidecar.domain.session import Jar, seat_of
from sidecar.flows.callers import Caller
from sidecar.flows.known import KnownAccounts
from sidecar.flows.landing import LandingError
from sidecar.flows.nodes import Node
from sidecar.flows.sessions import Entry, Sessions
from sidecar.flows.streaming import Answer, Fields, Outcome, Outgoing, UpstreamError
from sidecar.flows.telling import Audit, Clock, trace_of
from sidecar.web.answer import Passing
from sidecar.web.caller import CallerAnswer
from sidecar.web.head import websocket_accept
from sidecar.web.inbound import goes_on
from sidecar.web.passages import passage_of
from sidecar.web.person import PersonAnswer
from sidecar.web.sink import TransportSink, Written
from sidecar.web.tunnel import Handshake, Tunnels
from sidecar.web.visit import Serving, Visit

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_FORMS = ("application/x-www-form-urlencoded", "multipart/")


class How(TypedDict, total=False):
    """How a passage differs from an anonymous one; see `passage_of`."""

    identity: Fields
    jar: Jar
    guarded: frozenset[bytes]
    cookies: bool
    credential: bool


class RefusedError(Exception):
    """The request or its answer may not pass after all; nothing of the answer was sent."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


class StaleError(Exception):
    """What was decided holds no longer: the session ended, or its standing or the policy changed, while the request
    waited; or the application had lost the person, or its node is lost. Nothing was done; decide again."""


class Forwarding:
    """The way to the applications."""

    def __init__(
        self,
        applications: Mapping[str, Serving],
        sessions: Sessions,
        tunnels: Tunnels,
        known: KnownAccounts,
        audit: Audit,
        clock: Clock,
    ) -> None:
        self._applications = applications
        self._sessions = sessions
        self._tunnels = tunnels
        self._known = known
        self._audit = audit
        self._clock = clock

    async def forward(self, visit: Visit, decision: Forward) -> web.StreamResponse:
        """As a person, or as nobody.

        Raises:
            AccountError, LandingError: the person is not ready; the application has not seen the request.
            UpstreamError, RefusedError, StaleError: see there.
        """
        serving = self._applications[decision.place.application.name]
        _check_size(visit, decision.place.portal.max_body)
        # Before anything else: a public path would take a password as gladly as any other.
        await self._check_form(visit, decision.place)
        caller = visit.caller
        if caller is not None and decision.username is not None and decision.order is not None:
            return await self._for_caller(visit, caller, decision.order, serving)
        entry = visit.entry if decision.username is not None else None
        if entry is None or decision.order is None:
            # Cookies beside a token are a browser's, and no part of what was judged (D6).
            cookies = caller is None
            answer = _passing(visit, serving.guarded, cookies=cookies)
            node = serving.only or serving.nodes.any()
            return await self.exchange(visit, serving, node, answer, _passage(visit, serving, cookies=cookies))
        if not self._sessions.holds(entry, visit.standing):
            # We may have waited for the form: no account is made as a policy of before wanted it.
            raise StaleError
        username = await serving.accounts.ensure(decision.order, entry.session.identity, visit.trace)
        node = serving.only or serving.nodes.of(entry.session.key)
        fields = await self._establish(visit, serving, node, entry, username)
        if not self._sessions.holds(entry, visit.standing):
            # We may have waited for the account or the landing.
            raise StaleError
        if decision.extends_idle:
            self._sessions.used(entry)
        request, jar = visit.request, entry.session.jars.get(seat_of(node.name, username), ())
        answer = PersonAnswer(
            TransportSink(request),
            visit.record,
            decision.place,
            entry,
            visit.facts.kind,
            serving,
            node.name,
            username,
            jar,
            self._sessions,
            self._audit,
            keep_alive=goes_on(request),
            modern=request.version >= (1, 1),
            request=request,
            repeatable=visit.repeatable,
        )
        passage = _passage(visit, serving, identity=fields, jar=jar)
        entry.closers.add(answer.sink.abort)
        try:
            return await self.exchange(visit, serving, node, answer, passage)
        finally:
            entry.closers.discard(answer.sink.abort)

    async def _for_caller(
        self, visit: Visit, caller: Caller, order: AccountOrder, serving: Serving
    ) -> web.StreamResponse:
        """As the person of an access token: the token stays here, and cookies pass in neither direction."""
        session, api = caller.session, visit.policy.applications[order.application].api
        if api.jwt is not None and api.jwt.provision:
            username = await serving.accounts.ensure(order, session.identity, trace_of(visit.record, session))
        else:
            username = await self._known.look(order, session.identity)
        node, now = serving.only or serving.nodes.of(session.key), self._clock.now()
        surely = not visit.repeatable
        try:
            fields = await serving.landing.establish(session, username, node.name, now, caller.keep, surely=surely)
        except UpstreamError:
            await _elsewhere(visit, serving, node)
            raise
        if not self._sessions.is_of_now(caller.standing):
            raise StaleError
        jar = caller.session.jars.get(seat_of(node.name, username), ())
        answer = CallerAnswer(visit, caller, serving, node.name, username, jar, self._audit)
        passage = _passage(visit, serving, identity=fields, jar=jar, cookies=False)
        return await self.exchange(visit, serving, node, answer, passage)

    async def _establish(self, visit: Visit, serving: Serving, node: Node, entry: Entry, username: str) -> Fields:
        def keep(seat: str, jar: Jar) -> None:
            self._sessions.keep_jar(entry, seat, jar)

        surely, session, now = visit.facts.websocket or not visit.repeatable, entry.session, self._clock.now()
        try:
            return await serving.landing.establish(session, username, node.name, now, keep, surely=surely)
        except UpstreamError:
            await _elsewhere(visit, serving, node)
            raise
        except LandingError as error:
            if error.reason is not Reason.LANDING_FAILED:
                raise
            raise LandingError(error.detail, error.error_id, serving.failed_for(username)) from error

    async def pass_through(self, visit: Visit, decision: PassThrough) -> web.StreamResponse:
        """With the client's own credential, or untouched for a portal that is not in force."""
        application = decision.place.application
        serving = self._applications[application.name]
        observed, entry = decision.observed, visit.entry
        if isinstance(observed, Forward) and observed.order is not None and entry is not None and serving.observer:
            serving.observer.watch(observed.order, entry.session.identity, visit.trace)
        if not decision.transparent:
            _check_size(visit, decision.place.portal.max_body)
            await self._check_form(visit, decision.place)
        answer = _passing(visit, frozenset() if decision.transparent else serving.guarded, cookies=decision.transparent)
        passage = _passage(visit, serving, guarded=frozenset(), cookies=decision.transparent, credential=True)
        return await self.exchange(visit, serving, _node_of(visit, serving), answer, passage)

    async def review(self, may_go_on: Callable[[Visit], Awaitable[bool]]) -> None:
        """Close the WebSockets that may not go on."""
        await self._tunnels.review(may_go_on)

    async def exchange(
        self, visit: Visit, serving: Serving, node: Node, answer: Passing, passage: Passage
    ) -> web.StreamResponse:
        """Send the request as *passage* says, and hand the answer on by *answer*.

        Raises:
            UpstreamError, RefusedError, StaleError: see there.
        """
        place = visit.place
        most = place.portal.max_body if place is not None and place.portal.mode is Mode.ENFORCE else None
        request, record = visit.request, visit.record
        record.cookies = names_any(visit.head.cookies, passage.guarded)
        if b"upgrade" in visit.head.noted:
            # If it stays a plain answer, what the parser did with bytes behind the request cannot be told.
            answer.keep_alive = False
        handshake = None
        if passage.upgrade:
            accept = websocket_accept(visit.head.get(b"sec-websocket-key"))
            handshake = Handshake(answer, record, accept)
        outgoing = Outgoing(
            method=request.method,
            head=request_head(request.method, request.raw_path, visit.head, passage),
            body=_body(visit, most) if request.body_exists else None,
            chunked=passage.chunked,
            upgrade=passage.upgrade,
            patience=serving.patience_at(visit.place),
            stranger=visit.entry is None and visit.record.outcome == "anonymous",
        )
        began = self._clock.monotonic()
        try:
            outcome = await _sent(visit, serving, node, outgoing, handshake or answer)
        finally:
            record.waited += self._clock.monotonic() - began
            record.sent = answer.sink.sent
        record.first_byte = outcome.first_byte
        if outcome.state == "refused":
            if handshake is not None and handshake.refused is not Reason.OK:
                raise RefusedError(handshake.refused)
            if answer.again:
                raise StaleError
            raise RefusedError(answer.refused)
        if outcome.tunnel is not None and handshake is not None:
            if visit.entry is not None:
                # From here on the session's end says good-bye with a close frame; a reset would overtake it.
                visit.entry.closers.discard(answer.sink.abort)
            await self._tunnels.run(visit, outcome.tunnel, handshake.sink, self._typed(visit.entry))
            return Written(101, answer.sink, keep_alive=False)
        return Written(record.status, answer.sink, keep_alive=answer.keep_alive)

    def _typed(self, entry: Entry | None) -> Callable[[], None]:
        def typed() -> None:
            if entry is not None and self._clock.now() > entry.seen:
                self._sessions.used(entry)

        return typed

    async def _check_form(self, visit: Visit, place: Place) -> None:
        """D12: Seraph takes credentials from a form on any URL outside the REST module, and Tomcat may read the query
        in the charset that the content claims to have (`useBodyEncodingForURI`)."""
        kind = visit.head.get(b"content-type").strip().lower()
        if kind and "?" in visit.facts.target and has_odd_charset(kind):
            raise RefusedError(Reason.PASSWORD_LOGIN)
        if visit.form_seen or not visit.request.body_exists or not kind.startswith(_FORMS) or _is_rest(place):
            return
        if visit.head.get(b"expect").lower() == "100-continue":
            # We must see the form before the application does, so the go-ahead is ours.
            transport = visit.request.transport
            if transport is not None:
                transport.write(CONTINUE)
            visit.head.forget(b"expect")
        content, first = visit.request.content, bytearray()
        while len(first) < FORM_HEAD and not content.at_eof():
            first += await content.readany()
        visit.first, visit.form_seen = bytes(first), True
        if form_has(kind, visit.first[:FORM_HEAD], place.application.product.password_fields):
            raise RefusedError(Reason.PASSWORD_LOGIN)


def _node_of(visit: Visit, serving: Serving) -> Node:
    """A program's by its credential. Where the application's own cookies pass, a browser's by its address: with them
    it must come back to the node that gave them."""
    authorization = visit.facts.authorization
    if serving.only is not None:
        return serving.only
    return serving.nodes.of(visit.record.source) if authorization is None else serving.nodes.of_client(authorization)


async def _sent(visit: Visit, serving: Serving, node: Node, outgoing: Outgoing, answer: Answer) -> Outcome:
    try:
        return await node.upstream.exchange(outgoing, answer)
    except UpstreamError as error:
        if error.stage == "connect" or (error.stage == "starting" and visit.repeatable):
            await _elsewhere(visit, serving, node)
        raise


async def _elsewhere(visit: Visit, serving: Serving, node: Node) -> None:
    """Nothing of the request was sent to that node: if it is lost, another one is asked, once.

    Raises:
        StaleError: decide again.
    """
    if serving.only is None and not visit.moved and await serving.nodes.is_lost(node.name):
        visit.moved = True
        raise StaleError


def _is_rest(place: Place) -> bool:
    """Whether every reading lies in the REST module, which takes no form as a log-in."""
    return all(path.startswith("/rest/") for path in (place.below, *place.readings))


def _check_size(visit: Visit, most: int | None) -> None:
    """Refuse a body that announces itself as too large, before anybody hears of it."""
    if most is not None and int(visit.head.noted.get(b"content-length", "0")) > most:
        raise RefusedError(Reason.BODY_TOO_LARGE)


async def _body(visit: Visit, most: int | None) -> AsyncIterator[bytes]:
    """The pieces as they come. One that comes in chunks is counted, and broken off where it becomes too large."""
    sent = len(visit.first)
    if visit.first:
        yield visit.first
    async for piece in visit.request.content.iter_any():
        sent += len(piece)
        if most is not None and sent > most:
            raise RefusedError(Reason.BODY_TOO_LARGE)
        yield piece


def _passing(visit: Visit, guarded: frozenset[bytes], *, cookies: bool) -> Passing:
    request = visit.request
    return Passing(
        TransportSink(request),
        visit.record,
        guarded,
        cookies=cookies,
        keep_alive=goes_on(request),
        modern=request.version >= (1, 1),
        request=request,
    )


def _passage(visit: Visit, serving: Serving, **how: Unpack[How]) -> Passage:
    websocket = visit.facts.websocket
    return passage_of(visit.head, serving, visit.forwarded_for, visit.record.request, upgrade=websocket, **how)
