"""What a field of an input record may hold, as types: checked in C while the record is decoded."""

from typing import Annotated, Final

from msgspec import Meta

__all__ = [
    "EARLIEST_MS",
    "LATEST_MS",
    "Attributes",
    "Id",
    "Key",
    "MicroUsd",
    "OptionalText",
    "Text",
    "TimestampMs",
    "Tokens",
]

# 2015-01-01: no model call is older. Seconds sent as milliseconds fall into 1970 and are caught here.
EARLIEST_MS: Final = 1_420_070_400_000
# 9999-12-31: the last day most systems can print. Micro- and nanoseconds sent as milliseconds lie beyond it. Whether a
# time lies too far in the future is for the engine to judge, which has a clock.
LATEST_MS: Final = 253_402_300_799_999

Key = Annotated[str, Meta(min_length=1, max_length=200)]
"""A team or a workflow: part of every key and label."""

Id = Annotated[str, Meta(min_length=1, max_length=256)]
"""An identity unique within its source."""

Text = Annotated[str, Meta(min_length=1, max_length=256)]
"""A short required text."""

OptionalText = Annotated[str, Meta(max_length=256)] | None
"""A short text that may be unknown. Empty means unknown and becomes None once the record is decoded."""

TimestampMs = Annotated[int, Meta(ge=EARLIEST_MS, le=LATEST_MS)]
"""Milliseconds since 1970, UTC."""

# A thousand times the largest context times the most calls anyone batches into one event, and far from 2**63.
Tokens = Annotated[int, Meta(ge=0, le=2**40)]
"""A count of tokens."""

# Nine billion dollars in one event, and the largest integer every JSON producer can write exactly.
MicroUsd = Annotated[int, Meta(ge=0, le=2**53)]
"""Money in micro-dollars."""

Attributes = Annotated[
    dict[Annotated[str, Meta(min_length=1, max_length=64)], Annotated[str, Meta(max_length=1024)]],
    Meta(max_length=64),
]
"""Free pairs of texts."""
