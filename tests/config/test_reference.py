"""docs/configuration.md is what the models say, and they say something about every setting."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel

from sidecar.config.model import Config
from sidecar.config.reference import render
from sidecar.config.shape import key_of, models_in

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"


def all_models(model: type[BaseModel]) -> set[type[BaseModel]]:
    inner = [found for field in model.model_fields.values() for found in models_in(field.annotation)]
    return {model}.union(*(all_models(found) for found in inner))


def test_page_is_up_to_date() -> None:
    """If this fails: python -m sidecar.config.reference > docs/configuration.md"""
    assert render() == PAGE.read_text(encoding="utf-8")


MODELS = sorted(all_models(Config), key=lambda model: model.__name__)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_setting_is_described_and_no_model_is_lax(model: type[BaseModel]) -> None:
    assert "forbid" == model.model_config.get("extra")
    assert model.model_config.get("frozen") is True
    page = render()
    for name, field in model.model_fields.items():
        assert field.description, name
        assert f"| `{key_of(name, field)}` |" in page


def test_models_are_found() -> None:
    assert {"Config", "RuleSettings", "GroupLine", "WebhookSettings", "EndpointSettings"} <= {
        model.__name__ for model in MODELS
    }
