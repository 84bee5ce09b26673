"""The stores that keep the contract. A new kind of store joins by a line in `KINDS`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path

import pytest

from sidecar.adapters.seal import Sealer
from sidecar.adapters.state.sqlite import State, open_state
from tests.adapters.state.samples import SEALER

KINDS = ("sqlite file", "sqlite memory")
LASTING = ("sqlite file",)

Opener = Callable[[Sealer], AbstractAsyncContextManager[State]]


def opener_of(kind: str, directory: Path) -> Opener:
    return partial(open_state, None if kind == "sqlite memory" else directory / "state")


@pytest.fixture(params=KINDS)
async def state(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[State]:
    async with opener_of(request.param, tmp_path)(SEALER) as opened:
        yield opened


@pytest.fixture(params=LASTING)
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Opener:
    """Opens the same state again, for stores that outlive the process."""
    return opener_of(request.param, tmp_path)
