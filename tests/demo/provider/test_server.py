"""The server of the demo provider: loopback only, exact paths, a log that tells no secret."""

from __future__ import annotations

import asyncio
import logging

import pytest
from yarl import URL

from sidecar.demo.provider import Client, Person, Provider, serve_provider
from tests.demo.provider.relying_party import ANNA, GATE, RETURN_TO, RelyingParty


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "", "localhost", "127.0.0.2", "10.0.0.1", "127.0.0.1 ", "::ffff:0:0"]
)
async def test_it_listens_on_loopback_only(host: str) -> None:
    with pytest.raises(ValueError, match=r"127\.0\.0\.1"):
        async with serve_provider(Provider([], []), host=host):
            pass


async def test_it_speaks_ipv6_too() -> None:
    async with serve_provider(Provider([ANNA], [GATE]), host="::1") as running:
        assert running.issuer.startswith("http://[::1]:")


async def test_discovery_names_this_provider(party: RelyingParty) -> None:
    issuer = party.running.issuer
    document = (await party.call("GET", "/.well-known/openid-configuration")).json
    assert issuer == document["issuer"]
    for name in ("authorization", "token", "userinfo", "end_session"):
        assert document[f"{name}_endpoint"].startswith(issuer + "/")
    assert issuer + "/jwks" == document["jwks_uri"]
    assert ["S256"] == document["code_challenge_methods_supported"]
    assert document["authorization_response_iss_parameter_supported"] is True


async def test_keys_are_public_and_differ_between_runs(party: RelyingParty) -> None:
    (key,) = (await party.call("GET", "/jwks")).json["keys"]
    assert {"kty", "n", "e", "kid", "use", "alg"} == set(key)
    async with serve_provider(Provider([ANNA], [GATE])) as second:
        other = await party.http.get(second.issuer + "/jwks")
        assert (await other.json())["keys"][0]["n"] != key["n"]


@pytest.mark.parametrize("keep_old", [True, False])
async def test_a_rotated_key_signs_and_the_old_one_may_stay(party: RelyingParty, keep_old: bool) -> None:
    (old,) = (await party.call("GET", "/jwks")).json["keys"]
    kid = party.running.rotate_key(keep_old=keep_old)
    kids = [key["kid"] for key in (await party.call("GET", "/jwks")).json["keys"]]
    assert ([kid, old["kid"]] if keep_old else [kid]) == kids
    claims = await party.verified((await party.tokens())["id_token"])
    assert "sub-anna" == claims["sub"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/authorize/", 404),
        ("GET", "/%61uthorize", 404),
        ("GET", "/token", 405),
        ("DELETE", "/authorize", 405),
        ("GET", "/style.css", 200),
    ],
)
async def test_paths_and_methods_are_exact(party: RelyingParty, method: str, path: str, status: int) -> None:
    url = URL(party.running.issuer + path, encoded=True)
    async with party.http.request(method, url) as answer:
        assert status == answer.status


async def test_another_host_name_gets_nothing(party: RelyingParty) -> None:
    headers = {"Host": "rebound.example"}
    answer = await party.call("GET", "/authorize", params=party.request(), headers=headers)
    assert (421, False) == (answer.status, "anna" in answer.text)


async def test_calls_are_counted_by_endpoint(party: RelyingParty) -> None:
    await party.tokens()
    await party.call("GET", "/made-up")
    assert {"authorize": 1, "choose": 1, "token": 1, "unknown": 1} == dict(party.running.counts)


async def test_the_log_tells_no_secret(party: RelyingParty, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    tokens = await party.tokens(state="canary-state", nonce="canary-nonce")
    await party.userinfo(tokens["access_token"])
    await party.refresh(tokens["refresh_token"])
    await party.call("GET", "/end_session", params={"id_token_hint": tokens["id_token"]})
    party.running.provider.people["anna"] = None  # type: ignore[assignment]
    assert 500 == (await party.authorize(state="canary-state")).status
    await _unreadable(party, b"GET /authorize?canary HTTP/1.1\r\nHost: a\r\ncanary : x\r\n\r\n")
    assert "canary" not in caplog.text
    assert GATE.secret not in caplog.text
    assert [] == [secret for secret in party.seen if secret in caplog.text]
    assert "GET authorize 200" in caplog.text
    assert "authorize failed with AttributeError" in caplog.text


async def _unreadable(party: RelyingParty, request: bytes) -> None:
    host, _, port = party.running.issuer.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(request)
    assert b"400" == (await reader.readline()).split()[1]
    writer.close()
    await writer.wait_closed()


def test_a_secret_is_not_in_a_clients_repr() -> None:
    assert "hidden" not in repr(Client("a", "hidden", (RETURN_TO,)))


def test_people_and_clients_are_told_apart() -> None:
    twin = Person("other", ANNA.sub, {}, "Other", "Story.")
    for people, clients in [([ANNA, ANNA], []), ([ANNA, twin], []), ([], [GATE, GATE])]:
        with pytest.raises(ValueError, match="two"):
            Provider(people, clients)
