"""The faults of the demo provider: each does what its name says, and nothing else."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from base64 import urlsafe_b64decode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import RawTestServer
from joserfc import jwt
from joserfc.errors import (
    BadSignatureError,
    InvalidKeyIdError,
    JoseError,
    UnsupportedAlgorithmError,
)
from joserfc.jwk import ECKey, KeySet, RSAKey

from sidecar.demo.provider import Client, Fault
from tests.demo.provider.relying_party import GATE, RETURN_TO, RelyingParty, parts, relying_party

DAY = 86_400
ELSEWHERE = "https://elsewhere.invalid"
ABSENT = object()

# What differs from a right ID token: claim and new value; numbers of times are moved by a day.
CHANGED: dict[Fault, dict[str, object]] = {
    Fault.WRONG_AUD: {"aud": "another-client"},
    Fault.WRONG_ISSUER: {"iss": ELSEWHERE},
    Fault.WRONG_NONCE: {"nonce": "a-nonce-that-nobody-asked-for"},
    Fault.MISSING_NONCE: {"nonce": ABSENT},
    Fault.MISSING_IAT: {"iat": ABSENT},
    Fault.MISSING_SUB: {"sub": ABSENT},
    Fault.EXPIRED: {"iat": -DAY, "exp": 300 - DAY},
    Fault.FUTURE_IAT: {"iat": DAY, "exp": 300 + DAY},
    Fault.WRONG_AT_HASH: {"at_hash": "A" * 22},
    Fault.MULTIPLE_AUD_NO_AZP: {"aud": ["gate:1", "another-client"], "azp": ABSENT},
    Fault.OTHER_AZP: {"azp": "another-client"},
    Fault.MISSING_AUD: {"aud": ABSENT},
    Fault.EMPTY_AUD: {"aud": []},
    Fault.MISSING_ISSUER: {"iss": ABSENT},
    Fault.MISSING_EXP: {"exp": ABSENT},
    Fault.EXP_BEYOND_TIME: {"exp": 1e300},
    Fault.OTHER_SUB: {"sub": "another-sub"},
    Fault.EMPTY_SUB: {"sub": ""},
    Fault.MISSING_AT_HASH: {"at_hash": ABSENT},
    Fault.GROUPS_ONLY_IN_USERINFO: {"groups": ABSENT},
    Fault.GROUPS_MISSING: {"groups": ABSENT},
    Fault.GROUPS_STRING: {"groups": "jira-users,jira-admins"},
    Fault.GROUPS_OVERAGE_ENTRA: {
        "groups": ABSENT,
        "_claim_names": {"groups": "src1"},
        "_claim_sources": {"src1": {"endpoint": f"{ELSEWHERE}/users/1/getMemberObjects"}},
    },
}
SIGNATURE = {
    Fault.ALG_NONE,
    Fault.HS256_WITH_PUBLIC_KEY,
    Fault.BAD_SIGNATURE,
    Fault.NO_KID,
    Fault.UNKNOWN_KID,
    Fault.JWK_HEADER,
    Fault.ACCESS_TOKEN_TYP,
    Fault.NO_KID_MANY_KEYS,
    Fault.KEY_CHANGED_BEFORE_SIGNING,
    Fault.HS256_BAD_SIGNATURE,
    Fault.ES256_BAD_SIGNATURE,
    Fault.CRIT_HEADER,
    Fault.JKU_HEADER,
    Fault.X5U_HEADER,
    Fault.X5C_HEADER,
    Fault.DUPLICATE_CLAIM,
}
ELSEWHERE_TESTED = {
    Fault.USERINFO_OTHER_SUB,
    Fault.DISCOVERY_OTHER_ISSUER,
    Fault.DISCOVERY_FOREIGN_ENDPOINT,
    Fault.JWKS_500,
    Fault.JWKS_ONE_BAD_KEY,
    Fault.TOKEN_500,
    Fault.TOKEN_SLOW,
    Fault.TOKEN_NOT_JSON,
    Fault.TOKEN_HUGE,
    Fault.EMPTY_ID_TOKEN,
    Fault.RESPONSE_WITHOUT_ISS,
    Fault.RESPONSE_OTHER_ISS,
    Fault.LOGOUT_WITH_NONCE,
    Fault.LOGOUT_WITHOUT_EVENT,
    # In test_forging.py.
    Fault.ENCRYPTED,
    Fault.GROUPS_AGGREGATED,
    Fault.USERINFO_MISSING_SUB,
    Fault.USERINFO_SIGNED,
    Fault.USERINFO_401,
    Fault.DISCOVERY_WITHOUT_JWKS_URI,
    Fault.DISCOVERY_MTLS_ALIASES,
    Fault.JWKS_EMPTY,
    Fault.TOKEN_REFLECTS,
    Fault.NO_ID_TOKEN,
    Fault.KEEPS_REFRESH_TOKEN,
}

GROUPS_IN_USERINFO: dict[Fault, object] = {
    Fault.GROUPS_ONLY_IN_USERINFO: ["jira-users", "jira-admins"],
    Fault.GROUPS_MISSING: ABSENT,
    Fault.GROUPS_STRING: "jira-users,jira-admins",
    Fault.GROUPS_OVERAGE_ENTRA: ABSENT,
}


def test_every_fault_has_its_test() -> None:
    assert set(Fault) == set(CHANGED) | SIGNATURE | ELSEWHERE_TESTED


async def both(party: RelyingParty, fault: Fault) -> tuple[dict[str, Any], dict[str, Any]]:
    """The answers of the token endpoint to a right and to a spoiled redemption."""
    right = await party.tokens()
    code = (await party.authorize()).returned["code"]
    party.running.provider.fault = fault
    return right, (await party.redeem(code)).json


@pytest.mark.parametrize("fault", list(CHANGED))
async def test_a_fault_of_the_claims_changes_just_these(party: RelyingParty, fault: Fault) -> None:
    right, spoiled = await both(party, fault)
    expected = {**await party.verified(right["id_token"]), **CHANGED[fault]}
    for time in ("iat", "exp"):
        if isinstance(CHANGED[fault].get(time), int):
            expected[time] += int(party.clock.seconds)
    claims = await party.verified(spoiled["id_token"])
    # The access token is another one, and with it the hash.
    if "at_hash" not in CHANGED[fault]:
        expected["at_hash"] = claims["at_hash"]
    assert {name: value for name, value in expected.items() if value is not ABSENT} == claims


@pytest.mark.parametrize("fault", sorted(SIGNATURE, key=str), ids=lambda fault: fault.name)
async def test_a_fault_of_the_signature_leaves_the_claims(party: RelyingParty, fault: Fault) -> None:
    right, spoiled = await both(party, fault)
    expected, claims = parts(right["id_token"])[1], parts(spoiled["id_token"])[1]
    assert {**expected, "at_hash": claims["at_hash"]} == claims


async def spoiled_token(party: RelyingParty, fault: Fault) -> tuple[str, dict[str, Any], RSAKey]:
    """The spoiled token, its header, and the one published key."""
    _, spoiled = await both(party, fault)
    (published,) = (await party.call("GET", "/jwks")).json["keys"]
    token = spoiled["id_token"]
    return token, parts(token)[0], RSAKey.import_key(published)


async def test_alg_none(party: RelyingParty) -> None:
    token, header, key = await spoiled_token(party, Fault.ALG_NONE)
    assert {"alg": "none", "kid": key.kid, "typ": "JWT"} == header
    assert token.endswith(".")
    with pytest.raises(UnsupportedAlgorithmError):
        await party.verified(token)


async def test_hs256_with_the_public_key(party: RelyingParty) -> None:
    token, header, key = await spoiled_token(party, Fault.HS256_WITH_PUBLIC_KEY)
    assert ("HS256", key.kid) == (header["alg"], header["kid"])
    text, _, signature = token.rpartition(".")
    expected = hmac.digest(key.as_pem(private=False), text.encode(), hashlib.sha256)
    assert expected == urlsafe_b64decode(signature + "==")


async def test_bad_signature(party: RelyingParty) -> None:
    token, header, key = await spoiled_token(party, Fault.BAD_SIGNATURE)
    assert {"alg": "RS256", "kid": key.kid, "typ": "JWT"} == header
    with pytest.raises(BadSignatureError):
        await party.verified(token)


async def test_no_kid(party: RelyingParty) -> None:
    token, header, _ = await spoiled_token(party, Fault.NO_KID)
    assert {"alg": "RS256", "typ": "JWT"} == header
    assert "sub-anna" == (await party.verified(token))["sub"]


async def test_unknown_kid(party: RelyingParty) -> None:
    token, header, key = await spoiled_token(party, Fault.UNKNOWN_KID)
    assert "never-published" == header["kid"]
    with pytest.raises(InvalidKeyIdError):
        await party.verified(token)
    # Nothing else is wrong with it: whoever tries every key is caught.
    assert "sub-anna" == jwt.decode(token, key, algorithms=["RS256"]).claims["sub"]


async def test_jwk_header(party: RelyingParty) -> None:
    token, header, key = await spoiled_token(party, Fault.JWK_HEADER)
    assert ("ES256", key.kid) == (header["alg"], header["kid"])
    with pytest.raises(UnsupportedAlgorithmError):
        await party.verified(token)
    # Nothing else is wrong with it: whoever takes the key from the header is caught.
    brought = ECKey.import_key(header["jwk"])
    assert "sub-anna" == jwt.decode(token, brought, algorithms=["ES256"]).claims["sub"]


async def test_access_token_typ(party: RelyingParty) -> None:
    token, header, key = await spoiled_token(party, Fault.ACCESS_TOKEN_TYP)
    assert {"alg": "RS256", "kid": key.kid, "typ": "at+jwt"} == header
    assert "sub-anna" == (await party.verified(token))["sub"]


@pytest.mark.parametrize("fault", GROUPS_IN_USERINFO)
async def test_groups_in_userinfo(party: RelyingParty, fault: Fault) -> None:
    _, spoiled = await both(party, fault)
    claims = (await party.userinfo(spoiled["access_token"])).json
    assert GROUPS_IN_USERINFO[fault] == claims.get("groups", ABSENT)


async def test_userinfo_other_sub(party: RelyingParty) -> None:
    _, spoiled = await both(party, Fault.USERINFO_OTHER_SUB)
    assert "another-sub" == (await party.userinfo(spoiled["access_token"])).json["sub"]
    assert "sub-anna" == (await party.verified(spoiled["id_token"]))["sub"]


@pytest.mark.parametrize(
    ("fault", "changed"),
    [
        (Fault.DISCOVERY_OTHER_ISSUER, {"issuer": ELSEWHERE}),
        (Fault.DISCOVERY_FOREIGN_ENDPOINT, {"token_endpoint": f"{ELSEWHERE}/token"}),
    ],
)
async def test_discovery(party: RelyingParty, fault: Fault, changed: dict[str, str]) -> None:
    right = (await party.call("GET", "/.well-known/openid-configuration")).json
    party.running.provider.fault = fault
    spoiled = (await party.call("GET", "/.well-known/openid-configuration")).json
    assert {**right, **changed} == spoiled


async def test_jwks_500(party: RelyingParty) -> None:
    party.running.provider.fault = Fault.JWKS_500
    assert 500 == (await party.call("GET", "/jwks")).status


async def test_jwks_one_bad_key(party: RelyingParty) -> None:
    right = (await party.call("GET", "/jwks")).json["keys"]
    party.running.provider.fault = Fault.JWKS_ONE_BAD_KEY
    spoiled = (await party.call("GET", "/jwks")).json
    assert right == spoiled["keys"][1:]
    with pytest.raises((JoseError, KeyError, ValueError)):
        KeySet.import_key_set(spoiled)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fault", "status", "kind"),
    [(Fault.TOKEN_500, 500, "text/plain"), (Fault.TOKEN_NOT_JSON, 200, "text/html")],
)
async def test_a_broken_token_endpoint(party: RelyingParty, fault: Fault, status: int, kind: str) -> None:
    code = await party.sign_in()
    party.running.provider.fault = fault
    answer = await party.redeem(code)
    assert (status, kind) == (answer.status, answer.headers["Content-Type"].split(";")[0])
    # The code was not touched.
    party.running.provider.fault = None
    assert 200 == (await party.redeem(code)).status


async def test_token_slow_waits_until_the_fault_is_gone(party: RelyingParty) -> None:
    code = await party.sign_in()
    party.running.provider.fault = Fault.TOKEN_SLOW
    waiting = asyncio.create_task(party.redeem(code))
    for _ in range(500):
        if party.running.counts["token"]:
            break
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.05)
    assert (1, False) == (party.running.counts["token"], waiting.done())
    party.running.provider.fault = None
    assert 200 == (await waiting).status


async def test_token_slow_ends_by_itself(party: RelyingParty) -> None:
    code = await party.sign_in()
    party.running.provider.fault = Fault.TOKEN_SLOW
    party.running.provider.slow_seconds = 0.04
    assert 200 == (await party.redeem(code)).status


async def test_token_huge(party: RelyingParty) -> None:
    _, spoiled = await both(party, Fault.TOKEN_HUGE)
    assert 8 * 1024 * 1024 == len(spoiled["padding"])
    assert "sub-anna" == (await party.verified(spoiled["id_token"]))["sub"]


async def test_empty_id_token(party: RelyingParty) -> None:
    right, spoiled = await both(party, Fault.EMPTY_ID_TOKEN)
    assert "" == spoiled["id_token"]
    assert set(right) == set(spoiled)


@pytest.mark.parametrize(("fault", "iss"), [(Fault.RESPONSE_WITHOUT_ISS, None), (Fault.RESPONSE_OTHER_ISS, ELSEWHERE)])
async def test_the_authorization_response(party: RelyingParty, fault: Fault, iss: str | None) -> None:
    party.running.provider.fault = fault
    allowed = await party.press(await party.authorize(), person="anna")
    refused = await party.press(await party.authorize(prompt="login"), cancel="yes")
    assert [iss, iss] == [allowed.returned.get("iss"), refused.returned.get("iss")]
    assert 200 == (await party.redeem(allowed.returned["code"])).status


@asynccontextmanager
async def logout_token(fault: Fault) -> AsyncIterator[tuple[RelyingParty, str]]:
    """The logout token that a client gets while the provider has this fault."""
    received: list[str] = []

    async def receive(request: web.BaseRequest) -> web.StreamResponse:
        received.append((await request.text()).removeprefix("logout_token="))
        return web.Response()

    async with RawTestServer(receive, host="127.0.0.1") as server:
        client = Client("told", "secret", (RETURN_TO,), (), str(server.make_url("/bcl")))
        async with relying_party(client) as party:
            await party.sign_in()
            party.running.provider.fault = fault
            await party.running.end_session_of("sub-anna")
            (token,) = received
            yield party, token


async def test_a_logout_token_with_a_nonce_or_without_its_event() -> None:
    async with logout_token(Fault.LOGOUT_WITH_NONCE) as (party, token):
        assert {"nonce", "events"} <= set(await party.verified(token))
    async with logout_token(Fault.LOGOUT_WITHOUT_EVENT) as (party, token):
        assert set() == {"nonce", "events"} & set(await party.verified(token))


async def test_the_faults_of_id_tokens_spoil_logout_tokens_where_they_can() -> None:
    async with logout_token(Fault.ALG_NONE) as (_, token):
        assert "none" == parts(token)[0]["alg"]
    async with logout_token(Fault.WRONG_AUD) as (_, token):
        assert "another-client" == parts(token)[1]["aud"]
    async with logout_token(Fault.WRONG_NONCE) as (_, token):
        assert ("told", False) == (parts(token)[1]["aud"], "nonce" in parts(token)[1])


async def test_no_fault_touches_a_refresh_beyond_its_name(party: RelyingParty) -> None:
    right = await party.tokens()
    party.running.provider.fault = Fault.WRONG_AUD
    spoiled = (await party.refresh(right["refresh_token"])).json
    assert "another-client" == (await party.verified(spoiled["id_token"]))["aud"]
    party.running.provider.fault = None
    healthy = (await party.refresh(spoiled["refresh_token"])).json
    assert GATE.client_id == (await party.verified(healthy["id_token"]))["aud"]
