"""The pages of the demo provider: their policy names the one way back, and never more."""

from __future__ import annotations

import pytest

from sidecar.demo.provider import pages
from tests.demo.provider.relying_party import ANNA, GATE


@pytest.mark.parametrize(
    ("return_to", "expected"),
    [
        ("http://127.0.0.1:8080/jira/cb?x=1", "'self' http://127.0.0.1:8080"),
        ("https://jira.example.test/cb", "'self' https://jira.example.test"),
        # The policy cannot name an IPv6 address.
        ("http://[::1]:8080/cb", "'self' http:"),
        ("http://a;script-src/cb", "'self' http:"),
        ("app:callback", "'self'"),
    ],
)
def test_a_form_may_lead_back_to_the_client_only(return_to: str, expected: str) -> None:
    page = pages.sign_in([ANNA], GATE, return_to, "interaction", hint=None, signed_in=None)
    policy = page.headers["Content-Security-Policy"].split("; ")
    assert [f"form-action {expected}"] == [one for one in policy if one.startswith("form-action")]


def test_many_groups_are_cut_short() -> None:
    groups = [f"group-{number}" for number in range(9)]
    busy = type(ANNA)("busy", "sub-busy", {"groups": groups}, "Busy", "In nine groups.")
    page = pages.sign_in([busy], GATE, GATE.redirect_uris[0], "interaction", None, None)
    text = str(page.text)
    assert [True] * 4 + [False] * 5 == [group in text for group in groups]
    assert "and 5 more" in text
