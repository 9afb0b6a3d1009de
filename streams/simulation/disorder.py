"""What real logs suffer from: copies, second sources, late arrivals and garbage, in exact shares."""

import re
from collections.abc import Iterator
from heapq import heappop, heappush
from itertools import cycle
from random import Random
from typing import Final

from streams.simulation.poison import POISON
from streams.simulation.scenario import Scenario
from streams.simulation.tally import Tally

__all__ = ["disorder"]

#: How far back a copy's original may lie, in records: within and across chunks.
_RECENT: Final = 4_096
_OCCURRED_AT: Final = re.compile(rb'"occurred_at":(\d+)')
_IDENTITY: Final = re.compile(rb'^\{"event_id":"[^"]*","source":"([^"]*)"')

Record = tuple[str, bytes]


def disorder(valid: Iterator[Record], scenario: Scenario, rng: Random, tally: Tally) -> Iterator[Record]:
    """The log of ``scenario.events`` records made from enough valid ones, in order.

    Selection sampling: each record's fate is drawn from what is still owed, so that shares are met exactly.
    """
    total = scenario.events
    owed_copies, owed_mirrored, owed_poison, owed_late = (
        round(total * share)
        for share in (
            scenario.duplicate_share,
            scenario.mirrored_share,
            scenario.poison_share,
            scenario.out_of_order_share,
        )
    )
    recent: list[Record] = []
    late: list[tuple[int, int, Record]] = []
    ways = cycle(POISON)
    for left in range(total, 0, -1):
        drawn = rng.randrange(left)
        if drawn < owed_copies + owed_mirrored and recent:
            team, line = recent[rng.randrange(len(recent))]
            if drawn < owed_copies:
                owed_copies -= 1
                tally.duplicates += 1
            else:
                owed_mirrored -= 1
                tally.mirrored += 1
                line = _as_seen_by_another(line, rng)
            tally.records += 1
            yield team, line
            continue
        drawn -= owed_copies + owed_mirrored
        record = next(valid, None)
        if record is None:
            break
        if 0 <= drawn < owed_poison:
            owed_poison -= 1
            tally.records += 1
            tally.poison += 1
            yield record[0], next(ways).spoil(record[1])
            continue
        match = _OCCURRED_AT.search(record[1])
        occurred_at_ms = int(match[1]) if match else 0
        while late and late[0][0] <= occurred_at_ms:
            yield _arrive(heappop(late)[2], recent, tally)
        if 0 <= drawn - owed_poison < owed_late:
            owed_late -= 1
            tally.out_of_order += 1
            heappush(late, (occurred_at_ms + 1 + rng.randrange(scenario.out_of_order_ms), left, record))
        else:
            yield _arrive(record, recent, tally)
    while late:
        yield _arrive(heappop(late)[2], recent, tally)


def _arrive(record: Record, recent: list[Record], tally: Tally) -> Record:
    # Only what a second source can be recognised by: failed calls have no request id.
    if b'"request_id"' in record[1]:
        if len(recent) < _RECENT:
            recent.append(record)
        else:
            recent[tally.valid % _RECENT] = record
    tally.records += 1
    tally.valid += 1
    return record


def _as_seen_by_another(line: bytes, rng: Random) -> bytes:
    """The same call in the words of a gateway, or of a tracer where the gateway had it first."""
    source = _IDENTITY.match(line)
    other = b"otel" if source is None or source[1] == b"litellm" else b"litellm"
    return _IDENTITY.sub(b'{"event_id":"%024x","source":"%s"' % (rng.getrandbits(96), other), line)
