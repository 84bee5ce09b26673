"""Pages for which sign-ins were finished, for the Back button: it leads to the provider, which sends the browser to its
callback once more, and by then the attempt's cookie is gone.

Used by `flows.signin`. Kept in memory, for a while and for a bounded number: what is forgotten leads to the start page.
"""

from __future__ import annotations

from sidecar.core.logins import ATTEMPT_LIFE, Attempt, attempt_name
from sidecar.domain.identity import Person, UnixSeconds
from sidecar.flows.telling import Clock

MOST = 2_000
"""Pages in memory; the oldest are forgotten beyond."""


class Returns:
    """Remembers for which page an attempt was, for the person who finished it and nobody else."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._pages: dict[tuple[str, str], tuple[UnixSeconds, Person, str]] = {}

    def note(self, attempt: Attempt, person: Person) -> None:
        """The attempt was finished."""
        now = self._clock.now()
        self._pages[attempt.application, attempt_name(attempt.state)] = now, person, attempt.back_to
        for name, (at, _, _) in list(self._pages.items()):
            if len(self._pages) <= MOST and now - at <= ATTEMPT_LIFE:
                break
            del self._pages[name]

    def page_of(self, application: str, name: str, person: Person) -> str | None:
        """The page of the attempt *name*, if *person* finished it lately."""
        at, whose, page = self._pages.get((application, name), (None, None, None))
        return page if at is not None and whose == person and self._clock.now() - at <= ATTEMPT_LIFE else None
