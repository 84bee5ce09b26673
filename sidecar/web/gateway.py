"""Every request: read, locate, decide once, do what was decided, tell it once (design, section 2)."""

from __future__ import annotations

import asyncio
import logging
from typing import assert_never

from aiohttp import web

from sidecar.core.ages import ClaimsAge
from sidecar.core.decide import Visitor, decide, judge
from sidecar.core.headers import Head
from sidecar.core.lines import BadLineError
from sidecar.domain.decision import Decision, Deny, Forward, Own, PassThrough, Place, Relocate, SignOut, StartLogin
from sidecar.domain.identity import UnixSeconds
from sidecar.domain.policy import Mode
from sidecar.domain.reason import Reason
from sidecar.domain.record import RequestRecord
from sidecar.domain.standing import Standing
from sidecar.flows.accounts import AccountError
from sidecar.flows.callers import Callers
from sidecar.flows.landing import LandingError, WalkNeededError
from sidecar.flows.login import LoginError
from sidecar.flows.owners import Owners
from sidecar.flows.recheck import Recheck
from sidecar.flows.sessions import Entry, Sessions, StateError
from sidecar.flows.streaming import UpstreamError
from sidecar.web.crossing import Verdict
from sidecar.web.failures import ALARMING, denied, from_error, reason_of, unexpected
from sidecar.web.forwarding import Forwarding, RefusedError, StaleError
from sidecar.web.head import MAX_HEAD, framing_fault, read_head
from sidecar.web.inbound import Connection, SlowBodyError, goes_on
from sidecar.web.own import OwnEndpoints
from sidecar.web.reading import Readings
from sidecar.web.replies import Replies
from sidecar.web.sink import Written
from sidecar.web.teller import Teller
from sidecar.web.visit import Visit

LOG = logging.getLogger(__name__)
SWITCHED = 101
"""A WebSocket ends with its browser; that is no broken-off request."""

DECISIONS = 3
"""Tries of a request whose session changes while it waits: a second one is rare, a third is not to be expected."""


