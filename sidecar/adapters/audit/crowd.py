"""What strangers cause: the first few of each kind are told one by one, the rest of the minute as a number.

Pure but for what it remembers; called by `log` for events without person and session. Nobody without an account fills a
disk or a queue.
"""

from __future__ import annotations

from collections import defaultdict

from sidecar.adapters.audit.record import written
from sidecar.domain.events import STRANGERS, Code, Event
from sidecar.domain.identity import UnixSeconds
from sidecar.domain.reason import Reason

EACH = 10
"""Events of one kind in a minute that are told one by one."""
_MINUTE = 60

_Kind = tuple[Code, Reason, str, str]


def is_of_strangers(event: Event) -> bool:
    """Whether nobody is known who caused it. Events of people are never counted together."""
    return event.person is None and not event.session and event.code in STRANGERS


class Crowd:
    """One minute at a time. Kinds come from enumerations and from the configuration, so there are not many."""

    def __init__(self, total: int) -> None:
        """*total* is the number of events of all kinds in a minute that are told one by one."""
        self._total = total
        self._minute = 0
        self._told = 0
        self._seen: defaultdict[_Kind, int] = defaultdict(int)
        self._counted: defaultdict[_Kind, int] = defaultdict(int)

    def admits(self, event: Event, *, room: bool) -> bool:
        """Whether it is told by itself; else it is counted. Without *room* nothing is."""
        kind = (event.code, event.reason, event.application, event.portal)
        self._seen[kind] += 1
        if room and self._seen[kind] <= EACH and self._told < self._total:
            self._told += 1
            return True
        self._counted[kind] += 1
        return False

    def over(self, now: UnixSeconds, *, at_once: bool = False) -> list[Event]:
        """What was counted in a minute that is over, and the next one begins; *at_once* ends it before its time."""
        minute = now // _MINUTE
        if minute == self._minute and not at_once:
            return []
        events = [self._event(kind, count) for kind, count in self._counted.items()]
        self._minute, self._told = minute, 0
        self._seen.clear()
        self._counted.clear()
        return events

    def _event(self, kind: _Kind, count: int) -> Event:
        code, reason, application, portal = kind
        minute = written(UnixSeconds(self._minute * _MINUTE))
        return Event(
            code=Code.AUDIT_COUNTED,
            outcome="counted",
            reason=reason,
            application=application,
            portal=portal,
            facts={"counted": code.value, "count": count, "minute": minute},
        )
