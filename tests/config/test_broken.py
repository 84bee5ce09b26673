"""`lychgate check` on broken files: each message names the line and the key, says what is wrong, and the cure."""

from __future__ import annotations

from pathlib import Path

import pytest

from sidecar.config.faults import ConfigError, Fault, Severity
from sidecar.config.load import load

BROKEN = Path(__file__).parent / "broken"

# file, line, key path, words of what is wrong, words of the cure; a file with two faults has two rows
TABLE = [
    ("accepts-circle", 29, "portals.agents.accepts", "circle", "never the reverse"),
    ("accepts-circle", 37, "portals.support.accepts", "circle", "never the reverse"),
    ("adopt-from-anybody", 18, "applications.jira.accounts.adopt", "existing accounts", "adopt: never"),
    ("authorize-state", 10, "providers.okta.authorize", "state is not for this table", "its own setting"),
    ("bad-pattern", 23, "applications.jira.accounts.groups.map[0].from", "no regular expression", "correct it"),
    ("context-within-context", 26, "applications.wiki.url", "context path within that of jira", "side by side"),
    ("create-without-token", 19, "applications.jira.accounts.create", "needs a token", "accounts.token"),
    ("create-without-token", 20, "applications.jira.accounts.groups", "needs a token", "accounts.token"),
    ("customers-take-seats", 37, "portals.support.groups.map[0].to", "paid seat", "remove the line"),
    ("duplicate-key", 9, "providers.okta.issuer", "the first one is on line 7", "keep one"),
    ("empty-allow-list", 29, "portals.agents.require.any_group", "let everyone in", "name at least one"),
    ("empty-group-name", 29, "portals.agents.require.any_group[1]", "is empty", "remove the entry"),
    ("endless-max-age", 10, "providers.okta.max_age", "out of bounds", "from 0s to 30d"),
    ("header-hop-by-hop", 16, "applications.jira.landing.header", "another meaning in HTTP", "choose another"),
    ("header-of-the-product", 16, "applications.jira.landing.header", "the product itself uses", "X-Lychgate-User"),
    ("http-issuer", 7, "providers.okta.issuer", "plain http", "https://"),
    ("http-upstream", 15, "applications.jira.upstream", "plain http", "allow_http: true"),
    ("http-url", 14, "applications.jira.url", "plain http", "https://"),
    ("idle-over-absolute", 3, "sessions.idle", "longer than absolute", "make idle shorter"),
    ("key-without-its-way", 10, "providers.okta.client_key", "never used", "private_key_jwt"),
    ("licensed-prefix", 37, "portals.support.groups.as_is[0]", "paid seat", "remove the line"),
    ("literal-secret", 9, "providers.okta.client_secret", "no reference to a secret", "env://NAME"),
    ("line-of-two-forms", 23, "applications.jira.accounts.groups.map[0]", "one of from and exact", "exact for a name"),
    ("look-ahead", 23, "applications.jira.accounts.groups.map[0].from", "no regular expression", "no look-around"),
    ("make-any-group", 24, "applications.jira.accounts.groups.create[0]", "no regular expression", "correct it"),
    ("make-any-group", 24, "applications.jira.accounts.groups.create[1]", "matches every name", "in common"),
    ("missing-bracket", 23, "applications.jira.accounts.groups.map[0].to", "has no bracket", "the first bracket is $1"),
    ("missing-key", 12, "applications.jira.upstream", "is missing", "add it"),
    ("missing-secret", 18, "applications.jira.accounts.token", "there is no file", "correct the path"),
    ("names-meet", 40, "portals.support.provider", "may meet", "username: {prefix: cust-}"),
    ("next-token-alone", 19, "applications.jira.accounts.next_token", "needs a token", "accounts.token"),
    ("no-client-key", 5, "providers.okta.client_key", "is missing", "file:///absolute/path"),
    ("no-day", 10, "providers.okta.client_secret_ends", "is no day", "2027-06-30"),
    ("no-default", 12, "applications.jira", "no default portal", "default: true"),
    ("no-yaml", 28, "", "is no YAML", "correct the line"),
    ("nobody-is-gone", 18, "applications.jira.accounts.on_revoke", "needs a token", "accounts.token"),
    ("nobody-is-gone", 19, "applications.jira.accounts.gone_by", "never come to anything", "global_revocation"),
    ("overlapping-portals", 39, "portals.desk.paths", "belongs to support already", "its own prefixes"),
    ("placeholder-secret", 9, "providers.okta.client_secret", "placeholder", "lychgate keys new"),
    ("postgresql", 2, "state", "holds a password", "stand under postgresql"),
    ("protected-group", 23, "applications.jira.accounts.groups.map[0].to", "protected group", "groups.admin"),
    ("push-never", 11, "providers.okta.endpoints.push", "never used with par: never", "par: always"),
    ("push-nowhere", 10, "providers.okta.par", "no address to push to", "endpoints.push"),
    ("require-nothing", 29, "portals.agents.require", "lets everyone in", "remove the line"),
    ("same-address", 26, "applications.wiki.url", "the address of jira", "its own host or context path"),
    ("shared-audience", 28, "applications.wiki.landing.audience", "audience of jira", "give each application its own"),
    ("short-secret", 3, "cookie_keys[0]", "too short", "at least 32"),
    ("slash-at-the-end", 14, "applications.jira.url", "ends in a slash", "write https://jira.example.com"),
    ("strange-response-mode", 10, "providers.okta.response_mode", "none of the known words", "'form_post'"),
    ("strangers-entra", 7, "providers.okta.issuer", "serves strangers", "tenants:"),
    ("strangers-gitlab", 7, "providers.okta.issuer", "serves strangers", "only:"),
    ("strangers-google", 5, "providers.okta.issuer", "serves strangers", "hd:"),
    ("tag", 8, "providers.okta.client_id", "has the tag", "remove the tag"),
    ("thumbprint-in-hex", 11, "providers.okta.client_key_thumbprint", "27 characters", "openssl x509"),
    (
        "two-authoritative",
        41,
        "portals.support.provider",
        "more than one authoritative",
        "leave usernames: authoritative at the one",
    ),
    ("two-defaults", 34, "portals.support.default", "default portal already", "leave one default"),
    ("unknown-algorithm", 10, "providers.okta.algorithms", "HS256 is no algorithm", "name some of RS256"),
    ("unknown-application", 26, "portals.agents.application", "no application jria", "did you mean jira?"),
    ("unknown-key-deep", 31, "portals.agents.rules[0].require.anygroup", "unknown key", "did you mean any_group?"),
    ("unknown-key", 15, "applications.jira.upstreem", "unknown key", "did you mean upstream?"),
    ("unknown-path-set", 31, "portals.agents.rules[0].paths", "no path set @admins", "did you mean @admin?"),
    ("unknown-provider", 28, "portals.agents.provider", "no provider otka", "did you mean okta?"),
    ("unreachable-rule", 32, "portals.agents.rules[1]", "never reached", "put it before"),
    ("unusable-client-key", 10, "providers.okta.client_key", "without a password", "lychgate keys new"),
    ("upstream-is-public", 15, "applications.jira.upstream", "public address itself", "where the application listens"),
    ("url-with-password", 14, "applications.jira.url", "user or password", "before the @"),
    ("wrong-word", 28, "portals.agents.mode", "none of the known words", "'off', 'observe' or 'enforce'"),
]


