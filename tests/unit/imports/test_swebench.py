"""SWE-bench's table as events: exact money, one run a task, events in order of time, and rows that say what is wrong."""

from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.events import UsageDecoder, UsageEvent
from streams.core.outcomes import OutcomeDecoder, OutcomeEvent
from streams.errors import DataError
from streams.imports.rows import BadRow
from streams.imports.swebench import Event, read_events, team_of
from tests.engine_runs import MONDAY

HEADER = "model,task,api_calls,cost_usd,resolved"


def read(*rows: str, start_ms: int = MONDAY) -> list[Event | BadRow]:
    return list(read_events([HEADER, *rows], start_ms=start_ms))


def told(*rows: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The usage and the outcome events of a sound table."""
    events = read(*rows)
    assert all(isinstance(event, Event) for event in events), events
    usage, outcomes = (
        [orjson.loads(event.value) for event in events if isinstance(event, Event) and event.is_outcome is kind]
        for kind in (False, True)
    )
    return usage, outcomes


def test_a_task_is_a_run_of_its_calls_and_what_came_of_them() -> None:
    usage, outcomes = told("Claude 4.5 Sonnet (20250929),astropy__astropy-1,3,0.5,1", "Other,astropy__astropy-1,1,0,0")
    mine = [event for event in usage if event["team"] == "claude-4.5-sonnet-20250929"]
    assert [event["cost_micro_usd"] for event in mine] == [166_667, 166_666, 166_667]
    assert {event["run_id"] for event in mine} == {outcomes[1]["run_id"]}
    assert {event["model"] for event in mine} == {"Claude 4.5 Sonnet (20250929)"}
    assert (outcomes[1]["kind"], outcomes[1]["verdict"], outcomes[1]["ref"]) == (
        "eval_passed",
        "accepted",
        "astropy__astropy-1",
    )
    assert (outcomes[0]["kind"], outcomes[0]["verdict"], outcomes[0]["team"]) == ("eval_failed", "rejected", "other")
    assert outcomes[1]["occurred_at"] - mine[0]["occurred_at"] == outcomes[1]["cycle_time_ms"]


def test_models_work_at_the_same_time_and_a_model_on_one_task_after_the_other() -> None:
    rows = [f"{model},t-{task},{task + 1},0.1,0" for model in ("a", "b") for task in range(4)]
    events = [event for event in read(*rows) if isinstance(event, Event)]
    assert [event.at_ms for event in events] == sorted(event.at_ms for event in events)
    for team in ("a", "b"):
        mine = [said for event in events if (said := orjson.loads(event.value))["team"] == team]
        assert mine[0]["occurred_at"] == MONDAY
        runs = [event["run_id"] for event in mine]
        assert runs == sorted(runs, key=runs.index)
        assert len(set(runs)) == 4


@given(st.lists(st.tuples(st.decimals(0, 20, places=18), st.integers(1, 40)), min_size=1, max_size=30))
def test_costs_add_up_to_the_tables_own_sum_rounded_once(tasks: list[tuple[Decimal, int]]) -> None:
    usage, _ = told(*(f"m,t-{number},{calls},{cost},1" for number, (cost, calls) in enumerate(tasks)))
    assert sum(event["cost_micro_usd"] for event in usage) == round(sum(cost for cost, _ in tasks) * 1_000_000)
    assert len(usage) == sum(calls for _, calls in tasks)


def test_ids_are_those_of_the_row_and_of_when_it_is_put() -> None:
    row = "m,t,2,0.1,1"

    def ids(*rows: str, start_ms: int = MONDAY) -> list[str]:
        said = [orjson.loads(event.value) for event in read(*rows, start_ms=start_ms) if isinstance(event, Event)]
        return [event.get("event_id") or event["outcome_id"] for event in said]

    assert ids(row) == ids(row)
    assert (
        len({*ids(row), *ids(row, start_ms=MONDAY + 1), *ids(row.replace("0.1", "0.2")), *ids("m,u,1,0,0", row)}) == 14
    )


def test_the_workers_own_decoders_take_all_of_it() -> None:
    events = [event for event in read("m,t,2,1e-9,1", "n,t,1,19.999999999,0") if isinstance(event, Event)]
    usage = UsageDecoder().decode([event.value for event in events if not event.is_outcome]).events
    outcomes = OutcomeDecoder().decode([event.value for event in events if event.is_outcome]).events
    assert all(isinstance(event, UsageEvent) for event in usage)
    assert all(isinstance(event, OutcomeEvent) for event in outcomes)


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("m,t,0,1,1", "api_calls '0' is not a number of calls"),
        ("m,t,2.5,1,1", "api_calls '2.5'"),
        ("m,t,999999999999,1,1", "api_calls"),
        ("m,t,1,-1,1", "cost_usd '-1' is not an amount of dollars"),
        ("m,t,1,nan,1", "cost_usd 'nan'"),
        ("m,t,1,free,1", "cost_usd 'free'"),
        ("m,t,1,1e99,1", "cost_usd '1e99' is more than 1,000,000,000 dollars"),
        ("m,t,1,9e999999,1", "cost_usd '9e999999' is more than"),
        ("m,t,1,1000000000.01,1", "cost_usd '1000000000.01' is more than"),
        ("m,t,1,1,yes", "resolved 'yes' is neither 0 nor 1"),
        ("...,t,1,1,1", "model '...' has no letter or digit"),
        ("m,t,1", "3 columns where 5 are needed"),
        (f"{'m' * 300},t,1,1,1", "field team is too long"),
        ("M,t,1,1,1", "model 'M' and 'm' make the same team"),
    ],
)
def test_a_bad_row_says_what_belongs_there(row: str, says: str) -> None:
    found = read("m,t-0,1,1,1", row)
    (bad,) = [event for event in found if isinstance(event, BadRow)]
    assert bad.line == 3
    assert says in bad.problem
    assert len(found) == 3


def test_another_file_is_told_by_its_header() -> None:
    with pytest.raises(DataError, match="lacks task, api_calls, cost_usd, resolved"):
        list(read_events(["model,score"], start_ms=MONDAY))


@pytest.mark.parametrize(
    ("model", "team"),
    [
        ("GPT-5 (2025-08-07) (medium reasoning)", "gpt-5-2025-08-07-medium-reasoning"),
        ("Qwen2.5-Coder 32B", "qwen2.5-coder-32b"),
        ("?", ""),
    ],
)
def test_a_models_name_becomes_a_label(model: str, team: str) -> None:
    assert team_of(model) == team
