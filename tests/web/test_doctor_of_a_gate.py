"""The examination that a running gate makes of what it stands on: over HTTP, beside its open state, told and counted;
and `lychgate serve` begins it by itself once it listens."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import aiohttp

from tests.web.conftest import Worlds
from tests.web.rig import SHARED, World
from tests.web.test_canary_of_a_process import served


def told(world: World, code: str = "finding.appeared") -> dict[str, dict[str, Any]]:
    return {event["facts"]["finding"]: {**event, **event["facts"]} for event in world.told(code)}


async def counted(world: World) -> list[str]:
    """The lines of the metric at the operations port."""
    url = f"http://127.0.0.1:{world.gate.operations}/metrics"
    async with aiohttp.ClientSession() as client, client.get(url) as answer:
        return [line for line in (await answer.text()).splitlines() if line.startswith("lychgate_doctor_findings{")]


def line(check: str, severity: str, *, application: str = "jira", provider: str = "") -> str:
    labels = f'application="{application}",check="{check}",provider="{provider}",severity="{severity}"'
    return f"lychgate_doctor_findings{{{labels}}} 1.0"


async def test_a_round_beside_the_open_state_is_counted_and_told_once(worlds: Worlds) -> None:
    world = await worlds(proof="secret")
    assert [] == await counted(world)
    await world.gate.rounds.round()
    lines = await counted(world)
    assert {
        line("state", "ok", application=""), line("ledger", "ok"), line("upstream", "ok"), line("landing", "ok"),
        line("headers", "ok"), line("provider", "ok", application="", provider="staff"),
        line("provider", "ok", application="", provider="customers"), line("leavers", "notice"),
    } <= set(lines)  # fmt: skip
    found = told(world)
    assert {"leavers_stay", "token_overprivileged"} <= found.keys()
    assert ("jira", "notice", "leavers") == tuple(
        found["leavers_stay"][key] for key in ("application", "severity", "check")
    )
    assert SHARED not in world.audit.getvalue()
    await world.gate.rounds.round()
    assert len(found) == len(world.told("finding.appeared")) and [] == world.told("finding.gone")


async def test_nobody_is_signed_in_or_changed_by_it(worlds: Worlds) -> None:
    world = await worlds(proof="secret")
    before = {name: (user.active, frozenset(user.groups)) for name, user in world.jira.state.users.items()}
    await world.gate.rounds.round()
    assert before == {name: (user.active, frozenset(user.groups)) for name, user in world.jira.state.users.items()}
    assert {} == {name: count for name, count in world.gate.sessions.counts().items() if count}
    assert {"GET"} == {call.method for call in world.jira.calls}


async def test_what_breaks_is_told_and_what_is_mended_is_over(worlds: Worlds) -> None:
    world = await worlds(proof="secret")
    await world.gate.rounds.round()
    world.jira.base_url = "https://elsewhere.example.com"
    await world.gate.rounds.round()
    assert "address_differs" in told(world) and line("address", "error") in await counted(world)
    world.jira.base_url = world.url
    await world.gate.rounds.round()
    assert ["address_differs"] == list(told(world, "finding.gone"))
    assert line("address", "ok") in await counted(world)


async def test_the_sign_on_of_the_product_is_looked_at(worlds: Worlds) -> None:
    world = await worlds(proof="sso")
    await world.gate.rounds.round()
    assert line("landing", "ok") in await counted(world)
    for change, code in (({"enable-remember-me": True}, "sign_on_remembers"), ({"enabled": False}, "sign_on_disabled")):
        world.jira.sso.idps[1] |= change
        await world.gate.rounds.round()
        assert code in told(world)


async def test_a_product_whose_crowd_server_we_are_asks_us(worlds: Worlds) -> None:
    world = await worlds(proof="crowd")
    await world.gate.rounds.round()
    assert line("landing", "ok") in await counted(world)


async def test_a_product_that_asks_somebody_else(worlds: Worlds) -> None:
    world = await worlds(proof="crowd")
    site = world.jira._site
    assert site.config.crowd is not None
    # It has a Crowd server that knows nothing of any token.
    elsewhere = replace(site.config.crowd, base_url=f"{world.jira.origin}/nowhere")
    site.config = replace(site.config, crowd=elsewhere)
    await world.gate.rounds.round()
    assert "landing_not_asked" in told(world)


async def test_serve_begins_it_once_it_listens(worlds: Worlds) -> None:
    world = await worlds(proof="secret", more={"doctor": {"every": "1h"}})
    await world.gates.aclose()
    async with served(world) as one:
        await one.says(lambda it: "leavers_stay" in it.err)
        assert 0 == await one.end()
    assert one.err.index("serving on port") < one.err.index("doctor: jira:")
