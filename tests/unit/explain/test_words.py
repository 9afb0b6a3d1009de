"""Reasons and policies in words: none is missing, and they are the ones that the code gives."""

import ast
from datetime import date
from pathlib import Path

import pytest

from streams.core import alerting
from streams.core.alerting import Reason
from streams.core.policy import DetectorPolicy, Policy, TeamPolicy, WorkflowPolicy
from streams.detectors import JUDGES, REGISTRY
from streams.explain.words import REASONS, persistence, silenced_by_policy, silencing_keys


def test_every_reason_has_the_words_that_stand_beside_it_in_the_code() -> None:
    module = ast.parse(Path(alerting.__file__).with_suffix(".py").read_text())
    (enum,) = [it for it in module.body if isinstance(it, ast.ClassDef) and it.name == "Reason"]
    said: dict[str, str] = {}
    for member, words in zip(enum.body, enum.body[1:], strict=False):
        if isinstance(member, ast.Assign) and isinstance(words, ast.Expr):
            assert isinstance(words.value, ast.Constant)
            said[ast.literal_eval(member.value)] = str(words.value.value)
    assert {reason.value: words for reason, words in REASONS.items()} == said
    assert set(REASONS) == set(Reason)


@pytest.mark.parametrize("detector", REGISTRY, ids=lambda it: it.name)
def test_every_detector_can_be_silenced_by_the_keys_that_are_named(detector: alerting.Detector) -> None:
    off = Policy(
        detectors={detector.name: DetectorPolicy(enabled=False)},
        teams={"payments": TeamPolicy(monthly_budget_micro_usd=1)},
    )  # fmt: skip
    assert f"detectors.{detector.name}.enabled: false" in silencing_keys(detector, "payments", None)
    assert detector.name in (silenced_by_policy(off, detector, "payments", None) or "")
    on = Policy(teams=off.teams)
    assert silenced_by_policy(on, detector, "payments", "review") is None


def test_what_is_declared_is_looked_at_by_daily_detectors_no_more() -> None:
    detector = JUDGES.detector("redundant_work")
    for known in (WorkflowPolicy(declared_schedule=True), WorkflowPolicy(exploratory=True)):
        policy = Policy(workflows={("payments", "review"): known})
        assert "workflows.payments/review." in (silenced_by_policy(policy, detector, "payments", "review") or "")
        assert silenced_by_policy(policy, JUDGES.detector("runaway"), "payments", "review") is None
    snoozed = Policy(workflows={("payments", "review"): WorkflowPolicy(snoozed_until=date(2030, 1, 1))})
    assert silenced_by_policy(snoozed, detector, "payments", "review") is None


def test_a_budget_is_needed_to_burn_it() -> None:
    assert "monthly_budget_usd" in (
        silenced_by_policy(Policy(), JUDGES.detector("budget_burn"), "payments", None) or ""
    )


def test_persistence_is_said_by_the_day_or_the_week() -> None:
    assert persistence(JUDGES.detector("runaway")) == "the first finding fires"
    assert "daily verdicts" in persistence(JUDGES.detector("redundant_work"))
