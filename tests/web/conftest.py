"""Fixtures of the gate's tests: worlds that end with the test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.web.rig import Site, World, world

Worlds = Callable[..., Awaitable[World]]


@pytest.fixture
async def worlds(tmp_path: Path) -> AsyncIterator[Worlds]:
    """Give a function that starts a world; its arguments are those of `Site`."""
    async with AsyncExitStack() as stack:

        async def start(**settings: object) -> World:
            return await stack.enter_async_context(world(tmp_path, Site(**settings)))  # type: ignore[arg-type]

        yield start
