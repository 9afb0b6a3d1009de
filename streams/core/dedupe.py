"""Memory of what was seen: exact, survives restarts, bounded by a horizon, without a lookup or a record per event.

Members are 64-bit hashes, each with one further 64-bit word where the memory is ``paired``. New ones go to an *open
segment*: a dict of the newest, below it two sorted arrays, and in the state packed tails of 4,096 members, so that a
transaction writes one record, not one per event. A full or old open segment is *sealed*: its members are written
sorted, cut into pages by their top bits, and a Bloom filter in memory stands before the pages. A segment whose newest
member is older than the horizon is dropped whole.

State records, under one prefix byte: ``<p>t<segment><sequence>`` a tail, ``<p>p<segment><page>`` a sealed page,
``<p>s<segment>`` a sealed segment's head.
"""

import struct
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from streams.core.bloom import Bloom, Hashes
from streams.core.store import StateView, Writes

__all__ = ["Memory"]

_TAIL: Final = 4_096
_PAGE: Final = 4_096
#: Pages of sealed segments kept at hand, of 32 or 64 KiB each: what repeats is often asked for again.
_MOST_PAGES: Final = 64
#: Members kept in the dict before they are sorted into the middle array, and there before they go to the main one:
#: each merge then moves at most 16 times what it adds.
_FRESH: Final = 16_384
_MIDDLE: Final = 262_144
_HEAD: Final = struct.Struct("<QBqq")
_TIMES: Final = struct.Struct("<qq")
_PLACE: Final = struct.Struct(">II")


class _Sealed(NamedTuple):
    number: int
    size: int
    page_bits: int
    newest_ms: int
    bloom: Bloom


