"""What everything published gives away about few people, asked by an attacker who adds and subtracts.

Each event costs a power of two, so that a sum tells which events are in it; the attacker is given even that. Figures are
rows of a matrix, events its columns: a combination of figures that concerns fewer people than the minimum exists exactly
if the figures' rank on everybody's events is more than on those of all others.
"""

from collections import defaultdict
from collections.abc import Iterable
from itertools import combinations
from typing import Any, Final

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.core import keys
from streams.core.aggregate import Aggregate
from streams.core.windows import PUBLISHED
from tests.engine_runs import DAY, FIVE, HOUR, MINUTE, MONDAY, EngineRun, usage
from tests.properties.usage_logs import Cut, cuts

LEAST: Final = 3
PEOPLE: Final = ("ada", "bob", "cy", "dee", "eve")
LATER: Final = MONDAY + 1_000 * DAY

#: A call: minutes since the last one, minutes late, team, workflow, person (None: nobody), whether a schedule set it off,
#: and its run.
_calls: Final = st.tuples(
    st.sampled_from([0, 0, 1, 3, 5, 20, 60, 300, 1_440]), st.sampled_from([0, 0, 0, 2, 70, 1_000]),
    st.sampled_from(["red", "red", "red", "blue"]), st.sampled_from(["x", "x", "y"]), st.sampled_from([*PEOPLE, None]),
    st.sampled_from([False] * 5 + [True]), st.sampled_from([None, "r1", "r2", "r3", "r4", "r5"]),
)  # fmt: skip
_logs: Final = st.sampled_from([10, 25, 45]).flatmap(lambda size: st.lists(_calls, min_size=size, max_size=48))

#: Work on runs that CI began, hours ago: minutes since the last call, person (None: CI), run.
_joint: Final = st.tuples(
    st.sampled_from([0, 0, 1, 20, 60, 300]), st.sampled_from([*PEOPLE[:3], *PEOPLE, None]),
    st.sampled_from(["c1", "c2", "c3", "r1", "r2", "r3"]),
)  # fmt: skip


def _begun_by_ci(calls: list[tuple[int, str | None, str]]) -> list[Any]:
    begun = [(0, 0, "red", "x", None, False, f"c{number}") for number in (1, 2, 3)]
    return begun + [(step, 0, "red", "x", person, False, run) for step, person, run in calls]


#: Logs in which runs are mature before people go on with them.
_joint_logs: Final = st.lists(_joint, min_size=4, max_size=24).map(_begun_by_ci)


def _events(calls: list[Any]) -> list[dict[str, Any]]:
    events = []
    front = MONDAY
    for number, (step, late, team, workflow, person, scheduled, run) in enumerate(calls):
        front += step * MINUTE
        events.append(
            {
                "event_id": str(number), "at": front - late * MINUTE, "team": team, "workflow": workflow, "actor": person,
                "trigger": "schedule" if scheduled else "human", "run_id": run, "cost_micro_usd": 1 << number,
            }
        )  # fmt: skip
    return events


