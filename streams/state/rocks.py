"""The local store of a shard: one RocksDB a partition, all within one memory budget.

The store is a cache of the committed changelog, always a prefix of it: each transaction is applied in one WriteBatch
together with the changelog position behind it. So it may be lost, and the write-ahead log is never fsynced.
"""

import faulthandler
import shutil
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TypeVar, cast

from rocksdict import (
    BlockBasedOptions,
    Cache,
    DBCompressionType,
    Options,
    Rdict,
    WriteBatch,
    WriteBufferManager,
)

from streams.core import keys
from streams.core.store import Writes

__all__ = ["FORMAT", "RocksBudget", "RocksStore", "StoreUnusable", "StoreUnwritable"]

#: Version of everything a store holds: keys, value codecs and the position record. A store of another is rebuilt.
FORMAT: Final = 1

#: Longer than any store takes to open, at most 64 MB of write-ahead log included: it took 1.6 s with a million runs. What is
#: damaged has often damaged several stores, and each costs the worker this once.
_OPEN_SECONDS: Final = 10.0
_FORMAT_KEY: Final = b"\x00format"
_POSITION: Final = struct.Struct("<qq")
_T = TypeVar("_T")


class StoreUnusable(Exception):
    """The local files cannot be read; the store must be wiped and rebuilt from the changelog."""


class StoreUnwritable(Exception):
    """The directory of the store takes no files: it is read-only, full, or somebody else's. A person must mend that."""


class RocksBudget:
    """Memory that all stores of one process share: one block cache, and write buffers charged against one budget."""

    def __init__(self, block_cache_mb: int, write_buffer_mb: int) -> None:
        self.cache = Cache((block_cache_mb + write_buffer_mb) << 20)
        self.write_buffers = WriteBufferManager.new_write_buffer_manager_with_cache(
            write_buffer_mb << 20, False, self.cache
        )

    def options(self) -> Options:
        """Options of one store within this budget."""
        table = BlockBasedOptions()
        table.set_block_cache(self.cache)
        table.set_block_size(16 << 10)
        table.set_bloom_filter(10, False)
        # Index and filters inside the cache: otherwise they grow with the data, outside any budget.
        table.set_cache_index_and_filter_blocks(True)
        table.set_pin_l0_filter_and_index_blocks_in_cache(True)
        options = Options(raw_mode=True)
        options.create_if_missing(True)
        options.set_block_based_table_factory(table)
        options.set_write_buffer_manager(self.write_buffers)
        options.set_write_buffer_size(16 << 20)
        options.set_max_write_buffer_number(3)
        options.set_max_background_jobs(2)
        options.set_compression_type(DBCompressionType.lz4())
        options.set_level_compaction_dynamic_level_bytes(True)
        options.set_max_open_files(128)
        options.set_keep_log_file_num(2)
        options.set_max_total_wal_size(64 << 20)
        # Corruption must be seen at open, not read around: the changelog has everything.
        options.set_paranoid_checks(True)
        return options

    def usage_bytes(self) -> dict[str, int]:
        """Memory in use, by part."""
        return {"block_cache": self.cache.get_usage(), "memtables": self.write_buffers.get_usage()}


class RocksStore:
    """One shard's state on disk, as a :class:`streams.core.store.StateView` with batched writes.

    ``position`` is the changelog offset up to which the store holds everything, 0 for an empty one; ``written_ms`` the
    wall clock at its last write. Raises :class:`StoreUnusable` when the files cannot be opened, are of another format,
    or turn out to be corrupt, and :class:`StoreUnwritable` when none can be made.
    """

    def __init__(self, path: Path, budget: RocksBudget) -> None:
        self.path = path
        _writable(lambda: path.parent.mkdir(parents=True, exist_ok=True))
        self._db = _guarded(lambda: _open(path, budget))
        try:
            found = self.get(_FORMAT_KEY)
            position = self.get(keys.POSITION)
        except StoreUnusable:
            self._db.close()
            raise
        if found is None and position is None:
            self._db.put(_FORMAT_KEY, b"%d" % FORMAT)
        elif found != b"%d" % FORMAT:
            self._db.close()
            raise StoreUnusable(f"format {(found or b'none').decode()}, expected {FORMAT}")
        self.position, self.written_ms = _POSITION.unpack(position) if position else (0, 0)

    def get(self, key: bytes) -> bytes | None:
        """The value of a key, or None."""
        return cast("bytes | None", _guarded(lambda: self._db.get(key)))

    def range(self, start: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Pairs with ``start <= key < end``, in order of key."""
        pairs = _guarded(lambda: self._db.items(from_key=start))
        while True:
            pair = cast("tuple[bytes, bytes] | None", _guarded(lambda: next(pairs, None)))
            if pair is None or pair[0] >= end:
                return
            yield pair

    def write(self, writes: Writes, position: int, now_ms: int) -> None:
        """Apply one transaction's changes and the changelog position behind it, all or nothing."""
        batch = WriteBatch(raw_mode=True)
        put, delete = batch.put, batch.delete
        for key, value in writes.items():
            if value is None:
                delete(key)
            else:
                put(key, value)
        put(keys.POSITION, _POSITION.pack(position, now_ms))
        _guarded(lambda: self._db.write(batch))
        self.position, self.written_ms = position, now_ms

    def close(self) -> None:
        """Close the files and release their lock."""
        self._db.close()

    @staticmethod
    def wipe(path: Path) -> None:
        """Delete a store's files."""
        shutil.rmtree(path, ignore_errors=True)
        _mark(path).unlink(missing_ok=True)


def _mark(path: Path) -> Path:
    """The file that stands beside a store while it is being opened."""
    return path.with_name(f"{path.name}.opening")


def _open(path: Path, budget: RocksBudget) -> Rdict:
    """Open a store, but not one whose last opening never came to an end.

    Some corrupt files make RocksDB loop for ever, inside C++ and with the interpreter's lock held. Then the process ends
    itself, and whoever starts it again finds the mark and rebuilds the store instead of opening it once more.
    """
    mark = _mark(path)
    if mark.exists():
        raise StoreUnusable("its last opening did not end")
    _writable(mark.touch)
    # The only timer that runs without the interpreter's lock.
    faulthandler.dump_traceback_later(_OPEN_SECONDS, exit=True)
    try:
        return Rdict(str(path), options=budget.options())
    finally:
        faulthandler.cancel_dump_traceback_later()
        mark.unlink(missing_ok=True)


def _writable(make: Callable[[], object]) -> None:
    try:
        make()
    except OSError as error:
        raise StoreUnwritable(error.strerror or str(error)) from error


def _guarded(call: Callable[[], _T]) -> _T:
    """Run a RocksDB call; corruption becomes :class:`StoreUnusable`, anything else (a full disk) stays as it is."""
    try:
        return call()
    except Exception as error:
        text = str(error)
        if any(sign in text for sign in ("Corruption", "No such file", "Invalid argument", "bad magic", "checksum")):
            raise StoreUnusable(text) from error
        raise
