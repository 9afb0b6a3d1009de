"""Logs of usage events as they come to one partition: out of order, repeated, seen twice, misplaced and broken."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

from hypothesis import strategies as st

from streams.core.engine import EngineParams
from tests.engine_runs import DAY, FIVE, HOUR, MINUTE, MONDAY, NOW, SECOND

__all__ = ["Broken", "Cut", "Event", "Record", "cuts", "logs", "params", "pieces"]


@dataclass(frozen=True, slots=True)
class Event:
    """A sound record; the fields are those of a usage event that figures depend on."""

    event_id: str
    source: str
    occurred_at: int
    team: str
    workflow: str
    actor: str | None
    run_id: str | None
    request_id: str | None
    input_tokens: int
    cache_read_tokens: int
    output_tokens: int
    cost_micro_usd: int | None
    status: str

    @property
    def value(self) -> bytes:
        """The record as it lies in the log."""
        fields: dict[str, Any] = {name: getattr(self, name) for name in self.__slots__}
        return json.dumps({**fields, "model": "m", "cache_write_tokens": 3, "reasoning_tokens": 0}).encode()


@dataclass(frozen=True, slots=True)
class Broken:
    """A record that no decoder takes."""

    value: bytes | None


Record = Event | Broken

#: What a record is: an event of its own, an earlier one again, a call that another source saw too, or one that is not
#: to be applied.
_KINDS: Final = [*["own"] * 12, *["again"] * 2, *["other source"] * 4, "foreign", "broken", "far"]
#: From one record to the next: mostly little time passes, sometimes a whole window or day.
_STEPS: Final = [0, 0, SECOND, SECOND, 100 * SECOND, 100 * SECOND, FIVE - 1, FIVE, 20 * MINUTE, HOUR, 30 * HOUR]
#: How far behind the front a record lies: mostly not, or within a window, or on either side of any grace below.
_BACK: Final = [0, 0, 0, 0, 0, 1, 4 * MINUTE, 7 * MINUTE, 12 * MINUTE, HOUR, 3 * HOUR, 25 * HOUR]
#: How far apart two sources date one call: on either side of what still is agreement.
_APART: Final = [0, 0, SECOND, -SECOND, 900 * SECOND, -900 * SECOND, 901 * SECOND]
_BROKEN: Final = [None, b"", b"{", b"[]", b'{"event_id":"1"}']

_events: Final = st.builds(
    Event,
    event_id=st.just(""),
    source=st.sampled_from(["gateway", "agent", "third"]),
    occurred_at=st.just(0),
    team=st.sampled_from(["red", "red", "blue"]),
    workflow=st.sampled_from(["x", "y"]),
    actor=st.sampled_from([None, "ada", "bob", "cy", "dee", "eve"]),
    run_id=st.sampled_from([None, "r1", "r2", "r3"]),
    request_id=st.sampled_from([None, "own", "own", "own", "shared"]),
    input_tokens=st.sampled_from([0, 10, 100]),
    cache_read_tokens=st.sampled_from([0, 90]),
    output_tokens=st.sampled_from([5, 6]),
    cost_micro_usd=st.sampled_from([None, 0, 7, 1_000_000]),
    status=st.sampled_from(["ok", "ok", "error", "cancelled"]),
)
_drafts: Final = st.tuples(
    st.sampled_from(_KINDS), _events, st.sampled_from(_STEPS), st.sampled_from(_BACK), st.sampled_from(_APART),
    st.integers(1, 12),
)  # fmt: skip


def logs(max_size: int = 60) -> st.SearchStrategy[list[Record]]:
    """Logs whose event time advances by uneven steps, with stragglers behind it and clocks gone wrong before it."""
    # Left to itself, a list is mostly short, and what matters takes several records to happen.
    least = st.sampled_from([1, max_size // 4, max_size // 2])
    return least.flatmap(lambda size: st.lists(_drafts, min_size=size, max_size=max_size)).map(_log)


def _log(drafts: list[Any]) -> list[Record]:
    log: list[Record] = []
    events: list[Event] = []
    front = MONDAY
    for number, (kind, event, step, back, apart, ago) in enumerate(drafts):
        front += step
        record = replace(event, event_id=str(number), occurred_at=front - back)
        if event.request_id == "own":
            record = replace(record, request_id=f"q{number}")
        earlier = events[-ago] if ago <= len(events) else None
        match kind:
            case "broken":
                log.append(Broken(_BROKEN[ago % len(_BROKEN)]))
                continue
            case "foreign":
                record = replace(record, team="foreign")
            case "far":
                record = replace(record, occurred_at=NOW + DAY)
            case "again" if earlier:
                record = replace(record, event_id=earlier.event_id, source=earlier.source)
            case "other source" if earlier:
                record = replace(
                    earlier, event_id=str(number), source=event.source, team=event.team,
                    occurred_at=earlier.occurred_at + apart, output_tokens=event.output_tokens,
                )  # fmt: skip
        events.append(record)
        log.append(record)
    return log


#: Lateness and grace on either side of what logs do; horizons that no log outlives; all figures are told.
params: Final = st.builds(
    EngineParams,
    lateness_ms=st.sampled_from([0, MINUTE, 11 * MINUTE]),
    grace_ms=st.sampled_from([0, 7 * MINUTE, HOUR, DAY, 40 * DAY]),
    dedupe_horizon_ms=st.just(1_000 * DAY),
    request_horizon_ms=st.just(1_000 * DAY),
    min_actors=st.just(0),
)

#: How many records a chunk has, and what follows it.
Cut = tuple[int, str]


def cuts(*then: str) -> st.SearchStrategy[list[Cut]]:
    """Ways to cut a log into chunks; used again from the start when the log is longer."""
    return st.lists(st.tuples(st.integers(1, 9), st.sampled_from(then)), min_size=1, max_size=12)


def pieces(records: list[Record], cut: list[Cut]) -> Iterator[tuple[list[Record], str]]:
    """The log in chunks, each with what follows it."""
    start = number = 0
    while start < len(records):
        size, then = cut[number % len(cut)]
        yield records[start : start + size], then
        start, number = start + size, number + 1
