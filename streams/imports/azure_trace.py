"""Azure's public LLM inference traces (AzurePublicDataset) as usage events.

The traces say when a request came and how many tokens it took and gave, and nothing else: who asked, and what it cost,
stay unknown. Pure: lines in, events out.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from hashlib import blake2b
from itertools import islice
from typing import Any, Final, NamedTuple

import orjson

from streams.core.events import Rejection, UsageDecoder
from streams.imports.rows import BadRow, CsvRow, csv_rows

__all__ = ["COLUMNS", "SOURCE", "Labels", "Row", "read_events", "read_rows", "usage_event"]

COLUMNS: Final = ("TIMESTAMP", "ContextTokens", "GeneratedTokens")
SOURCE: Final = "azure-trace"

#: 2023-11-16 18:17:03.9799600, or with an offset as the traces of 2024 have it. Without one it is UTC.
_TIMESTAMP: Final = re.compile(
    r"(\d{4}-\d{2}-\d{2})[ T](\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?(Z|[+-]\d{2}:\d{2})?", re.ASCII
)
#: Rows checked at once.
_BATCH: Final = 1_000
_TOKENS: Final = re.compile(r"\d{1,12}", re.ASCII)


class Row(NamedTuple):
    """One request. ``line`` counts from 1, the header's; ``occurred_at`` is milliseconds UTC."""

    line: int
    text: str
    occurred_at: int
    context_tokens: int
    generated_tokens: int


class Labels(NamedTuple):
    """What the trace does not say and the importer must: to whom the requests are booked."""

    team: str = "azure-trace"
    workflow: str = "code"
    model: str = "unknown"


def read_rows(lines: Iterable[str]) -> Iterator[Row | BadRow]:
    """The rows of a trace, good and bad, in order; blank lines are passed over.

    Raises DataError when the header is not a trace's, before any row.
    """
    for row in csv_rows(lines, COLUMNS, "an Azure trace"):
        yield row if isinstance(row, BadRow) else _row(row)


def read_events(lines: Iterable[str], labels: Labels, *, start_ms: int | None = None) -> Iterator[bytes | BadRow]:
    """The trace as usage events in JSON, each accepted by the worker's own decoder, and the rows that are none.

    With ``start_ms`` the first row is moved there and the others keep their distance from it. Raises DataError as
    :func:`read_rows`.
    """
    decoder = UsageDecoder()
    rows = read_rows(lines)
    shift_ms: int | None = None if start_ms is not None else 0
    while batch := list(islice(rows, _BATCH)):
        good = [row for row in batch if isinstance(row, Row)]
        if shift_ms is None and start_ms is not None and good:
            shift_ms = start_ms - good[0].occurred_at
        values = [orjson.dumps(usage_event(row, labels, shift_ms or 0)) for row in good]
        judged = zip(good, values, decoder.decode(values).events, strict=True)
        for row in batch:
            if isinstance(row, BadRow):
                yield row
                continue
            _, value, event = next(judged)
            yield BadRow(row.line, event.detail) if isinstance(event, Rejection) else value


def usage_event(row: Row, labels: Labels, shift_ms: int = 0) -> dict[str, Any]:
    """The row as fields of a usage event, moved in time by ``shift_ms``.

    The id depends on the row's place and text and on where it is put, so that importing a file twice counts it once,
    and importing it for another team, or at another time, counts it there too.
    """
    identity = (row.line, row.text, labels.team, labels.workflow, labels.model, shift_ms)
    digest = blake2b(repr(identity).encode(), digest_size=12).hexdigest()
    return {
        "event_id": f"azure-{digest}",
        "source": SOURCE,
        "occurred_at": row.occurred_at + shift_ms,
        "team": labels.team,
        "workflow": labels.workflow,
        "provider": "azure.ai.openai",
        "model": labels.model,
        "input_tokens": row.context_tokens,
        "output_tokens": row.generated_tokens,
    }


def _row(row: CsvRow) -> Row | BadRow:
    timestamp, context, generated = row.values
    occurred_at = _milliseconds(timestamp)
    if occurred_at is None:
        return BadRow(row.line, f"TIMESTAMP {timestamp[:40]!r} is not like 2023-11-16 18:17:03.9799600")
    for name, value in zip(COLUMNS[1:], (context, generated), strict=True):
        if not _TOKENS.fullmatch(value):
            return BadRow(row.line, f"{name} {value[:40]!r} is not a number of tokens")
    return Row(row.line, row.text, occurred_at, int(context), int(generated))


def _milliseconds(timestamp: str) -> int | None:
    """Milliseconds UTC, cut off rather than rounded: seven digits are more than the event's type holds."""
    match = _TIMESTAMP.fullmatch(timestamp)
    if match is None:
        return None
    day, time, fraction, zone = match.groups()
    try:
        moment = datetime.fromisoformat(f"{day}T{time}{zone or 'Z'}").astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return int(moment.timestamp()) * 1000 + int((fraction or "0").ljust(3, "0")[:3])
