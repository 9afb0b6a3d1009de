"""SWE-bench's per-task table of cost and result as usage and outcome events: real spend joined to real outcomes.

The table (columns model, task, api_calls, cost_usd, resolved) says what each of many models took to work on each of many
tasks, and whether that resolved it. A model is a team, a task one run of it: as many calls as it says, then an evaluation
that passed or failed. When that was, and how many tokens it took, it does not say; the calls are laid out in order from a
given time, and their tokens are zero. Pure: lines in, events out.
"""

import re
from collections.abc import Iterable, Iterator
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from hashlib import blake2b
from heapq import merge
from operator import attrgetter
from typing import Any, Final, NamedTuple

import orjson

from streams.core.events import Rejection, UsageDecoder
from streams.core.outcomes import OutcomeDecoder
from streams.imports.rows import BadRow, CsvRow, csv_rows

__all__ = ["COLUMNS", "SOURCE", "WORKFLOW", "Event", "Task", "read_events", "read_tasks", "team_of"]

COLUMNS: Final = ("model", "task", "api_calls", "cost_usd", "resolved")
SOURCE: Final = "swebench"
WORKFLOW: Final = "swe-bench"

#: A call every so often, an evaluation so long after the last one, and the next task of the same model after that.
_CALL_MS: Final = 5_000
_EVALUATION_MS: Final = 60_000
#: More calls than any agent makes for one task; a table of other columns shows here.
_MOST_CALLS: Final = 100_000
#: Of one task: whatever cost more is a slip of the pen, and no sum of it would fit a record.
_MOST_DOLLARS: Final = 10**9
_NO_LABEL: Final = re.compile(r"[^a-z0-9.]+")


class Task(NamedTuple):
    """One row. ``line`` counts from 1, the header's; ``cost`` is exact, as the text has it."""

    line: int
    model: str
    task: str
    calls: int
    cost: Decimal
    resolved: bool


class Event(NamedTuple):
    """A usage or an outcome event in JSON, and when it happened."""

    at_ms: int
    is_outcome: bool
    value: bytes


def team_of(model: str) -> str:
    """The team that a model's tasks are booked to: its name as a label."""
    return _NO_LABEL.sub("-", model.lower()).strip("-.")


def read_tasks(lines: Iterable[str]) -> Iterator[Task | BadRow]:
    """The rows of a table, good and bad, in order. Raises DataError when the header is another's, before any row."""
    for row in csv_rows(lines, COLUMNS, "the table"):
        yield row if isinstance(row, BadRow) else _task(row)


def read_events(lines: Iterable[str], *, start_ms: int) -> Iterator[Event | BadRow]:
    """The rows that are none, then the table as events that the worker's own decoders accept, in order of time.

    The first task of each model begins at ``start_ms``. Costs are rounded to micro-dollars so that those of a model add
    up to what its rows add up to, rounded once. The ids depend on the row and on ``start_ms`` only, so that importing a
    table twice counts it once. Holds the whole table. Raises DataError as :func:`read_tasks`.
    """
    usage_decoder, outcome_decoder = UsageDecoder(), OutcomeDecoder()
    models: dict[str, list[Task]] = {}
    names: dict[str, str] = {}
    for row in read_tasks(lines):
        if isinstance(row, BadRow):
            yield row
            continue
        if names.setdefault(team_of(row.model), row.model) != row.model:
            yield BadRow(
                row.line, f"model {row.model[:40]!r} and {names[team_of(row.model)][:40]!r} make the same team"
            )
            continue
        call, outcome = next(_calls(row, start_ms, Decimal(0))), _outcome(row, start_ms)
        judged = [
            *usage_decoder.decode([orjson.dumps(call)]).events, *outcome_decoder.decode([orjson.dumps(outcome)]).events
        ]  # fmt: skip
        refused = next((event for event in judged if isinstance(event, Rejection)), None)
        if refused is not None:
            yield BadRow(row.line, refused.detail)
            continue
        models.setdefault(row.model, []).append(row)
    yield from merge(*(_events(tasks, start_ms) for tasks in models.values()), key=attrgetter("at_ms"))


def _events(tasks: Iterable[Task], began: int) -> Iterator[Event]:
    """One model's events, one task after the other."""
    spent = Decimal(0)
    for task in tasks:
        for call in _calls(task, began, spent):
            yield Event(call["occurred_at"], False, orjson.dumps(call))
        outcome = _outcome(task, began)
        yield Event(outcome["occurred_at"], True, orjson.dumps(outcome))
        began = outcome["occurred_at"]
        spent += task.cost


def _calls(row: Task, began: int, before: Decimal) -> Iterator[dict[str, Any]]:
    run_id, team = _identity(row, began), team_of(row.model)
    for number in range(row.calls):
        # What has been spent with this call, less what had been without it, each rounded once.
        spent = [_micro_usd(before + row.cost * (number + more) / row.calls) for more in (0, 1)]
        yield {
            "event_id": f"{run_id}-{number}",
            "source": SOURCE,
            "occurred_at": began + number * _CALL_MS,
            "team": team,
            "workflow": WORKFLOW,
            "run_id": run_id,
            "model": row.model,
            "cost_micro_usd": spent[1] - spent[0],
            "trigger": "agent",
        }


def _outcome(row: Task, began: int) -> dict[str, Any]:
    run_id, took = _identity(row, began), row.calls * _CALL_MS + _EVALUATION_MS
    return {
        "outcome_id": f"{run_id}-result",
        "source": SOURCE,
        "occurred_at": began + took,
        "team": team_of(row.model),
        "workflow": WORKFLOW,
        "run_id": run_id,
        "kind": "eval_passed" if row.resolved else "eval_failed",
        "verdict": "accepted" if row.resolved else "rejected",
        "cycle_time_ms": took,
        "ref": row.task,
    }


def _identity(row: Task, began: int) -> str:
    return f"{SOURCE}-{blake2b(repr((row, began)).encode(), digest_size=10).hexdigest()}"


def _micro_usd(dollars: Decimal) -> int:
    return int((dollars * 1_000_000).to_integral_value(ROUND_HALF_EVEN))


def _task(row: CsvRow) -> Task | BadRow:
    line, (model, task, calls, cost, resolved) = row.line, row.values
    if not team_of(model):
        return BadRow(line, f"model {model[:40]!r} has no letter or digit")
    if not calls.isascii() or not calls.isdigit() or not 0 < int(calls[:9]) <= _MOST_CALLS:
        return BadRow(line, f"api_calls {calls[:40]!r} is not a number of calls from 1 to {_MOST_CALLS}")
    try:
        dollars = Decimal(cost)
    except InvalidOperation:
        dollars = Decimal("nan")
    if not dollars.is_finite() or dollars < 0:
        return BadRow(line, f"cost_usd {cost[:40]!r} is not an amount of dollars")
    if dollars > _MOST_DOLLARS:
        return BadRow(line, f"cost_usd {cost[:40]!r} is more than {_MOST_DOLLARS:,} dollars for one task")
    if resolved not in ("0", "1"):
        return BadRow(line, f"resolved {resolved[:40]!r} is neither 0 nor 1")
    return Task(line, model, task, int(calls), dollars, resolved == "1")
