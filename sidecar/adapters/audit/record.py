"""From an event to its record: the envelope keeps its names (design, section 7), and persons may be hidden in it."""

from __future__ import annotations

import json
import logging
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from sidecar.domain.catalogue import FACTS, Holds, undeclared
from sidecar.domain.events import Event, Fact
from sidecar.domain.identity import Person, SignedIn, UnixSeconds
from sidecar.domain.reason import Reason

NAMED = ("username", "application", "portal", "provider", "rule", "request", "source")
LONGEST_CLAIM = 255
"""Characters of what a provider wrote into `sid` and `acr`."""
PSEUDONYM = "~"
"""Begins every pseudonym: no username begins so."""
LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Told:
    """An event with what was true when it was told.

    Attributes:
        order: Counts the events of this process; 0 for what the trail says of itself.
        config: First digits of the policy's hash.
    """

    event: Event
    time: UnixSeconds
    order: int = 0
    config: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """What, when, where, who, outcome, and under which policy (NIST SP 800-53r5, AU-3).

    Attributes:
        session_mark: Makes the keyed hash by which a session or an attempt is shown; its own key stays inside.
        pseudonym: Makes the keyed hash by which a person is shown, or None: persons are named.
    """

    instance: str
    version: str
    session_mark: Callable[[str], str] = str
    pseudonym: Callable[[str], str] | None = None

    def record(self, told: Told) -> dict[str, object]:
        """The fields, in the order in which they are written; empty ones are left out."""
        event = told.event
        record: dict[str, object] = {
            "code": event.code.value,
            "time": written(told.time),
            "order": told.order,
            "instance": self.instance,
            "version": self.version,
            "config": told.config,
            "outcome": event.outcome,
        }
        if event.reason is not Reason.OK:
            record["reason"] = event.reason.value
        if event.person is not None:
            record["person"] = {"iss": event.person.issuer, "sub": event.person.subject}
        record.update({name: getattr(event, name) for name in NAMED})
        record["proxies"] = list(event.proxies)
        record.update(_signed_in(event.signed_in))
        record.update(
            {name: list(value) for name in ("before", "after") if (value := getattr(event, name)) is not None}
        )
        for name in ("session", "attempt"):
            if key := getattr(event, name):
                record[name] = self.session_mark(key)
        record["facts"] = _declared(event)
        if self.pseudonym is not None:
            self._hide(record, event, self.pseudonym)
        return {name: value for name, value in record.items() if value or name in {"before", "after"}}

    def _hide(self, record: dict[str, object], event: Event, pseudonym: Callable[[str], str]) -> None:
        """Nothing is left that names a person; the same person has the same pseudonym everywhere."""
        if event.person is not None:
            record["person"] = {"iss": event.person.issuer, "sub": person_mark(pseudonym, event.person)}
        if event.signed_in.sid:
            record["sid"] = PSEUDONYM + pseudonym(event.signed_in.sid)
        if event.username:
            record["username"] = name_mark(pseudonym, event.username)
        holds = FACTS[event.code]
        record["facts"] = {
            name: name_mark(pseudonym, str(value)) if holds[name] is Holds.ACCOUNT else value
            for name, value in _declared(event).items()
            if holds[name] is not Holds.WORDS
        }


def _declared(event: Event) -> dict[str, Fact]:
    """The facts that the catalogue has for this code."""
    if unknown := undeclared(event.code, event.facts):
        LOG.error("%s: facts that the catalogue does not have: %s", event.code.value, ", ".join(sorted(unknown)))
    return {name: value for name, value in event.facts.items() if name not in unknown}


def _signed_in(known: SignedIn) -> dict[str, object]:
    """What the provider said of its sign-in."""
    return {
        "sid": (known.sid or "")[:LONGEST_CLAIM],
        "acr": (known.acr or "")[:LONGEST_CLAIM],
        "auth_time": written(known.auth_time) if known.auth_time is not None else "",
    }


def person_mark(pseudonym: Callable[[str], str], person: Person) -> str:
    """How a sink that hides persons names one."""
    return PSEUDONYM + pseudonym(json.dumps([person.issuer, person.subject]))


def name_mark(pseudonym: Callable[[str], str], username: str) -> str:
    """How a sink that hides persons names an account."""
    return PSEUDONYM + pseudonym(username.casefold())


def written(time: UnixSeconds) -> str:
    """RFC 3339, UTC."""
    return datetime.fromtimestamp(time, UTC).isoformat().replace("+00:00", "Z")


def text_line(record: Mapping[str, object]) -> str:
    """For people at a terminal: time, code, who, what changed."""
    time = str(record["time"])[11:19]
    who = record.get("username") or subject(record)
    parts = [f"{time}  {record['code']:<22}", plain(who) if who else ""]
    for name in ("application", "portal", "provider", "reason"):
        if name in record:
            parts.append(f"{name}={plain(record[name])}")
    if record.get("before") or record.get("after"):
        parts.append(f"{plain(record.get('before', []))} -> {plain(record.get('after', []))}")
    facts = record.get("facts")
    if isinstance(facts, dict):
        parts.extend(f"{name}={plain(value)}" for name, value in facts.items() if value is not False)
    return "  ".join(part for part in parts if part)


def subject(record: Mapping[str, object]) -> object:
    """`sub` of the person, or ""."""
    person = record.get("person")
    return person["sub"] if isinstance(person, dict) else ""


def plain(value: object) -> str:
    """Without control and bidirectional characters (rule 66)."""
    text = ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
    return "".join(ch if unicodedata.category(ch)[0] not in "C" else f"\\u{ord(ch):04x}" for ch in text)
