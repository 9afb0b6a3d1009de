"""The memory of :mod:`streams.core.dedupe` for who asks and adds by arrays: thousands of members at once, each with its word.

The open segment is a hash table in two arrays, with open addressing, behind a Bloom filter that fits the processor's cache. What is kept in the state, sealed and dropped is the same.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from streams.core.bloom import Bloom, Hashes
from streams.core.dedupe import Memory

__all__ = ["ArrayMemory", "Table"]

_SMALLEST_BITS: Final = 12

Found = npt.NDArray[np.bool_]


class Table:
    """64-bit keys, none of them 0, with a 64-bit word each; at most half full, doubled when it would be more."""

    def __init__(self) -> None:
        self._size = 0
        self._bits = _SMALLEST_BITS
        self._lines: Hashes = np.zeros((2, 1 << self._bits), np.uint64)

    def __len__(self) -> int:
        return self._size

    @property
    def size_bytes(self) -> int:
        """Memory held."""
        return int(self._lines.nbytes)

    @property
    def members(self) -> Hashes:
        """Keys and words, in no order."""
        return self._lines[:, self._lines[0] != 0]

    def find(self, keys: Hashes) -> tuple[Found, Hashes]:
        """For each key whether it is there, and its word, 0 where it is not."""
        found, words = np.zeros(len(keys), np.bool_), np.zeros(len(keys), np.uint64)
        places, slots = np.arange(len(keys)), self._slots(keys)
        while len(places):
            there = self._lines[0, slots]
            hits = there == keys
            found[places[hits]] = True
            words[places[hits]] = self._lines[1, slots[hits]]
            on = ~hits & (there != 0)
            places, keys, slots = places[on], keys[on], self._next(slots[on])
        return found, words

    def add(self, keys: Hashes, words: Hashes) -> None:
        """Add keys, all different, none of which is there yet."""
        self._size += len(keys)
        if self._size * 2 > 1 << self._bits:
            members = self.members
            self._bits = (self._size * 2 - 1).bit_length()
            self._lines = np.zeros((2, 1 << self._bits), np.uint64)
            self._put(members[0], members[1])
        self._put(keys, words)

    def _put(self, keys: Hashes, words: Hashes) -> None:
        slots = self._slots(keys)
        while len(keys):
            free = self._lines[0, slots] == 0
            # Of several that go for one slot the last one written has it, in both lines.
            self._lines[0, slots[free]] = keys[free]
            on = self._lines[0, slots] != keys
            self._lines[1, slots[~on]] = words[~on]
            keys, words, slots = keys[on], words[on], self._next(slots[on])

    def _slots(self, keys: Hashes) -> npt.NDArray[np.int64]:
        return (keys >> np.uint64(64 - self._bits)).astype(np.int64)

    def _next(self, slots: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        return (slots + 1) & ((1 << self._bits) - 1)


class ArrayMemory(Memory):
    """Members that one shard has seen within the horizon, each with a word; 0 is no member."""

    def _reset_open(self) -> None:
        super()._reset_open()
        self._table = Table()
        self._filter = Bloom(self._capacity)
        self._added: list[Hashes] = []

    @property
    def _waiting(self) -> int:
        return len(self._table)

    @property
    def size_bytes(self) -> int:
        """Memory held by arrays and filters."""
        return super().size_bytes + self._table.size_bytes + self._filter.size_bytes

    def known(self, hashes: Hashes) -> tuple[Found, Hashes]:
        """For each of the hashes whether it is a member, and its word, 0 where it is not."""
        found, words = np.zeros(len(hashes), np.bool_), np.zeros(len(hashes), np.uint64)
        open_ones = np.flatnonzero(self._filter.may_hold(hashes))
        found[open_ones], words[open_ones] = self._table.find(hashes[open_ones])
        for members, candidates in self._sealed_among(hashes):
            places = np.minimum(np.searchsorted(members[0], hashes[candidates]), members.shape[1] - 1)
            hits = members[0, places] == hashes[candidates]
            found[candidates[hits]] = True
            words[candidates[hits]] = members[1, places[hits]]
        return found, words

    def add(self, hashes: Hashes, words: Hashes) -> None:
        """Add members, all different, none of which is one yet."""
        self._filter.add(hashes)
        self._table.add(hashes, words)
        self._added.append(np.stack((hashes, words)))

    def _take_added(self) -> Hashes:
        added, self._added = self._added, []
        return np.concatenate(added, axis=1) if added else np.empty((2, 0), np.uint64)

    def _open_members(self) -> Hashes:
        members = self._table.members
        return members[:, np.argsort(members[0])]

    def _restore(self, members: Hashes) -> None:
        self._filter.add(members[0])
        self._table.add(members[0], members[1])
