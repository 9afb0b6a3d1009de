"""The oracle itself: it accepts what is right, and notices each thing that can be wrong."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

import pytest

from streams.core.reasons import Reason
from streams.simulation import POISON, simulate
from tests.faults import load
from tests.faults.judge import Meta, Outputs, judge
from tests.faults.load import PARTITIONS, partition_of
from tests.faults.oracle import Expected, Place, Rules, Totals, expect, parse
from tests.faults.reading import LocalStore, Message
from tests.faults.watch import CommitSample, identity_violations

_START = 1_767_571_200_000
_MINUTE = 60_000
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

    def test_an_event_is_counted_in_six_windows(self) -> None:
        assert len(judged(event(1)).totals) == 6


def _kpi(place: Place, totals: Totals, revision: int) -> dict[str, Any]:
    sums = {name: getattr(totals, name) for name in Totals.__slots__}
    return {
        **sums, "team": place.team, "workflow": place.workflow, "window_size_ms": place.size_ms,
        "window_start": place.start_ms, "revision": revision, "runs": len(totals.runs), "runs_exact": True,
        "spend_micro_usd": totals.spend_micro_usd if totals.priced_calls else None,
    }  # fmt: skip


@pytest.fixture(scope="module")
def log() -> tuple[dict[int, dict[int, bytes | None]], Counter[int]]:
    """A disturbed load as a topic has it, re-routed copies at the end; and what was produced, by partition."""
    values: dict[int, dict[int, bytes | None]] = defaultdict(dict)
    records, _ = load.build(3, 4_000)
    for record in records:
        values[record.partition][len(values[record.partition])] = record.value
    produced = Counter({partition: len(there) for partition, there in values.items()})
    for partition in range(PARTITIONS):
        for home, value in expect(list(values[partition].items()), partition, partition_of, _RULES).rerouted:
            values[home][len(values[home])] = value
    return dict(values), produced


@pytest.fixture
def case(
    log: tuple[dict[int, dict[int, bytes | None]], Counter[int]],
) -> tuple[dict[int, Expected], Outputs]:
    """What the oracle expects of the load, and outputs that are right in every respect."""
    values, produced = log
    expected = {
        partition: expect(there.items(), partition, partition_of, _RULES) for partition, there in values.items()
    }
    ends = {partition: len(there) for partition, there in values.items()}
    changelog = {p: [Message(p, 0, b"k", b"v"), Message(p, 1, b"k", None), Message(p, 2, b"x", b"y")] for p in ends}
    outputs = Outputs(
        produced=produced,
        kpis=[
            (partition, _kpi(place, totals, 1))
            for partition, wanted in expected.items()
            for place, totals in wanted.totals.items()
        ],
        dead_letters=[
            {"partition": partition, "offset": offset, "payload": values[partition][offset] or b"",
             "reason": reason if reason != "invalid" else "wrong_type"}
            for partition, wanted in expected.items()
            for offset, reason in wanted.dead.items()
        ],
        values=values,
        log_ends=ends,
        committed=dict(ends),
        samples=[CommitSample(0, 10, 2)],
        metas={p: [Meta(1, 10, (5, 4, 4)), Meta(2, end, (6, 5, 7))] for p, end in ends.items()},
        stores=[LocalStore("worker-1", p, 3, {b"x": b"y"}) for p in ends]
        + [LocalStore("worker-2", p, 1, {b"k": b"v"}) for p in ends],
        changelog=changelog,
        identity_violations=[],
    )  # fmt: skip
    return expected, outputs


def test_what_is_right_passes(case: tuple[dict[int, Expected], Outputs]) -> None:
    expected, outputs = case
    assert judge(expected, outputs, partition_of).examples() == []
    assert sum(len(wanted.dead) for wanted in expected.values()) > 20
    assert sum(len(wanted.rerouted) for wanted in expected.values()) > 3
    assert {reason for wanted in expected.values() for reason in wanted.dead.values()} == {
        "invalid", "too_late", "far_future",
    }  # fmt: skip


#: Where in the synthetic publications the first event's 5-minute windows are.
_WORKFLOW, _TEAM = 0, 3


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
    outputs.produced = {**outputs.produced, 0: outputs.produced[0] + 1}


def _commit_ahead(outputs: Outputs) -> None:
    outputs.samples = [CommitSample(0, outputs.log_ends[0], 2)]


def _commit_alone(outputs: Outputs) -> None:
    outputs.samples = [CommitSample(0, 9, 2)]


def _stop_early(outputs: Outputs) -> None:
    outputs.committed = {**outputs.committed, 1: outputs.committed[1] - 1}


def _diverge(outputs: Outputs) -> None:
    outputs.stores = [store._replace(data={**store.data, b"z": b""}) for store in outputs.stores]


def _fall_behind(outputs: Outputs) -> None:
    outputs.stores = [store for store in outputs.stores if store.position < 3]


def _go_back(outputs: Outputs) -> None:
    outputs.metas = {**outputs.metas, 0: [Meta(1, 10, (5, 4, 8)), outputs.metas[0][1]]}


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
        (_revise(2, calls=-1), {"I1", "I6"}, 1, 0),
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
    case: tuple[dict[int, Expected], Outputs],
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


def test_a_lost_reroute_is_noticed(case: tuple[dict[int, Expected], Outputs]) -> None:
    expected, outputs = case
    home, value = next(pair for wanted in expected.values() for pair in wanted.rerouted)
    outputs.values = {
        partition: {offset: None if (partition, there) == (home, value) else there for offset, there in log.items()}
        for partition, log in outputs.values.items()
    }
    assert any("never arrived" in violation for violation in judge(expected, outputs, partition_of).violations["I2"])


def test_the_identity_is_read_off_a_scrape() -> None:
    page = (
        'assay_events_received_total{topic="t"} 10.0\nassay_events_applied_total{topic="t"} 6.0\n'
        'assay_events_dead_lettered_total{reason="empty",topic="t"} 3.0\nassay_events_late_total{topic="t"} 1.0\n'
    )
    assert identity_violations(page) == []
    assert len(identity_violations(page.replace("6.0", "5.0"))) == 1
