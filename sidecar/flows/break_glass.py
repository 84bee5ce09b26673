"""The emergency door of one application, for the day on which no provider answers: open for a while, and then nothing
that was done through it goes on.

Closed at the start and at the end of the process: the window is in memory and nowhere else. The application's cookies
of those who come in stay in the window and end with it; browsers get a key to them that means nothing elsewhere.
`web.emergency` serves by it, `building.emergency` opens and closes it by command.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from sidecar.domain.events import Code, Event, Fact
from sidecar.domain.identity import UnixSeconds
from sidecar.domain.record import RequestRecord
from sidecar.domain.session import Jar
from sidecar.flows.owned import OwnedTasks
from sidecar.flows.telling import Chance, Clock, SureAudit

LOG = logging.getLogger(__name__)
LONGEST = 60
"""Minutes that it is open at most."""

MOST_GUESTS = 64
"""Browsers of one window; of more, the oldest as whom the application served nobody gives way."""

MOST_TOLD = 2000
"""Changes of one window that the audit trail is told one by one."""

LOOK = 0.5
"""Seconds between two looks at the clock while it is open. Requests look by themselves."""


class OpenError(Exception):
    """It cannot be opened like this. The text is for the one who wants it."""


@dataclass(slots=True)
class Guest:
    """One browser.

    Attributes:
        key: By which it is known.
        seat: Its first key: what chooses its node.
        jars: The application's cookies, by node.
        names: Whom the application served there.
    """

    key: str = field(repr=False)
    seat: str = field(repr=False)
    jars: dict[str, Jar] = field(default_factory=dict, repr=False)
    names: set[str] = field(default_factory=set)


class Window:
    """One time of being open.

    Attributes:
        until: When it ends, by the clock on the wall.
        why: In the administrator's words.
        uid: Who opened it.
        ended: Set at its end.
        over: Whether it has ended: nothing is kept and nothing delivered any more.
    """

    def __init__(self, clock: Clock, chance: Chance, seconds: int, why: str, uid: int) -> None:
        self._clock = clock
        self._chance = chance
        self._ends = clock.monotonic() + seconds
        self._guests: dict[str, Guest] = {}
        self._aborts: set[Callable[[], None]] = set()
        self.until = UnixSeconds(clock.now() + seconds)
        self.why = why
        self.uid = uid
        self.over = False
        self.ended = asyncio.Event()
        self.told = 0

    def __len__(self) -> int:
        """Browsers that came in."""
        return len(self._guests)

    def has_passed(self) -> bool:
        """Whether its time is over, by either clock: one may be set back, the other stand still while a machine
        sleeps."""
        return self._clock.monotonic() >= self._ends or self._clock.now() >= self.until

    def guest(self, key: str | None) -> Guest:
        """The browser that has *key*, or a new one with a key of its own, which counts once `keep` was called."""
        if key is not None:
            for known, found in self._guests.items():
                if hmac.compare_digest(known.encode(), key.encode("utf-8", "surrogatepass")):
                    return found
        fresh = self._chance.token()
        return Guest(fresh, fresh)

    def another(self, guest: Guest) -> Guest:
        """The same browser by another key. Who has the one of before has what was known until now, and no more."""
        return Guest(self._chance.token(), guest.seat, dict(guest.jars))

    def renew(self, guest: Guest) -> str:
        """Another key for a browser as which somebody signed in; the one of before is nobody's."""
        known = self._guests.pop(guest.key, None)
        guest.key = self._chance.token()
        if known is not None:
            self._guests[guest.key] = guest
        return guest.key

    def keep(self, guest: Guest, node: str, jar: Jar) -> None:
        """Remember the application's cookies for a browser; nothing, once the window is over."""
        if self.over:
            return
        guest.jars[node] = jar
        if guest.key not in self._guests and len(self._guests) >= MOST_GUESTS:
            nobody = (known for known, found in self._guests.items() if not any(found.names))
            del self._guests[next(nobody, next(iter(self._guests)))]
        self._guests.setdefault(guest.key, guest)

    def serve(self, abort: Callable[[], None]) -> Callable[[], None]:
        """*abort* breaks an answer off when the window ends; the returned function says that the answer is out."""
        self._aborts.add(abort)
        return lambda: self._aborts.discard(abort)

    def end(self) -> None:
        """Forget everybody, and break off what is under way."""
        self.over = True
        self.ended.set()
        self._guests.clear()
        for abort in tuple(self._aborts):
            abort()
        self._aborts.clear()


