"""core.paths: a path has one meaning or is refused, and what the products would serve for it is known."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.core.paths import (
    MAX_READINGS,
    Target,
    collapsed,
    product_readings,
    read_target,
    single_slashes,
    without_parameters,
)
from sidecar.demo.jira.paths import BadTargetError
from sidecar.demo.jira.paths import read_target as as_tomcat_reads
from sidecar.products.confluence import CONFLUENCE
from sidecar.products.jira import JIRA
from tests.core.builders import payloads

TAILS = [tail for tail in payloads("refused_tails.txt") if ";" not in tail and "%3b" not in tail.lower()]
SPICE = [
    "%2e",
    "..",
    ".",
    "%2F",
    "%252f",
    "%5c",
    ";",
    "%3B",
    "//",
    "/",
    "%00",
    "%C0%AF",
    "%25",
    "%",
    "s",
    "_",
    "a",
    "?",
]
paths = st.lists(st.sampled_from([*SPICE, "/s/", "/_/", "é", "\\", "#", "%41", "jspa", "%2e%2e"]), max_size=12)


def test_the_payload_file_is_long_enough() -> None:
    assert len(payloads("refused_tails.txt")) >= 180


@pytest.mark.parametrize("line", payloads("accepted.txt"))
def test_everyday_paths_pass_and_are_decoded_once(line: str) -> None:
    sent, _, seen = line.partition(" ")
    assert Target(seen, sent, None) == read_target(sent)
    assert Target(seen, sent, "a=%2F..%2f&b=;//") == read_target(f"{sent}?a=%2F..%2f&b=;//")


@pytest.mark.parametrize("tail", TAILS)
@pytest.mark.parametrize("before", ["/images", "/secure/admin", ""])
def test_a_path_with_two_meanings_is_refused(before: str, tail: str) -> None:
    read = read_target(before + tail)
    assert read is None or read.encoded_slash  # a single %2F is left to the exact patterns of the site


@pytest.mark.parametrize(
    "target", ["", "*", "?", "x", "http://other/", "HTTPS://other/x", "other:443", "\\x", " /", "#"]
)
def test_other_forms_are_refused(target: str) -> None:
    assert read_target(target) is None


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="/\\;"), min_size=1))
def test_any_title_passes_when_it_is_encoded_and_hides_no_second_layer(title: str) -> None:
    sent = "/display/DS/x" + quote(title, safe="")
    assert "%" in title or Target("/display/DS/x" + title, sent, None) == read_target(sent)


@pytest.mark.parametrize(
    ("sent", "path", "flags"),
    [
        ("/a%2Fb", "/a%2Fb", (False, False, True)),
        ("/a%2fb", "/a%2Fb", (False, False, True)),
        ("/a%2Fb%41", "/a%2FbA", (False, False, True)),
        ("//a", "//a", (True, False, False)),
        ("/a//", "/a//", (True, False, False)),
        ("/a;b", "/a;b", (False, True, False)),
        ("/a%3Bb", "/a;b", (False, True, False)),
        ("/a;b%2Fc", "/a;b%2Fc", (False, True, True)),
    ],
)
def test_what_the_site_may_allow_is_told(sent: str, path: str, flags: tuple[bool, bool, bool]) -> None:
    assert Target(path, sent, None, *flags) == read_target(sent)


@given(paths)
def test_what_is_accepted_is_clean_and_goes_on_as_it_came(parts: list[str]) -> None:
    sent = "/" + "".join(parts)
    read = read_target(sent)
    if read is None:
        return
    assert sent == (read.raw if read.query is None else f"{read.raw}?{read.query}")
    for path in (read.path, without_parameters(read.path), read.path.replace("%2F", "/")):
        assert not {".", ".."} & set(path.split("/"))
        assert not set("\\\x00#") & set(path)
    assert "//" not in collapsed(read).partition("?")[0]
    assert "//" not in without_parameters(single_slashes(read.path).replace("%2F", "/"))


@given(paths)
def test_tomcat_reads_the_same_path(parts: list[str]) -> None:
    sent = "/" + "".join(parts)
    read = read_target(sent)
    if read is None or read.doubled or read.encoded_slash:
        return
    try:
        theirs = as_tomcat_reads(sent)
    except BadTargetError:
        return
    ours = {
        reading
        for spelling in (read.path, without_parameters(read.path))
        for reading in product_readings(spelling, JIRA)
    }
    assert theirs is not None
    if ours:  # else there were too many forwards, and the request is refused
        assert theirs.path.rstrip("/") in {reading.rstrip("/") for reading in ours}


@pytest.mark.parametrize(
    ("below", "readings"),
    [
        ("/images/a.png", ["/images/a.png"]),
        ("/s/h/_/images/a.png", ["/images/a.png"]),
        ("/s/en_GB-x/123/9/_/rest/api/2/search", ["/rest/api/2/search"]),
        ("/S/h/_/rest/x", ["/rest/x"]),
        ("/s/h/_/WEB-INF/web.xml", ["/WEB-INF/web.xml"]),
        ("/s/h/_/web-inf/web.xml", ["/web-inf/web.xml"]),
        ("/s/h/_/", ["/"]),
        ("/s/_/rest/x", ["/rest/x"]),
        ("/s/h/images/a.png", ["/s/h/images/a.png"]),
        ("/s", ["/s"]),
        ("/s/", ["/s/"]),
        ("/sx/h/_/rest/x", ["/sx/h/_/rest/x"]),
        ("/x/s/h/_/rest/x", ["/x/s/h/_/rest/x"]),
        ("/s/a/_/b/_/rest/x", ["/b/_/rest/x", "/rest/x"]),
        ("/s/a/_/_/rest/x", ["/_/rest/x", "/rest/x"]),
        ("/s/a/_/s/b/_/rest/x", ["/rest/x"]),
        ("/s/a/_/S/b/_/images/x", ["/images/x"]),
        ("/s/a/_/rest/%61pi", ["/rest/%61pi", "/rest/api"]),
        ("/s/a/_/%73/b/_/rest/x", ["/%73/b/_/rest/x", "/rest/x"]),
        ("/s/a/_/rest/%2561pi", ["/rest/%2561pi", "/rest/%61pi", "/rest/api"]),
        ("/s/a/_/download/50%", ["/download/50%"]),
    ],
)
@pytest.mark.parametrize("product", [JIRA, CONFLUENCE], ids=["jira", "confluence"])
def test_internal_forwards(product: object, below: str, readings: list[str]) -> None:
    assert set(readings) == set(product_readings(below, product))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("below", "readings"),
    [
        ("/secure/ViewUser.jspa", ("/secure/ViewUser.jspa",)),
        ("/secure/admin/ViewUser.jspa", ("/secure/admin/ViewUser.jspa",)),
        ("/ViewUser.jspa", ("/secure/ViewUser.jspa", "/ViewUser.jspa")),
        ("/images/ViewUser!default.jspa", ("/secure/ViewUser!default.jspa", "/images/ViewUser!default.jspa")),
        ("/rest/x/Foo.jspa", ("/secure/Foo.jspa", "/rest/x/Foo.jspa")),
        ("/securex/Foo.jspa", ("/secure/Foo.jspa", "/securex/Foo.jspa")),
        ("/s/h/_/x/Foo.jspa", ("/secure/Foo.jspa", "/x/Foo.jspa")),
        ("/.jspa", ("/secure/.jspa", "/.jspa")),
        ("/x/Foo.jspa/", ("/x/Foo.jspa/",)),
        ("/x/Foo.jspa.png", ("/x/Foo.jspa.png",)),
        ("/x/Foo.action", ("/x/Foo.action",)),
    ],
)
def test_an_action_is_judged_at_home_and_where_it_stands(below: str, readings: tuple[str, ...]) -> None:
    assert readings == product_readings(below, JIRA)


def test_an_encoded_suffix_is_an_action_too() -> None:
    read = read_target("/images/ViewUser%2Ejspa")
    assert read is not None
    assert "/secure/ViewUser.jspa" in product_readings(read.path, JIRA)


@pytest.mark.parametrize("unit", ["/s/a/_", "/_", "/s/_", "/s/%2541/_"])
@pytest.mark.parametrize("times", [MAX_READINGS + 2, 100, 1300])
def test_a_path_of_nothing_but_forwards_has_no_reading(unit: str, times: int) -> None:
    """Each of them would be judged, and nested ones once doubled the work with every level: it must end, and refuse."""
    assert () == product_readings("/s/a" + unit * times + "/rest/x", JIRA)


@pytest.mark.parametrize(
    ("path", "bare"),
    [("/a;b/c", "/a/c"), ("/a;b;c=d/e;", "/a/e"), ("/a", "/a"), ("/", "/"), ("/;", "/")],
)
def test_parameters_are_cut_from_every_segment(path: str, bare: str) -> None:
    assert bare == without_parameters(path)


@pytest.mark.parametrize(
    ("sent", "location"),
    [
        ("//", "/"),
        ("//evil.example/x", "/evil.example/x"),
        ("////evil.example", "/evil.example"),
        ("/a//b///c?x=//y", "/a/b/c?x=//y"),
        ("/a//b?", "/a/b?"),
        ("/%41//b", "/%41/b"),
    ],
)
def test_runs_of_slashes_become_one(sent: str, location: str) -> None:
    read = read_target(sent)
    assert read is not None and read.doubled
    assert location == collapsed(read)
