"""What moves without anybody's doing: teams' days, their yields, and the shocks of the whole organisation."""

import math
from random import Random
from typing import Final, NamedTuple

from streams.simulation.labelled.draws import DAILY_MEMORY, DAILY_SPREAD, student

__all__ = ["DAYS", "Climate", "Weather"]

DAYS: Final = 70
_SHOCKS: Final = 3
#: Standard deviation of the steps of a slow walk, a day.
_DRIFT: Final = 0.018
_DEGREES: Final = 5


class Weather(NamedTuple):
    """Of one team (or the organisation), by day.

    Factors of volume and of tokens, log odds of yield and of what goes wrong, and the share of calls that fail.
    """

    volume: list[float]
    tokens: list[float]
    comes: list[float]
    undone: list[float]
    failing: list[float]


def _walk(rng: Random, spread: float, memory: float, drift: float, slope: float = 0.0) -> list[float]:
    """AR(1) with Student's t as its noise, upon a random walk, upon a trend."""
    level, slow, days = rng.gauss(0, spread), rng.gauss(0, drift * 5), []
    fresh = spread * math.sqrt(1 - memory * memory)
    for day in range(DAYS):
        level = memory * level + fresh * student(rng, _DEGREES)
        slow += rng.gauss(0, drift)
        days.append(level + slow + slope * day)
    return days


class Climate:
    """The organisation's weather and each team's; a team's includes the organisation's."""

    def __init__(self, rng: Random) -> None:
        volume = _walk(rng, 0.10, 0.6, 0.012, rng.uniform(0.0, 0.004))
        tokens = _walk(rng, 0.04, 0.7, 0.008, rng.uniform(-0.001, 0.003))
        comes = _walk(rng, 0.10, 0.6, 0.02)
        # Organisations that adopt report more that goes wrong, in every team.
        undone = _walk(rng, 0.12, 0.6, 0.015, rng.uniform(0.0, 0.008))
        failing = [0.0] * DAYS
        for _ in range(_SHOCKS):
            self._shock(rng, volume, tokens, comes, failing)
        self._company = Weather(volume, tokens, comes, undone, failing)

    @staticmethod
    def _shock(rng: Random, volume: list[float], tokens: list[float], comes: list[float], failing: list[float]) -> None:
        day = rng.randrange(3, DAYS - 3)
        kind = rng.choice(("holiday", "release", "outage", "freeze"))
        if kind == "holiday":
            for off in range(rng.choice((1, 2))):
                volume[day + off] -= 1.4
        elif kind == "release":
            step = rng.uniform(-0.12, 0.28)
            for later in range(day, DAYS):
                tokens[later] += step
        elif kind == "outage":
            failing[day] += rng.uniform(0.06, 0.25)
        else:
            for off in range(rng.randrange(2, 5)):
                if day + off < DAYS:
                    comes[day + off] -= rng.uniform(0.3, 0.9)

    def of_team(self, rng: Random) -> Weather:
        """The weather of one more team."""
        company = self._company
        spread = DAILY_SPREAD * rng.uniform(0.6, 1.4)
        own = (
            _walk(rng, spread, DAILY_MEMORY, _DRIFT, rng.gauss(0.003, 0.004)),
            _walk(rng, 0.10, 0.5, 0.012, rng.gauss(0.0, 0.0015)),
            _walk(rng, 0.22, 0.5, 0.025),
            _walk(rng, 0.22, 0.5, 0.02),
        )
        typical, wander = rng.uniform(0.008, 0.06), _walk(rng, 0.4, 0.5, 0.03)
        return Weather(
            [math.exp(mine + all_) for mine, all_ in zip(own[0], company.volume, strict=True)],
            [math.exp(mine + all_) for mine, all_ in zip(own[1], company.tokens, strict=True)],
            [mine + all_ for mine, all_ in zip(own[2], company.comes, strict=True)],
            [mine + all_ for mine, all_ in zip(own[3], company.undone, strict=True)],
            [min(0.5, typical * math.exp(mine) + all_) for mine, all_ in zip(wander, company.failing, strict=True)],
        )
