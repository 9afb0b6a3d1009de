"""The oracle itself: it accepts what is right, and notices each thing that can be wrong."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable
from random import Random
from typing import Any, NamedTuple

import orjson
import pytest

from streams.core.reasons import Reason
from streams.core.topics import OUTCOMES, USAGE
from streams.simulation import POISON, simulate
from tests.engine_runs import EngineRun
from tests.faults import load
from tests.faults.alert_oracle import circling
from tests.faults.judge import Meta, Outputs, judge
from tests.faults.load import PARTITIONS, partition_of
from tests.faults.oracle import SIZES_MS, Expected, Fates, Place, Rules, Totals, expect, parse
from tests.faults.outcome_oracle import (
    Expectation,
    ExpectedOutcomes,
    Results,
    expect_both,
    expect_outcomes,
    parse_outcome,
)
from tests.faults.reading import LocalStore, Message
from tests.faults.watch import CommitSample, Log, identity_violations

_START = 1_767_571_200_000
_MINUTE = 60_000
LETTER = re.compile(rb"[0-9A-Za-z\x80-\xff]")
WEEK = 604_800_000
_RULES = Rules(lateness_ms=_MINUTE, grace_ms=7_200_000, now_ms=_START + 30 * 86_400_000)


def event(number: int, at_ms: int = _START, **fields: Any) -> bytes:
    base = {"event_id": f"e{number}", "source": "native", "occurred_at": at_ms, "team": "payments", "workflow": "w"}
    return json.dumps({**base, "model": "m", **fields}).encode()


def judged(*values: bytes | None, verdicts: dict[int, str] | None = None, rules: Rules = _RULES) -> Expected:
    return expect(enumerate(values), partition_of("payments"), partition_of, rules, verdicts)


class TestRules:
    def test_every_poison_is_refused_and_what_it_was_made_from_is_not(self) -> None:
        line = next(simulate(1, events=10))
        assert parse(line) is not None
        for poison in POISON:
            spoilt = parse(poison.spoil(line))
            assert (spoilt is None) == (poison.reason is not Reason.FAR_FUTURE), poison.name

    def test_a_copy_counts_once_and_is_no_copy_if_the_first_was_refused(self) -> None:
        assert judged(event(1), event(1)).duplicates == 1
        assert judged(event(1, input_tokens=-1), event(1)).applied == 1

    @pytest.mark.parametrize(
        ("second", "applied"),
        [
            ({}, 1),
            ({"at_ms": _START + 900_000}, 1),
            ({"at_ms": _START + 901_000}, 2),
            ({"input_tokens": 8}, 2),
            ({"output_tokens": 1}, 2),
            # Sources split cached from uncached prompt tokens differently.
            ({"input_tokens": 3, "cache_read_tokens": 4}, 1),
            # One source may use an id for several calls; its event ids say which are copies.
            ({"source": "native"}, 2),
        ],
    )
    def test_a_request_told_by_two_sources_counts_once_if_they_agree(
        self, second: dict[str, Any], applied: int
    ) -> None:
        first = event(1, request_id="r", input_tokens=7)
        fields = {"source": "litellm", "request_id": "r", "input_tokens": 7, **second}
        assert judged(first, event(2, **fields)).applied == applied

    def test_a_prompt_that_was_sent_in_the_workflow_before_is_repeated(self) -> None:
        prompts = ("f" * 16, "0123" + "a" * 12, "f" * 12 + "4567", "4567" + "b" * 12, "whole", "whole", "")
        log = [event(number, prompt_fingerprint=prompt) for number, prompt in enumerate(prompts)]
        other = event(99, workflow="other", prompt_fingerprint="whole")
        for days, repeated in ((1, True), (2, False)):
            later = judged(
                event(1, prompt_fingerprint="whole"), event(2, _START + days * 86_400_000, prompt_fingerprint="whole")
            )
            assert any(totals.repeated_calls for totals in later.totals.values()) is repeated
        (total,) = (
            totals for place, totals in judged(*log, other).totals.items()
            if place.workflow is None and place.size_ms == SIZES_MS[0]
        )  # fmt: skip
        assert (total.calls, total.calls_with_fingerprint, total.repeated_calls) == (8, 7, 2)

    def test_lateness_is_judged_at_five_minute_borders(self) -> None:
        newest = _START + 7_200_000 + 11 * _MINUTE
        windows_end = _START + 10 * _MINUTE
        result = judged(event(1, newest), event(2, windows_end - 1), event(3, windows_end))
        assert result.dead == {1: "too_late"}
        assert judged(event(1, newest - 1), event(2, windows_end - 1)).dead == {}

    def test_the_dead_letters_are_asked_only_where_the_clock_has_a_say(self) -> None:
        rules = _RULES._replace(clock_slack_ms=5 * _MINUTE)
        log = (
            event(1, _START + 7_200_000 + 6 * _MINUTE),
            event(2, _START + 5 * _MINUTE),
            event(3, _START + 11 * _MINUTE),
        )
        assert judged(*log, rules=rules, verdicts={1: "too_late"}).dead == {1: "too_late"}
        assert judged(*log, rules=rules).dead == {}
        assert judged(*log, rules=rules).by_clock == 1

    def test_the_far_future_is_refused_and_moves_nothing(self) -> None:
        result = judged(event(1, _RULES.now_ms + 86_400_000), event(2))
        assert result.dead == {0: "far_future"}
        assert result.applied == 1

    def test_a_record_counts_where_it_lands(self) -> None:
        value = event(1)
        elsewhere = (partition_of("payments") + 1) % PARTITIONS
        result = expect([(0, value)], elsewhere, partition_of, _RULES)
        assert (result.applied, result.rerouted) == (0, [(partition_of("payments"), value)])

    def test_an_event_is_counted_in_eight_windows(self) -> None:
        assert len(judged(event(1)).totals) == 8

    def test_what_lies_in_windows_that_are_open_is_not_published(self) -> None:
        result = judged(
            event(1), event(2, _START + 5 * _MINUTE), rules=_RULES._replace(open_from_ms=_START + 6 * _MINUTE)
        )
        assert [place.size_ms for place in result.totals] == [SIZES_MS[0]] * 2
        assert (result.applied, result.unpublished) == (2, 1)

    def test_weeks_begin_on_mondays(self) -> None:
        sunday, monday = _START - 1, _START
        starts = {
            place.start_ms for place in judged(event(1, sunday), event(2, monday)).totals if place.size_ms == WEEK
        }
        assert starts == {_START - WEEK, _START}


def outcome(number: int, at_ms: int = _START, **fields: Any) -> bytes:
    base = {"outcome_id": f"o{number}", "source": "github", "occurred_at": at_ms, "team": "payments", "run_id": "r"}
    return json.dumps({**base, "kind": "change_merged", "verdict": "accepted", **fields}).encode()


def came(
    *values: bytes | None, usage: tuple[bytes, ...] = (), verdicts: dict[int, str] | None = None
) -> ExpectedOutcomes:
    used, rules = judged(*usage), _RULES._replace(outcomes_expected=frozenset({"payments"}))
    return expect_outcomes(enumerate(values), partition_of("payments"), partition_of, rules, used, verdicts)


def day(expected: ExpectedOutcomes, workflow: str | None = None) -> Results:
    return expected.results.get(Place("payments", workflow, SIZES_MS[2], _START), Results())


def undoing(number: int, of: int, **fields: Any) -> bytes:
    return outcome(number, kind="change_reverted", verdict="reversed", reverses=f"o{of}", **fields)


class TestOutcomeRules:
    @pytest.mark.parametrize(
        "fields",
        [
            {"kind": "coffee_brewed"}, {"verdict": "brilliant"}, {"reverses": "o2"}, {"cycle_time_ms": -1},
            {"kind": "customer_rating"}, {"kind": "customer_rating", "value": 4}, {"outcome_id": ""}, {"team": "a\0b"},
            {"verdict": "reversed", "reverses": "o1"}, {"value": "1"}, {"attributes": {"": ""}}, {"ref": "x" * 257},
            {"occurred_at": _START // 1000},
        ],
    )  # fmt: skip
    def test_what_is_no_outcome_is_refused(self, fields: dict[str, Any]) -> None:
        assert parse_outcome(outcome(1)) is not None
        assert parse_outcome(outcome(1, **fields)) is None
        assert came(outcome(1, **fields)).dead == {0: "invalid"}

    def test_a_copy_counts_once(self) -> None:
        result = came(outcome(1), outcome(1, _START + 1), outcome(1, source="jira"))
        assert (result.applied, result.duplicates, day(result).accepted) == (2, 1, 2)

    @pytest.mark.parametrize(
        ("second", "applied"),
        [
            ({}, 1),
            ({"at_ms": _START + 900_000}, 1),
            ({"at_ms": _START + 900_001}, 2),
            ({"ref": "other#1"}, 2),
            ({"kind": "eval_passed"}, 2),
            ({"source": "github"}, 2),
        ],
    )
    def test_what_two_sources_say_of_one_thing_counts_once(self, second: dict[str, Any], applied: int) -> None:
        result = came(outcome(1, ref="repo#1"), outcome(2, **{"source": "warehouse", "ref": "repo#1", **second}))
        assert result.applied == applied

    @pytest.mark.parametrize(
        ("times", "applied"),
        [
            # Each source tells of each time once.
            ([("a", 0), ("a", 60), ("b", 0), ("b", 60)], 2),
            ([("a", 0), ("b", 0), ("b", 0)], 2),
            ([("a", 0), ("b", 0), ("c", 0)], 1),
            # The nearest is meant, of two as near the earlier.
            ([("a", 0), ("a", 600), ("b", 500), ("c", 1_200)], 2),
            ([("a", 600), ("a", 0), ("b", 300), ("b", -500)], 3),
            ([("a", 0), ("a", 600), ("b", 300), ("b", 1_300)], 2),
        ],
    )
    def test_of_the_times_that_a_thing_happened_the_nearest_is_meant(
        self, times: list[tuple[str, int]], applied: int
    ) -> None:
        log = [
            outcome(number, _START + seconds * 1_000, source=source, ref="repo#1")
            for number, (source, seconds) in enumerate(times)
        ]
        assert came(*log).applied == applied

    @pytest.mark.parametrize("seed", range(20))
    def test_the_engine_takes_the_same_outcomes_for_the_same(self, seed: int) -> None:
        rng = Random(seed)
        log = [
            outcome(
                number, _START + rng.randrange(3_000) * 1_000, source=rng.choice("abc"), ref=rng.choice("xy"),
                kind=rng.choice(("change_merged", "change_reverted")), verdict=rng.choice(("accepted", "rejected")),
            )
            for number in range(60)
        ]  # fmt: skip
        log += [
            undoing(
                number, rng.randrange(number), at_ms=_START + rng.randrange(3_000) * 1_000, source=rng.choice("abc"),
                ref="z", attributes={"reverses_source": rng.choice("abc")},
            )
            for number in range(60, 90)
        ]  # fmt: skip
        run = EngineRun()
        run.feed_outcomes(*log, now=_RULES.now_ms)
        expected = came(*log)
        assert (run.counts.applied, run.counts.duplicate) == (expected.applied, expected.duplicates)
        assert expected.duplicates > 10

    def test_an_undoing_reaches_what_another_source_had_told_first(self) -> None:
        told = outcome(1, ref="repo#1"), outcome(2, ref="repo#1", source="warehouse")
        result = came(*told, undoing(3, 2, source="warehouse"))
        assert (day(result).accepted, day(result).reversed) == (0, 1)

    @pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
    def test_undoings_may_come_first_and_be_undone(self, order: tuple[int, ...]) -> None:
        log = outcome(1), undoing(2, 1), undoing(3, 2)
        assert day(came(*log[:2])).reversed == 1
        result = came(*(log[place] for place in order))
        assert (day(result).accepted, day(result).reversed, result.silent, result.undoings) == (1, 0, 2, 2)

    def test_an_undoing_may_name_another_source(self) -> None:
        other = undoing(2, 1, source="audit", attributes={"reverses_source": "github"})
        assert day(came(outcome(1), other)).reversed == 1
        assert day(came(outcome(1), undoing(2, 1, source="audit"))).reversed == 0

    def test_an_outcome_belongs_to_its_run_wherever_that_began(self) -> None:
        began = event(1, _START + 899_000, run_id="r", workflow="early"), event(2, _START + 899_001, run_id="r")
        result = came(outcome(1, workflow="w"), usage=began)
        assert (day(result, "early").accepted, day(result, "early").outcomes_by_run, day(result, "w").accepted) == (
            1,
            1,
            0,
        )
        too_early = came(outcome(1, _START - 2_000, workflow="w"), usage=began)
        assert day(too_early, "early").accepted == day(too_early).outcomes_by_run == 0

    def test_runs_that_come_to_nothing_are_orphans(self) -> None:
        usage = [event(number, run_id=f"r{number}", cost_micro_usd=10**number) for number in (1, 2, 3)]
        came_of_it = outcome(1, run_id="r1"), outcome(2, run_id="r2"), undoing(3, 2, run_id="r2")
        result = day(came(*came_of_it, usage=tuple(usage)))
        assert (result.cohort_runs, result.cohort_spend_micro_usd, result.cohort_runs_with_outcome) == (3, 1110, 2)
        assert (result.cohort_orphan_runs, result.cohort_orphan_spend_micro_usd, result.cohort_accepted) == (2, 1100, 1)

    def test_the_dead_letters_are_asked_only_beyond_the_horizon(self) -> None:
        ancient, usage = outcome(1, _START - 31 * 86_400_000), (event(1),)
        assert came(ancient, usage=usage, verdicts={0: "too_late"}).dead == {0: "too_late"}
        assert came(ancient, usage=usage).applied == 1
        assert came(outcome(1), usage=usage, verdicts={0: "too_late"}).applied == 1


def _kpi(place: Place, totals: Totals, results: Results) -> dict[str, Any]:
    sums = {name: getattr(totals, name) for name in Totals.__slots__}
    sums |= {name: getattr(results, name) for name in Results.__slots__}
    spend, priced = totals.spend_micro_usd, bool(totals.priced_calls)
    tokens = totals.input_tokens + totals.cache_read_tokens + totals.cache_write_tokens + totals.output_tokens
    known = priced and 2 * totals.unpriced_tokens <= tokens
    cycle = sorted(results.cycle_ms)
    return {
        **sums, "team": place.team, "workflow": place.workflow, "window_size_ms": place.size_ms,
        "window_start": place.start_ms, "revision": 1, "runs": len(totals.runs), "runs_exact": True,
        "duplicate_ratio": totals.repeated_calls / totals.calls_with_fingerprint if totals.calls_with_fingerprint else None,
        "spend_micro_usd": spend if priced else None, "cycle_times": len(cycle),
        "first_event": totals.first_event if totals.calls else None,
        "last_event": totals.last_event if totals.calls else None,
        "cycle_time_p50_ms": cycle[(len(cycle) - 1) // 2] if cycle else None,
        "cycle_time_p90_ms": cycle[(len(cycle) - 1) * 9 // 10] if cycle else None,
        "rating_sum": results.rating / 1_000_000 if results.ratings else None,
        "cost_per_accepted_micro_usd": round(spend / results.accepted) if known and results.accepted else None,
        "orphan_spend_ratio": results.cohort_orphan_spend_micro_usd / results.cohort_spend_micro_usd
        if results.cohort_spend_micro_usd else None,
        "outcome_coverage": results.cohort_runs_with_outcome / results.cohort_runs if results.cohort_runs else None,
        **dict.fromkeys(("withheld", "active_actors", "licensed_actors", "adoption", "depth")),
    }  # fmt: skip


Values = dict[Log, dict[int, bytes | None]]


class Case(NamedTuple):
    """A disturbed load as the topics have it, re-routed copies at the end; and what was produced."""

    values: Values
    produced: Counter[Log]
    rules: Rules

    @property
    def expected(self) -> Expectation:
        usage, outcomes = (
            {number: self.values[Log(topic, number)] for number in range(PARTITIONS)} for topic in (USAGE, OUTCOMES)
        )
        alerts = [
            alert for number, log in usage.items() for alert in circling(log.items(), number, partition_of, self.rules)
        ]
        return expect_both(usage, outcomes, partition_of, self.rules)._replace(alerts=alerts)


@pytest.fixture(scope="module")
def log() -> Case:
    values: Values = defaultdict(dict)
    records, _ = load.build(3, 12_000)
    for record in records:
        there = values[Log(record.topic, record.partition)]
        there[len(there)] = record.value
    produced = Counter({log: len(there) for log, there in values.items()})
    made = Case(dict(values), produced, _RULES._replace(outcomes_expected=load.teams_with_outcomes(records)))
    for topic, fates in zip((USAGE, OUTCOMES), made.expected[:2], strict=True):
        for wanted in fates.values():
            for home, value in wanted.rerouted:
                there = values[Log(topic, home)]
                there[len(there)] = value
    return made


@pytest.fixture
def case(log: Case) -> tuple[Expectation, Outputs]:
    """What the oracle expects of the load, and outputs that are right in every respect."""
    expected = log.expected
    ends = {place: len(there) for place, there in log.values.items()}
    partitions = range(PARTITIONS)
    changelog = {
        p: [Message(p, 0, b"k", b"v"), Message(p, 1, b"k", None), Message(p, 2, b"x", b"y")] for p in partitions
    }
    kpis = []
    for number in partitions:
        totals, results = expected.usage[number].totals, expected.outcomes[number].results
        kpis += [
            (number, _kpi(place, totals.get(place, Totals()), results.get(place, Results())))
            for place in {**totals, **results}
        ]
    outputs = Outputs(
        produced=log.produced,
        kpis=kpis,
        dead_letters=[
            {"topic": topic, "partition": number, "offset": offset, "reason": _reason(reason),
             "payload": _payload(log.values[Log(topic, number)][offset])}
            for topic, fates in ((USAGE, expected.usage), (OUTCOMES, expected.outcomes))
            for number, wanted in fates.items()
            for offset, reason in wanted.dead.items()
        ],
        values=log.values,
        log_ends=ends,
        committed=dict(ends),
        samples=[CommitSample(Log(USAGE, 0), 10, 2)],
        metas={
            p: [Meta(1, {USAGE: 10}, (5, 4, 4)), Meta(2, {name: ends[Log(name, p)] for name in (USAGE, OUTCOMES)}, (6, 5, 7))]
            for p in partitions
        },
        stores=[LocalStore("worker-1", p, 3, {b"x": b"y"}) for p in partitions]
        + [LocalStore("worker-2", p, 1, {b"k": b"v"}) for p in partitions],
        changelog=changelog,
        identity_violations=[],
        alerts=[
            (partition_of(alert["team"]), record)
            for alert in expected.alerts
            for record in (dict(alert), {**alert, **_END, "updated_at": alert["updated_at"] + 86_400_000})
        ],
    )  # fmt: skip
    return expected, outputs


_END = {"state": "resolved", "reason": "resolved", "revision": 2}


def _reason(reason: str) -> str:
    return reason if reason != "invalid" else "wrong_type"


def _payload(value: bytes | None) -> bytes:
    """As masked: of binary records the header is left, of what is no JSON object the punctuation."""
    value = value or b""
    for mark, size in ((b"\x00", 5), (b"\xc3\x01", 10)):
        if value.startswith(mark):
            return value[:size] + b"*" * (len(value) - size)
    try:
        return value if isinstance(orjson.loads(value), dict) else LETTER.sub(b"*", value)
    except orjson.JSONDecodeError:
        return LETTER.sub(b"*", value)


def test_what_is_right_passes(case: tuple[Expectation, Outputs]) -> None:
    expected, outputs = case
    assert judge(expected, outputs, partition_of).examples() == []
    for fates in expected[:2]:
        assert sum(len(wanted.rerouted) for wanted in fates.values()) > 0
        assert {reason for wanted in fates.values() for reason in wanted.dead.values()} >= {"invalid", "far_future"}
    assert "too_late" in {reason for wanted in expected.usage.values() for reason in wanted.dead.values()}
    came = expected.outcomes.values()
    assert sum(wanted.undoings for wanted in came) > 20
    for name in Results.__slots__:
        assert any(getattr(results, name) for wanted in came for results in wanted.results.values()), name


#: Where in the synthetic publications the first event's 5-minute windows are.
_WORKFLOW, _TEAM = 0, 4


def _change_calls(by: int, place: int) -> Callable[[Outputs], None]:
    def change(outputs: Outputs) -> None:
        outputs.kpis[place][1]["calls"] += by

    return change


def _change_spend(outputs: Outputs) -> None:
    next(kpi for _, kpi in outputs.kpis if kpi["priced_calls"])["spend_micro_usd"] += 1


def _forget_window(outputs: Outputs) -> None:
    outputs.kpis = outputs.kpis[1:]


def _invent_window(outputs: Outputs) -> None:
    partition, kpi = outputs.kpis[0]
    outputs.kpis = [*outputs.kpis, (partition, {**kpi, "window_start": kpi["window_start"] + 86_400_000_000})]


def _group(outputs: Outputs, verdict: str) -> list[dict[str, Any]]:
    """The windows, of every scope and size, of the first workflow's hour that has such an outcome."""
    kpis = [kpi for _, kpi in outputs.kpis]
    first = next(
        kpi for kpi in kpis if kpi[verdict] and kpi["workflow"] is not None and kpi["window_size_ms"] == SIZES_MS[1]
    )
    at = first["window_start"]
    return [
        kpi
        for kpi in kpis
        if kpi["team"] == first["team"]
        and kpi["workflow"] in (first["workflow"], None)
        and kpi["window_size_ms"] != SIZES_MS[0]
        and kpi["window_start"] <= at < kpi["window_start"] + kpi["window_size_ms"]
    ]


