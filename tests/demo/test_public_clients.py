"""The public client libraries work with the stand-ins as they do with the products. `tests/web/test_public_clients.py`
lets them do the same through the gate.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from sidecar.demo.confluence import ConfluenceState, serve_confluence
from sidecar.demo.jira import JiraConfig, JiraState, serve_jira
from tests.demo.public_clients import Told, downloaded, with_atlassian_confluence, with_atlassian_jira, with_jira

CONTENT = "Grün\n".encode() * 1000
KEYS = ["KEY-1", "KEY-2", "KEY-3", "KEY-4", "KEY-5"]
AT_JIRA = {
    "who": "alice",
    "found": KEYS,
    "issue": ("KEY-5", "Paint the gate"),
    "comment": ("Green, please.", ["Green, please."]),
    "file": ("grün.txt", len(CONTENT)),
}
AT_CONFLUENCE = {
    "who": "alice",
    "found": ["How the gate is oiled", "How the gate is painted"],
    "page": ("How the gate is painted", "<p>Green.</p>"),
    "comment": "comment",
    "file": [("grün.txt", len(CONTENT))],
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "grün.txt"
    path.write_bytes(CONTENT)
    return path


@pytest.mark.parametrize("client", [with_jira, with_atlassian_jira])
async def test_at_jira(client: Callable[[str, str, Path], Told], file: Path) -> None:
    state = JiraState.sample()
    token = state.add_token("alice")
    async with serve_jira(state, JiraConfig(context_path="/jira")) as server:
        assert AT_JIRA == await asyncio.to_thread(client, server.url, token, file)
        assert CONTENT == await asyncio.to_thread(downloaded, server.url, token, "KEY-5")
    assert CONTENT == state.attachments[state.issues["KEY-5"].attachments[0]].content
    assert {"alice"} == {one.author for one in state.issues["KEY-5"].comments}


async def test_at_confluence(file: Path) -> None:
    state = ConfluenceState.sample()
    token = state.add_token("alice")
    async with serve_confluence(state) as server:
        assert AT_CONFLUENCE == await asyncio.to_thread(with_atlassian_confluence, server.url, token, file)
    (attached,) = (page for page in state.pages.values() if page.kind == "attachment")
    assert CONTENT == attached.content
