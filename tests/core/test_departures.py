"""core.departures: whom the provider is asked to confirm."""

from __future__ import annotations

import pytest

from sidecar.core.departures import LONGEST_HINT, hint_of
from sidecar.domain.identity import Claim
from tests.core.worlds import session


@pytest.mark.parametrize(
    ("username", "email", "expected"),
    [
        ("ada", "ada@example.com", "ada"),
        (None, "ada@example.com", "ada@example.com"),
        (None, None, None),
        ("", "ada@example.com", "ada@example.com"),
        (7, None, None),
        ("a" * LONGEST_HINT, None, "a" * LONGEST_HINT),
        ("a" * (LONGEST_HINT + 1), None, None),
    ],
)
def test_as_whom_the_provider_knows_somebody(username: Claim, email: Claim, expected: str | None) -> None:
    claims = {} if email is None else {"email": email}
    assert expected == hint_of(session(username=username, claims=claims))
