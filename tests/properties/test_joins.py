"""Joins and reversals against an oracle that sees everything at once, whatever the order of arrival."""

from collections import defaultdict
from dataclasses import replace
from itertools import cycle
from typing import Any, Final

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.core import keys
from streams.core.aggregate import Aggregate
from streams.core.windows import Scope, Window
from tests.engine_runs import DAY, HOUR, MONDAY, EngineRun, Place, usage
from tests.properties.outcome_logs import Call, Report, figures, histories
from tests.properties.usage_logs import Cut, cuts

#: Long enough for every history.
LONG: Final = 400 * DAY
#: The wall clock.
LATER: Final = MONDAY + 1_000 * DAY
FIELDS: Final = (
    "accepted", "rejected", "reversed", "neutral", "outcomes_by_run", "defects", "incidents", "ratings", "cycle_times",
    "cohort_runs", "cohort_spend_micro_usd", "cohort_orphan_runs", "cohort_orphan_spend_micro_usd",
    "cohort_runs_with_outcome", "cohort_accepted",
)  # fmt: skip


def fed(history: list[Call | Report], cut: list[Cut], **params: Any) -> EngineRun:
    """A run that has read a history, cut into transactions; the two kinds of record come in their own chunks."""
    long = {"grace_ms": LONG, "horizon_ms": LONG, "dedupe_horizon_ms": 2 * LONG, "request_horizon_ms": 2 * LONG}
    run = EngineRun(outcomes_expected={"red": True, "blue": True}, **{**long, **params})
    for number, record in enumerate(history):
        if isinstance(record, Call):
            run.step(record.value, now=LATER)
        else:
            run.read_outcomes(record.value, now=LATER)
        size, then = cut[number % len(cut)]
        if number % size == 0:
            run.commit()
            if then == "crash":
                run.crash()
    run.commit()
    return run


def told(run: EngineRun) -> dict[Place, dict[str, int]]:
    """What the highest revisions say, windows of which all is zero left out."""
    found = {}
    for place, kpi in run.latest.items():
        values = {name: getattr(kpi, name) or 0 for name in FIELDS}
        if any(values.values()):
            found[place] = values
    return found


def wanted(history: list[Call | Report], mature_at: int | None) -> dict[Place, dict[str, int]]:
    """The same by the oracle."""
    found = {}
    for place, values in figures(history, mature_at=mature_at).items():
        if any(values.values()):
            found[place] = {name: values[name] for name in FIELDS}
    return found


@settings(max_examples=150)
@given(histories(), cuts("", "commit", "crash"))
def test_final_figures_are_those_of_everything_at_once(history: list[Call | Report], cut: list[Cut]) -> None:
    """Any order, repetition, lateness and cut; windows close while records are still coming, runs settle too."""
    run = fed(history, cut)
    run.feed(usage("end", MONDAY + 300 * DAY, team="end"), now=LATER)
    run.finish()
    assert told(run) == wanted(history, None)
    assert run.counts.holds


@settings(max_examples=60)
@given(histories(), cuts("", "crash"))
def test_runs_that_are_not_mature_are_in_no_cohort(history: list[Call | Report], cut: list[Cut]) -> None:
    """A run that may still come to something is neither orphan nor not."""
    run = fed(history, cut)
    newest = max((record.occurred_at for record in history if isinstance(record, Call)), default=MONDAY)
    run.feed(usage("end", newest + 3 * DAY, team="end"), now=LATER)
    run.finish()
    due = run.engine.watermark.newest_ms - run.params.lateness_ms - run.params.maturity_ms
    assert told(run) == wanted(history, due // HOUR * HOUR)


@settings(max_examples=60)
@given(histories(), cuts("", "crash"))
def test_revisions_count_up_and_metrics_count_once(history: list[Call | Report], cut: list[Cut]) -> None:
    """Of each window from one, without a gap; spend is told once, whatever comes back to a window."""
    run = fed(history, cut)
    run.feed(usage("end", MONDAY + 300 * DAY, team="end"), now=LATER)
    run.finish()
    revisions: dict[Place, list[int]] = {}
    for kpi in run.kpis:
        revisions.setdefault((kpi.team, kpi.workflow, kpi.window_size_ms, kpi.window_start), []).append(kpi.revision)
    assert all(numbers == list(range(1, len(numbers) + 1)) for numbers in revisions.values())
    spend = sum(record.cost_micro_usd for record in history if isinstance(record, Call))
    assert sum(amounts[0] for amounts in run.told.values()) == spend


#: People, some of whom report more than others; None: nobody.
_people: Final = st.lists(st.sampled_from([None, "ada", "bob", "cy", "dee", "eve"]), min_size=1, max_size=12)


def _of_people(history: list[Call | Report], people: list[str | None]) -> list[Call | Report]:
    """The same history with people in it, its calls in order of time: none of them is too late for any grace."""
    calls = iter(sorted((it for it in history if isinstance(it, Call)), key=lambda it: it.occurred_at))
    ordered = [next(calls) if isinstance(it, Call) else it for it in history]
    return [replace(record, actor=person) for record, person in zip(ordered, cycle(people), strict=False)]


@settings(max_examples=150)
@given(histories(), _people, st.sampled_from([DAY, LONG]), cuts("", "commit", "crash"))
def test_what_is_told_of_people_and_what_waits_is_everything(
    history: list[Call | Report], people: list[str | None], grace_ms: int, cut: list[Cut]
) -> None:
    """Of each week, whatever was undone when: before it was told, after it, or after it was given up. None is negative."""
    history = _of_people(history, people)
    run = fed(history, cut, min_actors=3, grace_ms=grace_ms, lateness_ms=0)
    run.feed(usage("end", MONDAY + 300 * DAY, team="end"), now=LATER)
    run.finish()
    found: dict[tuple[str, int], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for key, data in run.state(keys.ROW).items():
        place = keys.parse_row(key)
        if place.window is Window.WEEK and place.scope in (Scope.TEAM, Scope.POOLED, Scope.LATE):
            results = Aggregate.decode(place, data).results
            if results is not None:
                it = found[place.team, place.start_ms]
                for name in ("accepted", "rejected", "reversed", "neutral", "defects", "incidents", "ratings"):
                    it[name] += getattr(results, name)
                it["outcomes_by_run"] += results.by_run
                it["cycle_times"] += sum(results.cycle.values())
    names = FIELDS[:9]
    weeks = {
        (team, start): {name: values[name] for name in names if values[name]}
        for (team, workflow, size, start), values in wanted(history, None).items()
        if size == int(Window.WEEK) and workflow is None
    }
    told_or_waiting = {place: {name: n for name, n in values.items() if n} for place, values in found.items()}
    assert {it: of for it, of in told_or_waiting.items() if of} == {it: of for it, of in weeks.items() if of}
    assert not [kpi for kpi in run.kpis for name in FIELDS if (getattr(kpi, name) or 0) < 0]
