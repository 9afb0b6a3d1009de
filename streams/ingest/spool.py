"""A bounded queue of parcels on disk: what keeps answered bodies while Kafka is away, and survives a kill -9.

Files of parcels, one behind the other; in each, every parcel is framed by its length and a checksum. Parcels are only
appended, and a file is deleted once all its parcels are delivered: nothing is ever written again in place. What an
unfinished write left behind ends a file, wherever it lies, and was never acknowledged. Not thread-safe.
"""

import os
import shutil
import struct
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

import structlog
import xxhash

__all__ = ["Batch", "Spool", "SpoolFull"]

log = structlog.get_logger(__name__)

_MAGIC: Final = b"assay-spool-1\n\0\0"
_HEADER: Final = struct.Struct(f"<{len(_MAGIC)}sQ")
#: Length of the parcel, checksum over that length and the parcel.
_FRAME: Final = struct.Struct("<IQ")
_LENGTH: Final = struct.Struct("<I")
#: A parcel is one body's records: bodies are smaller by far.
_MAX_PARCEL_BYTES: Final = 256 * 1024 * 1024
_SUFFIX: Final = ".spool"
_ASIDE: Final = ".damaged"
#: Small enough that little is sent twice after a crash, large enough that a gigabyte is not a thousand files.
_SEGMENT_BYTES: Final = 16 * 1024 * 1024


class SpoolFull(Exception):
    """There is no room for another parcel."""


class Batch(NamedTuple):
    """Parcels read from the head, and what to give to :meth:`Spool.release` once all are delivered."""

    parcels: list[bytes]
    end: tuple[int, int]


class _Segment:
    """One file: ``end`` is behind its last whole parcel."""

    __slots__ = ("began_ms", "end", "number", "path", "size")

    def __init__(self, path: Path, number: int, began_ms: int, end: int, size: int) -> None:
        self.path = path
        self.number = number
        self.began_ms = began_ms
        self.end = end
        self.size = size


