"""Marked secrets through every error path, and no output has one: trail, log, metrics, pages, heads, commands.

`test_audit_trail` shows marks at every place of a request; here the other side fails while real secrets are in use: the
provider in every way that the stand-in knows, the accounts' side, the webhook, the landing, the configuration, a
reload, the commands, and a fault of ours with its traceback. A process with its two streams, a provider that is too
slow, a database, landings and further commands have files of their own (`test_canary_of_…`).
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from sidecar.cli import main
from sidecar.demo.provider.faults import Fault
from tests.web.conftest import Worlds
from tests.web.marks import Seen
from tests.web.rig import HTML, World, free_port
from tests.web.test_audit_trail import CANARY, TOKEN, _errors, _outputs, kept
from tests.web.test_credentials_elsewhere import Purse, _purse

SLOW = {Fault.TOKEN_SLOW}
HOOK = "hook-secret-7Qd2mXz0aLr5TnVbq8Rk3Wc1"
DATABASE = "database-password-Yt6Wq9"


async def _provider_faults(world: World, seen: Seen) -> None:
    for fault in Fault:
        if fault in SLOW:
            continue
        world.staff.provider.fault = fault
        async with world.browser() as browser:
            status, place, text = await browser.go(world.url + "/browse/KEY-1")
            if status == 302:
                _, _, text = await browser.choose(place, "nina")
        seen.texts.append(text)
    world.staff.provider.fault = None


async def _application_faults(world: World, purse: Purse, seen: Seen) -> None:
    """Accounts, webhook and landing."""
    async with world.browser() as browser:
        _, _, text = await browser.sign_in("nina")
        seen.texts.append(text)
    for path, status in (("/rest/api/2/user", 500), ("/rest/api/2/user", 401), ("/browse", 503)):
        world.jira.fail_next(path, status, purse.known["connector's token"], 20)
        async with world.browser() as browser:
            _, place, _ = await browser.go(world.url + "/browse/KEY-1")
            _, _, text = await browser.choose(place, "stella")
            seen.texts.append(text)


def _command(seen: Seen, *words: str) -> None:
    done = CliRunner().invoke(main, list(words))
    seen.texts += [done.stdout, done.stderr, repr(done.exception)]


async def _configuration_faults(world: World, folder: Path, seen: Seen) -> None:
    """A secret where none belongs, an address with a password, an unreadable file; read by a command and reloaded."""
    path = folder / "lychgate.yaml"
    good = path.read_text("utf-8")
    file: dict[str, Any] = json.loads(good)
    broken = (
        {**file, "state": f"postgresql://lychgate:{DATABASE}@127.0.0.1/x"},
        {**file, "cookie_keys": [CANARY]},
        {**file, "providers": {**file["providers"], "staff": {**file["providers"]["staff"], "client_secret": CANARY}}},
        {**file, "nonsense": {"password": CANARY}},
    )
    for one in broken:
        path.write_text(yaml.safe_dump(one), "utf-8")
        await asyncio.to_thread(_command, seen, "check", "-c", str(path))
        await world.gate.reloading.reload(path, "signal")
    path.write_text("a: [" + CANARY, "utf-8")
    await asyncio.to_thread(_command, seen, "check", "-c", str(path))
    await world.gate.reloading.reload(path, "signal")
    path.write_text(good, "utf-8")
    for words in (("check",), ("accounts", "show", "nina"), ("landing", "show"), ("audit", "key")):
        await asyncio.to_thread(_command, seen, *words, "-c", str(path))


async def test_no_output_has_a_secret(worlds: Worlds, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "sidecar")
    seen = Seen()
    (tmp_path / "hook").touch(mode=0o600)
    (tmp_path / "hook").write_text(HOOK, encoding="ascii")
    hook = {
        "url": f"http://127.0.0.1:{free_port()}/hook",
        "secret": f"file://{tmp_path}/hook",
        "on_failure": "serve",
    }
    async with _purse(worlds, tmp_path, audit=kept(tmp_path), accounts={"hooks": {"webhook": [hook]}}) as purse:
        world = purse.world
        for marked in (CANARY, TOKEN):
            for answer in await _errors(world, marked):
                seen.answer(answer)
        await _provider_faults(world, seen)
        await _application_faults(world, purse, seen)
        await _configuration_faults(world, tmp_path, seen)
        world.gate.gateway._own = None  # type: ignore[assignment]
        secret = secrets.token_urlsafe(24)
        crashed = await world.ask("POST", f"/.lychgate/logout?code={CANARY}", HTML, ("Cookie", f"a={secret}"))
        assert 500 == crashed.status
        seen.answer(crashed)
        await world.gates.aclose()
        outputs = {**_outputs(world, tmp_path, caplog.text), "browser and terminal": seen.text}

    marks = {"canary": CANARY, "hook": HOOK, "database": DATABASE, "crash": secret, **purse.known}
    found = [(where, name) for where, text in outputs.items() for name, mark in marks.items() if mark in text]
    assert [] == found
    told = {(record["code"], record.get("reason")) for record in map(json.loads, outputs["file"].splitlines())}
    codes = {code for code, _ in told}
    assert {"login.error", "account.failed", "config.refused", "request.failed", "access.denied"} <= codes
    assert "Traceback" in outputs["log"] and "Try again" in outputs["browser and terminal"]
