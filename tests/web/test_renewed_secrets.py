"""Secrets that change while the gate serves: all of them are put in force together, the bad ones are not, and nobody
who is signed in or signing in notices."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from sidecar.adapters.clock import SystemClock
from sidecar.adapters.key_lists import new_key, renewed
from sidecar.adapters.secrets import Secret
from sidecar.building.reloading import follow
from sidecar.cli import main
from sidecar.config.load import load
from tests.upstream.certificates import Authority
from tests.upstream.scripted import until
from tests.web.conftest import Worlds
from tests.web.load import under_load
from tests.web.rig import World
from tests.web.test_reload import metric
from tests.web.test_websocket import CLOSE, TEXT, _frame, _open, _read

PATH = "/browse/KEY-1"


@asynccontextmanager
async def followed(world: World) -> AsyncIterator[None]:
    """As `serve` does it, only faster."""
    path = world.folder / "lychgate.yaml"
    following = asyncio.create_task(follow(path, asyncio.Event(), world.gate.reloading, every=0.02))
    try:
        # It looks at the file of the configuration when it begins.
        await asyncio.sleep(0.1)
        yield
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


def key_file(world: World, *keys: str) -> None:
    (world.folder / "cookie-key").write_text("".join(f"{key}\n" for key in keys), "utf-8")


def first_key(world: World) -> str:
    return (world.folder / "cookie-key").read_text("utf-8").strip()


async def test_a_sign_in_that_began_under_the_old_key_ends_well_and_its_session_lives_on(worlds: Worlds) -> None:
    world = await worlds(proof="secret")
    before, after = await world.sign_in("nina"), new_key("cookie")
    async with world.browser() as browser, world.browser() as late:
        status, place, _ = await browser.go(world.url + PATH)
        assert 302 == status
        _, too_late, _ = await late.go(world.url + PATH)
        key_file(world, after, first_key(world))
        assert await world.gate.reloading.renew()
        assert 200 == (await browser.choose(place, "ada"))[0]
        # The first signs from now on: what it made is worth something without the other one.
        key_file(world, after)
        assert await world.gate.reloading.renew()
        assert 200 == (await browser.go(world.url + PATH))[0]
        # A sign-in that only the key that is gone can open is over, and so is a session that it signed.
        assert 400 <= (await late.choose(too_late, "dora"))[0] < 500
        assert 302 == (await world.page(PATH, before)).status
        assert metric(world, 'lychgate_secrets_renewals_total{result="done"} 2.0')
        # What is stored was sealed with the new key.
        world.loaded = load(world.folder / "lychgate.yaml")
        await world.restart()
        assert 200 == (await browser.go(world.url + PATH))[0]
    told = [(event["facts"]["settings"], event["facts"]["cause"]) for event in world.told("secrets.renewed")]
    assert [(["cookie_keys[0]"], "file")] * 2 == told


async def test_a_websocket_ends_with_the_key_that_signed_for_it(worlds: Worlds) -> None:
    world = await worlds(proof="secret")
    async with world.browser() as browser:
        await browser.sign_in("ada")
        async with _open(world, browser.cookie) as wire:
            old, after = first_key(world), new_key("cookie")
            key_file(world, after, old)
            assert await world.gate.reloading.renew()
            wire.send(_frame(TEXT, b"still here"))
            assert (TEXT, b"still here") == await _read(wire)
            key_file(world, after)
            assert await world.gate.reloading.renew()
            assert (CLOSE, b"\x03\xf0") == await _read(wire)


@pytest.mark.parametrize("content", ["", "too-short", "changeme-changeme-changeme-changeme", None])
async def test_a_bad_secret_leaves_all_old_ones_in_force_and_is_said(worlds: Worlds, content: str | None) -> None:
    world = await worlds(proof="secret")
    cookie, old = await world.sign_in("ada"), first_key(world)
    path = world.folder / "client-secret"
    good = path.read_text("utf-8")
    if content is None:
        path.unlink()
    else:
        path.write_text(content, "utf-8")
    # Something good beside it does not count either: it is all or nothing.
    key_file(world, new_key("cookie"))
    assert not await world.gate.reloading.renew()
    assert 200 == (await world.page(PATH, cookie)).status
    async with world.browser() as browser:
        assert 200 == (await browser.sign_in("nina"))[0]
    (told,) = world.told("secrets.refused")
    assert "failure" == told["outcome"]
    assert any("client_secret" in fault for fault in told["facts"]["faults"])
    assert not any(content and content in fault for fault in told["facts"]["faults"])
    assert metric(world, "lychgate_secrets_refused 1.0")

    path.write_text(good, "utf-8")
    key_file(world, old)
    assert await world.gate.reloading.renew()
    assert metric(world, "lychgate_secrets_refused 0.0")


async def test_a_projected_volume_is_followed_as_kubernetes_turns_it(worlds: Worlds) -> None:
    """Files are links through `..data`, and only that link is replaced."""
    world = await worlds(proof="secret")
    volume = world.folder / "volume"
    volume.mkdir()
    old, after = first_key(world), new_key("cookie")
    project(volume, "..2026_11_27_10_00", cookie=old)
    (volume / "cookie-key").symlink_to("..data/cookie-key")
    file = world.folder / "lychgate.yaml"
    text = file.read_text("utf-8").replace(f"{world.folder}/cookie-key", f"{volume}/cookie-key")
    file.write_text(text, "utf-8")
    assert await world.gate.reloading.reload(file, "signal")
    cookie = await world.sign_in("ada")
    async with followed(world):
        project(volume, "..2026_11_27_10_05", cookie=f"{after}\n{old}")
        await until(lambda: len(world.told("secrets.renewed")) == 1)
        assert 200 == (await world.page(PATH, cookie)).status
        younger = await world.sign_in("nina")
        project(volume, "..2026_11_27_10_10", cookie=after)
        await until(lambda: len(world.told("secrets.renewed")) == 2)
        assert (302, 200) == ((await world.page(PATH, cookie)).status, (await world.page(PATH, younger)).status)
        # By rename, as everybody else does it; and a bad one is said once, not at every look.
        (world.folder / "next").write_text("short", "utf-8")
        (world.folder / "next").rename(world.folder / "client-secret")
        await until(lambda: len(world.told("secrets.refused")) == 1)
        await asyncio.sleep(0.2)
        assert 1 == len(world.told("secrets.refused"))
    assert ["start", "signal"] == [event["facts"]["cause"] for event in world.told("config.loaded")]


def project(volume: Path, name: str, cookie: str) -> None:
    """One more state of the volume, and the link turned to it in one step."""
    folder = volume / name
    folder.mkdir()
    (folder / "cookie-key").write_text(cookie, "utf-8")
    (volume / "..data_tmp").symlink_to(name)
    (volume / "..data_tmp").rename(volume / "..data")


async def test_secrets_are_followed_although_the_file_that_names_them_is_refused(worlds: Worlds) -> None:
    """A configuration that waits for its restart must not keep a certificate or a key from being renewed."""
    world = await worlds(proof="secret")
    file = world.folder / "lychgate.yaml"
    async with followed(world):
        file.write_text(file.read_text("utf-8").replace('"drain": 0', '"drain": 5'), "utf-8")
        await until(lambda: len(world.told("config.refused")) == 1)
        key_file(world, new_key("cookie"), first_key(world))
        await until(lambda: len(world.told("secrets.renewed")) == 1)
    assert metric(world, "lychgate_config_refused 1.0")
    assert metric(world, "lychgate_secrets_refused 0.0")


async def test_a_key_that_signs_later_verifies_at_once_and_signs_when_its_time_has_come(worlds: Worlds) -> None:
    world = await worlds(proof="secret")
    old, after = first_key(world), new_key("cookie")
    key_file(world, "# signs from 2026-01-01T00:00:00Z", after, old)
    assert await world.gate.reloading.renew()
    by_the_new_one = await world.sign_in("ada")
    key_file(world, "# signs from 2999-01-01T00:00:00Z", after, old)
    assert await world.gate.reloading.renew()
    assert 200 == (await world.page(PATH, by_the_new_one)).status
    by_the_old_one = await world.sign_in("nina")
    key_file(world, old)
    assert await world.gate.reloading.renew()
    assert (302, 200) == ((await world.page(PATH, by_the_new_one)).status,
                          (await world.page(PATH, by_the_old_one)).status)  # fmt: skip


async def test_the_secret_of_the_proof_goes_with_the_next_request(worlds: Worlds) -> None:
    world = await worlds(proof="secret")
    cookie, after = await world.sign_in("ada"), new_key("secret")
    (world.folder / "shared").write_text(after, "utf-8")
    assert await world.gate.reloading.renew()
    world.forget()
    await world.page(PATH, cookie)
    assert [after] == [call.header("X-Lychgate-Secret") for call in world.arrived if call.target == PATH]


async def test_the_key_of_assertions_and_the_keys_that_receivers_fetch_change_together(worlds: Worlds) -> None:
    world = await worlds()
    cookie, old = await world.sign_in("ada"), first_key(world)
    jwks = (await world.page("/.lychgate/jwks")).json["keys"]
    key_file(world, new_key("cookie"), old)
    assert await world.gate.reloading.renew()
    both = (await world.page("/.lychgate/jwks")).json["keys"]
    assert (jwks[0]["kid"], 2) == (both[1]["kid"], len(both))
    # What goes up from now on names the new one. A receiver fetches the keys again for a name that it does not know.
    world.forget()
    await world.page(PATH, cookie)
    token = next(call.header("X-Lychgate-Assertion") for call in world.arrived if call.target == PATH) or ""
    head = token.partition(".")[0]
    assert both[0]["kid"] == json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))["kid"]


async def test_keys_of_assertions_of_the_site_s_own_are_a_list_too(worlds: Worlds, tmp_path: Path) -> None:
    path, old = tmp_path / "assertion", new_key("ed25519")
    path.write_text(old + "\n", "utf-8")
    world = await worlds(more={"assertion_key": f"file://{path}"})
    before = (await world.page("/.lychgate/jwks")).json["keys"]
    renewed(path, new_key("ed25519"), SystemClock().now(), keep=1, lead=0)
    assert await world.gate.reloading.renew()
    after = (await world.page("/.lychgate/jwks")).json["keys"]
    assert (2, before[0]) == (len(after), after[1])
    path.write_text("-----BEGIN PRIVATE KEY-----\nnot-a-key\n-----END PRIVATE KEY-----\n" * 2, "utf-8")
    assert not await world.gate.reloading.renew()
    assert after == (await world.page("/.lychgate/jwks")).json["keys"]


async def test_a_trail_is_whole_across_a_change_of_keys(worlds: Worlds, tmp_path: Path) -> None:
    """Checkpoints are signed by the key of the moment; all keys of the list verify."""
    world = await worlds(proof="secret", audit={"file": str(tmp_path / "audit.jsonl"), "checkpoint_records": 1})
    await world.sign_in("ada")
    key_file(world, new_key("cookie"), first_key(world))
    assert await world.gate.reloading.renew()
    await world.sign_in("nina")
    await world.gates.aclose()
    signed = {json.loads(line)["facts"]["key"] for line in (tmp_path / "audit.jsonl").read_text("utf-8").splitlines()
              if '"audit.checkpoint"' in line}  # fmt: skip
    assert 2 == len(signed)
    verified = CliRunner().invoke(main, ["audit", "verify", "-c", str(world.folder / "lychgate.yaml")])
    assert 0 == verified.exit_code, verified.output


async def test_the_provider_the_accounts_and_the_hooks_get_the_secret_of_now(worlds: Worlds) -> None:
    world = await worlds()
    for name in ("client-secret", "jira-token"):
        (world.folder / name).write_text(new_key("secret"), "utf-8")
    assert await world.gate.reloading.renew()
    read = world.gate.in_force.read
    assert (world.folder / "jira-token").read_text("utf-8") == read(Secret("file", str(world.folder / "jira-token")))
    async with world.browser() as browser:
        status, _, text = await browser.sign_in("ada")
    # The provider knows nothing of the new secret, and so refuses it.
    assert 502 == status, text
    assert "invalid_client" in str([event for event in world.events if event.get("reason") == "provider_misconfigured"])


async def test_new_connections_get_the_new_certificate(worlds: Worlds, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    one = authority.issue("one.example")
    keys = {"landing_certificate": str(tmp_path / "tls.crt"), "landing_key": f"file://{tmp_path}/tls.key"}

    def use(pair: tuple[Path, Path]) -> None:
        (tmp_path / "tls.crt").write_bytes(pair[0].read_bytes())
        (tmp_path / "tls.key").write_bytes(pair[1].read_bytes())

    use(one)
    world = await worlds(proof="sso", listen=keys)
    assert one[0].read_text("utf-8").strip() == (await certificate_of(world)).strip()
    other = authority.issue("other.example")
    use(other)
    assert await world.gate.reloading.renew()
    assert other[0].read_text("utf-8").strip() == (await certificate_of(world)).strip()
    # A certificate without its key is refused, and the one of before goes on.
    (tmp_path / "tls.crt").write_bytes(one[0].read_bytes())
    assert not await world.gate.reloading.renew()
    assert other[0].read_text("utf-8").strip() == (await certificate_of(world)).strip()


async def certificate_of(world: World) -> str:
    """What `listen.landing` shows, in PEM."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    _, writer = await asyncio.open_connection("127.0.0.1", world.site.landing_port, ssl=context)
    found = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return ssl.DER_cert_to_PEM_cert(found)


async def test_keys_change_twice_under_load_and_nobody_notices(worlds: Worlds) -> None:
    world = await worlds(proof="secret", more={"sessions": {"per_person": 1000}})
    async with followed(world):
        async with under_load(world, world.gate) as load:
            for number in (1, 2):
                await load.more()
                renewed(world.folder / "cookie-key", new_key("cookie"), SystemClock().now(), keep=3, lead=0)
                await until(lambda number=number: len(world.told("secrets.renewed")) == number)
                # A new configuration at the same time changes nothing about it.
                assert await world.gate.reloading.reload(world.folder / "lychgate.yaml", "signal")
            await load.more()
        assert {200} == {*load.answers, *load.signed_in}
        assert {200} == set(await load.everybody())
