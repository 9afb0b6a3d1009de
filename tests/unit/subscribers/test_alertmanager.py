"""An alert as Alertmanager takes it."""

import pytest

from streams.subscribers.alertmanager import alert_name, annotations, labels, postable
from tests.unit.subscribers.alerts import OPENED_MS, alert

NOW_MS = OPENED_MS + 60_000


@pytest.mark.parametrize(
    ("detector", "name"),
    [
        ("spend_without_outcomes", "AssaySpendWithoutOutcomes"),
        ("budget-burn", "AssayBudgetBurn"),
        ("runaway", "AssayRunaway"),
        ("dataProblems", "AssayDataProblems"),
    ],
)
def test_the_name_is_the_detectors(detector: str, name: str) -> None:
    assert alert_name(detector) == name


def test_labels_are_sorted_and_an_unknown_workflow_is_none() -> None:
    assert [name for name, _ in labels(alert())] == [
        "alert_id", "alertname", "detector", "family", "severity", "team", "workflow",
    ]  # fmt: skip
    assert "workflow" not in dict(labels(alert(workflow=None)))


def test_annotations_say_what_is_known_and_leave_out_what_is_not() -> None:
    said = annotations(alert())
    assert said == {
        "summary": "75 % of what refund-bot spent led to nothing.",
        "next_step": "Look at the runs without an outcome.",
        "benign_causes": "outcomes are not connected; a long experiment",
        "reason": "first",
        "observed": "0.75",
        "expected": "0.2",
        "ratio": "3.75",
        "sample": "40 observations, 33 needed",
        "money_at_stake_usd": "1234.56",
        "window": "2026-01-05T11:00:00.000Z to 2026-01-05T12:00:00.000Z",
    }
    unknown = alert(observed=None, expected=None, ratio=None, money_at_stake_micro_usd=None, benign_causes=[])
    assert set(said) - set(annotations(unknown)) == {
        "observed", "expected", "ratio", "money_at_stake_usd", "benign_causes",
    }  # fmt: skip
    assert annotations(alert(money_at_stake_micro_usd=0, observed=0.0))["money_at_stake_usd"] == "0.00"
    assert annotations(alert(observed=0.0))["observed"] == "0"


def test_what_fires_ends_unless_it_is_told_again() -> None:
    element = postable(alert(), NOW_MS, 300_000)
    assert (element["startsAt"], element["endsAt"]) == ("2026-01-05T12:00:00.000Z", "2026-01-05T12:06:00.000Z")
    assert "generatorURL" not in element


def test_what_is_resolved_ended_when_that_was_decided() -> None:
    element = postable(alert(state="resolved", updated_at=OPENED_MS + 1_234), NOW_MS, 300_000)
    assert element["endsAt"] == "2026-01-05T12:00:01.234Z"


@pytest.mark.parametrize("updated_ms", [NOW_MS + 5_000, OPENED_MS - 5_000])
def test_an_end_never_lies_ahead_of_the_clock_or_before_the_beginning(updated_ms: int) -> None:
    element = postable(alert(state="resolved", updated_at=updated_ms), NOW_MS, 300_000)
    assert element["startsAt"] <= element["endsAt"] <= "2026-01-05T12:01:00.000Z"


def test_a_beginning_ahead_of_the_clock_is_now() -> None:
    for state in ("firing", "resolved"):
        ahead = alert(state=state, opened_at=NOW_MS + 1, updated_at=NOW_MS + 2)
        element = postable(ahead, NOW_MS, 300_000)
        assert element["startsAt"] == "2026-01-05T12:01:00.000Z"
        assert element["endsAt"] >= element["startsAt"]


def test_the_link_is_to_the_console_and_safe() -> None:
    element = postable(alert("a/b?c ü"), NOW_MS, 1, "https://assay.example.com/")
    assert element["generatorURL"] == "https://assay.example.com/alerts/a%2Fb%3Fc%20%C3%BC"