class Memory:
    """The members one shard has seen within the horizon.

    ``fresh`` holds the newest members (hash to paired word, 0 where unpaired): the hot path asks and adds there, and
    asks :meth:`find` once a chunk about all older ones. What was added is durable once the writes of :meth:`drain` are.
    ``capacity`` bounds the open segment (8 or 16 bytes a member), ``max_members`` the whole memory: beyond it the
    oldest segment goes early. A segment is never more than a quarter of the whole, so that only the oldest goes.
    """

    def __init__(
        self, prefix: bytes, store: StateView, *, horizon_ms: int, paired: bool = False, capacity: int = 1 << 20,
        max_members: int = 50_000_000,
    ) -> None:  # fmt: skip
        self.fresh: dict[int, int] = {}
        self._prefix = prefix
        self._store = store
        self._horizon_ms = horizon_ms
        self._lines = 2 if paired else 1
        self._capacity = min(capacity, max_members // 4)
        self._max_members = max_members
        self._sealed: list[_Sealed] = []
        self._pages: dict[bytes, Hashes] = {}
        self._number = 0
        self._reset_open()
        self._load()

    def _reset_open(self) -> None:
        self._main: Hashes = np.empty((self._lines, 0), np.uint64)
        self._middle: Hashes = np.empty((self._lines, 0), np.uint64)
        self._tail: Hashes = np.empty((self._lines, 0), np.uint64)
        self._tail_number = 0
        self._drained = 0
        self._opened_ms = 0
        self._newest_ms = 0

    def __len__(self) -> int:
        return self._waiting + sum(segment.size for segment in self._sealed)

    @property
    def _waiting(self) -> int:
        return len(self.fresh) + int(self._middle.shape[1]) + int(self._main.shape[1])

    @property
    def size_bytes(self) -> int:
        """Memory held by arrays and filters (the dict of fresh members comes on top: about 100 bytes a member)."""
        filters = sum(segment.bloom.size_bytes for segment in self._sealed)
        return int(self._main.nbytes + self._middle.nbytes + self._tail.nbytes) + filters

    def find(self, hashes: list[int]) -> dict[int, int]:
        """Those of the hashes that are members older than ``fresh``, with their paired word."""
        found: dict[int, int] = {}
        # Sorted, each search begins where the last one ended: half the time of jumping about in millions of members.
        asked = np.sort(np.array(hashes, np.uint64))
        for members in (self._main, self._middle):
            found.update(_hits(members, asked))
        for members, candidates in self._sealed_among(asked):
            found.update(_hits(members, asked[candidates]))
        return found

    def _sealed_among(self, asked: Hashes) -> Iterator[tuple[Hashes, npt.NDArray[np.int64]]]:
        """The pages of sealed segments on which asked hashes may stand, each with the places of those in what was asked."""
        for segment in self._sealed:
            candidates = np.flatnonzero(segment.bloom.may_hold(asked))
            pages = _page_of(asked[candidates], segment.page_bits)
            for page in np.unique(pages):
                members = self._page(self._key(b"p", segment.number, int(page)))
                if members is not None:
                    yield members, candidates[pages == page]

    def _page(self, key: bytes) -> Hashes | None:
        """A page, which never changes once it is written; the one that was read first gives way."""
        members = self._pages.get(key)
        if members is None:
            data = self._store.get(key)
            if data is not None:
                if len(self._pages) >= _MOST_PAGES:
                    del self._pages[next(iter(self._pages))]
                members = self._pages[key] = self._unpack(data)
        return members

    def drain(self, newest_ms: int, watermark_ms: int, writes: Writes) -> None:
        """Write what was added since the last drain, none of it newer than ``newest_ms``; seal and drop what is due."""
        added = self._take_added()
        if added.shape[1]:
            if added.shape[1] == self._waiting:
                self._opened_ms = watermark_ms
            self._newest_ms = max(self._newest_ms, newest_ms)
            self._write_tails(added, writes)
        old = watermark_ms - self._opened_ms > self._horizon_ms // 4
        if self._waiting and (self._waiting >= self._capacity or old):
            self._seal(writes)
        while self._sealed and (
            watermark_ms - self._sealed[0].newest_ms > self._horizon_ms or len(self) > self._max_members
        ):
            self._drop(self._sealed.pop(0), writes)

    def _take_added(self) -> Hashes:
        """What was added since the last time, in the order it was."""
        added = self._packed(self._drained)
        self._drained = len(self.fresh)
        if self._drained >= _FRESH:
            self._sort_fresh()
        return added

    def _packed(self, start: int) -> Hashes:
        """The fresh members from the given one on, in the order they were added."""
        count = len(self.fresh) - start
        # From the newest backwards: forwards, those before them would have to be passed over at every drain.
        lines: list[Iterable[int]] = [reversed(self.fresh.keys()), reversed(self.fresh.values())]
        packed = np.empty((self._lines, count), np.uint64)
        for line in range(self._lines):
            packed[line] = np.fromiter(islice(lines[line], count), np.uint64, count)[::-1]
        return packed

    def _write_tails(self, added: Hashes, writes: Writes) -> None:
        tail = np.concatenate((self._tail, added), axis=1)
        times = _TIMES.pack(self._opened_ms, self._newest_ms)
        while tail.shape[1]:
            writes[self._key(b"t", self._number, self._tail_number)] = times + tail[:, :_TAIL].tobytes()
            if tail.shape[1] < _TAIL:
                break
            tail = tail[:, _TAIL:]
            self._tail_number += 1
        self._tail = tail.copy()

    def _sort_fresh(self) -> None:
        self._middle = _sorted(np.concatenate((self._middle, self._packed(0)), axis=1))
        self.fresh.clear()
        self._drained = 0
        if self._middle.shape[1] >= _MIDDLE:
            self._main = _sorted(np.concatenate((self._main, self._middle), axis=1))
            self._middle = self._middle[:, :0].copy()

    def _open_members(self) -> Hashes:
        """All members of the open segment, sorted."""
        if self.fresh:
            self._sort_fresh()
        return _sorted(np.concatenate((self._main, self._middle), axis=1))

    def _restore(self, members: Hashes) -> None:
        """Take members of the open segment back, after a restart."""
        self._main = _sorted(members)

    def _seal(self, writes: Writes) -> None:
        members = self._open_members()
        count = members.shape[1]
        page_bits = max(0, (count // _PAGE).bit_length() - 1)
        borders = np.searchsorted(_page_of(members[0], page_bits), np.arange((1 << page_bits) + 1))
        for page in range(1 << page_bits):
            part = members[:, borders[page] : borders[page + 1]]
            if part.shape[1]:
                writes[self._key(b"p", self._number, page)] = part.tobytes()
        writes[self._key(b"s", self._number, 0)] = _HEAD.pack(count, page_bits, self._opened_ms, self._newest_ms)
        for number in range(self._tail_number + 1):
            writes[self._key(b"t", self._number, number)] = None
        bloom = Bloom(count)
        bloom.add(members[0])
        self._sealed.append(_Sealed(self._number, count, page_bits, self._newest_ms, bloom))
        self._number += 1
        self._reset_open()

    def _drop(self, segment: _Sealed, writes: Writes) -> None:
        for page in range(1 << segment.page_bits):
            writes[self._key(b"p", segment.number, page)] = None
        writes[self._key(b"s", segment.number, 0)] = None

    def _load(self) -> None:
        for key, head in self._store.range(self._prefix + b"s", self._prefix + b"t"):
            number, _ = _PLACE.unpack_from(key, 2)
            count, page_bits, _, newest_ms = _HEAD.unpack(head)
            bloom = Bloom(count)
            for _, data in self._store.range(self._key(b"p", number, 0), self._key(b"p", number + 1, 0)):
                bloom.add(self._unpack(data)[0])
            self._sealed.append(_Sealed(number, count, page_bits, newest_ms, bloom))
            self._number = number + 1
        tails = []
        for key, data in self._store.range(self._prefix + b"t", self._prefix + b"u"):
            self._number, self._tail_number = _PLACE.unpack_from(key, 2)
            self._opened_ms, self._newest_ms = _TIMES.unpack_from(data)
            tails.append(self._unpack(data[_TIMES.size :]))
        if tails:
            self._restore(np.concatenate(tails, axis=1))
            if tails[-1].shape[1] == _TAIL:
                self._tail_number += 1
            else:
                self._tail = tails[-1].copy()

    def _key(self, kind: bytes, number: int, part: int) -> bytes:
        return self._prefix + kind + _PLACE.pack(number, part)

    def _unpack(self, data: bytes) -> Hashes:
        return np.frombuffer(data, np.uint64).reshape(self._lines, -1)


def _hits(members: Hashes, asked: Hashes) -> Iterator[tuple[int, int]]:
    """Those of the asked hashes that stand among sorted members, with their paired word."""
    keys = members[0]
    if not len(keys) or not len(asked):
        return iter(())
    places = np.minimum(np.searchsorted(keys, asked), len(keys) - 1)
    hits = places[keys[places] == asked]
    return zip(keys[hits].tolist(), members[-1][hits].tolist(), strict=True)


def _sorted(members: Hashes) -> Hashes:
    if len(members) == 1:
        return np.sort(members, axis=1)
    return members[:, np.argsort(members[0])]


def _page_of(hashes: Hashes, page_bits: int) -> npt.NDArray[np.int64]:
    if not page_bits:
        return np.zeros(len(hashes), np.int64)
    pages: npt.NDArray[np.int64] = (hashes >> np.uint64(64 - page_bits)).astype(np.int64)
    return pages
