"""The JSON Schema of the configuration file, for editors: `lychgate schema`."""

from __future__ import annotations

from typing import Any

from sidecar.config.model import Config


def json_schema() -> dict[str, Any]:
    """The schema (JSON Schema draft 2020-12). It knows shapes; `lychgate check` knows more."""
    schema = Config.model_json_schema(by_alias=True)
    _drop_filled(schema)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Lychgate configuration",
        **{key: value for key, value in schema.items() if key != "title"},
    }


def _drop_filled(schema: dict[str, Any]) -> None:
    """A preset may know the issuer, so an editor must not ask for it."""
    required = schema["$defs"]["ProviderSettings"]["required"]
    required.remove("issuer")