class BreakGlass:
    """One application's.

    Attributes:
        application: Its name.
        opened_at: When it was last opened in earnest since the start; 0: never.
    """

    def __init__(self, application: str, audit: SureAudit, clock: Clock, chance: Chance) -> None:
        self.application = application
        self.opened_at = UnixSeconds(0)
        self._audit = audit
        self._clock = clock
        self._chance = chance
        self._window: Window | None = None
        self._opening: Window | None = None
        self._drill: tuple[str, Window] | None = None
        self._tasks = OwnedTasks()

    @property
    def window(self) -> Window | None:
        """The one that is open now."""
        window = self._window
        if window is not None and window.has_passed():
            self._end(window, "time")
            return None
        return window

    def admits(self, drill: str | None) -> Window | None:
        """The window by which a request is served, or None: it is closed. *drill* is the word that a drill of ours
        shows; it opens nothing for anybody else."""
        found = self._drill
        if (
            found is not None
            and drill is not None
            and hmac.compare_digest(found[0].encode(), drill.encode(errors="surrogateescape"))
        ):
            return None if found[1].has_passed() else found[1]
        return self.window

    async def open(self, minutes: int, why: str, uid: int) -> Window:
        """Open it; the audit trail has it before anybody comes in.

        Raises:
            OpenError: for too long, for no time, without a reason, or it is open; or it was closed meanwhile.
            AuditError: the audit trail does not take it.
        """
        if not 1 <= minutes <= LONGEST:
            raise OpenError(f"it is open for 1 to {LONGEST} minutes")
        if not why:
            raise OpenError("it needs a reason: the audit trail tells why")
        if self.window is not None or self._opening is not None:
            raise OpenError("it is open already; close it first, which ends what was begun through it")
        window = Window(self._clock, self._chance, minutes * 60, why, uid)
        facts: dict[str, Fact] = {"uid": uid, "why": why, "minutes": minutes, "until": int(window.until)}
        self._opening = window
        try:
            await self._audit.sure(self._event(Code.BREAKGLASS_OPENED, facts))
        finally:
            self._opening = None
        if window.over:
            _ = self._end(window, "command")
            raise OpenError("it was closed while it opened")
        self._window, self.opened_at = window, self._clock.now()
        _ = self._tasks.begin(self._watch(window))
        LOG.warning("break-glass: %s is open to its own passwords for %s minutes: %s", self.application, minutes, why)
        return window

    def close(self, cause: str, uid: int | None = None) -> int | None:
        """End the window now; how many browsers were in, or None: it was closed. *cause*: `command` or `stop`."""
        if self._opening is not None:
            # The trail has not taken it yet: it opens for nobody.
            self._opening.end()
            return 0
        window = self.window
        return None if window is None else self._end(window, cause, uid)

    def begin_drill(self, seconds: int) -> str:
        """Open it for one who knows the word that is returned, and for nobody else."""
        word = self._chance.token()
        self._drill = (word, Window(self._clock, self._chance, seconds, "drill", -1))
        return word

    def end_drill(self, *, works: bool, why: str, uid: int, detail: str) -> None:
        """Close it again and tell what came of it."""
        found, self._drill = self._drill, None
        if found is not None:
            found[1].end()
        outcome = "success" if works else "failure"
        self._audit.tell(self._event(Code.BREAKGLASS_DRILLED, {"uid": uid, "why": why, "detail": detail}, outcome))

    def seen(self, window: Window, guest: Guest, name: str, record: RequestRecord) -> None:
        """The application says whom it served: told once for each browser and name; "": it served nobody yet."""
        if name in guest.names:
            return
        guest.names.add(name)
        self._used(window, {"what": "signed_in" if name else "came"}, name, record)

    def changed(self, window: Window, guest: Guest, method: str, path: str, record: RequestRecord) -> None:
        """A request that may change something is about to be sent."""
        name = next((name for name in guest.names if name), "")
        self._used(window, {"what": "change", "method": method, "path": path}, name, record)

    async def stop(self) -> None:
        """The process ends, and the window with it."""
        _ = self.close("stop")
        await self._tasks.close()

    async def _watch(self, window: Window) -> None:
        while not window.has_passed():
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK):
                    _ = await window.ended.wait()
                    return
        if not window.over:
            self._end(window, "time")

    def _end(self, window: Window, cause: str, uid: int | None = None) -> int:
        browsers = len(window)
        window.end()
        if self._window is window:
            self._window = None
        facts: dict[str, Fact] = {"cause": cause, "browsers": browsers}
        if uid is not None:
            facts["uid"] = uid
        self._audit.tell(self._event(Code.BREAKGLASS_CLOSED, facts))
        LOG.warning("break-glass: %s is closed again (%s)", self.application, cause)
        return browsers

    def _used(self, window: Window, facts: dict[str, Fact], name: str, record: RequestRecord) -> None:
        window.told += 1
        if window.told <= MOST_TOLD and window.uid >= 0:
            self._audit.tell(
                Event(
                    code=Code.BREAKGLASS_USED,
                    application=self.application,
                    username=name,
                    request=record.request,
                    source=record.source,
                    facts=facts,
                )
            )

    def _event(self, code: Code, facts: dict[str, Fact], outcome: str = "success") -> Event:
        return Event(code=code, outcome=outcome, application=self.application, facts=facts)
