"""What an authorization request asks: the settings' values, and those of the one sign-in, which win."""

from __future__ import annotations

import dataclasses
from urllib.parse import parse_qs, urlsplit

from sidecar.domain.reason import Reason
from tests.adapters.oidc.conftest import Build
from tests.adapters.oidc.stand_in import NOW, StandIn, signed
from tests.adapters.oidc.test_provider import REQUEST, grant, refused


async def test_the_max_age_of_the_settings_is_checked_unless_the_request_has_its_own(
    server: StandIn, build: Build
) -> None:
    server.gives(signed(server.claims(auth_time=NOW - 100)))
    await build(max_age=50).redeem(grant())
    await refused(build(max_age=30).redeem(grant()), Reason.STEP_UP_FAILED)
    await build(max_age=30).redeem(grant(max_age=50))
    await refused(build(max_age=50).redeem(grant(max_age=0)), Reason.STEP_UP_FAILED)
    # A silent confirmation is no sign-in, unless it asks itself.
    await build(max_age=30).redeem(grant(silent=True))
    await refused(build().redeem(grant(silent=True, max_age=30)), Reason.STEP_UP_FAILED)
    server.gives(signed(server.claims(auth_time=None)))
    await refused(build(max_age=50).redeem(grant()), Reason.STEP_UP_FAILED)


async def test_what_a_request_asks_wins_over_the_settings(build: Build) -> None:
    theirs = {"prompt": "consent", "max_age": 300, "authorize_params": (("acr_values", "a b"), ("ui_locales", "de en"))}
    provider = build(**theirs, form_post=True)
    asked = dataclasses.replace(REQUEST, prompt="login", max_age=0, acr=("c", "d"))
    for request, expected in ((REQUEST, ("consent", "300", "a b")), (asked, ("login", "0", "c d"))):
        query = parse_qs(urlsplit(await provider.authorization_url(request)).query)
        assert [[value] for value in expected] == [query["prompt"], query["max_age"], query["acr_values"]]
        assert [["de en"], ["form_post"]] == [query["ui_locales"], query["response_mode"]]
    silent = await provider.authorization_url(dataclasses.replace(REQUEST, prompt="none"))
    query = parse_qs(urlsplit(silent).query)
    assert (["none"], False) == (query["prompt"], "max_age" in query)
    assert "response_mode" not in await build().authorization_url(REQUEST)
