"""A new configuration while the gate serves: in force at once and whole, or not at all and said aloud."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, cast

import pytest

from sidecar.building.reloading import follow
from sidecar.web.visit import Visit
from tests.upstream.scripted import until
from tests.web.conftest import Worlds
from tests.web.rig import World
from tests.web.test_websocket import CLOSE, MACHINES, TEXT, _fields, _frame, _open, _read
from tests.web.test_websocket import PATH as LIVE

PATH = "/browse/KEY-1"


def rewrite(world: World, change: Callable[[dict[str, Any]], object]) -> Path:
    path = world.folder / "lychgate.yaml"
    file = json.loads(path.read_text("utf-8"))
    change(file)
    path.write_text(json.dumps(file), "utf-8")
    return path


class Broken:
    """A path that nobody foresaw."""

    def __fspath__(self) -> NoReturn:
        raise RuntimeError("a fault")


def closes(file: dict[str, Any]) -> None:
    """Agents need another group from now on."""
    file["portals"]["agents"]["require"] = {"any_group": ["nobodys-group"]}


def metric(world: World, line: str) -> bool:
    return f"\n{line}\n" in world.gate.metrics.render()[1].decode()


async def test_a_new_rule_counts_for_the_next_request_of_a_session(worlds: Worlds) -> None:
    world = await worlds()
    cookie = await world.sign_in("ada")
    assert 200 == (await world.page(PATH, cookie)).status
    before = world.gate.policy.hash
    assert await world.gate.reloading.reload(rewrite(world, closes), "signal")
    answer = await world.page(PATH, cookie)
    assert 403 == answer.status
    # And back again: the same session.
    back = rewrite(world, lambda file: file["portals"]["agents"].update(require={"any_group": ["okta-jira-users"]}))
    assert await world.gate.reloading.reload(back, "signal")
    assert 200 == (await world.page(PATH, cookie)).status
    assert before == world.gate.policy.hash

    told = world.told("config.loaded")
    assert ["start", "signal", "signal"] == [event["facts"]["cause"] for event in told]
    assert told[0]["facts"]["hash"] == told[2]["facts"]["hash"] != told[1]["facts"]["hash"]
    # Every record says under which configuration it was made.
    assert [event["facts"]["hash"] for event in told] == [event["config"] for event in told]
    assert metric(world, 'lychgate_config_reloads_total{result="done"} 2.0')
    assert metric(world, "lychgate_config_refused 0.0")


async def test_open_websockets_are_judged_anew_at_once(worlds: Worlds) -> None:
    world = await worlds()
    async with world.browser() as browser:
        await browser.sign_in("ada")
        async with _open(world, browser.cookie) as wire:
            assert await world.gate.reloading.reload(rewrite(world, lambda file: None), "signal")
            wire.send(_frame(TEXT, b"still here"))
            assert (TEXT, b"still here") == await _read(wire)
            assert await world.gate.reloading.reload(rewrite(world, closes), "signal")
            assert (CLOSE, b"\x03\xf0") == await _read(wire)


@pytest.mark.parametrize(
    ("before", "after", "left"),
    [
        ("off", "enforce", (CLOSE, b"\x03\xf0")),
        ("observe", "enforce", (CLOSE, b"\x03\xf0")),
        ("off", "observe", (TEXT, b"still here")),
    ],
)
async def test_a_websocket_does_not_outlive_the_day_its_portal_is_put_in_force(
    worlds: Worlds, before: str, after: str, left: tuple[int, bytes]
) -> None:
    world = await worlds(agents={"mode": before})
    async with world.wire() as wire:
        wire.request("GET", LIVE, *_fields(world, None, Authorization=f"Bearer {MACHINES}"))
        assert 101 == (await wire.head()).status
        assert TEXT == (await _read(wire))[0]
        change = rewrite(world, lambda file: file["portals"]["agents"].update(mode=after))
        assert await world.gate.reloading.reload(change, "signal")
        wire.send(_frame(TEXT, b"still here"))
        assert left == await _read(wire)


@pytest.mark.parametrize(("accepts", "left"), [([], (CLOSE, b"\x03\xf0")), (["agents"], (TEXT, b"still here"))])
async def test_a_websocket_whose_portal_is_another_now_is_judged_there(
    worlds: Worlds, accepts: list[str], left: tuple[int, bytes]
) -> None:
    world = await worlds()
    door = {"application": "jira", "paths": ["/rest/live"], "provider": "staff", "accepts": accepts}
    async with world.browser() as browser:
        await browser.sign_in("ada")
        async with _open(world, browser.cookie) as wire:
            change = rewrite(world, lambda file: file["portals"].update(door=door))
            assert await world.gate.reloading.reload(change, "signal")
            wire.send(_frame(TEXT, b"still here"))
            assert left == await _read(wire)


async def test_a_faulty_file_leaves_the_old_one_in_force_and_is_said(worlds: Worlds) -> None:
    world = await worlds()
    cookie = await world.sign_in("ada")
    before = world.gate.policy

    def faulty(file: dict[str, Any]) -> None:
        closes(file)
        file["portals"]["agents"]["mod"] = "off"

    assert not await world.gate.reloading.reload(rewrite(world, faulty), "file")
    assert before is world.gate.policy
    assert 200 == (await world.page(PATH, cookie)).status
    (told,) = world.told("config.refused")
    assert ("failure", "file", "refused") == (told["outcome"], told["facts"]["cause"], told["facts"]["result"])
    assert any("portals.agents.mod" in fault for fault in told["facts"]["faults"])
    assert metric(world, 'lychgate_config_reloads_total{result="refused"} 1.0')
    assert metric(world, "lychgate_config_refused 1.0")


async def test_a_fault_of_ours_in_a_new_file_is_a_refusal_too(worlds: Worlds, caplog: pytest.LogCaptureFixture) -> None:
    world = await worlds()
    assert not await world.gate.reloading.reload(cast("Path", Broken()), "file")
    (told,) = world.told("config.refused")
    assert ["a fault of Lychgate; the log has more"] == told["facts"]["faults"]
    assert metric(world, "lychgate_config_refused 1.0")
    assert "RuntimeError: a fault" in caplog.text
    caplog.clear()


async def test_one_websocket_that_cannot_be_judged_keeps_no_other_from_it(
    worlds: Worlds, caplog: pytest.LogCaptureFixture
) -> None:
    world = await worlds()
    async with world.browser() as first, world.browser() as second:
        await first.sign_in("ada")
        await second.sign_in("nina")
        async with _open(world, first.cookie) as wire, _open(world, second.cookie, "nina") as other:

            async def fails_for_ada(visit: Visit) -> bool:
                if visit.standing is not None and visit.standing.username == "ada":
                    raise RuntimeError("a fault")
                return await world.gate.gateway._may_go_on(visit)

            await world.gate.gateway._forwarding.review(fails_for_ada)
            assert (CLOSE, b"\x03\xf0") == await _read(wire)
            other.send(_frame(TEXT, b"still here"))
            assert (TEXT, b"still here") == await _read(other)
    assert "RuntimeError: a fault" in caplog.text
    caplog.clear()


async def test_what_needs_a_restart_refuses_the_whole_file(worlds: Worlds) -> None:
    world = await worlds()
    cookie = await world.sign_in("ada")

    def mixed(file: dict[str, Any]) -> None:
        closes(file)
        file["providers"]["staff"]["client_id"] = "another"

    assert not await world.gate.reloading.reload(rewrite(world, mixed), "signal")
    assert 200 == (await world.page(PATH, cookie)).status
    (told,) = world.told("config.refused")
    assert ["providers.staff.client_id: counts from the next start only"] == told["facts"]["faults"]
    assert "restart_needed" == told["facts"]["result"]


async def test_the_file_is_followed_and_a_half_written_one_is_waited_for(worlds: Worlds) -> None:
    world = await worlds()
    path, told = world.folder / "lychgate.yaml", asyncio.Event()
    following = asyncio.create_task(follow(path, told, world.gate.reloading, every=0.02))
    try:
        await asyncio.sleep(0.1)
        assert ["start"] == [event["facts"]["cause"] for event in world.told("config.loaded")]
        rewrite(world, closes)
        await until(lambda: len(world.told("config.loaded")) == 2)
        assert "file" == world.told("config.loaded")[1]["facts"]["cause"]

        whole = path.read_text("utf-8")
        path.write_text(whole[:-20], "utf-8")
        await until(lambda: len(world.told("config.refused")) == 1)
        # It is told once, not at every look.
        await asyncio.sleep(0.1)
        assert 1 == len(world.told("config.refused"))
        path.unlink()
        await asyncio.sleep(0.1)
        path.write_text(whole, "utf-8")
        await until(lambda: len(world.told("config.loaded")) == 3)
        assert metric(world, "lychgate_config_refused 0.0")

        told.set()
        await until(lambda: len(world.told("config.loaded")) == 4)
        assert "signal" == world.told("config.loaded")[3]["facts"]["cause"]
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


async def test_a_link_that_is_turned_is_another_file(worlds: Worlds) -> None:
    """As Kubernetes does it with a mounted ConfigMap."""
    world = await worlds()
    first, second, link = world.folder / "a", world.folder / "b", world.folder / "data"
    text = (world.folder / "lychgate.yaml").read_text("utf-8")
    for folder, content in ((first, text), (second, text.replace('"okta-jira-users"]', '"okta-jira-admins"]'))):
        folder.mkdir()
        (folder / "lychgate.yaml").write_text(content, "utf-8")
    link.symlink_to(first)
    following = asyncio.create_task(follow(link / "lychgate.yaml", asyncio.Event(), world.gate.reloading, every=0.02))
    try:
        await asyncio.sleep(0.1)
        (world.folder / "new").symlink_to(second)
        (world.folder / "new").rename(link)
        await until(lambda: len(world.told("config.loaded")) == 2)
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
