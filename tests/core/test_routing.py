"""core.routing: host, application, portal and canonical path are found once, or the request is refused."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sidecar.core.routing import METHODS, Locator, canonical_host, locate
from sidecar.domain.decision import Deny, Own, Place, Relocate
from sidecar.domain.paths import path_set
from sidecar.domain.policy import Policy
from sidecar.domain.reason import Reason
from sidecar.products.jira import JIRA
from tests.core.builders import (
    ABOVE,
    BESIDE,
    HOST,
    ORIGIN,
    ROOT,
    application,
    jira,
    payloads,
    place,
    placed,
    policy,
    portal,
    refused,
    requested,
)

SEMICOLONS = policy(jira(semicolons=path_set("/rest/files/**", "/images/**")))
SLASHES = policy(jira(encoded_slashes=path_set("/rest/files/**", "/images/**", "/servicedesk/**")))


@pytest.mark.parametrize("tail", payloads("refused_tails.txt"))
@pytest.mark.parametrize("before", ["/images", "/images/x", "/secure/admin", "/servicedesk/customer"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_payloads_are_refused_before_any_rule(before: str, tail: str, method: str) -> None:
    """Rule 4, behind a public, a protected and another portal's path."""
    assert 400 == refused(before + tail, method=method)


@pytest.mark.parametrize("tail", payloads("refused_tails.txt"))
@pytest.mark.parametrize("before", ["/jira/images", "/wiki/admin"])
def test_payloads_are_refused_below_a_context_path(before: str, tail: str) -> None:
    assert 400 == refused(before + tail, BESIDE)


@pytest.mark.parametrize("path", ["/browse/" + "x" * 4089, "/" + "s/a/_/" * 700, "/" + "%41" * 1400, "//" * 2100])
def test_a_path_longer_than_any_page_is_414(path: str) -> None:
    """Judging its readings would cost more than serving a page."""
    assert (414, 414) == (refused(path), refused(path, method="POST"))
    assert refused(path[:4096]) != 414


def test_a_long_query_is_no_long_path() -> None:
    assert refused("/browse/KEY-1?" + "jql=x&" * 5000) is None


HOSTS = [
    ("jira.example.com", None),
    ("JIRA.Example.COM", None),
    ("jira.example.com.", None),
    ("jira.example.com:443", None),
    ("jira.example.com:80", None),
    ("jira.example.com.:443", None),
    ("jira.example.com:8443", 421),
    ("jira.example.com:0443", 421),
    ("jira.example.com:99999", 421),
    ("jira.example.com:", 400),
    ("jira.example.com:+443", 400),
    ("jira.example.com:443:443", 400),
    ("jira.example.com..", 400),
    ("evil.example.com", 421),
    ("xjira.example.com", 421),
    ("jira.example.com.evil.org", 421),
    ("jira.example.comevil.org", 421),
    ("example.com", 421),
    ("127.0.0.1", 421),
    ("[::1]", 421),
    ("[::1]:443", 421),
    ("", 400),
    (".", 400),
    (":443", 400),
    ("jira.example.com, evil.org", 400),
    ("jira.example.com evil.org", 400),
    ("jira.example.com/evil", 400),
    ("jira.example.com\\evil", 400),
    ("jira.example.com?x", 400),
    ("jira.example.com#x", 400),
    ("ada@jira.example.com", 400),
    ("ada:pw@jira.example.com", 400),
    ("jira.example.com@evil.org", 400),
    ("https://jira.example.com", 400),
    ("jira.example.com\x00", 400),
    ("jira.example.com\n", 400),
    (" jira.example.com", 400),
    ("jira%2eexample.com", 400),
    ("jïra.example.com", 400),
    ("\u212aira.example.com", 400),
    ("jira.example.com:\u0664\u0664\u0663", 400),
]


@pytest.mark.parametrize(("host", "status"), HOSTS)
def test_only_the_exact_host_is_served(host: str, status: int | None) -> None:
    assert status == refused("/browse/A-1", host=host)


@pytest.mark.parametrize(("host", "status"), HOSTS)
def test_no_host_changes_where_a_redirect_leads(host: str, status: int | None) -> None:
    found = placed("//browse", host=host)
    assert (Relocate(location=f"{ORIGIN}/browse") == found) is (status is None)


