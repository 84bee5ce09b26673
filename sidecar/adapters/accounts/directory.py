"""Accounts in the directory that the product takes from us: no token, and nothing is asked of the product.

Called by `flows.provisioning` through the `Connector` protocol. Plans nothing. A group is there as soon as somebody
joins it: products put groups of one name together, whatever directory they come from.
"""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from sidecar.core.crowd_entities import CrowdUser
from sidecar.core.usernames import fold
from sidecar.domain.account import (
    Account,
    Create,
    Deactivate,
    Join,
    Leave,
    MakeGroup,
    Reactivate,
    Step,
    StepResult,
    Update,
)
from sidecar.domain.reason import Reason
from sidecar.flows.accounts import AccountError
from sidecar.flows.directory import Directory
from sidecar.flows.sessions import StateError
from sidecar.flows.telling import Chance


class DirectoryConnector:
    """Reads and changes the accounts of one application's directory. Safe for many tasks at once."""

    def __init__(self, directory: Directory, application: str, chance: Chance) -> None:
        self._directory = directory
        self._application = application
        self._chance = chance

    async def read(self, username: str) -> Account | None:
        """See `Connector.read`."""
        try:
            user = await self._directory.user(self._application, username)
        except StateError as error:
            raise _unknown(error) from error
        if user is None:
            return None
        return Account(
            username=user.name,
            display_name=user.display_name,
            email=user.email,
            active=user.active,
            groups=user.groups,
            key=user.key or None,
        )

    async def apply(self, step: Step) -> StepResult:
        """See `Connector.apply`."""
        result = StepResult.DONE

        def become(user: CrowdUser | None) -> CrowdUser:
            nonlocal result
            changed = self._changed(step, user)
            if changed == user:
                result = StepResult.ALREADY
            return changed

        if isinstance(step, MakeGroup):
            return result
        try:
            await self._directory.change(self._application, step.username, become)
        except StateError as error:
            raise _unknown(error) from error
        return result

    def _changed(self, step: Step, user: CrowdUser | None) -> CrowdUser:
        if isinstance(step, Create):
            # Nobody else writes here: one that is there was made by us.
            return user or CrowdUser(
                name=step.username, display_name=step.display_name, email=step.email, key=self._chance.token(12)
            )
        if user is None:
            raise AccountError(Reason.ACCOUNT_STEP_FAILED, "there is no such account in the directory", retry=False)
        match step:
            case Reactivate():
                return replace(user, active=True)
            case Deactivate():
                return replace(user, active=False)
            case Update():
                shown = user.display_name if step.display_name is None else step.display_name
                return replace(user, display_name=shown, email=user.email if step.email is None else step.email)
            case Join():
                there = fold(step.group) in map(fold, user.groups)
                return user if there else replace(user, groups=user.groups | {step.group})
            case Leave():
                kept = frozenset(group for group in user.groups if fold(group) != fold(step.group))
                return replace(user, groups=kept)
            case MakeGroup():
                return user
            case _:
                assert_never(step)


def _unknown(error: StateError) -> AccountError:
    return AccountError(Reason.CONNECTOR_UNREACHABLE, f"the directory did not answer: {error}")
