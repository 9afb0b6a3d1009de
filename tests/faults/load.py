"""The load of one scenario: a simulated log, disturbed in every way real ones are, and where each record is sent.

Usage and outcomes of one company, interleaved in time: what an outcome needs may come before it, after it, or never.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from heapq import heappop, heappush
from itertools import cycle
from random import Random
from typing import Any, Final, NamedTuple

from kafka.partitioner.default import murmur2

from streams.core.topics import OUTCOMES, USAGE
from streams.simulation import DEFAULT_START_MS, Scenario, Simulation
from tests.faults import outcome_load

__all__ = [
    "LOOPING",
    "PARTITIONS",
    "Record",
    "build",
    "closing",
    "partition_of",
    "teams_with_outcomes",
    "week_end_ms",
    "weeks_until",
]

PARTITIONS: Final = 4

_WEEK_MS: Final = 604_800_000
_HOUR_MS: Final = 3_600_000
_MINUTE_MS: Final = 60_000
#: From a Monday evening into Tuesday: the day's window closes by the watermark, not only when the load has ended.
_START_MS: Final = DEFAULT_START_MS + 19 * _HOUR_MS
_SPAN_MS: Final = 8 * _HOUR_MS
#: Usage events of a run, on average: enough runs for an outcome to every 20 events.
_CALLS: Final = 9
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

#: Teams with an agent that makes the same call over and over, and how long and how dear its run is: beyond any limit.
LOOPING: Final = "looping-"
_LOOPS: Final = 16
_LOOP_CALLS: Final = 60
_LOOP_EVERY_MS: Final = 15_000
_LOOP_CALL_MICRO_USD: Final = 1_000_000

_OCCURRED_AT: Final = re.compile(rb'"occurred_at":(\d{13})[,}]')
#: The load concerns nobody: figures of few people are held back, and the oracle computes exact totals.
_ACTOR: Final = re.compile(rb'"actor":"[^"]*(?:",|$)')
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
    """One record as it is produced; ``topic`` is the public name, without a prefix."""

    topic: str
    partition: int
    key: bytes
    value: bytes | None


def partition_of(team: str) -> int:
    """Where a team's records belong: Kafka's own rule, by a library the worker does not use for it."""
    return int(murmur2(team.encode()) & 0x7FFFFFFF) % PARTITIONS


def weeks_until(now_ms: int) -> int:
    """How many weeks the load moves to lie in the last week that is over: its windows close by the clock, all of them,
    and what the state keeps for weeks is still there in the end."""
    return (now_ms - DEFAULT_START_MS) // _WEEK_MS - 1


def week_end_ms(weeks: int) -> int:
    """When the load's week is over, and all of its windows with it."""
    return DEFAULT_START_MS + (weeks + 1) * _WEEK_MS


