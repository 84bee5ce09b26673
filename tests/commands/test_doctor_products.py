"""commands.doctor at an application: one thing is broken on purpose, and just that is found."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from sidecar.building.examining import Request
from sidecar.demo.jira import AnyProof, NoProof, SharedSecret
from sidecar.demo.provider import Provider, serve_provider
from tests.commands.doctor_site import URL, Surroundings, by_sign_on, codes, surroundings, unknowns
from tests.web.rig import free_port

MANIFEST = "/rest/applinks/1.0/manifest"


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Surroundings]:
    async with surroundings(tmp_path) as site:
        yield site


async def test_an_application_that_is_not_there(site: Surroundings) -> None:
    site.jira_settings["upstream"] = "http://127.0.0.1:9"
    found = await site.found()
    assert ["upstream_unreachable"] == codes(found)
    # Nothing of what could not be asked is called well.
    said = {one.kind.check for one in found if one.kind.code == "ok" and one.application == "jira"}
    assert {"ledger", "leavers"} == said


async def test_what_its_status_page_says(site: Surroundings) -> None:
    for status, body, code in (
        (503, '{"state": "STARTING"}', "upstream_starting"),
        (503, '{"state": "MAINTENANCE"}', "upstream_not_running"),
        (200, "<html>", "status_unreadable"),
    ):
        site.jira.faults.clear()
        site.jira.fail_next("/status", status, body, times=5)
        assert [code] == await site.codes()


async def test_one_node_of_two_is_gone(site: Surroundings) -> None:
    site.jira_settings["upstream"] = [site.jira.origin, f"http://127.0.0.1:{free_port()}"]
    assert ["node_unreachable"] == await site.codes()


async def test_its_clock_and_its_address(site: Surroundings) -> None:
    for apart, code in ((-40, "clock_differs"), (600, "clock_wrong")):
        date = format_datetime(datetime.now(UTC) + timedelta(seconds=apart), usegmt=True)
        body = f'{{"url": "{URL}"}}'
        site.jira.fail_next(MANIFEST, 200, body, headers=(("Date", date), ("Content-Type", "application/json")))
        assert [code] == await site.codes()
    site.jira.base_url = "https://jira.example.com/other"
    assert ["address_differs"] == await site.codes()
    site.jira.base_url = "https://JIRA.example.com:443/"
    assert [] == await site.codes()
    site.jira.fail_next(MANIFEST, 404)
    assert "address" in unknowns(await site.found())


async def test_its_token_is_not_taken(site: Surroundings) -> None:
    site.put("token", "a-token-that-nobody-knows")
    found = await site.found()
    assert ["token_refused"] == codes(found)
    assert {"headers", "landing"} <= set(unknowns(found))


async def test_a_token_that_may_too_little_or_too_much(site: Surroundings) -> None:
    site.put("token", site.jira.state.add_token("alice"))
    assert ["token_underprivileged"] == await site.codes()
    site.put("token", site.jira.state.add_token("admin"))
    assert ["token_overprivileged"] == await site.codes()


async def test_a_token_that_ends_soon(site: Surroundings) -> None:
    token = (site.folder / "token").read_text()
    for days, expected in ((12, ["token_ends"]), (200, [])):
        end = datetime.now(UTC) + timedelta(days=days)
        site.jira.state.token_ends[token] = end.strftime("%Y-%m-%dT%H:%M:%S.000+0000")
        assert expected == await site.codes()


async def test_the_token_that_is_to_take_over(site: Surroundings) -> None:
    site.jira_settings["accounts"]["next_token"] = site.put("next", "a-token-that-nobody-knows")
    assert ["next_token_refused"] == await site.codes()
    site.put("next", site.jira.state.add_token("gate"))
    assert [] == await site.codes()


async def test_the_directories_and_their_order(site: Surroundings) -> None:
    state = site.jira.state
    done = "Full synchronisation completed successfully."
    state.directories = [("Active Directory", done), ("Jira Internal Directory", None)]
    assert ["first_directory_foreign"] == await site.codes()
    state.directories = [("Jira Internal Directory", None), ("Active Directory", "Full synchronisation failed.")]
    assert ["synchronisation_failed"] == await site.codes()
    state.directories = [("Active Directory", done)]
    assert [] == await site.codes()
    site.jira_settings["accounts"]["create"] = True
    assert ["no_directory_to_write"] == await site.codes()


async def test_names_that_several_directories_have(site: Surroundings) -> None:
    site.jira.state.duplicates["alice"] = (("Active Directory", True), ("Jira Internal Directory", True))
    assert ["accounts_shadowed"] == await site.codes()


async def test_without_a_system_administrators_token_what_only_that_sees_is_unknown(site: Surroundings) -> None:
    found = await site.found(Request())
    assert ([], ["directories", "sign_on", "sign_outs"]) == (codes(found), unknowns(found))


async def test_ways_in_beside_us(site: Surroundings) -> None:
    site.jira.sso.fallback = True
    assert ["auth_fallback"] == await site.codes()
    site.jira.sso.fallback = False
    site.jira.sso.idps[1] = {"id": 1, "name": "Old SAML", "enabled": True, "sso-type": "SAML",
                             "include-customer-logins": False, "enable-remember-me": True}  # fmt: skip
    assert ["other_sign_on"] == await site.codes()


async def test_nobody_has_done_anything_about_leavers(site: Surroundings) -> None:
    del site.jira_settings["accounts"]["on_revoke"]
    assert ["leavers_stay"] == await site.codes()
    site.jira_settings["accounts"]["on_revoke"] = "deactivate"
    site.jira_settings["api"]["pat_owner"] = "ignore"
    assert ["leavers_tokens_pass"] == await site.codes()


SHAPES: tuple[tuple[dict[str, Any], str], ...] = (
    ({"proof": NoProof()}, "landing_without_proof"),
    ({"proof": AnyProof("X-Lychgate-Secret")}, "landing_forged_proof"),
    ({"proof": SharedSecret("another secret than the one that we have")}, "landing_proof_refused"),
    ({"believes": "Remote-User"}, "header_believed"),
    ({"websudo": True}, "websudo_on"),
    ({"basic_auth": True}, "basic_allowed"),
)


async def test_an_application_that_is_set_up_otherwise(tmp_path: Path) -> None:
    async with serve_provider(Provider([], [])) as provider:
        for number, (shape, code) in enumerate(SHAPES):
            (folder := tmp_path / str(number)).mkdir()
            async with surroundings(folder, provider, **shape) as site:
                assert [code] == await site.codes(), shape
                # Nothing was asked that writes, and nobody's failed log-ins were counted.
                assert {"GET"} == {call.method for call in site.jira.calls}
                assert {0} == {user.failed_logins for user in site.jira.state.users.values()}


async def test_a_name_and_password_that_we_pass_on(tmp_path: Path) -> None:
    async with surroundings(tmp_path, basic_auth=True) as site:
        site.jira_settings["api"]["basic"] = "pass"
        assert ["basic_passes"] == await site.codes()


async def test_an_assertion_is_tried_with_another_key_for_others_and_of_yesterday(tmp_path: Path) -> None:
    async with surroundings(tmp_path, proof=AnyProof("X-Lychgate-Assertion")) as site:
        site.jira_settings["landing"] = {"header": "X-Lychgate-User", "proof": "assertion"}
        found = [one.seen for one in await site.found() if one.kind.code == "landing_forged_proof"]
    tried = "X-Lychgate-User with an assertion"
    ways = ("by another key", "for somebody else", "for another application", "of yesterday")
    assert [f"{tried} {how} was served as gate" for how in ways] == found


async def test_the_sign_on_that_lands_people(site: Surroundings) -> None:
    by_sign_on(site)
    assert ["sign_on_absent"] == await site.codes()
    issuer, at = "http://127.0.0.1:9091/jira", "http://127.0.0.1:9091/jira"
    known: dict[str, object] = {
        "id": 1, "name": "Lychgate", "enabled": True, "sso-type": "OIDC", "include-customer-logins": True,
        "enable-remember-me": False, "issuer-url": issuer, "client-id": "lychgate", "discovery-enabled": False,
        "authorization-endpoint": f"{at}/authorize", "token-endpoint": f"{at}/token",
        "userinfo-endpoint": f"{at}/userinfo", "additional-scopes": [], "username-claim": "${preferred_username}",
    }  # fmt: skip
    for change, expected in (
        ({}, []),
        ({"enabled": False}, ["sign_on_disabled"]),
        ({"enable-remember-me": True}, ["sign_on_remembers"]),
        ({"jit-configuration": {"user-provisioning-enabled": True}}, ["sign_on_creates_users"]),
        ({"username-claim": "preferred_username"}, ["sign_on_differs"]),
        ({"client-id": "another"}, ["sign_on_differs"]),
    ):
        site.jira.sso.idps[1] = {**known, **change}
        assert expected == await site.codes(), change


async def test_the_sign_on_wants_https(site: Surroundings) -> None:
    by_sign_on(site)
    site.file["applications"]["jira"] |= {"url": "http://jira.example.com", "allow_http": True}
    site.jira.base_url = "http://jira.example.com"
    assert ["address_insecure", "sign_on_absent"] == await site.codes()


async def test_whom_to_pretend_to_be_may_be_named(tmp_path: Path) -> None:
    async with surroundings(tmp_path, believes="X-Forwarded-User") as site:
        site.jira_settings["accounts"] = {}
        found = await site.found(Request())
        assert {"headers", "landing"} <= set(unknowns(found))
        assert ["header_believed"] == codes(await site.found(Request(username="alice")))


async def test_whether_a_product_asks_its_crowd_server_only_the_running_gate_hears(site: Surroundings) -> None:
    site.jira_settings["landing"] = {"type": "crowd", "client_secret": f"file://{site.folder}/landing"}
    found = await site.found()
    assert ([], ["landing", "sign_outs"]) == (codes(found), unknowns(found))
