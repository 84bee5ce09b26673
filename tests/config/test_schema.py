"""The JSON Schema: made of the models, complete, and no stricter than `lychgate check`."""

from __future__ import annotations

import json

from sidecar.config.schema import json_schema


def test_schema_is_json_and_names_the_keys_of_the_file() -> None:
    schema = json.loads(json.dumps(json_schema()))
    assert "https://json-schema.org/draft/2020-12/schema" == schema["$schema"]
    assert ["version", "state", "cookie_keys", "providers", "applications", "portals"] == schema["required"]
    assert "from" in schema["$defs"]["UsernameSettings"]["properties"]
    assert all(part.get("additionalProperties") is False for part in schema["$defs"].values() if "properties" in part)


def test_what_a_file_may_write_short_is_allowed_short() -> None:
    definitions = json_schema()["$defs"]
    assert {"string", "array"} == {
        way["type"] for way in definitions["PortalSettings"]["properties"]["provider"]["anyOf"]
    }
    assert "issuer" not in definitions["ProviderSettings"]["required"]
    assert "string" == definitions["ProviderSettings"]["properties"]["client_secret"]["anyOf"][0]["type"]
