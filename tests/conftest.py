"""For all tests: hypothesis profiles, and the rule that CI skips nothing but what is marked `outside`."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

# Every run asks the same; what nobody has asked yet is looked for with HYPOTHESIS_PROFILE=deep.
settings.register_profile(
    "fast", max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("deep", max_examples=20_000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fast"))

_SKIPPED: list[str] = []


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note what was skipped; runs in the process that reports, with and without workers."""
    if report.skipped and not hasattr(report, "wasxfail") and "outside" not in report.keywords:
        _SKIPPED.append(report.nodeid)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    """A whole file that skips itself counts as well."""
    if report.skipped:
        _SKIPPED.append(report.nodeid)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """In CI a skipped test is a test that nobody ran."""
    if os.environ.get("CI") == "true" and _SKIPPED and not hasattr(session.config, "workerinput"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        print("\nSkipped in CI:", *_SKIPPED, sep="\n  ")