def errors_in(name: str) -> list[Fault]:
    with pytest.raises(ConfigError) as caught:
        load(BROKEN / f"{name}.yaml")
    return [fault for fault in caught.value.faults if fault.severity is Severity.ERROR]


@pytest.mark.parametrize(("name", "line", "path", "wrong", "cure"), TABLE)
def test_message_names_place_and_cure(name: str, line: int, path: str, wrong: str, cure: str) -> None:
    found = [fault for fault in errors_in(name) if (line, path) == (fault.line, fault.path)]
    assert 1 == len(found)
    assert wrong in found[0].wrong
    assert cure in found[0].cure
    assert found[0].render().startswith(f"{BROKEN / name}.yaml:{line}: error: ")


@pytest.mark.parametrize("name", sorted({row[0] for row in TABLE}))
def test_nothing_else_is_blamed(name: str) -> None:
    expected = {(line, path) for file, line, path, _, _ in TABLE if file == name}
    assert expected == {(fault.line, fault.path) for fault in errors_in(name)}


def test_every_file_is_in_the_table() -> None:
    assert {path.stem for path in BROKEN.glob("*.yaml")} == {row[0] for row in TABLE} | {"many-at-once"}


def test_all_faults_at_once_in_the_order_of_the_file() -> None:
    expected = [
        (1, "version"),
        (5, "providers.okta.client_id"),
        (8, "providers.okta.client_idd"),
        (14, "applications.jira.url"),
        (23, "applications.jira.accounts.groups.map[0].to"),
        (29, "portals.agents.require.any_group"),
    ]
    assert expected == [(fault.line, fault.path) for fault in errors_in("many-at-once")]


def test_no_message_repeats_a_literal_secret() -> None:
    assert not [fault for fault in errors_in("literal-secret") if "kD83" in fault.render()]
