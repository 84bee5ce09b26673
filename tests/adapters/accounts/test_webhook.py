"""adapters.accounts.webhook: a receiver can tell who called, when, and whether it was asked the same before."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from aiohttp import web
from aiohttp.test_utils import RawTestServer

from sidecar.adapters.accounts.calls import open_session
from sidecar.adapters.accounts.webhook import Webhook
from sidecar.adapters.breaker import FAILURES, PAUSE
from sidecar.domain.account import AccountOrder, Create, Join, Leave, MakeGroup, Reactivate, Update
from sidecar.domain.identity import Identity, Person, UnixSeconds
from sidecar.domain.reason import Reason
from sidecar.flows.accounts import AccountError

SECRET = b"shared with the receiver"
ORDER = AccountOrder(
    application="jira", portal="agents", username="jürgen", display_name=None, email="j@example.com", groups=("a",)
)
WHO = Identity(person=Person("https://idp.example", "s-1"), provider="staff", claims={"secret": "x"}, groups=("a",))


class Noon:
    """A clock that moves when told."""

    def __init__(self) -> None:
        self.passed = 0.0

    def now(self) -> UnixSeconds:
        return UnixSeconds(1_000)

    def monotonic(self) -> float:
        return self.passed


class Receiver:
    """Checks the signature as the documentation says, then answers with `status`; while `silent`, it hangs up."""

    def __init__(self, status: int = 204) -> None:
        self.status = status
        self.silent = False
        self.paths: list[str] = []
        self.bodies: list[dict[str, object]] = []
        self.keys: list[str] = []
        self.genuine: list[bool] = []

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        signed = request.headers["X-Lychgate-Timestamp"].encode() + b"." + body
        expected = "v1=" + hmac.new(SECRET, signed, hashlib.sha256).hexdigest()
        self.genuine.append(hmac.compare_digest(expected, request.headers["X-Lychgate-Signature"]))
        self.paths.append(f"{request.method} {request.path}")
        self.bodies.append(json.loads(body))
        self.keys.append(request.headers["Idempotency-Key"])
        if self.silent and request.transport is not None:
            request.transport.abort()
        return web.Response(status=self.status, headers={"Location": "/elsewhere"})


@asynccontextmanager
async def calling(receiver: Receiver, secret: bytes = SECRET, clock: Noon | None = None) -> AsyncIterator[Webhook]:
    async with RawTestServer(receiver.handle) as server, open_session(seconds=5) as session:
        yield Webhook("people", session, str(server.make_url("/hook")), lambda: secret, clock or Noon())


async def test_a_call_is_signed_and_says_who_comes() -> None:
    receiver = Receiver()
    async with calling(receiver) as hook:
        await hook.run(ORDER, WHO, ())
    assert (["POST /hook"], [True]) == (receiver.paths, receiver.genuine)
    expected = {
        "version": 1,
        "application": "jira",
        "portal": "agents",
        "username": "jürgen",
        "display_name": None,
        "email": "j@example.com",
        "groups": ["a"],
        "provider": "staff",
        "issuer": "https://idp.example",
        "subject": "s-1",
        "plan": [],
    }
    assert [expected] == receiver.bodies


async def test_a_call_says_what_was_done() -> None:
    receiver = Receiver()
    steps = (
        Create("jürgen", "Jürgen", "j@example.com"),
        MakeGroup("jürgen", "a"),
        Join("jürgen", "a"),
        Leave("jürgen", "b"),
        Update("jürgen", None, "new@example.com"),
        Reactivate("jürgen"),
    )
    async with calling(receiver) as hook:
        await hook.run(ORDER, WHO, steps)
    expected = [
        {"step": "create", "display_name": "Jürgen", "email": "j@example.com"},
        {"step": "make_group", "group": "a"},
        {"step": "join", "group": "a"},
        {"step": "leave", "group": "b"},
        {"step": "update", "email": "new@example.com"},
        {"step": "reactivate"},
    ]
    assert [expected] == [body["plan"] for body in receiver.bodies]


async def test_another_secret_is_noticed() -> None:
    receiver = Receiver()
    async with calling(receiver, b"guessed") as hook:
        await hook.run(ORDER, WHO, ())
    assert [False] == receiver.genuine


async def test_unknown_groups_are_not_sent_as_none_at_all() -> None:
    receiver = Receiver()
    async with calling(receiver) as hook:
        await hook.run(replace(ORDER, groups=None), WHO, ())
        await hook.run(replace(ORDER, groups=()), WHO, ())
    assert [None, []] == [body["groups"] for body in receiver.bodies]


async def test_the_same_order_brings_the_same_key() -> None:
    receiver = Receiver()
    others = (replace(ORDER, email=None), replace(ORDER, groups=None), replace(ORDER, needed=("a",)))
    async with calling(receiver) as hook:
        for order in (ORDER, ORDER, *others):
            await hook.run(order, WHO, ())
    assert (True, 4) == (receiver.keys[0] == receiver.keys[1], len(set(receiver.keys)))


@pytest.mark.parametrize(("status", "retry"), [(302, False), (403, False), (503, True)])
async def test_anything_but_success_is_a_failure_and_no_redirect_is_followed(status: int, retry: bool) -> None:
    receiver = Receiver(status)
    async with calling(receiver) as hook:
        with pytest.raises(AccountError) as caught:
            await hook.run(ORDER, WHO, ())
    assert (Reason.HOOK_FAILED, retry) == (caught.value.reason, caught.value.retry)
    assert ["POST /hook"] == receiver.paths


async def test_a_receiver_that_is_away_is_a_failure() -> None:
    receiver = Receiver()
    async with RawTestServer(receiver.handle) as server:
        gone = str(server.make_url("/hook"))
    async with open_session(seconds=5) as session:
        with pytest.raises(AccountError) as caught:
            await Webhook("people", session, gone, lambda: SECRET, Noon()).run(ORDER, WHO, ())
    assert (Reason.HOOK_FAILED, True) == (caught.value.reason, caught.value.retry)


@pytest.mark.parametrize(("silent", "calls"), [(True, FAILURES), (False, FAILURES + 3)])
async def test_a_receiver_that_stays_silent_is_left_alone_and_one_that_refuses_is_not(silent: bool, calls: int) -> None:
    receiver, clock = Receiver(503), Noon()
    receiver.silent = silent
    async with calling(receiver, clock=clock) as hook:
        for _ in range(FAILURES + 3):
            with pytest.raises(AccountError) as caught:
                await hook.run(ORDER, WHO, ())
            assert (Reason.HOOK_FAILED, True) == (caught.value.reason, caught.value.retry)
        assert calls == len(receiver.paths)
        receiver.silent, receiver.status = False, 204
        clock.passed += PAUSE
        for _ in range(2):
            await hook.run(ORDER, WHO, ())
        assert calls + 2 == len(receiver.paths)
