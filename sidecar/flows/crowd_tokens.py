"""Tokens by which a product asks us who is there, where we are its Crowd server. They never leave for a browser.

Used by `flows.crowd_landing`, which hands them to the product, and by the listener at which the product asks. A token
is good for one session, one username and one application, and for as long as that session is alive. Nothing is kept of
it: what it stands for is sealed into it, so that any instance can be asked; the session says whether it still counts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, MutableMapping
from dataclasses import dataclass

from cachetools import LRUCache

from sidecar.core.holders import Holder, holder_from_plain, holder_of, holder_to_plain
from sidecar.core.kept import kept
from sidecar.core.usernames import fold
from sidecar.domain.identity import UnixSeconds
from sidecar.domain.session import Session
from sidecar.flows.holders import TextSealer, Vouches
from sidecar.flows.logout import Markers
from sidecar.flows.telling import Chance, Clock

COOKIE = "crowd.token_key"
"""Crowd's own name for it, and what `config/cookie` tells the product."""

PURPOSE, DECOY = "crowd token", "crowd decoy"
REMEMBERED = 20_000
"""Opened tokens that are remembered, so that a request of somebody who is landed opens no seal."""

SKEW = 60
"""Seconds by which the clocks of two instances may differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """What a token stands for.

    Attributes:
        number: Random.
        turn: Larger than that of every token that its session had before: of two usernames the later one counts.
        until: Of a caller's: the first second at which it is dead; 0: its session's end.
    """

    number: str
    turn: int
    holder: Holder
    username: str
    at: UnixSeconds
    until: UnixSeconds


@dataclass(frozen=True, slots=True)
class Given:
    """A token that is good, and the end of its session."""

    token: Token
    ends_at: UnixSeconds

    @property
    def username(self) -> str:
        """Whose it is."""
        return self.token.username


@dataclass(frozen=True, slots=True)
class Decoy:
    """A token that stands for nobody, and its number."""

    token: str
    number: str


class Tokens:
    """The tokens of all products."""

    def __init__(
        self,
        sealer: TextSealer,
        vouches: Vouches,
        markers: Markers,
        recheck: Callable[[], int],
        clock: Clock,
        chance: Chance,
    ) -> None:
        """*recheck*: seconds after which an access token of a caller is looked at anew, and gets another token here."""
        self._sealer = sealer
        self._vouches = vouches
        self._markers = markers
        self._recheck = recheck
        self._clock = clock
        self._chance = chance
        self._known: MutableMapping[tuple[str, str], Token] = kept("crowd_tokens", LRUCache(REMEMBERED), REMEMBERED)
        self._latest: MutableMapping[str, Token] = kept("crowd_turns", LRUCache(REMEMBERED), REMEMBERED)

    def issue(self, session: Session, username: str) -> str:
        """A new token. All of a session are for the same username: those for another one are dead with this."""
        now = self._clock.now()
        until = UnixSeconds(0 if session.stored else min(session.ends_at, session.checked_at + self._recheck()))
        token = Token(
            number=self._chance.token(16),
            turn=max([now, *(one.turn + 1 for one in self._of(session))]),
            holder=holder_of(session),
            username=username,
            at=now,
            until=until,
        )
        self._latest[session.key] = token
        return self._sealer.seal_text(PURPOSE, session.application.encode(), _to_bytes(token))

    def decoy(self) -> Decoy:
        """A token that stands for nobody; whoever is asked about it, at whichever instance, notices (`was_asked`)."""
        number = self._chance.token(16)
        return Decoy(self._sealer.seal_text(DECOY, b"", number.encode()), number)

    async def was_asked(self, decoy: Decoy) -> bool:
        """Whether a product asked about it.

        Raises:
            StateError: nobody knows.
        """
        return await self._markers.marked_at(_asked(decoy.number), self._clock.now()) is not None

    def fits(self, text: str, session: Session, username: str) -> bool:
        """Whether the token was made for just this session and username, and no other name came after it."""
        token = self.opened(session.application, text)
        if token is None or (token.holder.session, token.username) != (session.key, username) or self._is_late(token):
            return False
        return not self._is_replaced(token, session)

    async def find(self, application: str, text: str) -> Given | None:
        """What a token stands for, if the product that asks is the one it was made for and its session is alive.

        Raises:
            StateError: nobody knows whether the session is alive.
        """
        token = self.opened(application, text)
        if token is None:
            await self._notice_decoy(text)
            return None
        if token.holder.application != application or self._is_late(token):
            return None
        if token.holder.lent is not None:
            counts = await self._vouches.lends(token.holder, token.username) and not await self._is_ended(token)
            return Given(token, token.until) if counts else None
        session = await self._vouches.session_of(token.holder)
        if session is None or self._is_replaced(token, session):
            return None
        return Given(token, session.ends_at)

    async def take_back(self, session: Session, username: str) -> None:
        """Of a caller: all tokens in its jars that are for another name than *username*.

        Raises:
            StateError: it could not be noted.
        """
        for token in self._of(session):
            if token.username != username:
                await self.end(token)

    async def end(self, token: Token) -> None:
        """A caller's token is dead, at every instance.

        Raises:
            StateError: it could not be noted.
        """
        await self._markers.mark(_one(token), self._clock.now(), UnixSeconds(token.until + SKEW))

    async def end_lent(self, application: str, username: str) -> None:
        """So are all that callers have for a username.

        Raises:
            StateError: it could not be noted.
        """
        now = self._clock.now()
        await self._markers.mark(_user(application, username), now, UnixSeconds(now + self._recheck() + SKEW))

    def opened(self, application: str, text: str) -> Token | None:
        """What a token says, dead or alive; None if it is none of ours."""
        known = self._known.get((application, text))
        if known is None:
            data = self._sealer.open_text(PURPOSE, application.encode(), text)
            known = _from_bytes(data) if data is not None else None
            if known is not None:
                self._known[application, text] = known
        return known

    def forget(self) -> None:
        """Open every seal anew: keys may have gone."""
        self._known.clear()

    async def _notice_decoy(self, text: str) -> None:
        number = self._sealer.open_text(DECOY, b"", text)
        if number is not None:
            now = self._clock.now()
            await self._markers.mark(_asked(number.decode()), now, UnixSeconds(now + SKEW))

    def _of(self, session: Session) -> Iterator[Token]:
        """The tokens that a session has, by its jars; and the last one that was made here, if that is still to come."""
        latest = self._latest.get(session.key)
        if latest is not None:
            yield latest
        for jar in session.jars.values():
            for name, value in jar:
                token = self.opened(session.application, value) if name == COOKIE else None
                if token is not None and token.holder.session == session.key:
                    yield token

    def _is_replaced(self, token: Token, session: Session) -> bool:
        mine = (token.turn, token.number)
        return any(one.username != token.username and (one.turn, one.number) > mine for one in self._of(session))

    async def _is_ended(self, token: Token) -> bool:
        now = self._clock.now()
        if await self._markers.marked_at(_one(token), now) is not None:
            return True
        at = await self._markers.marked_at(_user(token.holder.application, token.username), now)
        return at is not None and token.at <= at

    def _is_late(self, token: Token) -> bool:
        # A shorter recheck counts for those of before it too: what ends them (`end_lent`) is remembered no longer.
        return token.until != 0 and self._clock.now() >= min(token.until, token.at + self._recheck())


def _one(token: Token) -> str:
    return f"{PURPOSE} {token.number} ended"


def _asked(number: str) -> str:
    return f"{DECOY} {number} asked"


def _user(application: str, username: str) -> str:
    return json.dumps([f"{PURPOSE}s ended", application, fold(username)])


def _to_bytes(token: Token) -> bytes:
    fields = [token.number, token.turn, holder_to_plain(token.holder), token.username, token.at, token.until]
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")


def _from_bytes(data: bytes) -> Token | None:
    """The token, or None: another version of the program made it. Never raises."""
    try:
        number, turn, holder, username, at, until = json.loads(data.decode("utf-8", "surrogatepass"))
        if not isinstance(number, str) or not isinstance(username, str):
            return None
        if not all(isinstance(one, int) for one in (turn, at, until)):
            return None
        return Token(
            number=number,
            turn=turn,
            holder=holder_from_plain(holder),
            username=username,
            at=UnixSeconds(at),
            until=UnixSeconds(until),
        )
    except (ValueError, TypeError, RecursionError):
        return None
