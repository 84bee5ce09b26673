"""Tokens of the demo provider that are signed as no provider should, and its smaller faults: each spoils one thing."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from typing import Any

import pytest
from joserfc import jwt
from joserfc.errors import BadSignatureError, JoseError
from joserfc.jwk import KeySet, RSAKey
from joserfc.jws import JWSRegistry

from sidecar.demo.provider import Fault
from tests.demo.provider.relying_party import RelyingParty, parts
from tests.demo.provider.test_faults import ELSEWHERE, both

DISCOVERY = "/.well-known/openid-configuration"


async def spoiled(party: RelyingParty, fault: Fault) -> tuple[str, dict[str, Any], list[dict[str, Any]]]:
    """The spoiled token, its header, and the published keys."""
    token = (await both(party, fault))[1]["id_token"]
    return token, parts(token)[0] if token.count(".") == 2 else {}, (await party.call("GET", "/jwks")).json["keys"]


async def test_no_kid_among_many_keys(party: RelyingParty) -> None:
    token, header, keys = await spoiled(party, Fault.NO_KID_MANY_KEYS)
    assert ({"alg", "typ"}, ["RS256"] * 3) == (set(header), [key["alg"] for key in keys])
    assert "sub-anna" == jwt.decode(token, RSAKey.import_key(keys[0]), algorithms=["RS256"]).claims["sub"]


async def test_a_key_that_changes_just_before_it_signs(party: RelyingParty) -> None:
    (before,) = (await party.call("GET", "/jwks")).json["keys"]
    token, header, keys = await spoiled(party, Fault.KEY_CHANGED_BEFORE_SIGNING)
    assert (keys[0]["kid"], before["kid"]) == (header["kid"], keys[-1]["kid"]) != (before["kid"], before["kid"])
    assert "sub-anna" == (await party.verified(token))["sub"]


@pytest.mark.parametrize(("fault", "algorithm"), [(Fault.HS256_BAD_SIGNATURE, "HS256"),
                                                  (Fault.ES256_BAD_SIGNATURE, "ES256")])  # fmt: skip
async def test_a_bad_signature_of_another_kind(party: RelyingParty, fault: Fault, algorithm: str) -> None:
    token, header, keys = await spoiled(party, fault)
    assert (algorithm, True) == (header["alg"], header["kid"] in {key["kid"] for key in keys})
    with pytest.raises((BadSignatureError, JoseError)):
        jwt.decode(token, KeySet.import_key_set({"keys": keys}), algorithms=[algorithm])  # type: ignore[arg-type]


@pytest.mark.parametrize(("fault", "name"), [(Fault.CRIT_HEADER, "crit"), (Fault.JKU_HEADER, "jku"),
                                             (Fault.X5U_HEADER, "x5u"), (Fault.X5C_HEADER, "x5c")])  # fmt: skip
async def test_a_header_with_one_member_too_many(party: RelyingParty, fault: Fault, name: str) -> None:
    token, header, keys = await spoiled(party, fault)
    assert {"alg", "kid", "typ", name} == set(header)
    assert _is_signed_by(token, keys[0])


async def test_a_claim_that_stands_there_twice(party: RelyingParty) -> None:
    token, _, keys = await spoiled(party, Fault.DUPLICATE_CLAIM)
    text = urlsafe_b64decode(token.split(".")[1] + "==")
    names = [name for name, _ in json.loads(text, object_pairs_hook=list)]
    assert (2, len(set(names)) + 1, True) == (names.count("sub"), len(names), _is_signed_by(token, keys[0]))


def _is_signed_by(token: str, key: dict[str, Any]) -> bool:
    """Nothing else is wrong with it: whoever looks at the signature only is caught."""
    text, _, signature = token.rpartition(".")
    plain = JWSRegistry.algorithms["RS256"]
    return bool(plain.verify(text.encode(), urlsafe_b64decode(signature + "=="), RSAKey.import_key(key)))


async def test_an_encrypted_token(party: RelyingParty) -> None:
    token, _, _ = await spoiled(party, Fault.ENCRYPTED)
    assert 5 == len(token.split("."))


async def test_aggregated_groups(party: RelyingParty) -> None:
    _, answer = await both(party, Fault.GROUPS_AGGREGATED)
    for claims in (await party.verified(answer["id_token"]), (await party.userinfo(answer["access_token"])).json):
        assert ("src1", False) == (claims["_claim_names"]["groups"], "groups" in claims)
        brought = claims["_claim_sources"]["src1"]["JWT"].split(".")[1]
        assert {"groups": ["jira-users", "jira-admins"]} == json.loads(urlsafe_b64decode(brought + "=="))


async def test_userinfo(party: RelyingParty) -> None:
    token = (await both(party, Fault.USERINFO_MISSING_SUB))[1]["access_token"]
    assert "sub" not in (await party.userinfo(token)).json
    party.running.provider.fault = Fault.USERINFO_401
    assert 401 == (await party.userinfo(token)).status
    party.running.provider.fault = Fault.USERINFO_SIGNED
    answer = await party.userinfo(token)
    claims = await party.verified(answer.text)
    assert ("application/jwt", "sub-anna") == (answer.headers["Content-Type"], claims["sub"])


async def test_discovery_and_keys(party: RelyingParty) -> None:
    right = (await party.call("GET", DISCOVERY)).json
    party.running.provider.fault = Fault.DISCOVERY_WITHOUT_JWKS_URI
    assert {"jwks_uri"} == set(right) - set((await party.call("GET", DISCOVERY)).json)
    party.running.provider.fault = Fault.DISCOVERY_MTLS_ALIASES
    aliases = {"token_endpoint": f"{ELSEWHERE}/token"}
    assert {**right, "mtls_endpoint_aliases": aliases} == (await party.call("GET", DISCOVERY)).json
    party.running.provider.fault = Fault.ALG_NONE
    listed = {"id_token_signing_alg_values_supported": ["RS256", "none"]}
    assert {**right, **listed} == (await party.call("GET", DISCOVERY)).json
    party.running.provider.fault = Fault.JWKS_EMPTY
    assert {"keys": []} == (await party.call("GET", "/jwks")).json


async def test_answers_without_a_token(party: RelyingParty) -> None:
    right, less = await both(party, Fault.NO_ID_TOKEN)
    assert {"id_token"} == set(right) - set(less)
    party.running.provider.fault = Fault.KEEPS_REFRESH_TOKEN
    again = (await party.refresh(less["refresh_token"])).json
    assert {"refresh_token"} == set(right) - set(again)
    # The one that was shown is good for another time.
    party.running.provider.fault = None
    assert set(right) == set((await party.refresh(less["refresh_token"])).json)


async def test_an_answer_that_repeats_what_was_asked(party: RelyingParty) -> None:
    code = await party.sign_in()
    party.running.provider.fault = Fault.TOKEN_REFLECTS
    answer = await party.redeem(code)
    said = answer.json["error_description"]
    assert (400, True, True) == (answer.status, code in said, party.basic()["Authorization"] in said)