def _drop_outcome(outputs: Outputs) -> None:
    for kpi in _group(outputs, "rejected"):
        kpi["rejected"] -= 1


def _count_outcome_twice(outputs: Outputs) -> None:
    for kpi in _group(outputs, "neutral"):
        kpi["neutral"] += 1


def _lose_undoing(outputs: Outputs) -> None:
    for kpi in _group(outputs, "reversed"):
        kpi["reversed"] -= 1
        kpi["accepted"] += 1


def _change(name: str, by: float) -> Callable[[Outputs], None]:
    def change(outputs: Outputs) -> None:
        next(kpi for _, kpi in outputs.kpis if kpi[name])[name] += by

    change.__qualname__ = name
    return change


def _hold_back(outputs: Outputs) -> None:
    outputs.kpis[0][1]["withheld"] = "group_minimum"


def _take_back(outputs: Outputs) -> None:
    """An acceptance that was published is gone in the next revision."""
    partition, kpi = next(one for one in outputs.kpis if one[1]["accepted"] and one[1]["workflow"] is None)
    outputs.kpis = [
        *((partition, {**kpi, "accepted": kpi["accepted"] + 1}) if one[1] is kpi else one for one in outputs.kpis),
        (partition, {**kpi, "revision": 2}),
    ]


def _lose_outcome_letter(outputs: Outputs) -> None:
    letters = list(outputs.dead_letters)
    letters.remove(next(letter for letter in letters if letter["topic"] == OUTCOMES))
    outputs.dead_letters = letters


