"""adapters.oidc.provider: claims come out only after every check, and no failure tells a secret."""

from __future__ import annotations

import base64
import hashlib
import hmac
import logging
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from joserfc.jwk import ECKey, OKPKey, RSAKey

from sidecar.adapters.oidc.config import UserInfo
from sidecar.domain.identity import Person
from sidecar.domain.reason import Reason
from sidecar.flows.login import AuthorizationRequest, CodeGrant, LoginError
from tests.adapters.oidc.conftest import Build
from tests.adapters.oidc.stand_in import NOW, RSA_ONE, RSA_TWO, Reply, StandIn, public, signed

REQUEST = AuthorizationRequest(
    state="state-1", nonce="n-1", verifier="v" * 43, redirect_uri="https://jira.example.com/.lychgate/callback"
)


def grant(**changes: Any) -> CodeGrant:
    basis: dict[str, Any] = {
        "code": "CANARY-code",
        "verifier": "CANARY-verifier-" + "v" * 43,
        "redirect_uri": "https://jira.example.com/.lychgate/callback",
        "nonce": "n-1",
        "max_age": None,
        "issuer": None,
        "now": NOW,
    }
    return CodeGrant(**(basis | changes))


async def refused(awaitable: Any, reason: Reason) -> LoginError:
    with pytest.raises(LoginError) as caught:
        await awaitable
    assert caught.value.reason == reason, caught.value.detail
    return caught.value


async def test_a_code_becomes_verified_claims(server: StandIn, build: Build) -> None:
    id_token = signed(server.claims(email="a@example.com", groups=["b", "a"]))
    server.gives(id_token, refresh_token="r-1")
    tokens = await build().redeem(grant())
    assert tokens.claims["sub"] == "s-1"
    assert tokens.claims["groups"] == ("b", "a")
    assert (tokens.id_token, tokens.refresh_token) == (id_token, "r-1")
    sent = server.last("/token").form
    assert sent == {
        "grant_type": "authorization_code",
        "code": "CANARY-code",
        "redirect_uri": "https://jira.example.com/.lychgate/callback",
        "code_verifier": "CANARY-verifier-" + "v" * 43,
    }


async def test_the_authorization_url_carries_the_attempt(server: StandIn, build: Build) -> None:
    server.metadata["authorization_endpoint"] = f"{server.issuer}/authorize?p=sign+in&tenant=a%26b"
    provider = build(authorize_params=(("access_type", "offline"),), prompt="select_account")
    url = urlsplit(await provider.authorization_url(REQUEST))
    challenge = base64.urlsafe_b64encode(hashlib.sha256(b"v" * 43).digest()).decode().rstrip("=")
    assert f"{url.scheme}://{url.netloc}{url.path}" == f"{server.issuer}/authorize"
    assert parse_qs(url.query, strict_parsing=True) == {
        "p": ["sign in"],
        "tenant": ["a&b"],
        "response_type": ["code"],
        "client_id": ["gate"],
        "redirect_uri": [REQUEST.redirect_uri],
        "scope": ["openid profile email"],
        "state": ["state-1"],
        "nonce": ["n-1"],
        "code_challenge": [challenge],
        "code_challenge_method": ["S256"],
        "prompt": ["select_account"],
        "access_type": ["offline"],
    }


async def test_what_the_attempt_asks_for_wins(server: StandIn, build: Build) -> None:
    request = AuthorizationRequest(
        state="s", nonce="n", verifier="v" * 43, redirect_uri="https://x/", prompt="login", max_age=0, login_hint="a b"
    )
    query = parse_qs(urlsplit(await build(prompt="none").authorization_url(request)).query)
    assert (query["prompt"], query["max_age"], query["login_hint"]) == (["login"], ["0"], ["a b"])


UNSIGNED = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")


def hmac_signed(claims: dict[str, Any], secret: bytes) -> str:
    head = base64.urlsafe_b64encode(b'{"alg":"HS256","kid":"one"}').decode().rstrip("=")
    text = f"{head}.{signed(claims).split('.')[1]}"
    return f"{text}.{base64.urlsafe_b64encode(hmac.digest(secret, text.encode(), 'sha256')).decode().rstrip('=')}"


