"""Landing by the product's own OpenID sign-on, without any step in the browser: implements `flows.landing.Landing`.

The application's cookies stand in the session record. What is remembered here is only when the application last
confirmed them; to lose it costs a question. One dance at a time per session, username and node, in a task of its own:
a closed tab stops nobody else's landing, and nobody waits while holding anything that the token endpoint needs.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from dataclasses import dataclass

from cachetools import LRUCache

from sidecar.core.doctor.landings import judge_sign_on
from sidecar.core.grants import Client, Grant
from sidecar.core.holders import Holder
from sidecar.core.kept import kept
from sidecar.core.served import served
from sidecar.domain.events import Code
from sidecar.domain.finding import Finding
from sidecar.domain.identity import UnixSeconds
from sidecar.domain.reason import Reason
from sidecar.domain.session import Jar, Session, node_of, seat_of
from sidecar.flows.dance import Dance, MissedStepError
from sidecar.flows.examined import Examined
from sidecar.flows.landing import Keep, LandingError, WalkNeededError
from sidecar.flows.landing_codes import Codes
from sidecar.flows.owned import OwnedTasks
from sidecar.flows.session_events import about
from sidecar.flows.session_ports import StateError
from sidecar.flows.streaming import AnswerHead, Fields, UpstreamError
from sidecar.flows.telling import Audit, Clock, Trace

LOG = logging.getLogger(__name__)
REMEMBERED = 20_000
FRESH = 60.0
"""Seconds for which a confirmed seat is good for a request that cannot be sent twice. A product's restart takes longer,
and its own sessions live for longer."""

SETTLED = 10.0
"""Seconds after a landing in which an anonymous answer is taken for what the product means: some pages have no user."""

REFUSED_FOR = 5.0
"""Seconds for which a refusal stands: all requests of a page share it."""

LONGEST = 30.0
"""Seconds for one dance, its second try included."""

NO_FIELDS: Fields = ()
_Key = tuple[str, str]


@dataclass(slots=True)
class _Seat:
    """What is known of one person's seat.

    Attributes:
        confirmed: When the application last said that it serves the person.
        tried: When we last landed the person, or tried the seat out.
        doubted: Nobody was served there: it must be tried out.
        spoilt: Its code was used twice: it is not used again.
        refused: Why the application did not take the person in, and when that is asked anew.
    """

    confirmed: float = float("-inf")
    tried: float = float("-inf")
    doubted: bool = False
    spoilt: bool = False
    refused: tuple[float, LandingError] | None = None


class HeadlessLanding:
    """See `flows.landing.Landing`."""

    def __init__(
        self,
        dance_at: Callable[[str], Dance],
        codes: Codes,
        forget: Callable[[Holder], Awaitable[None]],
        user_header: str,
        audit: Audit,
        clock: Clock,
        *,
        client: Client,
    ) -> None:
        """*dance_at* walks with one node, by its name; it raises UpstreamError for one that is gone. *forget* throws
        away what the product gave to a session; *client* is the product as our relying party."""
        self._dance_at = dance_at
        self._forget = forget
        self._client = client
        codes.spoilt = self._spoilt
        self._user_header = user_header.lower().encode()
        self._audit = audit
        self._clock = clock
        self._seats: MutableMapping[_Key, _Seat] = kept("landing_seats", LRUCache(REMEMBERED), REMEMBERED)
        self._landing: dict[_Key, asyncio.Task[None]] = {}
        self._tasks = OwnedTasks()

    async def establish(
        self, session: Session, username: str, node: str, now: UnixSeconds, keep: Keep, *, surely: bool
    ) -> Fields:
        """See the port. Everything is in the cookies, so there is nothing to add."""
        key = (session.key, seat_of(node, username))
        seat, jar = self._seat(key), session.jars.get(key[1], ())
        if jar and not self._is_doubtful(seat, surely=surely):
            return NO_FIELDS
        if seat.refused is not None and self._clock.monotonic() < seat.refused[0]:
            raise _again(seat.refused[1])
        task = self._landing.get(key)
        if task is None:
            task = self._landing[key] = self._tasks.begin(self._sit(key, session, username, jar, keep))
            task.add_done_callback(lambda _: self._landing.pop(key, None))
        try:
            await asyncio.shield(task)
        except LandingError as error:
            # One exception object in many tasks would gather all their tracebacks.
            raise _again(error) from error
        except UpstreamError as error:
            raise UpstreamError(error.stage, error.detail) from error
        except StateError as error:
            raise StateError(str(error)) from error
        return NO_FIELDS

    def at_hand(self, session: Session, username: str, node: str, now: UnixSeconds) -> Fields | None:
        """See the port."""
        name = seat_of(node, username)
        if not session.jars.get(name):
            return None
        seat = self._seats.get((session.key, name))
        return None if seat is not None and (seat.doubted or seat.spoilt) else NO_FIELDS

    def check(self, session: Session, username: str, node: str, head: AnswerHead) -> Reason:
        """See the port. What names the person confirms the seat."""
        named = head.noted(self._user_header)
        if named is None:
            return Reason.OK
        reason = served(named, username)
        if reason is Reason.OK:
            self._seat((session.key, seat_of(node, username))).confirmed = self._clock.monotonic()
        return reason

    def lost(self, session: Session, username: str, node: str, sent: Jar) -> bool:
        """See the port. Right after a landing it would not help: some pages have no user."""
        name = seat_of(node, username)
        if session.jars.get(name, ()) != sent:
            # Somebody else's request has found out, and the person was landed meanwhile.
            return True
        seat = self._seat((session.key, name))
        if self._clock.monotonic() - seat.tried < SETTLED:
            return False
        seat.doubted = True
        return True

    async def end(self, session: Session) -> None:
        """The cookies went with the session: what the product remembers, nobody can reach any more."""
        for key in [key for key in self._seats if key[0] == session.key]:
            del self._seats[key]

    def keys(self) -> dict[str, object]:
        """No assertion is sent with requests; the provider's own keys stand at its own address."""
        return {"keys": []}

    async def findings(self, examined: Examined) -> Sequence[Finding]:
        """See the port: what the product's own set-up says of us."""
        return judge_sign_on(await examined.asks.sign_ons(), self._client, customers=examined.customers)

    def doubt(self, node: str) -> None:
        """That node serves no more: should it come back, it may have forgotten everybody."""
        for key, seat in self._seats.items():
            if node_of(key[1]) == node:
                seat.doubted = True

    async def _spoilt(self, grant: Grant) -> None:
        """Somebody used a code a second time: what came of the first use counts no more, at whichever instance."""
        for key, seat in self._seats.items():
            if key[0] == grant.holder.session:
                seat.spoilt = True
        await self._forget(grant.holder)

    async def close(self) -> None:
        """Let what was begun come to its end."""
        await self._tasks.close()

    def _seat(self, key: _Key) -> _Seat:
        seat = self._seats.get(key)
        if seat is None:
            seat = self._seats[key] = _Seat()
        return seat

    def _is_doubtful(self, seat: _Seat, *, surely: bool) -> bool:
        old = self._clock.monotonic() - max(seat.confirmed, seat.tried) > FRESH
        return seat.doubted or seat.spoilt or (surely and old)

    async def _sit(self, key: _Key, session: Session, username: str, jar: Jar, keep: Keep) -> None:
        """Try the seat out, and land the person if it is empty."""
        seat = self._seat(key)
        trace = Trace(session=session.key[:16])
        dance = self._dance_at(node_of(key[1]))
        try:
            async with asyncio.timeout(LONGEST):
                if jar and not seat.spoilt:
                    whose = await dance.try_out(jar, username)
                    if whose is Reason.OK:
                        self._settled(seat)
                        return
                    if whose is Reason.LANDING_MISMATCH:
                        self._audit.tell(about(session, Code.LANDING_MISMATCH, trace, reason=whose, username=username))
                seat.spoilt = False
                fresh = await self._walk(dance, session, username)
        except TimeoutError:
            raise UpstreamError("timeout", f"no landing within {LONGEST:.0f} seconds") from None
        except LandingError as error:
            if jar:
                keep(key[1], ())
            if not isinstance(error, WalkNeededError):
                self._refuse(key, session, username, error)
            raise
        if seat.spoilt:
            raise LandingError("the code of this landing was used twice")
        keep(key[1], fresh)
        self._landed(key, session, username, "again" if jar else "first")

    def _landed(self, key: _Key, session: Session, username: str, cause: str) -> None:
        self._settled(self._seat(key))
        trace = Trace(session=session.key[:16])
        facts = {"cause": cause}
        self._audit.tell(about(session, Code.LANDING_ESTABLISHED, trace, username=username, facts=facts))

    def _refuse(self, key: _Key, session: Session, username: str, error: LandingError) -> None:
        """The refusal stands for a moment, and is told once."""
        self._seat(key).refused = (self._clock.monotonic() + REFUSED_FOR, error)
        code = Code.LANDING_MISMATCH if error.reason is Reason.LANDING_MISMATCH else Code.LANDING_FAILED
        facts = {"detail": error.detail, **({"error": error.error_id} if error.error_id else {})}
        trace = Trace(session=session.key[:16])
        self._audit.tell(about(session, code, trace, reason=error.reason, username=username, facts=facts))

    async def _walk(self, dance: Dance, session: Session, username: str) -> Jar:
        """A dance, and a second one if a step was missed: another node, a restart, a state that was too old."""
        try:
            return await dance.walk(session, username)
        except MissedStepError as error:
            LOG.info("a landing at %s is tried once more: %s", session.application, error)
            return await dance.walk(session, username)

    def _settled(self, seat: _Seat) -> None:
        seat.tried = seat.confirmed = self._clock.monotonic()
        seat.doubted, seat.refused = False, None


def _again(error: LandingError) -> LandingError:
    if isinstance(error, WalkNeededError):
        return WalkNeededError(error.username, walked=error.walked)
    return LandingError(error.detail, error.error_id, error.reason)
