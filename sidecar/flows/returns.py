"""Pages for which attempts were whose cookies are gone from the browser: finished ones, for the Back button leads to
the provider and to its callback once more, and those for which there was no room beside nine other tabs.

Used by `flows.signin`. Kept in memory, for a while and for a bounded number: what is forgotten leads to the start page.
"""

from __future__ import annotations

from sidecar.core.kept import Kept, kept
from sidecar.core.logins import ATTEMPT_LIFE, Attempt, attempt_name
from sidecar.domain.identity import Person, UnixSeconds
from sidecar.flows.telling import Clock

MOST = 2_000
"""Pages in memory; the oldest are forgotten beyond."""


class Returns:
    """Remembers for which page an attempt was. A page is all that it gives: nobody is let in by it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._pages: dict[tuple[str, str], tuple[UnixSeconds, Person | None, str]] = kept("return_pages", Kept(), MOST)

    def note(self, attempt: Attempt, person: Person | None) -> None:
        """The attempt was finished by *person*; or (None) nobody has, and its cookie was taken back."""
        now = self._clock.now()
        self._pages[attempt.application, attempt_name(attempt.state)] = now, person, attempt.back_to
        for name, (at, _, _) in list(self._pages.items()):
            if len(self._pages) <= MOST and now - at <= ATTEMPT_LIFE:
                break
            del self._pages[name]

    def page_of(self, application: str, name: str, person: Person | None) -> str | None:
        """The page of the attempt *name*; of one that was finished, for whoever did so only."""
        at, whose, page = self._pages.get((application, name), (None, None, None))
        if at is None or self._clock.now() - at > ATTEMPT_LIFE:
            return None
        return page if whose is None or whose == person else None
