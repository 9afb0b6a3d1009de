"""The spool: what is written is read, in order, by whoever comes, until it is taken; and it stays within its bound."""

import errno
import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.producers.litellm import spool as module
from streams.producers.litellm.spool import Spool, SpoolFull

MEGABYTE = 1024 * 1024


def line(n: int) -> bytes:
    return b'{"n":%d}' % n


def rest(spool: Spool) -> list[bytes]:
    """Everything that waits, taken."""
    lines = []
    while (batch := spool.batch(7, MEGABYTE)) is not None:
        lines += batch.lines
        spool.taken(batch)
    return lines


def files(directory: Path) -> list[Path]:
    return sorted(directory.rglob("*.ndjson"))


def test_lines_are_read_in_order_and_gone_when_taken(tmp_path: Path) -> None:
    spool = Spool(tmp_path, MEGABYTE)
    spool.append([line(n) for n in range(10)])
    spool.append([line(10)])
    assert rest(spool) == [line(n) for n in range(11)]
    assert (spool.bytes, files(tmp_path)) == (0, [])


def test_what_is_not_taken_is_read_again(tmp_path: Path) -> None:
    spool = Spool(tmp_path, MEGABYTE)
    spool.append([line(1), line(2)])
    first, again = spool.batch(1, MEGABYTE), spool.batch(1, MEGABYTE)
    assert first is not None
    assert again is not None
    assert first.lines == again.lines == [line(1)]


def test_a_batch_is_bounded_in_bytes_and_has_at_least_one_line(tmp_path: Path) -> None:
    spool = Spool(tmp_path, MEGABYTE)
    spool.append([b'{"a":"' + b"x" * 1000 + b'"}', line(2), line(3)])
    batch = spool.batch(10, 100)
    assert batch is not None
    assert len(batch.lines) == 1


def test_others_take_over_what_a_process_left(tmp_path: Path) -> None:
    spool = Spool(tmp_path, MEGABYTE)
    spool.append([line(1), line(2)])
    spool.close()
    heir = Spool(tmp_path, MEGABYTE)
    assert rest(heir) == [line(1), line(2)]
    heir.close()
    assert list(tmp_path.iterdir()) == []


def test_nobody_takes_what_another_holds(tmp_path: Path) -> None:
    spool, other = Spool(tmp_path, MEGABYTE), Spool(tmp_path, MEGABYTE)
    spool.append([line(1)])
    assert (other.adopt(), rest(other)) == (0, [])
    spool.close()
    assert other.adopt() > 0
    assert rest(other) == [line(1)]


def test_the_child_of_a_fork_holds_nothing_of_its_parent(tmp_path: Path) -> None:
    """Else what a parent left could not be taken over while a child lives."""
    spool = Spool(tmp_path, MEGABYTE)
    spool.append([line(1)])
    forgotten, said = os.pipe()
    child = os.fork()
    if child == 0:
        spool.forget()
        os.write(said, b"x")
        signal.pause()
    try:
        os.read(forgotten, 1)
        spool.close()
        assert rest(Spool(tmp_path, MEGABYTE)) == [line(1)]
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(forgotten)
        os.close(said)


_WRITER = """
import os, sys
from pathlib import Path
from streams.producers.litellm.spool import Spool
spool = Spool(Path(sys.argv[1]), 1 << 20)
spool.append([b'{"n":%d}' % n for n in range(100)])
if sys.argv[2] == "torn":
    os.write(spool._descriptor, b'{"n":1')
os.kill(os.getpid(), 9)
"""


@pytest.mark.parametrize("how", ["whole", "torn"])
def test_lines_survive_kill_9(tmp_path: Path, how: str) -> None:
    ended = subprocess.run([sys.executable, "-c", _WRITER, str(tmp_path), how], check=False)
    assert ended.returncode == -9
    heir = Spool(tmp_path, MEGABYTE)
    assert rest(heir) == [line(n) for n in range(100)]
    assert heir.damaged == (how == "torn")
    heir.close()
    assert files(tmp_path) == []


def test_it_takes_no_more_than_it_may(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 20)
    spool.append([line(1), line(2)])
    with pytest.raises(SpoolFull):
        spool.append([line(3)])
    assert rest(spool) == [line(1), line(2)]
    spool.append([line(4)])
    assert rest(spool) == [line(4)]


