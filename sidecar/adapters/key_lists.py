"""Keys as a list in one file: the first signs, all verify; and how a list gets a new first one.

A key stands on a line of its own, or as a block of PEM. A line that begins with `#` is a comment. The comment
`# signs from 2026-12-01T08:00:00Z` before a key says that it only verifies until then: of several gates one reads the
file minutes after another, and no key may sign before all of them know it.
"""

from __future__ import annotations

import base64
import os
import re
import secrets
import stat
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from sidecar.adapters.disk import sync_folder
from sidecar.adapters.secrets import Secret, SecretError, Texts, judged, text_of
from sidecar.domain.identity import UnixSeconds

MOST = 16
"""Keys of one list."""

KINDS = ("cookie", "ed25519", "rsa", "secret")
"""What `new_key` makes: a key for `cookie_keys`, one for `assertion_key` and `audit.key`, one for a provider's
`client_key`, a secret that is shared with somebody."""

_SIGNS_FROM = re.compile(r"#\s*signs from (\S+)\s*", re.IGNORECASE)
_BEGIN, _END = "-----BEGIN ", "-----END "


@dataclass(frozen=True, slots=True)
class Key:
    """One of a list. *since*: from when on it signs; None: always."""

    value: str = field(repr=False)
    since: UnixSeconds | None = None


def keys_in(text: str) -> tuple[Key, ...]:
    """The keys of a file, in its order. A single line is a key also where it begins with `#`, but not with `# `: a list
    of which only a comment is left has no key, least of all one that everybody can guess.

    Raises:
        ValueError: a time cannot be read, or a block has no end. The text repeats no key.
    """
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) == 1 and not lines[0].startswith("# "):
        return (Key(lines[0]),)
    found: list[Key] = []
    block: list[str] = []
    since: UnixSeconds | None = None
    for line in lines:
        if block or line.startswith(_BEGIN):
            block.append(line)
            if line.startswith(_END):
                found.append(Key("\n".join(block), since))
                block, since = [], None
        elif line.startswith("#"):
            match = _SIGNS_FROM.fullmatch(line)
            since = _time(match[1]) if match is not None else since
        else:
            found.append(Key(line, since))
            since = None
    if block:
        raise ValueError("has a block of PEM without an end")
    if len(found) > MOST:
        raise ValueError(f"holds more than {MOST} keys")
    return tuple(found)


def in_order(keys: Sequence[Key], now: UnixSeconds) -> tuple[Key, ...]:
    """The one that signs *now*, then the others as they stand. Where all of them are for later, the last signs: it has
    been known for longest."""
    at = next((number for number, key in enumerate(keys) if key.since is None or key.since <= now), len(keys) - 1)
    return (keys[at], *keys[:at], *keys[at + 1 :]) if keys else ()


def times_past(text: str, now: UnixSeconds) -> int:
    """How many of the times in a list have come: when it grows, another key signs."""
    try:
        return sum(key.since is not None and key.since <= now for key in keys_in(text))
    except ValueError:
        return 0


def read_keys(
    places: Iterable[Secret], now: UnixSeconds, *, at_least: int = 32, texts: Texts = text_of
) -> tuple[str, ...]:
    """All keys of *places*, the one that signs *now* first, each once.

    Raises:
        SecretError: a list cannot be read, or one of its keys is none.
    """
    found = [key for place in places for key in read_list(place, at_least=at_least, texts=texts)]
    return tuple(dict.fromkeys(key.value for key in in_order(found, now)))


def read_list(place: Secret, *, at_least: int = 32, texts: Texts = text_of) -> tuple[Key, ...]:
    """The keys of one place, each judged.

    Raises:
        SecretError: it cannot be read, or one of its keys is none.
    """
    text = texts(place)
    try:
        keys = keys_in(text)
    except ValueError as error:
        raise SecretError(f"the list of keys in {place} {error}", "write it anew: lychgate keys new --into") from None
    if not keys:
        raise SecretError(f"the secret in {place} is empty", "make one: lychgate keys new --into")
    return tuple(Key(judged(key.value, place, at_least), key.since) for key in keys)


def new_key(kind: str) -> str:
    """A fresh key: 256 bits in base64url for `cookie` and `secret`, a private key in PEM for `ed25519` and `rsa`."""
    if kind == "ed25519":
        return _pem(Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    if kind == "rsa":
        made = generate_private_key(public_exponent=65_537, key_size=3072)
        return _pem(made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode("ascii").rstrip("=")


def renewed(path: Path, key: str, now: UnixSeconds, *, keep: int, lead: int) -> tuple[int, int]:
    """Put *key* before the others of the file, of which *keep* stay; how many stayed, and how many were dropped. It
    signs *lead* seconds from *now* on.

    The file is replaced as a whole, with mode 0600 and its owner, also where it is a link; it is made if it is not
    there.

    Raises:
        OSError: it cannot be read or written; nothing has changed then.
        ValueError: what stands there is no list of keys.
    """
    place = path.resolve()
    try:
        before, owner = keys_in(place.read_text("utf-8")), place.stat()
    except FileNotFoundError:
        before, owner = (), None
    if any((old.value.startswith(_BEGIN)) != key.startswith(_BEGIN) for old in before):
        raise ValueError("holds keys of another kind: name another file")
    signing = before.index(in_order(before, now)[0]) + 1 if before else 0
    # A key that has not signed yet does not push out the one that has.
    kept = before[: max(keep, signing)] if keep else ()
    text = _spelled([Key(key, UnixSeconds(now + lead) if kept and lead else None), *kept])
    descriptor, name = tempfile.mkstemp(prefix=".lychgate-", dir=place.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            os.fchmod(stream.fileno(), stat.S_IRUSR | stat.S_IWUSR)
            if owner is not None and (owner.st_uid, owner.st_gid) != (os.geteuid(), os.getegid()):
                # Whoever rotates as root must leave the file readable for the gate.
                os.fchown(stream.fileno(), owner.st_uid, owner.st_gid)
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).replace(place)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    sync_folder(place.parent)
    return len(kept), len(before) - len(kept)


def spelled_time(at: UnixSeconds) -> str:
    """As `# signs from` has it."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _spelled(keys: Iterable[Key]) -> str:
    lines: list[str] = []
    for key in keys:
        if key.since is not None:
            lines.append(f"# signs from {spelled_time(key.since)}")
        lines.append(key.value)
    return "\n".join(lines) + "\n"


def _time(text: str) -> UnixSeconds:
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("has a time that cannot be read; write 2026-12-01T08:00:00Z") from None
    if read.tzinfo is None:
        raise ValueError("has a time without its zone; write 2026-12-01T08:00:00Z")
    return UnixSeconds(int(read.timestamp()))


def _pem(made: bytes) -> str:
    return made.decode("ascii").rstrip("\n")