@given(st.text(max_size=40))
def test_a_host_never_raises_and_its_canon_is_stable(host: str) -> None:
    canon = canonical_host(host)
    assert canon is None or (canon.isascii() and canon == canon.lower() and not set("/@\\ ,#?%") & set(canon))


@pytest.mark.parametrize(
    "method", ["TRACE", "CONNECT", "TRACK", "DEBUG", "get", "Get", "PRI", "", "GET ", "BREW", "LINK"]
)
@pytest.mark.parametrize("target", ["/", "/.lychgate/logout", "jira.example.com:443", "*", "//x"])
def test_other_methods_are_refused(method: str, target: str) -> None:
    assert Deny(status=405, reason=Reason.BAD_METHOD) == placed(target, method=method)


@pytest.mark.parametrize("method", sorted(METHODS))
@pytest.mark.parametrize(
    "target", ["*", f"{ORIGIN}/", "http://evil.org/", "jira.example.com:443", "", "?x", "evil", "\\"]
)
def test_only_origin_form_is_read(method: str, target: str) -> None:
    assert Deny(status=400, reason=Reason.BAD_PATH) == placed(target, method=method)


OWN = [
    (ROOT, "/.lychgate/logout", "logout"),
    (ROOT, "/.lychgate/logout/", "logout/"),
    (ROOT, "/.lychgate/", ""),
    (ROOT, "/.lychgate/x/y", "x/y"),
    (BESIDE, "/jira/.lychgate/logout", "logout"),
    (BESIDE, "/wiki/.lychgate/logout", "logout"),
    (ABOVE, "/.lychgate/logout", "logout"),
]


@pytest.mark.parametrize(("among", "target", "endpoint"), OWN)
def test_own_endpoints_are_found_by_their_exact_bytes(among: Policy, target: str, endpoint: str) -> None:
    found = placed(target + "?a=%2F", among)
    assert isinstance(found, Own)
    assert (endpoint, "a=%2F") == (found.endpoint, found.query)


@pytest.mark.parametrize(
    ("among", "target"),
    [
        (ROOT, "/%2Elychgate/logout"),
        (ROOT, "/%2elychgate/logout"),
        (ROOT, "/.%6Cychgate/logout"),
        (ROOT, "/.lychgate/log%6Fut"),
        (ROOT, "/.lychgate/%6Cogout"),
        (ROOT, "/.lychgate"),
        (ROOT, "/%2Elychgate"),
        (BESIDE, "/.lychgate/logout"),
        (BESIDE, "/%6Aira/.lychgate/logout"),
        (BESIDE, "/jira/%2Elychgate/logout"),
        (BESIDE, "/jira/.lychgate"),
        (BESIDE, "/jirafa/.lychgate/logout"),
    ],
)
def test_other_spellings_are_neither_ours_nor_the_applications(among: Policy, target: str) -> None:
    assert 404 == refused(target, among)


@pytest.mark.parametrize(
    "target",
    ["/.LYCHGATE/logout", "/.Lychgate/logout", "/.lychgatex/logout", "/x/.lychgate/logout", "/s/x/_/.lychgate/logout"],
)
def test_what_only_looks_like_ours_is_a_path_of_the_application(target: str) -> None:
    assert "agents" == place(target).portal.name


@pytest.mark.parametrize(
    "target", ["/.lychgate;/logout", "/.lychgate;x/logout", "/.lychgate/logout;x", "/.lychgate%2Flogout"]
)
@pytest.mark.parametrize("among", [ROOT, SEMICOLONS, SLASHES], ids=["root", "semicolons", "slashes"])
def test_own_endpoints_have_no_parameters(among: Policy, target: str) -> None:
    assert not isinstance(placed(target, among), Own | Place)


