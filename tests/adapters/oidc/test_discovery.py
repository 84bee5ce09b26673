"""adapters.oidc.discovery: only the configured issuer is believed, only known hosts get people, codes and secrets."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import aiohttp
import pytest

from sidecar.adapters.oidc.config import ClientAuthentication, ProviderConfig, is_safe_url
from sidecar.adapters.oidc.discovery import Discovery
from sidecar.adapters.oidc.http import Outbound
from sidecar.domain.reason import Reason
from sidecar.flows.login import LoginError
from tests.adapters.oidc.stand_in import HandClock, Reply, StandIn

PATH = "/.well-known/openid-configuration"


@pytest.fixture
def make(server: StandIn, session: aiohttp.ClientSession, clock: HandClock) -> Any:
    return lambda **changes: Discovery(server.config(**changes), Outbound(session), clock)


async def fault(discovery: Discovery, reason: Reason = Reason.PROVIDER_MISCONFIGURED) -> str:
    with pytest.raises(LoginError) as caught:
        await discovery.get()
    assert caught.value.reason == reason
    return caught.value.detail


async def test_metadata_are_read_once(server: StandIn, make: Any) -> None:
    discovery = make()
    many = await asyncio.gather(*(discovery.get() for _ in range(20)))
    assert {one.token_endpoint for one in many} == {f"{server.issuer}/token"}
    assert many[0].promises_issuer is False
    assert server.counts[PATH] == 1


@pytest.mark.parametrize("issuer", ["{issuer}/", "{issuer}?", "https://other.example.com", None, ["{issuer}"], ""])
async def test_another_issuer_is_refused(server: StandIn, make: Any, issuer: Any) -> None:
    spelled = issuer.format(issuer=server.issuer) if isinstance(issuer, str) else issuer
    server.metadata["issuer"] = [server.issuer] if isinstance(spelled, list) else spelled
    assert "another issuer" in await fault(make())


@pytest.mark.parametrize("name", ["authorization_endpoint", "token_endpoint", "jwks_uri"])
@pytest.mark.parametrize(
    ("url", "word"),
    [
        (None, "have no"),
        (5, "have no"),
        ("", "not an https"),
        ("/relative", "not an https"),
        ("http://id.example.com/x", "not an https"),
        ("javascript:alert(1)", "not an https"),
        ("https://evil.example.com/x", "not among"),
        ("https://127.0.0.1.evil.example/x", "not among"),
        ("https://evil127.0.0.1/x", "not among"),
        ("https://u:p@127.0.0.1/x", "not an https"),
        ("https://127.0.0.1/x#f", "not an https"),
        ("https://127.0.0.1\\@evil.example/x", "not an https"),
        ("https://127.0.0.1:99999/x", "not an https"),
        ("http://127.0.0.1:9/x", "not among"),
    ],
)
async def test_a_required_endpoint_lies_where_it_may(
    server: StandIn, make: Any, name: str, url: Any, word: str
) -> None:
    server.metadata[name] = url
    assert word in await fault(make())


async def test_other_hosts_must_be_listed_whole(server: StandIn, make: Any) -> None:
    server.metadata["token_endpoint"] = "https://Login.example.com/token"
    assert (await make(endpoint_hosts=frozenset({"login.example.com"})).get()).token_endpoint.endswith("/token")
    for near in ("example.com", "xlogin.example.com", "login.example.com.evil", "login.example.com:8443"):
        await fault(make(endpoint_hosts=frozenset({near})))


async def test_an_optional_endpoint_elsewhere_is_left_out_and_said(
    server: StandIn, make: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    server.metadata["userinfo_endpoint"] = "https://graph.example.com/userinfo"
    metadata = await make().get()
    assert (metadata.userinfo_endpoint, metadata.end_session_endpoint) == (None, f"{server.issuer}/logout")
    assert "userinfo_endpoint" in caplog.text


async def test_overrides_win(server: StandIn, make: Any) -> None:
    metadata = await make(token_endpoint="https://elsewhere.example/t").get()
    assert metadata.token_endpoint == "https://elsewhere.example/t"
    assert metadata.jwks_uri == f"{server.issuer}/jwks"


async def test_with_all_required_endpoints_given_nobody_is_asked(server: StandIn, make: Any) -> None:
    given = dict.fromkeys(("authorization_endpoint", "token_endpoint", "jwks_uri"), "https://x.example/")
    metadata = await make(**given).get()
    assert (metadata.jwks_uri, metadata.userinfo_endpoint) == ("https://x.example/", None)
    assert server.counts[PATH] == 0


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Reply({}, status=404), Reason.PROVIDER_MISCONFIGURED),
        (Reply(b"<html>"), Reason.PROVIDER_MISCONFIGURED),
        (Reply({}, status=302, headers={"Location": "/"}), Reason.PROVIDER_MISCONFIGURED),
        (Reply(b" " * 600_000), Reason.PROVIDER_MISCONFIGURED),
        (Reply({}, status=503), Reason.PROVIDER_UNREACHABLE),
    ],
)
async def test_a_bad_answer_is_no_metadata(server: StandIn, make: Any, reply: Reply, reason: Reason) -> None:
    server.replies[PATH] = reply
    await fault(make(), reason)


async def test_a_failed_provider_is_left_alone_for_a_moment(server: StandIn, make: Any, clock: HandClock) -> None:
    server.replies[PATH] = Reply({}, status=503)
    discovery = make()
    for _ in range(3):
        await fault(discovery, Reason.PROVIDER_UNREACHABLE)
    assert server.counts[PATH] == 1
    del server.replies[PATH]
    clock.seconds += 10
    assert (await discovery.get()).token_endpoint == f"{server.issuer}/token"


async def test_a_cancelled_wait_does_not_cancel_the_fetch(server: StandIn, make: Any) -> None:
    server.gate = asyncio.Event()
    discovery = make()
    first, second = (asyncio.create_task(discovery.get()) for _ in range(2))
    await asyncio.wait_for(server.came.wait(), 10)
    first.cancel()
    server.gate.set()
    assert (await second).token_endpoint == f"{server.issuer}/token"
    assert server.counts[PATH] == 1
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_the_slash_at_the_end_of_an_issuer_is_part_of_it(server: StandIn, make: Any) -> None:
    with_slash = server.issuer + "/"
    server.metadata["issuer"] = with_slash
    assert (await make(issuer=with_slash).get()).token_endpoint == f"{server.issuer}/token"


@pytest.mark.parametrize(
    "wrong",
    [
        {"issuer": "http://id.example.com"},
        {"issuer": "https://id.example.com?x"},
        {"issuer": "https://id.example.com#x"},
        {"issuer": "id.example.com"},
        {"client_id": ""},
        {"client_secret": None},
        {"authentication": ClientAuthentication.NONE},
        {"scopes": ("profile",)},
        {"algorithms": ("none",)},
        {"algorithms": ()},
        {"authorize_params": (("state", "x"),)},
        {"authorize_params": (("redirect_uri", "x"),)},
        {"token_endpoint": "http://id.example.com/token"},
    ],
)
def test_a_configuration_that_cannot_work_is_refused(wrong: dict[str, Any]) -> None:
    good: dict[str, Any] = {"name": "n", "issuer": "https://id.example.com", "client_id": "c", "client_secret": "s"}
    ProviderConfig(**good)
    with pytest.raises(ValueError):
        ProviderConfig(**(good | wrong))


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("https://id.example.com/x?y=z", True),
        ("http://localhost:8080", True),
        ("http://127.0.0.2", True),
        ("http://[::1]:80/", True),
        ("http://localhost.example.com", False),
        ("http://127.0.0.1.example.com", False),
        ("http://id.example.com", False),
        ("ftp://id.example.com", False),
        ("https://", False),
        ("https://a b", False),
        ("https://a\n", False),
        ("https://[::1", False),
        ("https://ü.example", False),
    ],
)
def test_safe_urls(url: str, safe: bool) -> None:
    assert is_safe_url(url) is safe
    assert is_safe_url("http://id.example.com", allow_http=True)
