"""Nothing acknowledged is lost, wherever a crash cuts; what is delivered is not sent again; the disk is bounded."""

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from streams.ingest.spool import Spool

PARCELS = st.lists(st.binary(max_size=300), min_size=1, max_size=12)


def drained(spool: Spool, max_bytes: int = 1 << 20) -> list[bytes]:
    """Everything unread, released as it comes."""
    found = []
    while batch := spool.read(max_bytes):
        found += batch.parcels
        spool.release(batch.end)
    return found


def files(directory: Path) -> list[Path]:
    return sorted(directory.glob("*.spool"))


def test_what_goes_in_comes_out_in_order_and_leaves_no_file(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 1 << 20)
    parcels = [b"a", b"", b"c" * 1_000]
    assert spool.append(parcels) == 3
    assert not spool.empty
    assert drained(spool) == parcels
    assert spool.empty
    assert (spool.size_bytes, spool.unread_bytes, spool.age_ms(), files(tmp_path)) == (0, 0, None, [])


def test_an_append_is_on_disk_before_it_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[int] = []
    monkeypatch.setattr(os, "fdatasync", lambda file: flushed.append(os.fstat(file).st_size))
    spool = Spool(tmp_path, 1 << 20)
    spool.append([b"a" * 500, b"b" * 500])
    assert flushed == [files(tmp_path)[0].stat().st_size]


