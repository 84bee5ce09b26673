"""core.addresses: one spelling of a domain, and no address that two readers could read differently."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.core.addresses import LONGEST_ADDRESS, ascii_domain, domain_of


@pytest.mark.parametrize(
    ("address", "domain"),
    [
        ("ada@example.com", "example.com"),
        (" Ada.Lovelace+x@EXAMPLE.com ", "example.com"),
        ("ada@b\N{LATIN SMALL LETTER U WITH DIAERESIS}cher.example", "xn--bcher-kva.example"),
        ("ada@xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("ada@\N{FULLWIDTH LATIN SMALL LETTER E}xample.com", "example.com"),
        ("ada@a.example.com", "a.example.com"),
        ("a" * (LONGEST_ADDRESS - 12) + "@example.com", "example.com"),
        ("a" * (LONGEST_ADDRESS - 11) + "@example.com", None),
        ("", None),
        ("ada", None),
        ("@example.com", None),
        ("ada@", None),
        ("ada@localhost", None),
        ("ada@example.com.", None),
        ("ada@example..com", None),
        ("ada@-example.com", None),
        ("ada@exa_mple.com", None),
        ("ada@@example.com", None),
        ("ada@example.com@example.org", None),
        ('"ada@example.org"@example.com', None),
        ("ada love@example.com", None),
        ("ada@example.com\n", None),
        ("ada\N{RIGHT-TO-LEFT OVERRIDE}@example.com", None),
        ("ada@[192.0.2.1]", None),
        ("ada@\ud800.com", None),
    ],
)
def test_domain_of_an_address(address: str, domain: str | None) -> None:
    assert domain == domain_of(address)


@given(st.text())
def test_a_domain_has_one_spelling(text: str) -> None:
    """Whatever comes out is ASCII, has no capital, and spells itself."""
    spelled = ascii_domain(text)
    if spelled is not None:
        assert spelled.isascii() and spelled == spelled.lower() == ascii_domain(spelled)


@given(st.text(min_size=1, max_size=30), st.text(min_size=1, max_size=30))
def test_what_stands_before_the_at_changes_nothing(one: str, two: str) -> None:
    """The answer tells nothing of a person."""
    found = {domain_of(f"{local}@example.com") for local in (one, two)}
    assert found <= {None, "example.com"}
