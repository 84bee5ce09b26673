"""`web.page_headers`: what a browser may do with a page of ours, and where a form may lead."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from sidecar.web.pages import Notice, Page, Pages
from tests.web.page_reading import EVERY, PAGES, POST, PROVIDER, Reading, notice


def test_each_page_has_a_nonce_of_its_own() -> None:
    pages = Pages()
    nonces = {Reading(pages.notice(notice())).all("style")[0]["nonce"] for _ in range(20)}
    assert 20 == len(nonces)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{22}", nonce) for nonce in nonces)


def test_the_head_of_a_page() -> None:
    page = PAGES.notice(notice())
    expected = (
        ("Content-Type", "text/html; charset=utf-8"),
        (
            "Content-Security-Policy",
            (
                "default-src 'none'; style-src 'nonce-nonce1'; img-src data:; form-action 'self'; "
                "frame-ancestors 'none'; base-uri 'none'"
            ),
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
    headers = dict(make(PAGES, notice(retry_after=7)).headers)
    assert "default-src 'none'; frame-ancestors 'none'" == headers["Content-Security-Policy"]
    assert ("no-store", "nosniff", "Accept", "7") == tuple(
        headers[name] for name in ("Cache-Control", "X-Content-Type-Options", "Vary", "Retry-After")
    )


def test_only_the_page_made_for_frames_may_be_framed() -> None:
    framed = {
        name
        for name, make in EVERY.items()
        if "frame-ancestors *" in dict(make("Jira").headers)["Content-Security-Policy"]
    }
    assert {"open_window"} == framed


def test_a_page_with_a_form_lets_the_browser_send_its_origin() -> None:
    policies = {name: dict(make("Jira").headers)["Referrer-Policy"] for name, make in EVERY.items()}
    with_form = {name for name, policy in policies.items() if policy == "same-origin"}
    assert {"notice", "confirm_sign_out"} == with_form


def test_a_form_may_lead_to_the_targets_and_no_further() -> None:
    page = PAGES.notice(notice(actions=(POST,)), form_targets=(PROVIDER, "http://127.0.0.1:9000"))
    policy = dict(page.headers)["Content-Security-Policy"].split("; ")
    assert f"form-action 'self' {PROVIDER} http://127.0.0.1:9000" in policy
    assert [{"type": "hidden", "name": "token", "value": "t-1"}] == Reading(page).all("input")
    assert [{"method": "post", "action": "/.lychgate/logout"}] == Reading(page).all("form")


@pytest.mark.parametrize(
    "target",
    ["https://a.example; script-src *", "https://a.example/path", "*", "'unsafe-inline'", "https://a b", "a", ""],
)
def test_a_form_target_that_is_no_origin_is_refused(target: str) -> None:
    with pytest.raises(ValueError, match="origin"):
        PAGES.notice(notice(), form_targets=(target,))