def forged(server: StandIn, name: str) -> str:
    """A token that somebody else made, or made for something else."""
    claims = server.claims()
    match name:
        case "not a token":
            return "CANARY-not-a-token"
        case "alg none":
            return f"{UNSIGNED}.{signed(claims).split('.')[1]}."
        case "alg none with a signature":
            return f"{UNSIGNED}.{signed(claims).split('.')[1]}.AAAA"
        case "foreign key with our kid":
            return signed(claims, RSA_TWO, kid="one")
        case "HMAC with the public key":
            return hmac_signed(claims, RSA_ONE.as_pem(private=False))
        case "HMAC with the client secret":
            return hmac_signed(claims, b"CANARY-client-secret")
        case "claims changed":
            head, _, tail = signed(claims).split(".")
            return f"{head}.{signed(server.claims(sub='s-2')).split('.')[1]}.{tail}"
        case "own key in the header":
            return signed(claims, RSA_TWO, kid="two", jwk=public(RSA_TWO))
        case "huge header":
            return signed(claims, x="y" * 3000)
        case "not an object":
            return f"{signed(claims).split('.')[0]}.W10.AAAA"
        case _:
            raise AssertionError(name)


@pytest.mark.parametrize(
    "name",
    [
        "not a token",
        "alg none",
        "alg none with a signature",
        "foreign key with our kid",
        "HMAC with the public key",
        "HMAC with the client secret",
        "claims changed",
        "own key in the header",
        "huge header",
        "not an object",
    ],
)
@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
async def test_a_forged_token_is_refused(server: StandIn, build: Build, name: str) -> None:
    server.gives(forged(server, name))
    error = await refused(build().redeem(grant()), Reason.TOKEN_INVALID)
    assert "CANARY" not in error.detail


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://other.example.com"},
        {"aud": []},
        {"aud": "other", "azp": "gate"},
        {"nonce": "n-2"},
        {"nonce": None},
        {"exp": NOW - 100},
        {"iat": NOW + 100},
        {"sub": ""},
        {"at_hash": "AAAA"},
    ],
)
async def test_a_well_signed_token_is_still_judged(server: StandIn, build: Build, changes: dict[str, Any]) -> None:
    server.gives(signed(server.claims(**changes) | ({"aud": []} if changes.get("aud") == [] else {})))
    await refused(build().redeem(grant()), Reason.TOKEN_INVALID)


async def test_an_access_token_is_no_id_token(server: StandIn, build: Build) -> None:
    server.gives(signed(server.claims(), typ="at+jwt"))
    await refused(build().redeem(grant()), Reason.TOKEN_INVALID)


async def test_max_age_is_checked(server: StandIn, build: Build) -> None:
    server.gives(signed(server.claims(auth_time=NOW - 100)))
    await build().redeem(grant(max_age=50))
    await refused(build().redeem(grant(max_age=30)), Reason.STEP_UP_FAILED)


async def test_an_answer_without_id_token_is_refused(server: StandIn, build: Build) -> None:
    server.gives(None)
    await refused(build().redeem(grant()), Reason.TOKEN_INVALID)


ED = OKPKey.generate_key("Ed25519", {"kid": "ed"})
EC = ECKey.generate_key("P-256", {"kid": "ec"})


@pytest.mark.parametrize(
    ("key", "alg"), [(RSA_ONE, "PS256"), (RSA_ONE, "RS512"), (EC, "ES256"), (ED, "EdDSA"), (ED, "Ed25519")]
)
@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
async def test_every_usual_algorithm_is_understood(server: StandIn, build: Build, key: Any, alg: str) -> None:
    server.keys = [public(RSA_ONE), public(EC), public(ED)]
    server.gives(signed(server.claims(), key, alg=alg, kid=key.kid))
    assert (await build().redeem(grant())).claims["sub"] == "s-1"


async def test_our_list_may_be_narrower(server: StandIn, build: Build) -> None:
    server.keys = [public(RSA_ONE), public(EC)]
    server.gives(signed(server.claims(), EC, alg="ES256", kid="ec"))
    await refused(build(algorithms=("RS256",)).redeem(grant()), Reason.TOKEN_INVALID)


async def test_unknown_header_members_do_not_matter(server: StandIn, build: Build) -> None:
    server.gives(signed(server.claims(), x5t="abc", nonsense={"a": 1}))
    await build().redeem(grant())


async def test_every_spelling_of_the_issuer_becomes_one(server: StandIn, build: Build) -> None:
    server.gives(signed(server.claims(iss="accounts.example")))
    await refused(build().redeem(grant()), Reason.TOKEN_INVALID)
    tokens = await build(issuers=("accounts.example",)).redeem(grant())
    assert tokens.claims["iss"] == server.issuer


