"""Records that must be dead-lettered, each made from a valid one, with the reason they deserve.

None holds a line break, so that a poisoned log can still be a file of lines.
"""

import re
from collections.abc import Callable
from typing import Final, NamedTuple

from streams.core.reasons import Reason

__all__ = ["POISON", "Poison"]

_TEN_YEARS_MS: Final = 10 * 365 * 86_400_000


class Poison(NamedTuple):
    """One way to spoil a record."""

    name: str
    reason: Reason
    spoil: Callable[[bytes], bytes]


def _field(name: bytes, value: bytes) -> Callable[[bytes], bytes]:
    """Replace a field's value, or add the field."""
    pattern = re.compile(rb'"%s":("[^"]*"|\d+)' % name)

    def spoil(line: bytes) -> bytes:
        spoilt, count = pattern.subn(lambda _: b'"%s":%s' % (name, value), line, count=1)
        return spoilt if count else line[:-1] + b',"%s":%s}' % (name, value)

    return spoil


def _in_seconds(line: bytes) -> bytes:
    """The commonest mistake of a hand-written producer."""
    return re.sub(rb'("occurred_at":\d+)\d{3}', rb"\1", line)


def _in_ten_years(line: bytes) -> bytes:
    """A decoder cannot tell, an engine with a clock must: one such record would close every window."""
    return re.sub(rb'"occurred_at":(\d+)', lambda match: b'"occurred_at":%d' % (int(match[1]) + _TEN_YEARS_MS), line)


def _without_team(line: bytes) -> bytes:
    return re.sub(rb'"team":"[^"]*",', b"", line)


#: Every way, in the order they take turns.
POISON: Final = (
    Poison("truncated", Reason.INVALID_JSON, lambda line: line[: len(line) // 2]),
    Poison("trailing comma", Reason.INVALID_JSON, lambda line: line[:-1] + b",}"),
    Poison("missing team", Reason.MISSING_FIELD, _without_team),
    Poison("empty team", Reason.EMPTY, _field(b"team", b'""')),
    Poison("team of 10,000 characters", Reason.TOO_LONG, _field(b"team", b'"%s"' % (b"x" * 10_000))),
    Poison("control character", Reason.FORBIDDEN_CHARACTER, _field(b"team", b'"pay\\u0000ments"')),
    Poison("invalid UTF-8", Reason.INVALID_UTF8, _field(b"team", b'"pay\xff\xfements"')),
    Poison("tokens as words", Reason.WRONG_TYPE, _field(b"input_tokens", b'"many"')),
    Poison("fractional tokens", Reason.WRONG_TYPE, _field(b"input_tokens", b"1.5")),
    Poison("negative tokens", Reason.OUT_OF_RANGE, _field(b"input_tokens", b"-1")),
    Poison("tokens beyond 64 bits", Reason.OUT_OF_RANGE, _field(b"input_tokens", b"99999999999999999999")),
    Poison("more reasoning than output", Reason.INCONSISTENT, _field(b"reasoning_tokens", b"1000000000")),
    Poison("unknown trigger", Reason.UNKNOWN_VALUE, _field(b"trigger", b'"moonlight"')),
    Poison("seconds instead of milliseconds", Reason.TIMESTAMP_OUT_OF_RANGE, _in_seconds),
    Poison("a time that is none", Reason.INVALID_TIMESTAMP, _field(b"occurred_at", b'"yesterday"')),
    Poison("ten years ahead", Reason.FAR_FUTURE, _in_ten_years),
    Poison("two documents", Reason.MULTIPLE_DOCUMENTS, lambda line: line + line),
)
