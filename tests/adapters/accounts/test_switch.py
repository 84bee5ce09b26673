"""A Jira that takes a change of `active` and does nothing: its own user server is the second way."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from sidecar.adapters.accounts import calls
from sidecar.adapters.accounts.crowd import CrowdConnector
from sidecar.adapters.accounts.jira import JiraConnector
from sidecar.demo.crowd import CrowdConfig, serve_crowd
from sidecar.demo.jira import JiraConfig, JiraState, RunningJira, serve_jira
from sidecar.domain.account import Deactivate, Reactivate, Step, StepResult
from sidecar.domain.reason import Reason
from sidecar.flows.accounts import AccountError

TOKEN = "the-token-of-the-connector"
SECRET = "the-password-of-the-application"


@asynccontextmanager
async def a_jira(password: str | None) -> AsyncIterator[tuple[RunningJira, JiraConnector]]:
    """A Jira and its user server over the same people; without *password* the connector has one way only."""
    state = JiraState()
    state.add_user("gate", groups=("jira-administrators",))
    state.add_user("alice")
    state.tokens[TOKEN] = "gate"
    config = CrowdConfig(context_path="/jira", applications={"lychgate": SECRET})
    async with (
        serve_jira(state, JiraConfig()) as jira,
        serve_crowd(state, config) as server,
        calls.open_session() as session,
    ):
        second = None
        if password is not None:
            second = CrowdConnector(session, server.origin + "/jira", "lychgate", lambda: password)
        yield jira, JiraConnector(session, jira.origin, lambda: TOKEN, switch=second)


@pytest.mark.parametrize(("step", "before"), [(Reactivate("alice"), False), (Deactivate("alice"), True)])
async def test_what_jira_does_not_do_its_user_server_does(step: Step, before: bool) -> None:
    async with a_jira(SECRET) as (jira, connector):
        jira.state.users["alice"].active = before
        jira.faults.active_ignored = True
        assert StepResult.DONE is await connector.apply(step)
        assert before is not jira.state.users["alice"].active


async def test_what_jira_does_itself_needs_nobody_else() -> None:
    async with a_jira("a-password-that-nobody-takes") as (jira, connector):
        jira.state.users["alice"].active = False
        assert StepResult.DONE is await connector.apply(Reactivate("alice"))
        assert jira.state.users["alice"].active


async def test_without_a_second_way_a_deactivation_that_was_not_done_is_told() -> None:
    async with a_jira(None) as (jira, connector):
        jira.faults.active_ignored = True
        with pytest.raises(AccountError) as caught:
            await connector.apply(Deactivate("alice"))
    assert Reason.ACCOUNT_STEP_FAILED is caught.value.reason


async def test_a_second_way_that_is_closed_is_told() -> None:
    async with a_jira("a-password-that-nobody-takes") as (jira, connector):
        jira.faults.active_ignored = True
        jira.state.users["alice"].active = False
        with pytest.raises(AccountError) as caught:
            await connector.apply(Reactivate("alice"))
        assert not jira.state.users["alice"].active
    assert (Reason.CONNECTOR_REFUSED, False) == (caught.value.reason, caught.value.retry)
