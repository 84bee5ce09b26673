"""Loading: the promised shape, the shipped examples, and that a fault in one part neither hides nor invents others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sidecar.config.faults import ConfigError, Fault, Severity
from sidecar.config.load import Loaded, load
from sidecar.domain.account import Adopt
from tests.config.conftest import SECRETS

EXAMPLES = sorted((Path(__file__).parents[2] / "config").glob("*.yaml"))

PROMISED = """\
version: 1
listen: {public: 0.0.0.0:8080, operations: 127.0.0.1:9090}
state: file:///var/lib/lychgate            # or postgresql://… for several instances
cookie_keys: [file:///run/secrets/cookie-key]
trusted_proxies: [10.4.7.0/24]             # the ingress controller, not the whole cluster
sessions: {idle: 10h, absolute: 24h, recheck: 15m}
providers:
  okta:
    preset: okta
    issuer: https://example.okta.com
    client_id: 0oa1b2c3
    client_secret: file:///run/secrets/okta
    usernames: authoritative
  customers: {preset: auth0, issuer: https://example.eu.auth0.com/, client_id: x, client_secret: file:///run/secrets/a}
applications:
  jira:
    product: jira
    url: https://jira.example.com
    upstream: http://127.0.0.1:8081
    landing: {header: X-Lychgate-User, proof: assertion}
    username: {from: [preferred_username], strip_domain: example.com}
    accounts:
      token: file:///run/secrets/jira-pat
      adopt: by_username
      create: true
      reactivate: ours
      update: [display_name, email]
      groups:
        map: [{from: "okta-jira-(.+)", to: "jira-$1"}]
        remove: owned
        max_removals: 10
    api: {pat: pass, basic: deny}
    machine: [applinks, gadgets]
portals:
  agents: {application: jira, default: true, provider: okta, mode: enforce, require: {any_group: [okta-jira-users]},
           rules: [{paths: "@admin", require: {any_group: [okta-jira-admins]}, fresh: 30m}]}
  support: {application: jira, paths: "@jsm", provider: customers, accepts: [agents], username: {prefix: cust-}}
"""


def with_secrets(text: str, folder: Path) -> Path:
    """The file with every secret under /run/secrets moved to *folder* and written there."""
    secrets = folder / "secrets"
    secrets.mkdir()
    for number, name in enumerate(("cookie-key", "okta", "a", "jira-pat", "keycloak", "auth0", "landing", "entra")):
        (secrets / name).write_text(f"{SECRETS['COOKIE_KEY']}{number}\n")
        (secrets / name).chmod(0o400)
    path = folder / "lychgate.yaml"
    path.write_text(text.replace("file:///run/secrets/", f"file://{secrets}/"), encoding="utf-8")
    return path


def test_promised_shape(tmp_path: Path) -> None:
    loaded = load(with_secrets(PROMISED, tmp_path))
    assert () == loaded.warnings
    jira = loaded.policy.applications["jira"]
    assert ["agents", "support"] == [portal.name for portal in jira.portals]
    assert Adopt.BY_USERNAME is jira.accounts.adopt
    assert 36_000 == loaded.policy.limits.idle


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_examples_load(example: Path, tmp_path: Path) -> None:
    loaded = load(with_secrets(example.read_text(encoding="utf-8"), tmp_path))
    assert loaded.policy.applications
    assert ["mode"] * len(loaded.warnings) == [fault.path.rpartition(".")[2] for fault in loaded.warnings]


def test_there_are_examples() -> None:
    assert ["context-path.yaml", "customer-portal.yaml", "lychgate.yaml", "minimal.yaml"] == [p.name for p in EXAMPLES]


def test_secrets_are_left_alone_on_request(loading: Callable[..., Loaded], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OKTA_SECRET")
    assert loading(secrets=False).policy.hash
    with pytest.raises(ConfigError, match="the environment has no OKTA_SECRET"):
        loading()


def test_exposed_secret_warns(loading: Callable[..., Loaded], tmp_path: Path) -> None:
    secret = tmp_path / "okta"
    secret.write_text(SECRETS["OKTA_SECRET"])
    secret.chmod(0o444)
    warnings = loading(("env://OKTA_SECRET", f"file://{secret}")).warnings
    assert ["providers.okta.client_secret"] == [fault.path for fault in warnings]
    secret.chmod(0o440)
    assert () == loading(("env://OKTA_SECRET", f"file://{secret}")).warnings


def test_assertion_key_must_be_ed25519(loading: Callable[..., Loaded], tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    path = tmp_path / "key.pem"
    edit = ("state:", f"assertion_key: file://{path}\nstate:")
    form = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(ec.generate_private_key(ec.SECP256R1()).private_bytes(*form))
    with pytest.raises(ConfigError, match="no private Ed25519 key"):
        loading(edit)
    path.write_bytes(ed25519.Ed25519PrivateKey.generate().private_bytes(*form))
    path.chmod(0o400)
    assert () == loading(edit).warnings


def test_a_literal_secret_does_not_look_like_a_missing_one(errors: Callable[..., list[Fault]]) -> None:
    found = errors(("{token: env://JIRA_PAT}", "{token: NDc4MzY4MTEwNzY2, create: true}"))
    assert ["applications.jira.accounts.token"] == [fault.path for fault in found]


def test_a_misspelt_trust_does_not_look_like_none(errors: Callable[..., list[Fault]]) -> None:
    found = errors(
        ("usernames: authoritative", "usernames: authorative"), ("{token: env", "{adopt: by_username, token: env")
    )
    assert ["providers.okta.usernames"] == [fault.path for fault in found]


def test_a_broken_portal_does_not_make_its_provider_unused(loading: Callable[..., Loaded]) -> None:
    with pytest.raises(ConfigError) as caught:
        loading(("    application: jira\n", ""))
    assert [("portals.agents.application", Severity.ERROR)] == [(f.path, f.severity) for f in caught.value.faults]


def test_faults_of_shape_do_not_hide_faults_elsewhere(errors: Callable[..., list[Fault]]) -> None:
    found = errors(
        ("state: file:///var/lib/lychgate\n", ""),
        ("https://id.example.com", "http://id.example.com"),
        ("    default: true\n", "    default: true\n    mode: audit\n    rules: [{paths: '@nothing'}]\n"),
    )
    assert ["state", "providers.okta.issuer", "portals.agents.mode", "portals.agents.rules[0].paths"] == [
        fault.path for fault in found
    ]


def test_rendering_is_in_the_order_of_lines(errors: Callable[..., list[Fault]], tmp_path: Path) -> None:
    found = errors(("client_id: lychgate", "client_id: ''"), ("version: 1", "version: 3"))
    name = tmp_path / "lychgate.yaml"
    assert f"{name}:1: error: version: is none of the known words\n    write 1" == found[0].render()
    assert [1, 8] == [fault.line for fault in found]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: no such file") as caught:
        load(tmp_path / "none.yaml")
    assert f"{tmp_path}/none.yaml: error: cannot be read" in str(caught.value)
