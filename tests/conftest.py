"""For all tests: hypothesis profiles, and the rule that CI skips nothing but what is marked `outside`."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).parent

# Every run asks the same; what nobody has asked yet is looked for with HYPOTHESIS_PROFILE=deep.
settings.register_profile(
    "fast", max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("deep", max_examples=20_000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fast"))


LONG = ("introduction", "e2e", "helm", "operations", "demo")
"""Folders whose files take longest: they come first, so that in the end nobody waits for one of them."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Most of these wait for other processes, which is why there are more workers than processors."""
    folders = {item: item.path.relative_to(ROOT).parts[0] for item in items}
    items.sort(key=lambda item: LONG.index(folders[item]) if folders[item] in LONG else len(LONG))


class _Undeclared(logging.Handler):
    """Facts that somebody told and the catalogue does not have."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())


@pytest.fixture(autouse=True)
def declared_facts() -> Iterator[list[str]]:
    """Whatever a test does, no event may have facts that `domain.catalogue` does not declare."""
    handler, log = _Undeclared(), logging.getLogger("sidecar.adapters.audit.record")
    log.addHandler(handler)
    yield handler.said
    log.removeHandler(handler)
    assert [] == handler.said


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
