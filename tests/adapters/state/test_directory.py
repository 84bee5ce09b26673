"""flows.directory.DirectoryStore, for every kind of store: a change has the number behind the last one, or is not made;
and directories of two instances on one store are one."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from sidecar.adapters.state.stores import State
from sidecar.core.crowd_entities import CrowdUser
from sidecar.flows.directory import Directory, Kept, KeptGroup
from tests.adapters.state.conftest import POSTGRES, Opener
from tests.adapters.state.samples import SEALER
from tests.flows.fakes import FakeClock

ADA = CrowdUser(name="Ada", display_name="Ada L", email="ada@example.com", key="k1", groups=frozenset({"Users"}))
BOB = CrowdUser(name="bob", display_name="Bob", email="", key="k2")


async def test_what_was_put_is_there_and_what_is_behind_a_number_is_only_that(state: State) -> None:
    store = state.directory
    assert ((), ()) == await store.load("jira", 0)
    assert await store.put("jira", Kept(ADA, 1, 1), [KeptGroup("Users", 1)])
    assert await store.put("jira", Kept(BOB, 2, 2), [])
    later = replace(ADA, active=False, groups=frozenset({"Users", "Late"}))
    assert await store.put("jira", Kept(later, 1, 3), [KeptGroup("Late", 3), KeptGroup("users", 3)])
    users, groups = await store.load("jira", 0)
    assert {("Ada", 1, 3), ("bob", 2, 2)} == {(one.user.name, one.made, one.changed) for one in users}
    assert later in [one.user for one in users]
    assert {("Users", 1), ("Late", 3)} == {(group.name, group.made) for group in groups}
    users, groups = await store.load("jira", 2)
    assert (["Ada"], ["Late"]) == ([one.user.name for one in users], [group.name for group in groups])
    assert ((), ()) == await store.load("wiki", 0)


async def test_a_number_is_given_once(state: State) -> None:
    store = state.directory
    assert await store.put("jira", Kept(ADA, 1, 1), [])
    assert not await store.put("jira", Kept(BOB, 1, 1), [KeptGroup("g", 1)])
    assert not await store.put("jira", Kept(BOB, 3, 3), [])
    users, groups = await store.load("jira", 0)
    assert (["Ada"], 0) == ([one.user.name for one in users], len(groups))
    # Another application counts by itself.
    assert await store.put("wiki", Kept(BOB, 1, 1), [])
    tried = await asyncio.gather(*(store.put("jira", Kept(replace(BOB, name=f"b{n}"), 2, 2), []) for n in range(10)))
    assert [False] * 9 + [True] == sorted(tried)


@pytest.mark.parametrize("reopen", [POSTGRES], indirect=True)
async def test_two_instances_write_and_read_one_directory(reopen: Opener) -> None:
    def join(user: CrowdUser | None, name: str, group: str) -> CrowdUser:
        found = user or CrowdUser(name=name, display_name=name, email="", key=name)
        return replace(found, groups=found.groups | {group})

    async with reopen(SEALER) as first, reopen(SEALER) as second:
        both = [Directory(one.directory, FakeClock()) for one in (first, second)]
        assert [[], []] == [await one.users("jira") for one in both]
        # The same users and new ones, at both at once.

        async def joined(turn: int) -> None:
            name, group = f"u{turn % 5}", f"g{turn}"
            await both[turn % 2].change("jira", name, lambda user: join(user, name, group))

        _ = await asyncio.gather(*map(joined, range(20)))
        seen = [(await one.users("jira"), sorted(await one.groups("jira")), await one.number("jira")) for one in both]
        assert seen[0] == seen[1]
        users, groups, number = seen[0]
        assert {f"u{n}": {f"g{n + 5 * k}" for k in range(4)} for n in range(5)} == {
            user.name: set(user.groups) for user in users
        }
        assert (20, 20) == (len(groups), number)
        await both[0].change("jira", "u0", lambda user: replace(join(user, "u0", "g0"), active=False))
        gone = await both[1].user("jira", "U0")
        assert gone is not None and not gone.active
        # Until the product has asked for it, wherever it was changed.
        assert [True, True] == [one.is_pending("jira", "u0", 60) for one in both]
        changes = await both[1].since("jira", number)
        assert changes is not None and ["u0"] == [user.name for user in changes.changed]
        # A store that was put back is read anew.
        _ = await first.directory._database.change("DELETE FROM directory_users WHERE changed > 18")  # type: ignore[union-attr]
        left = await first.directory.latest("jira")
        assert left is not None and left < number
        assert [left, left] == [await one.number("jira") for one in both]
        await both[0].change("jira", "new", lambda user: join(user, "new", "g"))
        assert [left + 1, left + 1] == [await one.number("jira") for one in both]