def _stop_outcomes_early(outputs: Outputs) -> None:
    outputs.committed = {**outputs.committed, Log(OUTCOMES, 1): outputs.committed[Log(OUTCOMES, 1)] - 1}


def _outcomes_go_back(outputs: Outputs) -> None:
    first, last = outputs.metas[0]
    outputs.metas = {**outputs.metas, 0: [first._replace(applied={USAGE: 10, OUTCOMES: 1 << 30}), last]}


def _revise(revision: int, calls: int = 0) -> Callable[[Outputs], None]:
    def change(outputs: Outputs) -> None:
        partition, kpi = outputs.kpis[0]
        earlier = {**kpi, "calls": kpi["calls"] - 1}
        outputs.kpis = [(partition, earlier), *outputs.kpis[1:], (partition, {**kpi, "revision": revision})]
        outputs.kpis[-1][1]["calls"] += calls

    return change


def _lose_letter(outputs: Outputs) -> None:
    outputs.dead_letters = outputs.dead_letters[1:]


def _repeat_letter(outputs: Outputs) -> None:
    outputs.dead_letters = [*outputs.dead_letters, outputs.dead_letters[0]]


def _garble_letter(outputs: Outputs) -> None:
    outputs.dead_letters[0]["payload"] += b"!"


def _excuse_letter(outputs: Outputs) -> None:
    outputs.dead_letters[0]["reason"] = "too_late" if outputs.dead_letters[0]["reason"] != "too_late" else "empty"


