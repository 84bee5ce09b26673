"""measuring: what a running gate says of itself after one person came: calls, keys, state, configuration, sign-in."""

from __future__ import annotations

import re

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
    assert 1 == value(world, "lychgate_requests_total", f'rule="{denied["rule"]}"', 'outcome="denied"')
