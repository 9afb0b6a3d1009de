"""What a log must come to, computed the slow and obvious way: judge each record in order, then add up all of them.

Shares no code with the core. Nothing here knows of chunks, stores, revisions or incremental sums.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from tests.engine_runs import DAY, FIVE, HOUR, MONDAY, NOW, WEEK, Place
from tests.properties.usage_logs import Broken, Event, Record

__all__ = ["Verdicts", "figures", "judge", "kept", "told"]


@dataclass(slots=True)
class Verdicts:
    """What becomes of each record of a log."""

    accepted: list[Event] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    dead: list[tuple[int, str]] = field(default_factory=list)


def judge(records: Iterable[Record], *, lateness: int, grace: int, far_future: int) -> Verdicts:
    """Judge the records in the order of the log."""
    found = Verdicts()
    seen: set[tuple[str, str]] = set()
    calls: dict[str, Event] = {}
    newest = 0
    for offset, record in enumerate(records):
        if isinstance(record, Broken):
            found.counts["dead"] += 1
            found.dead.append((offset, "broken"))
            continue
        at = record.occurred_at
        if record.team == "foreign":
            found.counts["rerouted"] += 1
        elif (record.source, record.event_id) in seen:
            found.counts["duplicate"] += 1
        elif at > NOW + far_future:
            found.counts["dead"] += 1
            found.dead.append((offset, "far_future"))
        else:
            newest = max(newest, at)
            border = (newest - lateness) // FIVE * FIVE
            if at // FIVE < (border - grace) // FIVE:
                found.counts["late"] += 1
                found.dead.append((offset, "too_late"))
                continue
            if record.request_id is not None:
                first = calls.setdefault(record.request_id, record)
                if first.source != record.source and _same_call(first, record):
                    found.counts["duplicate"] += 1
                    continue
            seen.add((record.source, record.event_id))
            found.accepted.append(record)
            found.counts["applied"] += 1
    return found


def _same_call(one: Event, other: Event) -> bool:
    prompts = {event.input_tokens + event.cache_read_tokens for event in (one, other)}
    apart = abs(one.occurred_at // 1000 - other.occurred_at // 1000)
    return len(prompts) == 1 and one.output_tokens == other.output_tokens and apart <= 900


def kept(record: Record) -> bytes:
    """What a dead letter keeps of a record: all but its actor. (No other field of these records holds the name.)"""
    if isinstance(record, Broken) or record.actor is None:
        return record.value or b""
    return replace(record, actor="*" * len(record.actor)).value


def figures(accepted: Iterable[Event]) -> dict[Place, dict[str, Any]]:
    """The final figures of every window of every scope, as the fields of a KPI."""
    windows: dict[Place, list[Event]] = {}
    for event in accepted:
        for size in (FIVE, HOUR, DAY, WEEK):
            for workflow in (event.workflow, None):
                start = MONDAY + (event.occurred_at - MONDAY) // size * size
                windows.setdefault((event.team, workflow, size, start), []).append(event)
    return {place: {**_of(events), "window_end": place[3] + place[2]} for place, events in windows.items()}


def told(accepted: Iterable[Event]) -> dict[tuple[str, str], tuple[int, int, int, int, int]]:
    """What must have been told for the first time in the end, by team and workflow: everything, once."""
    parts: dict[tuple[str, str], list[Event]] = {}
    for event in accepted:
        parts.setdefault((event.team, event.workflow), []).append(event)
    return {
        name: (
            sum(event.cost_micro_usd or 0 for event in events),
            sum(event.input_tokens for event in events),
            sum(event.cache_read_tokens for event in events),
            3 * len(events),
            sum(event.output_tokens for event in events),
        )
        for name, events in parts.items()
    }


def _of(events: list[Event]) -> dict[str, Any]:
    priced = [event.cost_micro_usd for event in events if event.cost_micro_usd is not None]
    actors = {event.actor for event in events} - {None}
    return {
        "calls": len(events),
        "errors": sum(event.status == "error" for event in events),
        "failed_micro_usd": sum(event.cost_micro_usd or 0 for event in events if event.status != "ok"),
        "calls_with_run": sum(event.run_id is not None for event in events),
        "input_tokens": sum(event.input_tokens for event in events),
        "cache_read_tokens": sum(event.cache_read_tokens for event in events),
        "cache_write_tokens": 3 * len(events),
        "output_tokens": sum(event.output_tokens for event in events),
        "reasoning_tokens": 0,
        "spend_micro_usd": sum(priced) if priced else None,
        "priced_calls": len(priced),
        "unpriced_tokens": sum(
            event.input_tokens + event.cache_read_tokens + 3 + event.output_tokens
            for event in events
            if event.cost_micro_usd is None
        ),
        "runs": len({event.run_id for event in events} - {None}),
        "runs_exact": True,
        "active_actors": None if not actors else "1-4" if len(actors) < 5 else "5-9",
        "first_event": min(event.occurred_at for event in events),
        "last_event": max(event.occurred_at for event in events),
    }
