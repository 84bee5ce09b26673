"""adapters.accounts.jira: what Jira says is taken for what it means, and never for less than it means."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

import pytest
from aiohttp import web

from sidecar.domain.account import Account, Create, Join, Leave, Reactivate, Step, StepResult, Update
from sidecar.domain.reason import Reason
from sidecar.flows.accounts import AccountError
from tests.adapters.accounts.small_jira import TOKEN, SmallJira, connected, errors

CREATE = Create("alice", "Alice Archer", "alice@example.com")


async def test_an_account_is_read_with_all_its_groups() -> None:
    jira = SmallJira()
    jira.add("Alice", "jira-users", "other", active=False)
    async with connected(jira) as connector:
        account = await connector.read("alice")
    expected = Account(
        username="Alice",
        display_name="Alice",
        email="Alice@example.com",
        active=False,
        groups=frozenset({"jira-users", "other"}),
        key="JIRAUSER10101",
    )
    assert expected == account


async def test_nobody_is_none() -> None:
    async with connected(SmallJira()) as connector:
        assert None is await connector.read("nobody")


async def test_somebody_else_is_none() -> None:
    jira = SmallJira()
    jira.add("alice")
    jira.users["alias"] = jira.users["alice"]
    async with connected(jira) as connector:
        assert None is await connector.read("alias")


async def test_the_connectors_own_account_is_known_and_asked_for_once_per_token() -> None:
    jira, token = SmallJira(), [TOKEN]
    jira.add("alice")
    async with connected(jira, token=lambda: token[0]) as connector:
        found = [await connector.read(name) for name in ("Connector", "alice", "alice")]
        assert [True, False, False] == [account is not None and account.own for account in found]
        assert 1 == jira.requests.count(("GET", "/jira/rest/api/2/myself"))
        token[0] = jira.token = "the-next-token"
        await connector.read("alice")
        assert 2 == jira.requests.count(("GET", "/jira/rest/api/2/myself"))


@pytest.mark.parametrize("name", ["o+tag@example.com", "a&b=c", "a b", "50%", "jürgen", "a#b", "a?b;c", "a/b"])
async def test_odd_names_reach_jira_as_they_are(name: str) -> None:
    jira = SmallJira()
    jira.groups[name] = set()
    async with connected(jira) as connector:
        assert StepResult.DONE is await connector.apply(Create(name, "Odd", "odd@example.com"))
        assert StepResult.DONE is await connector.apply(Join(name, name))
        account = await connector.read(name)
        assert (name, frozenset({name})) == (account and account.username, account and account.groups)
        assert StepResult.DONE is await connector.apply(Leave(name, name))
    assert set() == jira.groups[name]


async def test_an_account_is_made_without_password_seat_or_mail() -> None:
    jira = SmallJira()
    async with connected(jira) as connector:
        assert StepResult.DONE is await connector.apply(CREATE)
    expected = {
        "name": "alice",
        "displayName": "Alice Archer",
        "emailAddress": "alice@example.com",
        "applicationKeys": [],
        "notification": "false",
    }
    assert [expected] == jira.bodies


async def test_calls_carry_what_jira_asks_for_and_nothing_else() -> None:
    jira = SmallJira()
    async with connected(jira) as connector:
        await connector.apply(CREATE)
    sent = jira.headers[0]
    assert f"Bearer {TOKEN}" == sent["authorization"]
    assert ("no-check", "application/json") == (sent["x-atlassian-token"], sent["accept"])
    assert set() == {"cookie", "origin", "referer"} & sent.keys()


@pytest.mark.parametrize(
    "answer",
    [
        partial(errors, 500, "not created because of other error"),
        partial(errors, 400, username="The username is not allowed."),
        partial(web.Response, status=502, text="<html>"),
    ],
)
@pytest.mark.parametrize("exists", [True, False])
async def test_after_a_failed_creation_only_a_look_tells(
    answer: Callable[[], web.StreamResponse], exists: bool
) -> None:
    jira = SmallJira()
    jira.next_answers = [answer]
    if exists:
        jira.add("alice")
    async with connected(jira) as connector:
        if exists:
            assert StepResult.ALREADY is await connector.apply(CREATE)
        else:
            with pytest.raises(AccountError) as caught:
                await connector.apply(CREATE)
            assert caught.value.reason in {Reason.ACCOUNT_STEP_FAILED, Reason.CONNECTOR_UNREACHABLE}


async def test_reactivation_and_update_change_only_what_they_say() -> None:
    jira = SmallJira()
    jira.add("Alice", active=False)
    async with connected(jira) as connector:
        assert StepResult.DONE is await connector.apply(Reactivate("Alice"))
        assert StepResult.DONE is await connector.apply(Update("Alice", "New Name", None))
        assert StepResult.DONE is await connector.apply(Update("Alice", None, "new@example.com"))
    assert [
        {"name": "Alice", "active": True},
        {"displayName": "New Name"},
        {"emailAddress": "new@example.com"},
    ] == jira.bodies


async def test_membership_that_is_already_so_is_no_failure() -> None:
    jira = SmallJira()
    jira.add("alice", "users")
    jira.groups["others"] = set()
    async with connected(jira) as connector:
        steps: list[Step] = [Join("alice", "users"), Leave("alice", "others"), Leave("alice", "gone")]
        assert [StepResult.ALREADY] * 3 == [await connector.apply(step) for step in steps]


async def test_a_group_that_is_not_there_is_told_by_name() -> None:
    jira = SmallJira()
    jira.add("alice")
    async with connected(jira) as connector:
        with pytest.raises(AccountError, match="nowhere") as caught:
            await connector.apply(Join("alice", "nowhere"))
    assert (Reason.GROUP_ABSENT, False) == (caught.value.reason, caught.value.retry)


async def test_a_dead_token_is_known_whatever_the_status() -> None:
    jira = SmallJira()
    jira.add("alice")
    async with connected(jira, token=lambda: "expired") as connector:
        for work in (connector.read("alice"), connector.apply(Join("alice", "users")), connector.apply(CREATE)):
            with pytest.raises(AccountError) as caught:
                await work
            assert (Reason.CONNECTOR_REFUSED, False) == (caught.value.reason, caught.value.retry)


def page(status: int = 200) -> web.Response:
    return web.Response(status=status, text="<html>Log in</html>", content_type="text/html")


def user(**groups: object) -> web.Response:
    return web.json_response({"name": "alice", "active": True, "groups": groups} if groups else {"name": "alice"})


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (partial(errors, 401), Reason.CONNECTOR_REFUSED),
        (partial(errors, 403, "no permission"), Reason.CONNECTOR_REFUSED),
        (partial(page, 403), Reason.CONNECTOR_REFUSED),
        (partial(page, 404), Reason.CONNECTOR_REFUSED),
        (page, Reason.CONNECTOR_REFUSED),
        (partial(web.Response, status=302, headers={"Location": "/login.jsp"}), Reason.CONNECTOR_REFUSED),
        (partial(errors, 503), Reason.CONNECTOR_UNREACHABLE),
        (user, Reason.CONNECTOR_REFUSED),
        (partial(user, size=2, items=[{"name": "one"}]), Reason.CONNECTOR_REFUSED),
        (partial(user, size=1, items=[{"title": "one"}]), Reason.CONNECTOR_REFUSED),
        (partial(web.Response, body=b"[" * 100_000, content_type="application/json"), Reason.CONNECTOR_REFUSED),
        (partial(web.Response, body=b" " * 5_000_000, content_type="application/json"), Reason.CONNECTOR_UNREACHABLE),
    ],
)
async def test_an_answer_that_is_not_clear_is_an_error_and_never_an_empty_account(
    answer: Callable[[], web.StreamResponse], reason: Reason
) -> None:
    jira = SmallJira()
    jira.add("alice", "users")
    async with connected(jira) as connector:
        await connector.read("alice")
        jira.next_answers = [answer]
        with pytest.raises(AccountError) as caught:
            await connector.read("alice")
    assert reason is caught.value.reason


async def test_a_read_only_directory_is_named_as_a_cause() -> None:
    jira = SmallJira()
    jira.next_answers = [partial(errors, 403, "The directory\n is read only")]
    async with connected(jira) as connector:
        with pytest.raises(AccountError, match="read-only: The directory is read only") as caught:
            await connector.apply(Update("alice", "x", None))
    assert (Reason.DIRECTORY_READ_ONLY, False) == (caught.value.reason, caught.value.retry)


async def test_a_limit_is_waited_for_within_patience_and_not_beyond() -> None:
    jira = SmallJira()
    jira.add("alice")
    async with connected(jira, patience=0.5) as connector:
        await connector.read("alice")
        jira.next_answers = [partial(web.Response, status=429, headers={"Retry-After": "0"})]
        assert await connector.read("alice") is not None
        jira.next_answers = [partial(web.Response, status=429, headers={"Retry-After": "1"})]
        with pytest.raises(AccountError) as caught:
            await connector.read("alice")
        jira.next_answers = [partial(web.Response, status=429, headers={"Retry-After": "0"})] * 9
        with pytest.raises(AccountError):
            await connector.read("alice")
    assert (Reason.CONNECTOR_UNREACHABLE, True) == (caught.value.reason, caught.value.retry)
    # The second that was asked for is not over: nobody asks again before.
    assert 9 == len(jira.next_answers)


class Silent(SmallJira):
    """Says nothing until it is released."""

    def __init__(self) -> None:
        super().__init__()
        self.released = asyncio.Event()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        await self.released.wait()
        return web.Response()


async def test_silence_ends_in_time() -> None:
    jira = Silent()
    # Long enough for the server to have taken the connection: it would not close one that comes with its own end.
    async with connected(jira, seconds=0.3) as connector:
        with pytest.raises(AccountError) as caught:
            await connector.read("alice")
        jira.released.set()
    assert (Reason.CONNECTOR_UNREACHABLE, True) == (caught.value.reason, caught.value.retry)


async def test_the_sessions_of_an_account_are_ended_whatever_its_name() -> None:
    jira = SmallJira()
    for name in ("alice", "a/b?c", "\u00e4 #1"):
        jira.add(name)
    async with connected(jira) as connector:
        for name in ("alice", "a/b?c", "\u00e4 #1", "nobody"):
            await connector.end_sessions(name)
        for dots in (".", ".."):
            with pytest.raises(AccountError):
                await connector.end_sessions(dots)
    assert ["alice", "a/b?c", "\u00e4 #1"] == jira.ended
    assert 4 == len(jira.requests)


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (401, Reason.CONNECTOR_REFUSED),
        (403, Reason.ACCOUNT_STEP_FAILED),
        (500, Reason.CONNECTOR_UNREACHABLE),
        (302, Reason.CONNECTOR_REFUSED),
    ],
)
async def test_sessions_that_were_not_ended_are_an_error(status: int, reason: Reason) -> None:
    jira = SmallJira()
    jira.next_answers.append(lambda: errors(status))
    async with connected(jira) as connector:
        with pytest.raises(AccountError) as failed:
            await connector.end_sessions("alice")
    assert reason is failed.value.reason
