"""The statistics that detectors share, against exact formulas, and by simulation where there is a promise to keep."""

from fractions import Fraction
from math import comb, exp, lgamma, log
from statistics import NormalDist

import numpy as np
import pytest

from streams.core.history import DAYS, FEATURES, Feature
from streams.core.snapshot import LEAST_TEAMS, Organisation
from streams.detectors.statistics import (
    binomial_tail,
    contrast,
    e_process,
    excess,
    level_change,
    negative_binomial_tail,
    normal_score,
    rank_sum,
    tail,
    usd,
)
from tests.unit.detectors.scenes import DAY, ORGANISATION, history, quiet, snapshot

# ---------------------------------------------------------------------------------------------------------------- tails


@pytest.mark.parametrize("trials", [1, 7, 40, 300])
@pytest.mark.parametrize("chance", [Fraction(1, 100), Fraction(1, 4), Fraction(1, 2), Fraction(9, 10)])
def test_the_binomial_tail_is_the_exact_one(trials: int, chance: Fraction) -> None:
    for hits in {0, 1, trials // 2, trials - 1, trials, trials + 1}:
        exact = sum(comb(trials, k) * chance**k * (1 - chance) ** (trials - k) for k in range(hits, trials + 1))
        assert binomial_tail(hits, trials, float(chance)) == pytest.approx(float(exact), rel=1e-9)


@pytest.mark.parametrize(("hits", "chance", "expected"), [(1, 0.0, 0), (0, 0.0, 1), (5, 1.0, 1), (0, 1.0, 1)])
def test_the_binomial_tail_of_certainties(hits: int, chance: float, expected: float) -> None:
    assert binomial_tail(hits, 5, chance) == expected


@pytest.mark.parametrize("mean", [0.5, 13.0, 33.0, 400.0])
@pytest.mark.parametrize("dispersion", [1.5, 3.0])
def test_the_negative_binomial_has_the_mean_and_the_dispersion_that_it_says(mean: float, dispersion: float) -> None:
    """Its probabilities are differences of tails, and add up to one."""
    tails = np.array([negative_binomial_tail(n, mean, dispersion) for n in range(int(6 * mean + 120))])
    chances = np.diff(tails, prepend=0.0)
    assert chances.min() >= -1e-12
    assert tails[-1] == pytest.approx(1, abs=1e-6)
    numbers = np.arange(len(chances))
    assert (numbers * chances).sum() == pytest.approx(mean, rel=1e-3)
    assert ((numbers - mean) ** 2 * chances).sum() == pytest.approx(dispersion * mean, rel=1e-2)


def test_where_nothing_is_expected_nothing_is_no_sign() -> None:
    assert negative_binomial_tail(0, 0) == 1


@pytest.mark.parametrize("z", [-6.0, -1.0, 0.0, 0.5, 3.5, 8.0])
def test_the_normal_tail_is_the_normal_tail(z: float) -> None:
    assert tail(z) == pytest.approx(NormalDist().cdf(-z), rel=1e-9)


# ------------------------------------------------------------------------------------------------------------ e-process


@pytest.mark.parametrize(("observed", "expected"), [(0, 5.0), (12, 12.0), (40, 20.0), (3, 0.5)])
def test_an_e_value_is_the_mean_likelihood_ratio_over_its_prior(observed: int, expected: float) -> None:
    """The integral of Gamma(2, 2) times Poisson's ratio, done numerically."""
    rates = np.linspace(1e-6, 40, 400_001)
    prior = 4 * rates * np.exp(-2 * rates)
    ratio = np.exp(observed * np.log(rates) - (rates - 1) * expected)
    integral = float(np.sum(prior * ratio) * (rates[1] - rates[0]))
    assert e_process(observed, expected) == pytest.approx(log(integral), abs=1e-4)


@pytest.mark.parametrize("alpha", [0.05, 0.01])
def test_looking_every_hour_raises_no_more_false_alarms_than_promised(alpha: float) -> None:
    """Ville: of 4,000 shops in which nothing happens, each looked at 720 times, at most alpha ever cross 1/alpha."""
    noise = np.random.default_rng(11)
    rate, hours, paths = 0.7, 720, 4_000
    observed = np.cumsum(noise.poisson(rate, (paths, hours)), axis=1)
    expected = rate * np.arange(1, hours + 1)
    constant = 2 * log(2) - lgamma(2)
    gammas = np.array([lgamma(2 + n) for n in range(int(observed.max()) + 1)])
    evidence = constant + gammas[observed] - (2 + observed) * np.log(2 + expected) + expected
    assert evidence[3, 100] == pytest.approx(e_process(float(observed[3, 100]), float(expected[100])))
    crossed = float((evidence.max(axis=1) >= log(1 / alpha)).mean())
    assert crossed <= alpha
    assert crossed > alpha / 20, "a test that never fires would pass, too"


def test_an_e_process_sees_twice_as_many_after_some_fifty_events() -> None:
    noise = np.random.default_rng(12)
    found = []
    for _ in range(200):
        observed = 0
        for step in range(1, 400):
            observed += noise.poisson(2)
            if e_process(observed, float(step)) >= log(1_000):
                found.append(observed)
                break
    assert len(found) > 190
    assert 30 <= float(np.median(found)) <= 75


# ------------------------------------------------------------------------------------------------------------- contrast


def test_an_ordinary_week_contrasts_with_nothing() -> None:
    for seed in range(8):
        found = contrast(snapshot(quiet(seed)), Feature.ACCEPTED, Feature.CALLS)
        assert found is not None
        assert 0.8 < found.ratio < 1.25
        assert abs(found.z) < 3


@pytest.mark.parametrize("factor", [0.25, 0.5, 2.0, 5.0])
@pytest.mark.parametrize("den", [None, Feature.CALLS])
def test_a_week_that_differs_contrasts_by_its_factor(factor: float, den: Feature | None) -> None:
    rows = quiet()
    rows[-7:, Feature.SPEND] *= factor
    found = contrast(snapshot(rows), Feature.SPEND, den, counted=False)
    assert found is not None
    assert found.ratio == pytest.approx(factor, rel=0.1)
    assert found.ratio == pytest.approx(found.observed / found.expected, rel=1e-3)
    assert found.z * (factor - 1) > 0
    assert abs(found.z) > 4


def test_what_moves_everybody_is_taken_out() -> None:
    """A dearer model is nobody's doing, as long as there are teams enough to tell."""

    def dearer(seed: int) -> np.ndarray:
        rows = quiet(seed)
        rows[-7:, Feature.SPEND] *= 3
        return rows

    for teams, ratio in ((LEAST_TEAMS, 1.0), (LEAST_TEAMS - 1, 3.0)):
        organisation = Organisation([history(dearer(seed)) for seed in range(teams)])
        found = contrast(snapshot(dearer(3), organisation=organisation), Feature.SPEND, Feature.CALLS, counted=False)
        assert found is not None
        assert found.ratio == pytest.approx(ratio, rel=0.1)
        own = contrast(
            snapshot(dearer(3), organisation=organisation), Feature.SPEND, Feature.CALLS, counted=False, relative=False
        )  # fmt: skip
        assert own is not None
        assert own.ratio == pytest.approx(3, rel=0.1)


def test_what_came_since_an_alert_began_is_no_baseline() -> None:
    """Else what is wrong for six weeks would be ordinary."""
    rows = quiet()
    rows[-42:, Feature.SPEND] *= 4
    learned = contrast(snapshot(rows), Feature.SPEND, Feature.CALLS, counted=False)
    frozen = contrast(snapshot(rows, frozen_from=DAY - 41), Feature.SPEND, Feature.CALLS, counted=False)
    assert learned is not None
    assert frozen is not None
    assert learned.ratio < 1.5
    assert frozen.ratio == pytest.approx(4, rel=0.1)


def test_few_observations_are_noisy_ones() -> None:
    """The same factor of few outcomes is less of a distance than of many."""
    distances = []
    for size in (0.1, 1.0, 10.0):
        rows = quiet()
        rows[:, Feature.ACCEPTED] = np.round(rows[:, Feature.ACCEPTED] * size)
        rows[-7:, Feature.ACCEPTED] = np.round(rows[-7:, Feature.ACCEPTED] * 0.5)
        found = contrast(snapshot(rows), Feature.ACCEPTED, Feature.CALLS)
        assert found is not None
        distances.append(found.z)
    assert distances == sorted(distances, reverse=True)


@pytest.mark.parametrize("days", [0, 1, 7, 12])
def test_a_short_history_contrasts_with_nothing_known(days: int) -> None:
    rows = np.zeros((DAYS, FEATURES))
    rows[DAYS - days :] = quiet()[DAYS - days :]
    assert contrast(snapshot(rows), Feature.SPEND, Feature.CALLS) is None


def test_what_never_was_has_no_ratio() -> None:
    rows = quiet()
    rows[:-7, Feature.DEFECTS] = 0
    rows[-7:, Feature.CALLS] = 0
    assert contrast(snapshot(rows), Feature.DEFECTS, Feature.ACCEPTED) is None
    assert contrast(snapshot(rows), Feature.SPEND, Feature.CALLS) is None


def test_an_answer_is_worked_out_once_for_the_same_question() -> None:
    view = snapshot(quiet())
    first = contrast(view, Feature.SPEND, Feature.CALLS)
    assert contrast(view, Feature.SPEND, Feature.CALLS) is first
    assert contrast(view, Feature.SPEND, Feature.CALLS, least=1.0) is not first


def test_the_organisation_s_movement_needs_teams_enough() -> None:
    organisation = Organisation([history(quiet(seed)) for seed in range(LEAST_TEAMS - 1)])
    assert organisation.shift("x", lambda _: 5.0) == 0
    assert ORGANISATION.shift("five", lambda _: 5.0) == 5
    assert ORGANISATION.shift("nothing", lambda _: None) == 0


def test_ranks_weigh_days_and_not_their_bursts() -> None:
    ordinary = np.array([0.1, 0.2, 0.15, 0.12, 0.18, 0.11, 0.13, 0.16])
    assert rank_sum(ordinary, ordinary) == 0
    assert rank_sum(ordinary + 1, ordinary) == -rank_sum(ordinary, ordinary + 1) > 3
    burst = ordinary.copy()
    burst[3] = 100.0
    assert rank_sum(burst, ordinary) < 1
    assert rank_sum(ordinary[:0], ordinary) == 0


@pytest.mark.parametrize("known", [5.0, 1e9])
def test_an_excess_is_negative_binomial_and_knows_how_little_it_rests_on(known: float) -> None:
    mean, dispersion = 8.0, 2.0
    tails = np.array([excess(n, mean, known, dispersion) for n in range(400)])
    assert tails[0] == 1
    chances = -np.diff(tails)
    expected = sum(n * chance for n, chance in enumerate(chances))
    assert expected == pytest.approx(mean, rel=1e-3)
    variance = sum((n - mean) ** 2 * chance for n, chance in enumerate(chances))
    assert variance == pytest.approx(dispersion * mean + dispersion * mean**2 / (known + 0.5), rel=1e-2)


@pytest.mark.parametrize("z", [-2.0, 0.0, 1.0, 3.1, 6.0])
def test_a_normal_score_is_the_inverse_of_a_tail(z: float) -> None:
    assert normal_score(tail(z)) == pytest.approx(z, abs=1e-6)


def test_a_level_of_logarithms_moves_with_the_mean() -> None:
    rows = quiet()
    still = level_change(history(rows), Feature.LOG_CYCLE, Feature.CYCLES, span=7, least=8)
    rows[-7:, Feature.LOG_CYCLE] += np.round(1000 * log(2) * rows[-7:, Feature.CYCLES])
    moved = level_change(history(rows), Feature.LOG_CYCLE, Feature.CYCLES, span=7, least=8)
    assert still is not None
    assert moved is not None
    assert moved[0] - still[0] == pytest.approx(log(2), abs=1e-3)
    assert moved[1:] == pytest.approx(still[1:])
    rows[-7:, Feature.CYCLES] = 1
    assert level_change(history(rows), Feature.LOG_CYCLE, Feature.CYCLES, span=7, least=8) is None


# ---------------------------------------------------------------------------------------------------------------- money


@pytest.mark.parametrize(("micro_usd", "said"), [
    (0, "$0"), (1_234_567, "$1.2"), (9_960_000, "$10"), (12_345_678, "$12"), (99_400_000, "$99"), (123_456_789, "$120"),
    (999_000_000, "$1,000"), (1_234_567_890, "$1,200"), (98_765_432_100, "$99,000"),
])  # fmt: skip
def test_money_is_said_to_two_digits(micro_usd: int, said: str) -> None:
    assert usd(micro_usd) == said


def test_e_values_grow_with_what_is_observed() -> None:
    values = [exp(e_process(observed, 20.0)) for observed in range(20, 60, 5)]
    assert values == sorted(values)
