"""The product's directory is synchronised from Lychgate: it takes everybody over as they are, learns at its next turn
who was made inactive and is refused meanwhile, and a new person waits for that turn where nothing else tells of them.
"""

from __future__ import annotations

from typing import Any

from sidecar.demo.jira import CrowdConfig
from tests.upstream.scripted import until
from tests.web.conftest import Worlds
from tests.web.firsts import WHO
from tests.web.rig import LANDING, World
from tests.web.test_crowd import ask, token_of
from tests.web.test_crowd_directory import PATH, _world
from tests.web.test_headless import cookie_of
from tests.web.test_leavers_over_http import goes

USERS, COOKS = "jira-software-users", "cooks"
EVERYBODY = {"require": {"any_group": ["okta-jira-users", "okta-canteen"]}}
LINES = {"map": [{"from": "okta-jira-users", "to": USERS}, {"from": "okta-canteen", "to": COOKS}]}
ACCOUNTS = {"directory": True, "groups": LINES, "on_revoke": "deactivate"}


def _there(world: World) -> dict[str, tuple[str, str, bool, set[str]]]:
    """What the product has of those who came from the gate."""
    users = world.jira.state.users
    return {
        name: (users[name].display_name, users[name].email, users[name].active, users[name].groups)
        for name in ("nina", "otto")
        if name in users
    }


async def test_a_synchronisation_takes_everybody_over_and_tells_who_is_gone(worlds: Worlds) -> None:
    # The product asks at sign-on whose a token is, and for nothing else.
    world = await _world(worlds, crowd={"directory": False}, accounts=ACCOUNTS, agents=EVERYBODY)
    before = set(world.jira.state.users)
    cookies = {person: await cookie_of(world, person) for person in ("nina", "otto")}
    for cookie in cookies.values():
        answer = await world.page(PATH, cookie)
        assert 503 == answer.status and "directory_sync_pending" in answer.text
    assert {} == _there(world)
    await world.jira.synchronise()
    nina = ("Nina New", "nina@example.com", True, {USERS})
    assert {"nina": nina, "otto": ("Otto Outside", "otto@example.com", True, {COOKS})} == _there(world)
    # The product's own people stay who they are.
    assert before | {"nina", "otto"} == set(world.jira.state.users)
    for cookie in cookies.values():
        assert 200 == (await world.page(PATH, cookie)).status
    token = token_of(world, "nina")
    assert 204 == (await goes(world, "nina")).status
    await until(lambda: bool(world.told("user.deactivated")))
    # Here she is nobody at once, whatever the product still believes.
    assert [302, 401] == [
        (await world.page(PATH, cookies["nina"])).status, (await world.ask("GET", WHO, cookies["nina"])).status,
    ]  # fmt: skip
    assert 404 == (await ask(world, "GET", f"/session/{token}"))[0] and _there(world)["nina"][2]
    await world.jira.synchronise()
    assert (False, True) == (_there(world)["nina"][2], _there(world)["otto"][2])
    assert 200 == (await world.page(PATH, cookies["otto"])).status


async def test_with_the_products_own_sign_on_a_new_person_waits_for_the_synchronisation(worlds: Worlds) -> None:
    world = await worlds(proof="sso", accounts=ACCOUNTS, support={"usernames": {}})
    cookie = await cookie_of(world, "nina")
    answer = await world.page(PATH, cookie)
    assert 503 == answer.status and "directory_sync_pending" in answer.text
    base = f"http://127.0.0.1:{world.site.landing_port}/jira/rest/usermanagement/1"
    await world.jira.synchronise(CrowdConfig(base, "lychgate", LANDING))
    landing: Any = world.gate.gateway._forwarding._applications["jira"].landing
    for seat in landing._seats.values():
        # The refusal's moment is over.
        seat.refused = (0.0, seat.refused[1])
    answer = await world.page(PATH, cookie)
    assert 200 == answer.status, answer.text
    assert ("nina", {USERS}) == (world.arrived[-1].username, world.jira.state.users["nina"].groups)
    assert not [call for call in world.jira.calls if call.header("Authorization")]