async def test_userinfo_is_asked_only_for_what_is_missing(server: StandIn, build: Build) -> None:
    server.replies["/userinfo"] = Reply({"sub": "s-1", "email": "u@example.com", "groups": ["u"], "acr": "phr"})
    server.gives(signed(server.claims(email="i@example.com")))
    await build(needed=frozenset({"email"})).redeem(grant())
    assert server.counts["/userinfo"] == 0
    tokens = await build(needed=frozenset({"email", "groups"})).redeem(grant())
    assert server.last("/userinfo").headers["Authorization"] == "Bearer CANARY-access"
    assert (tokens.claims["email"], tokens.claims["groups"]) == ("i@example.com", ("u",))
    assert "acr" not in tokens.claims


async def test_cut_groups_are_asked_of_userinfo(server: StandIn, build: Build) -> None:
    server.replies["/userinfo"] = Reply({"sub": "s-1", "groups": ["u"]})
    server.gives(signed(server.claims(groups="[SIZE_LIMIT_EXCEEDED]")))
    assert (await build(needed=frozenset({"groups"})).redeem(grant())).claims["groups"] == ("u",)


@pytest.mark.parametrize(("when", "times"), [(UserInfo.ALWAYS, 1), (UserInfo.NEVER, 0)])
async def test_userinfo_can_be_asked_always_or_never(server: StandIn, build: Build, when: UserInfo, times: int) -> None:
    server.replies["/userinfo"] = Reply({"sub": "s-1"})
    server.gives(signed(server.claims()))
    needed = frozenset({"email"}) if when is UserInfo.NEVER else frozenset()
    await build(userinfo=when, needed=needed).redeem(grant())
    assert server.counts["/userinfo"] == times


@pytest.mark.parametrize(
    "reply",
    [
        Reply({"sub": "s-2", "email": "a@x"}),
        Reply({"email": "a@x"}),
        Reply({"sub": "s-1"}, status=401),
        Reply({"sub": "s-1", "email": "\ud800"}),
    ],
)
async def test_userinfo_about_somebody_else_refuses_everything(server: StandIn, build: Build, reply: Reply) -> None:
    server.replies["/userinfo"] = reply
    server.gives(signed(server.claims()))
    await refused(build(needed=frozenset({"email"})).redeem(grant()), Reason.USERINFO_INVALID)


async def test_the_issuer_of_the_callback(server: StandIn, build: Build) -> None:
    provider = build()
    await provider.check_response_issuer(None)
    await provider.check_response_issuer(server.issuer)
    await refused(provider.check_response_issuer(server.issuer + "/"), Reason.ISSUER_MISMATCH)
    server.metadata["authorization_response_iss_parameter_supported"] = True
    strict = build()
    await strict.check_response_issuer(server.issuer)
    await refused(strict.check_response_issuer(None), Reason.ISSUER_MISMATCH)
    await refused(strict.redeem(grant(issuer="https://other")), Reason.ISSUER_MISMATCH)
    assert server.counts["/token"] == 0


async def test_a_refresh_confirms_the_person(server: StandIn, build: Build) -> None:
    person = Person(issuer=server.issuer, subject="s-1")
    server.gives(signed(server.claims(nonce=None)))
    tokens = await build().refresh("r-1", person, NOW)
    assert tokens.refresh_token == "r-1"
    assert server.last("/token").form == {"grant_type": "refresh_token", "refresh_token": "r-1"}
    server.gives(signed(server.claims()), refresh_token="r-2")
    assert (await build().refresh("r-1", person, NOW)).refresh_token == "r-2"
    server.gives(signed(server.claims(sub="s-2")))
    await refused(build().refresh("r-1", person, NOW), Reason.TOKEN_INVALID)


async def test_a_refresh_without_id_token_asks_userinfo(server: StandIn, build: Build) -> None:
    person = Person(issuer=server.issuer, subject="s-1")
    server.gives(None)
    server.replies["/userinfo"] = Reply({"sub": "s-1", "email": "a@x", "auth_time": 5})
    tokens = await build().refresh("r-1", person, NOW)
    assert dict(tokens.claims) == {"iss": server.issuer, "sub": "s-1", "email": "a@x"}
    assert (tokens.id_token, tokens.refresh_token) == ("", "r-1")
    server.replies["/userinfo"] = Reply({"sub": "s-2"})
    await refused(build().refresh("r-1", person, NOW), Reason.TOKEN_INVALID)
    server.metadata["userinfo_endpoint"] = None
    await refused(build().refresh("r-1", person, NOW), Reason.TOKEN_INVALID)


