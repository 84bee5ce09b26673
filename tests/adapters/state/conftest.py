"""The stores that keep the contract. A new kind of store joins by a line in `KINDS`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path

import pytest

from sidecar.adapters.seal import Sealer
from sidecar.adapters.state.postgres.store import open_shared
from sidecar.adapters.state.sqlite import open_state
from sidecar.adapters.state.stores import State
from tests.adapters.state.samples import SEALER
from tests.postgres import Server, needs_postgres, server

POSTGRES = pytest.param("postgresql", marks=needs_postgres)
KINDS = ("sqlite file", "sqlite memory", POSTGRES)
LASTING = ("sqlite file", POSTGRES)

Opener = Callable[[Sealer], AbstractAsyncContextManager[State]]


@pytest.fixture(scope="package")
def postgres() -> Iterator[Server]:
    with server() as running:
        yield running


async def opener_of(kind: str, directory: Path, request: pytest.FixtureRequest) -> Opener:
    if kind == "postgresql":
        running: Server = request.getfixturevalue("postgres")
        return partial(open_shared, running.way(await running.new_database()))
    return partial(open_state, None if kind == "sqlite memory" else directory / "state")


@pytest.fixture(params=KINDS)
async def state(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[State]:
    opener = await opener_of(request.param, tmp_path, request)
    async with opener(SEALER) as opened:
        yield opened


@pytest.fixture(params=LASTING)
async def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Opener:
    """Opens the same state again, for stores that outlive the process."""
    return await opener_of(request.param, tmp_path, request)
