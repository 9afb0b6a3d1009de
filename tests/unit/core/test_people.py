"""How people spread over a week: shapes, against naive formulas."""

from itertools import product
from math import exp, log

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.core.people import LEAST_GAPS, STEPS, gini, madm, merged, near, regular, spread
from streams.core.snapshot import Regular, Week
from streams.core.watches import Stint


def stint(calls: int = 1, tokens: int = 0, days: int = 1, gaps: list[int] | None = None, **fields: int) -> Stint:
    """A stint with some figures."""
    found = Stint()
    found.calls, found.tokens, found.days, found.gaps = calls, tokens, days, gaps or []
    for name, value in fields.items():
        setattr(found, name, value)
    return found


# ---------------------------------------------------------------------------------------------------------- coefficient


@given(st.lists(st.integers(0, 10**9), min_size=2, max_size=30))
@settings(deadline=None, max_examples=100)
def test_gini_is_half_the_mean_difference_over_the_mean(values: list[int]) -> None:
    """Of all pairs of different people, which is the correction for small groups."""
    n, whole = len(values), sum(values)
    if not whole:
        assert gini(values) == 0
        return
    differences = sum(abs(one - other) for one, other in product(values, values)) / (n * (n - 1))
    assert gini(values) == pytest.approx(differences / (2 * whole / n))
    assert gini(values[::-1]) == gini(values)


@pytest.mark.parametrize(("values", "expected"), [
    ([], 0), ([7], 0), ([0, 0], 0), ([5, 5, 5], 0), ([0, 0, 0, 9], 1), ([0, 1], 1), ([1, 3], 0.5),
])  # fmt: skip
def test_gini_of_the_plainest_groups(values: list[int], expected: float) -> None:
    assert gini(values) == pytest.approx(expected)


# ------------------------------------------------------------------------------------------------------------ histogram


def test_without_a_target_there_is_no_histogram() -> None:
    assert near([1, 2], None) == near([1, 2], 0) == ()


@pytest.mark.parametrize("target", [1, 10, 20, 100, 12_345, 500_000, 10**12])
def test_who_stops_exactly_at_the_target_lies_just_above_it(target: int) -> None:
    assert near([target], target).index(1) == STEPS // 2


@pytest.mark.parametrize("step", range(STEPS))
def test_each_step_is_a_tenth_of_a_natural_logarithm(step: int) -> None:
    """From its lower edge on, up to the next one's."""
    target = 10**12
    edge = (step - STEPS // 2) / 10
    inside = [round(target * exp(edge + 0.0001)), round(target * exp(edge + 0.0999))]
    assert near(inside, target)[step] == 2
    assert sum(near(inside, target)) == 2


def test_what_lies_far_off_is_not_counted() -> None:
    """Nor is who did nothing."""
    target = 10**9
    assert sum(near([0, round(target * exp(-0.801)), round(target * exp(0.801))], target)) == 0


@given(st.lists(st.integers(0, 10**7), max_size=30), st.integers(1, 10**6))
@settings(deadline=None, max_examples=100)
def test_the_histogram_counts_each_once_at_most(totals: list[int], target: int) -> None:
    within = [it for it in totals if it and abs(log(it / target)) < 0.799]
    beyond = [it for it in totals if it and abs(log(it / target)) > 0.801]
    assert len(within) <= sum(near(totals, target)) <= len(totals) - len(beyond) - totals.count(0)
    assert sum(near([it for it in totals if it >= target], target)[: STEPS // 2]) == 0


# ----------------------------------------------------------------------------------------------------------- regularity


def test_a_clock_is_perfectly_regular() -> None:
    assert madm([1_800] * 30) == (1.0, 0.0, 1_800)


def test_regularity_falls_with_the_deviation_of_gaps() -> None:
    """By hand: the median is 100, deviations 0, 0, 10, 10, 50; the mean is 92, the variance 1,096 - 0."""
    regularity, variation, middle = madm([50, 100, 100, 90, 110])
    assert regularity == pytest.approx(0.9)
    assert variation == pytest.approx((sum((gap - 90) ** 2 for gap in (50, 100, 100, 90, 110)) / 5) ** 0.5 / 90)
    assert middle == 100


def test_gaps_of_nothing_are_no_clock() -> None:
    """Work that begins many times at once, such as what is fanned out."""
    regularity, variation, _ = madm([0] * 20 + [9])
    assert regularity == 0
    assert variation == float("inf")


def test_what_begins_by_the_clock_is_summed_up_without_saying_whose_it_is() -> None:
    clock = stint(40, gaps=[600] * LEAST_GAPS, starts=25, spend=7, output=3)
    slower = stint(30, gaps=[3_600, 3_700] * LEAST_GAPS, starts=48, spend=5, output=2)
    bursty = stint(90, gaps=[10, 20, 9_000, 30, 40, 70_000] * 8, starts=49, spend=99)
    few = stint(20, gaps=[600] * (LEAST_GAPS - 1), starts=24, spend=99)
    found = regular({3: clock, 1: slower, 2: bursty, 0: few})
    assert found == Regular(25 + 48, 2, 70, 12, 5, 600, 1_000)
    assert regular({}) == Regular()


# ---------------------------------------------------------------------------------------------------------------- weeks


def test_a_person_in_several_workflows_is_one() -> None:
    """Machines are nobody."""
    one = {5: stint(2, 10, 0b1), 6: stint(1, 1, 0b1), 0: stint(100, 100)}
    other = {5: stint(3, 20, 0b10)}
    people = merged([one, other, {}])
    assert {actor: (it.calls, it.tokens, it.days) for actor, it in people.items()} == {5: (5, 30, 0b11), 6: (1, 1, 0b1)}
    assert one[5].calls == 2, "the parts are as they were"


def test_a_week_of_nobody_has_no_shape() -> None:
    assert spread(7, {}, (1, 1)) == Week(7, 0)


def test_the_shape_of_a_week() -> None:
    people = {number: stint(10, 1_000 * number, 0b11) for number in range(1, 11)}
    people[11] = stint(1, 0, 0b100)
    people[12] = stint(3, 0, 0b100)
    people[13] = stint(3, 0, 0b1000)
    people[14] = stint(4, 0, 0b1000)
    week = spread(2_900, people, (5_000, None))
    assert (week.number, week.people) == (2_900, 14)
    assert week.near_tokens.index(1) >= 0
    assert week.near_events == ()
    assert (week.brief, week.brief_together) == (3, 2)
    assert week.leaders == pytest.approx(log(1 + 9_500))
    assert week.median == pytest.approx(log(1 + 3_500))
    assert week.top_share == pytest.approx((10 + 9) / 55)


def test_a_week_says_nothing_of_any_person() -> None:
    """Pseudonyms leave no trace in it: the same people under other ones give the same week."""
    people = {number: stint(number % 5 + 1, number * 997 % 313, 1 << number % 7) for number in range(1, 30)}
    renamed = {10**9 - number: it for number, it in people.items()}
    assert spread(1, people, (100, 3)) == spread(1, renamed, (100, 3))
