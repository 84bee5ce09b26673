"""Programs with an access token, at an application that is landed by its own sign-on: served as their person, with a
session of the product that they never see."""

from __future__ import annotations

from tests.web.conftest import Worlds
from tests.web.test_api_callers import MYSELF, site, token
from tests.web.test_headless import DANCE, age, dances, paths

ECHO = "/rest/api/2/issue/KEY-1"


async def test_a_program_is_served_as_its_person_without_any_cookie_of_its_own(worlds: Worlds) -> None:
    world = await worlds(proof="sso", **site())
    cookie = await world.sign_in("stella")
    world.forget()
    bearer = token(world)
    for _ in range(2):
        answer = await world.ask("GET", MYSELF, bearer, cookie)
        assert (200, "ada", []) == (answer.status, answer.json["name"], answer.headers("Set-Cookie"))
    assert [*DANCE, MYSELF, MYSELF] == paths(world)
    assert [None] * 5 == [call.header("Authorization") for call in world.arrived]
    assert {"ada"} == {call.username for call in world.arrived if call.how == "session"}


async def test_another_token_is_another_session(worlds: Worlds) -> None:
    world = await worlds(proof="sso", **site())
    await world.sign_in("stella")
    world.forget()
    assert ["ada", "stella", "ada"] == [
        (await world.ask("GET", MYSELF, token(world, who))).json["name"] for who in ("ada", "stella", "ada")
    ]
    assert 3 == dances(world)


async def test_a_session_that_the_product_forgot_is_made_anew(worlds: Worlds) -> None:
    world = await worlds(proof="sso", **site())
    bearer = token(world)
    assert 200 == (await world.ask("GET", MYSELF, bearer)).status
    await age(world, 11)
    world.jira.state.sessions.clear()
    answer = await world.ask("GET", MYSELF, bearer)
    assert (200, "ada") == (answer.status, answer.json["name"])
    await age(world, 61)
    world.jira.state.sessions.clear()
    world.forget()
    # What cannot be sent twice is not sent before the session was tried out.
    await world.ask("PUT", ECHO, bearer, body=b"{}")
    assert [MYSELF, *DANCE, ECHO] == paths(world)
    assert "ada" == world.arrived[-1].username


async def test_a_product_that_refuses_is_told_to_programs_too(worlds: Worlds) -> None:
    world = await worlds(proof="sso", sso={"enabled": False}, **site())
    answer = await world.ask("GET", MYSELF, token(world))
    assert (502, "landing_failed") == (answer.status, answer.error)
