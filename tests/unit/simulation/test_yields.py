"""Yields differ by workflow, drift, and have good and bad days, in event time."""

from itertools import pairwise
from random import Random
from statistics import fmean, pstdev

import pytest

from streams.simulation.company import Company
from streams.simulation.yields import Yields, shifted

_HOUR_MS = 3_600_000
_DAY_MS = 24 * _HOUR_MS
_WORKFLOWS = Company(Random(1), teams=20, workflows=400, actors=50).workflows


@pytest.mark.parametrize(
    ("share", "log_odds", "moved"),
    [(0.5, 0, 0.5), (0.2, 0, 0.2), (0.5, 1, 0.731), (0.5, -1, 0.269), (1, -3, 1), (0, 3, 0)],
)
def test_a_share_is_moved_and_stays_one(share: float, log_odds: float, moved: float) -> None:
    assert shifted(share, log_odds) == pytest.approx(moved, abs=1e-3)


def test_workflows_differ() -> None:
    yields = Yields(Random(1), 0)
    good = [yields.at(workflow, 0).good for workflow in _WORKFLOWS]
    assert 0.4 < pstdev(good) < 0.75
    assert abs(fmean(good)) < 0.5


def test_a_workflow_wanders_slowly() -> None:
    yields, workflow = Yields(Random(1), 0), _WORKFLOWS[0]
    hourly = [yields.at(workflow, hour * _HOUR_MS) for hour in range(24 * 100)]
    for rates in zip(*hourly, strict=True):
        steps = [abs(later - earlier) for earlier, later in pairwise(rates)]
        assert min(steps) > 0
        assert fmean(steps) < 0.15
        days = [fmean(rates[start : start + 24]) for start in range(0, len(rates), 24)]
        assert pstdev(days) > 0.15


def test_within_the_hour_and_backwards_nothing_changes() -> None:
    yields, workflow = Yields(Random(1), 0), _WORKFLOWS[0]
    now = yields.at(workflow, _DAY_MS)
    assert yields.at(workflow, _DAY_MS + _HOUR_MS - 1) == now
    assert yields.at(workflow, _DAY_MS - 5 * _HOUR_MS) == now
    assert yields.at(workflow, _DAY_MS + _HOUR_MS) != now


def test_the_three_rates_wander_apart() -> None:
    rates = Yields(Random(1), 0).at(_WORKFLOWS[0], 0)
    assert len(set(rates)) == 3
