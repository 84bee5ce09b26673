"""adapters.accounts.rest: two credentials of which one is enough, a breaker, and nothing that shows a secret."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import RawTestServer

from sidecar.adapters.accounts.calls import open_session
from sidecar.adapters.accounts.credentials import PAUSE, SECOND_THOUGHT, Credentials, Shown
from sidecar.adapters.accounts.rest import Rest
from sidecar.adapters.breaker import FAILURES
from sidecar.adapters.breaker import PAUSE as LEFT_ALONE
from sidecar.adapters.secrets import SecretError
from sidecar.domain.reason import Reason
from sidecar.flows.accounts import AccountError, CredentialRefusedError
from tests.adapters.accounts.test_pace import Time


class Product:
    """Takes the tokens in `good`; the others are nobody's. While `silent`, it hangs up."""

    def __init__(self, *good: str, status: int = 401) -> None:
        self.good = set(good)
        self.status = status
        self.silent = False
        self.seen: list[str] = []

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        token = request.headers["Authorization"].removeprefix("Bearer ")
        self.seen.append(token)
        if self.silent:
            assert request.transport is not None
            request.transport.abort()
        if token in self.good:
            return web.json_response({})
        return web.json_response({}, status=self.status, headers={"X-Seraph-LoginReason": "AUTHENTICATED_FAILED"})


class Pocket:
    """Where the tokens are kept; None: it cannot be read."""

    def __init__(self, first: str | None, second: str | None = None) -> None:
        self.first = first
        self.second = second

    def reads(self, which: str) -> Callable[[], str]:
        def read() -> str:
            token = getattr(self, which)
            if token is None:
                raise SecretError("there is no file", "write it")
            return f"Bearer {token}"

        return read


@asynccontextmanager
async def asking(product: Product, pocket: Pocket, **more: Any) -> AsyncIterator[tuple[Rest, Time, list[Any]]]:
    time, told = Time(), list[Any]()
    async with RawTestServer(product.handle) as server, open_session(seconds=2) as session:
        base = str(server.make_url("")).rstrip("/")
        second = pocket.reads("second") if pocket.second else None
        rest = Rest(
            session,
            base,
            pocket.reads("first"),
            second=second,
            told=lambda place, all_of_them: told.append((place, all_of_them)),
            clock=time,
            sleep=time.sleep,
        )
        yield rest, time, told


@pytest.mark.parametrize("status", [200, 401, 403])
async def test_the_next_token_takes_over_in_the_same_call_and_is_told_once(status: int) -> None:
    product = Product("new-one", status=status)
    async with asking(product, Pocket("old-one", "new-one")) as (rest, _, told):
        for _ in range(3):
            assert 200 == (await rest.ask("GET", "/x")).status
        assert ["old-one", "new-one", "new-one", "new-one"] == product.seen
        assert ([(1, False)], 1) == (told, rest.refused)


async def test_the_first_one_is_tried_again_later_and_at_once_when_it_changed() -> None:
    product, pocket = Product("new-one"), Pocket("old-one", "new-one")
    async with asking(product, pocket) as (rest, time, told):
        await rest.ask("GET", "/x")
        time.time += SECOND_THOUGHT
        await rest.ask("GET", "/x")
        assert ["old-one", "new-one"] * 2 == product.seen
        assert [(1, False)] == told
        pocket.first = "newest"
        product.good.add("newest")
        await rest.ask("GET", "/x")
        assert ("newest", 0) == (product.seen[-1], rest.refused)


async def test_a_token_that_was_replaced_meanwhile_is_shown_in_the_same_call() -> None:
    pocket = Pocket("old-one")

    class Replacing(Product):
        async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
            pocket.first = "newest"
            return await super().handle(request)

    product = Replacing("newest")
    async with asking(product, pocket) as (rest, _, told):
        assert 200 == (await rest.ask("GET", "/x")).status
        assert (["old-one", "newest"], 0, [(1, True)]) == (product.seen, rest.refused, told)


async def test_where_none_is_left_the_application_is_not_asked_again_for_a_moment() -> None:
    product, pocket = Product(), Pocket("old-one", "new-one")
    async with asking(product, pocket) as (rest, time, told):
        for _ in range(5):
            with pytest.raises(CredentialRefusedError):
                await rest.ask("GET", "/x")
        assert ["old-one", "new-one"] == product.seen
        assert ([(1, False), (2, True)], 2) == (told, rest.refused)
        time.time += PAUSE
        product.good.add("old-one")
        assert 200 == (await rest.ask("GET", "/x")).status
        assert 1 == rest.refused


async def test_a_token_that_cannot_be_read_is_like_one_that_is_refused() -> None:
    product = Product("new-one")
    async with asking(product, Pocket(None, "new-one")) as (rest, _, told):
        await rest.ask("GET", "/x")
        assert (["new-one"], [(1, False)]) == (product.seen, told)
    async with asking(product, Pocket(None)) as (rest, _, told):
        with pytest.raises(CredentialRefusedError):
            await rest.ask("GET", "/x")


async def test_an_application_that_stays_silent_is_left_alone_for_a_moment() -> None:
    product = Product("good-one")
    async with asking(product, Pocket("good-one")) as (rest, time, _):
        product.silent = True
        for _ in range(FAILURES + 3):
            with pytest.raises(AccountError) as caught:
                await rest.ask("POST", "/x", {})
            assert (Reason.CONNECTOR_UNREACHABLE, True) == (caught.value.reason, caught.value.retry)
        assert FAILURES == len(product.seen)
        product.silent = False
        time.time += LEFT_ALONE
        # A look asks several things at once: all of them get through.
        answers = await asyncio.gather(*(rest.ask("GET", "/x") for _ in range(3)))
        assert [200, 200, 200] == [answer.status for answer in answers]


async def test_an_application_that_is_still_silent_is_tried_by_one_call_of_those_that_came() -> None:
    product = Product("good-one")
    async with asking(product, Pocket("good-one")) as (rest, time, _):
        product.silent = True
        for _ in range(FAILURES):
            with pytest.raises(AccountError):
                await rest.ask("POST", "/x", {})
        time.time += LEFT_ALONE
        found = await asyncio.gather(*(rest.ask("POST", "/x", {}) for _ in range(3)), return_exceptions=True)
    assert [Reason.CONNECTOR_UNREACHABLE] * 3 == [error.reason for error in found if isinstance(error, AccountError)]
    assert FAILURES + 1 == len(product.seen)


@pytest.mark.parametrize("silent", [True, False])
async def test_no_error_shows_the_token_not_even_with_all_local_variables(silent: bool) -> None:
    product = Product()
    async with asking(product, Pocket("s3cr3t-of-the-connector")) as (rest, _, _):
        product.silent = silent
        with pytest.raises(AccountError) as caught:
            await rest.ask("POST", "/x", {"name": "alice"})
        shown = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())
        assert ("alice" in shown or not silent, False) == (True, "s3cr3t" in shown)
        for thing in (rest, Shown(1, "s3cr3t"), rest.shown if silent else rest):
            assert "s3cr3t" not in repr(thing)


def test_credentials_show_nothing() -> None:
    assert "Credentials(1)" == repr(Credentials(lambda: "s3cr3t", None, Time()))
