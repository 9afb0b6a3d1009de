"""Real traces through the detectors: what burns money on nothing is told, and where nobody knows of anything, next to nothing is.

The traces are not part of the repository. They hold no gaming that anyone knows of; what alerts there are must be few.
"""

import csv
import gzip
from collections import defaultdict
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from random import Random
from typing import Final

import orjson
import pytest

from streams.core.alerts import Alert
from streams.core.events import UsageDecoder
from streams.core.params import EngineParams
from streams.core.pseudonyms import Pseudonyms
from streams.detectors import JUDGES
from streams.imports import azure_trace, swebench
from streams.replay import replay

TRACES: Final = Path(__file__).parents[3] / "shared" / "traces"
SWEBENCH: Final = TRACES / "swebench_cost_outcome_a.csv"
SERVEGEN: Final = TRACES / "servegen_m_large_rates_a.csv.gz"
AZURE: Final = TRACES / "AzureLLMInferenceTrace_code.csv"
#: A Monday.
START_MS: Final = 1_767_571_200_000
WINDOW_MS: Final = 600_000
#: Calls of a client that are kept, about: the largest have tens of millions.
MOST_CALLS: Final = 3_000
WEEKS: Final = 2
ALERTS_A_CLIENT_WEEK: Final = 0.02

needs_traces = pytest.mark.skipif(not TRACES.is_dir(), reason=f"the real traces are not there: {TRACES}")


def alerts_of(usage: Iterable[bytes], outcomes: Iterable[bytes] = (), *, settle: bool = False) -> list[Alert]:
    """The alerts that begin to fire."""
    found: list[Alert] = []
    replay(
        [list(usage)], [list(outcomes)], params=EngineParams(), decoder=UsageDecoder(), pseudonyms=Pseudonyms(bytes(32)),
        now_ms=4_102_444_800_000, judges=JUDGES, settle=settle, take_alert=found.append,
    )  # fmt: skip
    return [it for it in found if it.reason == "first"]


def _table(resolved: dict[str, int], tasks: int = 60) -> list[str]:
    """A table of models of which so many tasks are resolved, first of all the others; each task costs half a dollar."""
    rows = [f"{model},task-{task},5,0.5,{int(task < n)}" for model, n in resolved.items() for task in range(tasks)]
    return ["model,task,api_calls,cost_usd,resolved", *rows]


@pytest.mark.parametrize("settle", [True, False])
def test_a_new_team_is_judged_by_the_others_once_its_runs_are_mature(settle: bool) -> None:
    resolved = {f"ordinary-{number}": 30 + number for number in range(9)} | {"spendthrift": 3}
    events = [it for it in swebench.read_events(_table(resolved), start_ms=START_MS) if isinstance(it, swebench.Event)]
    found = alerts_of(
        (it.value for it in events if not it.is_outcome), (it.value for it in events if it.is_outcome), settle=settle
    )
    expected = [("spend_without_outcomes", "spendthrift", None)] if settle else []
    assert [(it.detector, it.team, it.workflow) for it in found] == expected


@needs_traces
def test_models_that_spend_most_on_what_stays_unresolved_are_told_and_no_others() -> None:
    spent: defaultdict[str, float] = defaultdict(float)
    wasted: defaultdict[str, float] = defaultdict(float)
    with SWEBENCH.open(newline="") as lines:
        for row in csv.DictReader(lines):
            team = swebench.team_of(row["model"])
            spent[team] += float(row["cost_usd"])
            wasted[team] += float(row["cost_usd"]) * (row["resolved"] == "0")
    with SWEBENCH.open(newline="") as lines:
        events = [it for it in swebench.read_events(lines, start_ms=START_MS) if isinstance(it, swebench.Event)]
    found = alerts_of(
        (it.value for it in events if not it.is_outcome), (it.value for it in events if it.is_outcome), settle=True
    )
    assert {it.detector for it in found} == {"spend_without_outcomes"}
    told = sorted(it.team for it in found)
    assert told == sorted(team for team in spent if wasted[team] / spent[team] > 0.8)
    assert 0 < len(told) < len(spent) / 2
    for alert in found:
        assert alert.observed == pytest.approx(wasted[alert.team] / spent[alert.team], abs=0.01)


@needs_traces
def test_clients_of_a_real_service_hardly_alert() -> None:
    with AZURE.open(newline="") as lines:
        sizes = [(int(row["ContextTokens"]), int(row["GeneratedTokens"])) for row in csv.DictReader(lines)]
    with gzip.open(SERVEGEN, "rt", newline="") as lines:
        rows = [
            (it["client"], int(it["window_start_s"]), float(it["requests_per_second"])) for it in csv.DictReader(lines)
        ]
    calls: defaultdict[str, float] = defaultdict(float)
    for client, _, rate in rows:
        calls[client] += rate * WINDOW_MS / 1000
    rng = Random(0)
    events: list[tuple[int, str]] = []
    for client, start_s, rate in rows:
        expected = rate * WINDOW_MS / 1000 * min(1.0, MOST_CALLS / calls[client])
        count = int(expected + rng.random())
        events += [(START_MS + start_s * 1000 + rng.randrange(WINDOW_MS), client) for _ in range(count)]
    usage = partial(_call, rng, sizes)
    found = alerts_of(usage(number, at_ms, client) for number, (at_ms, client) in enumerate(sorted(events)))
    assert len(found) <= ALERTS_A_CLIENT_WEEK * WEEKS * len(calls), [(it.detector, it.team, it.summary) for it in found]


def _call(rng: Random, sizes: list[tuple[int, int]], number: int, at_ms: int, client: str) -> bytes:
    prompt, output = rng.choice(sizes)
    return orjson.dumps(
        {
            "event_id": f"call-{number}", "source": "servegen", "occurred_at": at_ms, "team": client, "workflow": "api",
            "model": "m-large", "input_tokens": prompt, "output_tokens": output, "cost_micro_usd": 3 * prompt + 15 * output,
        }
    )  # fmt: skip


@needs_traces
def test_an_hour_of_a_code_assistant_does_not_alert() -> None:
    with AZURE.open(newline="") as lines:
        events = azure_trace.read_events(lines, azure_trace.Labels())
        assert alerts_of(it for it in events if isinstance(it, bytes)) == []
