"""Files of a foreign system, decoded by its source and booked as ingest does it, with an account of every record."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import BinaryIO, Final, NamedTuple

import orjson

from streams.imports.bodies import FileBody, bodies
from streams.sources.booking import Attribution, Binding, Booker
from streams.sources.catalogue import Source
from streams.sources.contract import BadBody, Context, Decoded, Form, Refused, Skip

__all__ = ["Account", "Record", "SourceFiles"]

#: How decoders say where in a body a record is: by its number from 0, or by its line from 1.
_PLACE: Final = re.compile(r"(line )?(\d{1,9})(.*)", re.DOTALL)


class Record(NamedTuple):
    """An event that is to be sent, and when it happened."""

    form: Form
    at_ms: int
    value: bytes


class Account:
    """What became of all records of the files: each is in one of the first three."""

    def __init__(self) -> None:
        self.forms: Counter[Form] = Counter()
        self.refused: Counter[str] = Counter()
        self.skipped: Counter[Skip] = Counter()
        self.attributed: Counter[Attribution] = Counter()
        self.links: Counter[str] = Counter()


class SourceFiles:
    """Reads files of one source. ``context`` has what the receiver knows beside the time at which a file was written."""

    def __init__(
        self, source: Source, booker: Booker, binding: Binding, context: Context, *, max_bytes: int
    ) -> None:  # fmt: skip
        self.account: Final = Account()
        self._source = source
        self._booker = booker
        self._binding = binding
        self._context = context
        self._max_bytes = max_bytes

    def read(
        self, file: BinaryIO, written_at_ms: int, advance: Callable[[], object] = lambda: None
    ) -> Iterator[Record | Refused]:  # fmt: skip
        """What a file holds; ``advance`` is called behind each body. Places of refusals are those in the file.

        ``written_at_ms`` stands in for the time of reception, so that a file says the same whenever it is read.
        """
        context = self._context._replace(received_at_ms=written_at_ms)
        for body in bodies(file, max_bytes=self._max_bytes, lines_together=self._source.lines_together):
            if isinstance(body, Refused):
                self.account.refused[body.reason] += 1
                yield body
            else:
                for part, decoded in self._decoded(body, context):
                    yield from self._booked(part, decoded)
            advance()

    def _decoded(self, body: FileBody, context: Context) -> Iterator[tuple[FileBody, Decoded]]:
        """A body, or what is left of it without the lines that make it unreadable as a whole."""
        try:
            yield body, self._source.decode(body.content, context)
        except BadBody as error:
            if len(body.lines) > 1:
                for part in _apart(body):
                    yield from self._decoded(part, context)
            else:
                yield body, Decoded([], [Refused("", error.reason, error.detail)], Counter())

    def _booked(self, body: FileBody, decoded: Decoded) -> Iterator[Record | Refused]:
        booked = self._booker.book(decoded.items, self._binding)
        for form, records in ((Form.USAGE, booked.usage), (Form.OUTCOME, booked.outcomes)):
            self.account.forms[form] += len(records)
            for record in records:
                yield Record(form, orjson.loads(record.value)["occurred_at"], record.value)
        self.account.skipped.update(decoded.skipped)
        self.account.attributed.update(booked.attributed)
        self.account.links.update(decoded.links)
        for refused in (*decoded.refused, *booked.refused):
            self.account.refused[refused.reason] += 1
            yield refused._replace(place=_in_file(refused.place, body.lines))


def _apart(body: FileBody) -> Iterator[FileBody]:
    """Lines that are JSON together, each other by itself; where all are JSON, each is by itself."""
    lines = list(zip(body.content.split(b"\n"), body.lines, strict=True))
    sound = [line for line in lines if _is_json(line[0])]
    alone = [line for line in lines if not _is_json(line[0])]
    if not alone:
        sound, alone = [], lines
    if sound:
        yield FileBody(b"\n".join(text for text, _ in sound), tuple(number for _, number in sound))
    for text, number in alone:
        yield FileBody(text, (number,))


def _is_json(text: bytes) -> bool:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True


def _in_file(place: str, lines: tuple[int, ...]) -> str:
    """A place in a body as one in its file."""
    if not lines:
        return place or "file"
    found = _PLACE.fullmatch(place)
    if found is None:
        where = f"line {lines[0]}" if len(lines) == 1 else f"lines {lines[0]} to {lines[-1]}"
        return f"{where}: {place}" if place else where
    at = int(found[2]) - (1 if found[1] else 0)
    return f"line {lines[min(max(at, 0), len(lines) - 1)]}{found[3]}"