@settings(max_examples=120, deadline=None)
@given(PARCELS, st.data())
def test_a_cut_anywhere_loses_nothing_that_was_appended_before_it(parcels: list[bytes], data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        spool = Spool(directory, 1 << 20)
        ends = []
        for parcel in parcels:
            spool.append([parcel])
            ends.append(files(directory)[0].stat().st_size)
        spool.close()
        (file,) = files(directory)
        cut = data.draw(st.integers(0, ends[-1]))
        os.truncate(file, cut)
        whole = [parcel for parcel, end in zip(parcels, ends, strict=True) if end <= cut]
        again = Spool(directory, 1 << 20)
        again.append([b"afterwards"])
        assert drained(again) == [*whole, b"afterwards"]


@settings(max_examples=120, deadline=None)
@given(PARCELS, st.data())
def test_a_damaged_byte_never_becomes_a_parcel(parcels: list[bytes], data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        spool = Spool(directory, 1 << 20)
        ends = []
        for parcel in parcels:
            spool.append([parcel])
            ends.append(files(directory)[0].stat().st_size)
        spool.close()
        (file,) = files(directory)
        content = bytearray(file.read_bytes())
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] ^= data.draw(st.integers(1, 255))
        file.write_bytes(content)
        again = Spool(directory, 1 << 20)
        found = drained(again)
        assert found == parcels[: len(found)]
        # The eight bytes that say when the file was begun are not checked: a wrong age loses nothing.
        assert len(found) == len(parcels) or len(found) >= sum(end <= place for end in ends)
        if not found:
            assert again.empty


def test_a_file_that_is_damaged_from_its_beginning_is_put_aside(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 1 << 20)
    spool.append([b"first"])
    spool.close()
    (file,) = files(tmp_path)
    file.write_bytes(b"x" + file.read_bytes()[1:])
    again = Spool(tmp_path, 1 << 20)
    assert again.empty
    assert [path.suffix for path in tmp_path.iterdir()] == [".damaged"]


def test_a_file_that_is_damaged_while_it_waits_is_put_aside_and_passed_over(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 1 << 20, segment_bytes=1)
    spool.append([b"first"])
    spool.append([b"second"])
    content = bytearray(files(tmp_path)[0].read_bytes())
    content[-1] ^= 1
    files(tmp_path)[0].write_bytes(content)
    assert drained(spool) == [b"second"]
    assert [path.suffix for path in tmp_path.iterdir()] == [".damaged"]


def test_what_was_not_released_comes_again(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 1 << 20, segment_bytes=1)
    spool.append([b"a"])
    spool.append([b"b"])
    batch = spool.read(1)
    assert batch is not None
    spool.release(batch.end)
    assert spool.read(1) is not None
    spool.rewind()
    assert drained(spool) == [b"b"]


def test_a_full_spool_takes_what_has_room_and_tells_how_many(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 2_000)
    assert spool.append([b"a" * 900, b"b" * 900, b"c" * 900]) == 2
    assert not spool.fits(900)
    assert spool.append([b"d" * 900]) == 0
    assert drained(spool) == [b"a" * 900, b"b" * 900]
    assert spool.append([b"d" * 900]) == 1
    assert spool.size_bytes <= 2_000


def test_a_write_that_fails_leaves_nothing_and_the_next_one_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(tmp_path, 1 << 20)
    spool.append([b"before"])
    with monkeypatch.context() as failing:
        failing.setattr(os, "fdatasync", lambda _file: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        with pytest.raises(OSError, match="No space"):
            spool.append([b"lost"])
        with pytest.raises(OSError, match="No space"):
            spool.append([b"lost, too"])
    spool.append([b"after"])
    assert drained(spool) == [b"before", b"after"]
    assert files(tmp_path) == []


def test_the_age_is_that_of_the_oldest_file(tmp_path: Path) -> None:
    now = [1_000]
    spool = Spool(tmp_path, 1 << 20, now_ms=lambda: now[0], segment_bytes=1)
    spool.append([b"a"])
    now[0] = 5_000
    spool.append([b"b"])
    assert spool.age_ms() == 4_000
    spool.close()
    assert Spool(tmp_path, 1 << 20, now_ms=lambda: 6_000).age_ms() == 5_000


class Queue(RuleBasedStateMachine):
    """Against a list: appended, read, released, rewound, crashed and opened again, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.spool = self.opened()
        self.held: list[bytes] = []
        self.read = 0
        self.batches: list[tuple[int, tuple[int, int]]] = []
        self.number = 0

    def opened(self) -> Spool:
        return Spool(Path(self.directory.name), 20_000, segment_bytes=700)

    @rule(sizes=st.lists(st.integers(0, 500), min_size=1, max_size=5))
    def append(self, sizes: list[int]) -> None:
        parcels = [b"%d:" % (self.number + place) + b"x" * size for place, size in enumerate(sizes)]
        self.number += len(sizes)
        self.held += parcels[: self.spool.append(parcels)]

    @rule(most=st.integers(1, 2_000))
    def take(self, most: int) -> None:
        batch = self.spool.read(most)
        assert (batch is None) == (self.read == len(self.held))
        if batch is not None:
            assert batch.parcels == self.held[self.read : self.read + len(batch.parcels)]
            self.read += len(batch.parcels)
            self.batches.append((self.read, batch.end))

    @precondition(lambda self: self.batches)
    @rule()
    def release(self) -> None:
        count, end = self.batches[-1]
        self.spool.release(end)
        left = self.spool_content()
        # Whole files go, so some that are delivered may stay, and none that is not goes.
        assert left == self.held[len(self.held) - len(left) :]
        assert len(left) >= len(self.held) - count
        gone = len(self.held) - len(left)
        self.held, self.read = left, self.read - gone
        self.batches = []

    @rule()
    def rewind(self) -> None:
        self.spool.rewind()
        self.read, self.batches = 0, []

    @rule(torn=st.binary(max_size=40))
    def crash(self, torn: bytes) -> None:
        """Kill -9, in the middle of a write."""
        self.spool.close()
        if found := files(Path(self.directory.name)):
            with found[-1].open("ab") as file:
                file.write(torn)
        self.spool = self.opened()
        self.read, self.batches = 0, []

    def spool_content(self) -> list[bytes]:
        return [parcel for file in files(Path(self.directory.name)) for parcel in _content(file)]

    @invariant()
    def what_it_says_of_itself_is_true(self) -> None:
        assert self.spool.empty == (not files(Path(self.directory.name)))
        assert self.spool.size_bytes == sum(file.stat().st_size for file in files(Path(self.directory.name)))
        assert self.spool.size_bytes <= 20_000 + 40 * 30  # torn writes are not ours to bound
        assert (self.spool.unread_bytes > 0) == (self.read < len(self.held))

    def teardown(self) -> None:
        self.spool.close()
        self.directory.cleanup()


def _content(file: Path) -> list[bytes]:
    with tempfile.TemporaryDirectory() as name:
        Path(name, file.name).write_bytes(file.read_bytes())
        return drained(Spool(Path(name), 1 << 20))


TestQueue = Queue.TestCase
TestQueue.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)


def test_what_lies_behind_damage_in_the_middle_is_kept_for_a_person(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 1 << 20)
    for parcel in (b"one" * 10, b"two" * 10, b"three" * 10):
        spool.append([parcel])
    spool.close()
    (file,) = tmp_path.glob("*.spool")
    content = file.read_bytes().replace(b"twotwo", b"twoTWO", 1)
    file.write_bytes(content)
    spool = Spool(tmp_path, 1 << 20)
    batch = spool.read(1 << 20)
    assert batch is not None
    assert batch.parcels == [b"one" * 10]
    spool.release(batch.end)
    (aside,) = tmp_path.iterdir()
    assert (aside.suffix, aside.read_bytes()) == (".damaged", content)
