"""The way to an application's accounts: a token or a user server, never both, and none that cannot do what is asked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sidecar.config.faults import ConfigError, Fault, Severity
from sidecar.config.load import Loaded
from sidecar.config.outside import crowd_tls
from tests.config.conftest import Edit
from tests.upstream.certificates import Authority

Errors = Callable[..., list[Fault]]

TOKEN = "accounts: {token: env://JIRA_PAT}"
AT = "applications.jira.accounts"
WIKI = ("product: jira", "product: confluence")


def ways(*keys: str, url: str = "https://crowd.example.com/crowd/", token: bool = False, ca: str = "") -> Edit:
    """The accounts managed at a user server."""
    more = f", ca: {ca}" if ca else ""
    crowd = f"crowd: {{url: '{url}', application: lychgate, password: env://HOOK_SECRET{more}}}"
    return TOKEN, "accounts: {" + ", ".join([*(["token: env://JIRA_PAT"] if token else []), crowd, *keys]) + "}"


def switch(url: str = "https://jira.example.com/jira", *, token: bool = True, ca: str = "") -> Edit:
    """A second way to make accounts active."""
    before, after = ways(url=url, token=token, ca=ca)
    return before, after.replace("crowd:", "switch:")


@pytest.mark.parametrize(
    "edits",
    [
        (ways("create: true", "update: [email]"),),
        (ways("groups: {always: [users]}"), WIKI),
        (ways(url="http://127.0.0.1:8095/crowd"),),
        (WIKI,),
        (switch(),),
        (ways("look_token: env://JIRA_PAT"),),
    ],
)
def test_one_way_is_enough(errors: Errors, edits: tuple[Edit, ...]) -> None:
    assert [] == errors(*edits)


def test_who_asks_the_application_itself_is_not_warned(loading: Callable[..., Loaded]) -> None:
    warned = [[fault.path for fault in loading(ways(*keys)).warnings] for keys in ((), ("look_token: env://JIRA_PAT",))]
    assert [[f"{AT}.crowd"], []] == warned


@pytest.mark.parametrize(
    ("edits", "path", "wrong"),
    [
        ((ways(token=True),), f"{AT}.crowd", "one place only"),
        ((ways(url="http://crowd.example.com/crowd"),), f"{AT}.crowd.url", "plain http"),
        ((ways(url="crowd.example.com"),), f"{AT}.crowd.url", "http"),
        ((ways(url="http://127.0.0.1:8095", ca=__file__),), f"{AT}.crowd.ca", "without https"),
        ((ways(ca="ca.pem"),), f"{AT}.crowd.ca", "no absolute path"),
        (((TOKEN, "accounts: {token: env://JIRA_PAT, look_token: env://JIRA_PAT}"),),
         f"{AT}.look_token", "user server"),
        ((switch(), WIKI), f"{AT}.switch", "second way of a Jira"),
        ((switch(token=False),), f"{AT}.switch", "second way of a Jira"),
        ((switch(url="http://jira.example.com"),), f"{AT}.switch.url", "plain http"),
        ((switch(url="http://127.0.0.1:8095", ca=__file__),), f"{AT}.switch.ca", "without https"),
        ((ways("end_sessions: true"),), f"{AT}.end_sessions", "only Jira"),
        ((WIKI, (TOKEN, "accounts: {token: env://JIRA_PAT, end_sessions: true}")), f"{AT}.end_sessions", "only Jira"),
        (((TOKEN, "accounts: {end_sessions: true}"),), f"{AT}.end_sessions", "needs a token"),
        (((TOKEN, "accounts: {crowd: {url: 'https://c.example.com', password: env://HOOK_SECRET}}"),),
         f"{AT}.crowd.application", "missing"),
    ],
)  # fmt: skip
def test_is_a_fault_with_a_cure(errors: Errors, edits: tuple[Edit, ...], path: str, wrong: str) -> None:
    found = {fault.path: fault for fault in errors(*edits)}
    assert [path] == list(found)
    assert wrong in found[path].wrong
    assert found[path].cure


def test_the_authorities_are_read_when_it_serves(loading: Callable[..., Loaded], tmp_path: Path) -> None:
    for ca, wrong in ((str(tmp_path / "absent.pem"), "absent"), (__file__, "no certificates in PEM")):
        with pytest.raises(ConfigError, match=wrong) as caught:
            loading(ways(ca=ca))
        assert [f"{AT}.crowd.ca"] == [fault.path for fault in caught.value.faults if fault.severity is Severity.ERROR]
    authority = Authority(tmp_path)
    crowd = loading(ways(ca=str(authority.file))).config.applications["jira"].accounts.crowd
    assert crowd is not None
    context = crowd_tls(crowd)
    # With a file of its own, nobody else may vouch.
    assert 1 == len(context.get_ca_certs() if context else [])
    assert None is crowd_tls(crowd.model_copy(update={"ca": None}))


def test_plain_http_may_be_wanted(errors: Errors) -> None:
    assert [] == errors(ways(url="http://crowd.internal"), ("    product:", "    allow_http: true\n    product:"))


def test_accounts_are_managed_by_either(loading: Callable[..., Loaded]) -> None:
    enabled = [
        loading(edit).policy.applications["jira"].accounts.enabled for edit in (ways(), (TOKEN, TOKEN), (TOKEN, ""))
    ]
    assert [True, True, False] == enabled


def test_the_password_is_nowhere_to_be_seen(loading: Callable[..., Loaded]) -> None:
    loaded = loading(ways())
    crowd = loaded.config.applications["jira"].accounts.crowd
    assert crowd is not None
    assert "https://crowd.example.com/crowd" == crowd.url
    assert "d2ViaG9vay" not in repr(loaded.config)


DIRECTORY = (
    (
        "landing: {header: X-Lychgate-User, proof: assertion}",
        "landing: {type: crowd, client_secret: env://HOOK_SECRET}",
    ),
    (TOKEN, "accounts: {directory: true, create: true}"),
)


def test_a_directory_of_our_own_needs_no_token(errors: Errors) -> None:
    assert [] == errors(*DIRECTORY)
    assert [] == errors(*DIRECTORY, ("file:///var/lib/lychgate", "postgresql://a@localhost/b"))


@pytest.mark.parametrize(
    ("edits", "path", "wrong"),
    [
        (
            ((DIRECTORY[0]), (TOKEN, "accounts: {directory: true, token: env://JIRA_PAT}")),
            f"{AT}.directory",
            "one place",
        ),
        ((*DIRECTORY, ("    usernames: authoritative\n", "")), f"{AT}.directory", "is not authoritative"),
        ((DIRECTORY[1],), "applications.jira.landing.client_secret", "is missing"),
        (((DIRECTORY[0][0], "landing: {type: crowd}"),), "applications.jira.landing.client_secret", "is missing"),
        (
            ((DIRECTORY[0][0], "landing: {type: crowd, proof: secret}"),),
            "applications.jira.landing.proof",
            "never used",
        ),
    ],
)
def test_a_directory_and_a_crowd_server_that_cannot_be(
    errors: Errors, edits: tuple[Edit, ...], path: str, wrong: str
) -> None:
    assert [path] == [fault.path for fault in errors(*edits) if wrong in fault.wrong]
