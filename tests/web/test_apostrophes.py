"""An account that exists under a name with an apostrophe: refused until the site lets such names in, then linked by
hand, signed in, made ready and landed under that very name (D4, rule 46)."""

from __future__ import annotations

from typing import Any

import pytest

from sidecar.commands.ledger import link_account
from sidecar.domain.identity import Person
from sidecar.domain.session import seat_of
from tests.web.conftest import Worlds
from tests.web.rig import World
from tests.web.test_whose_it_is import _comes as comes

NAME = "o'brien"
ACCOUNTS: dict[str, Any] = {
    "adopt": "never",
    "update": ["display_name"],
    "groups": {"map": [{"from": "okta-jira-users", "to": "jira-software-users"}]},
}


async def brien(worlds: Worlds, proof: str, apostrophe: bool = True) -> World:
    """The person comes as `O'Brien`; the account is there, in no group."""
    world = await worlds(proof=proof, accounts=ACCOUNTS, agents={"username": {"apostrophe": apostrophe}})
    claims = {"preferred_username": "O'Brien", "name": "Miles O'Brien", "groups": ["okta-jira-users"]}
    world.staff.provider.change_claims("nina", **claims)
    return world


@pytest.mark.parametrize("proof", ["secret", "assertion", "sso"])
async def test_it_is_linked_by_hand_made_ready_and_landed(worlds: Worlds, proof: str) -> None:
    world = await brien(worlds, proof)
    user = world.jira.state.add_user(NAME, "Old Name")
    assert (403, "account_not_adopted") == await comes(world, "nina")
    await world.gates.aclose()
    await link_account(world.loaded, "jira", NAME, Person(world.staff.issuer, "00u-nina"))
    await world.restart()
    world.forget()
    assert (200, "") == await comes(world, "nina")
    assert ("Miles O'Brien", {"jira-software-users"}) == (user.display_name, set(user.groups))
    assert [NAME] == [event["username"] for event in world.told("group.added")]
    if proof == "sso":
        (entry,) = world.gate.sessions._entries.values()
        assert NAME == world.jira.state.sessions[dict(entry.session.jars[seat_of("", NAME)])["JSESSIONID"]].username
    else:
        landed = {call.header("X-Lychgate-User") for call in world.arrived if call.header("X-Lychgate-User")}
        assert {NAME} == landed


async def test_no_account_is_made_of_such_a_name(worlds: Worlds) -> None:
    world = await brien(worlds, "secret")
    assert (403, "username_invalid") == await comes(world, "nina")
    assert world.jira.state.find(NAME) is None


async def test_without_the_setting_the_sign_in_is_refused_as_ever(worlds: Worlds) -> None:
    world = await brien(worlds, "secret", apostrophe=False)
    world.jira.state.add_user(NAME, "Old Name")
    async with world.browser() as browser:
        status, _, _ = await browser.sign_in("nina")
    assert 403 == status
    assert "username_invalid" in {event["reason"] for event in world.told("access.denied")}
