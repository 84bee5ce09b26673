"""What every settings model is made of: the base model, durations, lists of names, and how a fault names its cure.

Each part of the outside keeps its settings beside itself and builds them from these; `config` joins them to one file.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, WithJsonSchema
from pydantic_core import PydanticCustomError

from sidecar.core.patterns import LONGEST, PatternError, brackets


class Settings(BaseModel):
    """A part of the configuration file: unknown keys are faults, nothing changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


def fault(wrong: str, cure: str) -> PydanticCustomError:
    """The error a validator raises. *wrong* and *cure* are sentences for the operator; neither may hold a secret."""
    return PydanticCustomError("fault", "{wrong}", {"wrong": wrong, "cure": cure})


_DURATION = re.compile(r"(?:(\d{1,5})d)?(?:(\d{1,5})h)?(?:(\d{1,5})m)?(?:(\d{1,9})s)?")
_UNITS = (86_400, 3_600, 60, 1)


def seconds(value: object) -> object:
    """Whole seconds from `10h`, `1h30m`, `30s` or an integer."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    match = _DURATION.fullmatch(value) if isinstance(value, str) and value else None
    if match is None:
        raise fault("is no duration", "write a number with its unit, such as 30s, 15m, 10h or 7d")
    return sum(int(number) * unit for number, unit in zip(match.groups(), _UNITS, strict=True) if number)


def spell(duration: int) -> str:
    """A duration as the configuration file spells it: `90` becomes `1m30s`."""
    parts = []
    for unit, letter in zip(_UNITS, "dhms", strict=True):
        number, duration = divmod(duration, unit)
        parts.append(f"{number}{letter}" if number else "")
    return "".join(parts) or "0s"


def between(least: int, most: int) -> Callable[[int], int]:
    """A validator for durations of *least* to *most* seconds, both inclusive."""

    def check(value: int) -> int:
        if not least <= value <= most:
            raise fault(f"{spell(value)} is out of bounds", f"choose from {spell(least)} to {spell(most)}")
        return value

    return check


Seconds = Annotated[
    int,
    BeforeValidator(seconds),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": r"^(\d+[dhms])+$"}]}),
]
"""A duration in whole seconds."""


def absolute(value: str) -> str:
    """A validator for paths of files."""
    if not value.startswith("/") or not value.isprintable():
        raise fault("is no absolute path", "write it from the root on, such as /etc/lychgate/ca.pem")
    return value


_SIZE = re.compile(r"(\d{1,12})\s*(B|KiB|MiB|GiB)?")
_POWERS = {None: 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


def size(value: object) -> int:
    """A size as the configuration file spells it: `100MiB`, `64KiB`, or a number of bytes."""
    found = _SIZE.fullmatch(str(value)) if isinstance(value, str | int) and not isinstance(value, bool) else None
    if found is None or not int(found[1]):
        raise fault("is no size", "write a number of bytes, or one with KiB, MiB or GiB behind it, such as 100MiB")
    return int(found[1]) * _POWERS[found[2]]


Size = Annotated[
    int,
    BeforeValidator(size),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": r"^\d+(B|[KMG]iB)?$"}]}),
]
"""A number of bytes."""


def pattern_fault(pattern: str) -> tuple[str, str] | None:
    """What is wrong with a regular expression of an operator's, and what would be right; None if nothing is."""
    if len(pattern) > LONGEST:
        return f"is longer than {LONGEST} characters", "write a simpler pattern, or several"
    try:
        brackets(pattern)
    except PatternError as error:
        cure = "correct it, or put \\ before ( ) [ ] . + *; there is no look-around and no \\1 (RE2 syntax)"
        return f"is no regular expression: {error}", cure
    return None


def _word(value: str) -> str:
    if not value or value != value.strip() or not value.isprintable():
        raise fault(
            "is empty, or has blanks around it, or characters that do not print",
            "write a name, or remove the entry; an empty name is never a group, a claim or a value",
        )
    return value


def one_or_many(value: object) -> object:
    """`a` means `[a]`."""
    return (value,) if isinstance(value, str) else value


def _not_empty(value: tuple[str, ...]) -> tuple[str, ...]:
    if not value:
        raise fault(
            "is an empty list: it would ask for nothing, and so let everyone in",
            "name at least one, or remove the line",
        )
    if len(set(value)) != len(value):
        raise fault("names the same thing twice", "keep one of the two")
    return value


_WORDS_SCHEMA = {"anyOf": [{"type": "string", "minLength": 1}, {"type": "array", "items": {"type": "string"}}]}

Word = Annotated[str, AfterValidator(_word)]
"""Text that is not empty and has no blanks around it."""

Words = Annotated[tuple[Word, ...], BeforeValidator(one_or_many), WithJsonSchema(_WORDS_SCHEMA)]
"""One word, or a list of them which may be empty."""

SomeWords = Annotated[
    tuple[Word, ...], BeforeValidator(one_or_many), AfterValidator(_not_empty), WithJsonSchema(_WORDS_SCHEMA)
]
"""One word, or a list with at least one: for everything that restricts, where an empty list would open."""


def claim_value(value: object) -> str | int | bool:
    """A value that a claim may have: text, a whole number, true or false."""
    if isinstance(value, str):
        return _word(value)
    if isinstance(value, int):
        return value
    raise fault("is no value of a claim", "write text, a whole number, true or false")


def claim_values(value: object) -> tuple[str | int | bool, ...]:
    """One value or several; never none."""
    many = value if isinstance(value, list | tuple) else (value,)
    values = tuple(claim_value(item) for item in many)
    if not values:
        raise fault(
            "is an empty list: it would ask for nothing, and so let everyone in",
            "name at least one value, or remove the line",
        )
    return values


def _not_empty_claims(
    value: dict[str, tuple[str | int | bool, ...]],
) -> dict[str, tuple[str | int | bool, ...]]:
    if not value:
        raise fault("names no claim: it would ask for nothing, and so let everyone in", "name a claim, or remove it")
    return value


ClaimValues = Annotated[
    tuple[str | int | bool, ...],
    BeforeValidator(claim_values),
    WithJsonSchema(
        {"anyOf": [{"type": ["string", "integer", "boolean"]}, {"type": "array", "minItems": 1}]},
    ),
]
ClaimFence = Annotated[dict[Word, ClaimValues], AfterValidator(_not_empty_claims)]
"""Claim name to the values of which one must be there."""
