"""Accounts of a Confluence at the whole gate, managed at Confluence itself or at the Crowd where its users live: who
signs in for the first time lands as a person with groups.
"""

from __future__ import annotations

import base64
import json
import logging
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sidecar.demo.confluence import ConfluenceConfig, ConfluenceState, serve_confluence
from sidecar.demo.crowd import CrowdConfig, crowd_people, serve_crowd
from sidecar.demo.jira.listening import Listening
from tests.web.conftest import Worlds
from tests.web.rig import SHARED, World
from tests.web.test_time_over_http import Hands

PASSWORD = "password-of-the-application"
GROUPS = {"map": [{"from": "okta-jira-users", "to": "wiki-writers"}], "always": ["confluence-users"]}


@dataclass(frozen=True, slots=True)
class Wiki:
    """A Confluence behind the gate, and where its accounts are managed."""

    state: ConfluenceState
    world: World
    managed: Listening

    async def enter(self, person: str) -> tuple[int, str]:
        """Sign in at the front page: the status, and the text."""
        async with self.world.browser() as browser:
            status, place, text = await browser.go(self.world.origin + "/confluence/display/DEV")
            assert status == 302, text
            status, _, text = await browser.choose(place, person)
            return status, text


@pytest.fixture(params=["confluence", "crowd"])
async def wiki(request: pytest.FixtureRequest, worlds: Worlds, tmp_path: Path) -> AsyncIterator[Wiki]:
    state = ConfluenceState.sample()
    state.people.groups.add("wiki-writers")
    for name, value in (("wiki-token", state.add_token("admin")), ("crowd-password", PASSWORD)):
        (tmp_path / name).touch(mode=0o600)
        (tmp_path / name).write_text(value, encoding="utf-8")
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(serve_confluence(state, ConfluenceConfig(secret=SHARED, seats=5)))
        managed, way = server, _token(tmp_path)
        if request.param == "crowd":
            config = CrowdConfig(applications={"lychgate": PASSWORD})
            managed = await stack.enter_async_context(serve_crowd(state.people, config))
            way = _crowd(tmp_path, managed)
        accounts = {
            **way,
            "create": True,
            "adopt": "by_username",
            "update": ["display_name", "email"],
            "groups": GROUPS,
        }
        yield Wiki(state, await worlds(confluence=server.origin, context="/jira", wiki={"accounts": accounts}), managed)


async def test_the_wiki_itself_must_show_an_account_that_was_made_at_crowd(worlds: Worlds, tmp_path: Path) -> None:
    """Two directories: Confluence has read nothing from Crowd yet, and has an account of its own."""
    state, people, clock = ConfluenceState.sample(), crowd_people(), Hands(int(time.time()))
    people.groups |= {"wiki-writers", "confluence-users"}
    state.people.groups.add("wiki-writers")
    state.people.add_user("nina", "A robot")
    for name, value in (("wiki-token", state.add_token("admin")), ("crowd-password", PASSWORD)):
        (tmp_path / name).touch(mode=0o600)
        (tmp_path / name).write_text(value, encoding="utf-8")
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(serve_confluence(state, ConfluenceConfig(secret=SHARED)))
        managed = await stack.enter_async_context(serve_crowd(people, CrowdConfig(applications={"lychgate": PASSWORD})))
        way = {**_crowd(tmp_path, managed), "look_token": _token(tmp_path)["token"]}
        accounts = {**way, "create": True, "groups": {**GROUPS, "needed": ["wiki-writers"]}}
        world = await worlds(clock=clock, confluence=server.origin, context="/jira", wiki={"accounts": accounts})
        wiki = Wiki(state, world, managed)
        status, text = await wiki.enter("ada")
        assert (503, True) == (status, "nearly ready" in text)
        # Confluence reads the account, and later its groups.
        for step, groups, expected in ((60, (), 503), (60, ("confluence-users", "wiki-writers"), 200)):
            state.people.add_user("ada", "Ada", groups=groups)
            clock.passed += step
            assert expected == (await wiki.enter("ada"))[0]
        status, text = await wiki.enter("nina")
        assert (403, False) == (status, "nina" in people.users)
    assert 1 == len([call for call in managed.calls if call.method == "POST" and call.target.endswith("/user")])
    refused = [event["reason"] for event in world.told("account.refused")]
    assert ["directory_sync_pending", "directory_sync_pending", "account_not_adopted"] == refused
    assert {"GET"} == {call.method for call in server.calls}


