"""The load of one scenario: a simulated log, disturbed in every way real ones are, and where each record is sent."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from heapq import heappop, heappush
from itertools import cycle
from random import Random
from typing import Any, Final, NamedTuple

from kafka.partitioner.default import murmur2

from streams.simulation import DEFAULT_START_MS, Scenario, Simulation

__all__ = ["PARTITIONS", "Record", "build", "partition_of"]

PARTITIONS: Final = 4

_HOUR_MS: Final = 3_600_000
_MINUTE_MS: Final = 60_000
#: From a Monday evening into Tuesday: the day's window closes by the watermark, not only when the load has ended.
_START_MS: Final = DEFAULT_START_MS + 19 * _HOUR_MS
_SPAN_MS: Final = 8 * _HOUR_MS
#: Longer than any record may be (1 MiB by default).
_TOO_LONG: Final = 1_200_000

#: Shares of records, on top of what the simulation does by itself.
_LATE: Final = 0.015
_TOO_LATE: Final = 0.0006
_FAR_COPIES: Final = 0.02
_OTHER_TOKENS: Final = 0.003
_OTHER_TIME: Final = 0.001
_SPOILT: Final = 0.002
_MISROUTED: Final = 0.003

_OCCURRED_AT: Final = re.compile(rb'"occurred_at":(\d{13})[,}]')
#: Ways to spoil a record that a file of lines cannot hold, so that the simulation has none of them.
_SPOILERS: Final[tuple[Callable[[bytes], bytes | None], ...]] = (
    lambda value: None,
    lambda value: b"",
    lambda value: b"\x00\x00\x00\x00\x07" + value,
    lambda value: b"\xc3\x01" + value,
    lambda value: b"[" + value + b"]",
    lambda value: value[:-1] + b',"cost_micro_usd":NaN}',
    lambda value: b'{"event_id":"' + b"x" * 300 + value[13:],
    lambda value: b"\n" + value[:-1],
)


class Record(NamedTuple):
    """One record as it is produced."""

    partition: int
    key: bytes
    value: bytes | None


def partition_of(team: str) -> int:
    """Where a team's records belong: Kafka's own rule, by a library the worker does not use for it."""
    return int(murmur2(team.encode()) & 0x7FFFFFFF) % PARTITIONS


def build(seed: int, events: int) -> tuple[list[Record], Counter[str]]:
    """About ``events`` records, and how many of which kind of trouble are among them.

    10 % are copies (near and far), 5 % out of order (within the lateness, within the grace, a few beyond it), 1 % are
    invalid; some lie in the wrong partition, and some requests are told by two sources that agree, or do not.
    """
    scenario = Scenario(
        seed=seed, events=round(events * 0.97), teams=20, workflows=60, actors=400, runs=max(1, events // 20),
        start_ms=_START_MS, span_ms=_SPAN_MS, steady=True, duplicate_share=0.08, mirrored_share=0.015,
        poison_share=0.008, out_of_order_share=0.035, out_of_order_ms=45_000,
    )  # fmt: skip
    rng = Random(f"faults-{seed}")
    simulation = Simulation(scenario)
    kinds: Counter[str] = Counter()
    partitions: dict[str, int] = {}
    records = []
    for team, value in _disturbed(simulation, rng, kinds):
        if team not in partitions:
            partitions[team] = partition_of(team)
        partition = partitions[team]
        if rng.random() < _MISROUTED:
            partition = (partition + rng.randrange(1, PARTITIONS)) % PARTITIONS
            kinds["misrouted"] += 1
        records.append(Record(partition, team.encode(), value))
    tally = simulation.tally
    kinds.update(duplicates=tally.duplicates, mirrored=tally.mirrored, poison=tally.poison, jitter=tally.out_of_order)
    return records, kinds


def _disturbed(
    source: Iterable[tuple[str, bytes]], rng: Random, kinds: Counter[str]
) -> Iterator[tuple[str, bytes | None]]:
    held: list[tuple[int, int, str, bytes]] = []
    past: list[tuple[str, bytes]] = []
    spoilers = cycle(_SPOILERS)
    oversized = 2
    for number, (team, value) in enumerate(source):
        found = _OCCURRED_AT.search(value)
        at_ms = int(found[1]) if found else 0
        while held and held[0][0] <= at_ms < _START_MS + _SPAN_MS:
            _, _, late_team, late_value = heappop(held)
            yield late_team, late_value
        draw = rng.random()
        if draw < _LATE:
            kinds["late"] += 1
            heappush(held, (at_ms + rng.randrange(2 * _MINUTE_MS, 85 * _MINUTE_MS), number, team, value))
            continue
        if (draw := draw - _LATE) < _TOO_LATE:
            kinds["too late"] += 1
            heappush(held, (at_ms + rng.randrange(3 * _HOUR_MS, 4 * _HOUR_MS), number, team, value))
            continue
        yield team, value
        draw -= _TOO_LATE
        if draw < _FAR_COPIES and past:
            kinds["duplicates"] += 1
            yield past[rng.randrange(len(past))]
        elif 0 <= draw - _FAR_COPIES < _SPOILT:
            kinds["poison"] += 1
            yield team, next(spoilers)(value)
            if oversized:
                oversized -= 1
                yield team, b'{"event_id":"' + b"x" * _TOO_LONG + b'"}'
        elif 0 <= draw - _FAR_COPIES - _SPOILT < _OTHER_TOKENS + _OTHER_TIME and b'"request_id"' in value and found:
            kinds["conflicts"] += 1
            yield team, _contradiction(value, rng)
        if rng.random() < 0.1:
            past.append((team, value))
    for _, _, team, late in sorted(held):
        yield team, late


def _contradiction(value: bytes, rng: Random) -> bytes:
    """The same request told by another source, which counts other tokens or dates it more than 15 minutes away."""
    try:
        event: dict[str, Any] = json.loads(value)
    except ValueError:
        return value
    event["source"] = "gateway-audit"
    event["event_id"] = f"{rng.getrandbits(96):024x}"
    if rng.random() < _OTHER_TIME / (_OTHER_TIME + _OTHER_TOKENS):
        event["occurred_at"] -= 2_000_000
    else:
        tokens = event.get("input_tokens", 0)
        event["input_tokens"] = tokens + 1 if isinstance(tokens, int) else 1
    return json.dumps(event, separators=(",", ":")).encode()