def build(seed: int, events: int, weeks: int = 0) -> tuple[list[Record], Counter[str]]:
    """About ``events`` usage events and an outcome for every 20 of them, and how many troubles of which kind they have.

    10 % are copies (near and far), 5 % out of order (within the lateness, within the grace, a few beyond it), 1 % are
    invalid; some runs go in circles; some lie in the wrong partition, and some requests are told by two sources that agree, or do not. Of the
    outcomes see :mod:`tests.faults.outcome_load`. ``weeks`` moves all of it in time, and changes nothing else.
    """
    start_ms = _START_MS + weeks * _WEEK_MS
    scenario = Scenario(
        seed=seed, events=round(events * 0.97), teams=20, workflows=60, actors=400, runs=max(1, events // _CALLS),
        start_ms=start_ms, span_ms=_SPAN_MS, steady=True, duplicate_share=0.08, mirrored_share=0.015,
        poison_share=0.008, out_of_order_share=0.035, out_of_order_ms=45_000, outcomes=True,
    )  # fmt: skip
    rng = Random(f"faults-{seed}")
    simulation = Simulation(scenario)
    kinds: Counter[str] = Counter()
    source = ((team, _ACTOR.sub(b"", value)) for team, value in simulation)
    kinds["runs in circles"] = _LOOPS
    usage = list(_disturbed(_with_loops(source, start_ms), start_ms + _SPAN_MS, rng, kinds))
    told = ((team, _ACTOR.sub(b"", value)) for team, value in simulation.take_outcomes())
    # Not seeded as the simulation's outcomes are: equal sequences give equal ids.
    outcomes = outcome_load.disturbed(told, Random(f"disturbed-outcomes-{seed}"), kinds)
    records = [
        Record(topic, _partition(team, rng, kinds), team.encode(), value)
        for topic, team, value in _interleaved(usage, outcomes, start_ms + _SPAN_MS)
    ]
    tally = simulation.tally
    kinds.update(duplicates=tally.duplicates, mirrored=tally.mirrored, poison=tally.poison, jitter=tally.out_of_order)
    kinds["outcome duplicates"] += simulation.outcome_tally.outcome_duplicates
    return records, kinds


def teams_with_outcomes(records: Iterable[Record]) -> frozenset[str]:
    """The teams that outcomes of the load are about."""
    return frozenset(record.key.decode() for record in records if record.topic == OUTCOMES)


def closing(at_ms: int) -> list[Record]:
    """A usage event of each partition, of a team of its own, that moves all watermarks to a time."""
    teams: dict[int, str] = {}
    number = 0
    while len(teams) < PARTITIONS:
        teams.setdefault(partition_of(f"closing-{number}"), f"closing-{number}")
        number += 1
    event = {"event_id": "closing", "source": "native", "occurred_at": at_ms, "workflow": "closing", "model": "m"}
    return [
        Record(USAGE, partition, team.encode(), json.dumps({**event, "team": team}).encode())
        for partition, team in teams.items()
    ]


def _partition(team: str, rng: Random, kinds: Counter[str]) -> int:
    partition = partition_of(team)
    if rng.random() < _MISROUTED:
        partition = (partition + rng.randrange(1, PARTITIONS)) % PARTITIONS
        kinds["misrouted"] += 1
    return partition


def _interleaved(
    usage: Iterable[tuple[str, bytes | None]], outcomes: list[outcome_load.Due], end_ms: int
) -> Iterator[tuple[str, str, bytes | None]]:
    """Topic, team and value; usage in its order, and each outcome when the usage has come to its time."""
    clock_ms = done = 0
    for team, value in usage:
        found = _OCCURRED_AT.search(value or b"")
        if found and int(found[1]) < end_ms:
            clock_ms = max(clock_ms, int(found[1]))
        while done < len(outcomes) and outcomes[done].due_ms <= clock_ms:
            yield OUTCOMES, outcomes[done].team, outcomes[done].value
            done += 1
        yield USAGE, team, value
    for due in outcomes[done:]:
        yield OUTCOMES, due.team, due.value


def _with_loops(source: Iterable[tuple[str, bytes]], start_ms: int) -> Iterator[tuple[str, bytes]]:
    """What is simulated, and the runs in circles in its midst, each call at its time."""
    loops = sorted(
        (start_ms + (2 * loop + 1) * _SPAN_MS // (2 * _LOOPS + 2) + call * _LOOP_EVERY_MS, loop, call)
        for loop in range(_LOOPS)
        for call in range(_LOOP_CALLS)
    )
    done = 0
    for team, value in source:
        found = _OCCURRED_AT.search(value)
        while found and done < len(loops) and loops[done][0] <= int(found[1]) < start_ms + _SPAN_MS:
            yield _looping(*loops[done])
            done += 1
        yield team, value


def _looping(at_ms: int, loop: int, call: int) -> tuple[str, bytes]:
    team = f"{LOOPING}{loop}"
    event = {
        "event_id": f"{team}-{call}", "source": "native", "occurred_at": at_ms, "team": team, "workflow": "agent",
        "run_id": f"{team}-run", "model": "m", "tool": "search", "prompt_fingerprint": "again", "input_tokens": 900,
        "output_tokens": 9, "cost_micro_usd": _LOOP_CALL_MICRO_USD,
    }  # fmt: skip
    return team, json.dumps(event, separators=(",", ":")).encode()


def _disturbed(
    source: Iterable[tuple[str, bytes]], end_ms: int, rng: Random, kinds: Counter[str]
) -> Iterator[tuple[str, bytes | None]]:
    held: list[tuple[int, int, str, bytes]] = []
    past: list[tuple[str, bytes]] = []
    spoilers = cycle(_SPOILERS)
    oversized = 2
    for number, (team, value) in enumerate(source):
        found = _OCCURRED_AT.search(value)
        at_ms = int(found[1]) if found else 0
        while held and held[0][0] <= at_ms < end_ms:
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
