"""Hooks of the account flow: after the account is ready, in order, each with its own word when it fails."""

from __future__ import annotations

from sidecar.domain.reason import Reason
from sidecar.flows.reach import BoundHook, OnFailure
from tests.flows.fake_accounts import World, agent
from tests.flows.fake_hook import FakeHook


async def test_hooks_run_in_order_after_the_account_is_ready() -> None:
    first, second = FakeHook("first", failing=True), FakeHook("second")
    world = World(hooks=(BoundHook(first, OnFailure.SERVE), BoundHook(second)))
    assert "alice" == await world.visit(agent())
    assert [1, 1] == [len(first.orders), len(second.orders)]
    assert world.order(agent()) == second.orders[0]


async def test_a_hook_hears_what_was_done_and_nothing_where_all_was_as_ordered() -> None:
    hook = FakeHook("first")
    world = World(hooks=(BoundHook(hook),))
    _ = await world.visit(agent())
    world.clock.time += 10_000
    _ = await world.visit(agent())
    first, second = hook.plans
    assert (["Create", "Join"], ()) == ([type(step).__name__ for step in first], second)


async def test_a_hook_that_must_work_keeps_out() -> None:
    first, second = FakeHook("first", failing=True), FakeHook("second")
    world = World(hooks=(BoundHook(first), BoundHook(second)))
    assert Reason.HOOK_FAILED is await world.refusal(agent())
    assert [] == second.orders
