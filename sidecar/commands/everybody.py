"""The list behind `--idp`: what the identity provider would say of everybody, as CSV. Reading only."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sidecar.commands.relinking import MOST, ListError
from sidecar.domain.policy import ProviderPolicy

SEPARATOR = ";"
"""Between the names in the column `groups`."""

_LONGEST = 65_536


@dataclass(frozen=True, slots=True)
class Row:
    """One person: the line of the file, and the claims as the provider would send them."""

    line: int
    claims: Mapping[str, object]


def everybody_in(path: Path, provider: ProviderPolicy) -> tuple[Row, ...]:
    """Everybody in the file, in its order.

    The file is CSV (RFC 4180) with a heading. `subject` is required; `groups` holds names with semicolons between, and
    an empty cell means no groups; without the column the groups are unknown. Every other column is a claim of its name,
    and an empty cell means that it is absent.

    Raises:
        ListError: the file cannot be used, or a subject stands in it twice.
    """
    rows: list[Row] = []
    seen: dict[tuple[object, str], int] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.reader(lines, strict=True)
            names = _heading(next(reader, []), path)
            for cells in reader:
                number = reader.line_num
                if len(rows) >= MOST:
                    raise ListError(f"{path} has more than {MOST} lines; cut it in pieces")
                if not any(cell.strip() for cell in cells):
                    continue
                person = _cells(names, cells, path, number)
                key = (person.get("iss"), person["subject"])
                if key in seen:
                    raise ListError(f"{path}:{number}: this subject stands in line {seen[key]} already")
                seen[key] = number
                rows.append(Row(number, _claims(person, provider)))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ListError(f"{path} cannot be read as CSV: {error}") from None
    if not rows:
        raise ListError(f"{path} names nobody; write one line per person below the heading")
    return tuple(rows)


def _heading(cells: list[str], path: Path) -> list[str]:
    names = ["iss" if cell.strip() == "issuer" else cell.strip() for cell in cells]
    if "subject" not in names or "" in names or len(set(names)) != len(names):
        raise ListError(
            f"{path}:1: write a heading, such as subject,preferred_username,email,name,groups: "
            "each column once, and `subject` among them"
        )
    return names


def _cells(names: list[str], cells: list[str], path: Path, number: int) -> dict[str, str]:
    if len(cells) != len(names):
        raise ListError(f"{path}:{number}: {len(cells)} columns where the heading has {len(names)}")
    found = {name: cell.strip() for name, cell in zip(names, cells, strict=True)}
    if not 0 < len(found["subject"]) <= 255 or any(len(cell) > _LONGEST for cell in found.values()):
        raise ListError(f"{path}:{number}: the subject is missing or too long")
    return found


def _claims(person: Mapping[str, str], provider: ProviderPolicy) -> Mapping[str, object]:
    """As the provider would send them: each claim where the configuration looks for it."""
    claims: dict[str, object] = {}
    # Whom a list for this provider names stands inside its fence, as far as there is one place only.
    for name, values in provider.fence.items():
        if name not in person and len(values) == 1:
            claims[name] = next(iter(values))
    for name, cell in person.items():
        if name == "subject":
            claims[provider.subject_claim] = cell
            claims.setdefault("sub", cell)
        elif name == "groups":
            if provider.groups.path:
                _put(claims, provider.groups.path, [one for one in map(str.strip, cell.split(SEPARATOR)) if one])
        elif cell:
            value: object = cell == "true" if name == "email_verified" and cell in {"true", "false"} else cell
            paths = provider.claims.get(name) or ((name,),)
            _put(claims, paths[0], value)
    return claims


def _put(claims: dict[str, object], path: tuple[str, ...], value: object) -> None:
    *outer, last = path
    for key in outer:
        inner = claims.setdefault(key, {})
        if not isinstance(inner, dict):
            return
        claims = inner
    claims[last] = value
