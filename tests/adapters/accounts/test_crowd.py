"""adapters.accounts.crowd: what is Crowd's own: whole objects, nested groups, applications instead of people."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from sidecar.adapters.accounts.calls import open_session
from sidecar.adapters.accounts.crowd import CrowdConnector
from sidecar.demo.crowd import CrowdConfig, crowd_people, serve_crowd
from sidecar.demo.jira.listening import Listening
from sidecar.demo.people import Directory
from sidecar.domain.account import Create, Deactivate, Join, Leave, MakeGroup, Reactivate, StepResult, Update
from sidecar.domain.reason import Reason
from sidecar.flows.accounts import AccountError

PASSWORD = "pässword:with:colons"
JSON = (("Content-Type", "application/json"),)


@asynccontextmanager
async def connected(people: Directory, **config: object) -> AsyncIterator[tuple[Listening, CrowdConnector]]:
    told = CrowdConfig(applications={"lychgate": PASSWORD}, **config)  # type: ignore[arg-type]
    async with serve_crowd(people, told) as server, open_session(seconds=5) as session:
        yield server, CrowdConnector(session, server.url, "lychgate", lambda: PASSWORD + "\n")


def some() -> Directory:
    people = crowd_people()
    people.add_user("Alice", "Alice B. Archer", groups=("users",))
    return people


async def names(server: Listening) -> dict[str, object]:
    """Alice as Crowd shows her, asked by another application."""
    async with open_session(seconds=5) as session:
        found = CrowdConnector(session, server.url, "lychgate", lambda: PASSWORD)
        body = await found._user({"username": "alice"}, "reading")
    assert body is not None
    return {key: body[key] for key in ("name", "first-name", "last-name", "display-name", "email", "active")}


async def test_a_change_keeps_everything_else() -> None:
    async with connected(some()) as (server, connector):
        before = await names(server)
        assert ("Alice B.", "Archer") == (before["first-name"], before["last-name"])
        for step, change in (
            (Deactivate("alice"), {"active": False}),
            (Reactivate("ALICE"), {"active": True}),
            (Update("alice", "Alice Archer", None), {"display-name": "Alice Archer"}),
            (Update("alice", None, "new@example.com"), {"email": "new@example.com"}),
        ):
            assert StepResult.DONE is await connector.apply(step)
            before |= change
            assert before == await names(server)


async def test_a_change_of_somebody_who_is_not_there_is_a_failure() -> None:
    async with connected(some()) as (server, connector):
        with pytest.raises(AccountError, match="no such account") as caught:
            await connector.apply(Reactivate("nobody"))
        assert ([], (Reason.ACCOUNT_STEP_FAILED, False)) == (
            server.matching("PUT"), (caught.value.reason, caught.value.retry),
        )  # fmt: skip


@pytest.mark.parametrize("body", [{"name": "Alice"}, {"active": True}, {"name": 7, "active": True}])
async def test_half_a_user_is_never_written_back(body: dict[str, object]) -> None:
    async with connected(some()) as (server, connector):
        server.fail_next("/rest/usermanagement/1/user", 200, json.dumps(body), 1, JSON)
        with pytest.raises(AccountError, match="whole account"):
            await connector.apply(Deactivate("alice"))
        assert [] == server.matching("PUT")


@pytest.mark.parametrize(
    ("shown", "expected"),
    [("Dora Diaz", ("Dora", "Diaz")), ("Dora M. Diaz", ("Dora M.", "Diaz")), ("Dora", ("Dora", "Dora"))],
)
async def test_a_new_account_has_the_names_that_crowd_asks_for(shown: str, expected: tuple[str, str]) -> None:
    people = crowd_people()
    async with connected(people) as (server, connector):
        assert StepResult.DONE is await connector.apply(Create("alice", shown, "dora@example.com"))
        found = await names(server)
    assert (*expected, shown, True) == (
        found["first-name"], found["last-name"], found["display-name"], found["active"],
    )  # fmt: skip


async def test_groups_of_groups_count() -> None:
    nesting = {"users": ("everybody",), "everybody": ("jira-administrators", "users")}
    async with connected(some(), nesting=nesting) as (_, connector):
        account = await connector.read("alice")
        # Only what is direct can be left.
        assert StepResult.ALREADY is await connector.apply(Leave("alice", "everybody"))
    assert frozenset({"users", "everybody", "jira-administrators"}) == (account and account.groups)


async def test_groups_count_whichever_listing_has_them() -> None:
    for way in ("direct", "nested"):
        async with connected(some()) as (server, connector):
            server.fail_next(f"/rest/usermanagement/1/user/group/{way}", 200, '{"groups": []}', 1, JSON)
            account = await connector.read("alice")
        assert frozenset({"users"}) == (account and account.groups)


async def test_an_address_that_is_not_let_in_is_named_as_a_cause() -> None:
    async with connected(some(), addresses=("192.0.2.1",)) as (_, connector):
        with pytest.raises(AccountError, match="does not let our address in") as caught:
            await connector.read("alice")
        assert (Reason.CONNECTOR_REFUSED, False) == (caught.value.reason, caught.value.retry)
        with pytest.raises(AccountError, match="does not let our address in") as caught:
            await connector.apply(Join("alice", "users"))
        assert (Reason.ACCOUNT_STEP_FAILED, False) == (caught.value.reason, caught.value.retry)


async def test_a_wrong_password_is_named_as_a_cause() -> None:
    async with connected(some()) as (server, _), open_session(seconds=5) as session:
        for application, password in (("lychgate", "wrong"), ("other", PASSWORD), ("", "")):
            connector = CrowdConnector(session, server.url, application, lambda password=password: password)  # type: ignore[misc]
            with pytest.raises(AccountError, match=r"accounts\.crowd") as caught:
                await connector.read("alice")
            assert (Reason.CONNECTOR_REFUSED, False) == (caught.value.reason, caught.value.retry)
            assert password not in str(caught.value) or not password


async def test_a_group_that_cannot_be_made_is_not_taken_for_one_that_exists() -> None:
    async with connected(some()) as (server, connector):
        server.fail_next("/rest/usermanagement/1/group", 400, '{"reason": "INVALID_GROUP", "message": "no"}', 1, JSON)
        with pytest.raises(AccountError, match="no"):
            await connector.apply(MakeGroup("alice", "fresh"))
        assert StepResult.DONE is await connector.apply(MakeGroup("alice", "fresh"))
        assert StepResult.ALREADY is await connector.apply(MakeGroup("alice", "fresh"))


async def test_a_join_of_somebody_unknown_is_no_absent_group() -> None:
    async with connected(some()) as (_, connector):
        with pytest.raises(AccountError) as caught:
            await connector.apply(Join("nobody", "users"))
    assert Reason.ACCOUNT_STEP_FAILED is caught.value.reason


@pytest.mark.parametrize("body", ["{}", '{"groups": null}', '{"groups": [{"title": "a"}]}', '{"groups": {"a": 1}}'])
async def test_groups_that_are_not_shown_whole_are_an_error(body: str) -> None:
    async with connected(some()) as (server, connector):
        server.fail_next("/rest/usermanagement/1/user/group/nested", 200, body, 1, JSON)
        with pytest.raises(AccountError, match="whole account"):
            await connector.read("alice")
