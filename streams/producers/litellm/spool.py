"""Lines on disk that wait to be sent: written once, read in order, removed when they have been taken.

Each process writes to a folder of its own and holds a lock on it, which the kernel lets go of when the process ends,
however it ends. Whoever comes later finds a folder that nobody holds, takes it over, and sends what is left in it.

A line is written before :meth:`Spool.append` returns, but not forced to the device: it survives the end of the process,
kill -9 included, and not a power cut. What was sent and not yet marked is sent again; its receiver knows it by its id.
"""

import fcntl
import os
import uuid
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

__all__ = ["Batch", "Spool", "SpoolFull"]

#: Lines are read, sent and removed by segments; what was sent twice after a crash is at most one of them.
SEGMENT_BYTES: Final = 1024 * 1024
#: Each costs another process the same moment; a directory in which none succeeds is not to be used.
_TRIES: Final = 20
_LOCK: Final = "lock"
_SUFFIX: Final = ".ndjson"


class SpoolFull(Exception):
    """The spool holds as much as it may; nothing was written."""


class Batch(NamedTuple):
    """Lines to be sent, and where the reading goes on when they were taken."""

    lines: list[bytes]
    segment: "_Segment"
    end: int


class _Segment:
    """A file of lines. ``open`` while it is being written to."""

    __slots__ = ("open", "path", "size", "taken")

    def __init__(self, path: Path, size: int, *, is_open: bool) -> None:
        self.path = path
        self.size = size
        self.taken = 0
        self.open = is_open


class Spool:
    """Used by one thread. Raises OSError where the directory cannot be made or written to."""

    def __init__(self, directory: Path, max_bytes: int) -> None:
        self._directory = directory
        self._max_bytes = max_bytes
        self._locks: dict[Path, int] = {}
        self._segments: deque[_Segment] = deque()
        self._numbers = 0
        self._descriptor: int | None = None
        self.bytes = 0
        self.damaged = 0
        self._folder = self._own_folder()
        self.adopt()

    def append(self, lines: Sequence[bytes]) -> None:
        """Write lines, all or none. Raises SpoolFull, and OSError where the disk takes nothing."""
        text = b"".join(line + b"\n" for line in lines)
        if self.bytes + len(text) > self._max_bytes:
            raise SpoolFull(f"{self.bytes} bytes wait in {self._directory}, and {self._max_bytes} may")
        segment = self._writable()
        assert self._descriptor is not None
        written = 0
        try:
            while written < len(text):
                written += os.write(self._descriptor, text[written:])
        except OSError:
            os.ftruncate(self._descriptor, segment.size)
            raise
        segment.size += written
        self.bytes += written

    def batch(self, most_lines: int, most_bytes: int) -> Batch | None:
        """The next lines, at least one; None when all were taken."""
        while self._segments:
            segment = self._segments[0]
            if segment.taken < segment.size:
                try:
                    return self._read(segment, most_lines, most_bytes)
                except FileNotFoundError:  # somebody cleaned up; better without it than never on
                    self.damaged += 1
                    self.bytes -= segment.size - segment.taken
            if segment.open and segment.size == 0:  # the disk did not take its first line
                return None
            self._remove(segment)
        return None

    def taken(self, batch: Batch) -> None:
        """The lines of the batch are in safe hands."""
        segment = batch.segment
        self.bytes -= batch.end - segment.taken
        segment.taken = batch.end
        if segment.taken >= segment.size:
            self._remove(segment)

    def set_aside(self, line: bytes) -> bool:
        """Keep a line that its receiver will never take, beside the folders, for a person to look at and import."""
        with (self._directory / "refused.ndjson").open("ab") as file:
            os.fchmod(file.fileno(), 0o600)
            if file.tell() + len(line) >= self._max_bytes:
                return False
            file.write(line + b"\n")
            return True

    def adopt(self) -> int:
        """Take over folders of processes that have ended; returns how many bytes were in them."""
        found = 0
        for folder in sorted(self._directory.iterdir()):
            if folder in self._locks or not folder.is_dir() or not self._hold(folder):
                continue
            for path in sorted(folder.glob(f"*{_SUFFIX}"), reverse=True):
                size = path.stat().st_size
                self._segments.appendleft(_Segment(path, size, is_open=False))
                self.bytes += size
                found += size
            if not any(segment.path.parent == folder for segment in self._segments):
                self._let_go(folder)
        return found

    def close(self) -> None:
        """Let go of what is left, for whoever comes next."""
        self._end_segment()
        for segment in [segment for segment in self._segments if segment.taken >= segment.size]:
            self._remove(segment)
        for folder in list(self._locks):
            self._let_go(folder)

    def forget(self) -> None:
        """In the child of a fork: leave all to the parent, whose locks must not live as long as the child."""
        for descriptor in (*self._locks.values(), *(() if self._descriptor is None else (self._descriptor,))):
            os.close(descriptor)
        self._locks.clear()
        self._segments.clear()

    def _own_folder(self) -> Path:
        """A new folder, held. Between the two steps another process may have found it, and taken it for one left behind."""
        for _ in range(_TRIES):
            folder = self._directory / uuid.uuid4().hex
            folder.mkdir(mode=0o700, parents=True)
            if self._hold(folder):
                return folder
        raise OSError(f"cannot lock a folder in {self._directory}")

    def _writable(self) -> _Segment:
        last = self._segments[-1] if self._segments else None
        if last is not None and last.open and last.size < SEGMENT_BYTES:
            return last
        self._end_segment()
        self._numbers += 1
        path = self._folder / f"{self._numbers:08}{_SUFFIX}"
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        segment = _Segment(path, 0, is_open=True)
        self._segments.append(segment)
        return segment

    def _end_segment(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
        for segment in self._segments:
            segment.open = False

    def _read(self, segment: _Segment, most_lines: int, most_bytes: int) -> Batch:
        with segment.path.open("rb") as file:
            file.seek(segment.taken)
            # A line is far shorter than this; one that is not is read to its end below.
            text = file.read(min(most_bytes, segment.size - segment.taken))
            if not text.endswith(b"\n"):
                text += file.readline() if segment.taken + len(text) < segment.size else b""
        lines, end = [], segment.taken
        for line in text.splitlines(keepends=True)[:most_lines]:
            end += len(line)
            if _is_whole(line):
                lines.append(line[:-1])
            elif line.strip():
                self.damaged += 1
        return Batch(lines, segment, end)

    def _remove(self, segment: _Segment) -> None:
        if segment.open:
            self._end_segment()
        segment.path.unlink(missing_ok=True)
        self._segments.remove(segment)
        folder = segment.path.parent
        if folder != self._folder and not any(other.path.parent == folder for other in self._segments):
            self._let_go(folder)

    def _hold(self, folder: Path) -> bool:
        try:
            descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            return False  # removed by the one who held it
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return False
        self._locks[folder] = descriptor
        return True

    def _let_go(self, folder: Path) -> None:
        if not any(folder.glob(f"*{_SUFFIX}")):
            with suppress(OSError):  # another process looks at it at the same moment, or has just removed it
                (folder / _LOCK).unlink(missing_ok=True)
                folder.rmdir()
        os.close(self._locks.pop(folder))


def _is_whole(line: bytes) -> bool:
    """Whether the line was written to its end: the last one before a crash may not have been."""
    return line.startswith(b"{") and line.endswith(b"}\n")
