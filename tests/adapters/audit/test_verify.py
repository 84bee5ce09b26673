"""adapters.audit.verify: whatever is done to a trail is found, and named; what was not touched passes."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from sidecar.adapters.audit.chain import Chain, read_link
from sidecar.adapters.audit.keys import CheckpointKey
from sidecar.adapters.audit.record import Told
from sidecar.adapters.audit.verify import BrokenError, Line, Verifier
from sidecar.domain.identity import UnixSeconds
from tests.adapters.audit.trails import KEYS, Trail, event, form
from tests.flows.fakes import NOON

WHOLE = 45
"""Events of the trail; with its start and its checkpoints it has 51 records."""


@pytest.fixture
async def trail(tmp_path: Path) -> Trail:
    trail = Trail(tmp_path)
    await trail.write(WHOLE)
    return trail


def changed(line: bytes, old: bytes, new: bytes) -> bytes:
    assert old in line
    return line.replace(old, new, 1)


def relinked(lines: list[bytes], signer: CheckpointKey | None = None) -> list[bytes]:
    """The whole chain made anew over changed records, as somebody without the key could do it."""
    chain, made = Chain("0123456789abcdef"), []
    for line in lines:
        record = json.loads(line)
        signature = record.get("signature")
        kept = {name: value for name, value in record.items() if name not in {"schema", "chain", "sequence", "hash"}}
        for name in ("previous", "signature"):
            kept.pop(name, None)
        if signature is None or signer is not None:
            made.append(chain.link(kept, signer if signature is not None else None))
            continue
        bare = chain.link(kept)[:-1]
        body = bare[: bare.rindex(b',"hash":"')] + b',"signature":"' + signature.encode() + b'"'
        chain.previous = sha256(body).hexdigest()
        made.append(body + b',"hash":"' + chain.previous.encode() + b'"}\n')
    return made


def test_a_trail_that_nobody_touched_is_whole_and_signed_to_its_end(trail: Trail) -> None:
    result = trail.verify()
    (chain,) = result.chains.values()

    assert (1, len(trail.lines), len(trail.lines)) == (chain.first, chain.last, chain.signed)
    assert (0, "", []) == (result.unsigned, result.torn, result.notes)


Deed = Callable[[list[bytes]], list[bytes]]
DEEDS: dict[str, tuple[Deed, str]] = {
    "a changed byte": (
        lambda lines: [*lines[:20], changed(lines[20], b'"ada"', b'"eve"'), *lines[21:]],
        "audit.jsonl:21: record 21 behind record 20 is not as it was written",
    ),
    "a changed byte in the last record": (
        lambda lines: [*lines[:-1], changed(lines[-1], b"pod-1", b"pod-2")],
        "record 51 behind record 50 is not as it was written",
    ),
    "a hash made anew for a changed record": (
        lambda lines: [*lines[:20], _rehashed(changed(lines[20], b'"ada"', b'"eve"')), *lines[21:]],
        "audit.jsonl:22: record 22 does not continue record 21",
    ),
    "a removed record": (lambda lines: [*lines[:20], *lines[21:]], "audit.jsonl:21: missing before it: record 21"),
    "several removed records": (
        lambda lines: [*lines[:20], *lines[30:]],
        "audit.jsonl:21: missing before it: record 21 to 30",
    ),
    "a removed beginning": (lambda lines: lines[7:], "the records before 8 are missing"),
    "a swapped pair": (
        lambda lines: [*lines[:20], lines[21], lines[20], *lines[22:]],
        "audit.jsonl:22: record 21 was moved: record 22 stands before it at audit.jsonl:21",
    ),
    "a repeated record": (
        lambda lines: [*lines[:21], lines[20], *lines[21:]],
        "audit.jsonl:22: record 21 stands behind record 21: moved or repeated",
    ),
    "a cut in the middle of a line": (
        lambda lines: [*lines[:20], lines[20][:100], *lines[21:]],
        "audit.jsonl:21: record 21 behind record 20 is not as it was written",
    ),
    "a foreign line": (
        lambda lines: [*lines[:20], b"something else\n", *lines[20:]],
        "audit.jsonl:21: record behind record 20 is not as it was written",
    ),
    "a cut tail": (lambda lines: lines[:30], "the trail ends at record 30, and the second place has checkpoint"),
    "a cut tail, back to a checkpoint": (
        lambda lines: lines[: 1 + max(n for n, line in enumerate(lines[:-1]) if b'"audit.checkpoint"' in line)],
        "and the second place has checkpoint 51: it was cut or replaced",
    ),
    "a forged checkpoint": (
        lambda lines: relinked([changed(line, b'"ada"', b'"eve"') if n == 3 else line for n, line in enumerate(lines)]),
        "the signature of checkpoint 11 is none of the known keys'",
    ),
    "a forged checkpoint under another key": (
        lambda lines: relinked(lines, CheckpointKey.derived("z" * 32)),
        "the signature of checkpoint 11 is none of the known keys'",
    ),
    "a trail without checkpoints": (
        lambda lines: relinked([line for line in lines if b'"audit.checkpoint"' not in line]),
        "the trail was restarted or replaced",
    ),
    "nothing at all": (lambda lines: [], "there is no record at all"),
}


def _rehashed(line: bytes) -> bytes:
    body = line[: line.rindex(b',"hash":"')]
    return body + b',"hash":"' + sha256(body).hexdigest().encode() + b'"}\n'


@pytest.mark.parametrize("deed", DEEDS)
def test_what_was_done_to_a_trail_is_found_and_named(trail: Trail, deed: str) -> None:
    do, said = DEEDS[deed]
    trail.replace(do(trail.lines))

    with pytest.raises(BrokenError) as found:
        trail.verify()
    assert said in str(found.value)


@pytest.mark.parametrize("number", range(0, 51, 5))
async def test_every_byte_counts(trail: Trail, number: int) -> None:
    """One byte of a record, wherever it stands in the line."""
    lines = trail.lines
    for place in range(0, len(lines[number]) - 1, 17):
        line = bytearray(lines[number])
        line[place] ^= 1
        trail.replace([*lines[:number], bytes(line), *lines[number + 1 :]])
        with pytest.raises(BrokenError):
            trail.verify(elsewhere=False)


async def test_an_older_copy_of_the_trail_is_found(trail: Trail) -> None:
    old = trail.lines
    await trail.write(5)
    trail.replace(old)

    with pytest.raises(BrokenError, match="the trail ends at record 51, and the second place has checkpoint 58"):
        trail.verify()


async def test_a_chain_that_begins_anew_is_found(trail: Trail) -> None:
    old = trail.lines
    trail.path.unlink()
    await trail.write(5)
    with pytest.raises(BrokenError, match="which is not here: the trail was restarted or replaced"):
        trail.verify()

    trail.replace([*old, *trail.lines])
    with pytest.raises(BrokenError, match=r"audit.jsonl:52: a chain begins anew"):
        trail.verify(elsewhere=False)


async def test_a_trail_that_was_written_twice_is_found(trail: Trail) -> None:
    """Set back and continued under the true key: the second place has heard another story."""
    old = trail.lines
    await trail.write(5)
    trail.replace(old)
    trail.clock.time += 5
    await trail.write(5)

    with pytest.raises(BrokenError, match="checkpoint 58 is not the one that was written to the second place"):
        trail.verify()


async def test_what_a_crash_tore_in_the_second_place_is_passed_over(trail: Trail) -> None:
    lines = trail.witness.read_bytes().splitlines(keepends=True)
    trail.witness.write_bytes(b"".join([*lines[:-1], lines[-1][:-40]]))
    await trail.write(5)

    assert 0 == trail.verify().unsigned
    assert len(lines) + 1 == len(trail.witness.read_bytes().splitlines())


async def test_a_forged_second_place_is_found(trail: Trail) -> None:
    lines = trail.witness.read_bytes().splitlines(keepends=True)
    trail.witness.write_bytes(b"".join([lines[0], _rehashed(changed(lines[1], b"pod-1", b"pod-2"))]))

    with pytest.raises(BrokenError, match="a checkpoint that is forged"):
        trail.verify()


def test_a_checkpoint_s_signature_is_worth_nothing_in_another_place(trail: Trail) -> None:
    lines = trail.lines
    first, second = [n for n, line in enumerate(lines) if b'"audit.checkpoint"' in line][:2]
    links = [read_link(lines[number].rstrip()) for number in (first, second)]
    signatures = [link.signed[1].encode() for link in links if link is not None]
    lines[second] = _rehashed(changed(lines[second], signatures[1], signatures[0]))
    trail.replace(lines[: second + 1])

    with pytest.raises(BrokenError, match=f"the signature of checkpoint {second + 1}"):
        trail.verify(elsewhere=False)


async def test_an_end_that_is_not_signed_yet_is_said(trail: Trail) -> None:
    trail.replace(trail.lines[:-3])

    result = trail.verify(elsewhere=False)
    assert (4, "") == (result.unsigned, result.torn)


async def test_a_last_line_that_breaks_off_is_named(trail: Trail) -> None:
    lines = trail.lines
    trail.replace([*lines[:-1], lines[-1][:-20]])

    assert "audit.jsonl:51" == trail.verify(elsewhere=False).torn
    with pytest.raises(BrokenError, match="it was cut or replaced"):
        trail.verify()


def test_a_part_may_begin_in_the_middle_if_that_is_asked_for(trail: Trail) -> None:
    trail.replace(trail.lines[7:])

    (chain,) = trail.verify(part=True).chains.values()
    assert (8, 51) == (chain.first, chain.last)


def test_collected_output_may_hold_many_chains_and_other_lines() -> None:
    lines = []
    for name in ("a" * 16, "b" * 16):
        writer = form(Chain(name))
        lines.append([writer.line(Told(event(n), UnixSeconds(NOON))) for n in range(5)])
        lines[-1].append(writer.checkpoint(UnixSeconds(NOON)))
    mixed = [Line("log", line) for pair in zip(*lines, strict=True) for line in (b"INFO hello\n", *pair)]

    result = Verifier(KEYS, many=True).run(mixed)
    assert [(6, 6), (6, 6)] == [(chain.last, chain.signed) for chain in result.chains.values()]
    del mixed[4]
    with pytest.raises(BrokenError, match="missing before it: record 2"):
        Verifier(KEYS, many=True).run(mixed)


def produced(count: int) -> Iterator[Line]:
    writer = form(Chain("0" * 16), records=1000)
    for number in range(count):
        yield Line("", writer.line(Told(event(number), UnixSeconds(NOON))))
        if writer.is_due(UnixSeconds(NOON)):
            yield Line("", writer.checkpoint(UnixSeconds(NOON)))


def test_memory_does_not_grow_with_the_trail() -> None:
    """Nothing is kept of what was read."""
    peaks = []
    for count in (1000, 20_000):
        tracemalloc.start()
        result = Verifier(KEYS).run(produced(count))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()

    assert 20_020 == result.chains["0" * 16].records
    assert peaks[1] < peaks[0] + 100_000
