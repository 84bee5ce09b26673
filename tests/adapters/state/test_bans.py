"""adapters.state bans: kept once each, in order, over a restart; the same in every store."""

from __future__ import annotations

from sidecar.adapters.state.stores import State
from sidecar.domain.ban import Ban, Kind, Mark
from tests.adapters.state.conftest import Opener
from tests.adapters.state.samples import SEALER, at


def a_ban(value: str = "anna", kind: Kind = Kind.ACCOUNT, application: str = "", reason: str = "why") -> Ban:
    return Ban(mark=Mark(kind, application, "", value), at=at(1), reason=reason, uid=0)


async def test_a_ban_is_kept_once_and_as_it_was(state: State) -> None:
    first, again = a_ban(), a_ban(reason="another")
    elsewhere, other = a_ban(application="jira"), a_ban(kind=Kind.PROVIDER)

    added = [await state.bans.add(ban) for ban in (first, again, elsewhere, other)]

    assert [True, False, True, True] == added
    assert (first, elsewhere, other) == await state.bans.all()


async def test_a_ban_that_is_lifted_is_gone_and_may_come_again(state: State) -> None:
    await state.bans.add(a_ban())
    await state.bans.add(a_ban("bert"))

    lifted = [await state.bans.lift(a_ban().mark), await state.bans.lift(a_ban().mark)]

    assert [True, False] == lifted
    assert (a_ban("bert"),) == await state.bans.all()
    assert await state.bans.add(a_ban())
    assert (a_ban("bert"), a_ban()) == await state.bans.all()


async def test_bans_outlive_the_process(reopen: Opener) -> None:
    async with reopen(SEALER) as state:
        await state.bans.add(a_ban())
    async with reopen(SEALER) as state:
        assert (a_ban(),) == await state.bans.all()
