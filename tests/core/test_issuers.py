"""core.issuers: an issuer with `{tenantid}` means the token's own tenant, and every other one is a byte string."""

from __future__ import annotations

import pytest

from sidecar.core.issuers import fits, issuers_of, named_issuer, named_issuers
from sidecar.domain.policy import ProviderPolicy

ONE = "3f2504e0-4f89-41d3-9a0c-0305e82c3301"
TWO = "9b1deb4d-3b7d-4bad-9bdd-2b0d7b3dcb6d"
PATTERN = "https://login.microsoftonline.com/{tenantid}/v2.0"
OF_ONE = PATTERN.replace("{tenantid}", ONE)
PLAIN = "https://id.example.com"


def test_an_issuer_without_the_placeholder_is_itself() -> None:
    assert PLAIN == named_issuer(PLAIN, {"tid": ONE})
    assert PLAIN == named_issuer(PLAIN, {})


def test_the_placeholder_is_the_tokens_own_tenant() -> None:
    assert OF_ONE == named_issuer(PATTERN, {"tid": ONE})


@pytest.mark.parametrize(
    "tid",
    [None, "", 7, [ONE], "common", "{tenantid}", ONE.upper(), f"{ONE}/v2.0#", f"{ONE}\n", f" {ONE}", ONE[:-1]],
    ids=str,
)
def test_what_is_no_id_of_a_tenant_means_no_issuer(tid: object) -> None:
    assert named_issuer(PATTERN, {"tid": tid}) is None
    assert (PLAIN,) == named_issuers((PATTERN, PLAIN), {"tid": tid})


@pytest.mark.parametrize(
    ("pattern", "issuer", "expected"),
    [
        (PLAIN, PLAIN, True),
        (PLAIN, PLAIN + "/", False),
        (PATTERN, OF_ONE, True),
        (PATTERN, PATTERN, False),
        (PATTERN, OF_ONE + "/", False),
        (PATTERN, OF_ONE.replace(ONE, "common"), False),
        (PATTERN, "https://login.microsoftonline.com/v2.0", False),
        (PATTERN, OF_ONE.replace("https", "http"), False),
        (PATTERN, f"https://login.microsoftonline.com/x/{ONE}/v2.0", False),
    ],
)
def test_an_issuer_that_comes_alone(pattern: str, issuer: str, expected: bool) -> None:
    assert expected is fits(pattern, issuer)


def provider(issuer: str, *tenants: str) -> ProviderPolicy:
    fence = {"tid": frozenset(tenants)} if tenants else {}
    return ProviderPolicy(name="entra", label="Microsoft", issuer=issuer, fence=fence)


def test_the_persons_of_a_provider_come_from_its_own_tenants() -> None:
    assert {PLAIN} == issuers_of(provider(PLAIN))
    assert {PLAIN} == issuers_of(provider(PLAIN, ONE))
    assert {OF_ONE, OF_ONE.replace(ONE, TWO)} == issuers_of(provider(PATTERN, ONE, TWO))
    assert set() == issuers_of(provider(PATTERN))
