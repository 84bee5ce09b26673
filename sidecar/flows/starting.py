"""An application that is starting: said so, where all that shows is that its accounts cannot be asked for."""

from __future__ import annotations

from typing import Protocol

from sidecar.domain.account import Account, Step, StepResult
from sidecar.domain.reason import Reason
from sidecar.flows.accounts import AccountError, Connector


class Startup(Protocol):
    """What an application says of itself."""

    async def is_starting(self) -> bool:
        """Whether it is starting. To be asked when it fails, and then as often as one likes: the answer is kept for
        some seconds. Never raises."""
        ...


class StartingConnector:
    """A `flows.accounts.Connector` that knows why its application does not answer."""

    def __init__(self, connector: Connector, application: Startup) -> None:
        self._connector = connector
        self._application = application

    async def read(self, username: str) -> Account | None:
        """See `Connector.read`.

        Raises:
            AccountError: also `upstream_starting`.
        """
        try:
            return await self._connector.read(username)
        except AccountError as error:
            if error.reason is Reason.CONNECTOR_UNREACHABLE and await self._application.is_starting():
                raise AccountError(Reason.UPSTREAM_STARTING, error.detail) from error
            raise

    async def apply(self, step: Step) -> StepResult:
        """See `Connector.apply`. A step without an answer keeps its reason: the ledger goes by it."""
        return await self._connector.apply(step)
