"""The compiled policy says what the file says, with product knowledge spelled out; its hash follows its content."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from sidecar.config.load import Loaded, load
from sidecar.domain.policy import Answer, GroupMapping
from sidecar.products import PRODUCTS

Load = Callable[..., Loaded]
ROOT = Path(__file__).parents[2]


def example(name: str) -> Loaded:
    return load(ROOT / "config" / name, secrets=False)


def test_site_and_cookie() -> None:
    policy = example("context-path.yaml").policy
    assert ["confluence", "jira"] == [application.name for application in policy.sites["tools.example.com"]]
    jira = policy.applications["jira"]
    assert ("https://tools.example.com", "tools.example.com", "/jira") == (jira.origin, jira.host, jira.context)
    assert "__Host-lychgate-jira" == jira.cookie


def test_cookie_without_secure_on_plain_http(loading: Load) -> None:
    loaded = loading(("https://jira.example.com", "http://LOCALHOST:8080"))
    jira = loaded.policy.applications["jira"]
    assert ("__Host-lychgate-jira", "http://localhost:8080", "localhost:8080") == (jira.cookie, jira.origin, jira.host)


def test_default_port_is_no_part_of_the_origin(loading: Load) -> None:
    jira = loading(("https://jira.example.com", "https://Jira.Example.com:443")).policy.applications["jira"]
    assert ("https://jira.example.com", "jira.example.com") == (jira.origin, jira.host)


def test_portals_and_rules() -> None:
    jira = example("customer-portal.yaml").policy.applications["jira"]
    support = jira.portal("support")
    assert support is not None
    assert PRODUCTS["jira"].presets["jsm"] == support.prefixes
    assert frozenset({"agents"}) == support.accepts
    assert ("cust-", ("email",), ()) == (
        support.username.prefix, support.username.claims, support.username.strip_domain,
    )  # fmt: skip
    assert () == support.groups.mapping
    assert "agents" == jira.default_portal.name
    assert ("", ("example.com",)) == (jira.default_portal.username.prefix, jira.default_portal.username.strip_domain)
    assert (GroupMapping(source="okta-(jira-.+)", target="$1", line="map[0]"),) == jira.default_portal.groups.mapping


def test_rules_have_names_and_spelled_out_paths() -> None:
    wiki = example("context-path.yaml").policy.applications["confluence"].default_portal
    assert ["wiki/admin", "wiki/no-tokens"] == [rule.id for rule in wiki.rules]
    assert PRODUCTS["confluence"].path_sets["admin"] == wiki.rules[0].paths
    assert Answer.DENY is wiki.rules[1].answer
    staff = example("lychgate.yaml").policy.applications["jira"].default_portal
    assert ("agents/0", 1800) == (staff.rules[0].id, staff.rules[0].fresh)
    assert frozenset({"okta-jira-users"}) == staff.require.any_group


def test_groups_of_administrators_come_by_exact_lines() -> None:
    groups = example("lychgate.yaml").policy.applications["jira"].default_portal.groups
    line = GroupMapping(
        source="okta-jira-admins", target="jira-administrators", exact=True, admin=True, line="admin[0]"
    )
    assert line == groups.mapping[-1]
    assert frozenset({"jira-administrators"}) == groups.admin
    assert PRODUCTS["jira"].protected_groups == groups.protected


def test_all_forms_of_group_lines_reach_the_policy(loading: Load) -> None:
    edit = (
        "accounts: {token: env://JIRA_PAT}",
        """accounts: {token: env://JIRA_PAT, groups_stale_after: 2h, groups: {map: [{exact: a.b (EU), to: r&d}],
                   table: {6f1c: [one, two]}, as_is: jira-, always: all, on_create: new, if_empty: [guests]}}""",
    )
    groups = loading(edit).policy.applications["jira"].default_portal.groups
    assert GroupMapping(source="a.b (EU)", target="r&d", exact=True, line="map[0]") == groups.mapping[0]
    assert {"6f1c": ("one", "two")} == groups.table
    assert (("jira-",), ("all",), ("new",), ("guests",)) == (
        groups.as_is, groups.always, groups.on_create, groups.if_empty,
    )  # fmt: skip
    assert 7200 == loading(edit).policy.applications["jira"].accounts.groups_stale_after


def test_machines(loading: Load) -> None:
    edit = ("    accounts:", "    api: {oauth1: deny, basic: pass}\n    machine: [gadgets, /hook/*]\n    accounts:")
    api = loading(edit).policy.applications["jira"].api
    assert frozenset({"pat", "oauth2", "basic"}) == api.passes
    assert "/rest/api/2/search" in api.paths
    assert "/hook/x" in api.paths
    assert "/plugins/servlet/gadgets/ifr" in api.paths
    assert "/plugins/servlet/applinks/whoami" not in api.paths
    assert frozenset({"pat", "oauth1", "oauth2"}) == loading().policy.applications["jira"].api.passes


def test_every_identity_header_of_every_application_is_stripped(loading: Load) -> None:
    edit = (
        "{header: X-Lychgate-User, proof: assertion}",
        "{header: X_Who, proof: assertion, secret_header: X-Key, assertion_header: X-Proof, strip: [Sm_User]}",
    )
    strip = loading(edit).policy.strip
    assert {b"x-who", b"x-key", b"x-proof", b"sm-user"} <= strip
    assert {b"remote-user", b"x-remote-user", b"x-forwarded-user", b"x-rp-usr", b"x-lychgate-*"} <= strip
    assert all(name == name.lower() and b"_" not in name for name in strip)


def test_provider() -> None:
    entra = example("context-path.yaml").policy.providers["entra"]
    assert ("oid", ("roles",), False, "Microsoft") == (
        entra.subject_claim, entra.groups.path, entra.userinfo, entra.label,
    )  # fmt: skip
    assert example("customer-portal.yaml").policy.providers["customers"].sign_out


def test_fences_reach_the_policy(loading: Load) -> None:
    edit = ("    client_id", "    hd: example.com\n    only: {team: [a, b], level: 3}\n    client_id")
    expected = {"hd": frozenset({"example.com"}), "team": frozenset({"a", "b"}), "level": frozenset({3})}
    assert expected == loading(edit).policy.providers["okta"].fence


def test_hash_follows_the_content(loading: Load) -> None:
    plain = loading().policy.hash
    assert 64 == len(plain)
    assert plain == loading(("version: 1", "# a comment\nversion: 1")).policy.hash
    rule = ("    provider: okta\n", "    provider: okta\n    require: {any_group: g}\n")
    assert plain != loading(rule).policy.hash
    assert plain != loading(("state:", "sessions: {idle: 1h}\nstate:")).policy.hash


def test_hash_is_the_same_in_another_process() -> None:
    """Sets have another order there; remembered work must not be forgotten at a restart."""
    code = (
        "from sidecar.config.load import load;"
        "print(load('config/lychgate.yaml', secrets=False).policy.hash)"
    )  # fmt: skip
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
        )
        assert example("lychgate.yaml").policy.hash == done.stdout.strip()


def test_a_portal_for_customers_gives_no_seats() -> None:
    portals = example("customer-portal.yaml").policy.applications["jira"].portals
    assert {True: True, False: False} == {portal.default: portal.groups.licences for portal in portals}
