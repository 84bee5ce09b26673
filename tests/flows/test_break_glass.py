"""The window of an emergency door: what ends it, whom it remembers, and that nothing opens it which is not told."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from sidecar.domain.events import Code, Event
from sidecar.domain.identity import UnixSeconds
from sidecar.domain.record import RequestRecord
from sidecar.flows.break_glass import MOST_GUESTS, MOST_TOLD, BreakGlass, OpenError, Window
from sidecar.flows.telling import AuditError
from tests.flows.fakes import CountingChance, FakeClock

RECORD = RequestRecord(request="r-1", started=0.0)


@dataclass
class Trail:
    """An audit trail that may be full."""

    full: bool = False
    told: list[Event] = field(default_factory=list)

    def tell(self, event: Event) -> None:
        self.told.append(event)

    async def sure(self, event: Event) -> None:
        if self.full:
            raise AuditError("full")
        await asyncio.sleep(0)
        self.told.append(event)

    def codes(self) -> list[Code]:
        return [event.code for event in self.told]


@dataclass
class Door:
    """One with a clock of its own."""

    trail: Trail = field(default_factory=Trail)
    clock: FakeClock = field(default_factory=FakeClock)
    glass: BreakGlass = field(init=False)

    def __post_init__(self) -> None:
        self.glass = BreakGlass("jira", self.trail, self.clock, CountingChance())

    async def open(self, minutes: int = 30) -> Window:
        return await self.glass.open(minutes, "a reason", 0)


async def test_it_stays_closed_where_the_audit_trail_does_not_take_it() -> None:
    door = Door(Trail(full=True))
    with pytest.raises(AuditError):
        await door.open()
    assert (None, 0, []) == (door.glass.window, door.glass.opened_at, door.trail.told)


async def test_who_closes_it_while_it_opens_is_obeyed() -> None:
    door = Door()
    opening = asyncio.create_task(door.open())
    await asyncio.sleep(0)
    assert 0 == door.glass.close("command", 0)
    with pytest.raises(OpenError, match="was closed"):
        await opening
    assert None is door.glass.window is door.glass.admits(None)
    assert [Code.BREAKGLASS_OPENED, Code.BREAKGLASS_CLOSED] == door.trail.codes()
    assert not (await door.open()).over
    await door.glass.stop()


async def test_it_ends_to_the_second_and_is_told_once() -> None:
    door = Door()
    window = await door.open(1)
    door.clock.time += 59
    assert window is door.glass.window
    door.clock.time += 1
    assert None is door.glass.window is door.glass.admits(None)
    assert window.over
    assert [Code.BREAKGLASS_OPENED, Code.BREAKGLASS_CLOSED] == door.trail.codes()
    assert None is door.glass.close("command", 0)
    await door.glass.stop()
    assert 2 == len(door.trail.told)


async def test_a_clock_that_is_set_back_makes_it_no_longer() -> None:
    class Wall(FakeClock):
        """The clock on the wall is set back; the other one goes on."""

        back = 0

        def now(self) -> UnixSeconds:
            return UnixSeconds(self.time - self.back)

    door = Door(clock=(clock := Wall()))
    await door.open(1)
    clock.time += 60
    clock.back = 3600
    assert None is door.glass.window
    await door.glass.stop()


async def test_after_the_end_nothing_is_kept_and_nobody_is_known_in_the_next_one() -> None:
    door = Door()
    window = await door.open()
    guest = window.guest(None)
    window.keep(guest, "one", (("JSESSIONID", "1"),))
    assert guest is window.guest(guest.key)
    assert 1 == door.glass.close("command", 0)
    window.keep(guest, "one", (("JSESSIONID", "2"),))
    assert 0 == len(window)
    after = await door.open()
    other = after.guest(guest.key)
    assert (True, {}) == (other.key != guest.key, other.jars)
    await door.glass.stop()


async def test_browsers_and_events_have_a_bound_and_who_is_in_is_not_pushed_out() -> None:
    door = Door()
    window = await door.open()
    guest = window.guest(None)
    window.keep(guest, "", (("JSESSIONID", "1"),))
    door.glass.seen(window, guest, "alice", RECORD)
    for _ in range(MOST_GUESTS + 5):
        window.keep(window.guest(None), "", (("JSESSIONID", "x"),))
    assert MOST_GUESTS == len(window)
    assert guest is window.guest(guest.key)
    for _ in range(MOST_TOLD + 5):
        door.glass.changed(window, guest, "POST", "/x", RECORD)
    assert MOST_TOLD == door.trail.codes().count(Code.BREAKGLASS_USED)
    assert {"alice"} == {event.username for event in door.trail.told if event.code is Code.BREAKGLASS_USED}
    await door.glass.stop()


async def test_a_drill_is_over_after_a_minute_and_its_word_opens_nothing_later() -> None:
    door = Door()
    word = door.glass.begin_drill(60)
    assert [None] * 3 == [door.glass.admits(other) for other in (None, "another", "\udcff")]
    assert None is not door.glass.admits(word)
    door.clock.time += 60
    assert None is door.glass.admits(word)
    door.glass.end_drill(works=True, why="a drill", uid=0, detail="")
    assert None is door.glass.admits(word)
    assert [Code.BREAKGLASS_DRILLED] == door.trail.codes()


async def test_of_two_who_open_it_at_once_one_does() -> None:
    door = Door()
    first, second = await asyncio.gather(door.open(), door.open(), return_exceptions=True)
    assert first is door.glass.window
    assert isinstance(second, OpenError)
    assert [Code.BREAKGLASS_OPENED] == door.trail.codes()
    await door.glass.stop()
