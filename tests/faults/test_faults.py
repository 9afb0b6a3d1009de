"""A small part of the fault suite, on a small load; ``make faults`` is all of it."""

from functools import partial
from pathlib import Path

import pytest

from streams.shards.crashpoints import CrashPoint
from tests.faults.run import play
from tests.faults.scenarios import Scenario, crashes, delete_one_store, pause_worker

pytestmark = pytest.mark.slow

_EVENTS = 15_000
_SMOKE = (
    crashes(CrashPoint.DELIVERED, 2, 6),
    Scenario("local store deleted", delete_one_store, 8),
    Scenario("worker paused beyond its session", partial(pause_worker, times=1), 20),
)


@pytest.mark.parametrize("scenario", _SMOKE, ids=lambda scenario: scenario.name)
def test_nothing_is_lost_or_counted_twice(kafka: str, topic_prefix: str, tmp_path: Path, scenario: Scenario) -> None:
    seed = int(topic_prefix.removeprefix("test-").rstrip("."), 16)
    fault = play(scenario, kafka, tmp_path, events=_EVENTS, seed=seed)
    assert not fault["problems"]
    assert (fault["lost"], fault["double_counted"]) == (0, 0)
    assert (fault["lost_outcomes"], fault["double_counted_outcomes"]) == (0, 0)
    assert fault["outcomes"] > 0
    assert fault["reversals"] > 0
    assert fault["alerts"] > 0
    assert all(fault["invariants"].values())
    assert fault["times"] > 0
    assert fault["under_load"] > 0
