"""Watches: what is counted of calls, by day and by person and week, and how it is kept."""

from collections import defaultdict
from math import log
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.core import keys
from streams.core.history import FEATURES, Feature
from streams.core.pseudonyms import iso_week
from streams.core.varint import write_longs
from streams.core.watches import GAPS, Stint, Watch
from tests.engine_runs import DAY, HOUR, MINUTE, MONDAY, SECOND


class Call(NamedTuple):
    """What a watch is told of a call, in its own order."""

    at: int = MONDAY
    prompt: int = 0
    read: int = 0
    output: int = 0
    cost: int = -1
    reported: int = -1
    computed: int = -1
    in_vain: bool = False
    actor: int = 0
    machine: bool = False
    with_run: bool = False
    begins: bool = False
    repeat: int = -1
    run_spend: int = 0


def watched(calls: list[Call]) -> Watch:
    """A watch of some calls."""
    watch = Watch("t", "w", 7)
    for call in calls:
        watch.count(*call)
    return watch


FIELDS = ("calls", "tokens", "output", "spend", "starts", "days", "began_ms", "last_ms", "gaps")
TOKENS = st.integers(0, 10_000)
MONEY = st.integers(-1, 5_000)
CALLS = st.lists(
    st.builds(
        Call, at=st.integers(0, 10 * 24 * 60).map(lambda minutes: MONDAY + minutes * MINUTE), prompt=TOKENS, read=TOKENS,
        output=TOKENS, cost=MONEY, reported=MONEY, computed=MONEY, in_vain=st.booleans(), actor=st.integers(0, 3),
        machine=st.booleans(), with_run=st.booleans(), begins=st.booleans(), repeat=st.integers(-1, 1),
        run_spend=st.integers(0, 9_000),
    ),
    max_size=40,
)  # fmt: skip


