"""Patterns of spend that buys nothing, one a file, each a pure function of a snapshot; :data:`REGISTRY` names them all."""

from functools import partial
from typing import Final

from streams.core.findings import Detector, Judges
from streams.detectors import (
    adoption_theatre,
    budget_burn,
    busywork_automation,
    context_padding,
    data_problems,
    leaderboard_race,
    outcome_gaming,
    quality_erosion,
    redundant_work,
    runaway,
    spend_without_outcomes,
    target_chasing,
)

__all__ = ["JUDGES", "REGISTRY"]

#: In the order in which they are asked: what explains more comes first, and keeps what it explains silent.
REGISTRY: Final[tuple[Detector, ...]] = (
    data_problems.DETECTOR,
    runaway.DETECTOR,
    budget_burn.DETECTOR,
    target_chasing.DETECTOR,
    adoption_theatre.DETECTOR,
    leaderboard_race.DETECTOR,
    busywork_automation.DETECTOR,
    redundant_work.DETECTOR,
    context_padding.DETECTOR,
    outcome_gaming.DETECTOR,
    quality_erosion.DETECTOR,
    spend_without_outcomes.DETECTOR,
)

JUDGES: Final = Judges(
    registry=REGISTRY,
    run=runaway.judge_run,
    velocity=runaway.judge_velocity,
    tiers=tuple((tier.every, partial(budget_burn.judge, tier)) for tier in budget_burn.TIERS),
    forecast=budget_burn.judge_forecast,
)
