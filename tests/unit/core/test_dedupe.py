"""The memory of what was seen, layer by layer: fresh, sorted, packed in tails, sealed in pages, dropped."""

from collections.abc import Iterable
from random import Random

import pytest

from streams.core import dedupe
from streams.core.dedupe import Memory
from streams.core.store import Writes
from streams.state.memory import MemoryStore

HOUR = 3_600_000
DAY = 24 * HOUR
EXTREMES = [0, 1, (1 << 63) - 1, 1 << 63, (1 << 64) - 1]


def hashes(count: int, seed: int = 1) -> list[int]:
    """Different 64-bit hashes in no order."""
    random = Random(seed)
    return [random.getrandbits(64) for _ in range(count)]


class Kept:
    """A memory and the store it is written to; the watermark is the newest event's time."""

    def __init__(self, *, paired: bool = False, **params: int) -> None:
        self.store = MemoryStore()
        self.paired = paired
        self.params = {"horizon_ms": 4 * DAY, **params}
        self.reload()

    def reload(self) -> None:
        """Read it back, as after a restart."""
        self.memory = Memory(b"i", self.store, paired=self.paired, **self.params)

    def drain(self, now_ms: int = DAY) -> Writes:
        """One transaction."""
        writes: Writes = {}
        self.memory.drain(now_ms, now_ms, writes)
        self.store.write(writes)
        return writes

    def keep(self, members: Iterable[int], now_ms: int = DAY) -> Writes:
        """Add members, each paired with its lowest 16 bits, in one transaction."""
        for member in members:
            self.memory.fresh[member] = member & 0xFFFF if self.paired else 0
        return self.drain(now_ms)

    def known(self, members: list[int]) -> list[int]:
        """Those of the members that are known, in any layer, having checked their words."""
        found = {**self.memory.find(members), **self.memory.fresh}
        if self.paired:
            assert all(word == member & 0xFFFF for member, word in found.items())
        return [member for member in members if member in found]

    def records(self, kind: bytes) -> list[bytes]:
        """The state's records of one kind: ``t``, ``p`` or ``s``."""
        return [value for key, value in sorted(self.store.data.items()) if key.startswith(b"i" + kind)]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Layers that are full after a few members."""
    for name, size in (("_TAIL", 8), ("_PAGE", 8), ("_FRESH", 16), ("_MIDDLE", 64)):
        monkeypatch.setattr(dedupe, name, size)


# ------------------------------------------------------------------------------------------------- members and strangers


@pytest.mark.parametrize("paired", [False, True])
@pytest.mark.parametrize("capacity", [1, 7, 20, 100, 10_000])
@pytest.mark.usefixtures("small")
def test_members_are_known_in_every_layer_and_after_a_restart(capacity: int, paired: bool) -> None:
    """And no stranger is, at any time."""
    kept = Kept(paired=paired, capacity=capacity)
    members, strangers = [*EXTREMES, *hashes(400)], hashes(400, seed=2)
    random = Random(3)
    done = 0
    while done < len(members):
        step = random.choice([1, 3, 8, 16, 40])
        kept.keep(members[done : done + step])
        done = min(done + step, len(members))
        assert kept.known(members) == members[:done]
        assert kept.known(strangers) == []
        if random.random() < 0.3:
            kept.reload()
            assert kept.known(members) == members[:done]
            assert kept.known(strangers) == []
    assert len(kept.memory) == len(members)


def test_sizes_of_real_use_need_no_other_code() -> None:
    """One sealed segment of many pages, one open, at the sizes that production has."""
    kept = Kept(capacity=30_000)
    members = hashes(40_000)
    for start in range(0, len(members), 10_000):
        kept.keep(members[start : start + 10_000])
    assert len(kept.records(b"p")) == 4
    for _ in range(2):
        assert kept.known(members) == members
        assert kept.known(hashes(10_000, seed=2)) == []
        kept.reload()


def test_a_memory_that_holds_nothing_knows_nothing() -> None:
    """No members, no questions, no writes."""
    kept = Kept()
    assert kept.memory.find([]) == {}
    assert kept.memory.find(EXTREMES) == {}
    assert kept.drain() == {}
    assert len(kept.memory) == 0


def test_the_same_question_twice_in_a_chunk_is_answered_once() -> None:
    """Answers are by member."""
    kept = Kept(capacity=1)
    kept.keep([5, 6])
    assert list(kept.memory.find([5, 5, 7, 5])) == [5]


def test_what_was_not_drained_is_gone_after_a_restart() -> None:
    """A member is durable once the transaction is."""
    kept = Kept()
    kept.keep([1])
    kept.memory.fresh[2] = 0
    kept.reload()
    assert kept.known([1, 2]) == [1]


def test_memories_do_not_see_each_other() -> None:
    """Two prefixes in one store."""
    store = MemoryStore()
    for prefix in (b"i", b"r"):
        memory = Memory(prefix, store, horizon_ms=DAY, capacity=1)
        memory.fresh[prefix[0]] = 0
        writes: Writes = {}
        memory.drain(0, 0, writes)
        store.write(writes)
    for prefix in (b"i", b"r"):
        assert list(Memory(prefix, store, horizon_ms=DAY).find([ord("i"), ord("r")])) == [prefix[0]]


# -------------------------------------------------------------------------------------------------------- what it writes


@pytest.mark.parametrize(
    ("batches", "records"),
    [
        ([1], [1]),
        ([1, 0, 1], [1, 0, 1]),
        ([7], [1]),
        ([8], [1]),
        ([9], [2]),
        ([8, 1], [1, 1]),
        ([7, 1, 1], [1, 1, 1]),
        ([7, 2], [1, 2]),
        ([15], [2]),
        ([5, 20, 1], [1, 4, 1]),
    ],
)
@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.usefixtures("small")
def test_a_transaction_writes_one_record_a_tail_not_one_a_member(
    batches: list[int], records: list[int], restart: bool
) -> None:
    """Full tails are never written again, on either side of a restart."""
    kept, members = Kept(), hashes(100)
    written, done = [], 0
    for size in batches:
        written.append(len(kept.keep(members[done : done + size])))
        done += size
        if restart:
            kept.reload()
    assert written == records
    assert len(kept.records(b"t")) == -(-done // 8)
    assert kept.known(members) == members[:done]


@pytest.mark.usefixtures("small")
def test_sealing_replaces_tails_by_pages() -> None:
    """At the capacity; pages hold every member once, in order."""
    kept = Kept(capacity=40)
    kept.keep(hashes(39))
    assert (len(kept.records(b"t")), kept.records(b"p"), kept.records(b"s")) == (5, [], [])
    kept.keep(EXTREMES)
    assert (kept.records(b"t"), len(kept.records(b"s"))) == ([], 1)
    data = b"".join(kept.records(b"p"))
    found = [int.from_bytes(data[at : at + 8], "little") for at in range(0, len(data), 8)]
    assert found == sorted([*hashes(39), *EXTREMES])
    assert 1 < len(kept.records(b"p")) <= 8


@pytest.mark.usefixtures("small")
def test_members_of_one_page_only_can_be_sealed() -> None:
    """Empty pages are not written, and asking for them finds nothing."""
    kept = Kept(capacity=32)
    members = list(range(64))
    kept.keep(members)
    assert len(kept.records(b"p")) == 1
    for _ in range(2):
        assert kept.known([*members, 64, 1 << 62, (1 << 64) - 1]) == members
        kept.reload()


@pytest.mark.parametrize(("age", "segments"), [(0, 0), (6 * HOUR, 0), (6 * HOUR + 1, 1)])
@pytest.mark.parametrize("restart", [False, True])
def test_a_segment_older_than_a_quarter_of_the_horizon_is_sealed(age: int, segments: int, restart: bool) -> None:
    """So that no more than a quarter more than the horizon is kept, however few members there are."""
    kept = Kept(horizon_ms=DAY)
    kept.keep([1], now_ms=10 * DAY)
    if restart:
        kept.reload()
    kept.keep([2], now_ms=10 * DAY + age)
    assert len(kept.records(b"s")) == segments
    assert kept.known([1, 2]) == [1, 2]


# ------------------------------------------------------------------------------------------------------ what it forgets


@pytest.mark.parametrize("restart", [False, True])
def test_members_are_known_for_the_horizon_and_then_deleted(restart: bool) -> None:
    """To the millisecond for a segment's newest member, which the others stay with; nothing of them is left."""
    kept = Kept(horizon_ms=DAY, capacity=2)
    kept.keep([1], now_ms=10 * DAY)
    kept.keep([2], now_ms=10 * DAY + HOUR)
    if restart:
        kept.reload()
    kept.drain(11 * DAY + HOUR)
    assert kept.known([1, 2]) == [1, 2]
    writes = kept.drain(11 * DAY + HOUR + 1)
    assert kept.known([1, 2]) == []
    assert set(writes.values()) == {None}
    assert kept.store.data == {}


