"""adapters.breaker: silence several times in a row, and the host is left alone; one call tries for all."""

from __future__ import annotations

import asyncio
import contextlib

import aiohttp
import pytest

from sidecar.adapters.breaker import FAILURES, PAUSE, Breaker
from sidecar.adapters.oidc.http import Outbound
from sidecar.domain.reason import Reason
from sidecar.flows.login import LoginError
from tests.adapters.oidc.stand_in import HandClock, Reply, StandIn

HOST = "idp.example.com"


def _silent(breaker: Breaker, times: int = FAILURES) -> None:
    for _ in range(times):
        assert breaker.may_call(HOST)
        breaker.was_silent(HOST)


def test_less_than_so_many_are_nothing(clock: HandClock) -> None:
    breaker = Breaker(clock)
    for _ in range(3):
        _silent(breaker, FAILURES - 1)
        breaker.answered(HOST)
    assert breaker.may_call(HOST)


def test_one_call_tries_when_the_pause_is_over(clock: HandClock) -> None:
    breaker = Breaker(clock)
    _silent(breaker)
    assert not breaker.may_call(HOST)
    assert breaker.may_call("other.example.com")
    for _ in range(2):
        clock.seconds += PAUSE
        assert [True, False, False] == [breaker.may_call(HOST) for _ in range(3)]
        breaker.was_silent(HOST)
    clock.seconds += PAUSE
    assert breaker.may_call(HOST)
    breaker.answered(HOST)
    assert [True, True] == [breaker.may_call(HOST) for _ in range(2)]


async def test_who_is_turned_away_does_not_wait(session: aiohttp.ClientSession, clock: HandClock) -> None:
    asked: list[asyncio.StreamWriter] = []

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(writer)
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    outbound = Outbound(session, breaker=Breaker(clock))
    for _ in range(FAILURES + 4):
        with pytest.raises(LoginError) as caught:
            await outbound.post(url, 1000, {}, "")
        assert Reason.PROVIDER_UNREACHABLE is caught.value.reason
    assert (FAILURES, True) == (len(asked), "left alone" in caught.value.detail)
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize("status", [400, 401, 429, 500, 503])
async def test_an_answer_is_one_whatever_it_says(
    server: StandIn, session: aiohttp.ClientSession, clock: HandClock, status: int
) -> None:
    server.replies["/x"] = Reply({}, status=status)
    outbound = Outbound(session, breaker=Breaker(clock))
    for _ in range(FAILURES + 2):
        with contextlib.suppress(LoginError):
            await outbound.get(server.issuer + "/x", 1000)
    assert FAILURES + 2 == server.counts["/x"]
