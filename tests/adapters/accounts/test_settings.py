"""Settings of accounts: careful defaults, and no empty or doubled group."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from sidecar.adapters.accounts.settings import AccountSettings, GroupSettings, WebhookSettings
from sidecar.domain.account import Adopt, Reactivation, Removal


def test_defaults_change_nothing() -> None:
    settings = AccountSettings()
    assert (None, Adopt.NEVER, False, Reactivation.OURS, ()) == (
        settings.token, settings.adopt, settings.create, settings.reactivate, settings.update,
    )  # fmt: skip
    assert (Removal.OWNED, 10) == (settings.groups.remove, settings.groups.max_removals)


@pytest.mark.parametrize(
    "values",
    [
        {"map": [{"from": "a"}]},
        {"map": [{"from": "", "to": "b"}]},
        {"default": ["a", "A"]},
        {"default": [""]},
        {"max_removals": -1},
        {"remove": "all"},
    ],
    ids=str,
)
def test_groups_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        GroupSettings.model_validate(values)


@pytest.mark.parametrize("values", [{}, {"timeout": "2m"}, {"on_failure": "ignore"}, {"url": "x"}], ids=str)
def test_a_hook_needs_an_address_and_a_secret(values: dict[str, Any]) -> None:
    whole = {"url": "https://hook.example.com", "secret": "env://X"}
    assert 5 == WebhookSettings.model_validate(whole).timeout
    with pytest.raises(ValidationError):
        WebhookSettings.model_validate({**whole, **values} if values else {})
