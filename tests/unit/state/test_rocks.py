"""The store on disk: the same answers as the one in memory, a position, and files it will not trust."""

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from rocksdict import Options, Rdict

from streams.core import keys
from streams.core.engine import Chunk, Engine, EngineParams
from streams.core.pseudonyms import Pseudonyms
from streams.core.store import Writes
from streams.core.topics import USAGE
from streams.state import rocks
from streams.state.memory import MemoryStore
from streams.state.rocks import RocksBudget, RocksStore, StoreUnusable
from tests.engine_runs import DECODER, HOUR, KEY, MONDAY, NOW, partition_for, usage


@pytest.fixture(scope="module")
def budget() -> RocksBudget:
    """Little memory, shared by all stores of this module."""
    return RocksBudget(4, 4)


class Files:
    """The files of one shard's store, opened at most once at a time."""

    def __init__(self, path: Path, budget: RocksBudget) -> None:
        self.path = path
        self._budget = budget
        self._store: RocksStore | None = None

    def open(self) -> RocksStore:
        """Open the store, having closed it if it was open."""
        self.close()
        self._store = RocksStore(self.path, self._budget)
        return self._store

    def close(self) -> None:
        """Close it if it is open."""
        store, self._store = self._store, None
        if store is not None:
            store.close()


@pytest.fixture
def files(tmp_path: Path, budget: RocksBudget) -> Iterator[Files]:
    """A place for a store, whose directories do not exist yet."""
    files = Files(tmp_path / "shards" / "shard-0", budget)
    yield files
    files.close()


def pairs(store: RocksStore, start: bytes = b"\x01", end: bytes = b"\xff\xff") -> list[tuple[bytes, bytes]]:
    """A range as a list."""
    return list(store.range(start, end))


def test_a_new_store_is_empty_at_position_zero(files: Files) -> None:
    """Its directories are made; also after it was opened and never written."""
    for _ in range(2):
        store = files.open()
        assert (store.position, store.written_ms, pairs(store), store.get(b"a")) == (0, 0, [], None)


def test_what_is_written_is_there_after_opening_again(files: Files) -> None:
    """Values, deletions, the changelog position and the time, together."""
    store = files.open()
    store.write({b"a": b"1", b"b": b"2", b"c": b""}, 17, 1_000)
    store.write({b"a": None, b"b": b"3", b"x": None}, 23, 2_000)
    for _ in range(2):
        assert pairs(store) == [(b"b", b"3"), (b"c", b"")]
        assert (store.position, store.written_ms) == (23, 2_000)
        assert (store.get(b"a"), store.get(b"c")) == (None, b"")
        store = files.open()


def test_a_write_without_changes_moves_the_position(files: Files) -> None:
    """Commit markers take offsets of the changelog too."""
    files.open().write({}, 5, 1)
    assert files.open().position == 5


def test_both_stores_give_the_same_answers(files: Files) -> None:
    """For any writes, gets and ranges, keys of any bytes; what the core tests on one holds for the other."""
    random = Random(5)
    disk, memory = files.open(), MemoryStore()
    names = [b"w" + random.randbytes(random.choice([0, 1, 2])) for _ in range(60)]
    for step in range(150):
        changes: Writes = {random.choice(names): random.choice([None, random.randbytes(5)]) for _ in range(8)}
        disk.write(changes, step, step)
        memory.write(changes)
        if step % 50 == 49:
            disk = files.open()
        start, end = sorted([random.choice(names), random.choice(names)])
        assert pairs(disk, start, end) == list(memory.range(start, end))
        asked = random.choice(names)
        assert disk.get(asked) == memory.get(asked)


def test_an_engine_cannot_tell_the_stores_apart(files: Files) -> None:
    """The same effects, transaction by transaction, over a restart."""
    log = [usage(f"{number % 25}", MONDAY + number % 7 * HOUR, actor="a", run_id=f"{number}") for number in range(60)]
    disk, memory = files.open(), MemoryStore()
    for start in range(0, len(log), 10):
        chunk = Chunk(USAGE, 0, range(start, start + 10), log[start : start + 10], start + 10, start)
        drained = []
        for store in (disk, memory):
            engine = Engine(EngineParams(lateness_ms=0), store, DECODER, Pseudonyms(KEY), 0, partition_for)
            engine.step(chunk, NOW)
            drained.append(engine.drain())
        assert drained[0] == drained[1]
        disk.write(drained[0].writes, start + 10, NOW)
        memory.write(drained[1].writes)
        disk = files.open()
    assert pairs(disk) == sorted(memory.data.items())


