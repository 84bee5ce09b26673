"""The style sheet of the pages: enough contrast in both colour schemes, and a focus that can be seen."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import sidecar.web

_STYLE = (Path(sidecar.web.__file__).parent / "templates" / "style.css").read_text("utf-8")


def _colours(scheme: str) -> dict[str, str]:
    light, dark = re.findall(r":root\s*\{(.*?)\}", _STYLE, re.DOTALL)
    found = dict(re.findall(r"--([a-z-]+):\s*(#[0-9a-f]{6});", light))
    return found if scheme == "light" else {**found, **dict(re.findall(r"--([a-z-]+):\s*(#[0-9a-f]{6});", dark))}


def _luminance(colour: str) -> float:
    """WCAG 2.2, "relative luminance"."""
    parts = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


_TEXT, _SHAPE = 4.5, 3.0  # success criteria 1.4.3 and 1.4.11


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    ("front", "back", "least"),
    [
        ("ink", "card", _TEXT),
        ("ink", "paper", _TEXT),
        ("quiet", "card", _TEXT),
        ("link", "card", _TEXT),
        ("button-ink", "button", _TEXT),
        ("button", "card", _SHAPE),
        ("edge", "card", _SHAPE),
        ("focus", "card", _SHAPE),
        ("focus", "paper", _SHAPE),
    ],
)
def test_the_contrast_is_enough(scheme: str, front: str, back: str, least: float) -> None:
    colours = _colours(scheme)
    assert _contrast(colours[front], colours[back]) >= least


def test_every_colour_comes_from_the_measured_ones() -> None:
    names = set(_colours("light"))
    rules = re.sub(r":root\s*\{.*?\}", "", _STYLE, flags=re.DOTALL)
    assert not re.findall(r"#[0-9a-fA-F]{3,8}\b|rgba?\(|hsla?\(|opacity", rules)
    assert set(re.findall(r"var\(--([a-z-]+)\)", rules)) <= names
    assert set(_colours("dark")) == names
    assert 2 == _STYLE.count("--ink:"), "both schemes are written"


def test_the_keyboard_is_seen() -> None:
    assert re.search(r":focus-visible \{ outline: 3px solid var\(--focus\)", _STYLE)
    assert not re.findall(r"outline:\s*(?:none|0)", _STYLE)
