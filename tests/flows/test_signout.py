"""flows.signout: only the session's own form ends it, and it ends here whatever provider and application do."""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest

from sidecar.domain.reason import Reason
from sidecar.flows.login import LoginError
from sidecar.flows.sessions import Entry, StateError
from tests.flows.browsers import Browser, Gate
from tests.flows.fakes import TRACE, changed

BACK = "https://jira.example.com/jira/.lychgate/signed-out"


@pytest.fixture
def gate() -> Gate:
    """Where the site wants the provider's sign-out too."""
    gate = Gate()
    providers = {name: replace(known, sign_out=True) for name, known in gate.policy.providers.items()}
    gate.policy = changed(gate.policy, providers=providers)
    return gate


@pytest.fixture
def browser(gate: Gate) -> Browser:
    return Browser(gate)


async def signed_out(gate: Gate, entry: Entry) -> str | None:
    return (await gate.sign_outs.end(gate.application(), entry, "user", TRACE)).location


async def test_only_the_form_of_this_session_may_ask(gate: Gate, browser: Browser) -> None:
    entry, other = await browser.signs_in(), await Browser(gate).signs_in(who="bob")
    token = entry.session.form_token
    assert gate.sign_outs.is_asked_by(entry, token)
    for text in ("", token[:-1], token + "0", other.session.form_token, entry.session.key, "é", "\udcff", "\x00"):
        assert not gate.sign_outs.is_asked_by(entry, text)


