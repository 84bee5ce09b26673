"""flows.commanding: nothing is done that the trail does not take, and what is begun comes to its end and is told."""

from __future__ import annotations

import asyncio

import pytest

from sidecar.domain.events import Code, Event
from sidecar.flows.commanding import (
    MOST_AT_ONCE,
    Answer,
    Asked,
    Command,
    CommandError,
    Commands,
    UnknownCommandError,
)
from sidecar.flows.telling import AuditError
from tests.flows.fakes import ListAudit


class FullAudit(ListAudit):
    async def sure(self, event: Event) -> None:
        raise AuditError("full")


class Work:
    """A command that waits until it may end, and may fail."""

    def __init__(self, error: Exception | None = None) -> None:
        self.go = asyncio.Event()
        self.done: list[Asked] = []
        self.error = error

    async def __call__(self, asked: Asked) -> Answer:
        await self.go.wait()
        self.done.append(asked)
        if self.error is not None:
            raise self.error
        return {"fine": True}


def commands(work: Work, audit: ListAudit, *, changes: bool = True) -> Commands:
    takes = frozenset({"person", "application"})
    return Commands({"do it": Command(work, takes, changes=changes, about="person")}, audit)


def outcomes(audit: ListAudit) -> list[str]:
    return [event.outcome for event in audit.of(Code.COMMAND_GIVEN)]


async def until_told(audit: ListAudit) -> None:
    for _ in range(20):
        await asyncio.sleep(0)
    assert audit.events


async def test_a_change_is_told_before_and_after_with_who_and_why() -> None:
    work, audit = Work(), ListAudit()
    ran = asyncio.create_task(
        commands(work, audit).run("do it", {"person": "ada", "application": "jira", "reason": " why "}, 1000)
    )
    await until_told(audit)
    assert (["intended"], []) == (outcomes(audit), work.done)
    work.go.set()

    assert {"fine": True} == await ran

    assert ["intended", "success"] == outcomes(audit)
    for event in audit.events:
        assert {"command": "do it", "uid": 1000, "why": "why", "about": "ada"} == event.facts
        assert "jira" == event.application
    (asked,) = work.done
    assert (1000, "why", {"person": "ada", "application": "jira"}) == (asked.uid, asked.reason, asked.arguments)


async def test_what_only_looks_is_told_once_and_needs_no_reason() -> None:
    work, audit = Work(), ListAudit()
    work.go.set()

    await commands(work, audit, changes=False).run("do it", {}, 0)

    assert ["success"] == outcomes(audit)


async def test_what_the_trail_does_not_take_is_not_done() -> None:
    work, audit = Work(), FullAudit()
    work.go.set()

    with pytest.raises(AuditError):
        await commands(work, audit).run("do it", {"reason": "why"}, 0)
    assert [] == work.done


@pytest.mark.parametrize(
    ("error", "detail"),
    [(CommandError("not so"), "not so"), (KeyError("x"), "a fault of Lychgate; the log has more")],
)
async def test_what_fails_is_told(error: Exception, detail: str) -> None:
    work, audit = Work(error), ListAudit()
    work.go.set()

    with pytest.raises(type(error)):
        await commands(work, audit).run("do it", {"reason": "why"}, 0)

    assert ["intended", "failure"] == outcomes(audit)
    assert detail == audit.events[-1].facts["detail"]


async def test_whoever_gave_it_may_go_and_it_comes_to_its_end() -> None:
    work, audit = Work(), ListAudit()
    all_of_them = commands(work, audit)
    ran = asyncio.create_task(all_of_them.run("do it", {"reason": "why"}, 0))
    await until_told(audit)
    ran.cancel()
    work.go.set()

    await all_of_them.close()

    assert (1, ["intended", "success"]) == (len(work.done), outcomes(audit))


async def test_only_so_many_are_under_way() -> None:
    work = Work()
    all_of_them = commands(work, ListAudit())
    running = [asyncio.create_task(all_of_them.run("do it", {"reason": "why"}, 0)) for _ in range(MOST_AT_ONCE)]
    await asyncio.sleep(0)

    with pytest.raises(CommandError, match="too many"):
        await all_of_them.run("do it", {"reason": "why"}, 0)

    work.go.set()
    assert [{"fine": True}] * MOST_AT_ONCE == await asyncio.gather(*running)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "needs a reason"),
        ({"reason": "  "}, "needs a reason"),
        ({"reason": "why", "more": 1, "other": 2}, "takes no more, other"),
        ({"reason": ["why"]}, "reason must be text"),
        ({"reason": "a\nb"}, "reason must be text"),
        ({"reason": "why", "person": 7}, "person must be text"),
    ],
)
async def test_what_a_command_brings_is_looked_at_first(given: dict[str, object], says: str) -> None:
    work, audit = Work(), ListAudit()
    work.go.set()

    with pytest.raises(CommandError, match=says):
        await commands(work, audit).run("do it", given, 0)
    assert ([], []) == (work.done, outcomes(audit))


async def test_an_unknown_command_names_the_known_ones() -> None:
    with pytest.raises(UnknownCommandError, match="has no command 'x'; there are do it"):
        await commands(Work(), ListAudit()).run("x", {}, 0)


@pytest.mark.parametrize("value", [True, "7", 0, 11, None, 1.5])
def test_a_number_is_one_within_its_bounds(value: object) -> None:
    asked = Asked(0, "", {"number": value, "flag": 1})

    with pytest.raises(CommandError, match="whole number from 1 to 10"):
        asked.number("number", least=1, most=10, otherwise=5)
    with pytest.raises(CommandError, match="true or false"):
        asked.flag("flag")
    assert 5 == asked.number("absent", least=1, most=10, otherwise=5)
    assert not asked.flag("absent")
    with pytest.raises(CommandError, match="absent is missing"):
        asked.text("absent")
