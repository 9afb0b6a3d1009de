"""Draws with the tails that production traces have; a Gaussian week would make every detector look good.

The constants were fitted once to public traces, which are not needed at run time:

* Azure/AzurePublicDataset, ``AzureLLMInferenceTrace_code.csv`` (CC BY 4.0; Patel et al., "Splitwise", ISCA 2024):
  8,819 requests of a code assistant. The logarithm of context tokens has a standard deviation of 1.36, of 0.98 above its
  median; that of generated tokens 0.85, with 1.13 above the median, and beyond the 98th percentile a Pareto tail with
  Hill index 1.9. The two are uncorrelated (-0.004).
* alibaba/ServeGen, ``m-large`` (Apache-2.0; Xiang et al., 2025): 81 clients over 14 days. The logarithm of a client's
  total has a standard deviation of 2.3 (Hill index 0.9: a few are nearly everything). Of a client's daily log rate the
  median standard deviation is 0.56 (upper quartile 1.13) and the median lag-1 autocorrelation 0.30; of hours, after
  their hour of day, 0.84 and 0.80, where 2.8 % lie more than five robust deviations out. Gaps between calls have a
  median coefficient of variation of 1.26 and one of 6.4 in a tenth of windows.
"""

import math
from random import Random
from typing import Final

__all__ = [
    "DAILY_MEMORY", "DAILY_SPREAD", "HOURLY_OUTLIERS", "INPUT_SPREAD", "OUTPUT_SPREAD", "PEOPLE_SPREAD", "bounded_pareto",
    "lognormal", "output_tokens", "poisson", "shifted", "student",
]  # fmt: skip

INPUT_SPREAD: Final = 0.98
OUTPUT_SPREAD: Final = 0.85
_OUTPUT_TAIL: Final = 0.02
_OUTPUT_INDEX: Final = 1.9
#: Of a team's day: a client of ServeGen is one program, a team is several people, so half of its spread.
DAILY_SPREAD: Final = 0.28
DAILY_MEMORY: Final = 0.30
HOURLY_OUTLIERS: Final = 0.028
#: Of people within a team: less than of ServeGen's clients, who are whole companies and programs.
PEOPLE_SPREAD: Final = 1.1


def lognormal(rng: Random, median: float, spread: float) -> float:
    """A draw with this median; ``spread`` is the standard deviation of its logarithm."""
    return median * math.exp(rng.gauss(0.0, spread))


def output_tokens(rng: Random, median: float) -> int:
    """Generated tokens of one call: a lognormal body with a Pareto tail."""
    tokens = median * math.exp(rng.gauss(0.0, OUTPUT_SPREAD))
    if rng.random() < _OUTPUT_TAIL:
        tokens *= rng.paretovariate(_OUTPUT_INDEX)
    return min(int(tokens) + 1, 64_000)


def poisson(rng: Random, mean: float) -> int:
    """A count; by the normal approximation where the mean is large."""
    if mean <= 0:
        return 0
    if mean > 50:
        return max(0, round(rng.gauss(mean, math.sqrt(mean))))
    limit, count, product = math.exp(-mean), 0, rng.random()
    while product > limit:
        count += 1
        product *= rng.random()
    return count


def student(rng: Random, degrees: int) -> float:
    """Student's t, scaled to a standard deviation of one: noise in which a day of four deviations does happen."""
    chi = sum(rng.gauss(0.0, 1.0) ** 2 for _ in range(degrees))
    return rng.gauss(0.0, 1.0) / math.sqrt(chi / degrees) * math.sqrt((degrees - 2) / degrees)


def bounded_pareto(quantile: float, low: float, high: float, index: float) -> float:
    """The value below which this share of a Pareto distribution cut to [low, high] lies."""
    kept = 1 - quantile * (1 - (low / high) ** index)
    return float(low * kept ** (-1 / index))


def shifted(share: float, log_odds: float) -> float:
    """A share from 0 to 1, moved by log odds."""
    moved = share * math.exp(log_odds)
    return moved / (1 - share + moved)