def _fed(events: list[dict[str, Any]], cut: list[Cut], least: int, **params: Any) -> EngineRun:
    run = EngineRun(
        min_actors=least, lateness_ms=0, grace_ms=3 * DAY, horizon_ms=400 * DAY, outcomes_expected={"red": True, "blue": True},
        **params,
    )  # fmt: skip
    for number, event in enumerate(events):
        run.step(usage(**event), now=LATER)
        size, then = cut[number % len(cut)]
        if number % size == 0:
            run.commit()
            if then == "crash":
                run.crash()
    run.commit()
    if params:
        # Runs become mature one after the other, and each step is seen.
        for number in range(0, 9 * DAY, 3 * HOUR):
            run.feed(usage(f"end-{number}", events[-1]["at"] // FIVE * FIVE + number, team="end"), now=LATER)
    run.feed(usage("end", MONDAY + 200 * DAY, team="end"), now=LATER)
    run.finish()
    return run


def _bits(number: int | None) -> int:
    return number or 0


def _sums(run: EngineRun) -> set[int]:
    """Every sum of money published, with all revisions and all increments of metrics."""
    found = {_bits(kpi.spend_micro_usd) for kpi in run.kpis if kpi.team != "end"}
    for effects in run.commits:
        found |= {amounts[0] for (team, _), amounts in effects.said.items() if team != "end"}
    return found - {0}


def _cohorts(run: EngineRun) -> set[int]:
    """What published windows said of cohorts' money, before it was rounded: as of each transaction."""
    found = set()
    for effects in run.commits:
        for key, data in effects.writes.items():
            if key.startswith(keys.ROW) and data is not None and keys.parse_row(key).scope in PUBLISHED:
                results = Aggregate.decode(keys.parse_row(key), data).results
                found.add(0 if results is None else results.cohort_spend)
    return found


def singled_out(sums: Iterable[int], people_of: list[str | None], least: int) -> list[tuple[str, ...]]:
    """Groups of fewer people than the minimum of whom some combination of the sums tells something."""
    matrix = np.array([[number >> column & 1 for column in range(len(people_of))] for number in sums], float)
    found = []
    people = sorted({person for person in people_of if person is not None})
    for size in range(1, min(least, len(people) + 1)):
        for group in combinations(people, size):
            # What concerns nobody is no secret: the attacker may know it.
            others = [n for n, person in enumerate(people_of) if person is not None and person not in group]
            theirs = [n for n, person in enumerate(people_of) if person in group]
            if len(matrix) and _rank(matrix[:, others + theirs]) > _rank(matrix[:, others]):
                found.append(group)
    return found


def _rank(matrix: Any) -> int:
    return int(np.linalg.matrix_rank(matrix)) if matrix.size else 0


def _people(events: list[dict[str, Any]]) -> list[str | None]:
    # A week's pseudonym is all that the state knows of a person: one person of two weeks is two.
    return [
        None if event["actor"] is None or event["trigger"] == "schedule" else f"{event['actor']}" for event in events
    ]  # fmt: skip


@settings(max_examples=150)
@given(_logs, cuts("", "commit", "crash"))
def test_no_combination_of_sums_concerns_fewer_than_the_minimum(calls: list[Any], cut: list[Cut]) -> None:
    """Over hours, days, weeks, workflows, teams, revisions and metrics."""
    events = _events(calls)
    run = _fed(events, cut, LEAST)
    assert singled_out(_sums(run), _people(events), LEAST) == []


@settings(max_examples=60)
@given(_logs, cuts("", "commit", "crash"))
def test_what_is_published_and_what_is_withheld_is_everything(calls: list[Any], cut: list[Cut]) -> None:
    """To the micro-dollar, and each call once."""
    events = _events(calls)
    run = _fed(events, cut, LEAST)
    told = sum(amounts[0] for (team, _), amounts in run.told.items() if team != "end")
    assert told + run.engine.withheld_micro_usd == sum(event["cost_micro_usd"] for event in events)
    weeks = [
        kpi for kpi in run.latest.values() if kpi.window_size_ms == 7 * DAY and not kpi.workflow and kpi.team != "end"
    ]
    assert sum(_bits(kpi.spend_micro_usd) for kpi in weeks) == told


@settings(max_examples=100)
@given(_logs | _joint_logs, cuts("", "crash"))
def test_no_cohort_is_told_apart_from_a_group_that_is_large_enough(calls: list[Any], cut: list[Cut]) -> None:
    """Runs that no figure tells apart are those of enough people."""
    events = _events(calls)
    run = _fed(events, cut, LEAST, maturity_ms=2 * HOUR)
    sums = _cohorts(run) - {0}
    alike: dict[tuple[bool, ...], set[int]] = defaultdict(set)
    for number in range(len(events)):
        told = tuple(bool(it >> number & 1) for it in sorted(sums))
        if any(told):
            alike[told].add(number)
    people = _people(events)
    for numbers in alike.values():
        # A run that nobody had a part in when it was told of concerns nobody, whoever goes on with it later.
        concerned = {people[it] for it in numbers} - {None}
        assert not concerned or len(concerned) >= LEAST


@settings(max_examples=60)
@given(_logs, cuts("", "crash"))
def test_cohorts_single_out_nobody_either(calls: list[Any], cut: list[Cut]) -> None:
    """Where each call is a run of its own, a cohort's money is that of calls: no combination concerns too few."""
    events = [{**event, "run_id": event["event_id"]} for event in _events(calls)]
    run = _fed(events, cut, LEAST, maturity_ms=2 * HOUR)
    assert singled_out(_cohorts(run) - {0}, _people(events), LEAST) == []


@settings(max_examples=60)
@given(_logs, cuts("", "crash"), st.randoms(use_true_random=False))
def test_when_in_a_window_somebody_was_at_work_shows_nowhere(calls: list[Any], cut: list[Cut], chance: Any) -> None:
    """In no field of any record: calls of people elsewhere within their five minutes, and everything is the same."""
    events = [{**event, "run_id": event["event_id"]} for event in _events(calls)]
    moved = [
        event if person is None else {**event, "at": event["at"] // FIVE * FIVE + chance.randrange(FIVE)}
        for event, person in zip(events, _people(events), strict=True)
    ]
    runs = [_fed(log, cut, LEAST, maturity_ms=2 * HOUR) for log in (events, moved)]
    said = [[asdict_of(kpi) for kpi in run.kpis] for run in runs]
    assert said[0] == said[1]


@settings(max_examples=60)
@given(_logs, cuts("", "crash"))
def test_the_first_and_the_last_event_are_those_of_nobody_or_ends_of_windows_that_are_told(
    calls: list[Any], cut: list[Cut]
) -> None:
    """Of windows that have records anyway: when those were is no news."""
    events = _events(calls)
    run = _fed(events, cut, LEAST)
    free = {event["at"] for event, person in zip(events, _people(events), strict=True) if person is None}
    for kpi in run.kpis:
        if kpi.team != "end" and kpi.first_event is not None:
            told = [it for it in run.kpis if it.team == kpi.team and it.workflow in (kpi.workflow, it.workflow)]
            assert kpi.first_event in free | {it.window_start for it in told}
            assert kpi.last_event in free | {it.window_end for it in told}


def test_the_attacker_finds_what_is_there_to_be_found() -> None:
    """Without the minimum: one person's hour; the difference of a day and its hours; a revision."""
    events = [
        {"event_id": "0", "at": MONDAY, "actor": "ada", "cost_micro_usd": 1},
        {"event_id": "1", "at": MONDAY + 3 * HOUR, "actor": "bob", "cost_micro_usd": 2},
    ]
    run = EngineRun(min_actors=0, lateness_ms=0)
    for event in events:
        run.feed(usage(**event))
    run.finish()
    assert singled_out(_sums(run), ["ada", "bob"], 2) == [("ada",), ("bob",)]
    assert singled_out({0b111, 0b011}, ["ada", "bob", "cy"], 2) == [("cy",)]
    assert singled_out({0b111}, ["ada", "bob", "cy"], 3) == []


@settings(max_examples=30)
@given(_logs)
def test_a_crash_changes_nothing_that_is_told(calls: list[Any]) -> None:
    """What is held back survives it."""
    events = _events(calls)
    whole, broken = _fed(events, [(len(events), "")], LEAST), _fed(events, [(1, "crash")], LEAST)
    assert [asdict_of(kpi) for kpi in broken.kpis] == [asdict_of(kpi) for kpi in whole.kpis]
    assert broken.told == whole.told


def asdict_of(kpi: Any) -> dict[str, Any]:
    """A record's fields."""
    return {name: getattr(kpi, name) for name in kpi.__struct_fields__}
