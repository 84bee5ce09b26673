"""flows.doctor: every check comes to its end by itself, and none keeps another."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack

import pytest

from sidecar.core.doctor import catalogue as kinds
from sidecar.core.doctor.catalogue import well
from sidecar.domain.finding import Check, Finding
from sidecar.domain.reason import Reason
from sidecar.flows.accounts import AccountError
from sidecar.flows.doctor import LONGEST_TEXT, Ask, Examination, Once, examine
from sidecar.flows.login import LoginError
from sidecar.flows.session_ports import StateError
from sidecar.flows.streaming import UpstreamError


async def fine() -> Sequence[Finding]:
    return [well(Check.BASIC, "all is well")]


def raising(error: Exception) -> Ask:
    async def ask() -> Sequence[Finding]:
        raise error

    return ask


async def asked(*asks: Ask, longest: float = 5.0) -> list[tuple[str, str, str]]:
    async def prepare(stack: AsyncExitStack) -> Sequence[Examination]:
        return [Examination(Check.BASIC, ask, application=str(number)) for number, ask in enumerate(asks)]

    found = await examine(prepare, longest=longest)
    return [(one.application, one.kind.severity.value, one.seen) for one in found]


@pytest.mark.parametrize(
    ("error", "seen"),
    [
        (AccountError(Reason.CONNECTOR_UNREACHABLE, "no answer"), "no answer"),
        (LoginError(Reason.PROVIDER_UNREACHABLE, "it is silent"), "it is silent"),
        (UpstreamError("connect", "refused"), "connect: refused"),
        (StateError("the disk is full"), "the disk is full"),
        (OSError("no such file"), "no such file"),
        (KeyError("of ours"), "the check itself failed: KeyError"),
    ],
)
async def test_a_check_that_cannot_be_done_says_why_and_keeps_no_other(error: Exception, seen: str) -> None:
    assert [("0", "unknown", seen), ("1", "ok", "all is well")] == await asked(raising(error), fine)


async def test_a_check_that_never_ends_is_ended() -> None:
    async def never() -> Sequence[Finding]:
        await asyncio.Event().wait()
        return []

    found = await asked(never, fine, longest=0.01)
    assert [("0", "unknown", "no answer within 0.01 seconds"), ("1", "ok", "all is well")] == found


async def test_the_gravest_first_and_each_says_of_whom_it_speaks() -> None:
    def finding(kind: object) -> Ask:
        async def ask() -> Sequence[Finding]:
            return [Finding(kind=kind, seen="x")]  # type: ignore[arg-type]

        return ask

    found = await asked(fine, finding(kinds.BASIC_ALLOWED), finding(kinds.TOKEN_ENDS), finding(kinds.TOKEN_REFUSED))
    assert [("3", "error"), ("2", "warning"), ("1", "notice"), ("0", "ok")] == [one[:2] for one in found]


async def test_what_others_said_is_plain_and_short() -> None:
    ((_, _, seen),) = await asked(raising(OSError("\x1b[31m red\n" + "x" * 1000)))
    assert seen.startswith(" [31m red xxx") and LONGEST_TEXT == len(seen)


async def test_a_look_that_is_shared_is_taken_once_and_ends_with_the_examination() -> None:
    looks: list[asyncio.Event] = []

    async def look() -> str:
        looks.append(asyncio.Event())
        await looks[0].wait()
        return "seen"

    async with AsyncExitStack() as stack:
        once = Once(look, stack)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                _ = await once()
        waiting = asyncio.create_task(once())
        await asyncio.sleep(0)
        looks[0].set()
        assert ("seen", "seen", 1) == (await waiting, await once(), len(looks))
        hanging = Once(asyncio.Event().wait, stack)
        left = asyncio.create_task(hanging())
        await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await left