async def test_the_form_token_is_compared_in_constant_time(
    gate: Gate, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = await browser.signs_in()
    compared: list[tuple[bytes, bytes]] = []
    real: Callable[[bytes, bytes], bool] = hmac.compare_digest

    def compare(left: bytes, right: bytes) -> bool:
        compared.append((left, right))
        return real(left, right)

    monkeypatch.setattr(hmac, "compare_digest", compare)
    assert not gate.sign_outs.is_asked_by(entry, "guess")
    assert compared == [(entry.session.form_token.encode(), b"guess")]


async def test_a_renewed_session_has_another_form_token(gate: Gate, browser: Browser) -> None:
    old = await browser.signs_in()
    gate.clock.time += 100
    new = await browser.signs_in(portal="partners")
    assert not gate.sign_outs.is_asked_by(new, old.session.form_token)


async def test_a_person_signs_out_here_at_the_application_and_at_the_provider(gate: Gate, browser: Browser) -> None:
    entry = await browser.signs_in()
    closed: list[str] = []
    entry.closers.add(lambda: closed.append("stream"))
    gate.diary.clear()
    location = await signed_out(gate, entry)
    assert location is not None
    assert location.startswith("https://staff.example/logout?")
    query = parse_qs(urlsplit(location).query)
    assert (query["id_token_hint"], query["post_logout_redirect_uri"]) == (["an.id.token"], [BACK])
    # Ours first: whatever fails after it, the session is over.
    await gate.settle()
    assert gate.diary == ["end", "landing ends", "end_session", "end_sessions alice"]
    assert await browser.entry() is None
    assert (gate.store.kept, gate.audit.causes(), closed) == ({}, ["user"], ["stream"])
    assert gate.landing.ended == [entry.session.key]


async def test_the_session_s_own_provider_is_asked(gate: Gate, browser: Browser) -> None:
    entry = await browser.signs_in("/jira/servicedesk/customer/portals", "support", who="carol")
    location = await signed_out(gate, entry)
    assert location is not None
    assert location.startswith("https://customers.example/logout?")


@pytest.mark.parametrize("sign_out", [True, False])
async def test_the_provider_hears_of_it_only_where_the_site_wants_it(
    gate: Gate, browser: Browser, sign_out: bool
) -> None:
    staff = replace(gate.policy.providers["staff"], sign_out=sign_out)
    gate.policy = changed(gate.policy, providers={**gate.policy.providers, "staff": staff})
    location = await signed_out(gate, await browser.signs_in())
    assert (location is not None) is sign_out
    assert ("end_session" in gate.diary) is sign_out


async def test_the_wish_for_one_provider_is_none_for_another(gate: Gate, browser: Browser) -> None:
    staff = replace(gate.policy.providers["staff"], sign_out=False)
    gate.policy = changed(gate.policy, providers={**gate.policy.providers, "staff": staff})
    entry = await browser.signs_in("/jira/servicedesk/customer/portals", "support", who="carol")
    assert await signed_out(gate, entry) is not None


async def test_a_provider_without_such_an_endpoint_is_no_hindrance(gate: Gate, browser: Browser) -> None:
    gate.providers["staff"].signs_out = False
    assert await signed_out(gate, await browser.signs_in()) is None
    assert gate.store.kept == {}


async def test_a_provider_that_is_down_or_gone_is_no_hindrance(
    gate: Gate, browser: Browser, caplog: pytest.LogCaptureFixture
) -> None:
    first, second, third = await browser.signs_in(), await Browser(gate).signs_in(), await Browser(gate).signs_in()
    gate.providers["staff"].failing = LoginError(Reason.PROVIDER_UNREACHABLE, "down")
    with caplog.at_level(logging.WARNING):
        assert await signed_out(gate, first) is None
    assert "could not be told" in caplog.text
    del gate.providers["staff"]
    assert await signed_out(gate, second) is None
    gate.policy = changed(gate.policy, providers={})
    assert await signed_out(gate, third) is None
    assert gate.store.kept == {}


async def test_an_application_that_is_down_is_no_hindrance(
    gate: Gate, browser: Browser, caplog: pytest.LogCaptureFixture
) -> None:
    gate.landing.failing = True
    with caplog.at_level(logging.WARNING):
        assert await signed_out(gate, await browser.signs_in()) is not None
    assert "kept what was established" in caplog.text
    assert gate.store.kept == {}


async def test_an_application_without_a_landing_is_no_hindrance(gate: Gate) -> None:
    wiki = Browser(gate, "wiki")
    entry = await wiki.signs_in("/display/X", "writers")
    location = (await gate.sign_outs.end(gate.application("wiki"), entry, "user", TRACE)).location
    assert location is not None
    assert "wiki.example.com%2F.lychgate%2Fsigned-out" in location
    assert gate.landing.ended == []


async def test_a_sign_out_that_the_store_did_not_hear_of_is_an_error(gate: Gate, browser: Browser) -> None:
    """The person must know: the session would live again after a restart."""
    entry = await browser.signs_in()
    gate.store.down = True
    with pytest.raises(StateError):
        await signed_out(gate, entry)
    assert gate.landing.ended == []
    gate.store.down = False
    again = await browser.entry()
    assert again is not None
    await signed_out(gate, again)
    assert await browser.entry() is None


async def test_a_second_sign_out_is_harmless(gate: Gate, browser: Browser) -> None:
    entry = await browser.signs_in()
    await asyncio.gather(signed_out(gate, entry), signed_out(gate, entry))
    assert gate.audit.causes() == ["user"]


async def test_the_other_sessions_of_the_person_stay(gate: Gate, browser: Browser) -> None:
    entry, phone = await browser.signs_in(), Browser(gate)
    await phone.signs_in()
    await signed_out(gate, entry)
    assert await phone.entry() is not None


@pytest.mark.parametrize("verb", ["end", "end_session"])
async def test_a_browser_that_goes_away_is_signed_out_all_the_same(gate: Gate, browser: Browser, verb: str) -> None:
    entry = await browser.signs_in()
    held = (gate.store if verb == "end" else gate.providers["staff"]).hold(verb)
    request = asyncio.create_task(signed_out(gate, entry))
    await gate.settle()
    request.cancel()
    await gate.settle()
    held.set()
    await gate.sign_outs.close()
    assert (gate.store.kept, gate.audit.causes()) == ({}, ["user"])
    assert gate.landing.ended == [entry.session.key]
