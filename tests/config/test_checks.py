"""Faults between the parts of a configuration that no file in `broken/` shows, and neighbours that are no fault."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sidecar.config.faults import Fault, Severity
from sidecar.config.load import Loaded
from tests.config.conftest import Edit

Errors = Callable[..., list[Fault]]

RULES = ("    provider: okta\n", "    provider: okta\n    rules:\n")
CUSTOMERS = (
    "applications:\n",
    """\
  customers: {preset: auth0, issuer: https://c.eu.auth0.com/, client_id: x, client_secret: env://AUTH0_SECRET}
applications:
""",
)
ACCOUNTS = "    accounts: {token: env://JIRA_PAT}\n"


def rules(*lines: str) -> Edit:
    return RULES[0], RULES[1] + "".join(f"      - {line}\n" for line in lines)


def support(*lines: str, provider: str = "customers") -> Edit:
    body = "".join(f"    {line}\n" for line in lines)
    text = f"  support:\n    application: jira\n    paths: '@jsm'\n    provider: {provider}\n{body}"
    return "portals:\n", f"portals:\n{text}"


def groups(text: str) -> Edit:
    return ACCOUNTS, f"    accounts: {{token: env://JIRA_PAT, groups: {text}}}\n"


KEYED = """\
    client_authentication: private_key_jwt
    client_key: env://CLIENT_KEY
    client_key_id: k-1
    client_id"""
ENDPOINTS = (
    "    endpoints: {authorization: 'https://i.de/a', token: 'https://i.de/t', jwks: 'https://i.de/k'}\n    client_id"
)
PUSH = ", push: 'https://i.de/p'}"
TENANT = "3f2504e0-4f89-41d3-9a0c-0305e82c3301"

FAULTS: list[tuple[str, tuple[Edit, ...], str, str]] = [
    ("same public and operations port", (("state:", "listen: {operations: '0.0.0.0:8080'}\nstate:"),),
     "listen.operations", "public address"),
    ("recheck over absolute", (("state:", "sessions: {absolute: 1h, idle: 1h, recheck: 2h}\nstate:"),),
     "sessions.recheck", "never be checked"),
    ("no portals", (("portals:\n  agents:\n    application: jira\n    default: true\n    provider: okta\n",
                     "portals: {}\n"),), "portals", "names nothing"),
    ("http endpoint", (("    client_id", "    endpoints: {token: 'http://id.example.com/token'}\n    client_id"),),
     "providers.okta.endpoints.token", "plain http"),
    ("secret of a public client", (("    client_id", "    client_authentication: none\n    client_id"),),
     "providers.okta.client_secret", "never used"),
    ("no secret", (("    client_secret: env://OKTA_SECRET\n", ""),), "providers.okta.client_secret", "is missing"),
    ("id of a key that is not used", (("    client_id", "    client_key_id: k-1\n    client_id"),),
     "providers.okta.client_key_id", "never used"),
    ("secret beside a key", (("    client_id", KEYED), ("private_key_jwt", "basic")),
     "providers.okta.client_key", "never used"),
    ("push without discovery to ask for it", (("    client_id", ENDPOINTS.replace("}", PUSH)),),
     "providers.okta.endpoints.push", "par: auto"),
    ("fence that keeps nobody out", (("https://id.example.com", "https://accounts.google.com"),
                                     ("    client_id", "    only: {email_verified: true}\n    client_id")),
     "providers.okta.issuer", "serves strangers"),
    ("many tenants, and another fence", (
        ("https://id.example.com", "https://login.microsoftonline.com/common/v2.0"),
        ("preset: okta", "preset: entra\n    only: {oid: a}")), "providers.okta.tenants", "many tenants"),
    ("many tenants elsewhere", (
        ("https://id.example.com", "https://login.example.com/organizations/v2.0"), ("preset: okta", "preset: entra")),
     "providers.okta.tenants", "many tenants"),
    ("many tenants without the preset", (
        ("https://id.example.com", "https://login.microsoftonline.com/common/v2.0"),
        ("preset: okta", f"tenants: {TENANT}")), "providers.okta.preset", "another issuer"),
    ("personal accounts by the shared address", (
        ("https://id.example.com", "https://login.microsoftonline.com/consumers/v2.0"),
        ("preset: okta", "preset: entra\n    only: {oid: a}")), "providers.okta.issuer", "all name one tenant"),
    ("Graph without Entra", (("    client_id", "    overage: graph\n    client_id"),),
     "providers.okta.overage", "Entra ID only"),
    ("two shared addresses of one client", (
        ("preset: okta\n    issuer: https://id.example.com",
         f"preset: entra\n    tenants: {TENANT}\n    issuer: https://login.microsoftonline.com/common/v2.0"),
        CUSTOMERS, ("preset: auth0, issuer: https://c.eu.auth0.com/",
                    f"preset: entra, tenants: {TENANT}, issuer: https://login.microsoftonline.com/organizations/v2.0"),
        ("client_id: x", "client_id: lychgate"), support("username: {prefix: cust-}")),
     "providers.customers", "tell their tokens apart"),
    ("two providers alike", (CUSTOMERS, ("https://c.eu.auth0.com/", "https://id.example.com"),
                             ("client_id: x", "client_id: lychgate"),
                             support("username: {prefix: cust-}")), "providers.customers", "tell their tokens apart"),
    ("proof without secret", (("proof: assertion", "proof: secret"),), "applications.jira.landing.secret", "missing"),
    ("secret without use", (("proof: assertion", "proof: assertion, secret: env://COOKIE_KEY"),),
     "applications.jira.landing.secret", "never used"),
    ("one header for two things", (("proof: assertion", "proof: assertion, assertion_header: x_lychgate_user"),),
     "applications.jira.landing.header", "header of the proof"),
    ("http webhook", (groups("{}, hooks: {webhook: [{url: 'http://hook.example.com', secret: env://HOOK_SECRET}]}"),),
     "applications.jira.accounts.hooks.webhook[0].url", "plain http"),
    ("reactivate without token", ((ACCOUNTS, "    accounts: {reactivate: any, update: [email]}\n"),),
     "applications.jira.accounts.reactivate", "needs a token"),
    ("update without token", ((ACCOUNTS, "    accounts: {update: [email]}\n"),),
     "applications.jira.accounts.update", "needs a token"),
    ("groups of a portal without token", ((ACCOUNTS, ""), CUSTOMERS,
                                          support("username: {prefix: c-}", "groups: {always: [customers]}")),
     "portals.support.groups", "needs a token"),
    ("unknown machine profile", ((ACCOUNTS, "    machine: [applink]\n"),), "applications.jira.machine[0]", "applink"),
    ("semicolons everywhere", ((ACCOUNTS, "    semicolons: /**\n"),), "applications.jira.semicolons[0]", "opens more"),
    ("encoded slashes by name", ((ACCOUNTS, "    encoded_slashes: '@customer'\n"),),
     "applications.jira.encoded_slashes[0]", "opens more"),
    ("portal without paths", (CUSTOMERS, support("username: {prefix: c-}"), ("    paths: '@jsm'\n", "")),
     "portals.support.paths", "is missing"),
    ("default portal with paths", (("    default: true\n", "    default: true\n    paths: /secure\n"),),
     "portals.agents.paths", "default portal owns"),
    ("unknown preset", (CUSTOMERS, support("username: {prefix: c-}"), ("'@jsm'", "'@jms'")),
     "portals.support.paths", "@jms is no preset"),
    ("accepts itself", (("    provider: okta\n", "    provider: okta\n    accepts: agents\n"),),
     "portals.agents.accepts[0]", "its own sessions"),
    ("accepts nobody known", (("    provider: okta\n", "    provider: okta\n    accepts: agent\n"),),
     "portals.agents.accepts[0]", "there is no portal agent"),
    ("agents accept customers", (CUSTOMERS, support("username: {prefix: c-}"),
                                 ("    default: true\n", "    default: true\n    accepts: support\n")),
     "portals.agents.accepts[0]", "customers would come in"),
    ("one prefix begins with the other", (CUSTOMERS, support("username: {prefix: c-x}"),
                                          ("    default: true\n", "    default: true\n    username: {prefix: c-}\n")),
     "portals.agents.provider", "may meet"),
    ("two providers at one portal", (CUSTOMERS, ("provider: okta", "provider: [okta, customers]")),
     "portals.agents.provider", "may meet"),
    ("protected for everybody", (groups("{always: [Jira-Administrators]}"),),
     "applications.jira.accounts.groups.always[0]", "protected"),
    ("protected at creation", (groups("{on_create: [jira-administrators]}"),),
     "applications.jira.accounts.groups.on_create[0]", "protected"),
    ("protected as the last one", (groups("{if_empty: [jira-administrators]}"),),
     "applications.jira.accounts.groups.if_empty[0]", "protected"),
    ("protected in the table", (groups("{table: {6f1c: [a, jira-administrators]}}"),),
     "applications.jira.accounts.groups.table.6f1c", "protected"),
    ("protected by its exact name", (groups("{map: [{exact: a, to: jira-administrators}]}"),),
     "applications.jira.accounts.groups.map[0].to", "protected"),
    ("a line of neither form", (groups("{map: [{to: a}]}"),), "applications.jira.accounts.groups.map[0]", "one of"),
    ("a line of both forms", (groups("{map: [{from: a, exact: a, to: a}]}"),),
     "applications.jira.accounts.groups.map[0]", "one of"),
    ("brackets of an exact line", (groups("{map: [{exact: a, to: b-$1}]}"),),
     "applications.jira.accounts.groups.map[0].to", "exact has none"),
    ("an id in capitals", (groups("{table: {6F1C2E3D-0000-0000-0000-00000000000a: a}}"),),
     "applications.jira.accounts.groups.table.6F1C2E3D-0000-0000-0000-00000000000a", "lower case"),
    ("a prefix that bounds nothing", (groups("{as_is: [j]}"),), "applications.jira.accounts.groups.as_is", "bounds"),
    ("protected and needed", (groups("{needed: [jira-administrators]}"),),
     "applications.jira.accounts.groups.needed[0]", "protected"),
    ("pattern for administrators", (groups("{admin: [{from: 'a.*', to: jira-administrators}]}"),),
     "applications.jira.accounts.groups.admin[0]", "exact names"),
    ("pattern too long", (groups(f"{{map: [{{from: {'a' * 201}, to: b}}]}}"),),
     "applications.jira.accounts.groups.map[0].from", "longer than 200"),
    ("a pattern that never ends", (groups("{map: [{from: '(a{500}){500}', to: b}]}"),),
     "applications.jira.accounts.groups.map[0].from", "no regular expression"),
    ("a pattern that looks back", (groups("{map: [{from: '(a)\\1', to: b}]}"),),
     "applications.jira.accounts.groups.map[0].from", "no regular expression"),
    ("a seat for every customer", (CUSTOMERS, support("username: {prefix: c-}", "groups: {always: jira-core-users}")),
     "portals.support.groups.always[0]", "paid seat"),
    ("a seat for new customers", (CUSTOMERS, support("username: {prefix: c-}",
                                                     "groups: {on_create: Jira-Servicedesk-Users}")),
     "portals.support.groups.on_create[0]", "paid seat"),
    ("a seat for customers in no group", (CUSTOMERS, support("username: {prefix: c-}",
                                                             "groups: {if_empty: [jira-software-users]}")),
     "portals.support.groups.if_empty[0]", "paid seat"),
    ("a seat from the table", (CUSTOMERS, support("username: {prefix: c-}",
                                                  "groups: {table: {6f: jira-software-users}}")),
     "portals.support.groups.table.6f", "paid seat"),
    ("a seat by its prefix", (CUSTOMERS, support("username: {prefix: c-}", "groups: {as_is: jira-s}")),
     "portals.support.groups.as_is[0]", "paid seat"),
    ("two rules of one name", (rules("{name: a, paths: /x}", "{name: a, paths: /y}"),),
     "portals.agents.rules[1].name", "rule 0"),
    ("demand beside login", (rules("{paths: /x, answer: login, require: {any_group: g}}"),),
     "portals.agents.rules[0].require", "does nothing"),
    ("fresh beside public", (rules("{paths: /x, answer: public, fresh: 1h}"),),
     "portals.agents.rules[0].fresh", "does nothing"),
    ("everything public", (rules("{answer: public}"),), "portals.agents.rules[0].answer", "opens the whole"),
    ("hidden by a conditional rule", (rules("{paths: '@admin', require: {any_group: g}}",
                                            "{paths: /secure/admin/users, answer: login}"),),
     "portals.agents.rules[1]", "never reached"),
    ("hidden by a plain denial", (rules("{paths: /x/**, answer: deny}", "{paths: /x/y/*, answer: login}"),),
     "portals.agents.rules[1]", "never reached"),
    ("hidden for its method", (rules("{paths: /x, methods: [GET, POST], answer: login}",
                                     "{paths: /x, methods: GET, answer: deny}"),),
     "portals.agents.rules[1]", "never reached"),
    ("key that signs nothing", (("state:", "assertion_key: env://OKTA_SECRET\nstate:"),), "assertion_key", "short"),
]  # fmt: skip


@pytest.mark.parametrize(("edits", "path", "wrong"), [row[1:] for row in FAULTS], ids=[row[0] for row in FAULTS])
def test_is_a_fault(errors: Errors, edits: tuple[Edit, ...], path: str, wrong: str) -> None:
    found = {fault.path: fault for fault in errors(*edits)}
    assert path in found
    assert wrong in found[path].wrong
    assert found[path].cure


FINE: list[tuple[str, tuple[Edit, ...]]] = [
    ("the whole", ()),
    ("a key in place of the secret", (("    client_secret: env://OKTA_SECRET\n", ""), ("    client_id", KEYED))),
    ("pushed to the address that stands there", (
        ("    client_id", ENDPOINTS.replace("}", PUSH)), ("    client_id", "    par: always\n    client_id"))),
    ("an address that discovery may ask for", (
        ("    client_id", "    endpoints: {push: 'https://p.example.com/push'}\n    client_id"),)),
    ("http said to be wanted", (("https://jira", "http://jira"),
                                ("    product:", "    allow_http: true\n    product:"))),
    ("http issuer said to be wanted", (("https://id", "http://id"),
                                       ("    client_id", "    allow_http: true\n    client_id"))),
    ("http on loopback", (("https://jira.example.com", "http://jira.localhost:8080"),)),
    ("Entra with its tenant", (("https://id.example.com", "https://login.microsoftonline.com/organizations/v2.0"),
                               ("preset: okta", "preset: entra\n    tenants: 3f2504e0-4f89-41d3-9a0c-0305e82c3301"))),
    ("one Entra tenant", (("https://id.example.com",
                           "https://login.microsoftonline.com/3f2504e0-4f89-41d3-9a0c-0305e82c3301/v2.0"),)),
    ("Google with its domain", (("https://id.example.com", "https://accounts.google.com"),
                                ("preset: okta", "preset: google\n    hd: example.com"))),
    ("a GitLab of one's own", (("https://id.example.com", "https://gitlab.example.com"),)),
    ("customers with a prefix", (CUSTOMERS, support("username: {prefix: cust-}", "accepts: agents"))),
    ("one provider at both portals", (support(provider="okta"),)),
    ("administrators by an exact line", (groups("{admin: [{from: okta.admins, to: jira-administrators}]}"),)),
    ("administrators' lines are not the customers'", (
        groups("{map: [{from: 'okta-(.+)', to: '$1'}]}"), CUSTOMERS, support("username: {prefix: cust-}"))),
    ("a denial with a condition lets others go on", (
        rules("{paths: /x, answer: deny, require: {any_group: g}}", "{paths: /x, answer: login}"),)),
    ("a rule for one method hides no other", (
        rules("{paths: /x, methods: GET, answer: login}", "{paths: /x, answer: deny}"),)),
    ("siblings at segment boundaries", (rules("{paths: /x/**, answer: login}", "{paths: /xy/**, answer: deny}"),)),
    ("secrets are not read where they are absent", ()),
]  # fmt: skip


@pytest.mark.parametrize("edits", [row[1] for row in FINE], ids=[row[0] for row in FINE])
def test_is_no_fault(errors: Errors, edits: tuple[Edit, ...]) -> None:
    assert [] == errors(*edits)


CROWD = "crowd: {url: 'https://crowd.example.com', application: lychgate, password: env://HOOK_SECRET}"
WARNINGS: list[tuple[str, Edit, str, str]] = [
    ("wide proxies", ("state:", "trusted_proxies: [0.0.0.0/0]\nstate:"), "trusted_proxies[0]", "wide"),
    ("rather wide proxies", ("state:", "trusted_proxies: [10.0.0.0/15]\nstate:"), "trusted_proxies[0]", "wide"),
    ("wide proxies of IPv6", ("state:", "trusted_proxies: ['fd00::/47']\nstate:"), "trusted_proxies[0]", "wide"),
    ("memory", ("file:///var/lib/lychgate", "memory"), "state", "forgotten"),
    ("off", ("    default: true\n", "    default: true\n    mode: off\n"), "portals.agents.mode", "protects nothing"),
    ("many tenants' administrators", (
        "preset: okta\n    issuer: https://id.example.com",
        f"preset: entra\n    tenants: {TENANT}\n    issuer: https://login.microsoftonline.com/organizations/v2.0"),
     "providers.okta.usernames", "every tenant"),
    ("unused provider", CUSTOMERS, "providers.customers", "no portal"),
    ("needed but never given", groups("{needed: [jira-users]}"),
     "applications.jira.accounts.groups.needed[0]", "no line"),
    ("first groups without first accounts", groups("{on_create: [new]}"),
     "applications.jira.accounts.groups.on_create", "never given"),
    ("a user server alone", ("accounts: {token: env://JIRA_PAT}", f"accounts: {{{CROWD}}}"),
     "applications.jira.accounts.crowd", "not asked whether it shows"),
    ("one secret for two things", ("env://JIRA_PAT", "env://OKTA_SECRET"),
     "applications.jira.accounts.token", "as well"),
]  # fmt: skip


@pytest.mark.parametrize(("edit", "path", "wrong"), [row[1:] for row in WARNINGS], ids=[row[0] for row in WARNINGS])
def test_warns(loading: Callable[..., Loaded], edit: Edit, path: str, wrong: str) -> None:
    warnings = {fault.path: fault for fault in loading(edit).warnings}
    assert [path] == list(warnings)
    assert wrong in warnings[path].wrong
    assert Severity.WARNING is warnings[path].severity


def test_narrow_proxies_do_not_warn(loading: Callable[..., Loaded]) -> None:
    assert () == loading(("state:", "trusted_proxies: [10.4.0.0/16, 'fd00::/48', 10.0.0.1]\nstate:")).warnings


def test_serve_refuses_an_issuer_on_loopback_beside_anything_else(errors: Errors) -> None:
    issuer = ("https://id.example.com", "http://127.0.0.1:9400")
    assert [] == errors(issuer)
    assert ["providers.okta.issuer"] == [fault.path for fault in errors(issuer, serving=True)]


def test_serve_takes_it_when_everything_is_on_loopback(errors: Errors) -> None:
    edits = (
        ("https://id.example.com", "http://127.0.0.1:9400"),
        ("https://jira.example.com", "http://localhost:8080"),
        ("state:", "listen: {public: '127.0.0.1:8080'}\nstate:"),
    )
    assert [] == errors(*edits, serving=True)
    wide = (*edits[:2], ("state:", "listen: {public: '0.0.0.0:8080'}\nstate:"))
    assert ["providers.okta.issuer"] == [fault.path for fault in errors(*wide, serving=True)]
