"""From a body to LiteLLM's events: a JSON array, lines (without a closing newline), one object, or a page of rows.

All of a body is parsed at once where that succeeds; else record by record, so that one that is broken costs no other. What
a record is read as never depends on its neighbours.
"""

import json
import math
from collections.abc import Iterator
from typing import Final

import msgspec

from streams.core.reasons import Reason
from streams.core.rejections import diagnose_json
from streams.sources.contract import BadBody, Refused
from streams.sources.depth import MOST_LEVELS, nests_deeper
from streams.sources.litellm.shapes import Event, EventWithPrompt

__all__ = ["check_refusals", "read_body"]

#: So many refusals, and nine of ten records refused: what this is, is not LiteLLM's, and each costs time to refuse.
_MANY_REFUSALS: Final = 10_000

_BLANK: Final = b" \t\r\n"
_RAW: Final = msgspec.json.Decoder(msgspec.Raw)
_RAWS: Final = msgspec.json.Decoder(list[msgspec.Raw])


class _Form:
    """Decoders of one type of event."""

    def __init__(self, event: type[Event]) -> None:
        self.one = msgspec.json.Decoder(event)
        self.array: msgspec.json.Decoder[list[Event]] = msgspec.json.Decoder(list[event])  # type: ignore[valid-type]


_PLAIN: Final = _Form(Event)
_PROMPTED: Final = _Form(EventWithPrompt)


def read_body(body: bytes, *, prompts: bool) -> list[Event | Refused]:
    """The records of a body, in order; a refusal's place is its record's. Raises BadBody."""
    body = body.strip(_BLANK)
    _check(body)
    form = _PROMPTED if prompts else _PLAIN
    events = _array(body, form) if body.startswith(b"[") else _objects(body, form)
    if len(events) == 1 and isinstance(page := events[0], Event) and bytes(page.data).startswith(b"["):
        return _array(bytes(page.data), form)
    return events


def _check(body: bytes) -> None:
    """What no parser tells the same way everywhere."""
    if not body:
        raise BadBody(Reason.EMPTY, "the body is empty: send LiteLLM's events as JSON")
    if body[:1] not in b"[{":
        raise BadBody(Reason.INVALID_JSON, "the body is neither a JSON array nor objects: send what generic_api sends")
    if not body.isascii():
        try:
            body.decode()
        except UnicodeDecodeError as error:
            raise BadBody(Reason.INVALID_UTF8, f"byte {error.start} is not UTF-8: send UTF-8") from None
    if nests_deeper(body):
        raise BadBody(Reason.INVALID_JSON, f"the body nests deeper than {MOST_LEVELS} levels: flatten it")


def _array(body: bytes, form: _Form) -> list[Event | Refused]:
    try:
        return list(form.array.decode(body))
    except (msgspec.DecodeError, RecursionError):
        pass
    try:
        raws = _RAWS.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        if (mended := _mended(body)) is None:
            raise BadBody(Reason.INVALID_JSON, f"{str(error)[:120]}: send one JSON array") from None
        raws = _RAWS.decode(mended)
    return list(_each([bytes(raw) for raw in raws], form))


def _objects(body: bytes, form: _Form) -> list[Event | Refused]:
    try:
        return list(form.one.decode_lines(body))
    except (msgspec.DecodeError, RecursionError):
        pass
    try:
        _RAW.decode(body)
        records = [body]
    except (msgspec.DecodeError, RecursionError):
        records = [line for line in (line.strip(_BLANK) for line in body.split(b"\n")) if line]
    events = list(_each(records, form))
    if all(isinstance(event, Refused) and event.reason is Reason.INVALID_JSON for event in events):
        raise BadBody(Reason.INVALID_JSON, "no line of the body is JSON: send one object, or one a line")
    return events


def check_refusals(refused: int, good: int) -> None:
    """Raise BadBody where going on would only refuse more; a million empty objects fit into a body."""
    if refused > _MANY_REFUSALS and refused > 9 * good:
        raise BadBody(Reason.INVALID_JSON, f"more than {_MANY_REFUSALS} records are no events of LiteLLM: send its own")


def _each(records: list[bytes], form: _Form) -> Iterator[Event | Refused]:
    refused = 0
    for index, record in enumerate(records):
        event = _one(record, form, index)
        if isinstance(event, Refused):
            refused += 1
            check_refusals(refused, index + 1 - refused)
        yield event


def _one(record: bytes, form: _Form, index: int) -> Event | Refused:
    try:
        return form.one.decode(record)
    except (msgspec.DecodeError, RecursionError):
        mended = _mended(record) or record
    try:
        return form.one.decode(mended)
    except (msgspec.DecodeError, RecursionError) as error:
        rejection = diagnose_json(mended, error)
        return Refused(str(index), rejection.reason, rejection.detail)


def _finite(text: str) -> float | None:
    """A number that a double holds; JSON may say 1e999, and Python writes that as Infinity."""
    return number if math.isfinite(number := float(text)) else None


def _mended(text: bytes) -> bytes | None:
    """The text without what Python writes into JSON and JSON does not have: NaN, infinities, half a surrogate pair.

    LiteLLM passes on what callers send, so that one of them could make a batch unreadable for all. None if it is no JSON.
    """
    try:
        value = json.loads(text, parse_constant=lambda _: None, parse_float=_finite)
    except (ValueError, RecursionError):
        return None
    return json.dumps(value, ensure_ascii=False).encode(errors="replace")
