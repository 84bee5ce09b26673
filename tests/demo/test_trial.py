"""The sign-in that a program walks: well when all is well, and not otherwise."""

from __future__ import annotations

import io

import pytest

from sidecar.demo import trial
from sidecar.demo.run import running_demo


async def test_every_step_is_seen(capsys: pytest.CaptureFixture[str]) -> None:
    await trial.trial()
    assert 4 == capsys.readouterr().out.count("seen: ")


async def test_a_jira_that_is_gone_is_no_sign_in() -> None:
    async with running_demo(0, io.StringIO()) as demo:
        demo.jira.cut_next("/", times=100)
        with pytest.raises(trial.TrialError, match="the way through the sign-in ends"):
            assert [step async for step in trial.steps(demo.url)]