class Spool:
    """The queue in a directory, which must be nobody else's. Opening reads what an earlier process left there.

    Raises OSError where the disk fails; a parcel whose append raised is not in the queue, and may be appended again.
    """

    def __init__(
        self,
        directory: Path,
        max_bytes: int,
        *,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        segment_bytes: int = _SEGMENT_BYTES,
    ) -> None:
        self._directory = directory
        self._max_bytes = max_bytes
        self._now_ms = now_ms
        self._segment_bytes = segment_bytes
        self._file: int | None = None
        directory.mkdir(parents=True, exist_ok=True)
        self._segments = deque(_recovered(directory))
        self._next = max((segment.number for segment in self._segments), default=0) + 1
        for segment in [segment for segment in self._segments if segment.end <= _HEADER.size]:
            # Begun and not filled, or not ours to judge.
            (self._delete if segment.end or segment.size < _HEADER.size else self._put_aside)(segment)
        self._head = self._beginning()

    @property
    def size_bytes(self) -> int:
        """What it takes up on disk."""
        return sum(segment.size for segment in self._segments)

    @property
    def unread_bytes(self) -> int:
        """What has not been read since the last :meth:`rewind`."""
        number, offset = self._head
        return sum(
            segment.end - (offset if segment.number == number else _HEADER.size)
            for segment in self._segments
            if segment.number >= number
        )

    @property
    def empty(self) -> bool:
        """Whether everything was delivered."""
        return not self._segments

    def age_ms(self) -> int | None:
        """How long ago the oldest undelivered file was begun; None while there is none."""
        return max(0, self._now_ms() - self._segments[0].began_ms) if self._segments else None

    def fits(self, size: int) -> bool:
        """Whether a parcel of so many bytes has room."""
        return self.size_bytes + _HEADER.size + _FRAME.size + size <= self._max_bytes

    def append(self, parcels: Sequence[bytes]) -> int:
        """Append and make durable, in one go; gives how many were: those that found room, from the first on."""
        frames: list[bytes] = []
        room = self._max_bytes - self.size_bytes - _HEADER.size
        for parcel in parcels:
            room -= _FRAME.size + len(parcel)
            if room < 0:
                break
            if len(parcel) > _MAX_PARCEL_BYTES:
                raise ValueError(f"a parcel of {len(parcel)} bytes is larger than any body's records")
            frames += (_FRAME.pack(len(parcel), _checksum(parcel)), parcel)
        if not frames:
            return 0
        try:
            segment = self._writable()
            assert self._file is not None
            _write(self._file, b"".join(frames))
            os.fdatasync(self._file)
        except OSError:
            self._give_up_last()
            raise
        segment.size = segment.end = segment.end + sum(map(len, frames))
        if segment.size >= self._segment_bytes:
            self._close()
        return len(frames) // 2

    def read(self, max_bytes: int) -> Batch | None:
        """The next parcels, at least one, and more while they come to less than this; None at the end.

        Files that became unreadable are put aside under another name, logged, and passed over.
        """
        number, offset = self._head
        while segment := next((each for each in self._segments if each.number >= number), None):
            if segment.number > number:
                number, offset = segment.number, _HEADER.size
            if offset < segment.end:
                parcels, offset = _parcels(segment, offset, max_bytes)
                if parcels:
                    self._head = number, offset
                    return Batch(parcels, self._head)
                self._put_aside(segment)
            number, offset = segment.number + 1, _HEADER.size
        return None

    def rewind(self) -> None:
        """Read again from the oldest parcel that was not released."""
        self._head = self._beginning()

    def release(self, end: tuple[int, int]) -> None:
        """Everything up to the end of this batch is delivered: forget it."""
        number, offset = end
        for segment in list(self._segments):
            if segment.number < number or (segment.number == number and offset >= segment.end):
                self._delete(segment)

    def close(self) -> None:
        """Let go of the file that is written to; what is in the spool stays."""
        self._close()

    def _beginning(self) -> tuple[int, int]:
        return (self._segments[0].number if self._segments else self._next), _HEADER.size

    def _writable(self) -> _Segment:
        """The last file, or a new one."""
        if self._file is not None:
            return self._segments[-1]
        number, began_ms = self._next, self._now_ms()
        path = self._directory / f"{number:016d}{_SUFFIX}"
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._next += 1
        segment = _Segment(path, number, began_ms, _HEADER.size, _HEADER.size)
        self._segments.append(segment)
        _write(self._file, _HEADER.pack(_MAGIC, began_ms))
        self._sync_directory()
        return segment

    def _close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _give_up_last(self) -> None:
        """A write failed: what is behind the last whole parcel is anyone's guess, and nothing is ever appended to it."""
        if self._file is None:
            return
        segment = self._segments[-1]
        segment.size = max(segment.size, os.fstat(self._file).st_size)
        self._close()
        if segment.end <= _HEADER.size:
            self._delete(segment)

    def _delete(self, segment: _Segment) -> None:
        if self._file is not None and segment is self._segments[-1]:
            self._close()
        self._segments.remove(segment)
        segment.path.unlink(missing_ok=True)

    def _put_aside(self, segment: _Segment) -> None:
        aside = segment.path.with_suffix(_ASIDE)
        log.error("spool_damaged", file=str(aside), lost_bytes=segment.end)
        if self._file is not None and segment is self._segments[-1]:
            self._close()
        self._segments.remove(segment)
        segment.path.replace(aside)

    def _sync_directory(self) -> None:
        directory = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def _recovered(directory: Path) -> list[_Segment]:
    """The files of an earlier process, each up to its last whole parcel."""
    segments = []
    for path in sorted(directory.glob(f"*{_SUFFIX}")):
        if not path.stem.isdigit():
            continue
        content = path.read_bytes()
        if len(content) < _HEADER.size:
            began_ms, end = 0, 0  # it died while it began the file
        else:
            magic, began_ms = _HEADER.unpack_from(content)
            end = _whole(content) if magic == _MAGIC else 0
        if _goes_on(content, end):
            # No write that broke off: what stands behind the damage was answered for, and is kept for a person.
            aside = path.with_suffix(_ASIDE)
            with suppress(OSError):  # no room for it is no reason not to begin
                shutil.copyfile(path, aside)
            log.error("spool_damaged", file=str(aside), lost_bytes=len(content) - end)
        elif end < len(content):
            log.warning("spool_cut", file=str(path), dropped_bytes=len(content) - end)
        segments.append(_Segment(path, int(path.stem), began_ms, end, len(content)))
    return segments


def _whole(content: bytes) -> int:
    """Behind the last parcel that is whole."""
    at = _HEADER.size
    while (parcel := _parcel_at(content, at)) is not None:
        at += _FRAME.size + len(parcel)
    return at


def _goes_on(content: bytes, at: int) -> bool:
    """Whether a whole parcel lies behind the one here, which is not whole."""
    if not 0 < at <= len(content) - _FRAME.size:
        return False
    length, _ = _FRAME.unpack_from(content, at)
    return _parcel_at(content, at + _FRAME.size + length) is not None


def _parcels(segment: _Segment, offset: int, max_bytes: int) -> tuple[list[bytes], int]:
    """Whole parcels from an offset on, at least one if there is any, and where they end."""
    parcels: list[bytes] = []
    taken = 0
    with segment.path.open("rb") as file:
        file.seek(offset)
        while offset + _FRAME.size <= segment.end:
            frame = file.read(_FRAME.size)
            (length,) = _LENGTH.unpack_from(frame) if len(frame) == _FRAME.size else (0,)
            if parcels and taken + length > max_bytes:
                break
            parcel = _parcel_at(frame + file.read(min(length, segment.end - offset)), 0)
            if parcel is None:
                break
            parcels.append(parcel)
            taken += length
            offset += _FRAME.size + length
    return parcels, offset


def _parcel_at(content: bytes, at: int) -> bytes | None:
    """The parcel that is framed here; None where none is, or not all of it."""
    if at + _FRAME.size > len(content):
        return None
    length, checksum = _FRAME.unpack_from(content, at)
    begin = at + _FRAME.size
    parcel = content[begin : begin + length]
    return parcel if len(parcel) == length and _checksum(parcel) == checksum else None


def _checksum(parcel: bytes) -> int:
    return xxhash.xxh3_64_intdigest(_LENGTH.pack(len(parcel)) + parcel)


def _write(file: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(file, view) :]
