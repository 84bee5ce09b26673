"""flows.openings: a tab never gets the session of another kind of sign-in."""

from __future__ import annotations

from dataclasses import replace

from sidecar.core.logins import Attempt
from sidecar.flows.openings import _is_same
from sidecar.flows.sessions import Entry
from tests.flows.browsers import Browser, Gate


async def test_a_tab_that_signed_in_more_strongly_gets_a_session_of_its_own() -> None:
    gate = Gate()
    browser = Browser(gate)
    await browser.come_back(await browser.at_provider("/jira/browse/ABC-1"))
    entry = await browser.entry()
    assert isinstance(entry, Entry)
    session = entry.session
    attempt = object.__new__(Attempt)
    object.__setattr__(attempt, "portal", session.portal)
    assert _is_same(entry, attempt, session.identity)
    assert not _is_same(entry, attempt, replace(session.identity, acr="mfa"))
