"""The records that somebody asks for, readable. Used by `lychgate audit show`; it does not judge, `verify` does."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase

from sidecar.adapters.audit.chain import LONGEST
from sidecar.adapters.audit.record import NAMED, plain, subject

SHOWN = ("reason", *NAMED[1:], "proxies", "sid", "acr", "auth_time", "session", "attempt")
Record = Mapping[str, object]
LINKS = ("session", "attempt")
"""What ties the records of several requests together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which records are asked for; what is empty does not count.

    Attributes:
        person: `sub`, or `iss` and `sub` with a blank between.
        username: In any case of letters; the fact `account` counts too.
        code: A code, or a pattern such as `login.*`.
        since, until: The first instant that counts, and the first that does not.
    """

    person: str = ""
    username: str = ""
    portal: str = ""
    code: str = ""
    request: str = ""
    session: str = ""
    attempt: str = ""
    since: datetime | None = None
    until: datetime | None = None

    def fits(self, record: Record) -> bool:
        """Whether a record is one of them."""
        exact = tuple((name, getattr(self, name)) for name in ("portal", "request", *LINKS))
        return (
            all(not wanted or record.get(name) == wanted for name, wanted in exact)
            and (not self.code or fnmatchcase(str(record.get("code")), self.code))
            and (not self.username or self.username.casefold() in _names(record))
            and (not self.person or self.person in _persons(record))
            and self._in_time(record)
        )

    def _in_time(self, record: Record) -> bool:
        if self.since is None and self.until is None:
            return True
        try:
            time = datetime.fromisoformat(str(record.get("time")))
            return (self.since is None or time >= self.since) and (self.until is None or time < self.until)
        except (ValueError, TypeError):
            return False


def records(lines: Iterable[bytes]) -> Iterator[Record]:
    """All records among *lines*; what is none is passed over."""
    for line in lines:
        if line.startswith(b"{") and len(line) <= LONGEST:
            try:
                record = json.loads(line)
            except ValueError:
                continue
            if isinstance(record, dict) and "code" in record:
                yield record


def links_in(found: Iterable[Record]) -> frozenset[tuple[str, str]]:
    """The sessions and sign-ins that records name, each with the field that names it."""
    return frozenset((name, str(record[name])) for record in found for name in LINKS if record.get(name))


def is_linked(record: Record, links: frozenset[tuple[str, str]]) -> bool:
    """Whether a record belongs to one of them."""
    return any((name, record.get(name)) in links for name in LINKS)


def told(record: Record) -> str:
    """A record in one readable line, without control characters."""
    time = str(record.get("time", "")).replace("T", " ").replace("Z", "")
    who = record.get("username") or subject(record)
    parts = [f"{plain(time)}  {plain(record['code']):<22}  {plain(record.get('outcome', '')):<9}", plain(who or "-")]
    parts += [f"{name}={plain(record[name])}" for name in SHOWN if name in record]
    if "before" in record or "after" in record:
        parts.append(f"changed={plain(changed(record)) or 'nothing'}")
    facts = record.get("facts")
    if isinstance(facts, dict):
        parts += [f"{plain(name)}={plain(value)}" for name, value in facts.items()]
    return "  ".join(parts)


def changed(record: Record) -> list[str]:
    """What came to the groups and what went, as `+name` and `-name`."""
    before, after = _set(record, "before"), _set(record, "after")
    return [*(f"+{name}" for name in sorted(after - before)), *(f"-{name}" for name in sorted(before - after))]


def _set(record: Record, name: str) -> set[str]:
    value = record.get(name)
    return set(map(str, value)) if isinstance(value, list) else set()


def _names(record: Record) -> set[str]:
    facts = record.get("facts")
    account = facts.get("account") if isinstance(facts, dict) else None
    return {str(name).casefold() for name in (record.get("username"), account) if name}


def _persons(record: Record) -> set[str]:
    person = record.get("person")
    if not isinstance(person, dict):
        return set()
    return {str(person.get("sub")), f"{person.get('iss')} {person.get('sub')}"}