def test_a_write_that_breaks_off_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = Spool(tmp_path, MEGABYTE)
    spool.append([line(1)])
    write, calls = os.write, []

    def full(descriptor: int, text: bytes) -> int:
        calls.append(text)
        if len(calls) == 1:
            return write(descriptor, text[:3])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module.os, "write", full)
    with pytest.raises(OSError, match="No space"):
        spool.append([line(2)])
    monkeypatch.undo()
    spool.append([line(3)])
    assert rest(spool) == [line(1), line(3)]


def test_segments_go_as_soon_as_they_are_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SEGMENT_BYTES", 16)
    spool = Spool(tmp_path, MEGABYTE)
    for n in range(10):
        spool.append([line(n)])
    count = len(files(tmp_path))
    assert count >= 5
    batch = spool.batch(100, MEGABYTE)
    assert batch is not None
    spool.taken(batch)
    assert len(files(tmp_path)) == count - 1
    assert rest(spool) == [line(n) for n in range(len(batch.lines), 10)]


def test_a_file_that_somebody_removed_holds_nothing_up(tmp_path: Path) -> None:
    spool = Spool(tmp_path, MEGABYTE)
    spool.append([line(1)])
    files(tmp_path)[0].unlink()
    spool._end_segment()
    spool.append([line(2)])
    assert (rest(spool), spool.damaged, spool.bytes) == ([line(2)], 1, 0)


def test_nobody_else_may_read_it(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", MEGABYTE)
    spool.append([line(1)])
    spool.set_aside(line(2))
    modes = {path.stat().st_mode & 0o077 for path in (tmp_path / "spool").rglob("*")}
    assert modes == {0}


def test_what_is_set_aside_is_kept_within_the_bound(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 20)
    assert [spool.set_aside(line(n)) for n in range(4)] == [True, True, False, False]
    assert (tmp_path / "refused.ndjson").read_bytes() == line(0) + b"\n" + line(1) + b"\n"


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(["append", "batch", "taken", "restart"]), max_size=40), st.integers(10, 60))
def test_whatever_happens_every_line_is_read_until_it_is_taken(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str], segment: int
) -> None:
    directory = tmp_path_factory.mktemp("spool")
    before, module.SEGMENT_BYTES = module.SEGMENT_BYTES, segment  # type: ignore[misc]
    try:
        spool = Spool(directory, MEGABYTE)
        waiting: list[bytes] = []
        batch = None
        for n, step in enumerate(steps):
            if step == "append":
                spool.append([line(n), line(n)])
                waiting += [line(n), line(n)]
            elif step == "batch":
                batch = spool.batch(3, MEGABYTE)
                assert (batch is None) == (not waiting)
            elif step == "taken" and batch is not None:
                spool.taken(batch)
                for taken in batch.lines:
                    waiting.remove(taken)
                batch = None
            elif step == "restart":
                spool.close()
                # What was taken of a segment that was not finished is read again: its receiver knows it.
                spool, batch = Spool(directory, MEGABYTE), None
                waiting = sorted(b"".join(path.read_bytes() for path in files(directory)).splitlines())
        assert sorted(rest(spool)) == sorted(waiting)
        assert spool.bytes == 0
    finally:
        module.SEGMENT_BYTES = before  # type: ignore[misc]


def test_a_folder_that_another_process_takes_for_left_behind_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, hold, taken = Spool(tmp_path, MEGABYTE), Spool._hold, []

    def held(spool: Spool, folder: Path) -> bool:
        if spool is not other and not taken:
            taken.append(other.adopt())
        return hold(spool, folder)

    monkeypatch.setattr(Spool, "_hold", held)
    spool = Spool(tmp_path, MEGABYTE)
    assert taken
    spool.append([line(1)])
    assert rest(spool) == [line(1)]


def test_a_folder_whose_process_ends_while_it_is_looked_at_is_nobodys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, ending, flock = Spool(tmp_path, MEGABYTE), Spool(tmp_path, MEGABYTE), fcntl.flock

    def locked(descriptor: int, operation: int) -> None:
        monkeypatch.setattr(fcntl, "flock", flock)
        ending.close()
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", locked)
    assert other.adopt() == 0
    other.append([line(1)])
    assert rest(other) == [line(1)]
