"""Sessions ended, people blocked, providers and keys taken back, through the real socket of a running gate."""

from __future__ import annotations

import asyncio
import json
import secrets
from typing import Any

from tests.web.commanding import command, done, told
from tests.web.conftest import Worlds
from tests.web.rig import MACHINES, World

PAGE = "/browse/KEY-1"
WHY = ("--reason", "incident 7")


async def _status(world: World, cookie: tuple[str, str]) -> int:
    return (await world.page(PAGE, cookie)).status


def _given(world: World, name: str) -> list[tuple[str, Any, Any]]:
    """Outcome, reason and aim of a command, each time it was told."""
    events = [event for event in world.told("command.given") if event["facts"]["command"] == name]
    return [(event["outcome"], event["facts"].get("why"), event["facts"].get("about")) for event in events]


async def test_sessions_are_listed_without_what_a_cookie_says(worlds: Worlds) -> None:
    world = await worlds()
    cookie = await world.sign_in("ada")

    (found,) = (await told(world, "sessions", "list"))["sessions"]
    text = await done(world, "sessions", "list", "--person", "ADA", "--application", "jira")

    assert ("ada", "jira/agents", "staff") == (
        found["username"],
        f"{found['application']}/{found['portal']}",
        found["provider"],
    )
    assert ("127.0.0.1", "", world.staff.issuer) == (found["address"], found["node"], found["issuer"])
    (created,) = world.told("session.created")
    assert created["session"] == found["id"]
    assert cookie[1].partition("=")[2].partition(".")[0] not in json.dumps(found)
    assert f"{found['id']}  ada  jira/agents by staff" in text
    assert "0 sessions" in await done(world, "sessions", "list", "--person", "nobody")
    assert [] == (await told(world, "sessions", "list", "--person", "https://x y"))["sessions"]


async def test_a_session_is_ended_by_its_id_and_the_next_sign_in_is_welcome(worlds: Worlds) -> None:
    world = await worlds()
    ada, other = await world.sign_in("ada"), await world.sign_in("ada")
    oldest = (await told(world, "sessions", "list"))["sessions"][0]["id"]

    assert "1 sessions ended" in await done(world, "sessions", "end", oldest, *WHY)

    assert {200, 302} == {await _status(world, ada), await _status(world, other)}
    assert [("intended", "incident 7", None), ("success", "incident 7", None)] == _given(world, "sessions end")
    assert ["command"] == [event["facts"]["cause"] for event in world.told("session.ended")]
    assert "no live session" in (await command(world, "revoke", "session", oldest, *WHY)).output
    assert 200 == await _status(world, await world.sign_in("ada"))


async def test_which_sessions_must_be_said_and_why(worlds: Worlds) -> None:
    world = await worlds()
    await world.sign_in("ada")

    unsaid = await command(world, "sessions", "end", *WHY)
    both = await command(world, "sessions", "end", "--all", "--person", "ada", *WHY)
    why = await command(world, "sessions", "end", "--all")
    empty = await command(world, "sessions", "end", "--all", "--reason", " ")

    assert (1, True) == (unsaid.exit_code, "say which" in unsaid.output)
    assert (1, True) == (both.exit_code, "say which" in both.output)
    assert (2, True) == (why.exit_code, "--reason" in why.output)
    assert (1, True) == (empty.exit_code, "needs a reason" in empty.output)
    assert [] == world.told("session.ended")
    assert "1 sessions ended" in await done(world, "sessions", "end", "--all", *WHY)


async def test_a_blocked_person_is_out_everywhere_and_stays_out_over_a_restart(worlds: Worlds) -> None:
    world = await worlds()
    cookie = await world.sign_in("ada")
    assert 200 == await _status(world, cookie)

    assert "ada is blocked; 1 sessions ended" in await done(world, "block", "ada", *WHY)

    assert 302 == await _status(world, cookie)
    await _refused_at_sign_in(world, "ada", "blocked")
    await world.restart()
    await _refused_at_sign_in(world, "ada", "blocked")
    listed = (await told(world, "bans"))["bans"]
    assert {"account", "person"} == {ban["kind"] for ban in listed}
    assert {"incident 7"} == {ban["reason"] for ban in listed}
    assert "was blocked already" in await done(world, "block", "ada", *WHY)
    assert "not blocked any more" in await done(world, "unblock", "ada", *WHY)
    assert "is not blocked" in (await command(world, "unblock", "ada", *WHY)).output
    assert 200 == await _status(world, await world.sign_in("ada"))


async def test_a_block_ends_what_no_process_remembers(worlds: Worlds) -> None:
    world = await worlds()
    await world.sign_in("ada")
    await world.restart()

    assert "1 sessions ended" in await done(world, "block", "ada", *WHY)

    assert ["blocked"] == [event["facts"]["cause"] for event in world.told("session.ended")]
    assert [] == (await told(world, "sessions", "list"))["sessions"]


async def _refused_at_sign_in(world: World, person: str, reason: str) -> None:
    async with world.browser() as browser:
        status, _, text = await browser.sign_in(person)
    assert (403, True) == (status, reason in text), text
    assert reason == world.told("login.error")[-1]["reason"]


