"""The landing in the file: both kinds, what belongs together, how products reach us, and the listener's certificate."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from sidecar.config.faults import Fault
from sidecar.config.load import Loaded
from sidecar.config.outside import landing_client, landing_secret, landing_tls
from tests.config.conftest import Edit
from tests.upstream.certificates import Authority

Loading = Callable[..., Loaded]
Errors = Callable[..., list[Fault]]
SECRET = "c2VjcmV0LW9mLXRoZS1sYW5kaW5nLTEyMzQ1"
HEADER = "landing: {header: X-Lychgate-User, proof: assertion}"


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANDING_SECRET", SECRET)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """One for all tests."""
    return Authority(tmp_path_factory.mktemp("authority"))


def landing(text: str) -> Edit:
    return HEADER, f"landing: {text}"


def listen(text: str) -> Edit:
    return "version: 1\n", f"version: 1\nlisten: {text}\n"


CROWD = landing("{type: crowd, client_secret: env://LANDING_SECRET}")
OIDC = landing("{client_secret: env://LANDING_SECRET}")


def test_what_was_written_before_means_the_same(loading: Loading) -> None:
    assert loading().config.applications["jira"].landing.by_header
    typed = HEADER.replace("{", "{type: header, ")
    assert loading((HEADER, typed)).policy == loading().policy


@pytest.mark.parametrize(
    ("edits", "issuer"),
    [
        ((OIDC,), "http://127.0.0.1:9091/jira"),
        ((OIDC, listen("{landing: '[::1]:9999'}")), "http://[::1]:9999/jira"),
        ((landing("{type: oidc, address: https://gate.example.com/, client_secret: env://LANDING_SECRET}"),),
         "https://gate.example.com/jira"),
    ],
)  # fmt: skip
def test_who_we_are_to_a_product(loading: Loading, edits: tuple[Edit, ...], issuer: str) -> None:
    loaded = loading(*edits)
    application = loaded.policy.applications["jira"]
    client = landing_client(application, loaded.config)
    assert (issuer, "lychgate") == (client.issuer, client.client_id)
    assert "https://jira.example.com/plugins/servlet/oidc/callback" == client.redirect_uri
    assert f"{issuer}/authorize" == client.authorization_endpoint
    assert SECRET == landing_secret(application, loaded.config)
    assert landing_tls(loaded.config) is None


@pytest.mark.parametrize(
    ("edits", "path", "words"),
    [
        ((landing("{}"),), "applications.jira.landing.client_secret", "is missing"),
        ((landing("{type: oidc, client_secret: env://SHORT}"),), "applications.jira.landing.client_secret", "short"),
        ((landing("{type: oidc, client_secret: env://LANDING_SECRET, header: X-User}"),),
         "applications.jira.landing.header", "never used"),
        ((landing("{type: oidc, client_secret: env://LANDING_SECRET, proof: secret}"),),
         "applications.jira.landing.proof", "never used"),
        ((landing("{type: header, header: X-User, proof: assertion, mode: browser}"),),
         "applications.jira.landing.mode", "never used"),
        ((landing("{type: crowd, client_secret: env://LANDING_SECRET, mode: auto}"),),
         "applications.jira.landing.mode", "never used"),
        ((landing("{header: X-User}"),), "applications.jira.landing.proof", "proves nothing"),
        ((landing("{proof: assertion}"),), "applications.jira.landing.header", "is missing"),
        ((landing("{type: header}"),), "applications.jira.landing.header", "is missing"),
        ((landing("{header: X-User, proof: assertion, client_secret: env://LANDING_SECRET}"),),
         "applications.jira.landing.client_secret", "never used"),
        ((landing("{header: X-User, proof: assertion, address: 'https://x.example.com'}"),),
         "applications.jira.landing.address", "never used"),
        ((landing("{client_secret: env://LANDING_SECRET, address: 'http://10.0.0.1:9091'}"),),
         "applications.jira.landing.address", "in clear"),
        ((OIDC, listen("{landing: '10.0.0.1:9091'}")), "applications.jira.landing.address", "in clear"),
        ((CROWD, listen("{landing: '10.0.0.1:9091'}")), "applications.jira.landing.address", "in clear"),
        ((CROWD, listen("{landing: '0.0.0.0:9091'}")), "applications.jira.landing.address", "no address"),
        ((landing("{type: crowd}"),), "applications.jira.landing.client_secret", "is missing"),
        ((OIDC, listen("{landing: '0.0.0.0:9091'}")), "applications.jira.landing.address", "no address"),
        ((OIDC, listen("{landing: '127.0.0.1:0'}")), "applications.jira.landing.address", "no address"),
        ((landing("{client_secret: env://LANDING_SECRET, address: 'https://x.example.com/jira'}"),),
         "applications.jira.landing.address", "carries a path"),
        ((landing("{type: saml}"),), "applications.jira.landing.type", "none of the known words"),
        ((OIDC, listen("{landing: '127.0.0.1:9090'}")), "listen.landing", "another listener"),
        ((OIDC, listen("{landing_certificate: /x.pem}")), "listen.landing_key", "is missing"),
        ((OIDC, listen("{landing_key: 'file:///x.pem'}")), "listen.landing_certificate", "is missing"),
        ((OIDC, listen("{landing_certificate: x.pem, landing_key: 'file:///x'}")), "listen.landing_certificate",
         "no absolute path"),
    ],
)  # fmt: skip
def test_what_does_not_belong_together(errors: Errors, edits: tuple[Edit, ...], path: str, words: str) -> None:
    found = {fault.path: fault.wrong for fault in errors(*edits)}
    assert path in found and words in found[path], found


def test_a_closed_network_may_do_without_encryption(errors: Errors) -> None:
    text = "{client_secret: env://LANDING_SECRET, address: 'http://10.0.0.1:9091'}\n    allow_http: true"
    assert [] == errors(landing(text))


def walks(mode: str) -> Edit:
    return landing(f"{{client_secret: env://LANDING_SECRET, mode: {mode}}}")


@pytest.mark.parametrize(("mode", "refused"), [("browser", True), ("auto", False), ("headless", False)])
def test_who_comes_with_a_token_has_no_browser_that_could_walk(errors: Errors, mode: str, refused: bool) -> None:
    edit, more = walks(mode), "\n    api: {jwt: {providers: okta, audience: https://jira.example.com/api}}"
    found = {fault.path: fault.wrong for fault in errors((edit[0], edit[1] + more))}
    # The provider of this file has none of these tokens, which is told beside it.
    assert refused == ("applications.jira.landing.mode" in found)
    assert "has no browser" in found.get("applications.jira.landing.mode", "has no browser")


@pytest.mark.parametrize("mode", ["browser", "auto", "headless"])
def test_several_instances_land_people_in_any_mode(loading: Loading, mode: str) -> None:
    shared = ("file:///var/lib/lychgate", "postgresql://lychgate@localhost/lychgate")
    assert "applications.jira.landing.mode" not in {fault.path for fault in loading(walks(mode), shared).warnings}


def test_where_browsers_bring_the_question(loading: Loading) -> None:
    for mode, place in (("browser", "https://jira.example.com/.lychgate"), ("headless", "http://127.0.0.1:9091/jira")):
        loaded = loading(walks(mode))
        client = landing_client(loaded.policy.applications["jira"], loaded.config)
        assert f"{place}/authorize" == client.authorization_endpoint


def test_plain_http_to_browsers_is_told(loading: Loading) -> None:
    warnings = loading(OIDC, ("https://jira.example.com", "http://localhost:8080")).warnings
    assert ["wants an https base URL"] == [
        fault.wrong.rpartition("sign-on ")[2] for fault in warnings if fault.path == "applications.jira.url"
    ]


def test_the_listener_speaks_tls_with_its_certificate(loading: Loading, errors: Errors, authority: Authority) -> None:
    certificate, key = authority.issue("gate.internal")
    other = authority.issue("other.internal")[1]
    encrypted = listen(f"{{landing_certificate: {certificate}, landing_key: 'file://{key}'}}")
    loaded = loading(OIDC, encrypted)
    assert isinstance(landing_tls(loaded.config), ssl.SSLContext)
    assert "https://127.0.0.1:9091/jira" == landing_client(loaded.policy.applications["jira"], loaded.config).issuer
    for wrong in (
        f"{{landing_certificate: {certificate}, landing_key: 'file://{other}'}}",
        f"{{landing_certificate: {Path(certificate).parent}/none.pem, landing_key: 'file://{key}'}}",
    ):
        (fault,) = errors(OIDC, listen(wrong))
        assert "listen.landing_certificate" == fault.path and "do not belong together" in fault.wrong
