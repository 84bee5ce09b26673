"""`why`, `report groups` and `accounts sync` through the real socket: what became of people, and an account made ready
by the running gate."""

from __future__ import annotations

import json

from sidecar.domain.identity import UnixSeconds
from sidecar.domain.journal import Deed, Entry
from tests.web.commanding import command, done, told
from tests.web.conftest import Worlds

WHY = ("--reason", "incident 7")


async def test_why_tells_sign_ins_refusals_and_their_cures(worlds: Worlds) -> None:
    world = await worlds(more={})
    cookie = await world.sign_in("nina")
    assert 403 == (await world.page("/secure/admin/ViewApplicationProperties.jspa", cookie)).status
    assert 403 == (await world.page("/secure/admin/ViewApplicationProperties.jspa", cookie)).status

    found = await told(world, "why", "nina")
    text = await done(world, "why", "nina", "--application", "jira")

    codes = [one["code"] for one in found["happened"]]
    assert "login.success" in codes and 1 == codes.count("access.denied")
    (refused,) = [one for one in found["happened"] if one["code"] == "access.denied"]
    assert ("not_in_group", "agents") == (refused["reason"], refused["portal"])
    assert "/secure/admin" in refused["detail"]
    assert "access.denied: not_in_group" in text
    assert f"not_in_group: {found['cures']['not_in_group']}" in text
    assert "nothing is known of ada" in await done(world, "why", "ada")


async def test_why_tells_a_block_and_survives_a_restart(worlds: Worlds) -> None:
    world = await worlds()
    await world.sign_in("ada")
    await done(world, "block", "ada", *WHY)
    await world.restart()
    async with world.browser() as browser:
        assert 403 == (await browser.sign_in("ada"))[0]

    found = await told(world, "why", "ada")
    text = await done(world, "why", "ada")

    assert {"incident 7"} == {ban["reason"] for ban in found["bans"]}
    ended = [one for one in found["happened"] if one["code"] == "session.ended"]
    assert ["cause: blocked"] == [one["detail"] for one in ended]
    assert ["blocked"] == [one["reason"] for one in found["happened"] if one["code"] == "login.error"]
    assert "!! blocked since" in text
    assert "blocked: `lychgate block` named this person" in text


async def test_a_signed_in_request_writes_no_history(worlds: Worlds) -> None:
    world = await worlds()
    cookie = await world.sign_in("ada")
    before = (await told(world, "why", "ada"))["happened"]

    for _ in range(5):
        assert 200 == (await world.page("/browse/KEY-1", cookie)).status

    assert before == (await told(world, "why", "ada"))["happened"]


async def test_lost_groups_are_reported_with_their_portals(worlds: Worlds) -> None:
    world = await worlds()
    now = world.site.clock.now()
    entries = [
        Entry(application="jira", username="ada", deed=deed, at=UnixSeconds(now - ago), group=group, before=before)
        for deed, ago, group, before in (
            (Deed.LEAVE, 100, "jira-admins", {"agents": 1}),
            (Deed.LEAVE, 90_000, "jira-software-users", {"agents": 1, "support": 2}),
            (Deed.JOIN, 50, "jira-users", {}),
        )
    ]
    await world.gate.state.ledger.begin(entries)

    day = await told(world, "report", "groups", "--lost", "--since", "1d")
    text = await done(world, "report", "groups", "--lost", "--application", "jira")
    wrong = await command(world, "report", "groups", "--lost", "--since", "soon")

    assert [("ada", "jira-admins", ["agents"])] == [
        (one["username"], one["group"], one["portals"]) for one in day["lost"]
    ]
    assert "jira-software-users  Lychgate had given it for agents and support" in text
    assert "2 groups of 1 people since" in text
    assert (1, True) == (wrong.exit_code, "write a number with its unit" in wrong.output)


async def test_an_account_is_made_ready_by_the_running_gate(worlds: Worlds) -> None:
    world = await worlds()
    await world.sign_in("nina")
    world.jira.state.users["nina"].groups.discard("jira-software-users")

    unsaid = await command(world, "accounts", "sync", "nina", "--application", "jira", "--apply")
    said = await command(world, "accounts", "sync", "nina", "--application", "jira", "--apply", *WHY)

    assert (1, True) == (unsaid.exit_code, "needs a reason" in unsaid.output), unsaid.output
    assert (0, True) == (said.exit_code, "jira: nina is ready" in said.output), said.output
    assert "jira-software-users" in world.jira.state.users["nina"].groups
    given = [event["outcome"] for event in world.told("command.given")]
    assert ["intended", "success"] == given


async def test_an_account_is_made_ready_with_claims_of_a_file_and_for_nobody_else(worlds: Worlds) -> None:
    world = await worlds()
    path = world.folder / "claims.json"
    claims = {"sub": "00u-nina", "preferred_username": "nina", "name": "Nina", "email": "nina@example.com"}
    path.write_text(json.dumps({**claims, "groups": ["okta-jira-users"]}), "utf-8")
    words = ("accounts", "sync", "--application", "jira", "--claims", str(path), "--apply", *WHY)

    ready = await command(world, *words, "nina")
    other = await command(world, *words, "ada")
    path.write_text(json.dumps({**claims, "groups": []}), "utf-8")
    out = await command(world, *words, "nina")
    nobody = await command(world, "accounts", "sync", "stella", "--application", "jira", "--apply", *WHY)

    assert (0, True) == (ready.exit_code, "jira: nina is ready" in ready.output), ready.output
    assert (1, True) == (other.exit_code, "somebody else's" in other.output), other.output
    assert (1, True) == (out.exit_code, "keeps them out (not_in_group)" in out.output), out.output
    assert (1, True) == (nobody.exit_code, "give --claims FILE" in nobody.output), nobody.output