PORTALS = [
    ("/", "agents", ""),
    ("/secure/Dashboard.jspa", "agents", ""),
    ("/servicedesk/customer", "support", ""),
    ("/servicedesk/customer/", "support", ""),
    ("/servicedesk/customer/portals", "support", ""),
    ("/servicedesk/%63ustomer/portals", "support", ""),
    ("/servicedesk/customers", "agents", ""),
    ("/servicedesk/customershim", "support", ""),
    ("/servicedesk/customershim/x", "support", ""),
    ("/servicedesk/customershimx", "agents", ""),
    ("/servicedesk", "agents", ""),
    ("/servicedesk/agent/x", "agents", ""),
    ("/Servicedesk/customer", "agents", ""),
    ("/x/servicedesk/customer", "agents", ""),
    ("/plugins/servlet/servicedesk/customer/x", "support", ""),
    ("/rest/servicedeskapi/request", "agents", "customer"),
    ("/rest/servicedesk/1/customer/models", "agents", "customer"),
    ("/rest/api/2/search", "agents", ""),
    ("/secure/attachment/1/a.png", "agents", ""),
    ("/download/attachments/1/a.png", "agents", ""),
    ("/images/a.png", "agents", "static"),
    ("/s/h/_/images/a.png", "agents", "static"),
    ("/s/h/_/download/attachments/1/a.png", "agents", ""),
    ("/s/h/_/servicedesk/customer/x", "support", ""),
    ("/status", "agents", "static"),
]


@pytest.mark.parametrize(("target", "portal", "shared"), PORTALS)
@pytest.mark.parametrize(("among", "context"), [(ROOT, ""), (BESIDE, "/jira"), (ABOVE, "/jira")])
def test_the_longest_prefix_wins_at_segment_boundaries(
    among: Policy, context: str, target: str, portal: str, shared: str
) -> None:
    found = place(context + target, among)
    assert (portal, shared) == (found.portal.name, found.shared)
    assert found.path == context + found.below


def test_the_longer_of_two_prefixes_wins_in_any_order() -> None:
    doors = [portal("main", "jira"), portal("a", "jira", "/x", "/x/y/z"), portal("b", "jira", "/x/y")]
    for portals in (doors, doors[::-1]):
        among = policy(application(JIRA, "", *portals))
        assert ["main", "a", "a", "b", "b", "a"] == [
            place(target, among).portal.name for target in ("/xy", "/x", "/x/yy", "/x/y", "/x/y/zz", "/x/y/z/1")
        ]


@pytest.mark.parametrize("method", sorted(METHODS - {"GET", "HEAD"}))
def test_static_paths_are_shared_for_reading_only(method: str) -> None:
    assert "" == place("/images/a.png", method=method).shared


@pytest.mark.parametrize(
    ("among", "target", "name"),
    [
        (BESIDE, "/jira", "jira"),
        (BESIDE, "/jira/x", "jira"),
        (BESIDE, "/%6Aira/x", "jira"),
        (BESIDE, "/wiki/x", "confluence"),
        (BESIDE, "/jirafa", None),
        (BESIDE, "/JIRA/x", None),
        (BESIDE, "/", None),
        (ABOVE, "/jira/x", "jira"),
        (ABOVE, "/jirafa", "confluence"),
        (ABOVE, "/", "confluence"),
    ],
)
def test_the_context_path_tells_the_application(among: Policy, target: str, name: str | None) -> None:
    found = placed(target, among)
    assert name == (found.application.name if isinstance(found, Place) else None)


@pytest.mark.parametrize(
    ("target", "location"),
    [
        ("//", "/"),
        ("//evil.example", "/evil.example"),
        ("//evil.example/..x?a=//b", "/evil.example/..x?a=//b"),
        ("///evil.example", "/evil.example"),
        ("/browse//A-1", "/browse/A-1"),
        ("//.lychgate/logout", "/.lychgate/logout"),
    ],
)
def test_a_get_with_two_slashes_goes_to_the_same_origin(target: str, location: str) -> None:
    for method in ("GET", "HEAD"):
        assert Relocate(location=ORIGIN + location) == placed(target, method=method)
    for method in sorted(METHODS - {"GET", "HEAD"}):
        assert Deny(status=400, reason=Reason.BAD_PATH) == placed(target, method=method)


def test_two_slashes_before_the_context_path() -> None:
    assert Relocate(location=f"{ORIGIN}/jira/x") == placed("//jira//x", BESIDE)
    assert 404 == refused("//evil.example/x", BESIDE)


@pytest.mark.parametrize("target", ["/images/a%2F/b", "/images/%2F/b", "/images/a%2F%2Fb", "/images/a%2F"])
def test_an_encoded_slash_makes_no_redirect_in_a_circle(target: str) -> None:
    assert not isinstance(placed(target, SLASHES), Relocate)


