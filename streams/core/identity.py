"""Who an event is, and whether it was here before.

An event's identity within its source is (source, event_id). Across sources it is the provider's request id: the same
call seen by a gateway and by an agent's own telemetry counts once, but only where both agree on tokens and time. A
disagreement is reported and both count: an id alone is no proof (anonymised exports share one id).
"""

from typing import Final

import orjson
from xxhash import xxh3_64_intdigest

from streams.core import keys
from streams.core.events import UsageEvent
from streams.core.store import StateView, Writes

__all__ = [
    "AGREE_WITHIN_S",
    "Sources",
    "agree",
    "event_hashes",
    "request_hashes",
    "source_of",
    "witness",
]

#: How far apart two sources may date one call: a gateway stamps its start, an agent often its end.
AGREE_WITHIN_S: Final = 900

_TIME_MASK: Final = 0xFFFFFF
_SOURCE_MASK: Final = 0xFFFF
_MAX_SOURCES: Final = 4_096


def event_hashes(events: list[UsageEvent], seed: int) -> list[int]:
    """64-bit hashes of (source, event_id); the NUL between them cannot occur in either."""
    return [xxh3_64_intdigest(f"{event.source}\0{event.event_id}".encode(), seed) for event in events]


def request_hashes(events: list[UsageEvent], seed: int) -> list[int]:
    """64-bit hashes of request ids, 0 where an event has none."""
    return [xxh3_64_intdigest(event.request_id.encode(), seed) if event.request_id else 0 for event in events]


def witness(prompt: int, output: int, at: int, source_number: int) -> int:
    """What one source says of a call, in 64 bits: 24 of a token digest, 24 of seconds, 16 of the source's number.

    Prompt tokens are taken together, since sources split cached from uncached tokens differently; an odd multiplier
    keeps them apart from completion tokens.
    """
    # Literals, not constants: this runs once an event.
    return ((prompt * 1_000_003 + output) & 0xFFFFFF) << 40 | (at // 1000 & 0xFFFFFF) << 16 | source_number


def agree(one: int, other: int) -> bool:
    """Whether two witnesses can have seen the same call."""
    apart = ((one >> 16) - (other >> 16)) & _TIME_MASK
    return one >> 40 == other >> 40 and min(apart, _TIME_MASK + 1 - apart) <= AGREE_WITHIN_S


def source_of(one: int) -> int:
    """The number of the source that a witness names."""
    return one & _SOURCE_MASK


class Sources:
    """Names of sources by number, in the order a shard met them; kept in the state, since witnesses name numbers.

    Beyond 4,096 names all further ones share the last number: still counted, under one name. The bound keeps the
    record of names at a megabyte, whatever producers put into the field.
    """

    def __init__(self, store: StateView) -> None:
        stored = store.get(keys.SOURCES)
        self.names: list[str] = orjson.loads(stored) if stored else []
        self.numbers = {name: number for number, name in enumerate(self.names)}
        self._written = len(self.names)

    def number(self, name: str) -> int:
        """The number of a source, given out on first sight."""
        found = self.numbers.get(name)
        if found is None:
            if len(self.names) >= _MAX_SOURCES:
                return _MAX_SOURCES - 1
            found = self.numbers[name] = len(self.names)
            self.names.append(name)
        return found

    def drain(self, writes: Writes) -> None:
        """Write the names if any are new."""
        if len(self.names) != self._written:
            self._written = len(self.names)
            writes[keys.SOURCES] = orjson.dumps(self.names)
