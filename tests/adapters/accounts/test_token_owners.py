"""Whose a token is, asked of a stand-in Jira and of a Confluence: what is not said clearly is an error."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from sidecar.adapters.accounts.calls import open_session
from sidecar.adapters.accounts.token_owners import TokenOwners
from sidecar.demo.jira import JiraState, RunningJira, serve_jira
from sidecar.domain.reason import Reason
from sidecar.flows.accounts import AccountError
from sidecar.flows.owners import Owner

TOKEN = "MTIzNDU2Nzg5MDEyOndoYXRldmVy"


@pytest.fixture
async def jira() -> AsyncIterator[RunningJira]:
    state = JiraState.sample()
    state.tokens[TOKEN] = "alice"
    async with serve_jira(state) as running:
        yield running


async def owner_of(base: str, product: str = "jira", token: str = TOKEN) -> Owner | None:
    async with open_session() as session:
        return await TokenOwners(session, base, product).owner_of(f"Bearer {token}")


async def test_jira_names_the_account_and_its_key(jira: RunningJira) -> None:
    key = jira.state.users["alice"].key
    assert Owner("alice", key) == await owner_of(jira.url)
    (call,) = jira.calls
    assert ("/rest/api/2/myself", [f"Bearer {TOKEN}"]) == (call.target, call.header_values("Authorization"))


async def test_a_token_that_jira_does_not_know_is_nobody_s(jira: RunningJira) -> None:
    assert None is await owner_of(jira.url, token="b3RoZXI6")
    jira.kill_token(TOKEN)
    assert None is await owner_of(jira.url)


@pytest.mark.parametrize("status", [403, 404, 302, 429, 500, 503])
async def test_every_other_answer_is_an_error(jira: RunningJira, status: int) -> None:
    jira.fail_next("/rest/api/2/myself", status, "no")
    with pytest.raises(AccountError) as caught:
        await owner_of(jira.url)
    assert (Reason.CONNECTOR_UNREACHABLE, True) == (caught.value.reason, caught.value.retry)


@pytest.mark.parametrize("body", ["{}", '{"name": ""}', "[]", "no JSON", '{"name": 7}'])
async def test_an_answer_without_a_name_is_an_error(jira: RunningJira, body: str) -> None:
    jira.fail_next("/rest/api/2/myself", 200, body, headers=(("Content-Type", "application/json"),))
    with pytest.raises(AccountError) as caught:
        await owner_of(jira.url)
    assert Reason.CONNECTOR_REFUSED is caught.value.reason


async def test_a_connection_that_breaks_is_an_error(jira: RunningJira) -> None:
    jira.cut_next("/rest/api/2/myself", times=2)
    with pytest.raises(AccountError) as caught:
        await owner_of(jira.url)
    assert Reason.CONNECTOR_UNREACHABLE is caught.value.reason


@pytest.mark.parametrize(
    ("body", "login", "expected"),
    [
        ({"type": "known", "username": "alice", "userKey": "ff8"}, "OK", Owner("alice", "ff8")),
        ({"type": "known", "username": "alice"}, "", Owner("alice")),
        ({"type": "anonymous", "displayName": "Anonymous"}, "", None),
        ({"type": "known", "username": "alice"}, "OUT, AUTHENTICATED_FAILED", None),
    ],
    ids=["known", "without-key", "anonymous", "dead"],
)
async def test_confluence_names_the_account_or_serves_nobody(
    body: dict[str, str], login: str, expected: Owner | None
) -> None:
    seen: list[str] = []

    async def handle(request: web.BaseRequest) -> web.Response:
        seen.append(request.path)
        return web.json_response(body, headers={"X-Seraph-LoginReason": login})

    runner = web.ServerRunner(web.Server(handle))
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        base = f"http://127.0.0.1:{runner.addresses[0][1]}/wiki"
        assert expected == await owner_of(base, "confluence")
    finally:
        await runner.cleanup()
    assert ["/wiki/rest/api/user/current"] == seen