def _claim_more_produced(outputs: Outputs) -> None:
    outputs.produced = {**outputs.produced, Log(OUTCOMES, 0): outputs.produced[Log(OUTCOMES, 0)] + 1}


def _commit_ahead(outputs: Outputs) -> None:
    outputs.samples = [CommitSample(Log(USAGE, 0), outputs.log_ends[Log(USAGE, 0)], 2)]


def _commit_alone(outputs: Outputs) -> None:
    outputs.samples = [CommitSample(Log(USAGE, 0), 9, 2)]


def _stop_early(outputs: Outputs) -> None:
    outputs.committed = {**outputs.committed, Log(USAGE, 1): outputs.committed[Log(USAGE, 1)] - 1}


def _diverge(outputs: Outputs) -> None:
    outputs.stores = [store._replace(data={**store.data, b"z": b""}) for store in outputs.stores]


def _fall_behind(outputs: Outputs) -> None:
    outputs.stores = [store for store in outputs.stores if store.position < 3]


def _go_back(outputs: Outputs) -> None:
    outputs.metas = {**outputs.metas, 0: [outputs.metas[0][0]._replace(watermark=(5, 4, 8)), outputs.metas[0][1]]}


def _miscount(outputs: Outputs) -> None:
    outputs.identity_violations = ["worker-1"]


