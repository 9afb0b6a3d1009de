"""Keys of the state: bytes whose order is the order we read ranges in.

``row  = 'w' + size code + scope + bucket (8 bytes, big-endian) + team + NUL + workflow``, so that all windows of one
size and scope lie in order of time and can be read, closed and expired by range. Names never hold a NUL (validation).
"""

import struct
from typing import Final, NamedTuple

from streams.core.windows import Scope, Window

__all__ = [
    "BEGAN",
    "DETECT",
    "DIRTY",
    "EPISODE",
    "FINGERPRINT",
    "HISTORY",
    "LINK",
    "META",
    "OUTCOME",
    "OUTCOME_HOUR",
    "PACE",
    "POSITION",
    "PROFILE",
    "REFERENCE",
    "ROW",
    "RUN",
    "SOURCES",
    "STARTERS",
    "STINT",
    "TEAM",
    "TEAM_WEEKS",
    "TEAM_WORKFLOW",
    "WAITING",
    "WATCH",
    "RowKey",
    "all_of",
    "parse_row",
    "row_range",
]  # fmt: skip

#: Applied offsets and watermark: written in every transaction.
META: Final = b"m"
#: Names of sources by number, for the records of calls seen twice.
SOURCES: Final = b"s"
#: Prefix of rows.
ROW: Final = b"w"
#: Prefix of marks on closed rows that changed since their last publication.
DIRTY: Final = b"d"
#: Prefix of runs by hash (:mod:`streams.core.runs`).
RUN: Final = b"j"
#: Prefix of the runs of a team by the hour in which they began.
BEGAN: Final = b"q"
#: Prefix of outcomes by identity, of their hours, of their references by quarters of an hour, and of the runs they name.
OUTCOME: Final = b"o"
OUTCOME_HOUR: Final = b"x"
REFERENCE: Final = b"f"
LINK: Final = b"n"
#: Prefix of the runs of a team that wait for an hour, until it is decided whether they may be told of.
WAITING: Final = b"y"
#: Prefix of whose runs began in a window (:mod:`streams.core.starters`).
STARTERS: Final = b"p"
#: Prefix of what is known of a team, and of the workflows that it was seen to use.
TEAM: Final = b"t"
TEAM_WORKFLOW: Final = b"u"
#: Prefixes of the stage *detect*: fingerprints of prompts, what is watched of a workflow and of the people in it, its
#: days, the steps and the profile of a budget, episodes, weeks of a team, and how far all of it is judged.
FINGERPRINT: Final = b"g"
WATCH: Final = b"h"
STINT: Final = b"k"
HISTORY: Final = b"l"
PACE: Final = b"v"
PROFILE: Final = b"z"
EPISODE: Final = b"a"
TEAM_WEEKS: Final = b"c"
DETECT: Final = b"e"
#: Local only, never in the changelog: how much of the changelog the local store holds.
POSITION: Final = b"\x00position"

_HEAD: Final = struct.Struct(">cBBQ")
_CODES: Final = {size: size.code for size in Window}
_BY_CODE: Final = {size.code: size for size in Window}


class RowKey(NamedTuple):
    """A row key, taken apart."""

    window: Window
    scope: Scope
    bucket: int
    team: str
    workflow: str

    def encode(self) -> bytes:
        """The key's bytes."""
        return _HEAD.pack(ROW, _CODES[self.window], self.scope, self.bucket) + f"{self.team}\0{self.workflow}".encode()

    @property
    def start_ms(self) -> int:
        """The window's first millisecond."""
        return self.window.start_of(self.bucket)

    @property
    def end_ms(self) -> int:
        """The first millisecond after the window."""
        return self.window.start_of(self.bucket + 1)


def all_of(prefix: bytes) -> tuple[bytes, bytes]:
    """The half-open range of all keys that begin with one of the prefixes above, which are a byte each."""
    return prefix, bytes([prefix[0] + 1])


def row_range(window: Window, scope: Scope, start: int, end: int) -> tuple[bytes, bytes]:
    """The half-open range of keys that holds the rows of buckets ``start`` to ``end - 1``."""
    code = window.code
    # The week in which 1970 begins has days before it.
    return _HEAD.pack(ROW, code, scope, max(start, 0)), _HEAD.pack(ROW, code, scope, max(end, 0))


def parse_row(key: bytes) -> RowKey:
    """The inverse of :meth:`RowKey.encode`."""
    _, code, scope, bucket = _HEAD.unpack_from(key)
    team, _, workflow = key[_HEAD.size :].decode().partition("\0")
    return RowKey(_BY_CODE[code], Scope(scope), bucket, team, workflow)
