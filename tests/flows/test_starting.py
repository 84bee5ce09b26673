"""The account connector of an application that is starting: the reason is the true one, and the ledger's is kept."""

from __future__ import annotations

import pytest

from sidecar.domain.account import Account, Create, Step, StepResult
from sidecar.domain.reason import Reason
from sidecar.flows.accounts import AccountError
from sidecar.flows.starting import StartingConnector

ADA = Account(username="ada", display_name="Ada", email="ada@example.com", active=True, groups=frozenset())


class Jira:
    """A connector that fails if it is told to."""

    def __init__(self, fails: Reason | None) -> None:
        self.fails = fails

    async def read(self, username: str) -> Account | None:
        if self.fails is not None:
            raise AccountError(self.fails, "answered by 503")
        return ADA

    async def apply(self, step: Step) -> StepResult:
        if self.fails is not None:
            raise AccountError(self.fails, "answered by 503")
        return StepResult.DONE


class Says:
    """What the application says of itself, and how often it was asked."""

    def __init__(self, starting: bool) -> None:
        self.starting = starting
        self.asked = 0

    async def is_starting(self) -> bool:
        self.asked += 1
        return self.starting


@pytest.mark.parametrize(
    ("fails", "starting", "reason", "asked"),
    [
        (Reason.CONNECTOR_UNREACHABLE, True, Reason.UPSTREAM_STARTING, 1),
        (Reason.CONNECTOR_UNREACHABLE, False, Reason.CONNECTOR_UNREACHABLE, 1),
        (Reason.CONNECTOR_REFUSED, True, Reason.CONNECTOR_REFUSED, 0),
    ],
)
async def test_why_an_account_cannot_be_read(fails: Reason, starting: bool, reason: Reason, asked: int) -> None:
    says = Says(starting)
    with pytest.raises(AccountError) as caught:
        await StartingConnector(Jira(fails), says).read("ada")
    assert (reason, "answered by 503", True) == (caught.value.reason, caught.value.detail, caught.value.retry)
    assert asked == says.asked


async def test_a_step_keeps_its_reason() -> None:
    connector = StartingConnector(Jira(Reason.CONNECTOR_UNREACHABLE), Says(True))
    with pytest.raises(AccountError) as caught:
        await connector.apply(Create(username="ada", display_name="Ada", email="ada@example.com"))
    assert Reason.CONNECTOR_UNREACHABLE is caught.value.reason


async def test_an_application_that_answers_is_not_asked() -> None:
    says = Says(True)
    connector = StartingConnector(Jira(None), says)
    assert ADA == await connector.read("ada")
    assert StepResult.DONE is await connector.apply(Create(username="ada", display_name="Ada", email="a@example.com"))
    assert 0 == says.asked