@pytest.mark.parametrize(
    ("change", "invariants", "lost", "doubled"),
    [
        (_change_calls(-1, _WORKFLOW), {"I1"}, 1, 0),
        (_change_calls(1, _TEAM), {"I1", "I2"}, 0, 1),
        (_change_spend, {"I1"}, 0, 0),
        (_forget_window, {"I1"}, None, 0),
        (_invent_window, {"I1"}, 0, None),
        (_revise(2), set(), 0, 0),
        (_revise(3), {"I3"}, 0, 0),
        (_revise(1), {"I1", "I3"}, 1, 0),
        (_revise(2, calls=-2), {"I1", "I6"}, 2, 0),
        (_lose_letter, {"I2", "I3"}, 0, 0),
        (_repeat_letter, {"I2", "I3"}, 0, 0),
        (_garble_letter, {"I3"}, 0, 0),
        (_excuse_letter, {"I3"}, 0, 0),
        (_claim_more_produced, {"I2"}, 0, 0),
        (_commit_ahead, {"I4"}, 0, 0),
        (_commit_alone, {"I4"}, 0, 0),
        (_stop_early, {"I4"}, 0, 0),
        (_diverge, {"I5"}, 0, 0),
        (_fall_behind, {"I5"}, 0, 0),
        (_go_back, {"I7"}, 0, 0),
        (_miscount, {"identity"}, 0, 0),
    ],
    ids=lambda value: getattr(value, "__qualname__", None),
)
def test_what_is_wrong_is_noticed(
    case: tuple[Expectation, Outputs],
    change: Callable[[Outputs], None],
    invariants: set[str],
    lost: int | None,
    doubled: int | None,
) -> None:
    expected, outputs = case
    change(outputs)
    judgement = judge(expected, outputs, partition_of)
    assert {name for name, holds in judgement.holds.items() if not holds} == invariants
    assert judgement.lost == lost if lost is not None else judgement.lost > 0
    assert judgement.double_counted == doubled if doubled is not None else judgement.double_counted > 0
    assert judgement.passed == (not invariants)


