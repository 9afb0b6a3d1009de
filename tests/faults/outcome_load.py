"""The outcomes of the load: what the simulated company reports, and what happens to reports on their way.

Beside what the simulation does by itself (copies within minutes): copies hours later; a second system that tells the same
things, first or last, and now and then dates them differently; undoings, undoings of undoings, two of one thing, some by
another system; arrivals hours late, or before the usage of the run that they name, and so before what they undo; outcomes
dated before their run began, of runs that nobody knows, from before the horizon; and records that are none.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import cycle
from random import Random
from typing import Any, Final, NamedTuple

__all__ = ["Due", "disturbed"]

_MINUTE_MS: Final = 60_000
_HOUR_MS: Final = 60 * _MINUTE_MS
#: Beyond any horizon that is configured.
_ANCIENT_MS: Final = 45 * 24 * _HOUR_MS

_MIRRORED: Final = 0.12
_OTHER_TIME: Final = 0.1
_UNDONE: Final = 0.12
_TWICE: Final = 0.15
_BY_ANOTHER: Final = 0.2
_FAR_COPIES: Final = 0.02
_EARLY: Final = 0.08
_LATE: Final = 0.12
_BEFORE_RUN: Final = 0.02
_NO_RUN: Final = 0.02
_ANCIENT: Final = 0.004
_SPOILT: Final = 0.02
#: Of reviews, which are many and say little, how many become something that has a figure of its own.
_RETOLD: Final = 0.5
_UNDOINGS: Final = ("change_reverted", "ticket_reopened", "incident_opened")
_TEN_YEARS_MS: Final = 10 * 365 * 24 * _HOUR_MS

Fields = dict[str, Any]


class Due(NamedTuple):
    """A record, and the event time at which it is to be sent."""

    due_ms: int
    team: str
    value: bytes | None


def _with(**fields: Any) -> Callable[[Fields], bytes]:
    return lambda event: _line({**event, **fields})


#: Ways to make an outcome that no worker may count, in the order they take turns.
_SPOILERS: Final[tuple[Callable[[Fields], bytes | None], ...]] = (
    lambda event: None,
    lambda event: b"",
    lambda event: _line({**event, "occurred_at": event["occurred_at"] + _TEN_YEARS_MS}),
    lambda event: _line(event)[:-9],
    lambda event: b"\x00\x00\x00\x00\x07" + _line(event),
    lambda event: b"\xc3\x01" + _line(event),
    lambda event: b"[" + _line(event) + b"]",
    lambda event: _line(event) * 2,
    lambda event: _line(event)[:-1] + b',"value":NaN}',
    lambda event: _line(event)[:-1] + b',"value":1e999}',
    lambda event: _line({name: value for name, value in event.items() if name != "team"}),
    lambda event: _line({**event, "occurred_at": event["occurred_at"] // 1000}),
    lambda event: _line({**event, "verdict": "reversed", "reverses": event["outcome_id"]}),
    _with(kind="coffee_brewed"),
    _with(kind="coffee\u0000brewed"),
    _with(verdict="brilliant"),
    _with(verdict="accepted", reverses="something"),
    _with(kind="customer_rating", value=None),
    _with(kind="customer_rating", value=4),
    _with(cycle_time_ms=-1),
    _with(cycle_time_ms="a day"),
    _with(outcome_id=""),
    _with(ref="x" * 300),
    _with(attributes={"": "no key"}),
)


def disturbed(told: Iterable[tuple[str, bytes]], rng: Random, kinds: Counter[str]) -> list[Due]:
    """What is to be sent, in the order of sending."""
    due: list[Due] = []
    spoilers = cycle(_SPOILERS)
    for team, line in told:
        for event in _family(json.loads(line), rng, kinds):
            at_ms = event["occurred_at"]
            due.append(Due(_arrival(at_ms, rng, kinds), team, _line(event)))
            if rng.random() < _FAR_COPIES:
                kinds["outcome duplicates"] += 1
                due.append(Due(at_ms + rng.randrange(6 * _HOUR_MS), team, _line(event)))
            if rng.random() < _SPOILT:
                kinds["outcome poison"] += 1
                due.append(Due(at_ms, team, next(spoilers)({**event, "outcome_id": _identity(rng)})))
    # By time alone: what is due at once stays in the order it was told in.
    return sorted(due, key=lambda one: one.due_ms)


def _arrival(at_ms: int, rng: Random, kinds: Counter[str]) -> int:
    draw = rng.random()
    if draw < _EARLY:
        kinds["outcomes early"] += 1
        return at_ms - rng.randrange(5 * _MINUTE_MS, 150 * _MINUTE_MS)
    if draw < _EARLY + _LATE:
        kinds["outcomes late"] += 1
        return at_ms + rng.randrange(5 * _MINUTE_MS, 180 * _MINUTE_MS)
    return at_ms + rng.randrange(2 * _MINUTE_MS)


def _family(event: Fields, rng: Random, kinds: Counter[str]) -> Iterator[Fields]:
    """An outcome, what undoes it, and what a second system says of all of that."""
    if event["kind"] == "review_submitted" and rng.random() < _RETOLD:
        event["kind"] = rng.choice(("defect_reported", "incident_opened", "customer_rating"))
        if event["kind"] == "customer_rating":
            event["value"] = round(rng.random(), 4)
    draw = rng.random()
    if draw < _BEFORE_RUN:
        kinds["outcomes before their run"] += 1
        event["occurred_at"] -= rng.randrange(2 * _HOUR_MS, 8 * _HOUR_MS)
    elif draw < _BEFORE_RUN + _NO_RUN:
        kinds["outcomes of no run"] += 1
        event["run_id"] = f"run-of-nobody-{rng.randrange(50)}"
    elif draw < _BEFORE_RUN + _NO_RUN + _ANCIENT:
        kinds["outcomes ancient"] += 1
        event |= {"occurred_at": event["occurred_at"] - _ANCIENT_MS, "reverses": None, "ref": None}
        # Its own: what is beyond the horizon is forgotten, and a copy within it would count again.
        event["outcome_id"] = _identity(rng)
        event["verdict"] = "neutral" if event["verdict"] == "reversed" else event["verdict"]
    family = [event, *_undoings(event, rng, kinds)]
    yield from family
    # All of the family or nothing of it: a system that tells of an undoing names what it told of before.
    if event.get("ref") and rng.random() < _MIRRORED:
        for one in family:
            kinds["outcomes mirrored"] += 1
            other = {**one, "source": "warehouse", "outcome_id": f"w-{one['outcome_id']}"}
            if one.get("reverses"):
                other["reverses"] = f"w-{one['reverses']}"
                other.pop("attributes", None)
            if rng.random() < _OTHER_TIME:
                kinds["outcome conflicts"] += 1
                other["occurred_at"] += 20 * _MINUTE_MS
            yield other


def _undoings(event: Fields, rng: Random, kinds: Counter[str]) -> Iterator[Fields]:
    """Undoings of an outcome; now and then of one of them, too, which makes the outcome stand again."""
    share = _UNDONE
    while rng.random() < share:
        kinds["undoings"] += 1
        undoing = {name: value for name, value in event.items() if name in ("source", "team", "workflow", "run_id")}
        undoing |= {
            # A reference of its own: else one undoing by two systems and two undoings would look the same.
            "ref": f"undoing-{rng.getrandbits(32):08x}",
            "outcome_id": _identity(rng), "occurred_at": event["occurred_at"] + rng.randrange(90 * _MINUTE_MS),
            "kind": rng.choice(_UNDOINGS), "verdict": "reversed", "reverses": event["outcome_id"],
        }  # fmt: skip
        if rng.random() < _BY_ANOTHER:
            undoing |= {"source": "audit", "attributes": {"reverses_source": event["source"]}}
        yield undoing
        if rng.random() < _TWICE:
            continue
        event, share = undoing, 0.4


def _identity(rng: Random) -> str:
    return f"{rng.getrandbits(64):016x}"


def _line(event: Fields) -> bytes:
    return json.dumps(
        {name: value for name, value in event.items() if value is not None}, separators=(",", ":")
    ).encode()
