"""flows.provisioning: an account that was disabled again after it came back is never ours to take back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sidecar.domain.account import Reactivate, Step, StepResult
from sidecar.domain.identity import UnixSeconds
from sidecar.domain.ledger import Deactivation
from sidecar.domain.reason import Reason
from sidecar.flows.accounts import AccountError
from tests.flows.fake_accounts import Directory, World, account, agent

NOTE = Deactivation(application="jira", username="alice", cause="revoked", at=UnixSeconds(1))


class LosesTheAnswer(Directory):
    """Reactivates, and then nobody hears of it."""

    async def apply(self, step: Step) -> StepResult:
        result = await super().apply(step)
        if isinstance(step, Reactivate):
            raise AccountError(Reason.CONNECTOR_UNREACHABLE, "no answer")
        return result


@pytest.mark.parametrize("directory", [Directory, LosesTheAnswer])
async def test_whoever_is_disabled_after_we_brought_them_back_stays_so(directory: type[Directory]) -> None:
    world = World(directory(account("alice", "jira-users", active=False)))
    world.pin(agent(), "alice")
    await world.ledger.note_deactivation(NOTE)
    if directory is LosesTheAnswer:
        assert Reason.CONNECTOR_UNREACHABLE is await world.refusal(agent())
        world.clock.time += 1_000
    assert "alice" == await world.visit(agent())
    assert {} == world.ledger.deactivations
    # Now an administrator disables the account.
    world.directory.accounts["alice"] = replace(world.directory.accounts["alice"], active=False)
    world.clock.time += 1_000
    assert Reason.ACCOUNT_INACTIVE is await world.refusal(agent())


async def test_so_does_who_was_brought_back_by_hand() -> None:
    world = World(Directory(account("alice", "jira-users")))
    world.pin(agent(), "alice")
    await world.ledger.note_deactivation(NOTE)
    assert "alice" == await world.visit(agent())
    assert {} == world.ledger.deactivations