@pytest.mark.parametrize(
    ("change", "invariants", "lost", "doubled"),
    [
        (_drop_outcome, {"I1", "I2"}, 1, 0),
        (_count_outcome_twice, {"I1", "I2"}, 0, 1),
        (_lose_undoing, {"I1"}, 1, 1),
        (_take_back, {"I6"}, 0, 0),
        (_hold_back, {"I1"}, 0, 0),
        (_lose_outcome_letter, {"I2", "I3"}, 0, 0),
        (_stop_outcomes_early, {"I4"}, 0, 0),
        (_outcomes_go_back, {"I7"}, 0, 0),
        *(
            (_change(name, by), {"I1"}, 0, 0)
            for name, by in (
                ("repeated_calls", 1), ("calls_with_fingerprint", -1), ("outcomes_by_run", 1), ("defects", 1), ("incidents", -1), ("ratings", 1), ("rating_sum", 0.0001),
                ("cycle_times", -1), ("cycle_time_p50_ms", 10**9), ("cycle_time_p90_ms", -(10**9)),
                ("cost_per_accepted_micro_usd", 1), ("cohort_runs", -1), ("cohort_spend_micro_usd", 1),
                ("cohort_orphan_runs", 1), ("cohort_orphan_spend_micro_usd", -1), ("cohort_runs_with_outcome", 1),
                ("cohort_accepted", -1), ("orphan_spend_ratio", 0.001), ("outcome_coverage", -0.001),
            )
        ),
    ],
    ids=lambda value: getattr(value, "__qualname__", None),
)  # fmt: skip
def test_what_is_wrong_with_outcomes_is_noticed(
    case: tuple[Expectation, Outputs],
    change: Callable[[Outputs], None],
    invariants: set[str],
    lost: int,
    doubled: int,
) -> None:
    expected, outputs = case
    change(outputs)
    judgement = judge(expected, outputs, partition_of)
    assert {name for name, holds in judgement.holds.items() if not holds} == invariants
    assert (judgement.lost_outcomes, judgement.double_counted_outcomes) == (lost, doubled)
    assert (judgement.lost, judgement.double_counted) == (0, 0)
    assert not judgement.passed


