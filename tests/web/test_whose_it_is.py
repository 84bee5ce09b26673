"""A name alone opens nothing at the whole gate: no account whose name was given away, no group of elsewhere."""

from __future__ import annotations

from sidecar.commands.ledger import link_account
from sidecar.commands.linking import unlink_accounts
from sidecar.domain.identity import Person
from tests.web.conftest import Worlds
from tests.web.rig import HTML, World

PAGE = "/browse/KEY-1"
CUSTOMERS_REST = "/rest/servicedeskapi/info"


async def _comes(world: World, person: str) -> tuple[int, str]:
    """Status of the page after a sign-in with a new browser, and the reason that the audit trail has since."""
    before = len(world.told("account.refused"))
    async with world.browser() as browser:
        status, _, _ = await browser.sign_in(person)
    return status, "".join(event["reason"] for event in world.told("account.refused")[before:])


async def test_an_account_that_was_renamed_and_its_successor_are_told_apart(worlds: Worlds) -> None:
    """Jira's key stays with an account, its name does not; `stella` was pinned before keys were kept."""
    world = await worlds()
    assert (200, "") == await _comes(world, "stella")
    assert (200, "") == await _comes(world, "nina")
    state = world.jira.state
    for name in ("stella", "nina"):
        user = state.find(name)
        assert user is not None
        state.rename(user, f"{name}.old")
        state.add_user(name, "Another Person", groups=("jira-secret",))
        # Who would get the successor's account now?
        world.forget()
        assert (403, "pin_conflict") == await _comes(world, name)
        assert [] == [call.target for call in world.arrived if call.header("X-Lychgate-User") is not None]
        assert {"jira-secret"} == state.users[name].groups
    # And who is called so at the provider gets not the renamed one.
    world.staff.provider.change_claims("otto", preferred_username="stella.old", groups=["okta-jira-users"])
    assert (403, "pin_conflict") == await _comes(world, "otto")


async def test_an_administrator_ties_the_new_account(worlds: Worlds) -> None:
    world = await worlds()
    assert (200, "") == await _comes(world, "nina")
    state = world.jira.state
    user = state.find("nina")
    assert user is not None
    state.remove_user(user)
    state.add_user("nina", "Nina New", groups=("jira-software-users",))
    assert (403, "pin_conflict") == await _comes(world, "nina")
    await world.gates.aclose()
    nina = Person(world.staff.issuer, "00u-nina")
    untied, _ = await unlink_accounts(world.loaded, "jira", ["nina"], apply=True)
    assert [nina] == [pin.person for pin in untied]
    await link_account(world.loaded, "jira", "nina", nina)
    await world.restart()
    assert (200, "") == await _comes(world, "nina")


async def test_a_group_of_the_customers_provider_opens_no_rule_of_the_agents(worlds: Worlds) -> None:
    """R2: customers' REST is judged by the default portal's rules, which speak of the colleagues' provider."""
    inner = {"paths": [CUSTOMERS_REST], "require": {"any_group": ["okta-jira-admins"]}}
    world = await worlds(agents={"rules": [inner]})
    world.customers.provider.change_claims("carl", groups=["okta-jira-users", "okta-jira-admins"])
    carl = await world.sign_in("carl", "/servicedesk/customer/portals")
    ada = await world.sign_in("ada")
    world.forget()
    answer = await world.ask("GET", CUSTOMERS_REST, carl)
    assert (403, "other_portal", []) == (answer.status, answer.error, world.arrived)
    assert 200 == (await world.page("/servicedesk/customer/portals", HTML, carl)).status
    assert 200 == (await world.ask("GET", CUSTOMERS_REST, ada)).status