async def test_a_block_by_issuer_and_subject_at_one_application(worlds: Worlds) -> None:
    world = await worlds()
    cookie = await world.sign_in("ada")
    (found,) = (await told(world, "sessions", "list"))["sessions"]
    person = f"{found['issuer']} {found['subject']}"

    assert "1 sessions ended" in await done(world, "block", person, "--application", "jira", *WHY)

    assert 302 == await _status(world, cookie)
    await _refused_at_sign_in(world, "ada", "blocked")
    assert ["person"] == [ban["kind"] for ban in (await told(world, "bans"))["bans"]]
    assert "no application wiki" in (await command(world, "block", "ada", "--application", "wiki", *WHY)).output
    assert "is not blocked" in (await command(world, "unblock", person, *WHY)).output
    await done(world, "unblock", person, "--application", "jira", *WHY)


async def test_a_blocked_persons_token_is_refused_where_owners_are_looked_up(worlds: Worlds) -> None:
    world = await worlds(jira={"api": {"pat": "pass", "pat_owner": "resolve"}})
    token = ("Authorization", f"Bearer {MACHINES}")
    assert 200 == (await world.ask("GET", "/rest/api/2/myself", token)).status

    ran = await command(world, "block", "alice", *WHY)

    refused = await world.ask("GET", "/rest/api/2/myself", token)
    assert (401, True) == (refused.status, b"blocked" in refused.body), refused
    assert "pass without a look" not in ran.output
    await done(world, "unblock", "alice", *WHY)
    assert 200 == (await world.ask("GET", "/rest/api/2/myself", token)).status


async def test_a_token_that_nobody_looks_up_is_said_to_pass(worlds: Worlds) -> None:
    world = await worlds(jira={"api": {"pat_owner": "ignore"}})

    assert "jira: personal access tokens pass without a look" in (await command(world, "block", "alice", *WHY)).output


async def test_a_websocket_of_a_blocked_person_closes(worlds: Worlds) -> None:
    world = await worlds()
    cookie = await world.sign_in("ada")
    async with world.wire() as wire:
        wire.request(
            "GET",
            "/rest/live/1.0/socket",
            cookie,
            ("Connection", "Upgrade"),
            ("Upgrade", "websocket"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("Origin", world.origin),
        )
        answer = await wire.head()
        assert 101 == answer.status, answer
        await done(world, "block", "ada", *WHY)
        assert (await asyncio.wait_for(wire.rest(), 5)).endswith(b"\x88\x02\x03\xf0")


async def test_a_persons_sign_ins_are_revoked_also_those_under_way(worlds: Worlds) -> None:
    world = await worlds()
    cookie = await world.sign_in("ada")
    async with world.browser() as browser:
        status, place, _ = await browser.go(world.url + PAGE)
        assert 302 == status
        assert "1 sessions ended" in await done(world, "revoke", "person", "ada", *WHY)
        status, _, text = await browser.choose(place, "ada")

    assert (403, True, 302) == (status, "session_revoked" in text, await _status(world, cookie))
    (told_,) = world.told("sessions.revoked")
    assert "command" == told_["facts"]["door"]


async def test_a_provider_is_out_until_that_is_undone(worlds: Worlds) -> None:
    world = await worlds()
    cookie = await world.sign_in("ada")

    assert "staff is revoked; 1 sessions ended" in await done(world, "revoke", "provider", "staff", *WHY)

    assert 302 == await _status(world, cookie)
    await _refused_at_sign_in(world, "ada", "provider_revoked")
    assert "no provider nobody" in (await command(world, "revoke", "provider", "nobody", *WHY)).output
    assert "accepted again" in await done(world, "revoke", "provider", "staff", "--undo", *WHY)
    assert "is not revoked" in (await command(world, "revoke", "provider", "staff", "--undo", *WHY)).output
    assert 200 == await _status(world, await world.sign_in("ada"))


async def test_a_key_dies_with_what_it_signed_and_the_only_one_does_not(worlds: Worlds) -> None:
    world = await worlds(proof="secret")
    old = await world.sign_in("ada")
    (name,) = (await told(world, "status"))["keys"]
    assert "the only key in use" in (await command(world, "revoke", "key", name, *WHY)).output
    await _put_in_front(world)
    young = await world.sign_in("ada")
    assert (200, 200) == (await _status(world, old), await _status(world, young))
    first, second = (await told(world, "status"))["keys"]
    assert name == second

    said = await done(world, "revoke", "key", name, *WHY)

    assert f"{first} signs" in said
    assert (302, 200) == (await _status(world, old), await _status(world, young))
    await world.restart()
    assert (302, 200) == (await _status(world, old), await _status(world, young))
    assert {first: "in use", second: "revoked"} == (await told(world, "status"))["keys"]
    assert "!! cookie key" in await done(world, "status")
    assert "cookie_keys has no key" in (await command(world, "revoke", "key", "0" * 16, *WHY)).output
    await done(world, "revoke", "key", name, "--undo", *WHY)
    assert {first: "in use", second: "in use"} == (await told(world, "status"))["keys"]


async def _put_in_front(world: World) -> None:
    """A new first key, and a restart."""
    from sidecar.config.load import load

    path = world.folder / "lychgate.yaml"
    (world.folder / "new-key").touch(mode=0o600)
    (world.folder / "new-key").write_text(secrets.token_urlsafe(48), "ascii")
    text = json.loads(path.read_text("utf-8"))
    text["cookie_keys"] = [f"file://{world.folder}/new-key", f"file://{world.folder}/cookie-key"]
    path.write_text(json.dumps(text), "utf-8")
    world.loaded = load(path, serving=True)
    await world.restart()