class Gateway:
    """The one handler of the public listener."""

    def __init__(
        self,
        readings: Readings,
        sessions: Sessions,
        forwarding: Forwarding,
        own: OwnEndpoints,
        replies: Replies,
        teller: Teller,
        recheck: Recheck,
        callers: Callers,
        owners: Owners,
    ) -> None:
        self._readings = readings
        self._sessions = sessions
        self._forwarding = forwarding
        self._own = own
        self._replies = replies
        self._teller = teller
        self._recheck = recheck
        self._callers = callers
        self._owners = owners

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Serve one request. Never raises but for a client that is gone."""
        reading = self._readings.now()
        try:
            head = read_head(request, reading.names)
        except BadLineError:
            head = Head(twice=True)
        visit = self._teller.began(request, head, reading)
        try:
            self._resume(visit, request)
            response = await self._serve(visit)
        except asyncio.CancelledError:
            self._gone(visit.record)
            raise
        except (LoginError, AccountError, LandingError, StateError, UpstreamError, RefusedError) as error:
            response = self._failed(visit, error)
        except web.RequestPayloadError as error:
            response = self._broken_off(visit, error)
        except Exception:
            LOG.exception("request %s failed", visit.record.request)
            visit.record.outcome, visit.detail = "failed", "a fault of ours; the log has the rest"
            response = self._replies.refuse(unexpected(visit), visit.record)
        finally:
            if visit.record.reason is not Reason.OK:
                self._teller.refused(visit)
            self._teller.ended(visit.record)
        # What is written already has said itself whether the connection goes on. aiohttp's parser drops what stands
        # behind an upgrade that does not take place.
        if not isinstance(response, Written) and (b"upgrade" in head.noted or not goes_on(request)):
            response.force_close()
        return response

    @staticmethod
    def _resume(visit: Visit, request: web.BaseRequest) -> None:
        """Go on where the quick way left a request."""
        verdict = request.protocol.take_verdict() if isinstance(request.protocol, Connection) else None
        if isinstance(verdict, Verdict):
            visit.place, visit.entry, visit.application = verdict.place, verdict.entry, verdict.place.application
            raise verdict.error

    async def review(self) -> None:
        """Judge open WebSockets again, their claims no older than the site allows. Called every minute."""
        await self._forwarding.review(self._may_go_on)

    async def _may_go_on(self, visit: Visit) -> bool:
        entry, place = visit.entry, visit.place
        if visit.record.outcome != "forwarded" or entry is None or place is None or visit.standing is None:
            # It was not forwarded as a person: the portal was not in force, and that may have changed since.
            return place is None or place.portal.mode is Mode.ENFORCE or not self._is_in_force(visit)
        if not self._own.is_signed(visit, place.application):
            return False
        while entry.ended and entry.successor is not None:
            entry = entry.successor
        visit.entry = entry
        try:
            if self._recheck.is_due(entry):
                await self._recheck.confirm(entry, visit.trace)
            standing = self._sessions.standing(entry)
        except StateError as error:
            # A request that needs the state would be refused; what is open goes on until its claims are stale.
            LOG.warning("an open WebSocket could not be judged: %s", error)
            return self._recheck.age(entry) is not ClaimsAge.STALE
        # Under the policy of now, which may lead the path to another portal.
        reading = self._readings.now()
        found = reading.locator.locate(visit.facts)
        if standing is None or not isinstance(found, Place):
            return False
        visitor = Visitor(entry.session, standing, claims=self._recheck.age(entry))
        decision = judge(visit.facts, found, visitor, reading.policy, visit.now)
        return isinstance(decision, Forward) and decision.username == visit.standing.username

    def _is_in_force(self, visit: Visit) -> bool:
        """Whether the portal of the path is in force now; a path that belongs to nobody counts so."""
        found = self._readings.now().locator.locate(visit.facts)
        return not isinstance(found, Place) or found.portal.mode is Mode.ENFORCE

    async def _serve(self, visit: Visit) -> web.StreamResponse:
        if visit.head.size > MAX_HEAD:
            return self._unreadable(visit, Deny(status=431, reason=Reason.HEADERS_TOO_LARGE))
        if visit.head.twice or framing_fault(visit.request, visit.head):
            return self._unreadable(visit, Deny(status=400, reason=Reason.BAD_HEADERS))
        for _ in range(DECISIONS):
            try:
                return await self._serve_once(visit)
            except StaleError:
                self._begin_anew(visit)
            except WalkNeededError as error:
                begun = await self._own.walking.begin(visit, error)
                if begun is not None:
                    return begun
                self._begin_anew(visit)
        return self._deny(visit, Deny(status=401, reason=Reason.NO_SESSION, place=visit.place))

    async def _serve_once(self, visit: Visit) -> web.StreamResponse:
        """Locate, decide, do, all under the policy of the visit.

        Raises:
            StaleError: see there; or the policy changed meanwhile.
        """
        found = visit.reading.locator.locate(visit.facts)
        if isinstance(found, Place):
            visit.place, visit.application = found, found.application
            decision = await self._decide(visit, found)
            if await self._own.walking.is_step(visit, decision):
                self._teller.decided(visit, Own(application=found.application, endpoint="", query=""))
                return await self._own.walking.step(visit, found)
        else:
            visit.application = found.application if isinstance(found, Own) else None
            decision = found
        self._teller.decided(visit, decision)
        return await self._do(visit, decision)

    def _begin_anew(self, visit: Visit) -> None:
        """Under the policy of now: it may remove other headers, and lead the path to another portal."""
        reading = self._readings.now()
        if visit.reading is not reading:
            visit.reading, visit.place, visit.entry, visit.standing = reading, None, None, None
            visit.head = read_head(visit.request, reading.names)
        visit.caller = None

    async def _decide(self, visit: Visit, place: Place) -> Decision:
        # With a credential the session is not read (D6), and a portal that is off has none (D13).
        if visit.facts.authorization is None and place.portal.mode is not Mode.OFF:
            visit.entry = await self._session(visit, place)
        entry = visit.entry
        visitor = None
        if entry is not None and entry.standing is not None:
            visit.standing = entry.standing
            _must_be_of(visit, entry.standing)
            visitor = self._visitor(entry, entry.standing, visit.now)
        if visit.facts.authorization is not None and place.traits.machine and place.portal.mode is not Mode.OFF:
            visitor = await self._caller(visit, place, visit.facts.authorization)
        trying = place.portal.mode is Mode.OBSERVE and self._own.is_trying(visit, place.application)
        decision = decide(visit.facts, place, visitor, visit.policy, visit.now, trying=trying)
        if isinstance(decision, PassThrough) and decision.credential == "pat" and place.application.api.owners:
            return await self._of_owner(visit, decision, visit.facts.authorization or "")
        return decision

    async def _of_owner(self, visit: Visit, decision: PassThrough, authorization: str) -> Decision:
        """A leaver's token outlives the leaver: it passes only while its owner is not gone."""
        verdict = await self._owners.judge(decision.place.application.name, authorization)
        if verdict.reason is Reason.OK:
            return decision
        visit.detail = f"the token belongs to the account {verdict.username}"
        return Deny(status=401, reason=verdict.reason, place=decision.place, rule=decision.rule)

    def _visitor(self, entry: Entry, standing: Standing, now: UnixSeconds) -> Visitor:
        return Visitor(
            entry.session,
            standing,
            renew=self._sessions.wants_renewal(entry) or self._recheck.wants_browser(entry, now),
            claims=self._recheck.age(entry, now),
            unconfirmed=entry.unconfirmed,
            vouched=self._sessions.is_vouched_for(now),
        )

    async def _caller(self, visit: Visit, place: Place, authorization: str) -> Visitor | None:
        """For whom an access token speaks. What is not accepted is refused by the decision, its cause noted."""
        if visit.facts.upgrade is not None:
            return None
        try:
            visit.caller = await self._callers.find(place, authorization, visit.record.source)
        except LoginError as error:
            if error.reason is not Reason.TOKEN_NOT_ACCEPTED and place.portal.mode is Mode.ENFORCE:
                raise
            visit.detail = error.detail
        caller = visit.caller
        if caller is None:
            return None
        _must_be_of(visit, caller.standing)
        return Visitor(caller.session, caller.standing, by_token=True)

    async def _session(self, visit: Visit, place: Place) -> Entry | None:
        """The live session, its claims no older than the site allows."""
        entry = await self._own.session_of(visit, place.application)
        if entry is None or not self._recheck.is_due(entry):
            return entry
        await self._recheck.confirm(entry, visit.trace)
        return await self._own.session_of(visit, place.application)

    async def _do(self, visit: Visit, decision: Decision) -> web.StreamResponse:
        record = visit.record
        match decision:
            case Forward():
                record.outcome = "forwarded" if decision.username is not None else "anonymous"
                return await self._forwarding.forward(visit, decision)
            case PassThrough():
                record.outcome = "passed"
                return await self._forwarding.pass_through(visit, decision)
            case StartLogin():
                record.outcome = "login"
                return await self._own.entrance.start(visit, decision)
            case SignOut():
                record.outcome = "own"
                return await self._own.confirm_sign_out(visit, decision.place.application)
            case Own():
                record.outcome = "own"
                return await self._own.serve(visit, decision)
            case Relocate():
                record.outcome = "own"
                return self._replies.redirect(decision.location, record, status=308)
            case Deny():
                return self._deny(visit, decision)
            case _:
                assert_never(decision)

    @staticmethod
    def _gone(record: RequestRecord) -> None:
        """The client's connection is over: by itself, or because we reset it when an answer broke off."""
        if record.outcome == "failed":
            LOG.warning("%s: request %s at %s: the answer broke off", record.reason, record.request, record.application)
        elif record.status != SWITCHED:
            record.outcome = "gone"

    def _broken_off(self, visit: Visit, error: web.RequestPayloadError) -> web.Response:
        """The client broke off in the middle of its own body, or sent it too slowly."""
        self._end_if_answered(visit)
        if isinstance(error, SlowBodyError):
            return self._unreadable(visit, Deny(status=408, reason=Reason.REQUEST_TIMEOUT, place=visit.place))
        return self._unreadable(visit, Deny(status=400, reason=Reason.BAD_HEADERS, place=visit.place))

    def _unreadable(self, visit: Visit, decision: Deny) -> web.Response:
        """Whoever sends this may hide another request behind it, so the connection ends (rule 19)."""
        response = self._deny(visit, decision)
        response.force_close()
        return response

    def _deny(self, visit: Visit, decision: Deny) -> web.Response:
        return denied(self._replies, visit, decision)

    def _failed(
        self,
        visit: Visit,
        error: LoginError | AccountError | LandingError | StateError | UpstreamError | RefusedError,
    ) -> web.StreamResponse:
        record = visit.record
        record.outcome, record.reason = "failed", reason_of(error)
        visit.detail = visit.detail or str(getattr(error, "detail", error))
        record.told = record.told or (isinstance(error, LoginError) and error.told)
        reason = record.reason
        level = logging.WARNING if reason in ALARMING else logging.INFO
        where = visit.application.name if visit.application is not None else "-"
        LOG.log(level, "%s: request %s at %s: %s", reason.value, record.request, where, error)
        self._end_if_answered(visit)
        return self._replies.refuse(from_error(error, visit), record)

    @staticmethod
    def _end_if_answered(visit: Visit) -> None:
        """Where bytes are on the wire, or were about to be, a second head would end up inside the body."""
        transport = visit.request.transport
        if transport is None or transport.is_closing() or visit.request.writer.output_size > 0:
            if transport is not None:
                transport.abort()
            raise ConnectionResetError("the answer broke off")


def _must_be_of(visit: Visit, standing: Standing) -> None:
    """What a session may do is judged under one policy, although it was waited for while another came into force.

    Raises:
        StaleError: the standing is of another policy than the visit.
    """
    if standing.policy != visit.policy.hash:
        raise StaleError
