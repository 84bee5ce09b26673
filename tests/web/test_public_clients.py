"""The public client libraries through the gate, with a personal access token: they do all that they do without it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from jira import JIRAError

from sidecar.demo.confluence import ConfluenceState, serve_confluence
from tests.demo.public_clients import Told, downloaded, with_atlassian_confluence, with_atlassian_jira, with_jira
from tests.demo.test_public_clients import AT_CONFLUENCE, AT_JIRA, CONTENT
from tests.web.conftest import Worlds
from tests.web.rig import MACHINES


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "grün.txt"
    path.write_bytes(CONTENT)
    return path


@pytest.mark.parametrize("context", ["", "/jira"])
@pytest.mark.parametrize("client", [with_jira, with_atlassian_jira])
async def test_at_jira(worlds: Worlds, client: Callable[[str, str, Path], Told], file: Path, context: str) -> None:
    world = await worlds(context=context)
    assert AT_JIRA == await asyncio.to_thread(client, world.url, MACHINES, file)
    assert {"pat"} == {call.how for call in world.arrived if call.target.startswith(context + "/rest/api/2/issue")}
    # No session of ours came of it.
    assert [] == world.told("login.succeeded")


async def test_at_confluence(worlds: Worlds, file: Path) -> None:
    state = ConfluenceState.sample()
    state.add_token("alice", MACHINES)
    async with serve_confluence(state) as server:
        world = await worlds(context="/jira", confluence=server.origin)
        url = world.origin + "/confluence"
        assert AT_CONFLUENCE == await asyncio.to_thread(with_atlassian_confluence, url, MACHINES, file)
        assert {("pat", "alice")} == {(call.how, call.username) for call in server.calls if "/rest/" in call.target}


@pytest.mark.parametrize("opened", [True, False])
async def test_files_come_down_where_that_was_declared(worlds: Worlds, opened: bool) -> None:
    world = await worlds(jira={"machine": ["attachments"]} if opened else {})
    if opened:
        assert b"Lift, then push.\n" == await asyncio.to_thread(downloaded, world.url, MACHINES, "KEY-1")
    else:
        with pytest.raises(JIRAError, match="meant for people in a browser"):
            await asyncio.to_thread(downloaded, world.url, MACHINES, "KEY-1")
    # Browsers go on as before.
    assert 302 == (await world.page("/secure/attachment/10000/gate.txt")).status
    cookie = await world.sign_in("ada")
    assert 200 == (await world.page("/secure/attachment/10000/gate.txt", cookie)).status


@pytest.mark.parametrize("client", [with_jira, with_atlassian_jira])
async def test_where_tokens_do_not_pass_they_are_refused(
    worlds: Worlds, client: Callable[[str, str, Path], Told], file: Path
) -> None:
    world = await worlds(jira={"api": {"pat": "deny"}})
    with pytest.raises(Exception, match=r"credential|401|403|denied|Unauthorized"):
        await asyncio.to_thread(client, world.url, MACHINES, file)
    assert [] == world.arrived
