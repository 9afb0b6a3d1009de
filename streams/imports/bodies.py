"""From a file to bodies that a source reads: one document as it is, or lines, so many at a time.

Memory is bounded by the longest body, however long the file is.
"""

import gzip
import zlib
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

import orjson

from streams.core.reasons import Reason
from streams.sources.contract import Refused

__all__ = ["FileBody", "bodies", "opened"]

_GZIP: Final = b"\x1f\x8b"
#: Some programs begin a file with it; JSON has none.
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
#: Behind one of these a document goes on in the next line; what is cut off there cannot be told from it.
_GOES_ON: Final = (b"[", b"{", b":", b",")
_REST_BYTES: Final = 1024 * 1024


class FileBody(NamedTuple):
    """What a source reads at once. ``lines`` are the numbers of its lines in the file, from 1; () is a whole document."""

    content: bytes
    lines: tuple[int, ...] = ()


def opened(path: Path) -> tuple[BinaryIO, BufferedReader]:
    """What a file says, out of gzip if it is in it, and the file as it lies on the disk, to tell how far it was read."""
    raw = path.open("rb")
    if raw.peek(2)[:2] == _GZIP:
        return gzip.GzipFile(fileobj=raw), raw  # type: ignore[return-value]
    return raw, raw


def bodies(file: BinaryIO, *, max_bytes: int, lines_together: int | None) -> Iterator[FileBody | Refused]:
    """All of a file, in its order. ``lines_together`` None keeps all lines together.

    A document, or with None a file, of more than ``max_bytes`` is refused as a whole, a longer line by itself; so is
    what cannot be decompressed. Raises OSError.
    """
    number = 0
    try:
        for body in _bodies(file, max_bytes, lines_together):
            number = body.lines[-1] if isinstance(body, FileBody) and body.lines else number
            yield body
    except (EOFError, zlib.error, gzip.BadGzipFile):
        where = f"behind line {number}" if number else "file"
        yield Refused(where, Reason.INVALID_JSON, "the compression is cut off or broken there: export the file again")


def _bodies(file: BinaryIO, max_bytes: int, lines_together: int | None) -> Iterator[FileBody | Refused]:
    reader = _Lines(file, max_bytes)
    first = reader.next()
    second = reader.next() if first is not None else None
    if first is None:
        yield FileBody(b"")
    elif second is None and isinstance(first, _Line):
        yield FileBody(first.text)
    elif isinstance(first, _Line) and isinstance(second, _Line) and _are_records(first.text, second.text):
        reader.back(first, second)
        yield from _of_lines(reader, max_bytes, lines_together)
    elif isinstance(first, _Line) and isinstance(second, Refused) and _are_records(first.text, b""):
        yield second
        reader.back(first)
        yield from _of_lines(reader, max_bytes, lines_together)
    else:
        yield _whole(file, first, second, max_bytes)


def _whole(
    file: BinaryIO, first: "_Line | Refused", second: "_Line | Refused | None", max_bytes: int
) -> FileBody | Refused:
    begun = [each.text for each in (first, second) if isinstance(each, _Line)]
    content = b"\n".join(begun) + b"\n"
    if not isinstance(first, Refused) and not isinstance(second, Refused):
        content += file.read(max(0, max_bytes + 1 - len(content)))
        if len(content) <= max_bytes:
            return FileBody(content)
    return _too_long("file", "one document", max_bytes, "export it as lines (JSONL), or in parts")


def _of_lines(reader: "_Lines", max_bytes: int, together: int | None) -> Iterator[FileBody | Refused]:
    texts: list[bytes] = []
    numbers: list[int] = []
    size = 0
    while (line := reader.next()) is not None:
        if isinstance(line, Refused):
            yield line
            continue
        full = size + len(line.text) >= max_bytes
        if full and together is None:
            yield _too_long("file", "lines that belong together", max_bytes, "cut it where no trace is cut")
            return
        if texts and (full or len(texts) == together):
            yield FileBody(b"\n".join(texts), tuple(numbers))
            texts, numbers, size = [], [], 0
        texts.append(line.text)
        numbers.append(line.number)
        size += len(line.text) + 1
    if texts:
        yield FileBody(b"\n".join(texts), tuple(numbers))


class _Line(NamedTuple):
    number: int
    text: bytes


class _Lines:
    """Lines that are not blank, with their numbers; one that is too long is passed over and refused."""

    def __init__(self, file: BinaryIO, max_bytes: int) -> None:
        self._file = file
        self._max_bytes = max_bytes
        self._number = 0
        self._waiting: list[_Line] = []

    def back(self, *lines: _Line) -> None:
        """Give these again."""
        self._waiting = [*reversed(lines)]

    def next(self) -> _Line | Refused | None:
        """The next line; None at the end."""
        if self._waiting:
            return self._waiting.pop()
        while text := self._file.readline(self._max_bytes + 1):
            self._number += 1
            if len(text) > self._max_bytes:
                while not text.endswith(b"\n") and (text := self._file.readline(_REST_BYTES)):
                    pass
                return _too_long(f"line {self._number}", "the line", self._max_bytes, "take it out of the file")
            if self._number == 1:
                text = text.removeprefix(_BYTE_ORDER_MARK)
            if not text.isspace() and text:
                return _Line(self._number, text.rstrip(b"\r\n"))
        return None


def _are_records(first: bytes, second: bytes) -> bool:
    """Whether each line is a document, as the first two tell; the first may be cut off."""
    first, second = first.strip(), second.strip()
    if not first.startswith(b"{"):
        return False
    return first.endswith(b"}") or (not first.endswith(_GOES_ON) and _is_object(second))


def _is_object(text: bytes) -> bool:
    try:
        return isinstance(orjson.loads(text), dict)
    except orjson.JSONDecodeError:
        return False


def _too_long(place: str, what: str, max_bytes: int, fix: str) -> Refused:
    return Refused(
        place, Reason.TOO_LARGE, f"{what} of more than {max_bytes:,} bytes: {fix}, or raise ingest.max_inflated_bytes"
    )
