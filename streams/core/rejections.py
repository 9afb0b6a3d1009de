"""Why one record was refused, in words a producer can act on."""

import re
from typing import Final, NamedTuple

import msgspec

from streams.core.reasons import Reason

__all__ = ["MAX_DEPTH", "Rejection", "diagnose_json", "diagnose_value", "is_about", "refuse_text"]


class Rejection(NamedTuple):
    """A refused record: the reason for machines, the detail for people. The detail never echoes the record's values."""

    reason: Reason
    detail: str


# Deeper than any record means to be, and far from where a parser's own limit lies, which depends on the interpreter and
# on how deep the caller's stack is: the same record must be refused everywhere or nowhere.
MAX_DEPTH: Final = 64

# Possessive, and matching an unterminated string too: linear in the length of whatever is sent.
_STRING: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_BRACKET: Final = re.compile(rb"[\[\]{}]")
_AT: Final = re.compile(r"^(?P<what>.*?)(?: - at (?:`key` in )?`\$\.?(?P<field>\w*)[^`]*`)?$", re.DOTALL)
_MISSING: Final = re.compile(r"missing required field `(\w+)`")
_EXPECTED: Final = re.compile(r"^Expected `(?P<expected>[^`]*)`, got `(?P<got>[^`]*)`")
_BOUND: Final = re.compile(r"^Expected `(?P<type>\w+)`(?P<length> of length)? (?P<bound>[<>]=? -?\d+)")
_SYNTAX: Final[msgspec.json.Decoder[msgspec.Raw]] = msgspec.json.Decoder(msgspec.Raw)

_TIMES: Final = frozenset({"occurred_at"})


def refuse_text(value: bytes) -> Rejection | None:
    """Refuse a JSON text for what no parser reports the same way everywhere: its encoding and its depth."""
    if not value.isascii():
        try:
            value.decode()
        except UnicodeDecodeError as error:
            return Rejection(Reason.INVALID_UTF8, f"byte {error.start} is not UTF-8: send UTF-8")
    if _depth(value) > MAX_DEPTH:
        return Rejection(Reason.INVALID_JSON, f"the record nests deeper than {MAX_DEPTH} levels: flatten it")
    return None


def is_about(error: Exception, field: str) -> bool:
    """Whether msgspec's error is about this top-level field."""
    return str(error).endswith(f"`$.{field}`")


def diagnose_json(value: bytes, error: Exception) -> Rejection:
    """Say what is wrong with a JSON record that failed to decode with ``error``; syntax comes before content."""
    if value.startswith(b"\xef\xbb\xbf"):
        return Rejection(Reason.INVALID_JSON, "the record begins with a byte order mark: send UTF-8 without one")
    try:
        _SYNTAX.decode(value)
    except msgspec.DecodeError as malformed:
        if _is_several_documents(value):
            return Rejection(Reason.MULTIPLE_DOCUMENTS, "the record holds several JSON documents: send one a record")
        return Rejection(Reason.INVALID_JSON, f"{str(malformed)[:120]}: send one JSON object in UTF-8")
    return diagnose_value(error)


def diagnose_value(error: Exception) -> Rejection:
    """Say what msgspec objects to in a record whose syntax is sound."""
    parts = _AT.match(str(error))
    what, field = (parts["what"], parts["field"] or "") if parts else (str(error), "")
    if missing := _MISSING.search(what):
        return Rejection(Reason.MISSING_FIELD, f"field {missing[1]} is missing: send it in every record")
    if what.startswith("Invalid enum value"):
        return Rejection(Reason.UNKNOWN_VALUE, f"field {field} holds a value that is not in its list: see the schema")
    if what.endswith("out of range"):
        return _out_of_range(field, "it is larger than any number the field can hold")
    if bound := _BOUND.match(what):
        return _out_of_bounds(field, bound["bound"], of_length=bool(bound["length"]))
    if types := _EXPECTED.match(what):
        subject = f"field {field}" if field else "the record"
        return Rejection(Reason.WRONG_TYPE, f"{subject} must be {types['expected']}, not {types['got']}")
    return Rejection(Reason.WRONG_TYPE, f"field {field or '?'}: {what[:120]}")


def _depth(value: bytes) -> int:
    """The deepest nesting of a JSON text, or a bound that is good enough when it is small."""
    openings = value.count(b"{") + value.count(b"[")
    if openings <= MAX_DEPTH:
        return openings
    depth = deepest = 0
    for bracket in _BRACKET.findall(_STRING.sub(b"", value)):
        depth += 1 if bracket in b"{[" else -1
        deepest = max(deepest, depth)
    return deepest


def _is_several_documents(value: bytes) -> bool:
    try:
        return len(msgspec.json.Decoder(msgspec.Raw).decode_lines(value)) > 1
    except msgspec.DecodeError:
        return False


def _out_of_bounds(field: str, bound: str, *, of_length: bool) -> Rejection:
    if not of_length:
        return _out_of_range(field, f"it must be {bound}")
    if bound.startswith(">"):
        return Rejection(Reason.EMPTY, f"field {field} is empty: send a value or leave the record out")
    return Rejection(Reason.TOO_LONG, f"field {field} is too long: its length must be {bound}")


def _out_of_range(field: str, why: str) -> Rejection:
    if field in _TIMES:
        return Rejection(
            Reason.TIMESTAMP_OUT_OF_RANGE,
            f"field {field} is out of range ({why}): send milliseconds since 1970, not seconds or microseconds",
        )
    return Rejection(Reason.OUT_OF_RANGE, f"field {field} is out of range: {why}")