@pytest.mark.parametrize(
    ("target", "readings"),
    [
        ("/rest/files/a;v=1/b", ("/rest/files/a/b", "/rest/files/a;v=1/b")),
        ("/rest/files/a%3Bv=1", ("/rest/files/a", "/rest/files/a;v=1")),
    ],
)
def test_an_allowed_semicolon_is_judged_in_both_readings(target: str, readings: tuple[str, ...]) -> None:
    found = place(target, SEMICOLONS)
    assert readings == (found.below, *found.readings)
    assert 400 == refused(target)


@pytest.mark.parametrize(
    "target",
    [
        "/rest/files/a;jsessionid=1",
        "/rest/files/a;JSessionID=1",
        "/rest/files/a;x=1;jsessionid=1",
        "/rest/files/a%3Bjsessionid=1",
        "/rest/files/a;jsession%69d=1",
        "/rest/files/;x/b",
        "/rest/files/a/;x",
        "/rest/files/..;x/b",
        "/rest/other/a;x",
        "/rest;/files/a",
    ],
)
def test_a_semicolon_is_allowed_nowhere_else(target: str) -> None:
    if target == "/rest;/files/a":
        assert "/rest/files/a" == place(target, SEMICOLONS).below
    else:
        assert 400 == refused(target, SEMICOLONS)


def test_an_allowed_encoded_slash_is_judged_in_both_readings() -> None:
    found = place("/rest/files/a%2fb", SLASHES)
    assert ("/rest/files/a%2Fb", "/rest/files/a/b") == (found.below, *found.readings)


@pytest.mark.parametrize(
    "target",
    [
        "/servicedesk%2Fcustomer/x",
        "/servicedesk/customer%2F..%2Fx",
        "/servicedesk/customer/x%2Fy%252F..",
        "/images/x/Foo.jspa",
        "/servicedesk/customer/Foo.jspa",
        "/s/x/_/images/a/_/rest/x",
        "/s" + "/x/_" * 50 + "/images/a.png",
    ],
)
def test_readings_that_belong_to_two_doors_are_refused(target: str) -> None:
    assert 400 == refused(target, SLASHES)


@given(st.text(st.sampled_from("/.;%25FfEe_sx_?#\\@:aé \t0"), max_size=24), st.sampled_from(sorted(METHODS)))
def test_no_target_raises_and_no_location_leaves_the_origin(target: str, method: str) -> None:
    for among in (ROOT, BESIDE, ABOVE, SEMICOLONS, SLASHES):
        found = locate(requested("/" + target, method), among)
        if isinstance(found, Relocate):
            assert found.location.startswith(f"{ORIGIN}/") and not found.location.startswith(f"{ORIGIN}//")
        if isinstance(found, Place):
            assert found.below.startswith("/") and "//" not in found.below
            assert HOST == found.application.host


PATHS = st.one_of(
    st.sampled_from([
        "/", "/browse/KEY-1", "/jira/browse/KEY-1", "/wiki/x", "/images/a.png", "/jira/images/a.png", "/a;b", "//x",
        "/servicedesk/customer/portals", "/s/1/_/rest/api", "/.lychgate/login", "/a/%2e%2e/b", "/" + "long/" * 200,
    ]),
    st.text(alphabet="/.;%25eEfF?#ab\\ ", max_size=12).map(lambda text: "/" + text),
)  # fmt: skip
QUERIES = ("", "?", "?a=b", "?x#y", "?a b", "?jql=%00", "?y\x7f", "?y\xe4")
VERBS = ("GET", "HEAD", "POST", "OPTIONS", "TRACE", "get")


@given(PATHS, st.permutations(VERBS), st.permutations(QUERIES))
@example("/images/a.png", list(VERBS), list(QUERIES))
@example("/jira/images/a.png", list(VERBS), list(QUERIES))
def test_what_a_locator_remembers_changes_no_answer(path: str, verbs: list[str], queries: list[str]) -> None:
    """Rule 1: the answer is that of `locate`, the first time and every time after, in any order."""
    for among in (ROOT, BESIDE, SEMICOLONS):
        locator = Locator(among)
        for query, method, host in product(queries, verbs, (HOST, HOST.upper(), "evil.example.com")):
            facts = requested(path + query, method, host)
            assert locate(facts, among) == locator.locate(facts)
