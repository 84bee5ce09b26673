"""Landing by the product's own OpenID sign-on where the person's browser walks it: `flows.headless` with a longer way.

A browser can do what we cannot: run the script of a page, answer a question. It is led from step to step and carries
nothing of value: the product's cookies stay here, and what a step brings counts only for the live session for which the
walk was begun, in the order of the steps, each once. One walk at a time for a session; other requests wait for it.

The walk stands in the session's record, so each step may come to another instance, and it ends with the session.
It stays at the node of the application where it started. If that one is lost on the way, it starts anew at another.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace

from sidecar.core.grants import Client
from sidecar.core.holders import Holder
from sidecar.domain.identity import UnixSeconds
from sidecar.domain.session import Jar, Session, Walk, jars_after, seat_of
from sidecar.flows.asking import LARGEST, Reply
from sidecar.flows.dance import Answered, Begun, Dance, MissedStepError, PageError
from sidecar.flows.headless import HeadlessLanding
from sidecar.flows.landing import Keep, LandingError, WalkNeededError
from sidecar.flows.landing_codes import Codes
from sidecar.flows.nodes import Nodes
from sidecar.flows.sessions import Entry, Sessions
from sidecar.flows.streaming import Fields, UpstreamError
from sidecar.flows.telling import Audit, Clock

LOG = logging.getLogger(__name__)
PATIENCE = 10
"""Seconds from its beginning for which other requests wait for a walk; then another tab may begin one."""

LOOKS = 0.25
"""Seconds after which those who wait look again: the walk may have ended at another instance."""

LIFE = 120
"""Seconds that a walk may take: there may be a page on the way."""

MOST_WALKS, WINDOW = 5, 60
"""Walks of one session that may begin in so many seconds: a browser is never led in a circle."""

SETTLED_FOR = 600.0
"""Seconds after which a product that began with a page is told to begin without a browser again: it may only have been
starting."""


class NoWalkError(Exception):
    """This step belongs to no walk of this session; the product has not heard of it."""


class BrowserLanding(HeadlessLanding):
    """See `flows.landing.Landing`. `establish` raises `WalkNeededError` where a browser has to walk."""

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
        nodes: Nodes,
        sessions: Sessions,
        at_once: bool,
    ) -> None:
        """*at_once*: the browser walks in any case; otherwise where the product begins with a page."""
        super().__init__(dance_at, codes, forget, user_header, audit, clock, client=client)
        self._codes = codes
        self._nodes = nodes
        self._sessions = sessions
        self._by_browser_until = float("inf") if at_once else float("-inf")
        self._waits: dict[str, asyncio.Task[bool]] = {}
        self._over: dict[str, asyncio.Event] = {}

    async def establish(
        self, session: Session, username: str, node: str, now: UnixSeconds, keep: Keep, *, surely: bool
    ) -> Fields:
        """See the port. Who comes while the session's browser walks waits for that."""
        if session.stored and not session.jars.get(seat_of(node, username)) and await self._has_walked(session):
            # The session has changed: what was asked with is old.
            raise WalkNeededError(username, walked=True)
        return await super().establish(session, username, node, now, keep, surely=surely)

    async def begin(self, session: Session, username: str, back_to: str) -> bool:
        """A walk for *session*, which ends at *back_to*; False: another one just began.

        Raises:
            LandingError: there were too many.
            StateError: nobody knows.
        """
        now = self._clock.now()
        entry, last = await self._read(session)
        if last is not None and self._is_fresh(last):
            return False
        tries = tuple(at for at in last.tries if now - at < WINDOW) if last is not None else ()
        walk = Walk(tries=(*tries, now), username=username, node=self._node_of(session), back_to=back_to)
        if len(tries) >= MOST_WALKS:
            error = LandingError(f"the browser began to walk {MOST_WALKS} times within a minute and did not arrive")
            self._refuse(_key(walk, session), session, username, error)
            raise error
        if last is not None and last.code:
            await self._codes.withdraw(self._client, last.code)
        self._seat(_key(walk, session)).spoilt = False
        try:
            await self._write(entry, lambda stored: stored == last, walk)
        except NoWalkError:
            return False
        return True

    async def is_under_way(self, session: Session) -> bool:
        """Whether the browser of *session* walks.

        Raises:
            StateError: nobody knows.
        """
        try:
            return _lasts((await self._read(session))[1], self._clock.now())
        except NoWalkError:
            return False

    async def start(self, session: Session, username: str) -> Reply:
        """The first step: the product begins. Its answer is for the browser, but for its cookies.

        Raises:
            NoWalkError: this is not the time.
            LandingError: the product does not begin. UpstreamError: it could not be asked.
            StateError: the step could not be noted.
        """
        entry, walk = await self._walk_of(session, username)
        try:
            walk, begun = await self._begin_of(walk, session)
            leads_to = begun.leads_to
            if leads_to is not None and leads_to.partition("?")[0] != self._client.authorization_endpoint:
                detail = "the product leads to another provider; compare its endpoints with `lychgate landing show`"
                raise LandingError(detail)
            if leads_to is None and len(begun.reply.body) >= LARGEST:
                raise LandingError("the product began with a page that is too large")
        except LandingError as error:
            await self._fail(entry, walk, error)
            raise
        if walk.code:
            await self._codes.withdraw(self._client, walk.code)
        started = replace(walk, started=True, jar=begun.jar, question=leads_to, code="", state="")
        await self._write(entry, _is_that(walk), started)
        return begun.reply

    async def answer(self, session: Session, username: str, query: str) -> str:
        """The second step: the product's question, answered; where the browser brings the code.

        Raises:
            NoWalkError: this is not the time, or not the question that was asked.
            LandingError: it is not one that may be answered.
            StateError: the step could not be noted.
        """
        entry, walk = await self._walk_of(session, username)
        location = f"{self._client.authorization_endpoint}?{query}"
        if not walk.started or (walk.question is not None and walk.question != location):
            raise NoWalkError
        if walk.code:
            await self._codes.withdraw(self._client, walk.code)
        try:
            # No node is asked: one that is gone is found out by the next step.
            answered = self._dance_at(self._node_of(session)).answer(location, session, username)
        except LandingError as error:
            await self._fail(entry, walk, error)
            raise
        await self._write(entry, _is_that(walk), replace(walk, code=answered.code, state=answered.state))
        return f"{self._client.redirect_uri}?{answered.query}"

    async def finish(self, session: Session, username: str, query: str, keep: Keep) -> str | None:
        """The last step: the code, brought to the product. The page that was asked for; None: begin once more.

        Raises:
            NoWalkError: this is not the time, or not the code that was given.
            LandingError: the product does not take the person in. UpstreamError: it could not be asked.
            StateError: the step could not be noted.
        """
        entry, walk = await self._walk_of(session, username)
        answered = Answered(walk.code, walk.state)
        if not walk.code or not hmac.compare_digest(query.encode(), answered.query.encode()):
            raise NoWalkError
        # Once, whichever instance is asked: the store has it, or has not any more.
        taken = replace(walk, code="", state="")
        await self._write(entry, lambda stored: stored == walk, taken)
        return await self._tasks.finish(self._bring(entry, taken, answered, keep))

    async def end(self, session: Session) -> None:
        """See the port. A walk that is under way went with the session."""
        await super().end(session)
        self._wake(session.key)

    async def _has_walked(self, session: Session) -> bool:
        """Whether the session's browser was on its way and is no longer; waits for it, as all others do."""
        task = self._waits.get(session.key)
        if task is None:
            task = self._waits[session.key] = self._tasks.begin(self._wait_for(session))
            task.add_done_callback(lambda _: self._waits.pop(session.key, None))
        return await asyncio.shield(task)

    async def _wait_for(self, session: Session) -> bool:
        over = self._over[session.key] = asyncio.Event()
        waited = False
        try:
            for _ in range(int(PATIENCE / LOOKS)):
                _, walk = await self._read(session)
                if walk is None or not self._is_fresh(walk):
                    return waited and (walk is None or walk.over)
                waited = True
                over.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOKS):
                        await over.wait()
        except NoWalkError:
            return True
        finally:
            self._over.pop(session.key, None)
        return False

    def _wake(self, key: str) -> None:
        over = self._over.get(key)
        if over is not None:
            over.set()

    async def _begin_of(self, walk: Walk, session: Session) -> tuple[Walk, Begun]:
        """The product's beginning, asked for a second time where it stumbled, or its node is lost."""
        walk = self._sit_down(walk, session)
        try:
            return walk, await self._dance_at(walk.node).begin()
        except (MissedStepError, UpstreamError) as error:
            if not await self._may_restart(walk, error):
                raise
        walk = self._sit_down(replace(walk, again=True), session)
        return walk, await self._dance_at(walk.node).begin()

    def _node_of(self, session: Session) -> str:
        return (self._nodes.only or self._nodes.of(session.key)).name

    def _sit_down(self, walk: Walk, session: Session) -> Walk:
        """Whatever comes of the walk belongs to the seat at the node of now."""
        node = self._node_of(session)
        if node != walk.node:
            walk = replace(walk, node=node)
            self._seat(_key(walk, session)).spoilt = False
        return walk

    async def _may_restart(self, walk: Walk, error: LandingError | UpstreamError) -> bool:
        """A step was missed, or the walk's node is lost; and it is the first time."""
        if walk.again:
            return False
        return isinstance(error, MissedStepError) or (
            isinstance(error, UpstreamError) and await self._nodes.is_lost(walk.node)
        )

    async def _bring(self, entry: Entry, walk: Walk, answered: Answered, keep: Keep) -> str | None:
        session = entry.session
        key = _key(walk, session)
        seat = self._seat(key)
        try:
            jar = await self._dance_at(walk.node).bring(answered, walk.jar, walk.username)
            if seat.spoilt:
                raise LandingError("the code of this landing was used twice")  # told like the others
        except (LandingError, UpstreamError) as error:
            # There may have been nobody to bring it to.
            await self._codes.withdraw(self._client, answered.code)
            if await self._may_restart(walk, error):
                LOG.info("a landing at %s is tried once more: %s", session.application, error)
                again = replace(walk, again=True, started=False, jar=(), question=None)
                await self._write(entry, _is_that(walk), again)
                return None
            if isinstance(error, LandingError):
                await self._fail(entry, walk, error)
            else:
                await self._end(entry, walk)
            raise
        keep(key[1], jar)
        self._landed(key, session, walk.username, "browser")
        await self._end(entry, walk, jar)
        return walk.back_to

    async def _walk(self, dance: Dance, session: Session, username: str) -> Jar:
        """Without the browser where that does."""
        now = self._clock.monotonic()
        if now >= self._by_browser_until:
            try:
                return await super()._walk(dance, session, username)
            except PageError:
                self._by_browser_until = now + SETTLED_FOR
                LOG.warning("%s begins its sign-on with a page: browsers walk it for a while", session.application)
        raise WalkNeededError(username)

    async def _read(self, session: Session) -> tuple[Entry, Walk | None]:
        """The session, and its walk as the store has it: another instance may have taken the last step.

        Raises:
            NoWalkError: the session is over.
        """
        entry = await self._sessions.find_by_key(session.application, session.key)
        stored = await self._sessions.whole(entry) if entry is not None else None
        if entry is None or stored is None:
            raise NoWalkError
        return entry, stored.walk

    async def _walk_of(self, session: Session, username: str) -> tuple[Entry, Walk]:
        entry, walk = await self._read(session)
        if walk is None or walk.username != username or not _lasts(walk, self._clock.now()):
            raise NoWalkError
        return entry, walk

    async def _write(
        self, entry: Entry, fits: Callable[[Walk | None], bool], walk: Walk, jar: Jar | None = None
    ) -> None:
        """Put the walk as it is now into the record, with the cookies that came of it.

        Raises:
            NoWalkError: the session is over, or what is there does not fit.
        """

        def change(stored: Session) -> Session:
            if not fits(stored.walk):
                raise NoWalkError
            jars = stored.jars if jar is None else jars_after(stored.jars, seat_of(walk.node, walk.username), jar)
            return replace(stored, walk=walk, jars=jars)

        if not await self._sessions.change(entry, change):
            raise NoWalkError

    async def _fail(self, entry: Entry, walk: Walk, error: LandingError) -> None:
        self._refuse(_key(walk, entry.session), entry.session, walk.username, error)
        await self._end(entry, walk)

    async def _end(self, entry: Entry, walk: Walk, jar: Jar | None = None) -> None:
        ended = replace(walk, over=True, jar=(), question=None, code="", state="")
        with suppress(NoWalkError):
            # Otherwise another one took its place, or the session is over.
            await self._write(entry, _is_that(walk), ended, jar)
        if walk.code:
            await self._codes.withdraw(self._client, walk.code)
        self._wake(entry.session.key)

    def _is_fresh(self, walk: Walk) -> bool:
        """Whether others wait for it."""
        return not walk.over and self._clock.now() - walk.tries[-1] < PATIENCE


def _is_that(walk: Walk) -> Callable[[Walk | None], bool]:
    """Says whether a walk is that one, at whichever step: a page may be asked for twice."""
    return lambda stored: stored is not None and not stored.over and stored.tries == walk.tries


def _lasts(walk: Walk | None, now: UnixSeconds) -> bool:
    return walk is not None and not walk.over and now - walk.tries[-1] < LIFE


def _key(walk: Walk, session: Session) -> tuple[str, str]:
    """Session and seat."""
    return session.key, seat_of(walk.node, walk.username)
