"""commands.doctor at a provider: one thing is broken on purpose, and just that is found."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sidecar.demo.provider import Fault
from tests.commands.doctor_site import Surroundings, codes, surroundings, unknowns


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Surroundings]:
    async with surroundings(tmp_path) as site:
        yield site


async def test_in_good_health_only_what_nobody_tells_is_unknown(site: Surroundings) -> None:
    found = await site.found()
    assert ([], ["sign_outs"]) == (codes(found), unknowns(found))
    # Every check says something, of the application or of the provider that it looked at.
    assert {"jira", "staff", "lychgate"} == {one.where for one in found}


WORDS: tuple[tuple[dict[str, object], list[str]], ...] = (
    ({"issuer": "https://elsewhere.example.com"}, ["issuer_differs"]),
    ({"token_endpoint": None}, ["endpoint_missing"]),
    ({"token_endpoint": "http://id.example.com/token"}, ["endpoint_insecure"]),
    ({"authorization_endpoint": "https://elsewhere.example.com/authorize"}, ["endpoint_elsewhere"]),
    ({"id_token_signing_alg_values_supported": ["HS256"]}, ["algorithms_differ"]),
    ({"id_token_signing_alg_values_supported": ["RS256", "none"]}, ["algorithm_none"]),
    ({"code_challenge_methods_supported": ["plain"]}, ["pkce_not_offered"]),
    ({"token_endpoint_auth_methods_supported": ["private_key_jwt"]}, ["client_authentication_not_offered"]),
    ({"backchannel_logout_supported": None}, ["sign_outs_not_told"]),
    # What metadata say nothing of is no fault.
    ({"id_token_signing_alg_values_supported": None, "code_challenge_methods_supported": None,
      "token_endpoint_auth_methods_supported": None, "end_session_endpoint": None}, []),
)  # fmt: skip


async def test_one_word_of_its_metadata(site: Surroundings) -> None:
    for told, expected in WORDS:
        site.provider.provider.metadata = told
        assert expected == await site.codes(), told


async def test_a_sign_out_that_is_to_go_on_and_cannot(site: Surroundings) -> None:
    site.file["providers"]["staff"]["sign_out"] = "provider"
    assert [] == await site.codes()
    site.provider.provider.metadata = {"end_session_endpoint": None}
    assert ["sign_out_not_offered"] == await site.codes()


async def test_a_provider_that_is_not_there(site: Surroundings) -> None:
    site.file["providers"]["staff"]["issuer"] = "http://127.0.0.1:9"
    found = await site.found()
    assert ["provider_unreachable"] == codes(found)
    # What hangs on its metadata could not be done, and nobody says that it is well.
    assert ["clock", "keys", "sign_outs"] == unknowns(found)


async def test_something_else_answers_in_its_place(site: Surroundings) -> None:
    site.file["providers"]["staff"]["issuer"] = site.jira.origin
    assert ["metadata_broken"] == await site.codes()


async def test_its_keys_and_its_clock(site: Surroundings) -> None:
    provider = site.provider.provider
    for fault, code in ((Fault.JWKS_500, "keys_unreachable"), (Fault.JWKS_EMPTY, "keys_unusable")):
        provider.fault = fault
        assert [code] == await site.codes()
    provider.fault = None
    for apart, code in ((-30, "clock_differs"), (30, "clock_differs"), (-600, "clock_wrong")):
        provider.clock = lambda ahead=apart: time.time() + ahead
        assert [code] == await site.codes(), apart


async def test_its_client_secret(site: Surroundings) -> None:
    for days, code in ((-2, "client_secret_ended"), (20, "client_secret_ends")):
        day = datetime.now(UTC).date() + timedelta(days=days)
        site.file["providers"]["staff"]["client_secret_ends"] = day.isoformat()
        assert [code] == await site.codes()
    # Where nobody wrote it down, it is not called well.
    del site.file["providers"]["staff"]["client_secret_ends"]
    assert "client_secret" in unknowns(await site.found())


async def test_endpoints_that_are_written_down_are_not_looked_up(site: Surroundings) -> None:
    issuer = site.provider.issuer
    endpoints = {"authorization": f"{issuer}/authorize", "token": f"{issuer}/token", "jwks": f"{issuer}/jwks"}
    site.file["providers"]["staff"]["endpoints"] = endpoints
    site.provider.provider.metadata = {"issuer": "https://elsewhere.example.com"}
    found = await site.found()
    assert ([], ["provider", "sign_outs"]) == (codes(found), unknowns(found))
