"""core.patterns: patterns of the configuration match whole texts, and no text keeps them busy."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.core.patterns import PatternError, brackets, found, literal, matches


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("okta-(.+)", "okta-users", ("okta-users", "users")),
        ("okta-(.+)", "xokta-users", None),
        ("okta-(.+)", "okta-users\n", None),
        ("(a)|(b)", "b", ("b", "", "b")),
        ("(?i)OKTA-(.+)", "okta-Ü", ("okta-Ü", "Ü")),
        (r"\pL+", "größe", ("größe",)),
        ("a$", "a\n", None),
        ("", "", ("",)),
    ],
)
def test_what_is_found(pattern: str, text: str, expected: tuple[str, ...] | None) -> None:
    assert expected == found(pattern, text)
    assert (expected is not None) == matches(pattern, text)


@pytest.mark.parametrize("pattern", ["(", "(?!a)b", "(?<=a)b", r"(a)\1", "a{1,2000}", "(a{500}){500}", "a**"])
def test_what_is_no_pattern(pattern: str) -> None:
    with pytest.raises(PatternError):
        brackets(pattern)


@pytest.mark.parametrize("pattern", ["(x+x+)+y", "(x|xx)*y", "(x?){100}x{100}y", "(.*)(.*)(.*)(.*)(.*)(.*)(.*)y"])
def test_what_keeps_other_engines_busy_for_years_is_answered(pattern: str) -> None:
    assert not matches(pattern, "x" * 255)
    assert not matches(pattern, "x" * 10_000)


def test_brackets_are_counted() -> None:
    assert [0, 2, 1] == [brackets(pattern) for pattern in ("a(?:b)", "(a(b))", r"\((a)\)")]


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=30))
def test_a_literal_matches_itself_and_nothing_else(text: str) -> None:
    assert matches(literal(text), text)
    assert not matches(literal(text), text + "x")


PLAIN = st.recursive(
    st.sampled_from(["a", "b", "c", "[ab]", "."]),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map("".join),
        inner.map(lambda pattern: f"({pattern})"),
        st.tuples(inner, inner).map(lambda pair: f"(?:{pair[0]}|{pair[1]})"),
        st.tuples(inner, st.sampled_from("?+*")).map(lambda pair: f"(?:{pair[0]}){pair[1]}"),
    ),
    max_leaves=5,
)


@given(PLAIN, st.text("abc", max_size=6))
def test_it_agrees_with_the_expressions_of_python(pattern: str, text: str) -> None:
    """Where both have a meaning, whether a text matches is the same. (What a repeated empty bracket keeps is not.)"""
    assert (re.fullmatch(pattern, text) is not None) == matches(pattern, text)
