"""Durations, words and claim values: what a configuration file may write for them."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from sidecar.adapters.settings import ClaimFence, Seconds, SomeWords, Words, spell


@pytest.mark.parametrize(
    ("text", "expected"),
    [("30s", 30), ("15m", 900), ("10h", 36_000), ("7d", 604_800), ("1h30m", 5_400), ("1d2h3m4s", 93_784),
     (45, 45), ("0s", 0)],
)  # fmt: skip
def test_durations(text: object, expected: int) -> None:
    assert expected == TypeAdapter(Seconds).validate_python(text)


@pytest.mark.parametrize("text", ["", "10", "10 h", "h", "-5m", "1.5h", "5m1h", "10H", "1w", True, None, [1], "٣h0"])
def test_no_durations(text: object) -> None:
    with pytest.raises(ValidationError, match="is no duration"):
        TypeAdapter(Seconds).validate_python(text)


@pytest.mark.parametrize("value", [0, 1, 59, 60, 3_661, 86_400, 100_000])
def test_spelling_reads_back(value: int) -> None:
    assert value == TypeAdapter(Seconds).validate_python(spell(value))


def test_one_word_stands_for_a_list() -> None:
    assert ("a",) == TypeAdapter(Words).validate_python("a")
    assert () == TypeAdapter(Words).validate_python([])


@pytest.mark.parametrize("value", [[], [""], [" a"], ["a", "a"], ["a\u200b"], [1], None])
def test_lists_that_restrict_are_never_empty(value: object) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(SomeWords).validate_python(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [({"a": "b"}, {"a": ("b",)}), ({"a": ["b", 1]}, {"a": ("b", 1)}), ({"a": True}, {"a": (True,)})],
)
def test_claim_values(value: object, expected: dict[str, Any]) -> None:
    assert expected == TypeAdapter(ClaimFence).validate_python(value)


@pytest.mark.parametrize("value", [{}, {"a": []}, {"a": ""}, {"a": [None]}, {"a": {"b": "c"}}, {"": "b"}, {"a": 1.5}])
def test_no_claim_values(value: object) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(ClaimFence).validate_python(value)
