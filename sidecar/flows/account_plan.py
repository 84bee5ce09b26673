"""A whole plan carried out, stage by stage, and the account looked at in between and at the end (D11).

Called by `flows.provisioning`. Keeps the rule that an account is ready when the application itself shows it so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

from sidecar.core.accounts import Plan
from sidecar.core.usernames import fold
from sidecar.domain.account import Account, Create, Join, Reactivate, StepResult
from sidecar.domain.policy import AccountPolicy, GroupPolicy
from sidecar.domain.reason import Reason
from sidecar.flows.account_steps import Carrying
from sidecar.flows.accounts import AccountError, Connector


class NotShownError(AccountError):
    """What was done does not show at the application, or not yet."""


def must_be_ready(account: Account | None, needed: frozenset[str] = frozenset()) -> Account:
    """The account, as long as the application shows it as it was made.

    Raises:
        NotShownError: absent, inactive, or without one of the folded groups *needed*.
    """
    if account is None:
        raise NotShownError(Reason.ACCOUNT_ABSENT, "the application does not show the account that was made")
    if not account.active:
        raise NotShownError(Reason.ACCOUNT_INACTIVE, "the application still shows the account as inactive")
    if needed - set(map(fold, account.groups)):
        raise NotShownError(Reason.ACCOUNT_STEP_FAILED, "the application does not show the account in a needed group")
    return account


async def carry_out(
    way: Plan, carrying: Carrying, connector: Connector, policy: AccountPolicy, groups: GroupPolicy
) -> str:
    """All stages; returns the username.

    Raises:
        NotShownError: all was done, and the application does not show it.
        AccountError: a step failed that keeps the person out.
    """
    await carrying.prepare(way)
    stages = way.stages
    if stages and isinstance(create := stages[0][0], Create):
        return (await _carry_out_new(way, create, carrying, connector, policy, groups)).username
    for number, stage in enumerate(stages, 1):
        await carrying.run_stage(stage, None)
        if number < len(stages) and any(isinstance(step, Reactivate) for step in stage):
            # What follows it is for active accounts only.
            _ = must_be_ready(await connector.read(way.username))
    if not any(isinstance(step, Reactivate) or (isinstance(step, Join) and step.needed) for step in way.steps):
        return way.username
    # The answer to a change is no proof of the directory's state.
    return must_be_ready(await connector.read(way.username), carrying.needed).username


async def _carry_out_new(
    way: Plan, create: Create, carrying: Carrying, connector: Connector, policy: AccountPolicy, groups: GroupPolicy
) -> Account:
    """Creating with ten groups takes two round trips: a directory that shows the new account at once is not late, so
    the 201 of every join is proof, and the look goes beside the joins."""
    await carrying.run_stage((create,), way.pin)
    rest = tuple(step for stage in way.stages[1:] for step in stage)
    if carrying.results[create] is StepResult.ALREADY:
        found = await connector.read(way.username)
        if found is not None:
            await carrying.check_found(found, create, way.pin, policy, groups)
        checked = must_be_ready(found)
        await carrying.run_stage(rest, None)
    else:
        checked = must_be_ready(await _beside(connector.read(way.username), carrying.run_stage(rest, None)))
    if checked.key is not None:
        # The pin may still have the key of the account that was there before this one.
        await carrying.learn_key(checked.key)
    return checked


async def _beside(look: Awaitable[Account | None], work: Awaitable[None]) -> Account | None:
    """Both at once, and both to their end, so that no step goes on after a failure was reported."""
    found, done = await asyncio.gather(look, work, return_exceptions=True)
    if isinstance(done, AccountError) and done.reason is Reason.ACCOUNT_ABSENT and found is None:
        # Nobody can join before the application shows the account.
        return None
    if isinstance(done, BaseException):
        raise done
    if isinstance(found, BaseException):
        raise found
    return found
