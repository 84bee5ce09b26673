"""adapters.accounts.confluence: what is Confluence's own: licences, versions, addresses that are not shown, paging."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext

import pytest

from sidecar.adapters.accounts.calls import open_session
from sidecar.adapters.accounts.confluence import ConfluenceConnector
from sidecar.demo.confluence import ConfluenceConfig, ConfluenceState, serve_confluence
from sidecar.demo.jira.listening import Listening
from sidecar.domain.account import Create, Join, StepResult, Update
from sidecar.domain.reason import Reason
from sidecar.flows.accounts import AccountError

TOKEN = "pat-of-the-connector"
CREATE = Create("dora", "Dora Diaz", "dora@example.com")
JSON = (("Content-Type", "application/json"),)


@asynccontextmanager
async def connected(
    state: ConfluenceState, config: ConfluenceConfig | None = None, owner: str = "admin"
) -> AsyncIterator[tuple[Listening, ConfluenceConnector]]:
    state.add_token(owner, TOKEN)
    async with serve_confluence(state, config) as server, open_session(seconds=5) as session:
        yield server, ConfluenceConnector(session, server.url, lambda: TOKEN)


async def test_a_full_licence_is_named() -> None:
    state = ConfluenceState.sample()
    async with connected(state, ConfluenceConfig(seats=3)) as (_, connector):
        with pytest.raises(AccountError, match="licence") as caught:
            await connector.apply(CREATE)
    assert (Reason.NO_SEAT_LEFT, False, None) == (
        caught.value.reason, caught.value.retry, state.people.find("dora"),
    )  # fmt: skip


async def test_a_person_gets_no_mail_and_nobody_learns_the_password() -> None:
    state = ConfluenceState.sample()
    async with connected(state) as (_, connector):
        # With a mail and a password Confluence would refuse.
        for name in ("dora", "emil"):
            assert StepResult.DONE is await connector.apply(Create(name, name, "x@example.com"))
    first, second = (state.people.users[name].password or "" for name in ("dora", "emil"))
    assert first != second
    assert min(len(first), len(second)) >= 40


@pytest.mark.parametrize("name", ["Dora", "dora diaz", "o'neill", "a+b", "a,b", "a\\b", "anonymous"])
async def test_a_name_that_confluence_refuses_is_a_failure_with_its_words(name: str) -> None:
    state = ConfluenceState.sample()
    async with connected(state) as (_, connector):
        with pytest.raises(AccountError, match="userName is not valid") as caught:
            await connector.apply(Create(name, "Dora", "dora@example.com"))
    assert (Reason.ACCOUNT_STEP_FAILED, None) == (caught.value.reason, state.people.find(name))


async def test_an_account_that_was_there_before_is_no_proof_that_it_is_ours() -> None:
    state = ConfluenceState.sample()
    async with connected(state) as (server, connector):
        state.people.add_user("dora", "Dora Diaz", "dora@example.com")
        # 409: somebody else made it. So nothing is known of its address.
        assert StepResult.ALREADY is await connector.apply(CREATE)
        account = await connector.read("dora")
        assert "" == (account and account.email)
        # An answer that got lost: most likely we made it.
        del state.people.users["dora"]
        state.people.add_user("dora", "Dora Diaz", "dora@example.com")
        server.cut_next("/rest/api/admin/user")
        assert StepResult.ALREADY is await connector.apply(CREATE)
        account = await connector.read("dora")
    assert "dora@example.com" == (account and account.email)


@pytest.mark.parametrize(
    ("version", "writes"),
    [("8.5.16", False), ("9.2.5", False), ("9.4.0", True), ("10.2.7", True)],
)
async def test_an_earlier_version_says_once_that_it_cannot_change_attributes(
    version: str, writes: bool, caplog: pytest.LogCaptureFixture
) -> None:
    state = ConfluenceState.sample()
    async with connected(state, ConfluenceConfig(version=version)) as (server, connector):
        for name in ("alice", "bob"):
            if writes:
                assert StepResult.DONE is await connector.apply(Update(name, "New Name", None))
                continue
            with pytest.raises(AccountError, match=r"leave accounts\.update out") as caught:
                await connector.apply(Update(name, "New Name", None))
            assert (Reason.ACCOUNT_STEP_FAILED, False) == (caught.value.reason, caught.value.retry)
        asked = len(server.matching("PUT"))
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert (2, 0) if writes else (1, 1) == (asked, len(warnings))
    user = state.people.find("bob")
    assert ("New Name" if writes else "Bob Baker") == (user and user.display_name)


@pytest.mark.parametrize(
    ("status", "body", "headers", "lacking"),
    [
        (404, "<html>", (("Content-Type", "text/html"),), True),
        (405, "", (), True),
        (404, json.dumps({"message": "null for uri", "status-code": 404}), JSON, True),
        (404, json.dumps({"statusCode": 404, "message": "No user found"}), JSON, False),
        (400, json.dumps({"statusCode": 400, "message": "The email is not valid"}), JSON, False),
    ],
)
async def test_only_a_missing_path_is_taken_for_an_earlier_version(
    status: int, body: str, headers: tuple[tuple[str, str], ...], lacking: bool
) -> None:
    state = ConfluenceState.sample()
    async with connected(state) as (server, connector):
        server.fail_next("/rest/api/admin/user/alice", status, body, 1, headers)
        with pytest.raises(AccountError):
            await connector.apply(Update("alice", "New", None))
        if lacking:
            with pytest.raises(AccountError):
                await connector.apply(Update("alice", "New", None))
        else:
            assert StepResult.DONE is await connector.apply(Update("alice", "New", None))


async def test_an_address_is_shown_once_it_was_written() -> None:
    async with connected(ConfluenceState.sample()) as (_, connector):
        seen = []
        for step in (None, Update("alice", "Alice", None), Update("Alice", None, "new@example.com")):
            if step is not None:
                await connector.apply(step)
            account = await connector.read("alice")
            seen.append(account and account.email)
    assert ["", "", "new@example.com"] == seen


@pytest.mark.parametrize("version", ["8.5.16", "10.0.3"])
@pytest.mark.parametrize("owner", ["admin", "bob"])
async def test_an_account_without_the_permission_is_warned_of(
    version: str, owner: str, caplog: pytest.LogCaptureFixture
) -> None:
    state = ConfluenceState.sample()
    async with connected(state, ConfluenceConfig(version=version), owner) as (server, connector):
        for _ in range(2):
            assert await connector.read("alice") is not None
        asked = len(server.matching("GET", "/confluence/rest/api/permissions/"))
        with pytest.raises(AccountError) if owner == "bob" else nullcontext():
            await connector.apply(Join("alice", "confluence-administrators"))
    warned = ["bob" in record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert (1, [True] if (owner, version) == ("bob", "10.0.3") else []) == (asked, warned)


async def test_a_permission_check_that_fails_keeps_nobody_out() -> None:
    async with connected(ConfluenceState.sample()) as (server, connector):
        server.cut_next("/rest/api/permissions", 2)
        assert await connector.read("alice") is not None


async def test_anonymous_is_not_the_tokens_account() -> None:
    state = ConfluenceState.sample()
    async with connected(state) as (server, connector):
        server.fail_next("/rest/api/user/current", 200, json.dumps({"type": "anonymous", "username": "x"}), 1, JSON)
        with pytest.raises(AccountError, match="access token") as caught:
            await connector.read("alice")
    assert (Reason.CONNECTOR_REFUSED, False) == (caught.value.reason, caught.value.retry)


async def test_an_account_whose_groups_are_not_found_is_an_error() -> None:
    async with connected(ConfluenceState.sample()) as (server, connector):
        server.fail_next("/rest/api/user/memberof", 404, '{"statusCode": 404}', 1, JSON)
        with pytest.raises(AccountError, match="whole account"):
            await connector.read("alice")


def page(names: list[str], *, size: int | None = None, limit: int = 200, more: bool = False) -> str:
    entries = [{"type": "group", "name": name} for name in names]
    links = {"next": "/x"} if more else {}
    found = {"results": entries, "start": 0, "limit": limit, "size": len(names) if size is None else size}
    return json.dumps(found | {"_links": links})


@pytest.mark.parametrize(
    "body",
    [
        page(["a"], size=2),
        page(["a", "a"]),
        page([], more=True),
        page(["a"]).replace('"limit": 200', '"limit": "200"'),
        page(["a"]).replace('"name"', '"title"'),
        page(["a"]).replace('"results"', '"values"'),
        "{}",
    ],
)
async def test_a_page_of_groups_that_is_not_whole_is_an_error(body: str) -> None:
    async with connected(ConfluenceState.sample()) as (server, connector):
        await connector.read("alice")
        server.fail_next("/rest/api/user/memberof", 200, body, 1, JSON)
        with pytest.raises(AccountError, match="whole account"):
            await connector.read("alice")


async def test_a_full_page_without_a_link_is_not_taken_for_the_last() -> None:
    state = ConfluenceState.sample()
    async with connected(state) as (server, connector):
        await connector.read("alice")
        server.fail_next("/rest/api/user/memberof", 200, page(["x", "y"], limit=2), 1, JSON)
        account = await connector.read("alice")
        asked = server.matching("GET", "/confluence/rest/api/user/memberof")
    assert frozenset({"x", "y"}) == (account and account.groups)
    assert "&start=2&" in asked[-1].target


async def test_pages_without_an_end_are_an_error() -> None:
    async with connected(ConfluenceState.sample()) as (server, connector):
        await connector.read("alice")
        server.fail_next("/rest/api/user/memberof", 200, page(["x"], more=True), 99, JSON)
        with pytest.raises(AccountError, match="whole account"):
            await connector.read("alice")


@pytest.mark.parametrize(
    ("words", "active"),
    [
        (("Active", "Deactivated"), (True, False)),
        (("active", "disabled"), (True, False)),
        (("ACTIVE", "inactive"), (True, False)),
        (("current", ""), (None, None)),
    ],
)
async def test_a_state_is_understood_or_an_error(
    words: tuple[str, str], active: tuple[bool | None, bool | None]
) -> None:
    found: list[bool | None] = []
    async with connected(ConfluenceState.sample(), ConfluenceConfig(words=words)) as (_, connector):
        for name in ("alice", "carol"):
            try:
                account = await connector.read(name)
            except AccountError as error:
                found.append(None)
                assert "whether the account is active" in error.detail  # noqa: PT017
            else:
                found.append(account.active if account else None)
    assert active == tuple(found)
