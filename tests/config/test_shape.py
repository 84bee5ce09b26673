"""Walking the models by key path, and guessing what was meant."""

from __future__ import annotations

import pytest

from sidecar.config.faults import Path, spell_path
from sidecar.config.model import Config
from sidecar.config.shape import did_you_mean, keys_of, model_at


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ((), "Config"),
        (("sessions",), "SessionSettings"),
        (("providers", "okta"), "ProviderSettings"),
        (("applications", "jira", "accounts", "groups", "map", 0), "GroupLine"),
        (("portals", "agents", "rules", 3, "require"), "ConditionSettings"),
        (("portals", "agents", "rules"), None),
        (("nothing", "here"), None),
    ],
)
def test_model_at(path: Path, name: str | None) -> None:
    model = model_at(Config, path)
    assert name == (model and model.__name__)


def test_keys_are_those_of_the_file() -> None:
    model = model_at(Config, ("applications", "jira", "username"))
    assert model is not None
    assert ["from", "strip_domain", "prefix", "pattern", "apostrophe"] == keys_of(model)


@pytest.mark.parametrize(
    ("word", "cure"),
    [
        ("client-id", "did you mean client_id?"),
        ("Issuer", "did you mean issuer?"),
        ("zzz", "known are: client_id, issuer"),
    ],
)
def test_did_you_mean(word: str, cure: str) -> None:
    assert cure == did_you_mean(word, ["client_id", "issuer"])


def test_spelling_of_paths() -> None:
    assert "portals.agents.rules[0].paths" == spell_path(("portals", "agents", "rules", 0, "paths"))
