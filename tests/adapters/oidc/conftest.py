"""What every test of the relying party's outside needs: a provider on loopback, a clock, a way to build ours."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest

from sidecar.adapters.oidc.http import open_session
from sidecar.adapters.oidc.provider import OidcProvider
from tests.adapters.oidc.stand_in import HandClock, StandIn

Build = Callable[..., OidcProvider]


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
async def server(clock: HandClock) -> AsyncIterator[StandIn]:
    async with StandIn(clock) as running:
        yield running


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with open_session() as opened:
        yield opened


@pytest.fixture
async def build(server: StandIn, session: aiohttp.ClientSession, clock: HandClock) -> AsyncIterator[Build]:
    async with AsyncExitStack() as stack:

        def make(**changes: Any) -> OidcProvider:
            provider = OidcProvider(server.config(**changes), session, clock)
            stack.push_async_callback(provider.close)
            return provider

        yield make