def _token(folder: Path) -> Mapping[str, Any]:
    return {"token": f"file://{folder}/wiki-token"}


def _crowd(folder: Path, server: Listening) -> Mapping[str, Any]:
    return {
        "crowd": {"url": server.url, "application": "lychgate", "password": f"file://{folder}/crowd-password"},
    }


async def test_a_new_person_gets_an_account_and_lands(wiki: Wiki) -> None:
    status, text = await wiki.enter("ada")
    assert (200, True) == (status, "Hello ada" in text)
    user = wiki.state.people.users["ada"]
    assert ({"confluence-users", "wiki-writers"}, True) == (user.groups, user.active)
    created = wiki.world.told("user.created")
    assert [("wiki", "success")] == [(event["application"], event["outcome"]) for event in created]
    pin = await wiki.world.gate.state.ledger.pin_on("wiki", "ada")
    assert user.key == (pin and pin.key)
    # Nothing of it went to the Jira beside it.
    assert [] == [event for event in wiki.world.told("group.added") if event["application"] != "wiki"]


async def test_an_account_that_is_disabled_there_keeps_out(wiki: Wiki) -> None:
    wiki.state.people.add_user("ada", "Ada", groups=("confluence-users",), active=False)
    status, text = await wiki.enter("ada")
    assert (403, True) == (status, "account_inactive" in text)
    assert not wiki.state.people.users["ada"].active


async def test_a_credential_that_is_not_accepted_keeps_out_and_says_why(wiki: Wiki, tmp_path: Path) -> None:
    for name in ("wiki-token", "crowd-password"):
        (tmp_path / name).write_text("some-other-secret-value", encoding="utf-8")
    assert await wiki.world.gate.reloading.renew()
    status, text = await wiki.enter("ada")
    assert (503, True) == (status, "connector_refused" in text)
    assert "some-other-secret-value" not in wiki.world.audit.getvalue()
    assert "ada" not in wiki.state.people.users


async def test_a_credential_that_the_other_side_repeats_is_in_no_output(
    wiki: Wiki, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "sidecar")
    shown = {name: (tmp_path / name).read_text("utf-8") for name in ("wiki-token", "crowd-password")}
    shown["basic"] = base64.b64encode(f"lychgate:{shown['crowd-password']}".encode()).decode()
    said = json.dumps({"reason": "OPERATION_FAILED", "message": " ".join(["no user for", *shown.values()])})
    crowd = "/crowd" in wiki.managed.url
    mine = ("crowd-password", "basic") if crowd else ("wiki-token",)
    texts = []
    # A look, and a change, of which the other side's words are told.
    for place in ("/rest", "/rest/usermanagement/1/user/group/direct" if crowd else "/rest/api/admin/user"):
        wiki.managed.fail_next(place, 400, said, 20, (("Content-Type", "application/json"),))
        texts.append((await wiki.enter("ada"))[1])
        wiki.managed.faults.clear()
    outputs = {"trail": wiki.world.audit.getvalue(), "log": caplog.text, "pages": "".join(texts)}
    assert [] == [(where, name) for where, text in outputs.items() for name in mine if shown[name] in text]
    assert "no user for" in outputs["trail"], "the rest of what was said is told"


async def test_no_seat_is_said_by_confluence_alone(wiki: Wiki) -> None:
    for name in ("dora", "emil"):
        wiki.state.people.add_user(name, groups=("confluence-users",))
    status, text = await wiki.enter("ada")
    if "/crowd" in wiki.managed.url:
        # A user server knows no licences of applications.
        assert 200 == status
    else:
        assert ("no_seat_left" in text, "ada" in wiki.state.people.users) == (True, False)
        assert "licence" in wiki.world.told("account.refused")[0]["facts"]["detail"]
