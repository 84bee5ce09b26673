"""core.doctor: tables from what was seen to what is found. Whatever is not told is unknown, and never well."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from sidecar.core.doctor import landings, products, providers, site, ways
from sidecar.core.doctor.catalogue import CATALOGUE, LANDING_WITHOUT_PROOF
from sidecar.core.doctor.products import Place, Rights
from sidecar.core.doctor.providers import Wanted
from sidecar.core.doctor.site import Files, Server
from sidecar.core.grants import Client
from sidecar.core.landing_setup import wanted
from sidecar.domain.finding import Check, Finding, Severity

DAY = 86_400.0


def words(found: Iterable[Finding]) -> list[str]:
    return [one.kind.code for one in found]


WANTED = Wanted(
    issuer="https://id.example.com",
    required=("token_endpoint",),
    algorithms=("RS256", "ES256"),
    authentication="client_secret_basic",
    signs_out=False,
    is_secure=lambda url: url.startswith("https:"),
    is_known=lambda url: "//id.example.com/" in url,
)
GOOD: dict[str, object] = {"issuer": WANTED.issuer, "token_endpoint": "https://id.example.com/token"}


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({}, ["ok"]),
        ({"issuer": "https://id.example.com/"}, ["issuer_differs"]),
        ({"issuer": None}, ["issuer_differs"]),
        ({"issuer": ["https://id.example.com"]}, ["issuer_differs"]),
        ({"token_endpoint": 7}, ["endpoint_missing"]),
        ({"token_endpoint": "http://id.example.com/token"}, ["endpoint_insecure"]),
        ({"token_endpoint": "https://id.example.com.evil/token"}, ["endpoint_elsewhere"]),
        ({"id_token_signing_alg_values_supported": ["ES256"]}, ["ok"]),
        ({"id_token_signing_alg_values_supported": []}, ["algorithms_differ"]),
        ({"id_token_signing_alg_values_supported": "RS256"}, ["ok"]),
        ({"id_token_signing_alg_values_supported": ["none"]}, ["algorithms_differ", "algorithm_none"]),
        ({"code_challenge_methods_supported": ["S256", "plain"]}, ["ok"]),
        ({"code_challenge_methods_supported": []}, ["pkce_not_offered"]),
        ({"token_endpoint_auth_methods_supported": ["client_secret_basic", 7]}, ["ok"]),
        ({"token_endpoint_auth_methods_supported": ["client_secret_post"]}, ["client_authentication_not_offered"]),
        ({"end_session_endpoint": None}, ["ok"]),
    ],
)
def test_metadata(told: dict[str, object], expected: list[str]) -> None:
    assert expected == words(providers.judge_metadata({**GOOD, **told}, WANTED))


@pytest.mark.parametrize(
    ("members", "usable", "expected"), [(2, 1, "ok"), (2, 0, "keys_unusable"), (0, 0, "keys_unusable")]
)
def test_keys(members: int, usable: int, expected: str) -> None:
    assert [expected] == words(providers.judge_keys(members, usable))


@pytest.mark.parametrize(
    ("ends", "expected"),
    [(None, "unknown"), (0.0, "client_secret_ended"), (-1.0, "client_secret_ended"), (1.0, "client_secret_ends"),
     (30 * DAY, "client_secret_ends"), (31 * DAY, "ok")],
)  # fmt: skip
def test_client_secrets(ends: float | None, expected: str) -> None:
    now = 1000 * DAY
    assert [expected] == words(providers.judge_client_secret(None if ends is None else now + ends, now))


@pytest.mark.parametrize(
    ("told", "expected"),
    [({}, "sign_outs_not_told"), ({"backchannel_logout_supported": "true"}, "sign_outs_not_told"),
     ({"backchannel_logout_supported": True}, "unknown"), ({"frontchannel_logout_supported": True}, "unknown")],
)  # fmt: skip
def test_sign_outs(told: dict[str, object], expected: str) -> None:
    assert [expected] == words(providers.judge_sign_outs(told, "https://jira.example.com/x"))


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"": (200, "RUNNING")}, ["ok"]),
        ({"": None}, ["upstream_unreachable"]),
        ({"": (503, "STARTING")}, ["upstream_starting"]),
        # A word that goes with the wrong status is no promise.
        ({"": (503, "RUNNING")}, ["upstream_not_running"]),
        ({"": (200, "FIRST_RUN")}, ["upstream_not_running"]),
        ({"": (404, "UNKNOWN")}, ["status_unreadable"]),
        ({"a": None, "b": None}, ["upstream_unreachable"]),
        ({"a": None, "b": (200, "RUNNING")}, ["node_unreachable"]),
        ({"a": None, "b": (503, "STARTING")}, ["node_unreachable", "upstream_starting"]),
        ({"a": (200, "RUNNING"), "b": (200, "RUNNING")}, ["ok"]),
    ],
)
def test_nodes(told: dict[str, tuple[int, str] | None], expected: list[str]) -> None:
    assert expected == words(ways.judge_nodes(told))


@pytest.mark.parametrize(
    ("apart", "tolerated", "expected"),
    [(0, 60, "ok"), (15, 60, "ok"), (-15, 60, "ok"), (16, 60, "clock_differs"), (-60, 60, "clock_differs"),
     (61, 60, "clock_wrong"), (-61, 60, "clock_wrong"), (1, 0, "clock_wrong"), (0, 0, "ok"), (None, 60, "unknown")],
)  # fmt: skip
def test_clocks(apart: int | None, tolerated: int, expected: str) -> None:
    assert [expected] == words(ways.judge_clock(None if apart is None else 1000.0 + apart, 1000.0, tolerated))


@pytest.mark.parametrize(
    ("theirs", "ours", "expected"),
    [
        ("https://jira.example.com", "https://jira.example.com", ["ok"]),
        ("https://Jira.Example.com:443/", "https://jira.example.com", ["ok"]),
        ("https://jira.example.com/jira", "https://jira.example.com", ["address_differs"]),
        ("https://jira.example.com:8443", "https://jira.example.com", ["address_differs"]),
        ("http://jira.example.com", "https://jira.example.com", ["address_differs", "address_insecure"]),
        ("http://jira.example.com", "http://jira.example.com:80", ["address_insecure"]),
        ("https://[", "https://jira.example.com", ["address_differs"]),
        (None, "https://jira.example.com", ["unknown"]),
    ],
)
def test_addresses(theirs: str | None, ours: str, expected: list[str]) -> None:
    assert expected == words(ways.judge_address(theirs, ours, by_sign_on=True))
    assert "address_insecure" not in words(ways.judge_address(theirs, ours, by_sign_on=False))


@pytest.mark.parametrize(
    ("administrator", "system", "expected"),
    [(True, False, ["ok"]), (True, True, ["token_overprivileged"]), (False, False, ["token_underprivileged"]),
     (None, False, ["unknown"]), (True, None, ["unknown"]), (None, True, ["token_overprivileged"]),
     (False, None, ["token_underprivileged"])],
)  # fmt: skip
def test_rights(administrator: bool | None, system: bool | None, expected: list[str]) -> None:
    assert expected == words(products.judge_rights("gate", Rights(administrator=administrator, system=system)))


INSIDE, AD = Place("Internal"), Place("AD", "Full synchronisation completed successfully.")


@pytest.mark.parametrize(
    ("places", "creates", "expected"),
    [
        (None, True, ["unknown"]),
        ([], True, ["unknown"]),
        ([INSIDE], True, ["ok"]),
        ([INSIDE, AD], True, ["ok"]),
        ([AD, INSIDE], True, ["first_directory_foreign"]),
        ([AD], True, ["no_directory_to_write"]),
        ([AD], False, ["ok"]),
        ([INSIDE, Place("AD", "Synchronisation FAILED. See the log.")], True, ["synchronisation_failed"]),
    ],
)
def test_directories(places: list[Place] | None, creates: bool, expected: list[str]) -> None:
    assert expected == words(products.judge_directories(places, "", creates=creates))


@pytest.mark.parametrize(("ends", "expected"), [(None, []), (30.9, ["token_ends"]), (31.0, []), (0.0, ["token_ends"])])
def test_ends_of_tokens(ends: float | None, expected: list[str]) -> None:
    assert expected == words(products.judge_token_end(None if ends is None else ends * DAY, 0.0))


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (products.judge_shadowed(None), []),
        (products.judge_shadowed(0), []),
        (products.judge_shadowed(3), ["accounts_shadowed"]),
        (products.judge_basic(None, passes=True), ["unknown"]),
        (products.judge_basic(False, passes=True), ["ok"]),
        (products.judge_basic(True, passes=False), ["basic_allowed"]),
        (products.judge_basic(True, passes=True), ["basic_passes"]),
        (products.judge_websudo(None), ["unknown"]),
        (products.judge_websudo(False), ["ok"]),
        (products.judge_websudo(True), ["websudo_on"]),
        (products.judge_forms(None), ["unknown"]),
        (products.judge_forms(False), ["ok"]),
        (products.judge_forms(True), ["password_forms"]),
        (landings.judge_headers(["Remote-User"], "gate", None), ["ok"]),
        (landings.judge_headers(["Remote-User"], "gate", "somebody"), ["ok"]),
        (landings.judge_headers(["Remote-User"], "gate", "GATE"), ["header_believed"]),
        (landings.judge_forged(LANDING_WITHOUT_PROOF, "gate", None, "x"), []),
        (landings.judge_forged(LANDING_WITHOUT_PROOF, "gate", "gate", "x"), ["landing_without_proof"]),
        (landings.judge_proof("gate", "gate"), []),
        (landings.judge_proof("gate", "other"), ["landing_proof_refused"]),
        (landings.judge_proof("gate", None), ["landing_proof_refused"]),
        (landings.judge_asked(True), ["ok"]),
        (landings.judge_asked(False), ["landing_not_asked"]),
        (site.judge_memory(), ["state_forgotten"]),
        (site.judge_ledger("jira", None), ["unknown"]),
        (site.judge_ledger("jira", frozenset({"wiki"})), ["ledger_unusable"]),
        (site.judge_ledger("jira", frozenset({"jira"})), ["ok"]),
    ],
)
def test_plain_questions(found: Iterable[Finding], expected: list[str]) -> None:
    assert expected == words(found)


CLIENT = Client(issuer="https://gate/jira", client_id="lychgate", redirect_uri="https://jira/callback")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, ["ok"]),
        ({"issuer-url": "https://gate/jira/"}, ["sign_on_absent"]),
        ({"enabled": False}, ["sign_on_disabled"]),
        ({"enable-remember-me": True}, ["sign_on_remembers"]),
        ({"jit-configuration": {"enabled": True}}, ["sign_on_creates_users"]),
        ({"token-endpoint": "https://other/token"}, ["sign_on_differs"]),
    ],
)
def test_the_sign_on(change: dict[str, Any], expected: list[str]) -> None:
    entry = {**wanted(CLIENT, customers=True), **change}
    assert expected == words(landings.judge_sign_on([{"issuer-url": "https://x"}, entry], CLIENT, customers=True))


@pytest.mark.parametrize(
    ("entries", "fallback", "expected"),
    [
        ([{"enabled": True, "issuer-url": "ours"}], False, ["ok"]),
        ([{"enabled": False, "name": "SAML"}], False, ["ok"]),
        ([{"enabled": True, "name": "SAML"}], False, ["other_sign_on"]),
        ([{"enabled": True, "name": "SAML"}], None, ["other_sign_on"]),
        ([], True, ["auth_fallback"]),
        ([], None, ["unknown"]),
    ],
)
def test_other_ways_in(entries: list[dict[str, object]], fallback: bool | None, expected: list[str]) -> None:
    assert expected == words(landings.judge_others(entries, "ours", fallback))


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (Files(), ["ok"]),
        (Files(unwritable=("a", "b")), ["state_unwritable", "state_unwritable"]),
        (Files(damaged=("ledger",)), ["state_damaged"]),
        (Files(room=site.LEAST_ROOM - 1), ["disk_full"]),
        (Files(versions={"ledger": (6, 6)}), ["ok"]),
        (Files(versions={"ledger": (7, 6)}), ["state_newer"]),
        (Files(versions={"ledger": (5, 6)}), ["state_older"]),
    ],
)
def test_files(seen: Files, expected: list[str]) -> None:
    assert expected == words(site.judge_files(seen))


def server(**changes: Any) -> Server:
    return Server(**{"major": 14, "version": (1, 1), "took": 0.01, **changes})


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (server(), ["ok"]),
        (server(major=13), ["database_too_old"]),
        (server(took=0.2), ["database_slow"]),
        (server(standby=True), ["database_read_only"]),
        (server(behind=29.0), ["ok"]),
        (server(behind=31.0), ["database_lags"]),
        (server(version=(2, 1)), ["state_newer"]),
        (server(version=(0, 1)), ["state_older"]),
    ],
)
def test_servers(seen: Server, expected: list[str]) -> None:
    assert expected == words(site.judge_server(seen))


@pytest.mark.parametrize(
    ("managed", "deactivates", "passes", "asks", "expected"),
    [
        (True, True, True, True, ["ok"]),
        (True, False, True, True, ["leavers_stay"]),
        (False, False, True, True, ["ok"]),
        (True, True, True, False, ["leavers_tokens_pass"]),
        (True, True, False, False, ["ok"]),
    ],
)
def test_leavers(managed: bool, deactivates: bool, passes: bool, asks: bool, expected: list[str]) -> None:
    found = site.judge_leavers(managed=managed, deactivates=deactivates, passes_tokens=passes, asks_owners=asks)
    assert expected == words(found)


def test_every_kind_has_a_cure_and_every_check_a_kind() -> None:
    assert [] == [kind.code for kind in CATALOGUE.values() if kind.cure[-1] not in ".?"]
    assert set(Check) == {kind.check for kind in CATALOGUE.values()}
    assert {Severity.NOTICE, Severity.WARNING, Severity.ERROR} == {kind.severity for kind in CATALOGUE.values()}
