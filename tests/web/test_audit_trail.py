"""The trail of a whole gate: secrets never come near it, one request is followed through it, accounts wait for it."""

from __future__ import annotations

import asyncio
import json
import logging
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from click.testing import CliRunner

from sidecar.cli import main
from sidecar.demo.provider.faults import Fault
from tests.web.conftest import Worlds
from tests.web.rig import HTML, World
from tests.web.test_credentials_elsewhere import _purse
from tests.web.wire import Answer

CANARY = "canary-Zx81kQ7wPm"
TOKEN = f"eyJhbGciOiJub25lIn0.eyJzdWIiOiI{CANARY}.c2ln{CANARY}"


FAULTS = (
    Fault.TOKEN_500,
    Fault.TOKEN_NOT_JSON,
    Fault.TOKEN_HUGE,
    Fault.BAD_SIGNATURE,
    Fault.WRONG_NONCE,
    Fault.ALG_NONE,
    Fault.EMPTY_ID_TOKEN,
    Fault.USERINFO_OTHER_SUB,
    Fault.RESPONSE_OTHER_ISS,
)


def kept(folder: Path, **keys: Any) -> dict[str, Any]:
    return {"stdout": "json", "file": {"path": f"{folder}/audit.jsonl", **keys}}


async def _errors(world: World, marked: str) -> list[Answer]:
    """Show a marked secret at every place where a request can carry one, on ways that end in refusals."""
    text = quote(marked, safe="")
    callback = "/.lychgate/callback/staff"
    asked = (
        ("GET", f"/browse/KEY-1?token={text}&os_password={text}", ()),
        ("GET", f"/browse/KEY-1?os_username=ada&os_password={text}", ()),
        ("GET", f"/forbidden/x?access_token={text}", ()),
        ("GET", f"/nowhere/%2e%2e/x?code={text}", ()),
        ("GET", f"/.lychgate/login?to=//{text}", ()),
        ("GET", f"/.lychgate/unknown?x={text}", ()),
        ("GET", f"{callback}?code={text}&state={text}", ()),
        ("GET", f"{callback}?error=access_denied&error_description={text}&state={text}", ()),
        ("GET", f"{callback}?code={text}&code={text}", ()),
        ("GET", f"{callback}?code={text}&state={text}&iss={text}", ()),
        ("GET", "/rest/api/2/myself", (("Authorization", f"Bearer {marked}"),)),
        ("GET", "/rest/api/2/myself", (("Authorization", f"Basic {marked}"),)),
        ("GET", "/browse/KEY-1", (("Authorization", f"Negotiate {marked}"),)),
        ("GET", "/browse/KEY-1", (("Cookie", f"__Host-lychgate-jira={marked}; JSESSIONID={marked}"),)),
        ("GET", "/browse/KEY-1", (("X-Lychgate-Assertion", marked), ("Remote-User", marked))),
        ("GET", "/browse/KEY-1", (("X-Request-Id", marked), ("Referer", f"https://x/?t={text}"))),
        ("POST", "/.lychgate/logout", (("Cookie", f"__Host-lychgate-jira={marked}"),)),
        ("PUT", f"/.lychgate/whoami?x={text}", ()),
    )
    answers = []
    for method, target, fields in asked:
        body = f"token={text}&os_password={text}".encode() if method == "POST" else None
        form = (("Content-Type", "application/x-www-form-urlencoded"),) if body else ()
        answers.append(await world.ask(method, target, HTML, *fields, *form, body=body))
    return answers


def _outputs(world: World, folder: Path, log: str) -> dict[str, str]:
    trail = "".join(path.read_text("utf-8", "replace") for path in folder.glob("audit*"))
    return {
        "standard output": world.audit.getvalue(),
        "file": trail,
        "log": log,
        "metrics": world.gate.metrics.render()[1].decode(),
    }


async def test_marked_secrets_never_appear(worlds: Worlds, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Canaries through every error path, and every credential that was in use, in no output (rules 66, 67)."""
    caplog.set_level(logging.DEBUG, "sidecar")
    async with _purse(worlds, tmp_path, audit=kept(tmp_path)) as purse:
        world = purse.world
        for marked in (CANARY, TOKEN):
            await _errors(world, marked)
        for fault in FAULTS:
            world.staff.provider.fault = fault
            async with world.browser() as browser:
                status, place, _ = await browser.go(world.url + "/browse/KEY-1")
                if status == 302:
                    await browser.choose(place, "nina")
        world.staff.provider.fault = None
        marks = {"canary": CANARY, **purse.known}
        await world.gates.aclose()
        outputs = _outputs(world, tmp_path, caplog.text)

    assert [] == [(where, name) for where, text in outputs.items() for name, mark in marks.items() if mark in text]
    told = {json.loads(line)["code"] for line in outputs["file"].splitlines()}
    assert {"access.denied", "login.error", "login.success", "header.spoof_stripped"} <= told


async def test_a_new_account_is_told_before_it_is_made_and_the_whole_story_is_found(
    worlds: Worlds, tmp_path: Path
) -> None:
    world = await worlds(audit=kept(tmp_path, policy="required", checkpoints=f"{tmp_path}/elsewhere.jsonl"))
    cookie = await world.sign_in("nina")
    denied = await world.ask("GET", "/forbidden/x", cookie)
    await world.gates.aclose()

    config = ("-c", str(tmp_path / "lychgate.yaml"))
    verified = CliRunner().invoke(main, ["audit", "verify", *config])
    assert 0 == verified.exit_code, verified.output
    request = denied.header("X-Request-Id") or ""
    shown = CliRunner().invoke(main, ["audit", "show", *config, "--request", request, "--follow", "--json"])
    story = [json.loads(line) for line in shown.stdout.splitlines()]
    codes = [record["code"] for record in story]
    assert {"session.created", "login.success", "user.created", "access.denied"} <= set(codes)
    steps = [record["facts"].get("step") for record in story if record["code"] == "change.intended"]
    assert ["link", "create"] == steps[:2]
    assert codes.index("change.intended") < codes.index("user.created")
    assert 1 == len({record["session"] for record in story if "session" in record})


async def test_a_trail_that_must_have_it_and_cannot_keeps_people_out_and_lets_others_go_on(
    worlds: Worlds, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk fails: whoever is in stays in, nobody new gets in; and all is well once it can be written again."""
    world = await worlds(audit=kept(tmp_path, policy="required", patience=1))
    cookie = await world.sign_in("ada")

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("sidecar.adapters.audit.segments.Segments.write", full)
        async with world.browser() as browser:
            _, place, _ = await browser.go(world.url + "/browse/KEY-1")
            status, _, text = await browser.choose(place, "nina")
            assert (503, True) == (status, "state_unavailable" in text)
        assert 200 == (await world.page("/browse/KEY-1", cookie)).status
        assert 'lychgate_audit_failing{sink="file"} 1.0' in world.gate.metrics.render()[1].decode()
    async with asyncio.timeout(10):
        while 'lychgate_audit_failing{sink="file"} 1.0' in world.gate.metrics.render()[1].decode():  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    async with world.browser() as browser:
        await browser.sign_in("nina")
        assert 200 == (await browser.go(world.url + "/browse/KEY-1"))[0]
