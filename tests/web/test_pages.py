"""`web.pages`: pages are well made, readable in both colour schemes, locked down, and nothing breaks out of them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from itertools import count
from pathlib import Path

import pytest

from sidecar.domain.reason import Reason
from sidecar.web import pages as module
from sidecar.web.pages import Action, Notice, Page, Pages, WhoAmI
from sidecar.web.texts import TEXTS, filled

_STYLE = (Path(module.__file__).parent / "templates" / "style.css").read_text("utf-8")
_PROVIDER = "https://example.okta.com"


class Reading(HTMLParser):
    """What a browser would make of a page: its tags with the names of their attributes, its values, its text."""

    def __init__(self, page: Page) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, tuple[str, ...]]] = []
        self.found: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self.source = page.body.decode("utf-8")
        self.feed(self.source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, tuple(name for name, _ in attrs)))
        self.found.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return "".join(self.words)

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.found if name == tag]

    def inside(self, tag: str) -> str:
        match = re.search(f"<{tag}[^>]*>(.*?)</{tag}>", self.source, re.DOTALL)
        assert match is not None
        return match[1]


def _pages() -> Pages:
    numbers = count(1)
    return Pages(nonce=lambda: f"nonce{next(numbers)}")


def _notice(reason: Reason = Reason.NOT_IN_GROUP, **more: object) -> Notice:
    given: dict[str, object] = {"status": 403, "reason": reason, "request_id": "req-1", "product": "Jira", **more}
    return Notice(**given)  # type: ignore[arg-type]


def _whoami(**more: object) -> WhoAmI:
    given: dict[str, object] = {
        "username": "ada",
        "display_name": "Ada Lovelace",
        "email": "ada@example.com",
        "application": "jira",
        "portal": "agents",
        "provider": "okta",
        "groups": ("users",),
        "signed_in_at": "2026-01-02T03:04:05Z",
        "ends_at": "2026-01-03T03:04:05Z",
        "auth_time": "2026-01-02T03:04:00Z",
        "portals": (("agents", Reason.OK), ("support", Reason.NOT_IN_GROUP)),
        **more,
    }
    return WhoAmI(**given)  # type: ignore[arg-type]


_POST = Action(label="Go", href="/.lychgate/logout", post=True, fields=(("token", "t-1"),), primary=True)

_EVERY: dict[str, Callable[[str], Page]] = {
    "notice": lambda word: _pages().notice(
        _notice(
            product=word,
            portal=word,
            username=word,
            request_id=word,
            facts=((word, word),),
            actions=(
                Action(label=word, href="/", post=True, fields=((word, word),)),
                Action(label=word, href="/start", new_window=True),
            ),
            retry_after=5,
        )
    ),
    "confirm_sign_out": lambda word: _pages().confirm_sign_out(
        product=word,
        username=word,
        action=Action(label=word, href="/out", post=True, fields=(("token", word),)),
        form_targets=(_PROVIDER,),
        request_id=word,
        cancel="/",
    ),
    "signed_out": lambda word: _pages().signed_out(product=word, start="/", request_id=word),
    "whoami": lambda word: _pages().whoami(
        facts=_whoami(
            username=word,
            display_name=word,
            email=word,
            application=word,
            portal=word,
            provider=word,
            groups=(word,),
            signed_in_at=word,
            ends_at=word,
            auth_time=word,
            portals=((word, Reason.OK), (word, Reason.LANDING_FAILED)),
        ),
        request_id=word,
    ),
    "open_window": lambda word: _pages().open_window(product=word, href="/browse/A-1", request_id=word),
    "reload": lambda word: _pages().reload(product=word, request_id=word),
}

every_page = pytest.mark.parametrize("make", _EVERY.values(), ids=_EVERY)


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


def test_each_page_has_a_nonce_of_its_own() -> None:
    pages = Pages()
    nonces = {Reading(pages.notice(_notice())).all("style")[0]["nonce"] for _ in range(20)}
    assert 20 == len(nonces)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{22}", nonce) for nonce in nonces)


def test_the_head_of_a_page() -> None:
    page = _pages().notice(_notice())
    expected = (
        ("Content-Type", "text/html; charset=utf-8"),
        (
            "Content-Security-Policy",
            "default-src 'none'; style-src 'nonce-nonce1'; img-src data:; form-action 'self'; "
            "frame-ancestors 'none'; base-uri 'none'",
        ),
        ("Referrer-Policy", "no-referrer"),
        ("Cross-Origin-Opener-Policy", "same-origin"),
        ("Cache-Control", "no-store"),
        ("X-Content-Type-Options", "nosniff"),
        ("Vary", "Accept"),
    )
    assert (403, expected) == (page.status, page.headers)


@pytest.mark.parametrize("make", [Pages.notice_json, Pages.notice_text], ids=["json", "text"])
def test_the_head_of_json_and_text_is_locked_too(make: Callable[[Pages, Notice], Page]) -> None:
    headers = dict(make(_pages(), _notice(retry_after=7)).headers)
    assert "default-src 'none'; frame-ancestors 'none'" == headers["Content-Security-Policy"]
    assert ("no-store", "nosniff", "Accept", "7") == tuple(
        headers[name] for name in ("Cache-Control", "X-Content-Type-Options", "Vary", "Retry-After")
    )


def test_only_the_page_made_for_frames_may_be_framed() -> None:
    framed = {
        name
        for name, make in _EVERY.items()
        if "frame-ancestors *" in dict(make("Jira").headers)["Content-Security-Policy"]
    }
    assert {"open_window"} == framed


def test_a_page_with_a_form_lets_the_browser_send_its_origin() -> None:
    policies = {name: dict(make("Jira").headers)["Referrer-Policy"] for name, make in _EVERY.items()}
    with_form = {name for name, policy in policies.items() if policy == "same-origin"}
    assert {"notice", "confirm_sign_out"} == with_form


def test_a_form_may_lead_to_the_targets_and_no_further() -> None:
    page = _pages().notice(_notice(actions=(_POST,)), form_targets=(_PROVIDER, "http://127.0.0.1:9000"))
    policy = dict(page.headers)["Content-Security-Policy"].split("; ")
    assert f"form-action 'self' {_PROVIDER} http://127.0.0.1:9000" in policy
    assert [{"type": "hidden", "name": "token", "value": "t-1"}] == Reading(page).all("input")
    assert [{"method": "post", "action": "/.lychgate/logout"}] == Reading(page).all("form")


@pytest.mark.parametrize(
    "target",
    ["https://a.example; script-src *", "https://a.example/path", "*", "'unsafe-inline'", "https://a b", "a", ""],
)
def test_a_form_target_that_is_no_origin_is_refused(target: str) -> None:
    with pytest.raises(ValueError, match="origin"):
        _pages().notice(_notice(), form_targets=(target,))


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
    page = _pages().notice(_notice(actions=(Action(label="Go", href=href),)))
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
    notice = _notice(product=word, request_id=word)
    assert 2 == _pages().notice_text(notice).body.decode().count("a\ufffdb")
    assert "a\ufffdb" == json.loads(_pages().notice_json(notice).body)["request_id"]
    whoami = json.loads(
        _pages().whoami_json(facts=_whoami(groups=(word,), portals=((word, Reason.OK),)), request_id="1").body
    )
    assert (["a\ufffdb"], {"a\ufffdb": "ok"}) == (whoami["groups"], whoami["portals"])


@pytest.mark.parametrize("name", ["Zoë Ångström", "אברהם", "محمد‌رضا", "李小龍", "👩‍💻"])
def test_names_of_all_scripts_stay_as_they_are(name: str) -> None:
    assert name in Reading(_pages().notice(_notice(username=name))).text


@pytest.mark.parametrize("reason", Reason)
def test_a_notice_says_what_happened_and_what_to_do(reason: Reason) -> None:
    text = TEXTS[reason]
    reading = Reading(_pages().notice(_notice(reason, status=text.status)))
    for words in (text.heading, text.sentence, text.cure):
        assert filled(words, "Jira") in reading.text
    assert f"Code{reason.value}" in reading.text.replace("\n", "")
    assert "Requestreq-1" in reading.text.replace("\n", "")
    assert text.for_admin not in reading.text


def test_a_notice_shows_person_portal_and_facts_when_given() -> None:
    bare = Reading(_pages().notice(_notice())).text
    full = Reading(_pages().notice(_notice(username="ada", portal="agents", facts=(("Seen as", "anonymous"),)))).text
    assert "signed in as" not in bare and "Portal" not in bare
    flat = full.replace("\n", "")
    assert "You are signed in as ada." in flat and "Portalagents" in flat and "Seen asanonymous" in flat


@pytest.mark.parametrize(
    ("seconds", "expected", "said"), [(5, "5", "5 seconds"), (1, "1", "1 second."), (0, "1", "1 second.")]
)
def test_a_notice_with_retry_asks_again_and_says_so(seconds: int, expected: str, said: str) -> None:
    page = _pages().notice(_notice(Reason.CONNECTOR_UNREACHABLE, status=503, retry_after=seconds))
    reading = Reading(page)
    assert {"http-equiv": "refresh", "content": expected} in reading.all("meta")
    assert expected == dict(page.headers)["Retry-After"]
    assert f"tries again by itself in {said}" in reading.text


@pytest.mark.parametrize("name", ["confirm_sign_out", "signed_out", "whoami", "open_window"])
def test_no_other_page_moves_by_itself(name: str) -> None:
    page = _EVERY[name]("Jira")
    assert not [meta for meta in Reading(page).all("meta") if "http-equiv" in meta]
    assert not {"Location", "Refresh", "Retry-After"} & {field for field, _ in page.headers}


def test_a_notice_as_json() -> None:
    page = _pages().notice_json(_notice(status=403))
    expected = {
        "error": "not_in_group",
        "message": TEXTS[Reason.NOT_IN_GROUP].sentence,
        "cure": TEXTS[Reason.NOT_IN_GROUP].cure,
        "request_id": "req-1",
    }
    assert (403, expected) == (page.status, json.loads(page.body))
    assert ("Content-Type", "application/json") == page.headers[0]


def test_a_notice_as_text_is_one_line() -> None:
    page = _pages().notice_text(_notice(Reason.UPSTREAM_TIMEOUT, status=504, request_id="r\n1"))
    expected = "Jira did not answer in time. Wait a moment and try again. (code upstream_timeout, request r\ufffd1)\n"
    assert (504, expected) == (page.status, page.body.decode())


def test_signing_out_is_asked_first_and_staying_is_offered() -> None:
    page = _pages().confirm_sign_out(
        product="Jira", username="ada", action=_POST, form_targets=(), request_id="req-1", cancel="/browse/A-1"
    )
    reading = Reading(page)
    assert "Sign out of Jira?" == reading.inside("h1")
    assert ["/.lychgate/logout"] == [form["action"] for form in reading.all("form")]
    assert ["/browse/A-1"] == [link["href"] for link in reading.all("a")]
    assert "sign-in service" not in reading.text


def test_the_page_for_office_is_a_success_that_reloads() -> None:
    page = _pages().reload(product="Jira", request_id="req-1")
    reading = Reading(page)
    assert 200 == page.status
    assert {"http-equiv": "refresh", "content": "1"} in reading.all("meta")
    assert [""] == [link["href"] for link in reading.all("a")]
    assert not {"Location", "Refresh"} & {field for field, _ in page.headers}


def test_the_page_for_frames_opens_a_window_that_knows_nothing_of_it() -> None:
    page = _pages().open_window(product="Jira", href="/browse/A-1", request_id="req-1")
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
    page = _pages().whoami_json(facts=_whoami(), request_id="req-1")
    assert (200, expected) == (page.status, json.loads(page.body))
    assert "Access-Control-Allow-Origin" not in dict(page.headers)


@pytest.mark.parametrize(("groups", "said"), [(None, "unknown"), ((), "none"), (("a", "b"), "ab")])
def test_whoami_keeps_unknown_and_none_apart(groups: tuple[str, ...] | None, said: str) -> None:
    facts = _whoami(groups=groups)
    flat = Reading(_pages().whoami(facts=facts, request_id="req-1")).text.replace("\n", "")
    assert f"Groups{said}Portals" in flat
    told = json.loads(_pages().whoami_json(facts=facts, request_id="req-1").body)["groups"]
    assert (None if groups is None else list(groups)) == told


def test_whoami_says_where_the_person_may_go() -> None:
    flat = Reading(_pages().whoami(facts=_whoami(email=""), request_id="req-1")).text.replace("\n", "")
    assert "agentsopen" in flat and "You are not in a group that may open this not_in_group" in flat
    assert "E-mailunknown" in flat


def _colours(scheme: str) -> dict[str, str]:
    light, dark = re.findall(r":root\s*\{(.*?)\}", _STYLE, re.DOTALL)
    found = dict(re.findall(r"--([a-z-]+):\s*(#[0-9a-f]{6});", light))
    return found if scheme == "light" else {**found, **dict(re.findall(r"--([a-z-]+):\s*(#[0-9a-f]{6});", dark))}


def _luminance(colour: str) -> float:
    """WCAG 2.2, "relative luminance"."""
    parts = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


_TEXT, _SHAPE = 4.5, 3.0  # success criteria 1.4.3 and 1.4.11


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    ("front", "back", "least"),
    [
        ("ink", "card", _TEXT),
        ("ink", "paper", _TEXT),
        ("quiet", "card", _TEXT),
        ("link", "card", _TEXT),
        ("button-ink", "button", _TEXT),
        ("button", "card", _SHAPE),
        ("edge", "card", _SHAPE),
        ("focus", "card", _SHAPE),
        ("focus", "paper", _SHAPE),
    ],
)
def test_the_contrast_is_enough(scheme: str, front: str, back: str, least: float) -> None:
    colours = _colours(scheme)
    assert _contrast(colours[front], colours[back]) >= least


def test_every_colour_comes_from_the_measured_ones() -> None:
    names = set(_colours("light"))
    rules = re.sub(r":root\s*\{.*?\}", "", _STYLE, flags=re.DOTALL)
    assert not re.findall(r"#[0-9a-fA-F]{3,8}\b|rgba?\(|hsla?\(|opacity", rules)
    assert set(re.findall(r"var\(--([a-z-]+)\)", rules)) <= names
    assert set(_colours("dark")) == names
    assert 2 == _STYLE.count("--ink:"), "both schemes are written"


def test_the_keyboard_is_seen() -> None:
    assert re.search(r":focus-visible \{ outline: 3px solid var\(--focus\)", _STYLE)
    assert not re.findall(r"outline:\s*(?:none|0)", _STYLE)
