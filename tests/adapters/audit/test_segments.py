"""adapters.audit.segments and begin: rotation, retention, restarts and crashes keep one chain; files are ours alone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sidecar.adapters.audit.chain import Chain
from sidecar.adapters.audit.pen import Pen
from sidecar.adapters.audit.record import Told
from sidecar.adapters.audit.segments import Limits, Segments
from sidecar.adapters.audit.verify import BrokenError
from sidecar.domain.events import Code
from sidecar.domain.identity import UnixSeconds
from tests.adapters.audit.trails import Trail, event, form
from tests.flows.fakes import NOON


async def test_a_chain_goes_on_over_restarts(tmp_path: Path) -> None:
    trail = Trail(tmp_path)
    for _ in range(3):
        await trail.write(5)

    result = trail.verify()
    assert (1, 0, []) == (len(result.chains), result.unsigned, result.notes)
    started = [record["facts"] for record in trail.records_told if record["code"] == "audit.started"]
    assert [{"chain": "new"}, *[{"chain": "continued", "signed": True}] * 2] == started


async def test_what_is_promised_went_through_to_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[tuple[int, int]] = []
    fsync = os.fsync

    def watched(file: int) -> None:
        fsync(file)
        synced.append((os.fstat(file).st_ino, os.fstat(file).st_size))

    monkeypatch.setattr(os, "fsync", watched)
    trail = Trail(tmp_path)
    log = trail.open()
    for number in range(3):
        await log.sure(event(number, Code.CHANGE_INTENDED))
        assert (trail.path.stat().st_ino, sum(map(len, trail.lines))) in synced
    await log.close()


async def test_segments_are_sealed_by_size_and_their_names_sort(tmp_path: Path) -> None:
    trail = Trail(tmp_path, limits=Limits(4096, 1 << 30, 1000, 1 << 30))
    for _ in range(4):
        await trail.write(20)
        trail.clock.time += 1

    sealed = trail.files[:-1]
    assert 4 <= len(sealed)
    assert "audit-000000000001-20270115T080000Z.jsonl" == sealed[0].name
    assert all(path.read_bytes().splitlines()[-1].find(b'"audit.checkpoint"') > 0 for path in sealed)
    assert 0 == trail.verify().unsigned
    assert all(0o600 == path.stat().st_mode & 0o777 for path in (*trail.files, trail.witness))


async def test_segments_are_sealed_by_age(tmp_path: Path) -> None:
    trail = Trail(tmp_path, limits=Limits(1 << 30, 3600, 1000, 1 << 30))
    await trail.write(3)
    trail.clock.time += 3600
    await trail.write(3)
    await trail.write(3)

    assert 2 == len(trail.files)
    assert 0 == trail.verify().unsigned


@pytest.mark.parametrize("limits", [Limits(2048, 1 << 30, 2, 1 << 30), Limits(2048, 1 << 30, 1000, 100)])
async def test_what_is_not_kept_is_named_before_it_is_deleted(tmp_path: Path, limits: Limits) -> None:
    trail = Trail(tmp_path, limits=limits)
    for _ in range(6):
        await trail.write(10)
        trail.clock.time += 60

    retired = [record["facts"] for record in trail.records_told if record["code"] == "audit.retired"]
    (chain,) = trail.verify().chains.values()
    assert chain.first > 1
    assert chain.first - 1 == retired[-1]["last"]
    assert retired[-1]["segments"][0].startswith("audit-0000")


async def test_nothing_is_deleted_before_its_name_is_written(tmp_path: Path) -> None:
    trail = Trail(tmp_path, limits=Limits(1, 1 << 30, 1, 1 << 30))
    segments = Segments(trail.path, trail.limits)
    now = trail.clock.now()
    pen = Pen(form(Chain("0" * 16)), segments, trail.clock, None, (b"", ()))
    for number in range(3):
        pen.render([Told(event(number), now)], now)
        pen.write(at_once=True)
        if number < 2:
            pen.turn_over(now)
            pen.write(at_once=True)
            pen.clear_away()
    kept = segments.sealed()
    pen.turn_over(now)
    pen.clear_away()
    assert kept[0].exists()
    pen.write(at_once=True)
    pen.clear_away()
    assert not kept[0].exists()
    segments.close()


async def test_a_segment_that_somebody_else_deleted_is_missed(tmp_path: Path) -> None:
    trail = Trail(tmp_path, limits=Limits(2048, 1 << 30, 1000, 1 << 30))
    for _ in range(4):
        await trail.write(10)
        trail.clock.time += 1
    first, second, *_ = trail.files
    second.rename(tmp_path / "hidden")
    with pytest.raises(BrokenError, match="missing before it: record"):
        trail.verify()

    (tmp_path / "hidden").rename(second)
    first.unlink()
    with pytest.raises(BrokenError, match=r"the records before .* are missing"):
        trail.verify()


@pytest.mark.parametrize("cut", [1, 2, 50, 200])
async def test_a_torn_last_line_is_said_in_a_record(tmp_path: Path, cut: int) -> None:
    trail = Trail(tmp_path)
    await trail.write(5)
    whole = trail.path.read_bytes()
    trail.path.write_bytes(whole[:-cut])
    torn = len(whole.splitlines()[-1]) + 1 - cut
    await trail.write(5)

    assert whole[:-cut] == trail.path.read_bytes()[: len(whole) - cut]
    result = trail.verify(elsewhere=False)
    gaps = [record["facts"] for record in trail.records_told if record["code"] == "audit.gap"]
    if cut == 1:
        # Nothing but the line break was missing.
        assert ([], []) == (gaps, result.notes)
    else:
        assert ("torn", torn + 1) == (gaps[0]["cause"], gaps[0]["bytes"])
        assert 1 == len(result.notes) and f"{torn + 1} bytes of a record that a crash tore" in result.notes[0]


async def test_damage_that_the_next_record_does_not_name_is_a_fault(tmp_path: Path) -> None:
    trail = Trail(tmp_path)
    await trail.write(5)
    trail.path.write_bytes(trail.path.read_bytes()[:-50])
    await trail.write(5)
    trail.path.write_bytes(trail.path.read_bytes().replace(b'"audit.checkpoint","time"', b'"audit.checkpoint","tame"'))

    with pytest.raises(BrokenError, match="is not as it was written"):
        trail.verify(elsewhere=False)


async def test_a_file_that_is_no_trail_is_moved_aside_and_never_continued(tmp_path: Path) -> None:
    trail = Trail(tmp_path)
    trail.path.write_text('{"schema":1,"code":"config.loaded"}\n')
    await trail.write(1)

    aside = tmp_path / "audit-aside-20270115T080000Z.jsonl"
    assert '{"schema":1,"code":"config.loaded"}\n' == aside.read_text()
    assert {"chain": "new", "aside": aside.name} == trail.records_told[0]["facts"]
    assert 0 == trail.verify().unsigned


async def test_a_crash_between_sealing_and_beginning_loses_nothing(tmp_path: Path) -> None:
    trail = Trail(tmp_path)
    await trail.write(5)
    trail.path.rename(tmp_path / "audit-000000000001-20270115T080000Z.jsonl")
    await trail.write(5)

    (chain,) = trail.verify().chains.values()
    assert (1, len(trail.lines)) == (chain.first, chain.last)


async def test_a_file_that_others_could_read_is_taken_from_them(tmp_path: Path) -> None:
    trail = Trail(tmp_path)
    trail.path.touch(mode=0o644)
    trail.path.chmod(0o644)
    await trail.write(1)

    assert 0o600 == trail.path.stat().st_mode & 0o777


def test_one_process_writes_a_trail(tmp_path: Path) -> None:
    first = Segments(tmp_path / "audit.jsonl", Limits(1, 1, 1, 1))
    with pytest.raises(BlockingIOError):
        Segments(tmp_path / "audit.jsonl", Limits(1, 1, 1, 1))
    first.close()
    Segments(tmp_path / "audit.jsonl", Limits(1, 1, 1, 1)).close()


def test_what_is_no_regular_file_of_ours_is_refused(tmp_path: Path) -> None:
    limits = Limits(1, 1, 1, 1)
    (tmp_path / "target").touch()
    (tmp_path / "link").symlink_to(tmp_path / "target")
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "pipe"):
        with pytest.raises(OSError):
            Segments(tmp_path / name, limits)


async def test_a_second_place_that_is_out_of_reach_stops_nothing(tmp_path: Path) -> None:
    trail = Trail(tmp_path)
    trail.witness.mkdir()
    await trail.write(5)
    trail.witness.rmdir()
    await trail.write(5)

    assert 0 == trail.verify().unsigned


def test_an_empty_file_is_never_full(tmp_path: Path) -> None:
    segments = Segments(tmp_path / "audit.jsonl", Limits(1, 1, 1, 1))
    assert not segments.is_full(UnixSeconds(NOON))
    segments.write(memoryview(b"x"))
    assert segments.is_full(UnixSeconds(NOON))
    segments.close()
