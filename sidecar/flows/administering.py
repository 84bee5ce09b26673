"""What an administrator does to sessions, people, providers and keys of a running gate: looked at, ended, banned.

Carries out the commands of `building.controlling`. A ban is kept first and holds from then on; then the sessions that
it names end, in the store and so at every gate. Nothing here is asked by a request.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from sidecar.core.standing import standing_of
from sidecar.core.usernames import fold
from sidecar.domain.ban import Ban, Kind, Mark
from sidecar.domain.identity import UnixSeconds
from sidecar.domain.policy import Policy
from sidecar.domain.revocation import By, Revocation
from sidecar.domain.session import Session
from sidecar.flows.bans import MOST, Bans
from sidecar.flows.commanding import Answer, Asked, CommandError
from sidecar.flows.product_sessions import ProductSessions
from sidecar.flows.revocations import Revocations
from sidecar.flows.sessions import Sessions, SessionStore
from sidecar.flows.telling import Clock, Trace
from sidecar.flows.whom import Pins, Whom, whom

PAGE = 500
"""Sessions that are read at once."""

LISTED = 1000
"""Sessions that a list has at most."""

DOOR = "command"
"""Through which sessions were revoked, as the audit trail tells it."""


@dataclass(frozen=True, slots=True)
class Hands:
    """What it is done with.

    Attributes:
        mark: The keyed hash by which the audit trail shows a session.
        node: The node of an application at which a session is, or "".
    """

    store: SessionStore
    sessions: Sessions
    revocations: Revocations
    products: ProductSessions
    bans: Bans
    pins: Pins
    policy: Callable[[], Policy]
    clock: Clock
    mark: Callable[[str], str]
    node: Callable[[Session], str]


@dataclass(frozen=True, slots=True)
class Found:
    """A session, when it was last used, and the username that it stands under."""

    session: Session
    seen: UnixSeconds
    username: str | None


class Administration:
    """Does it."""

    def __init__(self, hands: Hands) -> None:
        self._hands = hands

    async def listed(self, asked: Asked) -> Answer:
        """Live sessions, of one person or application, or all."""
        application, text = asked.application(self._hands.policy().applications), asked.optional("person")
        meant = await self._whom(text, application) if text else None
        listed: list[Mapping[str, object]] = []
        more = 0
        async for found in self._live():
            session = found.session
            if application and session.application != application:
                continue
            if meant is not None and not meant.is_meant(session, found.username):
                continue
            if len(listed) < LISTED:
                listed.append(self._told(found))
            else:
                more += 1
        return {"sessions": sorted(listed, key=lambda one: str(one["since"])), "more": more}

    async def end(self, asked: Asked) -> Answer:
        """End one session, those of a person, or all."""
        application, text, one = (
            asked.application(self._hands.policy().applications),
            asked.optional("person"),
            asked.optional("id"),
        )
        if sum((bool(text), bool(one), asked.flag("all"))) != 1:
            raise CommandError("say which: an id, a person, or all")
        if one:
            found = await self._by_mark(one)
            return {"ended": await self._end_each([found], "command")}
        meant = await self._whom(text, application) if text else None
        return {"ended": await self._end_where(meant, application, "", "command")}

    async def revoke_person(self, asked: Asked) -> Answer:
        """End their sessions, and every sign-in that is under way; a new one is welcome."""
        meant = await self._whom(asked.text("person"), "")
        now, ended = self._hands.clock.now(), 0
        names = {(person.issuer, person.subject) for person in meant.persons}
        async for found in self._live():
            if meant.is_meant(found.session, found.username):
                identity = found.session.identity
                names.add((identity.person.issuer, identity.sub or identity.person.subject))
        for issuer, value in sorted(names):
            revocation = Revocation(issuer=issuer, by=By.SUBJECT, value=value, at=now)
            ended += await self._hands.revocations.revoke(revocation, "", DOOR, Trace())
        return {"ended": ended + await self._end_where(meant, "", "", "command")}

    async def block(self, asked: Asked) -> Answer:
        """Refuse somebody from now on, and end their sessions."""
        application = asked.application(self._hands.policy().applications)
        meant = await self._whom(asked.text("person"), application)
        marks = self._marks(meant, asked.text("person"), application)
        added, ended = await self._ban_all(marks, asked, meant, application, "")
        unresolved = sorted(
            name
            for name, known in self._hands.policy().applications.items()
            if application in ("", name) and not known.api.owners
        )
        return {"blocked": added, "ended": ended, "tokens_pass_at": unresolved}

    async def unblock(self, asked: Asked) -> Answer:
        """Take that back."""
        application = asked.application(self._hands.policy().applications)
        meant = await self._whom(asked.text("person"), application)
        lifted = [await self._hands.bans.lift(mark) for mark in self._marks(meant, asked.text("person"), application)]
        if not any(lifted):
            where = f" at {application}" if application else ""
            raise CommandError(f"{asked.text('person')} is not blocked{where}; `lychgate bans` tells who is, and where")
        return {"unblocked": True}

    async def revoke_provider(self, asked: Asked) -> Answer:
        """End all sessions of a provider and accept none of its sign-ins, until that is undone."""
        provider = asked.text("provider")
        if provider not in self._hands.policy().providers:
            known = ", ".join(sorted(self._hands.policy().providers))
            raise CommandError(f"the configuration has no provider {provider}; there is {known}")
        mark = Mark(Kind.PROVIDER, "", "", provider)
        if asked.flag("undo"):
            return {"undone": await self._lifted(mark, f"{provider} is not revoked")}
        revoked, ended = await self._ban_all((mark,), asked, None, "", provider)
        return {"revoked": revoked, "ended": ended}

    async def bans(self, asked: Asked) -> Answer:
        """All that is refused until somebody takes it back."""
        return {
            "bans": [
                {
                    "kind": ban.mark.kind.value,
                    "application": ban.mark.application,
                    "issuer": ban.mark.issuer,
                    "value": ban.mark.value,
                    "since": ban.at,
                    "reason": ban.reason,
                    "uid": ban.uid,
                }
                for ban in self._hands.bans.all()
            ]
        }

    async def _lifted(self, mark: Mark, otherwise: str) -> bool:
        if not await self._hands.bans.lift(mark):
            raise CommandError(otherwise)
        return True

    async def _ban_all(
        self, marks: Iterable[Mark], asked: Asked, meant: Whom | None, application: str, provider: str
    ) -> tuple[bool, int]:
        """Keep bans, and end the sessions that they name: those that are there now, and those that began meanwhile.

        Returns:
            Whether any is new, and how many sessions ended.
        """
        before = await self._found(meant, application, provider)
        added = await self._ban(tuple(marks), asked)
        after = await self._found(meant, application, provider)
        every = {one.session.key: one for one in (*before, *after)}
        _ = await self._end_each(every.values(), "blocked")
        return added, len(every)

    async def _ban(self, marks: Collection[Mark], asked: Asked) -> bool:
        if len(self._hands.bans) + len(marks) > MOST:
            raise CommandError(f"there are {MOST} bans already; lift some with `lychgate unblock`")
        now = self._hands.clock.now()
        bans = [Ban(mark=mark, at=now, reason=asked.reason, uid=asked.uid) for mark in marks]
        return await self._hands.bans.add(*bans)

    @staticmethod
    def _marks(meant: Whom, text: str, application: str) -> Iterable[Mark]:
        """A username is banned by itself too: it may be tied to nobody, or to somebody else tomorrow."""
        for person in sorted(meant.persons):
            yield Mark(Kind.PERSON, application, person.issuer, person.subject)
        if " " not in text:
            yield Mark(Kind.ACCOUNT, application, "", fold(text))

    async def _whom(self, text: str, application: str) -> Whom:
        names = (application,) if application else tuple(self._hands.policy().applications)
        return await whom(self._hands.pins, text, names)

    async def _end_where(self, meant: Whom | None, application: str, provider: str, cause: str) -> int:
        """End the sessions that fit everything that is said; how many."""
        return await self._end_each(await self._found(meant, application, provider), cause)

    async def _found(self, meant: Whom | None, application: str, provider: str) -> list[Found]:
        return [
            one
            async for one in self._live()
            if (not application or one.session.application == application)
            and (not provider or one.session.identity.provider == provider)
            and (meant is None or meant.is_meant(one.session, one.username))
        ]

    async def _end_each(self, found: Iterable[Found], cause: str) -> int:
        ended = 0
        for one in found:
            ended += await self._hands.sessions.end(one.session.key, cause) is not None
            self._hands.products.end_soon(one.session, one.username, Trace())
        return ended

    async def _by_mark(self, text: str) -> Found:
        async for found in self._live():
            if self._hands.mark(found.session.key[:16]) == text:
                return found
        raise CommandError(f"there is no live session {text}; `lychgate sessions list` tells them")

    async def _live(self) -> AsyncIterator[Found]:
        """All live sessions that the store can read, page by page."""
        after, policy, now = "", self._hands.policy(), self._hands.clock.now()
        while rows := await self._hands.store.page(after, PAGE):
            for row in rows:
                if isinstance(row, str):
                    after = row
                    continue
                session, seen = row
                after = session.key
                seen = max(seen, self._hands.sessions.seen_at(session.key))
                if session.is_live(now, seen, policy.limits.idle):
                    standing = standing_of(session, policy)
                    yield Found(session, seen, standing.username if standing is not None else None)

    def _told(self, found: Found) -> Mapping[str, object]:
        session = found.session
        return {
            "id": self._hands.mark(session.key[:16]),
            "application": session.application,
            "portal": session.portal,
            "provider": session.identity.provider,
            "username": found.username or "",
            "issuer": session.identity.person.issuer,
            "subject": session.identity.person.subject,
            "since": session.created_at,
            "seen": found.seen,
            "ends": session.ends_at,
            "address": session.source,
            "node": self._hands.node(session),
        }
