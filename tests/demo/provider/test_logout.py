"""Signing out: by hint or by question, and the logout token that goes to each client."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import parse_qsl

import pytest
from aiohttp import web
from aiohttp.test_utils import RawTestServer

from sidecar.demo.provider import Client, Delivery
from tests.demo.provider.relying_party import (
    AFTER_LOGOUT,
    GATE,
    RETURN_TO,
    RelyingParty,
    parts,
    relying_party,
)


async def signed_in(party: RelyingParty) -> bool:
    return "code" in (await party.authorize(prompt="none")).returned


async def test_a_hint_signs_out_at_once_and_returns(party: RelyingParty) -> None:
    tokens = await party.tokens()
    party.clock.seconds += 100_000  # an expired hint is still a hint
    answer = await party.call(
        "GET",
        "/end_session",
        params={
            "id_token_hint": tokens["id_token"],
            "post_logout_redirect_uri": AFTER_LOGOUT,
            "state": "s 1",
        },
    )
    assert (303, AFTER_LOGOUT) == (answer.status, answer.target)
    assert {"state": "s 1"} == answer.returned
    assert not await signed_in(party)


async def test_signing_out_revokes_the_tokens(party: RelyingParty) -> None:
    tokens = await party.tokens()
    form = {"id_token_hint": tokens["id_token"]}
    answer = await party.call("POST", "/end_session", data=form)
    assert (200, True) == (answer.status, "You are signed out" in answer.text)
    assert 401 == (await party.userinfo(tokens["access_token"])).status
    assert "invalid_grant" == (await party.refresh(tokens["refresh_token"])).json["error"]


@pytest.mark.parametrize("hint", [{}, {"id_token_hint": "made.up.token"}])
async def test_without_a_hint_a_page_asks(party: RelyingParty, hint: dict[str, str]) -> None:
    await party.sign_in()
    named = {"client_id": GATE.client_id, "post_logout_redirect_uri": AFTER_LOGOUT, **hint}
    page = await party.call("GET", "/end_session", params=named)
    assert 200 == page.status
    assert await signed_in(party)
    form = {"interaction": page.interaction, "leave": "yes"}
    answer = await party.call("POST", "/end_session/confirm", data=form)
    assert (303, AFTER_LOGOUT) == (answer.status, answer.headers["Location"])
    assert not await signed_in(party)
    assert 400 == (await party.call("POST", "/end_session/confirm", data=form)).status


async def test_staying_changes_nothing(party: RelyingParty) -> None:
    await party.sign_in()
    page = await party.call("GET", "/end_session")
    form = {"interaction": page.interaction, "stay": "yes"}
    assert 200 == (await party.call("POST", "/end_session/confirm", data=form)).status
    assert await signed_in(party)


async def test_the_hint_of_another_person_asks_first(party: RelyingParty) -> None:
    anna = await party.tokens("anna")
    await party.sign_in("ben", prompt="login")
    page = await party.call("GET", "/end_session", params={"id_token_hint": anna["id_token"]})
    assert "Do you want to sign out?" in page.text
    assert await signed_in(party)


@pytest.mark.parametrize(
    "changes",
    [
        {"post_logout_redirect_uri": AFTER_LOGOUT + "/"},
        {"post_logout_redirect_uri": RETURN_TO},
        {"client_id": "other"},
        {"client_id": "nobody", "id_token_hint": ""},
        {"id_token_hint": ""},
    ],
)
async def test_an_unregistered_address_gets_no_redirect(party: RelyingParty, changes: dict[str, str]) -> None:
    tokens = await party.tokens()
    right = {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": AFTER_LOGOUT}
    answer = await party.call("GET", "/end_session", params={**right, **changes})
    assert (400, False) == (answer.status, "Location" in answer.headers)
    assert await signed_in(party)


async def test_a_sign_in_page_cannot_answer_the_sign_out_question(party: RelyingParty) -> None:
    page = await party.authorize()
    form = {"interaction": page.interaction, "leave": "yes"}
    assert 400 == (await party.call("POST", "/end_session/confirm", data=form)).status


@asynccontextmanager
async def told(status: int = 200) -> AsyncIterator[tuple[RelyingParty, list[str]]]:
    """A relying party whose client listens for logout tokens."""
    received: list[str] = []

    async def receive(request: web.BaseRequest) -> web.StreamResponse:
        form = dict(parse_qsl(await request.text()))
        assert ["logout_token"] == list(form)
        received.append(form["logout_token"])
        return web.Response(status=status)

    async with RawTestServer(receive, host="127.0.0.1") as server:
        client = Client("told", "secret", (RETURN_TO,), (), str(server.make_url("/bcl")))
        async with relying_party(client) as party:
            yield party, received


async def test_ending_a_persons_sessions_sends_a_logout_token() -> None:
    async with told() as (party, received):
        tokens = await party.tokens()
        issued = await party.verified(tokens["id_token"])
        assert [Delivery("told", 200)] == await party.running.end_session_of("sub-anna")
        assert "logout+jwt" == parts(received[0])[0]["typ"]
        claims = await party.verified(received[0])
        assert len(claims.pop("jti")) > 10
        now = int(party.clock.seconds)
        assert {
            "iss": party.running.issuer,
            "aud": "told",
            "sub": "sub-anna",
            "sid": issued["sid"],
            "iat": now,
            "exp": now + 120,
            "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
        } == claims
        assert not await signed_in(party)
        assert 401 == (await party.userinfo(tokens["access_token"])).status


async def test_a_logout_token_may_name_the_person_only() -> None:
    async with told() as (party, received):
        await party.sign_in()
        await party.running.end_session_of("sub-anna", name_session=False)
        assert "sid" not in await party.verified(received[0])


async def test_nobody_is_told_of_somebody_elses_end() -> None:
    async with told() as (party, received):
        await party.sign_in("ben")
        assert [] == await party.running.end_session_of("sub-anna")
        assert ([], True) == (received, await signed_in(party))


async def test_a_browsers_sign_out_tells_the_client_too() -> None:
    async with told() as (party, received):
        tokens = await party.tokens()
        await party.call("GET", "/end_session", params={"id_token_hint": tokens["id_token"]})
        assert ["sub-anna"] == [(await party.verified(one))["sub"] for one in received]


async def test_a_client_that_refuses_or_is_away_is_reported() -> None:
    async with told(status=400) as (party, _):
        await party.sign_in()
        assert [Delivery("told", 400)] == await party.running.end_session_of("sub-anna")
    away = Client("away", "secret", (RETURN_TO,), (), "http://127.0.0.1:9/bcl")
    async with relying_party(away) as party:
        await party.sign_in()
        assert [Delivery("away", None)] == await party.running.end_session_of("sub-anna")
