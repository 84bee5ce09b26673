"""The token endpoint and userinfo: a code and a refresh token work once, for their own client."""

from __future__ import annotations

import hashlib
from base64 import b64encode, urlsafe_b64encode
from dataclasses import replace

import pytest

from tests.demo.provider.relying_party import ANNA, GATE, OTHER, RelyingParty


async def test_the_id_token_says_all_it_should(party: RelyingParty) -> None:
    tokens = await party.tokens()
    assert ("Bearer", 300) == (tokens["token_type"], tokens["expires_in"])
    claims = await party.verified(tokens["id_token"])
    half = hashlib.sha256(tokens["access_token"].encode()).digest()[:16]
    sid = claims.pop("sid")
    assert len(sid) > 10
    now = int(party.clock.seconds)
    assert {
        **ANNA.claims,
        "iss": party.running.issuer,
        "sub": "sub-anna",
        "aud": GATE.client_id,
        "azp": GATE.client_id,
        "iat": now,
        "exp": now + 300,
        "auth_time": now,
        "acr": "urn:lychgate:demo:button",
        "amr": ["user"],
        "nonce": "nonce-1",
        "at_hash": urlsafe_b64encode(half).rstrip(b"=").decode(),
    } == claims


async def test_the_scope_decides_which_claims_are_told(party: RelyingParty) -> None:
    tokens = await party.tokens(scope="openid")
    expected = {"sub": "sub-anna", "groups": ["jira-users", "jira-admins"]}
    assert expected == (await party.userinfo(tokens["access_token"])).json
    assert "email" not in await party.verified(tokens["id_token"])
    assert "refresh_token" not in tokens


async def test_acr_and_amr_are_those_of_the_sign_in(party: RelyingParty) -> None:
    party.running.provider.acr, party.running.provider.amr = "phr", ("user", "mfa")
    code = await party.sign_in()
    party.running.provider.acr = "low"
    claims = await party.verified((await party.redeem(code)).json["id_token"])
    assert ("phr", ["user", "mfa"]) == (claims["acr"], claims["amr"])


@pytest.mark.parametrize(
    "changes",
    [
        {"code": "made-up"},
        {"redirect_uri": "http://127.0.0.1:9/other"},
        {"redirect_uri": ""},
        {"code_verifier": "w" * 43},
        {"code_verifier": ""},
        {"code_verifier": "v" * 42},
    ],
)
async def test_a_wrong_redemption_is_refused_and_spends_the_code(party: RelyingParty, changes: dict[str, str]) -> None:
    code = await party.sign_in()
    answer = await party.redeem(code, **changes)
    assert (400, "invalid_grant") == (answer.status, answer.json["error"])
    again = await party.redeem(code)
    assert (200 if "code" in changes else 400) == again.status


async def test_a_code_lives_sixty_seconds(party: RelyingParty) -> None:
    code = await party.sign_in()
    party.clock.seconds += 59.9
    assert 200 == (await party.redeem(code)).status
    code = await party.sign_in(prompt="login")
    party.clock.seconds += 60
    assert "invalid_grant" == (await party.redeem(code)).json["error"]


async def test_a_code_used_twice_revokes_what_came_from_it(party: RelyingParty) -> None:
    code = await party.sign_in()
    tokens = (await party.redeem(code)).json
    assert 200 == (await party.userinfo(tokens["access_token"])).status
    assert "invalid_grant" == (await party.redeem(code)).json["error"]
    assert 401 == (await party.userinfo(tokens["access_token"])).status
    assert "invalid_grant" == (await party.refresh(tokens["refresh_token"])).json["error"]


async def test_a_code_belongs_to_its_client(party: RelyingParty) -> None:
    code = await party.sign_in()
    party.client = OTHER
    assert "invalid_grant" == (await party.redeem(code, redirect_uri=GATE.redirect_uris[0])).json["error"]
    party.client = GATE
    assert 200 == (await party.redeem(code)).status


