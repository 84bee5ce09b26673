"""Pushed authorization requests (RFC 9126): all of a request goes ahead from here, and the browser carries a word."""

from __future__ import annotations

import base64
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest

from sidecar.adapters.oidc.budget import PushBudget
from sidecar.adapters.oidc.config import ClientAuthentication, Push
from sidecar.adapters.oidc.provider import OidcProvider
from sidecar.domain.reason import Reason
from sidecar.flows.login import AuthorizationRequest, LoginError
from tests.adapters.oidc.stand_in import HandClock, Reply, StandIn

Build = Callable[..., OidcProvider]
Changes = dict[str, Any]

REQUEST = AuthorizationRequest(
    state="CANARY-state",
    nonce="CANARY-nonce",
    verifier="CANARY-verifier-" + "v" * 40,
    redirect_uri="https://x/cb",
    login_hint="ada@example.com",
)
METADATA = {"require_pushed_authorization_requests": True}
REFERENCE = "urn:ietf:params:oauth:request_uri:6esc 11ACC5bwc014ltc14eY22c".replace(" ", "_")


@pytest.fixture
def demanding(server: StandIn) -> StandIn:
    """A provider that takes nothing but pushed requests."""
    server.metadata |= {**METADATA, "pushed_authorization_request_endpoint": f"{server.issuer}/push"}
    server.replies["/push"] = Reply({"request_uri": REFERENCE, "expires_in": 60}, status=201)
    return server


@pytest.mark.parametrize(
    ("push", "demands", "pushed"),
    [
        (Push.AUTO, True, True),
        (Push.AUTO, False, False),
        (Push.AUTO, None, False),
        (Push.AUTO, "true", False),
        (Push.ALWAYS, False, True),
        (Push.ALWAYS, None, True),
        (Push.NEVER, True, False),
    ],
)
async def test_who_is_pushed(demanding: StandIn, build: Build, push: Push, demands: object, pushed: bool) -> None:
    demanding.metadata["require_pushed_authorization_requests"] = demands
    url = await build(push=push).authorization_url(REQUEST)
    assert (pushed, int(pushed)) == ("request_uri=" in url, demanding.counts["/push"])
    assert pushed is ("state=" not in url)


AUTHENTICATIONS: dict[str, Changes] = {
    "basic": {},
    "post": {"authentication": ClientAuthentication.POST},
    "none": {"authentication": ClientAuthentication.NONE, "client_secret": None},
}


@pytest.mark.parametrize("way", AUTHENTICATIONS)
async def test_all_of_the_request_goes_ahead(demanding: StandIn, build: Build, way: str) -> None:
    """`private_key_jwt` is in `test_assertion`."""
    provider = build(**AUTHENTICATIONS[way])
    plain = await build(push=Push.NEVER, **AUTHENTICATIONS[way]).authorization_url(REQUEST)
    await provider.authorization_url(REQUEST)
    sent = parse_qsl(demanding.last("/push").text)
    secret = [("client_secret", "CANARY-client-secret")] if way == "post" else []
    assert sorted([*parse_qsl(urlsplit(plain).query), *secret]) == sorted(sent)
    field = demanding.last("/push").headers.get("Authorization", "")
    expected = "Basic " + base64.b64encode(b"gate:CANARY-client-secret").decode() if way == "basic" else ""
    assert expected == field


async def test_the_browser_carries_the_reference_and_the_query_of_the_endpoint(
    demanding: StandIn, build: Build
) -> None:
    demanding.metadata["authorization_endpoint"] = f"{demanding.issuer}/authorize?tenant=a%26b&empty="
    demanding.replies["/push"] = Reply({"request_uri": "urn:x?a=b&state=c#d"}, status=201)
    url = await build().authorization_url(REQUEST)
    assert url.startswith(f"{demanding.issuer}/authorize?")
    expected = [("tenant", "a&b"), ("empty", ""), ("client_id", "gate"), ("request_uri", "urn:x?a=b&state=c#d")]
    assert expected == parse_qsl(urlsplit(url).query, keep_blank_values=True)
    assert "" == urlsplit(url).fragment


FAILURES: list[tuple[Reply, Reason]] = [
    (Reply({"error": "invalid_request", "error_description": "no"}, status=400), Reason.PROVIDER_MISCONFIGURED),
    (Reply({"error": "invalid_client"}, status=401), Reason.PROVIDER_MISCONFIGURED),
    (Reply({"error": "access_denied"}, status=403), Reason.PROVIDER_REFUSED),
    (Reply(b"<html>", status=404), Reason.PROVIDER_REFUSED),
    (Reply({}, status=413), Reason.PROVIDER_REFUSED),
    (Reply({}, status=429), Reason.PROVIDER_UNREACHABLE),
    (Reply({"request_uri": "urn:x"}, status=500), Reason.PROVIDER_UNREACHABLE),
    (Reply({"request_uri": "urn:x"}, status=307, headers={"Location": "/elsewhere"}), Reason.PROVIDER_MISCONFIGURED),
    (Reply({}, status=201), Reason.PROVIDER_MISCONFIGURED),
    (Reply({"request_uri": ""}, status=201), Reason.PROVIDER_MISCONFIGURED),
    (Reply({"request_uri": ["urn:x"]}, status=201), Reason.PROVIDER_MISCONFIGURED),
    (Reply({"request_uri": "urn:x y"}, status=201), Reason.PROVIDER_MISCONFIGURED),
    (Reply({"request_uri": "urn:\r\nx"}, status=201), Reason.PROVIDER_MISCONFIGURED),
    (Reply({"request_uri": "urn:ä"}, status=201), Reason.PROVIDER_MISCONFIGURED),
    (Reply({"request_uri": "u" * 513}, status=201), Reason.PROVIDER_MISCONFIGURED),
    (Reply(b"[]", status=201), Reason.PROVIDER_MISCONFIGURED),
    (Reply(b"x" * 1_100_000, status=201), Reason.PROVIDER_MISCONFIGURED),
]


