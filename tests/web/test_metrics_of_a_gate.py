"""measuring: what a running gate says of itself after one person came: calls, keys, state, configuration, sign-in."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.web.conftest import Worlds
from tests.web.rig import World


def value(world: World, name: str, *labels: str) -> float:
    """The sum of all samples of a name that have the labels."""
    lines = [line for line in world.gate.metrics.render()[1].decode().splitlines() if re.match(rf"{name}[ {{]", line)]
    return sum(float(line.rpartition(" ")[2]) for line in lines if all(label in line for label in labels))


async def test_one_sign_in_is_counted_wherever_it_went(worlds: Worlds) -> None:
    world = await worlds()
    cookie = await world.sign_in("ada")
    assert 200 == (await world.page("/browse/KEY-1", cookie, ("Remote-User", "eve"))).status
    assert 403 == (await world.page("/forbidden/x", cookie)).status

    staff = 'provider="staff"'
    for endpoint in ("discovery", "keys", "token"):
        at = (staff, f'endpoint="{endpoint}"', 'result="ok"')
        assert 1 == value(world, "lychgate_provider_requests_total", *at), endpoint
    assert 1 == value(world, "lychgate_provider_keys", staff)
    assert abs(value(world, "lychgate_provider_keys_fetched_timestamp_seconds", staff) - world.site.clock.now()) < 600
    for result in ("started", "ok"):
        assert 1 == value(world, "lychgate_sign_ins_total", staff, f'result="{result}"')
    assert 1 == value(world, "lychgate_sign_in_seconds_count", staff)
    assert 0 < value(world, "lychgate_state_seconds_count", 'result="ok"')
    assert 1 == value(world, "lychgate_config_info", world.loaded.policy.hash[:16])
    assert 1 == value(world, "lychgate_stripped_requests_total", 'portal="agents"')
    (denied,) = world.told("access.denied")
    assert 1 <= value(world, "lychgate_upstream_connect_seconds_count", 'application="jira"', 'result="ok"')
    assert 1 == value(world, "lychgate_hook_seconds_count", 'hook="accounts"', 'result="done"')
    assert 0 < value(world, "lychgate_audit_written_total", 'sink="stdout"')
    for store in ("files", "sessions", "ledger"):
        assert 0 < value(world, "lychgate_state_seconds_count", f'store="{store}"'), store
    assert 1 == value(world, "lychgate_requests_total", f'rule="{denied["rule"]}"', 'outcome="denied"')


@pytest.mark.parametrize("quick", [True, False])
async def test_a_browser_that_presents_the_applications_cookies_is_counted(worlds: Worlds, *, quick: bool) -> None:
    """On the quick way (`web.lane`) and on the other one alike; our own cookie, and a name that only looks so, not."""
    world = await worlds()
    name, cookie = await world.sign_in("ada")
    more = () if quick else (("Expect", "100-continue"),)

    async def ask(text: str) -> float:
        async with world.wire() as wire:
            for _ in range(2):
                wire.request("GET", "/browse/KEY-1", ("Accept", "text/html"), (name, cookie + text), *more)
                assert 200 == (await wire.answer("GET")).status
        return value(world, "lychgate_stripped_cookies_total", 'portal="agents"')

    assert 0 == await ask("; theme=JSESSIONID; notjsessionid=1")
    assert 2 == await ask("; jsessionid=abc")
    assert 4 == await ask('; x="1, seraph.rememberme.cookie=y')


async def test_ends_of_certificates_and_secrets_are_told(worlds: Worlds, tmp_path: Path) -> None:
    world = await worlds(staff={"client_secret_ends": "2099-12-31"})
    ends = datetime(2099, 12, 31, tzinfo=UTC).timestamp()

    assert ends == value(world, "lychgate_client_secret_expiry_timestamp_seconds", 'provider="staff"')
    assert 0 == value(world, "lychgate_client_secret_expiry_timestamp_seconds", 'provider="customers"')