@pytest.mark.parametrize("topic", [USAGE, OUTCOMES])
def test_a_lost_reroute_is_noticed(case: tuple[Expectation, Outputs], topic: str) -> None:
    expected, outputs = case
    fates: list[Fates] = [*(expected.usage if topic == USAGE else expected.outcomes).values()]
    home, value = next(pair for wanted in fates for pair in wanted.rerouted)
    outputs.values = {
        log: {offset: None if (log, there) == (Log(topic, home), value) else there for offset, there in values.items()}
        for log, values in outputs.values.items()
    }
    assert any("never arrived" in violation for violation in judge(expected, outputs, partition_of).violations["I2"])


def test_the_identity_is_read_off_a_scrape() -> None:
    page = (
        'assay_events_received_total{topic="t"} 10.0\nassay_events_applied_total{topic="t"} 6.0\n'
        'assay_events_dead_lettered_total{reason="empty",topic="t"} 3.0\nassay_events_late_total{topic="t"} 1.0\n'
    )
    assert identity_violations(page) == []
    assert len(identity_violations(page.replace("6.0", "5.0"))) == 1


def test_every_run_in_circles_is_told_of(log: Case) -> None:
    teams = {alert["team"] for alert in log.expected.alerts}
    sent = {team for team in load.build(3, 12_000)[0] if team.key.startswith(load.LOOPING.encode())}
    assert teams == {record.key.decode() for record in sent}
    assert {partition_of(team) for team in teams} == set(range(PARTITIONS))


