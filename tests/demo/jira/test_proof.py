"""The signed assertion: only a fresh one of the right issuer, for this Jira and this person, is believed."""

from __future__ import annotations

import time
from typing import Any

import pytest
from aiohttp import ClientSession, web
from joserfc import jwt
from joserfc.jwk import KeySet, OKPKey

from sidecar.demo.jira import JiraConfig, JiraState, SignedAssertion, serve_jira
from sidecar.demo.jira.proof import Prover

ISSUER, AUDIENCE = "https://jira.example.com/.lychgate", "jira"
KEY = OKPKey.generate_key("Ed25519", parameters={"kid": "one"})
OTHER = OKPKey.generate_key("Ed25519", parameters={"kid": "one"})


async def published() -> dict[str, object]:
    return dict(KeySet([KEY]).as_dict(private=False))


def assertion(key: OKPKey, changes: dict[str, object] | None = None) -> str:
    now = int(time.time())
    claims: dict[str, Any] = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "alice",
        "iat": now,
        "exp": now + 60,
    }
    claims |= changes or {}
    kept = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode({"alg": "Ed25519", "kid": "one"}, kept, key, algorithms=["Ed25519"])


async def believed(token: str) -> bool:
    prover = Prover(SignedAssertion(ISSUER, AUDIENCE, published))
    return await prover.holds("alice", {"X-Lychgate-Assertion": token})


async def test_a_fresh_assertion_is_believed() -> None:
    assert await believed(assertion(KEY))


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://other"},
        {"aud": "confluence"},
        {"sub": "bob"},
        {"exp": -60},
        {"iat": 600, "exp": 660},
        {"exp": 86400},
        {"exp": None},
        {"iat": None},
        {"aud": None},
        {"sub": None},
        {"iss": None},
    ],
    ids=str,
)
async def test_an_assertion_with_a_wrong_claim_is_not(changes: dict[str, object]) -> None:
    """Times are counted from now, which must not stand in a test's name."""
    now = int(time.time())
    timed = {name: now + value if isinstance(value, int) else value for name, value in changes.items()}
    assert not await believed(assertion(KEY, timed))


async def test_another_key_and_garbage_are_not() -> None:
    unsigned = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSJ9."
    tokens = [assertion(OTHER), "", "a.b.c", "nonsense", unsigned]
    assert [False] * 5 == [await believed(token) for token in tokens]


async def test_without_a_configured_proof_nobody_is_believed() -> None:
    assert not await Prover(None).holds("alice", {"X-Lychgate-Secret": ""})


async def test_keys_come_from_a_url() -> None:
    async def jwks(request: web.BaseRequest) -> web.Response:
        return web.json_response(await published())

    runner = web.ServerRunner(web.Server(jwks))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    keys = f"http://127.0.0.1:{runner.addresses[0][1]}/jwks"
    config = JiraConfig(proof=SignedAssertion(ISSUER, AUDIENCE, keys))
    headers = {"X-Lychgate-User": "alice", "X-Lychgate-Assertion": assertion(KEY)}
    async with (
        serve_jira(JiraState.sample(), config) as jira,
        ClientSession() as client,
        client.get(jira.url + "/rest/api/2/myself", headers=headers) as answer,
    ):
        found = await answer.json()
    await runner.cleanup()
    assert found["name"] == "alice"


async def test_keys_that_cannot_be_fetched_prove_nothing() -> None:
    rule = SignedAssertion(ISSUER, AUDIENCE, "http://127.0.0.1:9/jwks")
    assert not await Prover(rule).holds("alice", {"X-Lychgate-Assertion": assertion(KEY)})