async def test_a_spent_refresh_token_is_told_apart(server: StandIn, build: Build) -> None:
    server.replies["/token"] = Reply({"error": "invalid_grant"}, status=400)
    await refused(build().refresh("r-1", Person(server.issuer, "s-1"), NOW), Reason.CODE_REFUSED)


async def test_signing_out_there_too(server: StandIn, build: Build) -> None:
    server.metadata["end_session_endpoint"] = f"{server.issuer}/logout?p=x"
    url = await build().end_session_url("the-token", "https://jira.example.com/bye?a=b", "st")
    assert url is not None
    assert url.startswith(f"{server.issuer}/logout?")
    assert parse_qs(urlsplit(url).query) == {
        "p": ["x"],
        "id_token_hint": ["the-token"],
        "client_id": ["gate"],
        "post_logout_redirect_uri": ["https://jira.example.com/bye?a=b"],
        "state": ["st"],
    }
    for hint in (None, "", "t" * 6001):
        without = await build().end_session_url(hint, "https://x/", "st")
        assert without is not None
        assert "id_token_hint" not in without


async def test_without_the_endpoint_there_is_no_sign_out_there(server: StandIn, build: Build) -> None:
    server.metadata["end_session_endpoint"] = None
    assert await build().end_session_url("t", "https://x/", "st") is None


def failures(server: StandIn, echo: str) -> list[dict[str, Reply]]:
    """Answers that fail a sign-in or a refresh while secrets are at hand. *echo* is what was sent."""
    good = signed(server.claims(email="CANARY-mail@example.com"))
    token = {"id_token": good, "access_token": "CANARY-access", "refresh_token": "CANARY-new-refresh"}
    return [
        {"/token": Reply({"error": "invalid_grant", "error_description": echo}, status=400)},
        {"/token": Reply({"error": echo, "error_description": echo * 9}, status=401)},
        {"/token": Reply(echo.encode(), status=200)},
        {"/token": Reply(echo.encode(), status=400)},
        {"/token": Reply(echo.encode(), status=503)},
        {"/token": Reply({}, status=302, headers={"Location": "/x?code=CANARY-code"})},
        {"/token": Reply({**token, "token_type": "CANARY"})},
        {"/token": Reply({**token, "id_token": good + "CANARY"})},
        {"/token": Reply({**token, "id_token": signed(server.claims(aud="CANARY-aud"))})},
        {"/token": Reply({**token, "id_token": signed(server.claims(), kid="CANARY-kid", alg="RS256", crit=[])})},
        {"/token": Reply(token), "/userinfo": Reply({"sub": "CANARY-sub"})},
        {"/token": Reply(token), "/userinfo": Reply(echo.encode())},
        {"/token": Reply({**token, "access_token": "CANARY\r\naccess"})},
    ]


async def test_nothing_secret_comes_out_of_any_failure(
    server: StandIn, build: Build, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    provider = build(userinfo=UserInfo.ALWAYS)
    person = Person(server.issuer, "s-1")
    echo = f"was CANARY-client-secret {grant().code} {grant().verifier}"
    for replies in failures(server, echo):
        server.replies = replies
        await refused_without_canary(provider.redeem(grant()))
    for replies in failures(server, "was CANARY-client-secret CANARY-refresh"):
        server.replies = replies
        await refused_without_canary(provider.refresh("CANARY-refresh", person, NOW))
    assert "CANARY" not in caplog.text


async def refused_without_canary(awaitable: Any) -> None:
    with pytest.raises(LoginError) as caught:
        await awaitable
    assert len(caught.value.detail) <= 300
    assert "CANARY" not in f"{caught.value} {caught.value!r}"
    # A log would print what is said to have caused it, too.
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


async def test_secrets_are_not_in_representations(server: StandIn) -> None:
    assert "CANARY" not in repr(server.config())


async def test_a_code_that_is_no_text_is_refused_before_it_is_sent(server: StandIn, build: Build) -> None:
    await refused(build().redeem(grant(code="\udcff")), Reason.CODE_REFUSED)
    assert server.counts["/token"] == 0


async def test_small_rsa_keys_never_verify(server: StandIn, build: Build) -> None:
    with pytest.warns(match="2048"):
        small = RSAKey.generate_key(1024, {"kid": "small"})
    server.keys = [public(RSA_ONE), public(small)]
    server.gives(signed(server.claims(), small, kid="small"))
    await refused(build().redeem(grant()), Reason.TOKEN_INVALID)