def _drop_alert(outputs: Outputs) -> None:
    outputs.alerts = outputs.alerts[2:]


def _drop_first_revision(outputs: Outputs) -> None:
    outputs.alerts = outputs.alerts[1:]


def _drop_end(outputs: Outputs) -> None:
    outputs.alerts = [outputs.alerts[0], *outputs.alerts[2:]]


def _repeat(outputs: Outputs) -> None:
    outputs.alerts = [outputs.alerts[0], *outputs.alerts]


def _repeat_end(outputs: Outputs) -> None:
    outputs.alerts = [*outputs.alerts[:2], outputs.alerts[1], *outputs.alerts[2:]]


def _other_figures(outputs: Outputs) -> None:
    partition, alert = outputs.alerts[0]
    changed = {**alert, "sample_size": alert["sample_size"] + 1}
    outputs.alerts = [(partition, changed), *outputs.alerts[1:]]


def _other_partition(outputs: Outputs) -> None:
    outputs.alerts = [((partition + 1) % PARTITIONS, alert) for partition, alert in outputs.alerts]


def _invented(outputs: Outputs) -> None:
    partition, alert = outputs.alerts[0]
    nobody = next(f"{load.LOOPING}{n}" for n in range(99, 999) if partition_of(f"{load.LOOPING}{n}") == partition)
    outputs.alerts = [*outputs.alerts, (partition, {**alert, "alert_id": "runaway-of-nothing", "team": nobody})]


@pytest.mark.parametrize(
    "change",
    [_drop_alert, _drop_first_revision, _drop_end, _repeat, _repeat_end, _other_figures, _other_partition, _invented],
)
def test_what_is_wrong_with_alerts_is_noticed(
    case: tuple[Expectation, Outputs], change: Callable[[Outputs], None]
) -> None:
    expected, outputs = case
    change(outputs)
    judgement = judge(expected, outputs, partition_of)
    assert {name for name, holds in judgement.holds.items() if not holds} == {"I8"}
    assert not judgement.passed


def test_another_alert_of_a_place_may_follow_only_when_the_first_has_ended(
    case: tuple[Expectation, Outputs],
) -> None:
    expected, outputs = case
    first, end, *others = outputs.alerts
    again = [(partition, {**alert, "alert_id": "runaway-again"}) for partition, alert in (first, end)]
    outputs.alerts = [first, end, *again, *others]
    assert judge(expected, outputs, partition_of).passed
    outputs.alerts = [first, again[0], end, again[1], *others]
    assert not judge(expected, outputs, partition_of).holds["I8"]


def test_what_was_too_late_is_not_waited_for(log: Case) -> None:
    """An alert is expected of what the worker took, whatever its clock kept it from."""
    alert = log.expected.alerts[0]
    partition = partition_of(alert["team"])
    there = log.values[Log(USAGE, partition)]
    team = f'"team":"{alert["team"]}"'.encode()
    refused = [offset for offset, value in there.items() if value and team in value]
    found = circling(there.items(), partition, partition_of, log.rules, refused)
    assert alert["alert_id"] not in {one["alert_id"] for one in found}
    assert alert in circling(there.items(), partition, partition_of, log.rules)
