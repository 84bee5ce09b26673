"""What a Crowd server says, in XML and in JSON: Crowd's REST interface `usermanagement/1`.

Products ask for XML, other clients for JSON; both are made here from the same words, one function per entity.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from xml.etree.ElementTree import Element, SubElement, tostring

from sidecar.domain.identity import UnixSeconds

Entity = tuple[Element, object]
"""The same thing twice: as XML, and as what JSON is made of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CrowdUser:
    """A user as a Crowd server shows it. *groups* are all of them, direct ones; there is no nesting."""

    name: str
    display_name: str = ""
    email: str = ""
    active: bool = True
    key: str = ""
    groups: frozenset[str] = field(default_factory=frozenset)

    @property
    def first_name(self) -> str:
        """All but the last word of the display name."""
        first, _, last = self.shown.rpartition(" ")
        return first or last

    @property
    def last_name(self) -> str:
        """The last word of the display name."""
        return self.shown.rpartition(" ")[2]

    @property
    def shown(self) -> str:
        """Products want a name to show in any case."""
        return self.display_name or self.name


def user_entity(user: CrowdUser) -> Entity:
    """`<user>`; nothing is left out, so that nobody has to ask again."""
    element = Element("user", {"name": _clean(user.name), "expand": "attributes"})
    texts = {
        "first-name": user.first_name,
        "last-name": user.last_name,
        "display-name": user.shown,
        "email": user.email,
    }
    if user.key:
        _text(element, "key", user.key)
    for name, value in texts.items():
        _text(element, name, value)
    _text(element, "active", _truth(user.active))
    _ = SubElement(element, "attributes")
    body = {"expand": "attributes", "name": user.name, **texts, "active": user.active, "attributes": {"attributes": []}}
    if user.key:
        body["key"] = user.key
    return element, body


def group_entity(name: str) -> Entity:
    """`<group>`."""
    element = Element("group", {"name": _clean(name), "expand": "attributes"})
    _text(element, "type", "GROUP")
    _text(element, "description", "")
    _text(element, "active", "true")
    _ = SubElement(element, "attributes")
    body = {"expand": "attributes", "name": name, "type": "GROUP", "description": "", "active": True}
    return element, {**body, "attributes": {"attributes": []}}


def name_entity(kind: str, name: str) -> Entity:
    """A user or a group of which only the name was asked for."""
    return Element(kind, {"name": _clean(name)}), {"name": name}


def list_entity(kind: str, entities: Iterable[Entity]) -> Entity:
    """`<users>` or `<groups>`: *kind* is the singular."""
    whole, bodies = Element(f"{kind}s", {"expand": kind}), []
    for element, body in entities:
        whole.append(element)
        bodies.append(body)
    return whole, {"expand": kind, f"{kind}s": bodies}


def session_entity(token: str, user: CrowdUser, created: UnixSeconds, ends: UnixSeconds) -> Entity:
    """`<session>` with the whole user."""
    element = Element("session", {"expand": "user"})
    _text(element, "token", token)
    user_element, user_body = user_entity(user)
    element.append(user_element)
    _text(element, "created-date", _date(created))
    _text(element, "expiry-date", _date(ends))
    dates = {"created-date": created * 1000, "expiry-date": ends * 1000}
    return element, {"expand": "user", "token": token, "user": user_body, **dates}


def cookie_entity(name: str, *, secure: bool) -> Entity:
    """`<cookie-config>`; no domain: the cookie is never to reach a browser."""
    element = Element("cookie-config")
    _text(element, "domain", "")
    _text(element, "secure", _truth(secure))
    _text(element, "name", name)
    return element, {"domain": "", "secure": secure, "name": name}


def error_entity(reason: str, message: str) -> Entity:
    """`<error>`."""
    element = Element("error")
    _text(element, "reason", reason)
    _text(element, "message", message)
    return element, {"reason": reason, "message": message}


@dataclass(frozen=True, slots=True)
class Changes:
    """What became otherwise in a directory, each as it is now."""

    groups: tuple[str, ...]
    made: tuple[CrowdUser, ...]
    changed: tuple[CrowdUser, ...]


def events_entity(token: str, changes: Changes | None = None) -> Entity:
    """`<events>`: the token of now, and what changed since the one that was shown.

    How an operation is spelled differs between what is known of clients, so it stands there in both ways; a user's
    groups are told whole (`absolute`). As long as no product has confirmed it, products are told to fetch everything:
    one that read an event otherwise would miss somebody who is gone.
    """
    whole = Element("events", {"newEventToken": token, "incrementalSynchronisationAvailable": "false"})
    bodies: list[object] = []
    for kind, operation, entity in _happened(changes) if changes is not None else ():
        event = SubElement(whole, f"{kind}Event", {"operation": operation})
        _text(event, "operation", operation)
        if kind == "userMembership":
            event.set("absolute", "true")
        for element in entity[0]:
            event.append(element)
        bodies.append({"type": f"{kind}Event", "operation": operation, "entity": entity[1]})
    return whole, {"newEventToken": token, "incrementalSynchronisationAvailable": False, "events": bodies}


def _happened(changes: Changes) -> Iterable[tuple[str, str, Entity]]:
    """Groups before users before memberships: each needs the one before."""
    for name in changes.groups:
        yield "group", "CREATED", _wrapped(group_entity(name))
    for user in changes.made:
        yield "user", "CREATED", _wrapped(user_entity(user))
    for user in changes.changed:
        yield "user", "UPDATED", _wrapped(user_entity(user))
    for user in (*changes.made, *changes.changed):
        element, groups = Element("event"), Element("parentGroups", {"expand": "group"})
        child = SubElement(element, "childUser", {"name": _clean(user.name)})
        child.set("expand", "attributes")
        groups.extend(name_entity("group", name)[0] for name in sorted(user.groups))
        element.append(groups)
        yield "userMembership", "UPDATED", (element, {"user": user.name, "groups": sorted(user.groups)})


def _wrapped(entity: Entity) -> Entity:
    element = Element("event")
    element.append(entity[0])
    return element, entity[1]


def memberships_entity(members: Mapping[str, Sequence[str]]) -> Entity:
    """`<memberships>`: all users of all groups. Crowd itself knows no JSON for it."""
    whole = Element("memberships")
    for group, names in members.items():
        membership = SubElement(whole, "membership", {"group": _clean(group)})
        users = SubElement(membership, "users")
        for name in names:
            _ = SubElement(users, "user", {"name": _clean(name)})
        _ = SubElement(membership, "groups")
    bodies = [{"group": group, "users": [{"name": name} for name in names]} for group, names in members.items()]
    return whole, {"memberships": bodies}


def as_xml(entity: Entity) -> bytes:
    """A whole document."""
    text = tostring(entity[0], encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>{text}'.encode()


def as_json(entity: Entity) -> bytes:
    """The same in JSON."""
    return json.dumps(entity[1]).encode()


def _text(parent: Element, name: str, text: str) -> None:
    SubElement(parent, name).text = _clean(text)


def _clean(text: str) -> str:
    """XML 1.0 cannot carry control characters, however they are written (section 2.2)."""
    return "".join(letter for letter in text if letter.isprintable())


def _truth(value: bool) -> str:
    return "true" if value else "false"


def _date(at: UnixSeconds) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.000+00:00")
