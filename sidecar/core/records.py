"""How a session becomes bytes for the store, and comes back. Called by the state adapters, inside the seal.

The schema number stands first, uncompressed, so that a reader knows what it has before it reads anything else.
A record that this version cannot read is no session: the person signs in again (design, section 7, i and vi).
"""

from __future__ import annotations

import binascii
import json
import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from sys import intern
from types import MappingProxyType
from typing import Any

from sidecar.domain.identity import Claim, Groups, Identity, Person, UnixSeconds
from sidecar.domain.session import SCHEMA, Jar, Session, Walk

MAX_TEXT = 1 << 20
"""Bytes of a record before compression. Written and read with the same bound."""

_SCHEMA_BYTES = 2


def session_to_bytes(session: Session) -> bytes:
    """The stored shape: two bytes of schema number, then compressed JSON.

    Raises:
        ValueError: the session is larger than `MAX_TEXT`.
    """
    text = json.dumps(_plain(session), separators=(",", ":"), default=_mapping).encode("ascii")
    if len(text) > MAX_TEXT:
        raise ValueError(f"a session of {len(text)} bytes is larger than the {MAX_TEXT} that are stored")
    return SCHEMA.to_bytes(_SCHEMA_BYTES, "big") + zlib.compress(text, 9)


def session_from_bytes(data: bytes) -> Session | None:
    """The session in *data*, or None if it is malformed or was written by a newer version. Never raises."""
    if int.from_bytes(data[:_SCHEMA_BYTES], "big") != SCHEMA:
        return None
    try:
        return _session(json.loads(_inflated(data[_SCHEMA_BYTES:])))
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError, zlib.error):
        return None


def _plain(session: Session) -> dict[str, object]:
    identity = session.identity
    return {
        "key": session.key,
        "application": session.application,
        "portal": session.portal,
        "created_at": session.created_at,
        "ends_at": session.ends_at,
        "checked_at": session.checked_at,
        "form_token": session.form_token,
        "version": session.version,
        "jars": session.jars,
        "source": session.source,
        "walk": _plain_walk(session.walk),
        "issuer": identity.person.issuer,
        "subject": identity.person.subject,
        "provider": identity.provider,
        "sid": identity.sid,
        "auth_time": identity.auth_time,
        "acr": identity.acr,
        "sub": identity.sub,
        "claims": identity.claims,
        "groups": identity.groups,
        "id_token": _folded(session.id_token),
        "refresh_token": _folded(session.refresh_token),
    }


def _session(body: dict[str, Any]) -> Session:
    return Session(
        key=_text(body["key"]),
        application=intern(_text(body["application"])),
        portal=intern(_text(body["portal"])),
        identity=_identity(body),
        created_at=_seconds(body["created_at"]),
        ends_at=_seconds(body["ends_at"]),
        checked_at=_seconds(body["checked_at"]),
        form_token=_text(body["form_token"]),
        refresh_token=_unfolded(body["refresh_token"]),
        id_token=_unfolded(body["id_token"]),
        jars=MappingProxyType({_text(node): _jar(jar) for node, jar in body["jars"].items()}),
        # Records from before have none.
        source=_text(body.get("source", "")),
        walk=_walk(body.get("walk")),
        version=_whole(body["version"]),
    )


def _plain_walk(walk: Walk | None) -> list[object] | None:
    return None if walk is None else [getattr(walk, name) for name in Walk.__slots__]


def _walk(found: list[Any] | None) -> Walk | None:
    if found is None:
        return None
    tries, username, node, back_to, over, started, again, jar, question, code, state = found
    return Walk(
        tries=tuple(_seconds(at) for at in tries),
        username=_text(username),
        node=_text(node),
        back_to=_text(back_to),
        over=bool(over),
        started=bool(started),
        again=bool(again),
        jar=_jar(jar),
        question=_text_or_none(question),
        code=_text(code),
        state=_text(state),
    )


def _identity(body: dict[str, Any]) -> Identity:
    auth_time = body["auth_time"]
    return Identity(
        person=Person(intern(_text(body["issuer"])), _text(body["subject"])),
        provider=intern(_text(body["provider"])),
        claims=MappingProxyType({intern(name): _frozen(claim) for name, claim in body["claims"].items()}),
        groups=_groups(body["groups"]),
        sid=_text_or_none(body["sid"]),
        auth_time=None if auth_time is None else _seconds(auth_time),
        acr=_text_or_none(body["acr"]),
        # Records from before have none.
        sub=_text_or_none(body.get("sub")),
    )


def _groups(value: object) -> Groups:
    if value is None:
        return None
    if not isinstance(value, list):
        raise TypeError("groups are a list or unknown")
    # A few hundred names are shared by thousands of sessions: each is kept in memory once.
    return tuple(intern(_text(name)) for name in value)


def _jar(value: list[list[object]]) -> Jar:
    return tuple((_text(name), _text(content)) for name, content in value)


def _frozen(value: object) -> Claim:
    if isinstance(value, list):
        return tuple(_frozen(item) for item in value)
    if isinstance(value, dict):
        return MappingProxyType({name: _frozen(item) for name, item in value.items()})
    if value is None or isinstance(value, str | int | float):
        return value
    raise TypeError("not a JSON value")


def _mapping(value: object) -> dict[object, object]:
    """What `json` does not know itself: the read-only mappings that `_frozen` makes."""
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is no JSON value")


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("text expected")
    return value


def _text_or_none(value: object) -> str | None:
    return None if value is None else _text(value)


def _whole(value: object) -> int:
    if type(value) is not int:
        raise TypeError("whole number expected")
    return value


def _seconds(value: object) -> UnixSeconds:
    return UnixSeconds(_whole(value))


def _folded(token: str | None) -> str | list[str] | None:
    """A JWT with its first two parts as plain JSON text (RFC 7515, section 3.1): base64 hides from the compression that
    the token repeats the claims and the groups. Any other token stays as it is."""
    if token is None or token.count(".") != 2:
        return token
    header, payload, signature = token.split(".")
    try:
        parts = [_decoded(header), _decoded(payload), signature]
    except ValueError:
        return token
    return parts if _unfolded(parts) == token else token


def _unfolded(value: object) -> str | None:
    if not isinstance(value, list):
        return _text_or_none(value)
    header, payload, signature = value
    return f"{_encoded(_text(header))}.{_encoded(_text(payload))}.{_text(signature)}"


def _decoded(part: str) -> str:
    try:
        return urlsafe_b64decode(part + "=" * (-len(part) % 4)).decode()
    except binascii.Error as error:
        raise ValueError("not base64url") from error


def _encoded(text: str) -> str:
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _inflated(data: bytes) -> bytes:
    inflater = zlib.decompressobj()
    text = inflater.decompress(data, MAX_TEXT)
    if not inflater.eof or inflater.unused_data:
        raise ValueError("cut short, too long, or followed by something else")
    return text
