"""How the stand-in reads request targets: as Tomcat and Jira's own forwards do."""

from __future__ import annotations

import pytest

from sidecar.demo.jira.paths import BadTargetError, read_target


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        ("/browse/KEY-1", "/browse/KEY-1"),
        ("/browse/KEY-1;jsessionid=1", "/browse/KEY-1"),
        ("/static/..;x/secure/Dashboard.jspa", "/secure/Dashboard.jspa"),
        ("/a/%2e%2E/rest", "/rest"),
        ("//rest///api/", "/rest/api/"),
        ("/a/./b/..", "/a/"),
        ("/a/..", "/"),
        ("/a%3Bb", "/a;b"),
        ("/%E2%82%AC", "/€"),
        ("/100%25", "/100%"),
        ("/Rest", "/Rest"),
        ("/s/x/_/rest/api/2/search", "/rest/api/2/search"),
        ("/s/en/1/_/a/_/images/logo.svg", "/images/logo.svg"),
        ("/s/x/_/../browse/KEY-1", "/s/x/browse/KEY-1"),
        ("/s/x/_/WEB-INF/web.xml", "/s/x/_/WEB-INF/web.xml"),
        ("http://other.example/status", "/status"),
    ],
)
def test_a_target_is_read_as_tomcat_reads_it(raw: str, path: str) -> None:
    target = read_target(raw)
    assert target is not None
    assert path == target.path


@pytest.mark.parametrize(
    "raw",
    ["/a%2Fb", "/a%5cb", "/a%00", "/a%zz", "/a%2", "/a%ff", "/..", "/a/../..", "/é", "*", "status"]
    + [f"/a{c}b" for c in '[]|\\"<>{}^` '],
)
def test_tomcat_answers_400_to(raw: str) -> None:
    with pytest.raises(BadTargetError):
        read_target(raw)


def test_relaxed_characters_pass_when_named() -> None:
    target = read_target("/a[b]", relaxed="[]|")
    assert target is not None
    assert target.path == "/a[b]"


def test_the_context_path_is_matched_at_a_boundary_and_case() -> None:
    inside = read_target("/jira/status?x=1", "/jira")
    bare = read_target("/jira", "/jira")
    assert inside is not None
    assert bare is not None
    assert ("/status", "x=1") == (inside.path, inside.query)
    assert bare.path == ""
    assert [None, None] == [read_target(t, "/jira") for t in ("/jirafoo/status", "/JIRA/status")]


@pytest.mark.parametrize(
    ("raw", "action"),
    [
        ("/secure/Dashboard.jspa", ("Dashboard", "")),
        ("/any/where/Logout!default.jspa", ("Logout", "default")),
        ("/Dashboard.jspa/x", None),
        ("/Dashboard.JSPA", None),
    ],
)
def test_actions_are_known_by_the_last_segment(raw: str, action: object) -> None:
    target = read_target(raw)
    assert target is not None
    assert action == target.action