def test_ranges_of_the_core_never_meet_the_stores_own_records(files: Files) -> None:
    """Position and format lie below every key of the state."""
    store = files.open()
    store.write({keys.META: b"{}"}, 1, 1)
    own = list(store.range(b"\x00", b"\x01"))
    assert sorted(key for key, _ in own) == [b"\x00format", keys.POSITION]
    assert [key for key, _ in pairs(store)] == [keys.META]


def test_a_range_may_be_read_while_the_store_is_written(files: Files) -> None:
    """It shows the state as it was when it began."""
    store = files.open()
    store.write({b"a": b"1", b"b": b"2"}, 1, 1)
    found = store.range(b"a", b"z")
    assert next(found) == (b"a", b"1")
    store.write({b"b": None, b"c": b"3"}, 2, 2)
    assert list(found) == [(b"b", b"2")]


# ----------------------------------------------------------------------------------------------------- unusable files


def test_a_store_of_another_format_is_unusable(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether older or newer; it is let go of, and usable again once wiped."""
    store = files.open()
    store.write({b"a": b"1"}, 9, 9)
    monkeypatch.setattr(rocks, "FORMAT", rocks.FORMAT + 1)
    files.close()
    for _ in range(2):
        with pytest.raises(StoreUnusable, match="format 1, expected 2"):
            files.open()
    RocksStore.wipe(files.path)
    assert files.open().position == 0


def test_a_store_without_a_format_is_unusable(files: Files) -> None:
    """Something wrote a position that did not write what every version of ours writes."""
    files.open()
    files.close()
    RocksStore.wipe(files.path)
    raw = Rdict(str(files.path), options=Options(raw_mode=True))
    raw.put(keys.POSITION, bytes(16))
    raw.close()
    with pytest.raises(StoreUnusable, match="format none"):
        files.open()


@pytest.mark.parametrize(
    ("pattern", "content"),
    [("CURRENT", b"nonsense"), ("CURRENT", b"MANIFEST-999999\n"), ("MANIFEST-*", b"nonsense")],
    ids=["garbled current", "missing manifest", "garbled manifest"],
)
def test_garbled_files_make_a_store_unusable(files: Files, pattern: str, content: bytes) -> None:
    """It is wiped and rebuilt then, not read around."""
    store = files.open()
    store.write({b"a": b"1"}, 9, 9)
    files.close()
    for file in files.path.glob(pattern):
        file.write_bytes(content)
    with pytest.raises(StoreUnusable):
        files.open()
    RocksStore.wipe(files.path)
    assert files.open().get(b"a") is None


def test_a_garbled_block_is_noticed_when_it_is_read(files: Files) -> None:
    """Opening reads little of a store; a damaged value is never handed out."""
    store = files.open()
    store.write({b"w%04d" % number: b"%d" % number * 200 for number in range(2_000)}, 9, 9)
    files.close()
    [table] = files.path.glob("*.sst")
    data = bytearray(table.read_bytes())
    for place in range(0, len(data) // 2, 500):
        data[place] ^= 0xFF
    table.write_bytes(data)
    with pytest.raises(StoreUnusable):
        pairs(files.open())
    with pytest.raises(StoreUnusable):
        files.open().get(b"w0001")


def test_a_store_that_is_open_elsewhere_is_not_unusable(files: Files, budget: RocksBudget) -> None:
    """Its lock will be free in a moment; wiping it would be wrong."""
    store = files.open()
    store.write({b"a": b"1"}, 9, 9)
    with pytest.raises(Exception, match=r"(?i)lock") as caught:
        RocksStore(files.path, budget)
    assert not isinstance(caught.value, StoreUnusable)
    assert store.get(b"a") == b"1"


def test_wiping_what_is_not_there_is_no_error(tmp_path: Path) -> None:
    """The rebuild begins the same way every time."""
    RocksStore.wipe(tmp_path / "nothing")


def test_memory_in_use_is_told_by_part(files: Files, budget: RocksBudget) -> None:
    """Write buffers grow with what is written; both parts are there to be shown."""
    store = files.open()
    before = budget.usage_bytes()
    store.write({b"w%d" % number: bytes(1_000) for number in range(1_000)}, 1, 1)
    after = budget.usage_bytes()
    assert set(after) == {"block_cache", "memtables"}
    assert after["memtables"] > before["memtables"]


def test_a_store_whose_opening_never_ended_is_not_opened_again(tmp_path: Path) -> None:
    """The mark of an opening that hung or was killed makes the store unusable, until it is wiped."""
    path = tmp_path / "shard-0"
    RocksStore(path, RocksBudget(1, 1)).close()
    (tmp_path / "shard-0.opening").touch()
    with pytest.raises(StoreUnusable, match="last opening"):
        RocksStore(path, RocksBudget(1, 1))
    RocksStore.wipe(path)
    RocksStore(path, RocksBudget(1, 1)).close()
    assert not (tmp_path / "shard-0.opening").exists()
