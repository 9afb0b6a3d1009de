"""The memory of what was seen against a plain set, through any sequence of transactions, restarts and days."""

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from streams.core import dedupe
from streams.core.dedupe import Memory
from streams.core.dedupe_arrays import ArrayMemory
from streams.core.store import Writes
from streams.state.memory import MemoryStore

HORIZON = 1_000
#: How far the watermark lies behind the newest event.
LATENESS = 10
#: The largest number of members that one transaction adds.
BATCH = 40


def member(number: int) -> int:
    """The hash of a number: a bijection of 64 bits, so that different members stay different."""
    number += 1  # 0 is no member of arrays
    number ^= number >> 31
    number = number * 0x9E3779B97F4A7C15 % (1 << 64)
    return number ^ number >> 29


def word(number: int) -> int:
    """The word that a member is paired with."""
    return member(number + 1)


class MemoryAgainstSet(RuleBasedStateMachine):
    """Adds members as the engine does (only what is not known), and asks after every step for all there ever were."""

    def __init__(self) -> None:
        super().__init__()
        self.patched = pytest.MonkeyPatch()
        self.store = MemoryStore()
        self.now = 0
        self.next = 0
        #: Members by number: when the transaction that made each durable took place; None for those not yet durable.
        self.added: dict[int, int | None] = {}

    @initialize(
        paired=st.booleans(),
        arrays=st.booleans(),
        capacity=st.sampled_from([1, 10, 64, 10_000]),
        max_members=st.sampled_from([100, 300, 10_000]),
        page=st.sampled_from([4, 16]),
        tail=st.sampled_from([4, 16]),
        fresh=st.sampled_from([8, 50]),
        middle=st.sampled_from([20, 100]),
    )
    def begin(
        self, *, paired: bool, arrays: bool, capacity: int, max_members: int, page: int, tail: int, fresh: int, middle: int,
    ) -> None:  # fmt: skip
        """Choose the kind of memory and the sizes of layers."""
        for name, size in (("_PAGE", page), ("_TAIL", tail), ("_FRESH", fresh), ("_MIDDLE", middle)):
            self.patched.setattr(dedupe, name, size)
        self.paired, self.capacity, self.max_members = paired or arrays, capacity, max_members
        self.kind = ArrayMemory if arrays else Memory
        self.load()

    def load(self) -> None:
        """A memory on what the store holds."""
        self.memory = self.kind(
            b"i", self.store, horizon_ms=HORIZON, paired=self.paired, capacity=self.capacity,
            max_members=self.max_members,
        )  # fmt: skip

    @precondition(lambda self: self.room())
    @rule(count=st.integers(1, BATCH), again=st.lists(st.integers(0, 10_000), max_size=5))
    def add(self, count: int, again: list[int]) -> None:
        """New members, and some of the old ones if they are forgotten."""
        again = [number % self.next for number in again[: self.room() - 1] if self.next]
        count = min(count, self.room() - len(again))
        numbers = [*range(self.next, self.next + count), *again]
        self.next += count
        known = self.known()
        for number in numbers:
            if number not in known:
                known.add(number)
                if isinstance(self.memory, ArrayMemory):
                    self.memory.add(np.array([member(number)], np.uint64), np.array([word(number)], np.uint64))
                else:
                    self.memory.fresh[member(number)] = word(number) if self.paired else 0
                self.added.pop(number, None)
                self.added[number] = None

    @rule(later=st.sampled_from([0, 1, 50, 300, 1_100]))
    def commit(self, later: int) -> None:
        """A transaction, some time after the last."""
        self.now += later
        writes: Writes = {}
        self.memory.drain(self.now, self.now - LATENESS, writes)
        self.store.write(writes)
        for number, at in self.added.items():
            if at is None:
                self.added[number] = self.now

    @precondition(lambda self: self.room())
    @rule(count=st.integers(1, BATCH), later=st.sampled_from([0, 1, 50, 300, 1_100]))
    def add_and_commit(self, count: int, later: int) -> None:
        """What a memory mostly does."""
        self.add(count, [])
        self.commit(later)

    @rule()
    def crash(self) -> None:
        """Undrained members are lost; all others are read back."""
        self.added = {number: at for number, at in self.added.items() if at is not None}
        self.load()

    def room(self) -> int:
        """How many more members the transaction takes."""
        return BATCH - sum(at is None for at in self.added.values())

    def known(self) -> set[int]:
        """Numbers that the memory knows, of all there ever were and of as many strangers."""
        asked = {member(number): number for number in range(2 * self.next + 10)}
        if isinstance(self.memory, ArrayMemory):
            there, words = self.memory.known(np.array([*asked], np.uint64))
            found = {each: said for each, yes, said in zip(asked, there.tolist(), words.tolist(), strict=True) if yes}
        else:
            found = {**self.memory.find(list(asked)), **self.memory.fresh}
        if self.paired:
            assert all(found[each] == word(asked[each]) for each in found)
        return {asked[each] for each in found}

    @invariant()
    def it_knows_what_it_must_and_nothing_that_it_was_not_told(self) -> None:
        """Every member within the horizon that the bound leaves room for; no stranger."""
        known = self.known()
        assert known <= set(self.added)
        # The bound drops the oldest segment, which is a quarter of the whole, and a transaction is added to it whole.
        room = self.max_members - self.max_members // 4 - BATCH
        oldest = self.now - LATENESS - HORIZON
        recent = {number for number, at in [*self.added.items()][-room:] if at is None or at >= oldest}
        assert known >= recent
        assert len(known) == len(self.memory) <= self.max_members + BATCH

    @invariant()
    def the_store_holds_no_more_than_the_memory(self) -> None:
        """Nothing is left behind by sealing and dropping: as many words as durable members, and times with each tail."""
        durable = len(self.memory) - sum(at is None for at in self.added.values())
        words = sum(len(value) - 16 * (key[1:2] == b"t") for key, value in self.store.data.items() if key[1:2] in b"tp")
        assert words == durable * (16 if self.paired else 8)

    def teardown(self) -> None:
        """Give the layers their sizes back."""
        self.patched.undo()


MemoryAgainstSet.TestCase.settings = settings(max_examples=60, stateful_step_count=40)
test_a_memory_knows_what_it_was_told_within_its_horizon = MemoryAgainstSet.TestCase
