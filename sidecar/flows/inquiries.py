"""What an administrator asks about people: what lately became of somebody, and who lost which group by us.

Carries out `lychgate why` and `lychgate report groups`; changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sidecar.core.bans import account_marks, person_marks
from sidecar.domain.history import Happened
from sidecar.domain.identity import UnixSeconds
from sidecar.domain.journal import Deed, Entry
from sidecar.domain.policy import Policy
from sidecar.flows.bans import Bans
from sidecar.flows.commanding import Answer, Asked
from sidecar.flows.history import PER_PERSON, History, HistoryStore
from sidecar.flows.journal import Journal
from sidecar.flows.telling import Clock
from sidecar.flows.whom import Pins, whom

LISTED = 5000
"""Groups that a report has at most, the youngest."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Where it is read.

    Attributes:
        kept_for: Seconds for which each application's journal is kept.
    """

    history: History
    store: HistoryStore
    journal: Journal
    pins: Pins
    bans: Bans
    policy: Callable[[], Policy]
    kept_for: Mapping[str, int]
    clock: Clock


class Inquiries:
    """Answers."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    async def why(self, asked: Asked) -> Answer:
        """The last refusals, sign-ins and account changes of somebody, the oldest first, and what bans them now."""
        sources, application = self._sources, asked.application(self._sources.policy().applications)
        names = (application,) if application else tuple(sources.policy().applications)
        meant = await whom(sources.pins, asked.text("person"), names)
        # What happened a moment ago is what is asked about.
        await sources.history.write()
        found = await sources.store.of(tuple(sorted(meant.persons)), tuple(sorted(meant.accounts)), PER_PERSON)
        marks = {mark for person in meant.persons for name in names for mark in person_marks(name, person)}
        marks |= {mark for name, account in meant.accounts for mark in account_marks(name, account)}
        return {
            "persons": [{"issuer": person.issuer, "subject": person.subject} for person in sorted(meant.persons)],
            "bans": [
                {"application": ban.mark.application, "since": ban.at, "reason": ban.reason, "uid": ban.uid}
                for ban in sources.bans.all()
                if ban.mark in marks
            ],
            "happened": [_told(one) for one in found if not application or one.application == application],
        }

    async def lost_groups(self, asked: Asked) -> Answer:
        """Every group that somebody left by us since a time and that was not given back, the oldest first."""
        sources, application = self._sources, asked.application(self._sources.policy().applications)
        seconds = asked.number("seconds", least=1, most=3_153_600_000, otherwise=7 * 86_400)
        since = UnixSeconds(sources.clock.now() - seconds)
        names = (application,) if application else tuple(sources.policy().applications)
        lost: list[Entry] = []
        for name in names:
            found = await sources.journal.journal_since(name, since)
            lost += (entry for entry in found if entry.deed is Deed.LEAVE)
        lost.sort(key=lambda entry: (entry.at, entry.number))
        return {
            "since": since,
            "more": max(0, len(lost) - LISTED),
            "short": sorted(name for name in names if sources.kept_for.get(name, seconds) < seconds),
            "lost": [
                {
                    "at": entry.at,
                    "application": entry.application,
                    "username": entry.username,
                    "group": entry.group,
                    "portals": sorted(entry.before),
                    "confirmed": not entry.pending,
                }
                for entry in lost[-LISTED:]
            ],
        }


def _told(one: Happened) -> Mapping[str, object]:
    return {
        "at": one.at,
        "code": one.code,
        "outcome": one.outcome,
        "reason": one.reason,
        "username": one.username,
        "application": one.application,
        "portal": one.portal,
        "provider": one.provider,
        "address": one.source,
        "detail": one.detail,
        "request": one.request,
    }