def counted(calls: list[Call], feature: Feature) -> dict[int, int]:
    """A naive count of the features that look at one call at a time."""
    sums: dict[int, int] = defaultdict(int)
    for call in calls:
        tokens, run = call.prompt + call.output, call.with_run
        values = {
            Feature.CALLS: 1, Feature.SPEND: max(call.cost, 0), Feature.PRICED: call.cost >= 0, Feature.INPUT: call.prompt,
            Feature.CACHE_READ: call.read, Feature.OUTPUT: call.output, Feature.FAILED: call.in_vain,
            Feature.FAILED_SPEND: max(call.cost, 0) * call.in_vain, Feature.FINGERPRINTED: call.repeat >= 0,
            Feature.REPEATS: call.repeat > 0, Feature.REPEAT_SPEND: max(call.cost, 0) * (call.repeat > 0),
            Feature.WITH_RUN: run, Feature.ATTRIBUTED: call.actor > 0, Feature.MACHINE: call.machine,
            Feature.UNPRICED: call.cost < 0 and tokens > 0, Feature.FREE: call.cost == 0 and tokens > 0,
            Feature.REPORTED: call.reported if min(call.reported, call.computed) >= 0 else 0,
            Feature.COMPUTED: call.computed if min(call.reported, call.computed) >= 0 else 0,
            Feature.LOG_RATIO: int(1000 * log((call.prompt + 1) / (call.output + 1))),
        }  # fmt: skip
        sums[call.at // DAY] += int(values[feature])
    return dict(sums)


_SUMS = [it for it in Feature if it <= Feature.LOG_RATIO]


@given(CALLS)
@settings(deadline=None, max_examples=80)
def test_sums_by_day_are_those_of_a_naive_count(calls: list[Call]) -> None:
    watch = watched(calls)
    for feature in _SUMS:
        assert {day: counts[feature] for day, counts in watch.open.items()} == counted(calls, feature)
    dearest: dict[int, int] = {}
    for call in calls:
        spend = call.run_spend if call.with_run else 0
        dearest[call.at // DAY] = max(spend, dearest.get(call.at // DAY, 0))
    assert {day: counts[Feature.DEAREST_RUN] for day, counts in watch.open.items()} == dearest


@given(CALLS)
@settings(deadline=None, max_examples=80)
def test_stints_are_those_of_a_naive_count(calls: list[Call]) -> None:
    """By ISO week and actor: calls, tokens, spend, days of the week, and beginnings of work."""
    watch = watched(calls)
    said: dict[tuple[int, int], list[Call]] = defaultdict(list)
    for call in calls:
        said[iso_week(call.at), call.actor].append(call)
    found = {(week, actor): it for week, stints in watch.stints.items() for actor, it in stints.items()}
    assert found.keys() == said.keys()
    for place, own in said.items():
        stint = found[place]
        assert stint.calls == len(own)
        assert stint.tokens == sum(call.prompt + call.output for call in own)
        assert stint.output == sum(call.output for call in own)
        assert stint.spend == sum(max(0, call.cost) for call in own)
        assert stint.days == sum({1 << (call.at - MONDAY) // DAY % 7 for call in own})
        newest, starts = 0, []
        for call in own:
            if call.begins or (not call.with_run and call.at - newest >= 10 * MINUTE):
                starts.append(call.at)
            newest = max(newest, call.at)
        assert stint.starts == len(starts)
        assert stint.last_ms == newest
        assert len(stint.gaps) == max(0, min(GAPS, len(starts) - 1))
    starts_by_day = sum(counts[Feature.STARTS] for counts in watch.open.values())
    assert starts_by_day == sum(stint.starts for stint in found.values())


@given(CALLS, st.lists(st.integers(-(1 << 50), 1 << 50), max_size=7), st.booleans())
@settings(deadline=None, max_examples=60)
def test_bytes_give_back_a_watch_and_its_stints(calls: list[Call], regular: list[int], known: bool) -> None:
    """Counts may be below zero where something was taken back."""
    watch = watched(calls)
    watch.of_day(1)[Feature.COHORT_RUNS] = -5
    watch.last_regular = tuple(regular)
    if known:
        watch.typical_hour, watch.typical_run, watch.dearest_run = 3, 4, 5
    again = Watch.decode("t", "w", 7, watch.encode())
    assert again.encode() == watch.encode()
    assert again.open == watch.open
    for name in (
        "hour",
        "hour_spend",
        "last_hour_spend",
        "before_hour_spend",
        "typical_hour",
        "typical_run",
        "dearest_run",
        "last_regular",
    ):
        assert getattr(again, name) == getattr(watch, name)
    for stints in watch.stints.values():
        for stint in stints.values():
            copy = Stint.decode(stint.encode())
            assert {name: getattr(copy, name) for name in FIELDS} == {name: getattr(stint, name) for name in FIELDS}


@given(CALLS, st.integers(0, 40))
@settings(deadline=None, max_examples=60)
def test_a_restart_in_the_middle_does_not_show(calls: list[Call], cut: int) -> None:
    """What is drained is all that the further counts need."""
    through = watched(calls)
    before = watched(calls[:cut])
    writes: dict[bytes, bytes | None] = {}
    before.drain(writes)
    data = writes.pop(keys.WATCH + b"t\0w")
    assert data is not None
    after = Watch.decode("t", "w", 7, data)
    for key, value in writes.items():
        assert value is not None
        week, actor = int.from_bytes(key[1:5], "big"), int.from_bytes(key[13:], "big")
        after.stints.setdefault(week, {})[actor] = Stint.decode(value)
    for call in calls[cut:]:
        after.count(*call)
    assert after.open == through.open
    for name in ("hour", "hour_spend", "last_hour_spend", "before_hour_spend"):
        assert getattr(after, name) == getattr(through, name)
    assert {(week, actor): it.encode() for week, stints in after.stints.items() for actor, it in stints.items()} == {
        (week, actor): it.encode() for week, stints in through.stints.items() for actor, it in stints.items()
    }


def test_columns_added_later_are_zero_in_older_states() -> None:
    """Columns are only ever added at the end."""
    older = write_longs((1, 0, 0, 0, 0, -1, -1, -1, 0, 20_000, 3, 7, 8, 9))
    counts = Watch.decode("t", "w", 7, older).open[20_000]
    assert counts == [7, 8, 9] + [0] * (FEATURES - 3)


@pytest.mark.parametrize(("decode", "name"), [
    (Stint.decode, "stint"), (lambda data: Watch.decode("t", "w", 7, data), "watch"),
])  # fmt: skip
def test_another_version_is_refused(decode: Any, name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} codec version 2"):
        decode(b"\x04" + b"\0" * 8)


def test_gaps_between_beginnings_are_seconds_and_bounded() -> None:
    """The last ones; what came in the wrong order is no gap below zero."""
    stint = Stint()
    for number in range(GAPS + 10):
        stint.begin(MONDAY + number * 90 * SECOND)
    assert stint.gaps == [90] * GAPS
    stint.begin(MONDAY)
    assert stint.gaps[-1] == 0
    assert stint.began_ms == MONDAY + (GAPS + 9) * 90 * SECOND


def test_an_hour_is_told_from_those_before_it() -> None:
    """And the busiest of a day is its most expensive so far."""
    watch = watched([
        Call(MONDAY, cost=5), Call(MONDAY + HOUR, cost=7), Call(MONDAY + HOUR + 1, cost=1), Call(MONDAY + 2 * HOUR, cost=2),
    ])  # fmt: skip
    assert (watch.hour_spend, watch.last_hour_spend, watch.before_hour_spend) == (2, 8, 5)
    assert watch.open[MONDAY // DAY][Feature.BUSIEST_HOUR] == 8
    watch.count(*Call(MONDAY + 4 * HOUR, cost=3))
    assert (watch.hour_spend, watch.last_hour_spend, watch.before_hour_spend) == (3, 0, 2)
    watch.count(*Call(MONDAY + 9 * HOUR, cost=4))
    assert (watch.hour_spend, watch.last_hour_spend, watch.before_hour_spend) == (4, 0, 0)


def test_a_late_call_counts_in_the_hour_before() -> None:
    watch = watched([Call(MONDAY, cost=5), Call(MONDAY + HOUR, cost=7), Call(MONDAY + 1, cost=2)])
    assert (watch.hour_spend, watch.last_hour_spend) == (7, 7)


def test_a_day_that_is_taken_out_begins_anew() -> None:
    """A late call does not write into counts that were handed over."""
    watch = watched([Call(MONDAY)])
    handed_over = watch.forget_day(MONDAY // DAY)
    watch.count(*Call(MONDAY + 1))
    assert handed_over[Feature.CALLS] == 1
    assert watch.open[MONDAY // DAY][Feature.CALLS] == 1


def test_only_changed_stints_are_written_and_a_watch_that_is_over_is_deleted() -> None:
    watch = watched([Call(actor=1), Call(actor=2)])
    writes: dict[bytes, bytes | None] = {}
    watch.drain(writes)
    assert len(writes) == 3
    watch.count(*Call(actor=2))
    watch.over = True
    writes = {}
    watch.drain(writes)
    assert len(writes) == 2
    assert writes[keys.WATCH + b"t\0w"] is None
