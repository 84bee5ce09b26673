"""adapters.oidc.contexts: Entra ID's authentication contexts are asked for and read its own way, and no other is."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from sidecar.adapters.oidc.contexts import with_context
from tests.adapters.oidc.conftest import Build
from tests.adapters.oidc.stand_in import StandIn, signed
from tests.adapters.oidc.test_provider import REQUEST, grant


@pytest.mark.parametrize(
    ("claims", "asked", "expected"),
    [
        ({"acrs": ("p1", "c1")}, ("c1",), "c1"),
        ({"acrs": ("p1", "c2")}, ("c1", "c2"), "c2"),
        ({"acrs": "c1"}, ("c1",), "c1"),
        ({"acrs": ("c1",)}, (), None),
        ({"acrs": ("c10",)}, ("c1",), None),
        ({"acrs": {"c1": True}}, ("c1",), None),
        ({}, ("c1",), None),
        ({"acr": "c1"}, ("c1",), None),
        ({"acr": "c1"}, (), None),
    ],
)
def test_what_was_met(claims: dict[str, Any], asked: tuple[str, ...], expected: str | None) -> None:
    assert expected == with_context(claims, asked).get("acr")


@pytest.mark.parametrize("contexts", [True, False])
async def test_how_it_is_asked_for_and_told(server: StandIn, build: Build, contexts: bool) -> None:
    provider = build(contexts=contexts)
    query = parse_qs(urlsplit(await provider.authorization_url(replace(REQUEST, acr=("c1",)))).query)
    demand = {"id_token": {"acrs": {"essential": True, "value": "c1"}}}
    assert (None if contexts else ["c1"]) == query.get("acr_values")
    assert (demand if contexts else None) == (json.loads(query["claims"][0]) if "claims" in query else None)
    server.gives(signed(server.claims(acrs=["p1", "c1"], acr="told otherwise")))
    tokens = await provider.redeem(grant(acr=("c1",)))
    assert ("c1" if contexts else "told otherwise") == tokens.claims["acr"]


async def test_several_are_asked_for_at_once(server: StandIn, build: Build) -> None:
    url = await build(contexts=True).authorization_url(replace(REQUEST, acr=("c1", "c2")))
    asked = json.loads(parse_qs(urlsplit(url).query)["claims"][0])
    assert {"essential": True, "values": ["c1", "c2"]} == asked["id_token"]["acrs"]
    assert "claims" not in parse_qs(urlsplit(await build(contexts=True).authorization_url(REQUEST)).query)
