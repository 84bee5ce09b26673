"""Fixtures of the whole-journey tests: the real provider and the real browser of `rigs.py`.

Where the machine lacks one of them the test is skipped with a word on what to install.
Under `CI=true` it fails instead, so that a gap in the CI image cannot pass unseen.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext

from tests.e2e import rigs

ProviderFactory = Callable[..., Awaitable[rigs.NodeProvider]]


def require(present: bool, reason: str) -> None:
    """Skip the test, or fail it in CI, when a thing of the outside is absent."""
    if present:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@pytest.fixture
async def node_provider_factory() -> AsyncIterator[ProviderFactory]:
    """Give a function that starts providers; its arguments are those of `NodeProvider`."""
    require(rigs.npm_ready(), rigs.NODE_NEEDED)
    async with AsyncExitStack() as running:

        async def start(*arguments: object, **options: object) -> rigs.NodeProvider:
            return await running.enter_async_context(rigs.NodeProvider(*arguments, **options))  # type: ignore[arg-type]

        yield start


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """Run one Chromium for this test."""
    require(rigs.chromium_path() is not None, rigs.CHROMIUM_NEEDED)
    async with rigs.running_chromium() as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chromium() -> AsyncIterator[Browser]:
    """Run one Chromium for all tests of a module, which then share an event loop as well."""
    require(rigs.chromium_path() is not None, rigs.CHROMIUM_NEEDED)
    async with rigs.running_chromium() as running:
        yield running


@pytest.fixture
async def browser_context(browser: Browser) -> AsyncIterator[BrowserContext]:
    """Give a fresh profile: no cookie, no cache, and no certificate that is not valid."""
    context = await browser.new_context()
    yield context
    await context.close()


@pytest.fixture
async def browser_page(browser_context: BrowserContext) -> rigs.WatchedPage:
    """Give an empty page that records console errors and failed requests."""
    return await rigs.open_watched_page(browser_context)
