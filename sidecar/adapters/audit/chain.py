"""The chain of an audit trail: every line names the hash of the one before, and ends with its own.

A line's hash is SHA-256 over its exact bytes up to `,"hash":`. A checkpoint's signature stands before its hash and is
made over the exact bytes before itself. The fields of the chain come first and in a fixed order, so that a verifier
need not read JSON. Used by the forms, which write, and by `verify` and `segments`, which read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import NamedTuple

from sidecar.adapters.audit.keys import CheckpointKey

SCHEMA = 1
GENESIS = "0" * 64
"""What the first record of a chain names as the hash before it."""
LONGEST = 1 << 20
"""Bytes of a line."""

_LINE = re.compile(
    rb'\{"schema":1,"chain":"([0-9a-f]{16})","sequence":([1-9][0-9]{0,15}),"previous":"([0-9a-f]{64})",'
    rb'"code":"([a-z_.]+)",(.*),"hash":"([0-9a-f]{64})"\}',
    re.DOTALL,
)
_END = len(',"hash":"') + 64 + len('"}')
_SIGNATURE = re.compile(rb'(.*),"signature":"([A-Za-z0-9_-]{86})"', re.DOTALL)


class Link(NamedTuple):
    """A line that is whole: its own hash is right."""

    chain: str
    sequence: int
    previous: str
    code: str
    hash: str
    line: bytes

    def record(self) -> dict[str, object]:
        """All fields."""
        record: dict[str, object] = json.loads(self.line)
        return record

    @property
    def signed(self) -> tuple[bytes, str]:
        """Of a checkpoint: what was signed, and the signature; `b""` if there is none."""
        found = _SIGNATURE.fullmatch(self.line[:-_END])
        return (found[1], found[2].decode("ascii")) if found is not None else (b"", "")


def read_link(line: bytes) -> Link | None:
    """A line without its line break; None if it is no record, or not as it was written."""
    found = _LINE.fullmatch(line)
    if found is None or sha256(line[:-_END]).hexdigest().encode() != found[6]:
        return None
    chain, previous, code, own = (found[number].decode("ascii") for number in (1, 3, 4, 6))
    return Link(chain, int(found[2]), previous, code, own, line)


def claimed_sequence(line: bytes) -> int | None:
    """The sequence that a line which is not whole says it has."""
    found = re.match(rb'\{"schema":1,"chain":"[0-9a-f]{16}","sequence":([1-9][0-9]{0,15}),', line)
    return int(found[1]) if found is not None else None


@dataclass(slots=True)
class Chain:
    """Where a chain stands.

    Attributes:
        name: 16 hex digits, new for every chain.
        sequence, previous: Of the last record.
    """

    name: str
    sequence: int = 0
    previous: str = GENESIS

    def link(self, record: Mapping[str, object], key: CheckpointKey | None = None) -> bytes:
        """The line of the next record, with its line break; signed with *key*: a checkpoint. ASCII only: control and
        bidirectional characters are escaped (rule 66)."""
        head = {"schema": SCHEMA, "chain": self.name, "sequence": self.sequence + 1, "previous": self.previous}
        text = json.dumps({**head, **record}, ensure_ascii=True, separators=(",", ":"), default=str)
        body = text[:-1].encode("ascii")
        if key is not None:
            body += b',"signature":"' + key.sign(body).encode() + b'"'
        self.previous = sha256(body).hexdigest()
        self.sequence += 1
        return body + b',"hash":"' + self.previous.encode() + b'"}\n'
