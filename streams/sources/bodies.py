"""Bodies of JSON: one document, or one to a line."""

from collections.abc import Iterator
from typing import Any

import orjson

from streams.core.reasons import Reason
from streams.sources.contract import BadBody, Refused

__all__ = ["document", "lines"]


def document(body: bytes) -> Any:
    """The body as one JSON document. Raises BadBody; depth is bounded by the parser."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        raise _bad(body) from None


def lines(body: bytes) -> Iterator[tuple[int, dict[str, Any] | Refused]]:
    """The objects of a body that has one to a line, with the number of the line, counted from 1; blank lines are passed over.

    A line that is no object is refused, at ``line N``; where none is one the body is bad as a whole, once all is read.
    """
    bad = True
    for number, line in enumerate(body.split(b"\n"), 1):
        if not line or line.isspace():
            continue
        try:
            found = orjson.loads(line)
        except orjson.JSONDecodeError:
            yield number, Refused(f"line {number}", Reason.INVALID_JSON, "the line is not one JSON document")
            continue
        if isinstance(found, dict):
            bad = False
            yield number, found
        else:
            yield number, Refused(f"line {number}", Reason.WRONG_TYPE, "the line is not a JSON object")
    if bad:
        raise _bad(body)


def _bad(body: bytes) -> BadBody:
    if not body.strip():
        return BadBody(Reason.EMPTY, "the body is empty: send what the system exports, unchanged")
    try:
        body.decode()
    except UnicodeDecodeError:
        return BadBody(Reason.INVALID_UTF8, "the body is not UTF-8: send what the system exports, unchanged")
    return BadBody(Reason.INVALID_JSON, "the body is not JSON: it is cut off, nested too deeply, or of another form")
