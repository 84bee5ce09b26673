"""Global token revocation (Okta: Universal Logout), and what becomes of a sign-in that was revoked on its way."""

from __future__ import annotations

import json
import re
import time
import uuid
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.upstream.scripted import until
from tests.web.conftest import Worlds
from tests.web.rig import World
from tests.web.test_doors import GLOBAL, is_in, post, token
from tests.web.wire import Answer

EMAIL = {"sub_id": {"format": "email", "email": "Ada@example.com"}}


def proof(world: World, typ: str = "global-token-revocation+jwt", **changes: Any) -> tuple[str, str]:
    now = int(time.time())
    claims = {
        "iss": world.staff.issuer,
        "sub": "lychgate",
        "aud": world.url + GLOBAL,
        "iat": now,
        "exp": now + 300,
        "jti": uuid.uuid4().hex,
    }
    return "Authorization", "Bearer " + world.staff.sign(claims | changes, typ)


async def call(world: World, subject: object, *fields: tuple[str, str]) -> Answer:
    return await world.ask(
        "POST", GLOBAL, ("Content-Type", "application/json"), *fields, body=json.dumps(subject).encode()
    )


@pytest.mark.parametrize("by", ["email", "iss_sub"])
async def test_whom_it_names_is_signed_out_everywhere(worlds: Worlds, by: str) -> None:
    world = await worlds()
    async with world.browser() as ada, world.browser() as again, world.browser() as nina:
        for browser, who in ((ada, "ada"), (again, "ada"), (nina, "nina")):
            await browser.sign_in(who)
        pair = {"sub_id": {"format": "iss_sub", "iss": world.staff.issuer, "sub": "00u-ada"}}
        answer = await call(world, EMAIL if by == "email" else pair, proof(world))
        assert (204, b"") == (answer.status, answer.body)
        assert [False, False, True] == [await is_in(world, browser) for browser in (ada, again, nina)]
    (told,) = world.told("sessions.revoked")
    assert told["facts"].pop("issued").endswith("Z")
    assert {"door": "global_revocation", "by": "email" if by == "email" else "sub", "ended": 2} == told["facts"]


@pytest.mark.parametrize(
    "changes",
    [
        {"sub": "another-client"},
        {"aud": "https://elsewhere.invalid/"},
        {"iss": "https://elsewhere.invalid"},
        {"iat": 1},
        {"exp": 1},
        {"typ": "JWT"},
        {"typ": "logout+jwt"},
    ],
    ids=str,
)
async def test_a_proof_that_is_none(worlds: Worlds, changes: dict[str, Any]) -> None:
    world = await worlds()
    async with world.browser() as ada:
        await ada.sign_in("ada")
        answer = await call(world, EMAIL, proof(world, **changes))
        assert (401, 'Bearer error="invalid_token"') == (answer.status, answer.header("WWW-Authenticate"))
        assert 401 == (await call(world, EMAIL)).status
        assert 401 == (await call(world, EMAIL, ("Authorization", "Bearer " + token(world)))).status
        assert await is_in(world, ada)


@pytest.mark.parametrize("subject", [{}, [], {"sub_id": {"format": "opaque", "id": "x"}}, "x" * 17_000], ids=repr)
async def test_a_subject_that_is_none(worlds: Worlds, subject: object) -> None:
    world = await worlds()
    assert 400 == (await call(world, subject, proof(world))).status


async def test_a_proof_counts_once(worlds: Worlds) -> None:
    world = await worlds()
    field = proof(world)
    assert [204, 400] == [(await call(world, EMAIL, field)).status for _ in range(2)]


async def test_who_was_revoked_on_the_way_signs_in_anew_with_one_click(worlds: Worlds) -> None:
    world = await worlds()
    async with world.browser() as ada:
        _, place, _ = await ada.go(world.url + "/browse/KEY-1")
        assert 200 == (await post(world, token(world))).status
        status, _, text = await ada.choose(place, "ada")
        assert (403, True) == (status, "session_revoked" in text)
        assert not any(name.endswith("lychgate-jira") for name in ada.cookies)
        link = re.search(r'href="([^"]*/\.lychgate/login[^"]*)"', text)
        assert link is not None
        began = int(time.time())
        await until(lambda: int(time.time()) > began)
        status, place, _ = await ada.go(world.origin + link[1].replace("&amp;", "&"))
        assert (302, ["login"]) == (status, parse_qs(urlsplit(place).query)["prompt"])
        status, _, _ = await ada.choose(place, "ada")
        assert 200 == status


async def test_the_state_of_a_sign_out_is_compared(worlds: Worlds) -> None:
    """Modules of the RP-initiated plan: an invalid state, none, the right one."""
    world = await worlds(sign_out=True)
    async with world.browser() as ada:
        await ada.sign_in("ada", "/browse/KEY-1")
        status, _, text = await ada.go(world.url + "/.lychgate/logout")
        form = text.partition('name="token" value="')[2].partition('"')[0]
        status, place, _ = await ada.go(
            world.url + "/.lychgate/logout", "POST", data={"token": form, "to": "/projects"}
        )
        assert (303, True) == (status, place.startswith(world.staff.issuer))
        (state,) = parse_qs(urlsplit(place).query)["state"]
        for query, leads in (
            ("?state=forged", False),
            ("", False),
            (f"?state={state}&state=x", False),
            (f"?state={state}", True),
        ):
            status, _, text = await ada.go(world.url + "/.lychgate/signed-out" + query)
            assert (200, leads) == (status, 'href="/projects"' in text), query


@pytest.mark.parametrize("wanted", [True, False])
async def test_the_application_s_own_sessions_end_where_the_site_wants_it(worlds: Worlds, wanted: bool) -> None:
    world = await worlds(accounts={"end_sessions": wanted})
    async with world.browser() as ada:
        await ada.sign_in("ada")
        assert 200 == (await post(world, token(world))).status
        await until(lambda: not wanted or bool(world.told("product.sessions_ended")))
        called = [call.target for call in world.jira.calls if call.method == "DELETE"]
        assert (["/rest/api/2/user/session/ada"] if wanted else []) == called
    assert (["success"] if wanted else []) == [event["outcome"] for event in world.told("product.sessions_ended")]