@pytest.mark.parametrize(("reply", "reason"), FAILURES)
async def test_a_push_that_fails_sends_nobody_anywhere(
    demanding: StandIn, build: Build, reply: Reply, reason: Reason
) -> None:
    demanding.replies["/push"] = reply
    with pytest.raises(LoginError) as caught:
        await build().authorization_url(REQUEST)
    assert (reason, 0) == (caught.value.reason, demanding.counts["/elsewhere"])


@pytest.mark.parametrize("endpoint", [None, "https://elsewhere.example/push", "ftp://x/push", 5])
async def test_demanded_without_a_usable_address(demanding: StandIn, build: Build, endpoint: object) -> None:
    demanding.metadata["pushed_authorization_request_endpoint"] = endpoint
    with pytest.raises(LoginError) as caught:
        await build().authorization_url(REQUEST)
    assert (Reason.PROVIDER_MISCONFIGURED, 0) == (caught.value.reason, demanding.counts["/push"])


async def test_an_address_of_the_configuration_counts(demanding: StandIn, build: Build) -> None:
    demanding.metadata["pushed_authorization_request_endpoint"] = "https://elsewhere.example/push"
    url = await build(push_endpoint=f"{demanding.issuer}/push").authorization_url(REQUEST)
    assert [REFERENCE] == parse_qs(urlsplit(url).query)["request_uri"]


async def test_what_was_pushed_does_not_come_back_in_errors(demanding: StandIn, build: Build) -> None:
    said = "bad CANARY-state CANARY-nonce CANARY-client-secret ada@example.com ada%40example.com " + REQUEST.verifier
    demanding.replies["/push"] = Reply({"error": "invalid_request", "error_description": said}, status=400)
    with pytest.raises(LoginError) as caught:
        await build(hint="of the token endpoint").authorization_url(REQUEST)
    assert "CANARY" not in caught.value.detail
    assert "ada" not in caught.value.detail
    assert "of the token endpoint" not in caught.value.detail
    assert "invalid_request" in caught.value.detail


async def test_a_site_may_name_a_parameter_as_it_likes(demanding: StandIn, build: Build) -> None:
    names = ("url", "uri", "self", "kwargs", "audience")
    provider = build(authorize_params=tuple((name, "a b&c") for name in names), push=Push.NEVER)
    query = parse_qs(urlsplit(await provider.authorization_url(REQUEST)).query)
    assert [["a b&c"]] * len(names) == [query[name] for name in names]


async def test_the_budget_stands_before_the_provider(demanding: StandIn, build: Build, clock: HandClock) -> None:
    provider = build()
    for _ in range(100):
        await provider.authorization_url(REQUEST)
    with pytest.raises(LoginError) as caught:
        await provider.authorization_url(REQUEST)
    assert (Reason.TOO_MANY_SIGN_INS, 100) == (caught.value.reason, demanding.counts["/push"])
    clock.seconds += 1
    await provider.authorization_url(REQUEST)


def fits(budget: PushBudget) -> bool:
    try:
        with budget.one():
            return True
    except LoginError as error:
        return error.reason is not Reason.TOO_MANY_SIGN_INS


def test_so_many_at_once(clock: HandClock) -> None:
    budget = PushBudget(clock, at_once=3)
    with ExitStack() as under_way:
        for _ in range(3):
            under_way.enter_context(budget.one())
        clock.seconds += 3600
        assert not fits(budget)
    assert fits(budget)


def test_one_that_failed_gives_its_place_back(clock: HandClock) -> None:
    budget = PushBudget(clock, at_once=1)
    for _ in range(5):
        with pytest.raises(OSError), budget.one():
            raise OSError
    assert fits(budget)


def test_a_refused_one_takes_no_place(clock: HandClock) -> None:
    budget = PushBudget(clock, at_once=1)
    with budget.one():
        assert not fits(budget)
        assert not fits(budget)
    assert fits(budget)


BURSTS = [
    # per second, burst, then after so many seconds so many more fit
    (20.0, 100.0, [(0.0, 100), (0.0, 0), (0.049, 0), (0.002, 1), (1.0, 20), (3600.0, 100)]),
    (1.0, 2.0, [(0.0, 2), (1.0, 1), (2.0, 2), (10.0, 2)]),
    (0.5, 1.0, [(0.0, 1), (1.0, 0), (1.0, 1)]),
    (1.0, 1.0, [(0.0, 1), (-50.0, 0), (51.0, 1)]),
]


@pytest.mark.parametrize(("per_second", "burst", "steps"), BURSTS)
def test_so_many_per_second_after_a_burst(
    clock: HandClock, per_second: float, burst: float, steps: list[tuple[float, int]]
) -> None:
    budget = PushBudget(clock, per_second=per_second, burst=burst)
    for wait, expected in steps:
        clock.seconds += wait
        assert expected == sum(fits(budget) for _ in range(int(burst) + 1)), (wait, expected)
