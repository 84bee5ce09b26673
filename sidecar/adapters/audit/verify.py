"""Whether a trail is as it was written: its first record that is changed, missing, moved or forged; its unsigned tail.

Reads line by line and remembers a few numbers, so a million records need no memory. Used by `lychgate audit verify`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import NamedTuple

from sidecar.adapters.audit.chain import GENESIS, LONGEST, Link, claimed_sequence, read_link
from sidecar.adapters.audit.keys import PublicKeys, is_signed
from sidecar.domain.events import Code

MOST_CHAINS = 1000
_OURS = b'{"schema":1,"chain":"'


class Line(NamedTuple):
    """A line with its place.

    Attributes:
        text: With its line break, if it has one.
    """

    place: str
    text: bytes


class BrokenError(Exception):
    """The first fault; nothing behind it is worth anything."""


@dataclass(slots=True)
class Standing:
    """What is known of one chain so far."""

    first: int
    last: int
    hash: str
    signed: int = 0
    retired: int = 0
    records: int = 1


@dataclass(slots=True)
class Result:
    """What a whole trail looks like.

    Attributes:
        chains: By name.
        notes: What the trail itself says is missing: gaps and torn lines.
        torn: Where the last line breaks off, or "".
    """

    chains: dict[str, Standing] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    torn: str = ""

    @property
    def unsigned(self) -> int:
        """Records behind the last checkpoint."""
        return sum(chain.last - max(chain.signed, chain.first - 1) for chain in self.chains.values())


class Verifier:
    """Reads one trail.

    Args:
        keys: Public keys that may have signed.
        elsewhere: The lines of the second place of checkpoints, in their order, or None: there is none.
        part: Whether the trail may begin in its middle.
        many: Whether there may be several chains, and lines of others between them: collected standard output.
    """

    def __init__(
        self, keys: PublicKeys, elsewhere: Iterable[Line] | None = None, *, part: bool = False, many: bool = False
    ) -> None:
        self._keys = keys
        self._elsewhere = _Elsewhere(keys, elsewhere) if elsewhere is not None else None
        self._part = part
        self._many = many
        self._result = Result()
        self._torn: list[Line] = []

    def run(self, lines: Iterable[Line]) -> Result:
        """Read to the end.

        Raises:
            BrokenError: at the first fault.
        """
        source = iter(lines)
        for line in source:
            link = read_link(line.text.rstrip(b"\n")) if line.text.endswith(b"\n") else None
            if link is None:
                if not (self._many and not line.text.startswith(_OURS)):
                    self._torn.append(line)
                    _check_few(self._torn)
                continue
            self._take(link, line.place, source)
        self._finish()
        return self._result

    def _take(self, link: Link, place: str, rest: Iterator[Line]) -> None:
        chain = self._result.chains.get(link.chain)
        if self._torn:
            self._judge_torn(link, chain)
        if chain is None:
            chain = self._begin(link, place)
        else:
            self._follow(chain, link, place, rest)
        if link.code.startswith("audit."):
            self._take_own(chain, link, place)

    def _begin(self, link: Link, place: str) -> Standing:
        chains = self._result.chains
        if chains and not self._many:
            raise BrokenError(f"{place}: a chain begins anew ({link.chain}): the trail was restarted or replaced")
        if len(chains) >= MOST_CHAINS:
            raise BrokenError(f"{place}: more than {MOST_CHAINS} chains")
        if link.sequence == 1 and link.previous != GENESIS:
            raise BrokenError(f"{place}: record 1 names a record before it")
        chains[link.chain] = Standing(link.sequence, link.sequence, link.hash)
        return chains[link.chain]

    def _follow(self, chain: Standing, link: Link, place: str, rest: Iterator[Line]) -> None:
        expected = chain.last + 1
        if link.sequence > expected:
            raise BrokenError(self._missing(link, expected, place, rest))
        if link.sequence < expected:
            raise BrokenError(f"{place}: record {link.sequence} stands behind record {chain.last}: moved or repeated")
        if link.previous != chain.hash:
            raise BrokenError(
                f"{place}: record {link.sequence} does not continue record {chain.last}: one of the two was replaced"
            )
        chain.last, chain.hash, chain.records = link.sequence, link.hash, chain.records + 1

    def _missing(self, link: Link, expected: int, place: str, rest: Iterator[Line]) -> str:
        """Reads on only to tell a record that was moved from one that is gone."""
        for line in rest:
            other = read_link(line.text.rstrip(b"\n"))
            if other is not None and (other.chain, other.sequence) == (link.chain, expected):
                return f"{line.place}: record {expected} was moved: record {link.sequence} stands before it at {place}"
        until = f" to {link.sequence - 1}" if link.sequence - 1 > expected else ""
        return f"{place}: missing before it: record {expected}{until}"

    def _take_own(self, chain: Standing, link: Link, place: str) -> None:
        facts = _facts(link)
        if link.code == Code.AUDIT_CHECKPOINT:
            if not is_signed(self._keys, str(facts.get("key")), *link.signed):
                raise BrokenError(
                    f"{place}: the signature of checkpoint {link.sequence} is none of the known keys': forged, or by a "
                    f"key that was not named ({facts.get('key')})"
                )
            chain.signed = link.sequence
            if self._elsewhere is not None:
                self._elsewhere.compare(link, chain.first, place)
        elif link.code == Code.AUDIT_RETIRED:
            last = facts.get("last")
            chain.retired = max(chain.retired, last) if isinstance(last, int) else chain.retired
        elif link.code == Code.AUDIT_GAP and facts.get("cause") == "queue":
            lost = f"{facts.get('lost')} events (order {facts.get('first')} to {facts.get('last')})"
            self._result.notes.append(f"{place}: {lost} are missing, and record {link.sequence} says so")

    def _judge_torn(self, link: Link, chain: Standing | None) -> None:
        """Lines that are no records are forgiven only if the next record names exactly them."""
        torn = b"".join(line.text for line in self._torn)
        facts = _facts(link) if link.code == Code.AUDIT_GAP else {}
        first = self._torn[0]
        if (facts.get("bytes"), facts.get("sha256")) != (len(torn), sha256(torn).hexdigest()):
            raise BrokenError(_changed(first, chain))
        self._torn.clear()
        self._result.notes.append(
            f"{first.place}: {len(torn)} bytes of a record that a crash tore; record {link.sequence} says so"
        )

    def _finish(self) -> None:
        chains = self._result.chains
        if self._torn:
            last = self._torn[-1]
            if len(self._torn) > 1 or last.text.endswith(b"\n"):
                raise BrokenError(_changed(self._torn[0], next(iter(chains.values()), None)))
            self._result.torn = last.place
        if not chains:
            raise BrokenError("there is no record at all")
        for chain in chains.values():
            if chain.first > 1 and chain.retired < chain.first - 1 and not self._part:
                raise BrokenError(
                    f"the records before {chain.first} are missing, and the trail does not say that they "
                    "were deleted after their time (--part if this is only a part)"
                )
        if self._elsewhere is not None:
            self._elsewhere.finish(chains)


class _Elsewhere:
    """Walks along the checkpoints in the second place. Those of records before the trail's first are passed over."""

    def __init__(self, keys: PublicKeys, lines: Iterable[Line]) -> None:
        self._keys = keys
        self._lines = iter(lines)
        self._next = self._read()

    def compare(self, link: Link, first: int, place: str) -> None:
        """The checkpoint of the trail that comes next."""
        while self._next is not None and self._next.chain == link.chain and self._next.sequence < first:
            self._next = self._read()
        found = self._next
        if found is None or found.chain != link.chain or found.sequence > link.sequence:
            # Its second place was out of reach then.
            return
        if found.line != link.line:
            raise BrokenError(
                f"{place}: checkpoint {link.sequence} is not the one that was written to the second place "
                f"({found.sequence})"
            )
        self._next = self._read()

    def finish(self, chains: dict[str, Standing]) -> None:
        """Nothing may be left but what is older than the trail."""
        while self._next is not None:
            chain = chains.get(self._next.chain)
            if chain is None or self._next.sequence >= chain.first:
                break
            self._next = self._read()
        if self._next is None:
            return
        chain = chains.get(self._next.chain)
        if chain is None:
            raise BrokenError(
                f"the second place has checkpoint {self._next.sequence} of the chain {self._next.chain}, which is not "
                "here: the trail was restarted or replaced"
            )
        raise BrokenError(
            f"the trail ends at record {chain.last}, and the second place has checkpoint {self._next.sequence}: it was "
            "cut or replaced"
        )

    def _read(self) -> Link | None:
        """What a crash tore there is passed over: nobody gains more by a torn line than by removing it."""
        for place, text in self._lines:
            link = read_link(text.rstrip(b"\n"))
            if link is None:
                continue
            if not is_signed(self._keys, str(_facts(link).get("key")), *link.signed):
                raise BrokenError(f"{place}: the second place has a checkpoint that is forged")
            return link
        return None


def _facts(link: Link) -> dict[str, object]:
    """Whoever made a line whose hash is right need not have made JSON."""
    try:
        facts = link.record().get("facts")
    except ValueError:
        return {}
    return facts if isinstance(facts, dict) else {}


def _changed(line: Line, chain: Standing | None) -> str:
    claimed = claimed_sequence(line.text)
    after = f" behind record {chain.last}" if chain is not None else ""
    return f"{line.place}: record {claimed or ''}{after} is not as it was written: changed, or cut".replace("  ", " ")


def _check_few(torn: list[Line]) -> None:
    if sum(len(line.text) for line in torn) > 4 * LONGEST:
        raise BrokenError(_changed(torn[0], None))
