"""The harness must not fool us: rules that know nothing must score badly in it."""

from collections.abc import Callable

import pytest

from streams.simulation.labelled import ten_weeks
from tests.evaluate.alerts import Fired
from tests.evaluate.facts import FIELD_RULES, Facts, gather
from tests.evaluate.rivals import RIVALS, field_alerts, rival_alerts
from tests.evaluate.score import score
from tests.evaluate.seed import FIELD_THRESHOLDS

pytestmark = pytest.mark.slow

#: Fewer alerts than these in all seeds prove nothing about a rule.
_ENOUGH = 8


@pytest.fixture(scope="module")
def facts() -> list[Facts]:
    found = []
    for seed in range(3):
        made = ten_weeks(seed)
        found.append(gather(made.labels, made.usage, made.outcomes, made.policy))
    return found


def _sums(facts: list[Facts], alerts: Callable[[Facts], list[Fired]]) -> tuple[int, int, int]:
    """Episodes, found ones and false alerts."""
    judged = [score(each.labels, alerts(each)) for each in facts]
    episodes = sum(len(each.labels.episodes) for each in facts)
    return episodes, sum(len(each.found) for each in judged), sum(len(each.false) for each in judged)


@pytest.mark.parametrize("name", FIELD_RULES)
def test_no_rule_of_one_field_separates(facts: list[Facts], name: str) -> None:
    for threshold in FIELD_THRESHOLDS:
        episodes, found, false = _sums(facts, lambda each: field_alerts(name, threshold, each))  # noqa: B023
        if found + false >= _ENOUGH:
            assert found / (found + false) < 0.6, threshold
        assert 2 * found / (found + false + episodes) < 0.45, threshold


@pytest.mark.parametrize("name", RIVALS)
def test_no_plain_rule_does_well(facts: list[Facts], name: str) -> None:
    for threshold in RIVALS[name][1]:
        episodes, found, false = _sums(facts, lambda each: rival_alerts(name, threshold, each))  # noqa: B023
        assert 2 * found / (found + false + episodes) < 0.5, threshold
        if false:
            assert found / (found + false) < 0.9 or found < _ENOUGH, threshold


def test_an_alert_on_every_team_is_nearly_always_wrong(facts: list[Facts]) -> None:
    for day in RIVALS["every team once"][1]:
        _, found, false = _sums(facts, lambda each: rival_alerts("every team once", day, each))  # noqa: B023
        assert found / (found + false) < 0.35
