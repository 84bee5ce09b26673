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


ASKS: dict[str, tuple[tuple[Edit, ...], str]] = {
    "the portal's condition": ((BOTH, (MANY, f"{MANY}    require: {{any_group: staff}}\n")), "portals.agents.require"),
    "a ban": ((BOTH, (MANY, f"{MANY}    require: {{no_group: staff}}\n")), "portals.agents.require"),
    "a rule's condition": (
        (BOTH, (MANY, f"{MANY}    rules:\n      - {{paths: /x, require: {{all_groups: staff}}}}\n")),
        "portals.agents.rules[0].require",
    ),
    "group lines": ((BOTH, LINES), "portals.agents.provider"),
}


def prefixed(okta: str, customers: str) -> tuple[Edit, ...]:
    """Group prefixes of the two providers."""
    return (
        ("preset: okta\n", f"preset: okta\n    group_prefix: '{okta}'\n"),
        ("{preset: auth0,", f"{{preset: auth0, group_prefix: '{customers}',"),
    )


@pytest.mark.parametrize(("edits", "path"), ASKS.values(), ids=ASKS)
def test_no_provider_speaks_for_another(errors: Errors, edits: tuple[Edit, ...], path: str) -> None:
    assert path in {fault.path for fault in errors(CUSTOMERS, *edits) if "name alike" in fault.wrong}


@pytest.mark.parametrize(
    ("okta", "customers", "fine"),
    [
        ("", "", False),
        ("", "p:", True),  # Okta is authoritative in this file: whom it names is believed
        ("s:", "", False),
        ("s:", "p:", True),
        ("p:", "p:", False),
        ("p", "p:", False),
        ("p:x", "p:", False),
    ],
)
def test_prefixes_keep_names_apart(errors: Errors, okta: str, customers: str, fine: bool) -> None:
    faults = errors(CUSTOMERS, *prefixed(okta, customers), *ASKS["the portal's condition"][0])
    assert fine == (not [fault for fault in faults if "name alike" in fault.wrong])


@pytest.mark.parametrize(
    ("source", "wide"),
    [
        (".+-users", True),
        ("(.*)", True),
        ("(?:x-)?p:.+", True),
        ("x-.+|.+-x", True),
        ("(x-)?(.+)", True),
        ("p?.+", True),
        ("x-(.+)", False),
        ("(x-.+)", False),
        ("p:(.+)", False),
        ("p", False),
        ("jira-users", False),
    ],
)
def test_a_pattern_that_passes_over_a_prefix_is_told(
    loading: Callable[..., Loaded], source: str, *, wide: bool
) -> None:
    """Whoever names groups at the customers' provider could name one that a line for the staff matches."""
    line = (ACCOUNTS, LINES[1].replace("x-(.+)", source).replace("$1", "y"))
    found = told(loading, CUSTOMERS, *prefixed("", "p:"), BOTH, line)
    assert wide == any(f"has a group line from {source}, which may match" in fault.wrong for fault in found)


def test_claims_that_any_provider_can_send_are_told(loading: Callable[..., Loaded]) -> None:
    edits = (BOTH, (MANY, f"{MANY}    require: {{claims: {{department: IT}}}}\n"))
    found = {fault.path for fault in told(loading, CUSTOMERS, *edits) if "send alike" in fault.wrong}
    assert {"portals.agents.require.claims"} == found


def test_one_provider_speaks_for_itself(loading: Callable[..., Loaded]) -> None:
    assert not [fault for fault in told(loading, LINES) if "alike" in fault.wrong]


def test_a_domain_leads_to_one_provider(errors: Errors) -> None:
    domains = (
        ("preset: okta\n", "preset: okta\n    domains: [example.com, example.org]\n"),
        ("{preset: auth0,", "{preset: auth0, domains: [EXAMPLE.org],"),
    )
    faults = [fault.wrong for fault in errors(CUSTOMERS, *domains, BOTH) if "both have the domain" in fault.wrong]
    assert ["okta and customers both have the domain example.org: nobody could be sent to the right one"] == faults


@pytest.mark.parametrize("domain", ["'@example.com'", "ada@example.com", "com", "'*.example.com'", "example.com."])
def test_what_is_no_domain_is_told(errors: Errors, domain: str) -> None:
    edit = ("preset: okta\n", f"preset: okta\n    domains: [{domain}]\n")
    assert any("no domain of e-mail addresses" in fault.wrong for fault in errors(edit))


@pytest.mark.parametrize(
    ("edits", "wrong"),
    [
        ((("    provider: okta\n", "    provider: okta\n    usernames: {other: {prefix: x-}}\n"),), "is for nobody"),
        ((("preset: okta\n", "preset: okta\n    group_prefix: 'a b'\n"),), "no prefix for groups"),
        ((BOTH,), "may meet"),
    ],
)
def test_what_makes_no_sense_is_told(errors: Errors, edits: tuple[Edit, ...], wrong: str) -> None:
    assert any(wrong in fault.wrong for fault in errors(CUSTOMERS, *edits))


def test_usernames_of_one_provider_settle_it(errors: Errors) -> None:
    edit = (MANY, f"{MANY}    usernames: {{customers: {{prefix: x-}}}}\n")
    assert not [fault for fault in errors(CUSTOMERS, BOTH, edit) if "may meet" in fault.wrong]


def told(loading: Callable[..., Loaded], *edits: Edit) -> list[Fault]:
    """Faults and warnings, whether or not the file can be loaded."""
    try:
        return list(loading(*edits).warnings)
    except ConfigError as error:
        return list(error.faults)
