"""domain.paths.PathSet: finds what a slow reader of the patterns finds, and no pattern makes it slow."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.domain.paths import NO_PATHS, PathSet, check_pattern, path_set


def slow(pattern: str, path: str) -> bool:
    """The pattern's meaning, segment by segment."""
    segments = path.split("/")
    if not pattern.startswith("/"):
        return _segment(pattern, segments[-1])
    wanted = pattern.split("/")
    if wanted[-1] == "**":
        wanted, segments = wanted[:-1], segments[: len(wanted) - 1]
    return len(wanted) == len(segments) and all(
        _segment(glob, text) for glob, text in zip(wanted, segments, strict=True)
    )


def _segment(glob: str, text: str) -> bool:
    """Dynamic programming over glob and text: `reached` holds how much of *text* the glob so far can have eaten."""
    reached = {0}
    for ch in glob:
        if ch == "*":
            reached = set(range(min(reached), len(text) + 1)) if reached else set()
        else:
            reached = {at + 1 for at in reached if text[at : at + 1] == ch}
    return len(text) in reached


segments = st.text(st.sampled_from("aAb.!-"), max_size=4)
globs = st.text(st.sampled_from("aAb.!**"), max_size=6).filter(lambda text: "**" not in text)
found_paths = st.lists(segments, min_size=1, max_size=4).map(lambda parts: "/" + "/".join(parts))


@st.composite
def patterns(draw: st.DrawFn) -> str:
    parts = draw(st.lists(globs, min_size=1, max_size=3))
    pattern = draw(
        st.sampled_from([parts[0], "/" + "/".join(parts), "/" + "/".join(parts) + "/**", "/**", "/" + parts[0] + "/**"])
    )
    try:
        check_pattern(pattern)
    except ValueError:
        return "/a*/**"
    return pattern


@given(st.lists(patterns(), max_size=5), found_paths)
def test_it_finds_what_a_slow_reader_finds(given_patterns: list[str], path: str) -> None:
    them = PathSet(tuple(given_patterns))
    assert any(slow(pattern, path) for pattern in given_patterns) == (path in them)
    folded = any(slow(pattern.lower(), path.lower()) for pattern in given_patterns)
    assert folded == them.holds_folded(path)


@given(st.lists(patterns(), max_size=3), st.lists(patterns(), max_size=3), found_paths)
def test_a_union_holds_what_either_holds(one: list[str], other: list[str], path: str) -> None:
    left, right = PathSet(tuple(one)), PathSet(tuple(other))
    assert (path in left or path in right) == (path in left | right)


@pytest.mark.parametrize(
    ("pattern", "inside", "outside"),
    [
        ("/a/b", ["/a/b"], ["/a/b/", "/a/b/c", "/a", "/A/b", "/a/bc", "a/b", "/x/a/b", "/a/b\n"]),
        ("/a/**", ["/a", "/a/", "/a/b", "/a/b/c", "/a/\n"], ["/ab", "/A", "/x/a", "/", ""]),
        ("/**", ["/", "/a", "/a/b"], []),
        ("/a/*", ["/a/", "/a/b", "/a/b.c"], ["/a", "/a/b/c", "/a/b/"]),
        ("/a/*/c/**", ["/a/b/c", "/a/b/c/d", "/a//c"], ["/a/b/x/c", "/a/c", "/a/b/cd"]),
        ("/a/x*y*z", ["/a/xyz", "/a/x1y2z", "/a/xyyzz"], ["/a/xzy", "/a/xy/z", "/a/xyz/"]),
        ("/a*/b*", ["/a/b", "/a1/b2"], ["/a/1/b", "/ab"]),
        (
            "Setup*.jspa",
            ["/Setup.jspa", "/a/b/Setup1.jspa", "Setup.jspa"],
            ["/Setup.jspa/", "/XSetup.jspa", "/setup.jspa"],
        ),
        ("*.jspa", ["/a.jspa", "/x/y!z.jspa", "/.jspa"], ["/a.jspa/b", "/a.jspx", "/a.jspa\n"]),
        ("/a.b", ["/a.b"], ["/axb"]),
        ("/a+(b)[c]$", ["/a+(b)[c]$"], ["/aab", "/a+bc"]),
        ("/Ä/日本/*", ["/Ä/日本/x"], ["/ä/日本/x"]),
    ],
)
def test_what_a_pattern_says(pattern: str, inside: list[str], outside: list[str]) -> None:
    them = path_set(pattern)
    assert inside == [path for path in (*inside, *outside) if path in them]


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("/admin/**", "/ADMIN/x"),
        ("/Admin", "/aDMIN"),
        ("/s/*/x", "/S/y/X"),
        ("Setup*.jspa", "/x/SETUP1.JSPA"),
        ("/ärger/**", "/ÄRGER/x"),
        ("/desk", "/DES\u212a"),
    ],
)
def test_denials_look_past_case(pattern: str, path: str) -> None:
    them = path_set(pattern)
    assert (False, True) == (path in them, them.holds_folded(path))


@pytest.mark.parametrize(
    "pattern",
    [
        *["", "a/b", "/a//b", "/a/../b", "/..", "/a/.", "/./a", "/a%2Fb", "/a?b", "/a#b", "/a b", "/a\\b", "/a\tb"],
        *["/a\x00", "/**/a", "/a**", "/a/**/**", "**", "a**", "/a/b**", "/***", "x/**", "/a/**b", "//"],
    ],
)
def test_a_pattern_that_would_mislead_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"is no path pattern|can never match|stands only|must begin"):
        path_set(pattern)


@pytest.mark.parametrize("stars", [2, 5, 12])
@pytest.mark.parametrize("end", ["b", "/b", "/b/**"])
def test_a_path_that_almost_matches_costs_no_more_than_its_length(stars: int, end: str) -> None:
    """Backtracking would take 4000 to the power of *stars* steps here, and the test would not come back."""
    near = "a" * 4000
    for pattern in ("/" + "*a" * stars + end, "/x/" + "a*" * stars + end, "*a" * stars + "b"):
        if pattern.startswith("/") or "/" not in pattern:
            them = path_set(pattern)
            for path in (f"/{near}", f"/x/{near}", f"/x/{near}/c", "/x" + "/a" * 4000):
                assert not (path in them or them.holds_folded(path))


def test_only_strings_are_in_it_and_nothing_is_in_nothing() -> None:
    assert None not in path_set("/**") and b"/a" not in path_set("/**")
    assert not NO_PATHS and "/" not in NO_PATHS and not NO_PATHS.holds_folded("/")
    assert path_set("/a") == PathSet(("/a",)) and hash(path_set("/a")) == hash(PathSet(("/a",)))
