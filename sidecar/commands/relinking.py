"""The list behind `lychgate accounts relink`: who at the old provider is who at the new one. Reading only."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

from sidecar.domain.identity import Person

MOST = 100_000
"""Lines of a list."""


class ListError(Exception):
    """The list cannot be used. The text says where, and what would be right."""


def persons_in(path: Path, before: str, after: str) -> Mapping[Person, Person]:
    """From each person at the issuer *before* to the same one at the issuer *after*, in the order of the file.

    The file is CSV (RFC 4180) with two columns and no heading: the old subject, the new subject.

    Raises:
        ListError: a line is no such pair, or a subject stands there twice: two people would become one.
    """
    found: dict[Person, Person] = {}
    taken: dict[str, int] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            for number, row in enumerate(csv.reader(lines, strict=True), 1):
                if number > MOST:
                    raise ListError(f"{path} has more than {MOST} lines; cut it in pieces")
                if not row:
                    continue
                old, new = _pair(row, path, number)
                if Person(before, old) in found or new in taken:
                    raise ListError(f"{path}:{number}: a subject stands here that stood in an earlier line already")
                found[Person(before, old)] = Person(after, new)
                taken[new] = number
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ListError(f"{path} cannot be read as CSV: {error}") from None
    if not found:
        raise ListError(f"{path} names nobody; write one line per person: old subject,new subject")
    return found


def _pair(row: list[str], path: Path, number: int) -> tuple[str, str]:
    cells = [cell.strip() for cell in row]
    if len(cells) != 2 or not all(0 < len(cell) <= 255 and cell.isprintable() for cell in cells):
        raise ListError(f"{path}:{number}: write two columns, old subject,new subject")
    return cells[0], cells[1]
