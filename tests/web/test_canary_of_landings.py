"""Landings that go wrong, with every secret of them known: the landing's own secret, the codes and tokens of the walk,
and the application's sessions in the jar. No output of the gate has one."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import pytest

from tests.web.conftest import Worlds
from tests.web.marks import Seen, at_rest, in_use, leaks
from tests.web.rig import LANDING, World
from tests.web.test_audit_trail import CANARY, TOKEN, _outputs, kept
from tests.web.test_crowd import ask, token_of
from tests.web.test_headless import BACK, PATH, START, WHO, cookie_of

CODE = re.compile(r"[?&](code|state)=([^&]+)")
WRONG = "not-the-secret-of-the-landing-Vb61+%&"


async def _lands(world: World, seen: Seen, marks: dict[str, str]) -> int:
    """Somebody who has just signed in asks for a page; what the walk showed the application is noted."""
    cookie = await cookie_of(world)
    answer = await world.page(PATH, cookie)
    seen.answer(answer)
    seen.answer(await world.ask("GET", WHO, cookie))
    for call in world.jira.calls:
        marks |= {f"{name} {value[:4]}": value for name, value in CODE.findall(call.target)}
    marks |= {f"{name} of {len(marks)}": value for name, value in in_use(world).items()}
    return answer.status


async def _walks(world: World, seen: Seen, marks: dict[str, str]) -> None:
    """One that is right, and some that the application refuses with secrets in its answer."""
    assert 200 == await _lands(world, seen, marks)
    place = ("Location", f"http://127.0.0.1:1/jira/authorize?state={CANARY}&code={CANARY}&prompt=login")
    for status, path in ((500, BACK), (401, BACK), (302, START), (302, BACK), (200, START)):
        world.jira.fail_next(path, status, f"{LANDING} {world.token} {TOKEN}", 4, (place,))
        await _lands(world, seen, marks)
        world.jira.faults.clear()
    world.jira.sso.lose = 4
    assert 502 == await _lands(world, seen, marks)


async def _strangers(world: World, seen: Seen) -> None:
    """Somebody who is not the application asks where it redeems codes."""
    base = f"http://127.0.0.1:{world.site.landing_port}/jira"
    async with world.browser() as browser:
        for secret in (LANDING, WRONG):
            form = {"grant_type": "authorization_code", "code": CANARY, "redirect_uri": f"{world.url}{BACK}"}
            data = {**form, "client_id": "lychgate", "client_secret": secret}
            seen.texts.append((await browser.go(f"{base}/token", "POST", data=data))[2])
        for header in (f"Bearer {TOKEN}", f"Bearer {CANARY}", f"Basic {CANARY}"):
            told = await browser.go(f"{base}/userinfo", headers={"Authorization": header})
            seen.texts.append(told[2])
        told = await browser.go(f"{base}/authorize?client_id={CANARY}&state={CANARY}&redirect_uri={CANARY}")
        seen.texts.append(told[2])


@pytest.mark.parametrize("secret", [LANDING, WRONG])
async def test_a_failed_walk_shows_no_secret(
    worlds: Worlds, tmp_path: Path, caplog: pytest.LogCaptureFixture, secret: str
) -> None:
    caplog.set_level(logging.DEBUG, "sidecar")
    world = await worlds(proof="sso", sso={"client_secret": secret}, audit=kept(tmp_path))
    marks, seen = {**at_rest(world), "canary": CANARY, "token": TOKEN, "wrong": WRONG}, Seen()
    if secret == LANDING:
        await _walks(world, seen, marks)
        await _strangers(world, seen)
    else:
        assert 502 == await _lands(world, seen, marks)
    await world.gates.aclose()
    assert {"code", "state", "Cookie"} <= {name.partition(" ")[0] for name in marks}
    outputs = {**_outputs(world, tmp_path, caplog.text), "browser": seen.text}
    assert [] == leaks(outputs, marks)
    assert '"landing.failed"' in outputs["file"] and "landing_failed" in seen.text


async def test_the_crowd_server_and_its_tokens_show_no_secret(
    worlds: Worlds, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "sidecar")
    world = await worlds(proof="crowd", audit=kept(tmp_path))
    marks, seen = {**at_rest(world), "canary": CANARY, "token": TOKEN, "wrong": WRONG}, Seen()
    cookie = await cookie_of(world)
    assert 200 == (await world.page(PATH, cookie)).status
    marks |= {"token of the landing": token_of(world), **in_use(world)}
    for name, password in (("lychgate", LANDING), ("lychgate", WRONG), ("ada", WRONG), (CANARY, CANARY)):
        for method, path in (("POST", f"/session/{CANARY}"), ("POST", "/session"), ("GET", f"/{CANARY}")):
            body = f'{{"username": "ada", "password": "{CANARY}", "value": "{TOKEN}"}}'
            seen.texts.append(str(await ask(world, method, path, auth=(name, password), body=body)))
        seen.texts.append(str(await ask(world, "POST", "/session", auth=(name, password), body=CANARY)))
    world.jira.state.users["ada"].active = False
    failed = await world.page(PATH, cookie)
    seen.answer(failed)
    assert 502 == failed.status
    marks |= {f"{name} then": value for name, value in in_use(world).items()}
    await world.gates.aclose()
    outputs = {**_outputs(world, tmp_path, caplog.text), "browser": seen.text}
    assert [] == leaks(outputs, marks)
    assert '"landing.failed"' in outputs["file"] and "does not know the password" in outputs["log"]
