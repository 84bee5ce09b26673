"""From a judged callback to a session: a fresh one, or that of the tab which came back a moment before.

Used by `flows.signin`. A browser that is restored brings ten tabs back from the provider at once; one session is enough
for all of them (rule 31).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from weakref import WeakValueDictionary

from sidecar.core.kept import Kept, kept
from sidecar.core.logins import Attempt, attempt_name
from sidecar.domain.identity import Identity, Person, UnixSeconds
from sidecar.domain.reason import Reason
from sidecar.domain.session import Session
from sidecar.flows.attempts import AttemptCookies
from sidecar.flows.login import LoginError
from sidecar.flows.sessions import Entry, Opening, Sessions
from sidecar.flows.telling import Clock, Trace

TOGETHER = 60
MOST = 10_000
"""Seconds in which several tabs of one browser that come back from the provider are one sign-in."""


class Openings:
    """Opens a person's sessions one at a time, so that a second tab sees what the first one got."""

    def __init__(self, cookies: AttemptCookies, sessions: Sessions, clock: Clock) -> None:
        self._cookies = cookies
        self._sessions = sessions
        self._clock = clock
        self._locks: WeakValueDictionary[tuple[str, Person], asyncio.Lock] = WeakValueDictionary()
        self._opened: dict[tuple[str, str], tuple[UnixSeconds, str]] = kept("sign_ins_opened", Kept(), MOST)

    async def cookie_for(
        self, opening: Opening, attempt: Attempt, cookies: Mapping[str, str], present: Entry | None, trace: Trace
    ) -> tuple[str, Session | None]:
        """The session cookie's value, and the session if it began just now.

        Args:
            cookies: The flow cookies that the browser carries.
            present: The browser's live session for the application, if it has one.

        Raises:
            LoginError: `session_revoked`; see `Sessions.open`. `token_invalid`: a silent attempt confirms somebody's
                session, and is no sign-in of anybody else.
            StateError: nobody is signed in.
        """
        if attempt.silent and not _is_confirmed(opening, attempt, present):
            raise LoginError(Reason.TOKEN_INVALID, "the provider confirmed another session than that of this browser")
        # Tabs of one browser may bring different people back; those of one person are told apart one by one.
        lock = self._locks.setdefault((opening.application, opening.identity.person), asyncio.Lock())
        async with lock:
            began = None
            cookie = await self._opened_beside(opening, attempt, cookies, present)
            if cookie is None:
                began, cookie = await self._sessions.open(opening, present, trace)
            elif present is not None:
                _ = await self._sessions.end(present.session.key, "replaced", trace)
            now = self._clock.now()
            for name, (at, _) in list(self._opened.items()):
                if now - at <= TOGETHER and len(self._opened) < MOST:
                    break
                del self._opened[name]
            self._opened[opening.application, attempt_name(attempt.state)] = now, cookie
            return cookie, began

    async def _opened_beside(
        self, opening: Opening, attempt: Attempt, cookies: Mapping[str, str], present: Entry | None
    ) -> str | None:
        """The cookie of a session that another tab of this browser has just opened with the same authentication.

        The browser shows by the other tab's attempt, which it still carries, that it has not got that answer yet.
        """
        application = opening.application
        for name, text in cookies.items():
            at, cookie = self._opened.get((application, name), (0, ""))
            if self._clock.now() - at > TOGETHER or self._cookies.attempt(application, name, text) is None:
                continue
            entry = await self._sessions.find(application, cookie)
            if entry is not None and entry is not present and _is_same(entry, attempt, opening.identity):
                return cookie
        return None


def _is_confirmed(opening: Opening, attempt: Attempt, present: Entry | None) -> bool:
    """Whether a silent answer speaks of the session that is there. If it names somebody else, that one's next page
    begins a sign-in, where all is asked that a sign-in asks."""
    if present is None:
        return False
    session = present.session
    if (session.portal, session.identity.provider) != (attempt.portal, attempt.provider):
        return False
    if session.identity.person == opening.identity.person:
        return True
    present.unconfirmed = present.unconfirmed or session.created_at <= attempt.began
    return False


def _is_same(entry: Entry, attempt: Attempt, identity: Identity) -> bool:
    session = entry.session
    return (
        session.portal == attempt.portal
        and session.identity.person == identity.person
        and session.identity.provider == identity.provider
        and (session.identity.auth_time, session.identity.acr) == (identity.auth_time, identity.acr)
    )