async def test_the_secret_may_be_posted(party: RelyingParty) -> None:
    form = {"grant_type": "refresh_token", "refresh_token": "x", "client_id": GATE.client_id}
    right = await party.call("POST", "/token", data={**form, "client_secret": GATE.secret})
    wrong = await party.call("POST", "/token", data={**form, "client_secret": "guess"})
    missing = await party.call("POST", "/token", data=form)
    assert [
        (400, "invalid_grant"),
        (401, "invalid_client"),
        (401, "invalid_client"),
    ] == [(one.status, one.json["error"]) for one in (right, wrong, missing)]


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("Basic " + b64encode(b"gate%3A1:s%2Be+%25%2F%3Ac").decode(), 400),
        # Not form-encoded: the blank and the plus mean something else.
        ("Basic " + b64encode(b"gate%3A1:s+e %/:c").decode(), 401),
        ("Basic " + b64encode(b"gate%3A1:guess").decode(), 401),
        ("Basic " + b64encode(b"nobody:guess").decode(), 401),
        ("Basic " + b64encode(b"no colon").decode(), 401),
        ("Basic " + b64encode(b"%FF:%FF").decode(), 401),
        ("Basic !!!", 401),
        ("Bearer abc", 401),
    ],
)
async def test_basic_is_form_decoded(party: RelyingParty, header: str, status: int) -> None:
    form = {"grant_type": "refresh_token", "refresh_token": "x"}
    answer = await party.call("POST", "/token", data=form, headers={"Authorization": header})
    expected = "invalid_grant" if status == 400 else "invalid_client"
    assert (status, expected) == (answer.status, answer.json["error"])
    assert "no-store" == answer.headers["Cache-Control"]
    assert (status == 401) == ("WWW-Authenticate" in answer.headers)


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({}, "invalid_request"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": "authorization_code"}, "invalid_grant"),
        ({"grant_type": "refresh_token"}, "invalid_grant"),
        ({"grant_type": "refresh_token", "client_secret": "s"}, "invalid_request"),
        ({"grant_type": "refresh_token", "client_id": "other"}, "invalid_request"),
    ],
)
async def test_a_wrong_token_request(party: RelyingParty, form: dict[str, str], error: str) -> None:
    answer = await party.token(**form)
    assert (400, error) == (answer.status, answer.json["error"])


async def test_parameters_come_once_and_as_a_form(party: RelyingParty) -> None:
    form = "application/x-www-form-urlencoded"
    for body, kind in [
        (b"grant_type=a&grant_type=b", form),
        (b"{}", "application/json"),
        (b"grant_type=%FF", form),
        (b"grant_type=\xff", form),
        (b"x=" + b"y" * 70_000, form),
    ]:
        headers = {**party.basic(), "Content-Type": kind}
        answer = await party.call("POST", "/token", data=body, headers=headers)
        assert (400, "invalid_request") == (answer.status, answer.json["error"])


async def test_a_refresh_rotates_and_rereads_the_person(party: RelyingParty) -> None:
    first = await party.tokens()
    party.clock.seconds += 100
    party.running.provider.change_claims("anna", groups=["jira-users"], email=None)
    second = (await party.refresh(first["refresh_token"])).json
    assert second["refresh_token"] != first["refresh_token"]
    before = await party.verified(first["id_token"])
    after = await party.verified(second["id_token"])
    assert ["jira-users"] == after["groups"]
    assert "email" not in after
    assert "nonce" not in after
    for kept in ("sub", "sid", "auth_time", "aud", "iss"):
        assert before[kept] == after[kept]
    assert before["iat"] + 100 == after["iat"]
    assert ["jira-users"] == (await party.userinfo(second["access_token"])).json["groups"]


async def test_a_spent_refresh_token_ends_the_family(party: RelyingParty) -> None:
    first = await party.tokens()
    second = (await party.refresh(first["refresh_token"])).json
    assert "invalid_grant" == (await party.refresh(first["refresh_token"])).json["error"]
    assert "invalid_grant" == (await party.refresh(second["refresh_token"])).json["error"]
    assert 401 == (await party.userinfo(second["access_token"])).status


async def test_a_refresh_may_narrow_the_scope_but_not_widen_it(party: RelyingParty) -> None:
    tokens = await party.tokens(scope="openid profile offline_access")
    wide = await party.refresh(tokens["refresh_token"], scope="openid email")
    assert "invalid_scope" == wide.json["error"]
    narrow = (await party.refresh(tokens["refresh_token"], scope="openid")).json
    assert "openid" == narrow["scope"]
    assert "name" not in (await party.userinfo(narrow["access_token"])).json


async def test_a_refresh_token_belongs_to_its_client(party: RelyingParty) -> None:
    tokens = await party.tokens()
    party.client = OTHER
    assert "invalid_grant" == (await party.refresh(tokens["refresh_token"])).json["error"]
    party.client = GATE
    assert 200 == (await party.refresh(tokens["refresh_token"])).status


async def test_a_person_who_left_gets_nothing(party: RelyingParty) -> None:
    tokens = await party.tokens()
    people = party.running.provider.people
    people["anna"] = replace(ANNA, sub="somebody-new")
    assert "invalid_grant" == (await party.refresh(tokens["refresh_token"])).json["error"]
    assert 401 == (await party.userinfo(tokens["access_token"])).status
    del people["anna"]
    assert 401 == (await party.userinfo(tokens["access_token"])).status
    assert "login_required" == (await party.authorize(prompt="none")).returned["error"]


async def test_userinfo_wants_a_live_bearer_token(party: RelyingParty) -> None:
    tokens = await party.tokens()
    assert {
        **ANNA.claims,
        "sub": "sub-anna",
    } == (await party.userinfo(tokens["access_token"])).json
    assert 'Bearer error="invalid_token"' == (await party.userinfo("made-up")).headers["WWW-Authenticate"]
    assert 401 == (await party.userinfo(tokens["refresh_token"])).status
    assert 401 == (await party.call("GET", "/userinfo")).status
    party.clock.seconds += 300
    assert 401 == (await party.userinfo(tokens["access_token"])).status
