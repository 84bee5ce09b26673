"""The way to an application in the file: short and long form, what belongs together, and the files of its TLS."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from sidecar.config.checks.upstreams import _several
from sidecar.config.faults import Fault
from sidecar.config.load import Loaded
from sidecar.config.model_upstream import UpstreamSettings, in_short
from sidecar.config.outside import patiences, upstream_limits, upstream_tls
from sidecar.config.schema import json_schema
from sidecar.flows.streaming import Patience
from sidecar.products import PRODUCTS
from sidecar.upstream.limits import Limits
from tests.config.conftest import Edit
from tests.upstream.certificates import Authority

Loading = Callable[..., Loaded]
Errors = Callable[..., list[Fault]]


def way(text: str) -> Edit:
    return "    upstream: http://127.0.0.1:8081\n", f"    upstream: {text}\n"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """One for all tests."""
    return Authority(tmp_path_factory.mktemp("authority"))


def test_an_address_alone_is_the_whole_way(loading: Loading) -> None:
    settings = loading().config.applications["jira"].upstream
    assert loading(way("{url: 'http://127.0.0.1:8081'}")).config.applications["jira"].upstream == settings
    assert ("127.0.0.1", 8081, None) == (*settings.place, settings.socket)
    assert Limits() == upstream_limits(settings)
    assert upstream_tls(settings) is None
    assert patiences(settings, PRODUCTS["jira"]) is None


@pytest.mark.parametrize(
    ("address", "place", "socket"),
    [
        ("https://jira.internal.example.com", ("jira.internal.example.com", 443), None),
        ("https://jira.internal.example.com:8443/", ("jira.internal.example.com", 8443), None),
        ("http://localhost", ("localhost", 80), None),
        ("http://[::1]:8080", ("::1", 8080), None),
        ("unix:///run/jira.sock", None, "/run/jira.sock"),
    ],
)
def test_where_an_application_may_listen(
    loading: Loading, address: str, place: tuple[str, int] | None, socket: str | None
) -> None:
    settings = loading(way(f"'{address}'")).config.applications["jira"].upstream
    assert socket == settings.socket
    assert place in (None, settings.place)


FAULTS = [
    ("http://jira.example.net:8080", "", "plain http outside loopback", "allow_http: true"),
    ("{url: 'http://jira.example.net:8080'}", "", "plain http outside loopback", "allow_http: true"),
    ("http://127.0.0.1:8081/jira", "", "carries a path", "scheme://host:port"),
    ("{url: 'http://127.0.0.1:8081/jira'}", ".url", "carries a path", "scheme://host:port"),
    ("unix://run/jira.sock", "", "is no address of a socket", "unix:///run/jira.sock"),
    ("'unix:///'", "", "is no address of a socket", "unix:///run/jira.sock"),
    (f"unix:///{'x' * 107}", "", "longer than 107", "move the socket"),
    ("5", "", "is no address", "http://127.0.0.1:8081"),
    ("{connect: 5s}", ".url", "is missing", "add it"),
    ("{url: 'http://[::1]:8081', sever_name: x}", ".sever_name", "unknown key", "did you mean server_name?"),
    ("{url: 'http://127.0.0.1:1', ca: /etc/ca.pem}", ".ca", "never used without https", "https://"),
    ("{url: 'unix:///run/jira.sock', server_name: jira}", ".server_name", "never used without https", "https://"),
    ("{url: 'https://jira', ca: ca.pem}", ".ca", "no absolute path", "from the root"),
    ("{url: 'https://jira', ca: /no/such/ca.pem}", ".ca", "there is no file /no/such/ca.pem", "correct the path"),
    ("{url: 'https://jira', server_name: 'https://x'}", ".server_name", "no name of a host", "certificate"),
    ("{url: 'https://jira', client_key: 'env://HOOK_SECRET'}", ".client_key", "not in a file", "file://"),
    ("{url: 'https://jira', connect: 0s}", ".connect", "out of bounds", "from 1s to 1m"),
    ("{url: 'https://jira', limits: {in_flight: 0}}", ".limits.in_flight", "too small", "at least 1"),
    ("{url: 'https://jira', by_path: [{paths: '/x'}]}", ".by_path[0]", "says no time", "first_byte or idle_body"),
    ("{url: 'https://jira', by_path: [{paths: x/y, first_byte: 1h}]}", ".by_path[0].paths", "slash", "pattern"),
    (
        "{url: 'https://jira', by_path: [{paths: '@exprot', first_byte: 1h}]}",
        ".by_path[0].paths",
        "no path set @exprot",
        "known are",
    ),
]


@pytest.mark.parametrize(("text", "key", "wrong", "cure"), FAULTS)
def test_each_fault_says_where_it_is_and_what_would_be_right(
    errors: Errors, text: str, key: str, wrong: str, cure: str
) -> None:
    (fault,) = errors(way(text))
    assert (15, f"applications.jira.upstream{key}") == (fault.line, fault.path)
    assert wrong in fault.wrong
    assert cure in fault.cure


def test_what_is_on_loopback_for_a_trial_may_be_a_socket(errors: Errors) -> None:
    trial = (
        ("state:", "listen: {public: '127.0.0.1:8080'}\nstate:"),
        ("https://id.example.com", "http://127.0.0.1:9000"),
        ("https://jira.example.com", "http://127.0.0.1:8080"),
    )
    assert [] == errors(*trial, way("unix:///run/jira.sock"), serving=True)
    assert [] == errors(*trial, way("'http://[::1]:8081'"), serving=True)
    (fault,) = errors(*trial, way("https://jira.example.com"), serving=True)
    assert "applications.jira.upstream is not" in fault.wrong


def tls(authority: Authority, name: str = "lychgate", **others: object) -> str:
    certificate, key = authority.issue(name)
    keys = {
        "url": "https://jira",
        "ca": authority.file,
        "client_certificate": certificate,
        "client_key": f"file://{key}",
        **others,
    }
    return "{" + ", ".join(f"{key}: '{value}'" for key, value in keys.items() if value is not None) + "}"


def test_files_that_fit_are_no_fault_and_become_a_context(loading: Loading, authority: Authority) -> None:
    loaded = loading(way(tls(authority)))
    assert () == loaded.warnings
    context = upstream_tls(loaded.config.applications["jira"].upstream)
    assert context is not None
    assert (ssl.CERT_REQUIRED, True) == (context.verify_mode, context.check_hostname)
    # Nobody but the authority that is named may vouch.
    assert 1 == len(context.get_ca_certs())


@pytest.mark.parametrize(
    ("keys", "key", "wrong"),
    [
        ({"client_key": None}, "client_key", "is missing beside client_certificate"),
        ({"client_certificate": None}, "client_certificate", "is missing beside client_key"),
        ({"client_certificate": "/no/such/file"}, "client_certificate", "there is no file"),
        ({"client_key": "file:///no/such/file"}, "client_key", "there is no file"),
        ({"ca": "{key}"}, "ca", "holds no certificates in PEM"),
        ({"client_certificate": "{key}"}, "client_certificate", "holds no certificate in PEM"),
        ({"client_key": "file://{other}"}, "client_key", "not the one of the certificate"),
        ({"client_key": "file://{locked}"}, "client_key", "has a password"),
    ],
)
def test_files_that_do_not_fit(
    errors: Errors, loading: Loading, authority: Authority, keys: dict[str, str | None], key: str, wrong: str
) -> None:
    files = {
        "key": authority.issue("key")[1],
        "other": authority.issue("other")[1],
        "locked": authority.issue("locked", password=b"secret")[1],
    }
    text = tls(authority, **{name: value and value.format(**files) for name, value in keys.items()})
    (fault,) = errors(way(text))
    assert f"applications.jira.upstream.{key}" == fault.path
    assert wrong in fault.wrong
    if wrong.startswith("is missing"):
        return
    # Where the files are absent, as on a build server, they are not asked for.
    assert loading(way(text), secrets=False).policy.hash


def test_a_folder_is_no_file_of_certificates(errors: Errors, tmp_path: Path) -> None:
    (fault,) = errors(way(f"{{url: 'https://jira', ca: {tmp_path}}}"))
    assert "cannot be read: is a directory" in fault.wrong


def test_times_and_bounds_reach_the_client(loading: Loading) -> None:
    text = (
        "{url: 'https://jira', connect: 2s, first_byte: 2m, idle_body: 1m, by_path: ["
        "{paths: ['@static', '/rest/api/2/search'], first_byte: 10s}, {paths: /export/**, idle_body: 1h}], "
        "limits: {in_flight: 9, anonymous: 7, queue: 8, queue_wait: 7s, tunnels: 6, idle: 5s, "
        "idle_connections: 4, age: 3m}}"
    )
    settings = loading(way(text)).config.applications["jira"].upstream
    assert Limits(
        connect=2,
        first_byte=120,
        idle_body=60,
        idle_connections=4,
        idle_expiry=5,
        connection_age=180,
        in_flight=9,
        anonymous=7,
        queue=8,
        queue_wait=7,
        tunnels=6,
    ) == upstream_limits(settings)
    found = patiences(settings, PRODUCTS["jira"])
    assert found is not None
    assert Patience(10, 60) == found.of("/rest/api/2/search") == found.of("/images/logo.svg")
    assert Patience(120, 3600) == found.of("/export/all")
    assert found.of("/browse/A-1") is None


def test_an_editor_allows_all_forms() -> None:
    schema = json_schema()
    application = schema["$defs"]["ApplicationSettings"]["properties"]["upstream"]
    assert "string" in str(application) or "$ref" in application
    short, several, long = schema["$defs"]["UpstreamSettings"]["anyOf"]
    assert ("string", "array", "object") == (short["type"], several["type"], long["type"])
    assert long["additionalProperties"] is False


@pytest.mark.parametrize(
    ("written", "addresses", "several"),
    [
        ("http://127.0.0.1:8081", ("http://127.0.0.1:8081",), False),
        (["http://127.0.0.1:8081"], ("http://127.0.0.1:8081",), False),
        (["http://127.0.0.1:8081/", "http://[::1]:8081"], ("http://127.0.0.1:8081", "http://[::1]:8081"), True),
        ({"url": "http://localhost:8081", "every_address": True}, ("http://localhost:8081",), True),
    ],
)
def test_nodes_are_written_in_three_ways(written: object, addresses: tuple[str, ...], several: bool) -> None:
    found = in_short(written)
    way = found if isinstance(found, UpstreamSettings) else UpstreamSettings.model_validate(found)
    assert (addresses, several) == (way.addresses, way.several)


@pytest.mark.parametrize(
    ("way", "words"),
    [
        ({"url": "http://127.0.0.1:1", "also": ["https://127.0.0.1:2"]}, "mixes http, https and sockets"),
        ({"url": "unix:///run/a", "also": ["unix:///run/b"]}, "stands beside a socket"),
        ({"url": "http://127.0.0.1:80", "also": ["http://127.0.0.1"]}, "names a node twice"),
        ({"url": "http://127.0.0.1:1", "also": [f"http://127.0.0.1:{n}" for n in range(2, 67)]}, "more than 64"),
        ({"url": "http://localhost:1", "also": ["http://b:2"], "every_address": True}, "stands beside every_address"),
        ({"url": "http://127.0.0.1:1", "every_address": True}, "wants a name in url"),
        ({"url": "unix:///run/a", "every_address": True}, "wants a name in url"),
    ],
)
def test_nodes_that_do_not_fit_are_faults(way: dict[str, object], words: str) -> None:
    said = [finding.wrong for finding in _several((), UpstreamSettings.model_validate(way))]
    assert [one for one in said if words in one], said
