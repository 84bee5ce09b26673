"""Landing by the product's own OpenID sign-on where the person's browser walks it: `flows.headless` with a longer way.

A browser can do what we cannot: run the script of a page, answer a question. It is led from step to step and carries
nothing of value: the product's cookies stay here, and what a step brings counts only for the live session for which the
walk was begun, in the order of the steps, each once. One walk at a time for a session; other requests wait for it.

A walk stays at the node of the application where it started. If that one is lost on the way, it starts anew at another.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from sidecar.core.grants import Client
from sidecar.core.kept import Kept, kept
from sidecar.domain.identity import UnixSeconds
from sidecar.domain.session import Jar, Session, seat_of
from sidecar.flows.asking import LARGEST, Reply
from sidecar.flows.dance import Answered, Begun, Dance, MissedStepError, PageError
from sidecar.flows.headless import HeadlessLanding
from sidecar.flows.landing import Keep, LandingError, WalkNeededError
from sidecar.flows.landing_codes import Codes
from sidecar.flows.nodes import Node, Nodes
from sidecar.flows.streaming import Fields, UpstreamError
from sidecar.flows.telling import Audit, Clock

LOG = logging.getLogger(__name__)
PATIENCE = 10.0
"""Seconds for which other requests wait for a walk; then another tab may begin one."""

LIFE = 120.0
"""Seconds that a walk may take: there may be a page on the way."""

MOST_WALKS, WINDOW = 5, 60.0
MOST = 20_000
"""Walks of one session that may begin in so many seconds: a browser is never led in a circle."""

SETTLED_FOR = 600.0
"""Seconds after which a product that began with a page is told to begin without a browser again: it may only have been
starting."""

_Key = tuple[str, str]


class NoWalkError(Exception):
    """This step belongs to no walk of this session; the product has not heard of it."""


@dataclass(slots=True)
class _Walk:
    """One session's way.

    Attributes:
        session: Its key.
        node: Where it started, or will start.
        back_to: The page that was asked for; where the way ends.
        begun: When, by the monotonic clock.
        started: The product has begun.
        jar: The product's cookies of this way.
        question: Where the product led, whole, if it did so with a redirect.
        answered: The code that is on its way to the callback.
        again: It was started once more already, because the product forgot the first time, or the node was lost.
        over: Set at its end, whichever that is.
    """

    session: str
    username: str
    node: Node
    back_to: str
    begun: float
    started: bool = False
    jar: Jar = ()
    question: str | None = None
    answered: Answered | None = None
    again: bool = False
    over: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def key(self) -> _Key:
        """Session and seat."""
        return self.session, seat_of(self.node.name, self.username)

    def restart(self) -> None:
        """From the first step on; there is no third time."""
        self.again, self.started, self.jar, self.question = True, False, (), None


class BrowserLanding(HeadlessLanding):
    """See `flows.landing.Landing`. `establish` raises `WalkNeededError` where a browser has to walk."""

    def __init__(
        self,
        dance_at: Callable[[str], Dance],
        codes: Codes,
        user_header: str,
        audit: Audit,
        clock: Clock,
        *,
        client: Client,
        nodes: Nodes,
        at_once: bool,
    ) -> None:
        """*at_once*: the browser walks in any case; otherwise where the product begins with a page."""
        super().__init__(dance_at, codes, user_header, audit, clock, client=client)
        self._codes = codes
        self._nodes = nodes
        self._by_browser_until = float("inf") if at_once else float("-inf")
        self._walks: dict[str, _Walk] = kept("landing_walks", Kept(), MOST)
        self._begun: dict[str, tuple[float, ...]] = kept("landing_walks_begun", Kept(), MOST)

    async def establish(
        self, session: Session, username: str, node: str, now: UnixSeconds, keep: Keep, *, surely: bool
    ) -> Fields:
        """See the port. Who comes while the session's browser walks waits for that."""
        walk = self._walks.get(session.key)
        if walk is not None and self._clock.monotonic() - walk.begun < PATIENCE and not session.jars.get(walk.key[1]):
            try:
                async with asyncio.timeout(PATIENCE):
                    await walk.over.wait()
            except TimeoutError:
                raise WalkNeededError(username) from None
            # The session has changed: what was asked with is old.
            raise WalkNeededError(username, walked=True)
        return await super().establish(session, username, node, now, keep, surely=surely)

    def begin(self, session: Session, username: str, back_to: str) -> None:
        """A walk for *session*, which ends at *back_to*.

        Raises:
            LandingError: there were too many.
        """
        now = self._clock.monotonic()
        walk = _Walk(session.key, username, self._node_of(session), back_to, now)
        begun = tuple(at for at in self._begun.get(session.key, ()) if now - at < WINDOW)
        if len(begun) >= MOST_WALKS:
            error = LandingError(f"the browser began to walk {MOST_WALKS} times within a minute and did not arrive")
            self._refuse(walk.key, session, username, error)
            raise error
        self._forget(now)
        self._end(session.key)
        self._begun[session.key] = (*begun, now)
        self._seat(walk.key).spoilt = False
        self._walks[session.key] = walk

    def is_under_way(self, session: Session) -> bool:
        """Whether the browser of *session* walks."""
        walk = self._walks.get(session.key)
        return walk is not None and self._clock.monotonic() - walk.begun < LIFE

    async def start(self, session: Session, username: str) -> Reply:
        """The first step: the product begins. Its answer is for the browser, but for its cookies.

        Raises:
            NoWalkError: this is not the time.
            LandingError: the product does not begin. UpstreamError: it could not be asked.
        """
        walk = self._walk_of(session, username)
        try:
            begun = await self._begin_of(walk, session)
            leads_to = begun.leads_to
            if leads_to is not None and leads_to.partition("?")[0] != self._client.authorization_endpoint:
                detail = "the product leads to another provider; compare its endpoints with `lychgate landing show`"
                raise LandingError(detail)
            if leads_to is None and len(begun.reply.body) >= LARGEST:
                raise LandingError("the product began with a page that is too large")
        except LandingError as error:
            self._fail(walk, session, error)
            raise
        if walk.answered is not None:
            self._codes.withdraw(walk.answered.code)
        walk.started, walk.jar, walk.question, walk.answered = True, begun.jar, leads_to, None
        return begun.reply

    def answer(self, session: Session, username: str, query: str) -> str:
        """The second step: the product's question, answered; where the browser brings the code.

        Raises:
            NoWalkError: this is not the time, or not the question that was asked.
            LandingError: it is not one that may be answered.
        """
        walk = self._walk_of(session, username)
        location = f"{self._client.authorization_endpoint}?{query}"
        if not walk.started or (walk.question is not None and walk.question != location):
            raise NoWalkError
        if walk.answered is not None:
            self._codes.withdraw(walk.answered.code)
            walk.answered = None
        try:
            # No node is asked: one that is gone is found out by the next step.
            walk.answered = self._dance_at(self._node_of(session).name).answer(location, session, username)
        except LandingError as error:
            self._fail(walk, session, error)
            raise
        return f"{self._client.redirect_uri}?{walk.answered.query}"

    async def finish(self, session: Session, username: str, query: str, keep: Keep) -> str | None:
        """The last step: the code, brought to the product. The page that was asked for; None: begin once more.

        Raises:
            NoWalkError: this is not the time, or not the code that was given.
            LandingError: the product does not take the person in. UpstreamError: it could not be asked.
        """
        walk = self._walk_of(session, username)
        answered = walk.answered
        if answered is None or not hmac.compare_digest(query.encode(), answered.query.encode()):
            raise NoWalkError
        walk.answered = None
        return await self._tasks.finish(self._bring(walk, session, answered, keep))

    async def _begin_of(self, walk: _Walk, session: Session) -> Begun:
        """The product's beginning, asked for a second time where it stumbled, or its node is lost."""
        self._sit_down(walk, self._node_of(session))
        try:
            return await self._dance_at(walk.node.name).begin()
        except (MissedStepError, UpstreamError) as error:
            if not await self._may_restart(walk, error):
                raise
        walk.restart()
        self._sit_down(walk, self._node_of(session))
        return await self._dance_at(walk.node.name).begin()

    def _node_of(self, session: Session) -> Node:
        return self._nodes.only or self._nodes.of(session.key)

    def _sit_down(self, walk: _Walk, node: Node) -> None:
        """Whatever comes of the walk belongs to that node's seat."""
        if node.name != walk.node.name:
            walk.node = node
            self._seat(walk.key).spoilt = False

    async def _may_restart(self, walk: _Walk, error: LandingError | UpstreamError) -> bool:
        """A step was missed, or the walk's node is lost; and it is the first time."""
        if walk.again:
            return False
        return isinstance(error, MissedStepError) or (
            isinstance(error, UpstreamError) and await self._nodes.is_lost(walk.node)
        )

    async def _bring(self, walk: _Walk, session: Session, answered: Answered, keep: Keep) -> str | None:
        key = walk.key
        seat = self._seat(key)
        try:
            jar = await self._dance_at(walk.node.name).bring(answered, walk.jar, walk.username)
            if seat.spoilt:
                raise LandingError("the code of this landing was used twice")  # told like the others
        except (LandingError, UpstreamError) as error:
            self._codes.withdraw(answered.code)
            if await self._may_restart(walk, error):
                LOG.info("a landing at %s is tried once more: %s", session.application, error)
                walk.restart()
                return None
            if isinstance(error, LandingError):
                self._fail(walk, session, error)
            else:
                self._end(session.key)
            raise
        keep(key[1], jar)
        self._landed(key, session, walk.username, "browser")
        self._end(session.key)
        return walk.back_to

    async def end(self, session: Session) -> None:
        """See the port. A walk that is under way leads nowhere."""
        await super().end(session)
        self._end(session.key)
        self._begun.pop(session.key, None)

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

    def _walk_of(self, session: Session, username: str) -> _Walk:
        walk = self._walks.get(session.key)
        if walk is None or walk.username != username or not self.is_under_way(session):
            raise NoWalkError
        return walk

    def _fail(self, walk: _Walk, session: Session, error: LandingError) -> None:
        self._refuse(walk.key, session, walk.username, error)
        self._end(session.key)

    def _end(self, key: str) -> None:
        walk = self._walks.pop(key, None)
        if walk is not None:
            if walk.answered is not None:
                self._codes.withdraw(walk.answered.code)
            walk.over.set()

    def _forget(self, now: float) -> None:
        """Walks that nobody goes on with, and beginnings that count no more."""
        for key in [key for key, walk in self._walks.items() if now - walk.begun >= LIFE]:
            self._end(key)
        for key in [key for key, begun in self._begun.items() if now - begun[-1] >= WINDOW]:
            del self._begun[key]
        while len(self._walks) >= MOST:
            # The one that began first: it is the least likely to arrive.
            self._end(next(iter(self._walks)))
        while len(self._begun) >= MOST:
            del self._begun[next(iter(self._begun))]
