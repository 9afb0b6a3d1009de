"""The rows of a CSV file by the columns that matter, whatever else it has."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from streams.errors import DataError

__all__ = ["BadRow", "CsvRow", "csv_rows"]


class BadRow(NamedTuple):
    """A row that says nothing usable, and why; the problem names the column and what belongs there."""

    line: int
    problem: str


class CsvRow(NamedTuple):
    """One row: where it ends, counted from 1, its whole text, and what it has in the columns asked for, in their order."""

    line: int
    text: str
    values: list[str]


def csv_rows(lines: Iterable[str], columns: Sequence[str], title: str) -> Iterator[CsvRow | BadRow]:
    """The rows, good and bad, in order; blank lines are passed over.

    Raises DataError when the header lacks a column, before any row; ``title`` is what the file should have been.
    """
    reader = csv.reader(lines)
    header = [name.strip() for name in next(reader, [])]
    if missing := [name for name in columns if name not in header]:
        raise DataError(f"line 1: the header lacks {', '.join(missing)}; {title} begins with {','.join(columns)}")
    places = [header.index(name) for name in columns]
    while True:
        try:
            fields = next(reader, None)
        except csv.Error as error:
            yield BadRow(reader.line_num, f"this is not CSV ({error})")
            continue
        if fields is None:
            return
        if not fields:
            continue
        if max(places) >= len(fields):
            yield BadRow(reader.line_num, f"{len(fields)} columns where {max(places) + 1} are needed")
            continue
        yield CsvRow(reader.line_num, ",".join(fields), [fields[place].strip() for place in places])
