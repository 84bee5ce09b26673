"""Portals with several providers: labels, and groups that any provider can name."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sidecar.config.faults import ConfigError, Fault
from sidecar.config.load import Loaded
from tests.config.conftest import Edit
from tests.config.test_checks import ACCOUNTS, CUSTOMERS, Errors

BOTH: Edit = ("    provider: okta\n", "    provider: [okta, customers]\n")
LINES: Edit = (ACCOUNTS, "    accounts: {token: env://JIRA_PAT, groups: {map: [{from: 'x-(.+)', to: '$1'}]}}\n")
MANY = "provider: [okta, customers]\n"


def labelled(label: str) -> Edit:
    return "{preset: auth0,", f"{{preset: auth0, label: {label},"


@pytest.mark.parametrize("label", ["Okta", "OKTA", "'okta'"])
def test_labels_of_one_portal_differ(errors: Errors, label: str) -> None:
    assert any("same label" in fault.wrong for fault in errors(CUSTOMERS, labelled(label), BOTH))


def test_different_labels_are_fine(errors: Errors) -> None:
    assert not any("label" in fault.wrong for fault in errors(CUSTOMERS, labelled("Customers"), BOTH))


@pytest.mark.parametrize(
    ("edits", "path"),
    [
        ((BOTH, (MANY, f"{MANY}    require: {{any_group: staff}}\n")), "portals.agents.require"),
        (
            (BOTH, (MANY, f"{MANY}    rules:\n      - {{paths: /x, require: {{any_group: staff}}}}\n")),
            "portals.agents.rules[0].require",
        ),
        ((BOTH, LINES), "portals.agents.provider"),
    ],
    ids=["the portal's condition", "a rule's condition", "group lines"],
)
def test_names_that_any_provider_can_send_are_told(
    loading: Callable[..., Loaded], edits: tuple[Edit, ...], path: str
) -> None:
    assert path in {fault.path for fault in told(loading, CUSTOMERS, *edits) if "alike" in fault.wrong}


def test_one_provider_speaks_for_itself(loading: Callable[..., Loaded]) -> None:
    assert not [fault for fault in told(loading, LINES) if "alike" in fault.wrong]


def told(loading: Callable[..., Loaded], *edits: Edit) -> list[Fault]:
    """Faults and warnings, whether or not the file can be loaded."""
    try:
        return list(loading(*edits).warnings)
    except ConfigError as error:
        return list(error.faults)
