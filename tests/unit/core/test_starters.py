"""Whose runs began when, and what may tell of them."""

import pytest

from streams.core import keys
from streams.core.starters import Starters
from streams.core.windows import SIZES, Window
from streams.state.memory import MemoryStore
from tests.engine_runs import DAY, HOUR, MONDAY

LEAST = 3


def starters(store: MemoryStore | None = None) -> Starters:
    return Starters(store or MemoryStore(), LEAST, dict.fromkeys(SIZES, 0))


def decide(found: Starters, size: Window) -> None:
    """All of the Monday's week, up to a size."""
    for each in SIZES[1 : SIZES.index(size) + 1]:
        found.decide(each, each.bucket_of(MONDAY) + 7 * DAY // each)


def told(found: Starters, workflow: str = "x", at: int = MONDAY) -> list[str]:
    names = [size.name for size in SIZES[1:] if found.may_tell(size, "red", workflow, at)]
    return names + ["TEAM"] * found.may_tell(Window.WEEK, "red", "", at)


def test_an_hour_in_which_enough_people_began_runs_tells_of_them() -> None:
    """However many runs they are, people count once."""
    found = starters()
    for actor in (1, 2, 2, 2):
        found.began("red", "x", MONDAY, actor)
    found.began("red", "x", MONDAY + HOUR, 3)
    decide(found, Window.HOUR)
    assert told(found) == told(found, at=MONDAY + HOUR) == []
    decide(found, Window.DAY)
    assert told(found) == ["DAY"]

    found = starters()
    for actor in (1, 2, 3):
        found.began("red", "x", MONDAY, actor)
    decide(found, Window.WEEK)
    assert told(found) == ["HOUR"]


def test_what_no_week_of_a_workflow_may_tell_is_told_by_that_of_the_team() -> None:
    """If they are enough together: else by none."""
    found = starters()
    for actor, workflow in ((1, "x"), (2, "x"), (3, "y")):
        found.began("red", workflow, MONDAY + actor * DAY, actor)
    found.began("blue", "x", MONDAY, 4)
    decide(found, Window.WEEK)
    assert told(found) == told(found, "y") == ["TEAM"]
    assert not found.may_tell(Window.WEEK, "blue", "", MONDAY)


def test_those_whom_an_hour_told_of_do_not_help_others() -> None:
    """What rises to the day are the runs of those that no hour told of."""
    found = starters()
    for actor in (1, 2, 3):
        found.began("red", "x", MONDAY, actor)
    found.began("red", "x", MONDAY + HOUR, 4)
    decide(found, Window.WEEK)
    assert told(found) == ["HOUR"]
    assert told(found, at=MONDAY + HOUR) == []


def test_a_run_that_began_elsewhere_takes_a_person_with_it() -> None:
    """It may have been theirs alone."""
    found = starters()
    for actor in (1, 2, 3):
        found.began("red", "x", MONDAY, actor)
    found.left("red", "x", MONDAY)
    decide(found, Window.WEEK)
    assert told(found) == []


@pytest.mark.parametrize("people", [3, 2, 400])
def test_once_it_is_decided_nobody_is_known_any_more(people: int) -> None:
    """In the store, too; what was decided outlives a restart until it expires."""
    store = MemoryStore()
    found = starters(store)
    for actor in range(1 << 60, (1 << 60) + people):
        found.began("red", "x", MONDAY, actor)
    writes: dict[bytes, bytes | None] = {}
    found.drain(writes)
    assert found.pending is False
    store.write(writes)
    found = Starters(store, LEAST, dict(found.decided))
    decide(found, Window.WEEK)
    writes = {}
    found.drain(writes)
    store.write(writes)
    assert set(store.data.values()) <= {b"told"}
    assert told(Starters(store, LEAST, dict(found.decided))) == (["HOUR"] if people >= LEAST else [])
    found.expire(MONDAY + 14 * DAY)
    writes = {}
    found.drain(writes)
    store.write(writes)
    assert not [key for key in store.data if key.startswith(keys.STARTERS)]


def test_a_decided_hour_takes_nobody_in() -> None:
    """Whoever came after it would be told of alone."""
    found = starters()
    decide(found, Window.HOUR)
    found.began("red", "x", MONDAY, 1)
    assert not found.pending
