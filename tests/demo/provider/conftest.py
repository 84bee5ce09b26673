"""Fixtures for the tests of the demo provider."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.demo.provider.relying_party import RelyingParty, relying_party


@pytest.fixture
async def party() -> AsyncIterator[RelyingParty]:
    async with relying_party() as ready:
        yield ready
