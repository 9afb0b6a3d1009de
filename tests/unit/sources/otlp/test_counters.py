"""Counters become amounts: what was counted is counted once, whatever restarts, repeats or collides."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.sources.otlp.counters import Last, amounts, series_of
from streams.sources.otlp.records import MetricPoint, Scope


def point(value: float, at: int, start: int = 1, **changed: Any) -> MetricPoint:
    made = MetricPoint(
        "place", "claude_code.commit.count", "sum", "cumulative", True, start, at, value, None, {"session.id": "s"}, {},
        Scope("scope", "1"),
    )  # fmt: skip
    return made._replace(**changed)


def added(*requests: list[MetricPoint]) -> list[float]:
    known: dict[str, Last] = {}
    found = []
    for points in requests:
        result = amounts(known, points)
        known.update(result.changed)
        found += [one.amount for one in result.added]
    return found


def test_a_cumulative_counter_adds_what_is_new() -> None:
    assert added([point(3, 10)], [point(3, 20)], [point(7, 30)]) == [3, 4]


def test_corveil_703_a_delta_is_added_as_it_is() -> None:
    deltas = [point(value, at, temporality="delta") for value, at in ((3, 10), (3, 20), (1, 30))]
    assert added(deltas) == [3, 3, 1]


def test_a_restart_begins_anew() -> None:
    assert added([point(5, 10, start=1)], [point(2, 20, start=15)]) == [5, 2]


def test_a_counter_that_goes_backwards_was_reset() -> None:
    known = {series_of(point(0, 0)): Last(10, 5)}
    (one,) = amounts(known, [point(2, 20)]).added
    assert (one.amount, one.reset) == (2, True)


def test_claude_code_72500_22_commits_stay_22() -> None:
    # Exported again and again while nothing happens, and then from a new process.
    counts = [point(min(at, 20), at * 10, start=1) for at in range(1, 60)]
    assert sum(added(counts, [point(2, 1_000, start=700)])) == 22


def test_claude_code_56317_processes_that_share_a_session_do_not_collide() -> None:
    one = [point(100 + at, 10 * at, start=1) for at in range(1, 9)]
    two = [point(at, 10 * at + 5, start=2) for at in range(1, 9)]
    interleaved = [each for pair in zip(one, two, strict=True) for each in pair]
    assert sum(added(interleaved)) == 108 + 8


def test_a_request_that_is_sent_again_adds_nothing() -> None:
    request = [point(3, 10), point(2, 10, attributes={"session.id": "t"})]
    assert added(request, request) == [3, 2]
    assert amounts({series_of(point(0, 0)): Last(10, 3)}, [point(3, 10), point(2, 5)]).old == 2


def test_a_series_of_unknown_start_tells_only_what_comes_after_its_first_point() -> None:
    first = amounts({}, [point(1_000, 10, start=0)])
    assert (first.added, first.baselines) == ([], 1)
    assert added([point(1_000, 10, start=0)], [point(1_004, 20, start=0)]) == [4]


@pytest.mark.parametrize(
    "changed", [{"kind": "gauge"}, {"kind": "other"}, {"temporality": "unspecified"}, {"monotonic": False}]
)
def test_what_is_no_counter_adds_nothing(changed: dict[str, Any]) -> None:
    result = amounts({}, [point(3, 10, **changed)])
    assert (result.added, result.changed) == ([], {})


@pytest.mark.parametrize(
    "changed", [{"attributes": {"session.id": "t"}}, {"resource": {"a": 1}}, {"name": "n"}, {"scope": Scope("x", "")}]
)
def test_series_differ_in_everything_that_is_said_of_them(changed: dict[str, Any]) -> None:
    assert series_of(point(1, 1)) != series_of(point(1, 1, **changed))


def test_the_order_of_attributes_makes_no_series() -> None:
    one, two = ({"a": 1, "b": 2}, {"b": 2, "a": 1})
    assert series_of(point(1, 1, attributes=one)) == series_of(point(1, 1, attributes=two))


@given(
    st.lists(st.lists(st.integers(0, 50), min_size=1, max_size=8), min_size=1, max_size=4),
    st.randoms(use_true_random=False),
)
def test_whatever_is_repeated_the_sum_is_what_was_counted(processes: list[list[int]], random: Any) -> None:
    exports = []
    for start, increments in enumerate(processes, start=1):
        total = 0
        for at, increment in enumerate(increments, start=1):
            total += increment
            exports.append(point(total, 10 * at + start, start=start))
    exports.sort(key=lambda one: one.at_nanos)
    repeated = [each for one in exports for each in [one] * random.randint(1, 3)]
    assert sum(added(*[[one] for one in repeated])) == sum(map(sum, processes))
