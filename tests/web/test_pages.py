"""`web.pages`: pages are well made, say what they must and no more, and nothing breaks out of them."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from sidecar.domain.reason import Reason
from sidecar.web.pages import Action, Page
from sidecar.web.texts import TEXTS, filled
from tests.web.page_reading import EVERY, PAGES, POST, Reading, notice, whoami_facts

every_page = pytest.mark.parametrize("make", EVERY.values(), ids=EVERY)


@every_page
def test_a_page_has_the_bones_that_readers_and_their_tools_need(make: Callable[[str], Page]) -> None:
    reading = Reading(make("Jira"))
    tags = [tag for tag, _ in reading.tags]
    assert reading.source.startswith("<!doctype html>\n")
    assert [{"lang": "en"}] == reading.all("html")
    assert {"charset": "utf-8"} == reading.all("meta")[0]
    assert (1, 1, 1) == (tags.count("h1"), tags.count("main"), tags.count("title"))
    assert reading.inside("h1") == reading.inside("title")
    assert ["true"] == [drawing.get("aria-hidden") for drawing in reading.all("svg")]


@every_page
def test_a_page_runs_nothing_and_loads_nothing(make: Callable[[str], Page]) -> None:
    reading = Reading(make("Jira"))
    assert not {tag for tag, _ in reading.tags} & {"script", "iframe", "object", "embed", "img", "base"}
    names = {name for _, attributes in reading.tags for name in attributes}
    assert not [name for name in names if name.startswith("on") or name in {"style", "src", "srcdoc"}]
    assert "url(" not in reading.inside("style") and "@import" not in reading.inside("style")


@every_page
def test_the_style_sheet_has_the_nonce_of_the_policy(make: Callable[[str], Page]) -> None:
    page = make("Jira")
    assert [{"nonce": "nonce1"}] == Reading(page).all("style")
    assert "style-src 'nonce-nonce1'" in dict(page.headers)["Content-Security-Policy"].split("; ")


@pytest.mark.parametrize(
    "href",
    [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "data:text/html,x",
        "//evil.example",
        "/\\evil.example",
        "/\t/evil.example",
        "https:evil",
        "https://",
        "browse/A-1",
        " /browse",
        "/a\nb",
    ],
)
def test_an_action_leads_nowhere_else(href: str) -> None:
    with pytest.raises(ValueError, match="leads to"):
        Action(label="Go", href=href)


@pytest.mark.parametrize("href", ["", "/", "/browse/A-1?x=1&y=%2F#z", "/wiki/Über", "https://jira.example.com:8443/x"])
def test_an_action_leads_to_paths_and_urls(href: str) -> None:
    page = PAGES.notice(notice(actions=(Action(label="Go", href=href),)))
    assert [{"class": "button", "href": href}] == Reading(page).all("a")


_PAYLOADS = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</title><script>alert(1)</script>",
    "</style><script>alert(1)</script>",
    "<!-- --><svg onload=alert(1)>",
    "&lt;script&gt;",
    "{{ 7 * 7 }}{% raw %}",
    "{product}{0}",
    "javascript:alert(1)",
    "]]><x>",
    "\uff1cscript\uff1e",
]


@pytest.mark.parametrize("payload", _PAYLOADS)
@every_page
def test_nothing_breaks_out_of_its_place(make: Callable[[str], Page], payload: str) -> None:
    harmless, hostile = Reading(make("word")), Reading(make(payload))
    assert harmless.tags == hostile.tags
    values = [value for _, attributes in hostile.found for value in attributes.values()]
    assert harmless.text.count("word") == hostile.text.count(payload)
    assert sum(value == "word" for _, some in harmless.found for value in some.values()) == values.count(payload)


_UNSEEN = [
    "\x00",
    "\t",
    "\n",
    "\r",
    "\x1b",
    "\x7f",
    "\x85",
    "\u061c",
    "\u200e",
    "\u2028",
    "\u202e",
    "\u2066",
    "\u2069",
    "\udc80",
]


@pytest.mark.parametrize("mark", _UNSEEN, ids=[f"{ord(mark):04x}" for mark in _UNSEEN])
@every_page
def test_what_cannot_be_seen_is_replaced(make: Callable[[str], Page], mark: str) -> None:
    assert Reading(make("a\ufffdb")).source == Reading(make(f"a{mark}b")).source


@pytest.mark.parametrize("mark", _UNSEEN, ids=[f"{ord(mark):04x}" for mark in _UNSEEN])
def test_what_cannot_be_seen_is_replaced_in_json_and_text(mark: str) -> None:
    word = f"a{mark}b"
    refusal = notice(Reason.NO_SESSION, product=word, request_id=word)
    assert 3 == PAGES.notice_text(refusal).body.decode().count("a\ufffdb")
    told = json.loads(PAGES.notice_json(refusal).body)
    assert ("a\ufffdb", "This page of a\ufffdb is") == (told["request_id"], told["message"][:19])
    whoami = json.loads(
        PAGES.whoami_json(facts=whoami_facts(groups=(word,), portals=((word, Reason.OK),)), request_id="1").body
    )
    assert (["a\ufffdb"], {"a\ufffdb": "ok"}) == (whoami["groups"], whoami["portals"])


@pytest.mark.parametrize("name", ["Zoë Ångström", "אברהם", "محمد‌رضا", "李小龍", "👩‍💻"])
def test_names_of_all_scripts_stay_as_they_are(name: str) -> None:
    assert name in Reading(PAGES.notice(notice(username=name))).text


@pytest.mark.parametrize("reason", Reason)
def test_a_notice_says_what_happened_and_what_to_do(reason: Reason) -> None:
    text = TEXTS[reason]
    reading = Reading(PAGES.notice(notice(reason, status=text.status)))
    for words in (text.heading, text.sentence, text.cure):
        assert filled(words, "Jira") in reading.text
    assert f"Code{reason.value}" in reading.text.replace("\n", "")
    assert "Requestreq-1" in reading.text.replace("\n", "")
    assert text.for_admin not in reading.text


def test_a_notice_shows_person_portal_and_facts_when_given() -> None:
    bare = Reading(PAGES.notice(notice())).text
    full = Reading(PAGES.notice(notice(username="ada", portal="agents", facts=(("Seen as", "anonymous"),)))).text
    assert "signed in as" not in bare and "Portal" not in bare
    flat = full.replace("\n", "")
    assert "You are signed in as ada." in flat and "Portalagents" in flat and "Seen asanonymous" in flat


@pytest.mark.parametrize(
    ("seconds", "expected", "said"), [(5, "5", "5 seconds"), (1, "1", "1 second."), (0, "1", "1 second.")]
)
def test_a_notice_with_retry_asks_again_and_says_so(seconds: int, expected: str, said: str) -> None:
    page = PAGES.notice(notice(Reason.CONNECTOR_UNREACHABLE, status=503, retry_after=seconds))
    reading = Reading(page)
    assert {"http-equiv": "refresh", "content": expected} in reading.all("meta")
    assert expected == dict(page.headers)["Retry-After"]
    assert f"tries again by itself in {said}" in reading.text


@pytest.mark.parametrize("name", ["confirm_sign_out", "signed_out", "whoami", "open_window"])
def test_no_other_page_moves_by_itself(name: str) -> None:
    page = EVERY[name]("Jira")
    assert not [meta for meta in Reading(page).all("meta") if "http-equiv" in meta]
    assert not {"Location", "Refresh", "Retry-After"} & {field for field, _ in page.headers}


def test_a_notice_as_json() -> None:
    page = PAGES.notice_json(notice(status=403))
    expected = {
        "error": "not_in_group",
        "message": TEXTS[Reason.NOT_IN_GROUP].sentence,
        "cure": TEXTS[Reason.NOT_IN_GROUP].cure,
        "request_id": "req-1",
    }
    assert (403, expected) == (page.status, json.loads(page.body))
    assert ("Content-Type", "application/json") == page.headers[0]


def test_a_notice_as_text_is_one_line() -> None:
    page = PAGES.notice_text(notice(Reason.UPSTREAM_TIMEOUT, status=504, request_id="r\n1"))
    expected = "Jira did not answer in time. Wait a moment and try again. (code upstream_timeout, request r\ufffd1)\n"
    assert (504, expected) == (page.status, page.body.decode())


def test_signing_out_is_asked_first_and_staying_is_offered() -> None:
    page = PAGES.confirm_sign_out(
        product="Jira", username="ada", action=POST, form_targets=(), request_id="req-1", cancel="/browse/A-1"
    )
    reading = Reading(page)
    assert "Sign out of Jira?" == reading.inside("h1")
    assert ["/.lychgate/logout"] == [form["action"] for form in reading.all("form")]
    assert ["/browse/A-1"] == [link["href"] for link in reading.all("a")]
    assert "sign-in service" not in reading.text


def test_the_page_for_office_is_a_success_that_reloads() -> None:
    page = PAGES.reload(product="Jira", request_id="req-1")
    reading = Reading(page)
    assert 200 == page.status
    assert {"http-equiv": "refresh", "content": "1"} in reading.all("meta")
    assert [""] == [link["href"] for link in reading.all("a")]
    assert not {"Location", "Refresh"} & {field for field, _ in page.headers}


def test_the_page_for_frames_opens_a_window_that_knows_nothing_of_it() -> None:
    page = PAGES.open_window(product="Jira", href="/browse/A-1", request_id="req-1")
    expected = {
        "class": "button primary",
        "href": "/browse/A-1",
        "target": "_blank",
        "rel": "noopener noreferrer",
    }
    assert (401, [expected]) == (page.status, Reading(page).all("a"))
    assert "(opens a new window)" in Reading(page).text


def test_whoami_as_json_tells_this_and_nothing_more() -> None:
    expected = {
        "username": "ada",
        "display_name": "Ada Lovelace",
        "email": "ada@example.com",
        "application": "jira",
        "portal": "agents",
        "provider": "okta",
        "groups": ["users"],
        "signed_in_at": "2026-01-02T03:04:05Z",
        "ends_at": "2026-01-03T03:04:05Z",
        "auth_time": "2026-01-02T03:04:00Z",
        "portals": {"agents": "ok", "support": "not_in_group"},
        "request_id": "req-1",
    }
    page = PAGES.whoami_json(facts=whoami_facts(), request_id="req-1")
    assert (200, expected) == (page.status, json.loads(page.body))
    assert "Access-Control-Allow-Origin" not in dict(page.headers)


@pytest.mark.parametrize(("groups", "said"), [(None, "unknown"), ((), "none"), (("a", "b"), "ab")])
def test_whoami_keeps_unknown_and_none_apart(groups: tuple[str, ...] | None, said: str) -> None:
    facts = whoami_facts(groups=groups)
    flat = Reading(PAGES.whoami(facts=facts, request_id="req-1")).text.replace("\n", "")
    assert f"Groups{said}Portals" in flat
    told = json.loads(PAGES.whoami_json(facts=facts, request_id="req-1").body)["groups"]
    assert (None if groups is None else list(groups)) == told


def test_whoami_says_where_the_person_may_go() -> None:
    flat = Reading(PAGES.whoami(facts=whoami_facts(email=""), request_id="req-1")).text.replace("\n", "")
    assert "agentsopen" in flat and "You are not in a group that may open this not_in_group" in flat
    assert "E-mailunknown" in flat
