"""adapters.oidc.client: credentials arrive whole, errors come back without secrets."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import quote_plus, unquote_plus

import aiohttp
import authlib.oauth2.client
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.adapters.oidc.budget import PushBudget
from sidecar.adapters.oidc.client import CodeClient, masked
from sidecar.adapters.oidc.config import ClientAuthentication
from sidecar.adapters.oidc.http import Outbound
from sidecar.adapters.oidc.presets import TOKEN_HINTS
from sidecar.domain.reason import Reason
from sidecar.flows.login import CodeGrant, LoginError
from tests.adapters.oidc.stand_in import NOW, Reply, StandIn

GRANT = CodeGrant(
    code="c/+=&%41",
    verifier="v" * 43,
    redirect_uri="https://x/cb?a=b&c=ü",
    nonce="n",
    max_age=None,
    issuer=None,
    now=NOW,
)


@pytest.fixture
def make(server: StandIn, session: aiohttp.ClientSession) -> Any:
    server.gives("t")
    clock = server.clock
    return lambda **changes: CodeClient(server.config(**changes), Outbound(session), clock, PushBudget(clock))


def basic(server: StandIn) -> tuple[str, str]:
    scheme, _, value = server.last("/token").headers["Authorization"].partition(" ")
    assert scheme == "Basic"
    name, _, secret = base64.b64decode(value).decode().partition(":")
    return name, secret


@pytest.mark.parametrize("secret", ["plain", "a%b", "a+b", "a:b", "a b", "a%2Bb", "ü€", "a&b=c", '"\\/'])
async def test_basic_is_form_encoded(server: StandIn, make: Any, secret: str) -> None:
    await make(client_id="id:one two", client_secret=secret).redeem(server.issuer + "/token", GRANT)
    name, sent = basic(server)
    assert (unquote_plus(name), unquote_plus(sent)) == ("id:one two", secret)
    assert ":" not in name
    assert "client_secret" not in server.last("/token").form


async def test_basic_may_be_left_as_it_is(server: StandIn, make: Any) -> None:
    await make(client_secret="a+b%", encode_credentials=False).redeem(server.issuer + "/token", GRANT)
    assert basic(server) == ("gate", "a+b%")


async def test_the_secret_may_go_in_the_body(server: StandIn, make: Any) -> None:
    post = make(authentication=ClientAuthentication.POST, client_secret="a+b %&")
    await post.redeem(server.issuer + "/token", GRANT)
    asked = server.last("/token")
    assert (asked.form["client_id"], asked.form["client_secret"]) == ("gate", "a+b %&")
    assert "Authorization" not in asked.headers


async def test_a_public_client_sends_its_id_only(server: StandIn, make: Any) -> None:
    public = make(authentication=ClientAuthentication.NONE, client_secret=None)
    await public.refresh(server.issuer + "/token", "r")
    asked = server.last("/token")
    assert asked.form == {"grant_type": "refresh_token", "refresh_token": "r", "client_id": "gate"}
    assert "Authorization" not in asked.headers


async def test_the_code_arrives_as_it_was(server: StandIn, make: Any) -> None:
    await make().redeem(server.issuer + "/token", GRANT)
    form = server.last("/token").form
    assert (form["code"], form["redirect_uri"], form["code_verifier"]) == (
        GRANT.code,
        GRANT.redirect_uri,
        GRANT.verifier,
    )


async def test_credentials_do_not_stay_in_the_library(server: StandIn, make: Any) -> None:
    await make().redeem(server.issuer + "/token", GRANT)
    await make().refresh(server.issuer + "/token", "r")
    assert "Authorization" not in authlib.oauth2.client.DEFAULT_HEADERS


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Reply({"error": "invalid_grant"}, status=400), Reason.CODE_REFUSED),
        (Reply({"error": "invalid_grant"}, status=200), Reason.CODE_REFUSED),
        (Reply({"error": "invalid_client"}, status=401), Reason.PROVIDER_MISCONFIGURED),
        (Reply({"error": ["invalid_grant"]}, status=400), Reason.PROVIDER_REFUSED),
        (Reply(b"<html>", status=403), Reason.PROVIDER_REFUSED),
        (Reply(b"", status=404), Reason.PROVIDER_REFUSED),
        (Reply(b"<html>"), Reason.PROVIDER_MISCONFIGURED),
        (Reply({"token_type": "DPoP"}), Reason.PROVIDER_MISCONFIGURED),
        (Reply({"token_type": 5}), Reason.PROVIDER_MISCONFIGURED),
        (Reply({}, status=307, headers={"Location": "/token2"}), Reason.PROVIDER_MISCONFIGURED),
        (Reply(b"x" * 1_100_000), Reason.PROVIDER_MISCONFIGURED),
        (Reply({"error": "invalid_grant"}, status=500), Reason.PROVIDER_UNREACHABLE),
    ],
)
async def test_errors_have_their_reason(server: StandIn, make: Any, reply: Reply, reason: Reason) -> None:
    server.replies["/token"] = reply
    for start in (make().redeem, make().refresh):
        with pytest.raises(LoginError) as caught:
            await start(server.issuer + "/token", GRANT if start.__name__ == "redeem" else "r")
        assert caught.value.reason == reason
    assert server.counts["/token2"] == 0


async def test_an_error_says_what_the_provider_said(server: StandIn, make: Any) -> None:
    said = "Policy evaluation failed for this request,\x1b[31m check the policy"
    server.replies["/token"] = Reply({"error": "access_denied", "error_description": said}, status=400)
    with pytest.raises(LoginError) as caught:
        await make().redeem(server.issuer + "/token", GRANT)
    host = server.issuer.removeprefix("http://")
    expected = f"{host} answered access_denied: Policy evaluation failed for this request, [31m check the policy"
    assert caught.value.detail == expected


@pytest.mark.parametrize(
    ("reply", "hinted"),
    [
        (Reply({"error": "invalid_request"}, status=400), True),
        (Reply({"error": "invalid_grant"}, status=400), True),
        (Reply({}, status=400), True),
        (Reply({"error": "invalid_client"}, status=400), False),
        (Reply({"error": "access_denied"}, status=403), False),
    ],
)
async def test_an_error_says_what_else_it_may_mean(server: StandIn, make: Any, reply: Reply, hinted: bool) -> None:
    server.replies["/token"] = reply
    with pytest.raises(LoginError) as caught:
        await make(hint=TOKEN_HINTS["okta"]).redeem(server.issuer + "/token", GRANT)
    assert hinted is ("more groups match" in caught.value.detail)


async def test_tokens_of_the_wrong_type_count_as_absent(server: StandIn, make: Any) -> None:
    server.replies["/token"] = Reply({"id_token": 5, "access_token": "", "refresh_token": None})
    answer = await make().redeem(server.issuer + "/token", GRANT)
    assert (answer.id_token, answer.access_token, answer.refresh_token) == (None, None, None)
    assert "CANARY" not in repr(await make().redeem(server.issuer + "/token", GRANT))


@given(secret=st.text("abc%+ :", min_size=1), around=st.text("xyz", max_size=10))
def test_a_secret_never_survives_masking(secret: str, around: str) -> None:
    for spelling in (secret, quote_plus(secret)):
        assert spelling not in masked(around + spelling + around, [secret])


def test_what_looks_like_a_secret_is_masked() -> None:
    assert masked("The code 0123456789abcdefghij is spent", []) == "The code … is spent"
