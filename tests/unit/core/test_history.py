"""Histories: days pass, days are added, and bytes give back what they were made of."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.core.history import DAYS, FEATURES, Feature, History, total

TODAY = 20_000
#: Sums of integers are exact up to here; what is taken back may be below zero.
COUNT = st.integers(-(1 << 40), 1 << 53)
MAXIMA = (Feature.BUSIEST_HOUR, Feature.DEAREST_RUN)


def counts(**features: int) -> list[int]:
    """A day's counts; all others are zero."""
    found = [0] * FEATURES
    for name, value in features.items():
        found[Feature[name]] = value
    return found


ADDITIONS = st.lists(st.tuples(st.integers(-80, 2), st.integers(0, FEATURES - 1), COUNT), max_size=12)


def filled(additions: list[tuple[int, int, int]]) -> History:
    """A history with some counts, by days before or after the last one."""
    history = History(TODAY)
    for ago, feature, value in additions:
        row = [0] * FEATURES
        row[feature] = value
        history.add(TODAY + ago, row)
    return history


def same(one: History, other: History) -> bool:
    """Whether two histories hold the same."""
    return np.array_equal(one.days, other.days) and (one.last, one.first) == (other.last, other.first)


@given(ADDITIONS)
@settings(deadline=None, max_examples=60)
def test_bytes_give_back_what_they_were_made_of(additions: list[tuple[int, int, int]]) -> None:
    history = filled(additions)
    again = History.decode(history.encode())
    assert same(again, history)
    assert again.encode() == history.encode()


def test_an_empty_history_takes_a_few_bytes_and_leading_days_none() -> None:
    assert len(History(TODAY).encode()) < 20
    late = History(TODAY)
    late.add(TODAY, counts(CALLS=1))
    assert len(late.encode()) < 40


def test_another_version_is_refused() -> None:
    with pytest.raises(ValueError, match="version 9"):
        History.decode(b"\x09" + History(TODAY).encode()[1:])


@given(ADDITIONS, st.lists(st.integers(0, 90), max_size=4))
@settings(deadline=None, max_examples=60)
def test_days_that_pass_shift_the_others_exactly(additions: list[tuple[int, int, int]], steps: list[int]) -> None:
    """In steps or at once, with bytes in between or without: against a table of days."""
    history = filled(additions)
    table = {TODAY - DAYS + 1 + row: history.days[row].copy() for row in range(DAYS)}
    for step in steps:
        history.advance(history.last + step)
        history = History.decode(history.encode())
    for row in range(DAYS):
        day = history.last - DAYS + 1 + row
        assert np.array_equal(history.days[row], table.get(day, np.zeros(FEATURES)))
    at_once = filled(additions)
    at_once.advance(TODAY + sum(steps))
    assert np.array_equal(at_once.days, history.days)


def test_time_does_not_go_back() -> None:
    history = filled([(0, Feature.CALLS, 5)])
    history.advance(TODAY - 3)
    assert (history.last, history.days[-1, Feature.CALLS]) == (TODAY, 5)


@pytest.mark.parametrize("feature", list(Feature))
def test_parts_of_a_day_are_sums_but_for_maxima(feature: Feature) -> None:
    """What comes late of a day that was judged is added to it."""
    history = History(TODAY)
    for value in (3, 7, 5):
        history.add(TODAY - 1, counts(**{feature.name: value}))
    assert history.days[-2, feature] == (7 if feature in MAXIMA else 15)
    assert history.days.sum() == history.days[-2, feature]


@pytest.mark.parametrize(("ago", "kept"), [(0, True), (DAYS - 1, True), (DAYS, False), (-1, False)])
def test_days_out_of_reach_are_passed_over(ago: int, kept: bool) -> None:
    history = History(TODAY)
    history.add(TODAY - ago, counts(CALLS=1))
    assert history.days.any() == kept
    assert (history.first is not None) == kept


@pytest.mark.parametrize(("added", "age"), [([], 0), ([0], 1), ([3, 0], 4), ([69], 70)])
def test_the_age_is_counted_from_the_first_day_with_anything(added: list[int], age: int) -> None:
    history = History(TODAY)
    for ago in added:
        history.add(TODAY - ago, counts(CALLS=1))
    assert history.age == age
    history.advance(TODAY + 100)
    assert history.age == (DAYS if added else 0)


def test_a_team_is_the_sum_of_its_workflows() -> None:
    """Those that stand behind are brought up to the day; the first day is the earliest."""
    one, other = filled([(-5, Feature.CALLS, 2)]), filled([(-5, Feature.CALLS, 3), (0, Feature.SPEND, 7)])
    other.advance(TODAY + 1)
    whole = total([one, other, History(TODAY)], TODAY + 1)
    assert (whole.last, whole.first, whole.age) == (TODAY + 1, TODAY - 5, 7)
    assert whole.days[-7, Feature.CALLS] == 5
    assert whole.days[-2, Feature.SPEND] == 7
    nothing: Any = total([], TODAY)
    assert (nothing.age, nothing.days.any()) == (0, False)
