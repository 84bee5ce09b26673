"""A leaver, end to end: Universal Logout makes the account inactive and the tokens useless, until a sign-in."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.upstream.scripted import until
from tests.web.conftest import Worlds
from tests.web.rig import MACHINES, World
from tests.web.test_doors import post, token
from tests.web.test_global_revocation import call, proof
from tests.web.test_time_over_http import Hands
from tests.web.wire import Answer

MYSELF = "/rest/api/2/myself"
SEARCH = "/rest/api/2/search"
LEAVERS: dict[str, Any] = {
    "accounts": {"on_revoke": "deactivate", "groups": {"map": [{"from": "okta-(.+)", "to": "$1"}]}},
    "jira": {"api": {"pat_owner": "resolve"}},
}


def machine(value: str = MACHINES) -> tuple[str, str]:
    return "Authorization", f"Bearer {value}"


async def goes(world: World, who: str) -> Answer:
    subject = {"sub_id": {"format": "iss_sub", "iss": world.staff.issuer, "sub": f"00u-{who}"}}
    return await call(world, subject, proof(world))


def is_active(world: World, who: str) -> bool:
    user = world.jira.state.find(who)
    assert user is not None
    return user.active


def give_token(world: World, who: str, value: str = "OTg3NjU0MzIxMDEyOnN0ZWxsYQ==") -> tuple[str, str]:
    world.jira.state.tokens[value] = who
    return machine(value)


async def test_deactivated_by_us_back_by_a_sign_in_and_then_disabled_by_hand_for_good(worlds: Worlds) -> None:
    clock = Hands(int(time.time()))
    world = await worlds(**LEAVERS, clock=clock, proof="secret")
    await world.sign_in("stella")
    assert 204 == (await goes(world, "stella")).status
    await until(lambda: bool(world.told("user.deactivated")))
    assert not is_active(world, "stella")
    (told,) = world.told("user.deactivated")
    clock.passed += 5
    assert ("stella", "staff", "jira") == (told["username"], told["provider"], told["application"])
    async with world.browser() as browser:
        status, _, _ = await browser.sign_in("stella")
        assert (200, True) == (status, is_active(world, "stella"))
    assert 1 == len(world.told("user.reactivated"))
    world.jira.state.users["stella"].active = False
    async with world.browser() as browser:
        status, _, text = await browser.sign_in("stella")
        assert (403, True, False) == (status, "account_inactive" in text, is_active(world, "stella"))


async def test_a_logout_by_the_back_channel_deactivates_nobody(worlds: Worlds) -> None:
    world = await worlds(**LEAVERS)
    await world.sign_in("stella")
    pat = give_token(world, "stella")
    assert 200 == (await post(world, token(world, sub="00u-stella"))).status
    assert (1, [], True) == (
        len(world.told("sessions.revoked")), world.told("user.deactivated"), is_active(world, "stella"),
    )  # fmt: skip
    assert 200 == (await world.ask("GET", MYSELF, pat)).status


async def test_an_administrator_s_account_stays_and_the_trail_says_so(worlds: Worlds) -> None:
    world = await worlds(**LEAVERS)
    await goes(world, "ada")
    await until(lambda: bool(world.told("account.failed")))
    (told,) = world.told("account.failed")
    assert ("account_protected", True) == (told["reason"], told["facts"]["given_up"])
    assert is_active(world, "ada")


async def test_a_leaver_s_token_is_refused_though_the_account_is_still_active(worlds: Worlds) -> None:
    clock = Hands(int(time.time()))
    world = await worlds(jira=LEAVERS["jira"], clock=clock, proof="secret")
    await world.sign_in("stella")
    pat = give_token(world, "stella")
    assert [200, 200] == [(await world.ask("GET", path, pat)).status for path in (MYSELF, SEARCH)]
    # One question of ours, and the two calls.
    asked = [call.target for call in world.arrived if call.header("Authorization") == pat[1]]
    assert [MYSELF, MYSELF, SEARCH] == asked
    await goes(world, "stella")
    assert is_active(world, "stella")
    world.forget()
    answer = await world.ask("GET", SEARCH, pat)
    assert (401, "owner_gone", []) == (answer.status, answer.error, world.arrived)
    (told,) = world.told("access.denied")
    assert ("owner_gone", "the token belongs to the account stella") == (told["reason"], told["facts"]["detail"])
    assert 200 == (await world.ask("GET", SEARCH, machine())).status
    clock.passed += 5
    await world.sign_in("stella")
    await world.restart()
    assert 200 == (await world.ask("GET", SEARCH, pat)).status


async def test_a_jira_that_does_not_answer_is_asked_again_and_breaks_nobody_known(worlds: Worlds) -> None:
    world = await worlds(**LEAVERS)
    assert 200 == (await world.ask("GET", SEARCH, machine())).status
    world.jira.fail_next(MYSELF, 503)
    unknown = give_token(world, "stella")
    answer = await world.ask("GET", SEARCH, unknown)
    assert (503, "connector_unreachable") == (answer.status, answer.error)
    assert answer.headers("Retry-After")
    assert 200 == (await world.ask("GET", SEARCH, machine())).status


async def test_a_token_that_jira_does_not_know_gets_jira_s_own_answer(worlds: Worlds) -> None:
    world = await worlds(**LEAVERS)
    dead = machine("OTg3NjU0MzIxMDEyOnVua25vd24=")
    assert 401 == (await world.ask("GET", MYSELF, dead)).status
    assert [] == world.told("access.denied")


@pytest.mark.parametrize("mode", ["observe", "off"])
async def test_a_portal_that_is_not_in_force_asks_nobody(worlds: Worlds, mode: str) -> None:
    world = await worlds(**LEAVERS, agents={"mode": mode})
    assert 200 == (await world.ask("GET", SEARCH, machine())).status
    assert [SEARCH] == [call.target for call in world.arrived]
