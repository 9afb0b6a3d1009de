"""Runs that go in circles: what is a pattern, from which call on, and what it cost."""

from collections.abc import Iterable
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.core.runs import UNTOLD, Pattern, Run


class Call(NamedTuple):
    """One call of a run: what it was, whether it failed, its input, its cost."""

    what: int
    failed: bool = False
    prompt: int = 100
    cost: int = 10


def follow(calls: Iterable[Call], run: Run | None = None) -> tuple[Run, list[Pattern]]:
    """A run after some calls, and what it showed at each."""
    run = run or Run(1, "t")
    shown = []
    for at, call in enumerate(calls):
        run.use(at, "w", call.cost, False)
        shown.append(Pattern(run.follow(call.what, call.failed, call.prompt, call.cost)))
    return run, shown


def first(shown: list[Pattern], pattern: Pattern) -> int | None:
    """At which call a pattern shows, counted from one."""
    return shown.index(pattern) + 1 if pattern in shown else None


def test_five_equal_calls_in_a_row_are_repeated() -> None:
    run, shown = follow([Call(7)] * 3 + [Call(8)] * 6)
    assert first(shown, Pattern.REPEATED) == 8
    assert shown[-1] is Pattern.REPEATED
    assert run.circle(Pattern.REPEATED) == (6, 60)


def test_two_calls_in_turns_go_back_and_forth() -> None:
    """Four times each, which is six calls that repeat the one before the last."""
    run, shown = follow([Call(5)] + [Call(1 + number % 2) for number in range(14)])
    assert first(shown, Pattern.PING_PONG) == 9
    calls, spend = run.circle(Pattern.PING_PONG)
    assert (calls, spend) == (12, 120)


def test_half_of_the_last_twenty_calls_that_failed_are_failing() -> None:
    """Different calls all the time; the success that comes last is no time to say so."""
    run, shown = follow(Call(number, failed=number % 2 == 1) for number in range(100, 130))
    assert first(shown, Pattern.FAILING) == 20
    assert set(shown[19::2]) == {Pattern.FAILING}
    assert set(shown[20::2]) == {Pattern.NONE}
    assert run.circle(Pattern.FAILING)[0] == 10


def test_input_that_grows_call_by_call_to_four_times_is_growing() -> None:
    run, shown = follow(Call(number, prompt=round(100 * 1.15**number)) for number in range(1, 20))
    assert first(shown, Pattern.GROWING) == 11
    assert run.circle(Pattern.GROWING) == (19, 190)


@pytest.mark.parametrize("calls", [
    [Call(number) for number in range(1, 300)],
    [Call(1 + number % 3) for number in range(300)],
    [Call(1 + number // 4) for number in range(300)],
    [Call(number, failed=number % 3 == 0) for number in range(1, 300)],
    [Call(number, prompt=100 + number % 7 * 40) for number in range(1, 300)],
    [Call(number, prompt=1_000 + number) for number in range(1, 300)],
    [Call(number, prompt=round(100 * 1.15 ** (number % 9))) for number in range(1, 300)],
], ids=["different", "three in turns", "four times each", "a third fails", "up and down", "a little more", "compacted"])  # fmt: skip
def test_ordinary_runs_show_nothing(calls: list[Call]) -> None:
    assert set(follow(calls)[1]) == {Pattern.NONE}


def test_only_the_pattern_s_own_spend_is_counted() -> None:
    """What the run cost before it went in circles was work."""
    run, _ = follow([Call(number, cost=1_000) for number in range(50)] + [Call(7, cost=3)] * 10)
    assert run.spend == 50_030
    assert run.circle(Pattern.REPEATED) == (10, 30)


def test_spend_that_nobody_knows_is_none() -> None:
    run, shown = follow([Call(7, cost=-1)] * 10)
    assert shown[-1] is Pattern.REPEATED
    assert run.circle(Pattern.REPEATED) == (10, 0)


def test_more_calls_than_the_state_keeps_are_told_as_that_many() -> None:
    """Before a restart as after it."""
    run, _ = follow([Call(7, cost=0)] * 65_540)
    again = Run.decode(1, run.encode())
    assert run.circle(Pattern.REPEATED) == again.circle(Pattern.REPEATED) == (65_535, 0)
    for each in (run, again):
        each.follow(7, False, 100, 0)
    assert run.circle(Pattern.REPEATED) == again.circle(Pattern.REPEATED)


CALLS = st.lists(
    st.builds(Call, st.integers(1, 3), st.booleans(), st.integers(0, 2_000), st.integers(-1, 50)), max_size=60
)  # fmt: skip


@given(CALLS, st.integers(0, 60))
@settings(deadline=None, max_examples=150)
def test_a_restart_in_the_middle_does_not_show(calls: list[Call], cut: int) -> None:
    """Bytes give back all that following needs."""
    through, shown = follow(calls)
    before, first_part = follow(calls[:cut])
    after, rest = follow(calls[cut:], Run.decode(1, before.encode()))
    assert first_part + rest == shown
    for pattern in list(Pattern)[1:]:
        assert after.circle(pattern) == through.circle(pattern)


@given(CALLS)
@settings(deadline=None, max_examples=150)
def test_patterns_are_what_they_are_said_to_be(calls: list[Call]) -> None:
    """Against the words, looking at all calls so far."""
    shown = follow(calls)[1]
    for end, pattern in enumerate(shown, start=1):
        said = calls[:end]
        if pattern is Pattern.REPEATED:
            assert len({call.what for call in said[-5:]}) == 1
            assert end >= 5
        elif pattern is Pattern.PING_PONG:
            assert all(one.what == other.what for one, other in zip(said[-6:], said[-8:-2], strict=True))
            assert said[-1].what != said[-2].what
        elif pattern is Pattern.FAILING:
            assert sum(call.failed for call in said[-20:]) >= 10
            assert said[-1].failed
        elif pattern is Pattern.GROWING:
            assert said[-1].prompt >= 4 * min(call.prompt for call in said)
        else:
            assert end < 5 or len({call.what for call in said[-5:]}) > 1
            assert not (said[-1].failed and sum(call.failed for call in said[-20:]) >= 10)


def test_calls_that_say_nothing_of_themselves_are_not_the_same() -> None:
    """A bill by the call tells neither what was asked nor how much of it: nobody can say that it is the same again."""
    _, shown = follow([Call(UNTOLD, prompt=0)] * 60)
    assert set(shown) == {Pattern.NONE}
    _, shown = follow([Call(UNTOLD, prompt=0), Call(7, prompt=0)] * 30)
    assert set(shown) == {Pattern.NONE}
