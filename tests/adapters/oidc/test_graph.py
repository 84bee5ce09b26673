"""adapters.oidc.graph: all groups from Microsoft Graph, or unknown ones; never none, and never the token's address."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import aiohttp
import pytest

from sidecar.adapters.oidc.config import UserInfo
from sidecar.adapters.oidc.graph import Graph
from sidecar.adapters.oidc.provider import OidcProvider
from sidecar.core.claims import freeze_claims, groups_from
from sidecar.domain.identity import Person
from sidecar.domain.shape import GroupReading
from tests.adapters.oidc.conftest import Build
from tests.adapters.oidc.stand_in import NOW, Reply, StandIn, signed
from tests.adapters.oidc.test_provider import grant

PATH = "/graph/v1.0/me/getMemberObjects"
IDS = ("0a0a0a0a-0000-4000-8000-000000000001", "0b0b0b0b-0000-4000-8000-000000000002")
OVERAGE = {"_claim_names": {"groups": "src1"}}


def overage(server: StandIn) -> dict[str, Any]:
    """As Entra ID sends it, with an address that must never be asked."""
    return {**OVERAGE, "_claim_sources": {"src1": {"endpoint": f"{server.issuer}/trap"}}}


def us(server: StandIn, build: Build, **changes: Any) -> OidcProvider:
    basis = {"graph": f"{server.issuer}/graph", "needed": frozenset({"groups"}), "userinfo": UserInfo.NEVER}
    return build(**(basis | changes))


async def test_the_groups_come_from_graph_with_the_persons_own_token(server: StandIn, build: Build) -> None:
    server.gives(signed(server.claims(**overage(server))))
    server.replies[PATH] = Reply({"@odata.context": "…", "value": list(IDS)})
    tokens = await us(server, build).redeem(grant())
    assert IDS == groups_from(tokens.claims)
    assert "Bearer CANARY-access" == server.last(PATH).headers["Authorization"]
    assert "application/json" == server.last(PATH).headers["Content-Type"]
    assert 0 == server.counts["/trap"]


@pytest.mark.parametrize(("security", "expected"), [(True, True), (False, False)])
async def test_which_groups_are_asked_for(server: StandIn, build: Build, security: bool, expected: bool) -> None:
    server.gives(signed(server.claims(**overage(server))))
    server.replies[PATH] = Reply({"value": []})
    tokens = await us(server, build, graph_security=security).redeem(grant())
    assert {"securityEnabledOnly": expected} == json.loads(server.last(PATH).text)
    assert () == groups_from(tokens.claims)


async def test_the_same_at_a_refresh(server: StandIn, build: Build) -> None:
    server.gives(signed(server.claims(nonce=None, hasgroups=True)))
    server.replies[PATH] = Reply({"value": list(IDS)})
    tokens = await us(server, build).refresh("r-1", Person(server.issuer, "s-1"), NOW)
    assert IDS == groups_from(tokens.claims)


async def test_the_ids_get_their_names(server: StandIn, build: Build) -> None:
    server.gives(signed(server.claims(**overage(server))))
    server.replies[PATH] = Reply({"value": list(IDS)})
    tokens = await us(server, build).redeem(grant())
    assert (IDS[1], "jira-users") == groups_from(tokens.claims, GroupReading(names={IDS[0]: "jira-users"}))


@pytest.mark.parametrize(
    ("claims", "changes"),
    [
        ({"groups": ["a"]}, {}),
        ({}, {}),
        (OVERAGE, {"needed": frozenset({"email"})}),
        (OVERAGE, {"graph": None}),
        (OVERAGE, {"groups": GroupReading(path=("roles",)), "needed": frozenset({"roles"})}),
    ],
)
async def test_graph_is_not_asked_in_vain(
    server: StandIn, build: Build, claims: dict[str, Any], changes: dict[str, Any]
) -> None:
    server.gives(signed(server.claims(**claims)))
    server.replies[PATH] = Reply({"value": list(IDS)})
    await us(server, build, **changes).redeem(grant())
    assert 0 == server.counts[PATH]


INSUFFICIENT = 'Bearer realm="", error="insufficient_claims", claims="eyJhIjoxfQ=="'
BAD: list[tuple[str, Reply, str]] = [
    ("forbidden", Reply({"error": {"code": "Authorization_RequestDenied"}}, status=403), "grant consent"),
    ("insufficient", Reply({}, status=401, headers={"WWW-Authenticate": INSUFFICIENT}), "has to sign in again"),
    ("unauthorised", Reply({}, status=401), "the scope User.Read"),
    ("too many", Reply({"error": {"code": "Directory_ResultSizeLimitExceeded"}}, status=400), "answered 400"),
    ("throttled", Reply({}, status=429), "answered 429"),
    ("broken", Reply({}, status=500), "answered 500"),
    ("redirect", Reply({}, status=302, headers={"Location": "/trap"}), "redirect"),
    ("garbage", Reply(b"<html>CANARY-garbage"), "without a JSON object"),
    ("no list", Reply({"value": "CANARY-list"}), "no list of ids"),
    ("no value", Reply({}), "no list of ids"),
    ("other things", Reply({"value": [*IDS, "CANARY-name"]}), "no list of ids"),
    ("numbers", Reply({"value": [7]}), "no list of ids"),
    ("a part", Reply({"value": list(IDS), "@odata.nextLink": "https://CANARY"}), "a part of the list"),
    ("oversized", Reply({"value": ["x" * 1_100_000]}), "more than"),
]  # fmt: skip


@pytest.mark.parametrize(("reply", "said"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
async def test_whatever_goes_wrong_leaves_the_groups_unknown(
    server: StandIn, build: Build, caplog: pytest.LogCaptureFixture, reply: Reply, said: str
) -> None:
    server.gives(signed(server.claims(**overage(server))))
    server.replies[PATH] = reply
    with caplog.at_level(logging.DEBUG):
        tokens = await us(server, build).redeem(grant())
    assert groups_from(tokens.claims) is None
    assert "s-1" == tokens.claims["sub"]
    assert said in caplog.text
    assert "the groups are unknown" in caplog.text
    assert "CANARY" not in caplog.text
    assert 0 == server.counts["/trap"]


async def test_a_slow_graph_is_not_waited_for(
    server: StandIn, session: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture
) -> None:
    server.gate = asyncio.Event()
    graph = Graph(server.config(graph=f"{server.issuer}/graph"), session, total=0.2)
    claims = freeze_claims(overage(server))
    async with asyncio.timeout(5):
        assert claims == await graph.completed(claims, "CANARY-access")
    assert "did not answer in time" in caplog.text
    server.gate.set()


async def test_a_graph_that_is_away(session: aiohttp.ClientSession, server: StandIn) -> None:
    graph = Graph(server.config(graph="http://127.0.0.1:1"), session)
    assert groups_from(await graph.completed(freeze_claims(OVERAGE), "a")) is None


async def test_without_an_access_token_nobody_is_asked(session: aiohttp.ClientSession, server: StandIn) -> None:
    graph = Graph(server.config(graph=f"{server.issuer}/graph"), session)
    assert groups_from(await graph.completed(freeze_claims(OVERAGE), None)) is None
    assert 0 == server.counts[PATH]
