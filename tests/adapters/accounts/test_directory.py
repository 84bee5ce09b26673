"""adapters.accounts.directory: accounts in the directory that a product takes from us. They behave as at other
products, outlive the process, and what could not be kept did not happen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from sidecar.adapters.accounts.directory import DirectoryConnector
from sidecar.adapters.seal import Sealer
from sidecar.adapters.state.sqlite import open_state
from sidecar.domain.account import Account, Create, Deactivate, Join, Leave, MakeGroup, Reactivate, StepResult, Update
from sidecar.domain.reason import Reason
from sidecar.flows.accounts import AccountError
from sidecar.flows.directory import Directory
from sidecar.flows.sessions import StateError
from tests.adapters.accounts.test_contract import ODD, STEPS, refused
from tests.flows.fakes import CountingChance, FakeClock

DONE, ALREADY = StepResult.DONE, StepResult.ALREADY
CREATE = Create("Alice", "Alice Archer", "alice@example.com")


@asynccontextmanager
async def opened(folder: Path, application: str = "jira") -> AsyncIterator[tuple[DirectoryConnector, Directory]]:
    """A connector on a state in that folder, as after a start."""
    async with open_state(folder, Sealer([b"k" * 32])) as state:
        directory = Directory(state.directory, FakeClock())
        yield DirectoryConnector(directory, application, CountingChance()), directory


async def test_an_account_is_made_read_in_any_case_and_there_after_a_restart(tmp_path: Path) -> None:
    async with opened(tmp_path) as (connector, _):
        assert None is await connector.read("alice")
        assert [DONE, ALREADY] == [await connector.apply(step) for step in (CREATE, Create("ALICE", "x", "y"))]
        for step in (Join("alice", "Users"), Join("ALICE", "others")):
            assert DONE is await connector.apply(step)
        made = await connector.read("ALICE")
    assert made is not None and made.key
    wanted = Account(
        username="Alice", display_name="Alice Archer", email="alice@example.com", active=True,
        groups=frozenset({"Users", "others"}), key=made.key,
    )  # fmt: skip
    assert wanted == made
    async with opened(tmp_path) as (connector, directory):
        assert wanted == await connector.read("alice")
        assert ["Users", "others"] == sorted(await directory.groups("jira"))
    async with opened(tmp_path, "wiki") as (connector, _):
        # Another application's directory is another one.
        assert None is await connector.read("alice")


@pytest.mark.parametrize("name", [*ODD, ".", "..", "a/b"])
async def test_odd_names_mean_what_they_say(tmp_path: Path, name: str) -> None:
    async with opened(tmp_path) as (connector, directory):
        for step in (Create(name, "", ""), Create("a", "", ""), Join(name, f"{name} group"), Deactivate(name)):
            assert DONE is await connector.apply(step)
        account, other = await connector.read(name), await connector.read("a")
        assert account is not None and other is not None
        assert (name, False, {f"{name} group"}) == (account.username, account.active, account.groups)
        assert (True, frozenset()) == (other.active, other.groups)
        assert [name] == [user.name for user in await directory.members("jira", f"{name} GROUP") or ()]


async def test_each_step_changes_what_it_says_and_no_more(tmp_path: Path) -> None:
    async with opened(tmp_path) as (connector, directory):
        await connector.apply(CREATE)
        story: list[tuple[Any, StepResult, dict[str, Any]]] = [
            (Join("alice", "users"), DONE, {"groups": {"users"}}),
            (Join("alice", "USERS"), ALREADY, {"groups": {"users"}}),
            (Deactivate("alice"), DONE, {"active": False, "groups": {"users"}}),
            (Deactivate("alice"), ALREADY, {"active": False}),
            (Update("alice", "Alice B", None), DONE, {"display_name": "Alice B", "email": "alice@example.com"}),
            (Update("alice", None, "b@example.com"), DONE, {"display_name": "Alice B", "email": "b@example.com"}),
            (Reactivate("alice"), DONE, {"active": True, "groups": {"users"}, "display_name": "Alice B"}),
            (MakeGroup("alice", "new"), DONE, {"groups": {"users"}}),
            (Leave("alice", "nowhere"), ALREADY, {"groups": {"users"}}),
            (Leave("alice", "Users"), DONE, {"groups": frozenset()}),
        ]
        for step, result, wanted in story:
            assert (step, result) == (step, await connector.apply(step))
            account = await connector.read("alice")
            assert (step, wanted) == (step, {name: getattr(account, name) for name in wanted})
        # A group stays, for the product to know it.
        assert ["users"] == await directory.groups("jira")


async def test_an_account_that_is_not_there_is_not_changed_into_being(tmp_path: Path) -> None:
    async with opened(tmp_path) as (connector, directory):
        for step in STEPS:
            if not isinstance(step, Create | MakeGroup):
                assert (Reason.ACCOUNT_STEP_FAILED, False) == await refused(connector.apply(step))
        assert ([], []) == (await directory.users("jira"), await directory.groups("jira"))


async def test_changes_at_once_lose_nothing(tmp_path: Path) -> None:
    async with opened(tmp_path) as (connector, directory):
        await connector.apply(CREATE)
        await asyncio.gather(*(connector.apply(Join("alice", f"g{number}")) for number in range(20)))
        account = await connector.read("alice")
        assert account is not None and {f"g{number}" for number in range(20)} == account.groups
        assert 21 == await directory.number("jira")


class Failing:
    """`flows.directory.DirectoryStore`, which keeps nothing while it fails."""

    def __init__(self) -> None:
        self.fails = False
        self.kept: dict[str, Any] = {}

    async def latest(self, application: str) -> None:
        """Nobody else changes anything."""

    async def load(self, application: str, since: int) -> tuple[Any, Any]:
        if self.fails:
            raise StateError("the disk is full")
        return list(self.kept.values()), []

    async def put(self, application: str, kept: Any, groups: Any) -> bool:
        if self.fails:
            raise StateError("the disk is full")
        self.kept[kept.user.name] = kept
        return True


async def test_what_could_not_be_kept_did_not_happen(tmp_path: Path) -> None:
    store = Failing()
    connector = DirectoryConnector(Directory(store, FakeClock()), "jira", CountingChance())
    await connector.apply(CREATE)
    before = await connector.read("alice")
    store.fails = True
    for step in (Join("alice", "users"), Deactivate("alice"), Create("bob", "", "")):
        with pytest.raises(AccountError, match="the disk is full") as caught:
            await connector.apply(step)
        assert (Reason.CONNECTOR_UNREACHABLE, True) == (caught.value.reason, caught.value.retry)
    assert (before, None) == (await connector.read("alice"), await connector.read("bob"))
    unread = DirectoryConnector(Directory(store, FakeClock()), "jira", CountingChance())
    assert (Reason.CONNECTOR_UNREACHABLE, True) == await refused(unread.read("alice"))
