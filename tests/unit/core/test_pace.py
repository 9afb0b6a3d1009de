"""The pace of a budget: what was spent in which step, and how weeks go."""

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.core.pace import WINDOWS, Pace

DAY = 288
#: A Monday, in days since the epoch.
MONDAY = 20_458

COUNTS = st.lists(st.tuples(st.integers(0, 700), st.integers(0, 10**9), st.integers(1, 9)), max_size=40)


def paced(counts: list[tuple[int, int, int]]) -> Pace:
    """A pace with some counts."""
    pace = Pace()
    for step, spend, calls in counts:
        pace.count(step, spend, calls)
    return pace


@given(COUNTS, st.integers(0, 720), st.integers(1, 300))
@settings(deadline=None, max_examples=80)
def test_a_window_is_the_sum_of_its_steps(counts: list[tuple[int, int, int]], end: int, length: int) -> None:
    within = [(spend, calls) for step, spend, calls in counts if end - length < step <= end]
    assert paced(counts).spent(end, length) == (sum(it[0] for it in within), sum(it[1] for it in within))


def test_the_pace_of_a_uniform_week_uses_a_month_up() -> None:
    """As long as nothing is learned; whatever the window."""
    pace = Pace()
    assert round(pace.expected(730_500, MONDAY * DAY, 12)) == 1_000
    assert round(pace.expected(730_500, MONDAY * DAY + 5, 7 * DAY)) == 168_000


def test_a_team_is_expected_to_spend_when_it_does() -> None:
    """Of a week in which one works from nine to five on weekdays; a fifth is spread evenly."""
    pace = Pace()
    for day in range(MONDAY, MONDAY + 7):
        for hour in range(9, 17) if day < MONDAY + 5 else ():
            for step in range(12):
                pace.count(day * DAY + hour * 12 + step, 1_000, 1)
        pace.learn(day)
    noon, night = (MONDAY + 7) * DAY + 13 * 12 - 1, (MONDAY + 7) * DAY + 4 * 12 - 1
    a_month = 730_500
    assert round(pace.expected(a_month, night, 12)) == 200
    assert round(pace.expected(a_month, noon, 12)) == round((0.2 + 0.8 * 168 / 40) * 1_000)
    whole = pace.expected(a_month, (MONDAY + 14) * DAY - 1, 7 * DAY)
    assert round(whole) == 168_000, "of the whole week as much as ever"


def test_newer_weeks_weigh_more_and_old_ones_fade() -> None:
    pace = Pace()
    for week in range(12):
        hour = 9 if week < 6 else 20
        pace.count((MONDAY + 7 * week) * DAY + hour * 12, 1_000, 1)
        for day in range(7):
            pace.learn(MONDAY + 7 * week + day)
    assert pace.profile[20] > 5 * pace.profile[9] > 0


def test_the_ordinary_cost_of_a_window_leaves_the_dearest_day_out() -> None:
    """None before there are ten days; the last four weeks after that."""
    pace = Pace()
    for day in range(9):
        pace.count((MONDAY + day) * DAY + 100, 100 + day, 1)
        pace.learn(MONDAY + day)
    assert [pace.ordinary(steps) for steps in WINDOWS] == [None] * 3
    pace.count((MONDAY + 9) * DAY + 100, 10**9, 1)
    pace.learn(MONDAY + 9)
    assert pace.ordinary(12) == 108
    for day in range(10, 50):
        pace.learn(MONDAY + day)
    assert len(pace.most) == 28
    assert [pace.ordinary(steps) for steps in WINDOWS] == [0] * 3


@given(COUNTS)
@settings(deadline=None, max_examples=40)
def test_what_is_learned_is_given_back_as_numbers(counts: list[tuple[int, int, int]]) -> None:
    pace = paced(counts)
    for day in range(2):
        pace.learn(day)
    again = Pace(pace.numbers)
    assert again.numbers == pace.numbers
    assert (again.profile, again.most) == (pace.profile, pace.most)
    assert again.expected(10**9, 1_000, 72) == pace.expected(10**9, 1_000, 72)


@given(COUNTS, st.lists(st.integers(0, 700), max_size=5))
@settings(deadline=None, max_examples=80)
def test_when_steps_are_forgotten_does_not_show(counts: list[tuple[int, int, int]], moments: list[int]) -> None:
    """Whatever is asked from then on, of later steps and of days that are not learned yet, has the same answer."""
    ordered = sorted(counts)
    kept, through = Pace(), Pace()
    for moment in [*sorted(moments), 700]:
        for step, spend, calls in [it for it in ordered if it[0] <= moment]:
            kept.count(step, spend, calls)
            through.count(step, spend, calls)
        ordered = [it for it in ordered if it[0] > moment]
        day = max(0, (moment - 12) // DAY)
        gone = kept.forget(moment, day)
        assert not set(gone) & kept.steps.keys()
        for steps in WINDOWS:
            assert kept.spent(moment, steps) == through.spent(moment, steps)
        one, other = Pace(kept.numbers), Pace(through.numbers)
        one.steps, other.steps = kept.steps, through.steps
        one.learn(day)
        other.learn(day)
        assert one.numbers == other.numbers


def test_a_day_is_learned_with_what_its_first_windows_reach_back_to() -> None:
    """Six hours that begin the evening before: an hour after the day, when it is learned, they are still there."""
    pace = Pace()
    pace.count(DAY - 50, 500, 1)
    pace.count(DAY + 11, 300, 1)
    pace.forget(2 * DAY + 11, 1)
    pace.learn(1)
    assert pace.most[-1] == (300, 800, 300)


@given(COUNTS)
@settings(deadline=None, max_examples=80)
def test_the_most_of_a_day_is_that_of_its_windows_summed_one_by_one(counts: list[tuple[int, int, int]]) -> None:
    """Windows end each half hour from the end of the first hour, and a day's window is the whole day."""
    pace = paced(counts)
    pace.learn(1)
    ends = range(DAY + 11, 2 * DAY, 6)
    hour, six, _ = WINDOWS
    most = (*(max(pace.spent(end, steps)[0] for end in ends) for steps in (hour, six)), pace.spent(2 * DAY - 1, DAY)[0])
    assert pace.most == [most]
    assert pace.profile[96:120] == [round(0.3 * pace.spent(DAY + 12 * it + 11, 12)[0]) for it in range(24)]


def test_steps_do_not_pile_up() -> None:
    """Three days of them at most, once their days are learned."""
    pace = Pace()
    for step in range(3_000):
        pace.count(step, 1, 1)
        pace.forget(step, max(0, (step - 12) // DAY))
    assert len(pace.steps) <= 3 * DAY
    assert set(pace.steps) == {step for step in range(3_000) if step >= min(pace.steps)}
    assert pace.touched == set(pace.steps)
