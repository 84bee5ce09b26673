"""docs/providers/shapes.md: every row is played against a provider on loopback, from the settings to the decision."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import aiohttp
import pytest
import yaml

from sidecar.adapters.oidc.presets import PRESETS
from sidecar.adapters.oidc.provider import OidcProvider
from sidecar.config.compile import compile_policy
from sidecar.config.model import Config
from sidecar.config.outside import provider_config
from sidecar.core.claims import identity_from, is_stranger
from sidecar.core.decide import decide
from sidecar.core.issuers import named_issuer
from sidecar.core.routing import locate
from sidecar.core.standing import needed_claims, standing_of
from sidecar.domain.decision import Deny, Forward, Place
from sidecar.domain.identity import Identity, UnixSeconds
from sidecar.domain.policy import Policy
from sidecar.domain.reason import Reason
from sidecar.domain.session import Session
from sidecar.flows.login import LoginError
from sidecar.products import PRODUCTS
from tests.adapters.oidc.stand_in import NOW, RSA_ONE, HandClock, Reply, StandIn, public, signed
from tests.adapters.oidc.test_provider import grant
from tests.core.worlds import get, visitor_of

PAGE = Path(__file__).parents[3] / "docs" / "providers" / "shapes.md"
GRAPH = "/graph/v1.0/me/getMemberObjects"


class Row(NamedTuple):
    """One sign-in of the page."""

    section: str
    settings: dict[str, Any]
    username_from: str
    asks_groups: bool
    shape: str
    id_token: dict[str, Any]
    beside: str
    answer: Any
    expected: tuple[str, str, str]


def expanded(value: Any) -> Any:
    """`group × 3` in a list stands for three groups."""
    if isinstance(value, dict):
        return {name: expanded(item) for name, item in value.items()}
    if not isinstance(value, list):
        return value
    found: list[Any] = []
    for item in value:
        many = re.fullmatch(r"(.+) × (\d+)", item) if isinstance(item, str) else None
        found.extend(f"{many[1]}-{number}" for number in range(int(many[2]))) if many else found.append(item)
    return found


def cell(text: str) -> Any:
    return None if text == "–" else expanded(json.loads(text.strip("`")))


def read_page() -> list[Row]:
    rows = []
    for section in PAGE.read_text("utf-8").split("\n## ")[1:]:
        title, _, text = section.partition("\n")
        block = re.search(r"```yaml\n(.*?)```", text, re.DOTALL)
        assert block is not None, title
        (settings,) = yaml.safe_load(block[1])["providers"].values()
        source = re.search(r"usernames come from `(\w+)`", text)
        head, _, *lines = [line for line in text.splitlines() if line.startswith("|")]
        for line in lines:
            shape, token, answer, *expected = [part.strip() for part in line.strip("|").split(" | ")]
            assert 3 == len(expected), line
            rows.append(
                Row(
                    section=title,
                    settings=settings,
                    username_from=source[1] if source else "preferred_username",
                    asks_groups="asks for no group" not in text,
                    shape=shape,
                    id_token=cell(token),
                    beside=head.split("|")[3].strip(),
                    answer=cell(answer),
                    expected=(expected[0], expected[1], expected[2]),
                )
            )
    return rows


ROWS = read_page()


def configuration(row: Row, server: StandIn, published: str) -> Config:
    settings = {key: value for key, value in row.settings.items() if key not in ("endpoints", "endpoint_hosts")}
    path = urlsplit(published).path
    here = {
        "issuer": server.issuer + path,
        "client_id": "gate",
        "client_secret": "env://SHAPES_SECRET",
        "endpoints": {"graph": f"{server.issuer}/graph"},
    }
    portal = {"application": "jira", "default": True, "provider": "here"}
    if row.asks_groups:
        portal["require"] = {"any_group": ["jira-users"]}
    return Config.model_validate(
        {
            "version": 1,
            "state": "memory",
            "cookie_keys": ["env://SHAPES_SECRET"],
            "providers": {"here": settings | here},
            "applications": {
                "jira": {
                    "product": "jira",
                    "url": "https://jira.example.com",
                    "upstream": "http://127.0.0.1:9",
                    "landing": {"header": "X-Lychgate-User", "proof": "assertion"},
                    "username": {"from": row.username_from},
                }
            },
            "portals": {"agents": portal},
        }
    )


def answers(row: Row, server: StandIn, issuer: str, pattern: str) -> None:
    """Make the stand-in the provider of *row*."""
    path = urlsplit(issuer).path.rstrip("/")
    server.metadata["issuer"] = pattern
    server.replies[f"{path}/.well-known/openid-configuration"] = Reply(server._discovery())
    server.keys = [public(RSA_ONE)]
    claims = dict(row.id_token)
    if "iss" in claims:
        given = urlsplit(claims["iss"])
        claims["iss"] = server.issuer + given.path if given.scheme else claims["iss"]
    server.gives(signed(server.claims(**{"iss": named_issuer(pattern, claims), **claims})))
    if row.answer is not None:
        body, status = ({}, row.answer) if isinstance(row.answer, int) else (row.answer, 200)
        server.replies["/userinfo" if row.beside == "userinfo" else GRAPH] = Reply(body, status=status)
    elif row.beside == "userinfo":
        server.metadata["userinfo_endpoint"] = None
        server.replies[f"{path}/.well-known/openid-configuration"] = Reply(server._discovery())


def came(identity: Identity, policy: Policy) -> tuple[str, str, str]:
    """Username, groups and decision of the first page of somebody who has just signed in."""
    session = Session(
        key="0" * 64,
        application="jira",
        portal="agents",
        identity=identity,
        created_at=NOW,
        ends_at=UnixSeconds(NOW + 3600),
        checked_at=NOW,
        form_token="form",
    )
    standing = standing_of(session, policy)
    assert standing is not None
    place = locate(get("/secure/Dashboard.jspa"), policy)
    assert isinstance(place, Place)
    made = decide(get("/secure/Dashboard.jspa"), place, visitor_of(session, policy), policy, NOW)
    assert isinstance(made, Forward | Deny)
    decision = "allow" if isinstance(made, Forward) else str(made.reason)
    return standing.username or "–", spelled(identity.groups), decision


def spelled(groups: tuple[str, ...] | None) -> str:
    if groups is None:
        return "unknown"
    if len(groups) > 10:
        return f"{len(groups)} groups"
    return ", ".join(name.replace(",", r"\,") for name in groups) or "none"


async def outcome(row: Row, server: StandIn, session: aiohttp.ClientSession, clock: HandClock) -> tuple[str, str, str]:
    published = row.settings.get("issuer") or str(PRESETS[row.settings["preset"]]["issuer"])
    config = configuration(row, server, published)
    policy = compile_policy(config, PRODUCTS)
    known, application = policy.providers["here"], policy.applications["jira"]
    answers(row, server, config.providers["here"].issuer, known.issuer)
    provider = OidcProvider(provider_config("here", config.providers["here"], policy), session, clock)
    try:
        tokens = await provider.redeem(grant())
        if is_stranger(tokens.claims, known):
            return "–", "–", Reason.STRANGER
        identity = identity_from(tokens.claims, known, needed_claims(application))
    except LoginError as error:
        return "–", "–", error.reason
    except ValueError:
        return "–", "–", Reason.TOKEN_INVALID
    finally:
        await provider.close()
    return came(identity, policy)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.section}: {row.shape}")
async def test_the_shape_becomes_what_the_page_says(
    row: Row, server: StandIn, session: aiohttp.ClientSession, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHAPES_SECRET", "0123456789abcdef" * 4)
    assert row.expected == await outcome(row, server, session, clock)


def test_every_preset_has_its_shapes() -> None:
    assert set(PRESETS) == {row.settings.get("preset", "generic") for row in ROWS}
    assert 60 <= len(ROWS)