def test_no_member_is_forgotten_within_the_horizon() -> None:
    """One member an hour for twenty days: what is younger than the horizon is always known, with little beyond it."""
    kept = Kept(horizon_ms=4 * DAY)
    for hour in range(20 * 24):
        kept.keep([hour], now_ms=hour * HOUR)
        if hour % 7 == 0:
            kept.reload()
        known = kept.known(list(range(hour + 1)))
        assert known[0] <= max(0, hour - 4 * 24)
        assert known == list(range(known[0], hour + 1))
        assert len(known) <= 4 * 24 + 24 + 2
        assert len(kept.records(b"s")) <= 5


@pytest.mark.usefixtures("small")
def test_beyond_its_bound_the_oldest_segment_goes_early() -> None:
    """The bound holds for all sealed members; the newest stay."""
    kept = Kept(capacity=10, max_members=45)
    members = hashes(200)
    for start in range(0, 200, 10):
        kept.keep(members[start : start + 10])
        assert len(kept.memory) <= 45
        kept.reload()
    assert kept.known(members) == members[160:]
    assert len(kept.records(b"s")) == 4


@pytest.mark.usefixtures("small")
def test_a_bound_below_the_capacity_does_not_forget_everything_at_once() -> None:
    """Segments are a quarter of the bound at most, and only the oldest of them goes."""
    kept = Kept(capacity=1 << 20, max_members=100)
    members = hashes(1_000)
    for start in range(0, 1_000, 5):
        kept.keep(members[start : start + 5])
        assert len(kept.memory) <= 100
        assert kept.known(members[: start + 5])[-70:] == members[max(0, start + 5 - 70) : start + 5]


@pytest.mark.usefixtures("small")
def test_memory_held_is_what_arrays_and_filters_take() -> None:
    """It grows with members and shrinks when they go."""
    kept = Kept(horizon_ms=DAY, capacity=1_000)
    empty = kept.memory.size_bytes
    kept.keep(hashes(500), now_ms=10 * DAY)
    held = kept.memory.size_bytes
    assert held - empty == 500 * 8 + (500 % 8) * 8
    kept.keep(hashes(500, seed=2), now_ms=10 * DAY)
    assert 0 < kept.memory.size_bytes < held
    kept.drain(12 * DAY)
    assert kept.memory.size_bytes == empty
