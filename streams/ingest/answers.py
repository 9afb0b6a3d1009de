"""What a sender is told, in its own convention. Pure: statuses, content types and bytes.

Source: OTLP 1.x (opentelemetry.io/docs/specs/otlp, "OTLP/HTTP response": partial success, ``google.rpc.Status``).
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import orjson

from streams.ingest.refusing import HttpRefusal
from streams.ingest.taking import Taken
from streams.sources.catalogue import Answer
from streams.sources.contract import Refused

__all__ = ["Reply", "refused", "taken"]

_JSON: Final = "application/json"
_PROTOBUF: Final = "application/x-protobuf"
#: A sender that sent thousands of bad items learns nothing from the thousandth.
_MOST_LISTED: Final = 1_000
#: By the end of the path; what a signal counts.
_REJECTED: Final = {"traces": "rejectedSpans", "logs": "rejectedLogRecords", "metrics": "rejectedDataPoints"}
#: google.rpc.Code by HTTP status.
_CODES: Final = {400: 3, 401: 16, 403: 7, 404: 5, 408: 4, 413: 8, 415: 3, 429: 8, 503: 14}
_UNKNOWN_CODE: Final = 13


class Reply(NamedTuple):
    """An HTTP answer."""

    status: int
    content_type: str
    body: bytes
    headers: Mapping[str, str] = {}


def taken(answer: Answer, path: str, content_type: str, result: Taken) -> Reply:
    """What became of a body that could be read, once it is durable."""
    match answer:
        case Answer.OTLP:
            return _otlp(path, content_type, result.refused)
        case Answer.OWN if result.reply is not None:
            status, said = result.reply
            return _json(status, said)
        case _:
            nothing = bool(result.refused) and not result.places and not result.skipped
            return _plain(400 if nothing and answer is Answer.PLAIN else 200, result)


def refused(answer: Answer | None, content_type: str, problem: HttpRefusal) -> Reply:
    """A request of which nothing was taken."""
    if answer is Answer.OTLP:
        code = _CODES.get(problem.status, _UNKNOWN_CODE)
        if content_type == _PROTOBUF:
            body = _field_number(1, code) + _field_text(2, problem.detail)
            return Reply(problem.status, _PROTOBUF, body, problem.headers)
        return _json(problem.status, {"code": code, "message": problem.detail}, problem.headers)
    said = {"reason": problem.reason, "detail": problem.detail}
    if answer is Answer.OWN:
        said |= {"message": problem.detail, "error": problem.reason}
    return _json(problem.status, said, problem.headers)


def _plain(status: int, result: Taken) -> Reply:
    said: dict[str, Any] = {
        "accepted": len(result.places),
        "refused": [each._asdict() for each in result.refused[:_MOST_LISTED]],
        "skipped": result.skipped,
    }
    if len(result.refused) > _MOST_LISTED:
        said["refused_in_all"] = len(result.refused)
    return _json(status, said)


def _otlp(path: str, content_type: str, refusals: Sequence[Refused]) -> Reply:
    """200 always: the rejected must not be sent again, and the rest must not either."""
    count = len(refusals)
    message = _first_of(refusals)
    if content_type == _PROTOBUF:
        partial = _field_number(1, count) + _field_text(2, message) if count else b""
        return Reply(200, _PROTOBUF, _field_bytes(1, partial) if partial else b"")
    name = _REJECTED.get(path.rpartition("/")[2], "rejectedSpans")
    return _json(200, {"partialSuccess": {name: str(count), "errorMessage": message}} if count else {})


def _first_of(refusals: Sequence[Refused]) -> str:
    if not refusals:
        return ""
    first = refusals[0]
    more = f" (and {len(refusals) - 1} more)" if len(refusals) > 1 else ""
    return f"{first.place}: {first.detail}{more}"


def _json(status: int, said: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Reply:
    return Reply(status, _JSON, orjson.dumps(said, option=orjson.OPT_NON_STR_KEYS), headers or {})


def _field_number(number: int, value: int) -> bytes:
    return bytes([number << 3]) + _varint(value)


def _field_text(number: int, text: str) -> bytes:
    return _field_bytes(number, text.encode(errors="replace"))


def _field_bytes(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
