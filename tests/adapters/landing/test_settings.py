"""Headers that carry an identity: names that arrive, and that nobody else uses."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from sidecar.adapters.landing.settings import LandingSettings


@pytest.mark.parametrize("name", ["X-Lychgate-User", "X-Remote-User", "Remote_User"])
def test_taken(name: str) -> None:
    assert name == LandingSettings.model_validate({"header": name, "proof": "assertion"}).header


@pytest.mark.parametrize(
    "name",
    ["", "X User", "X-Üser", "X-User:", "x" * 65, "Connection", "keep_alive", "Cookie", "Authorization", "Host",
     "X-AUSERNAME", "x_ausername", "X-Forwarded-For", "Transfer-Encoding", "X-Atlassian-Token"],
)  # fmt: skip
@pytest.mark.parametrize("key", ["header", "secret_header", "assertion_header"])
def test_refused(name: str, key: str) -> None:
    with pytest.raises(ValidationError):
        LandingSettings.model_validate({"header": "X-User", "proof": "assertion", key: name})


@pytest.mark.parametrize(
    ("keys", "by_header"),
    [
        ({}, False),
        ({"client_secret": "env://X"}, False),
        ({"header": "X-User", "proof": "assertion"}, True),
        ({"header": "X-User"}, True),
        ({"proof": "secret"}, True),
        ({"type": "header"}, True),
        ({"type": "oidc"}, False),
        ({"type": "oidc", "header": "X-User"}, False),
    ],
)
def test_which_landing_it_is(keys: dict[str, str], by_header: bool) -> None:
    assert by_header == LandingSettings.model_validate(keys).by_header
