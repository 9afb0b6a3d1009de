"""``assay backtest``: what a policy would have raised, beside what another would have."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from tests.alert_logs import BUDGET_USD, burn, loop, ordinary, policy, write_lines

Assay = Callable[..., Result]

BUDGET = f"teams:\n  payments: {{monthly_budget_usd: {BUDGET_USD}}}\n"
WORKFLOW = "workflows:\n  payments/refund-bot: "


@pytest.fixture
def usage(tmp_path: Path) -> Path:
    """A loop and a burn in otherwise quiet days."""
    return write_lines(tmp_path / "usage.jsonl", [*ordinary(), *loop(), *burn()])


@pytest.fixture
def backtest(assay: Assay, usage: Path, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """The document for two policies as text, or one."""

    def run(new: str, old: str | None = None) -> dict[str, Any]:
        arguments: list[object] = ["--config", policy(tmp_path, "new", new)]
        if old is not None:
            arguments += ["--against", policy(tmp_path, "old", old)]
        result = assay("backtest", *arguments, "--usage", usage, "--json")
        assert result.exit_code == 0
        found: dict[str, Any] = json.loads(result.stdout)
        return found

    return run


def changes(found: dict[str, Any]) -> dict[str, str]:
    """What becomes of each detector's only alert."""
    return {it["detector"]: it["change"] for it in found["alerts"]}


def test_alone_it_tells_what_fires(backtest: Callable[..., dict[str, Any]]) -> None:
    found = backtest(BUDGET)
    assert changes(found) == {"runaway": "fires", "budget_burn": "fires"}
    assert found["totals"]["fires"]["alerts"] == 2
    assert found["totals"]["fires"]["money_at_stake_micro_usd"] == sum(
        it["new"]["money_at_stake_micro_usd"] for it in found["alerts"]
    )
    assert found["against_config_version"] is None


@pytest.mark.parametrize(
    "silencing",
    [
        WORKFLOW + "{snoozed_until: 2026-02-01}\n",
        WORKFLOW + "{declared_schedule: true}\n",
        "detectors:\n  runaway: {enabled: false}\n",
    ],
)
def test_a_policy_can_make_an_alert_vanish(backtest: Callable[..., dict[str, Any]], silencing: str) -> None:
    found = backtest(BUDGET + silencing, BUDGET)
    assert changes(found) == {"runaway": "vanishes", "budget_burn": "stays"}
    (gone,) = [it["old"] for it in found["alerts"] if it["new"] is None]
    assert gone["money_at_stake_micro_usd"] > 0
    assert found["totals"]["vanishes"] == {
        "alerts": 1, "money_at_stake_micro_usd": gone["money_at_stake_micro_usd"], "alerts_of_unknown_money": 0
    }  # fmt: skip
    assert found["detectors"]["runaway"]["vanishes"]["alerts"] == 1


def test_a_budget_makes_an_alert_appear(backtest: Callable[..., dict[str, Any]]) -> None:
    found = backtest(BUDGET, "teams:\n  payments: {actors: 9}\n")
    assert changes(found) == {"runaway": "stays", "budget_burn": "appears"}


def test_a_snooze_that_has_ended_changes_nothing(backtest: Callable[..., dict[str, Any]]) -> None:
    found = backtest(BUDGET + WORKFLOW + "{snoozed_until: 2026-01-06}\n", BUDGET)
    assert set(changes(found).values()) == {"stays"}
    assert all(it["new"] == it["old"] for it in found["alerts"])
    assert not found["configurations_are_alike"]


def test_two_configurations_that_come_to_the_same_are_said_to(assay: Assay, usage: Path, tmp_path: Path) -> None:
    new, old = policy(tmp_path, "new", BUDGET), policy(tmp_path, "old", BUDGET + "# as before\n")
    result = assay("backtest", "--config", new, "--against", old, "--usage", usage)
    assert "come to the same" in result.stdout


def test_the_same_input_gives_the_same_text(assay: Assay, usage: Path, tmp_path: Path) -> None:
    new, old = policy(tmp_path, "new", BUDGET), policy(tmp_path, "old", "teams: {}\n")
    results = [assay("backtest", "--config", new, "--against", old, "--usage", usage) for _ in range(2)]
    assert results[0].stdout == results[1].stdout
    assert (results[0].exit_code, results[0].stderr) == (0, "")
    assert "in all" in results[0].stdout


def test_it_agrees_with_a_replay(assay: Assay, usage: Path, tmp_path: Path) -> None:
    config, alerts = policy(tmp_path, "new", BUDGET), tmp_path / "alerts.jsonl"
    assay("replay", "--usage", usage, "--alerts", alerts, "--config", config)
    ids = {json.loads(line)["alert_id"] for line in alerts.read_text().splitlines()}
    found = json.loads(assay("backtest", "--config", config, "--usage", usage, "--json").stdout)
    assert {it["new"]["alert_id"] for it in found["alerts"]} == ids


def test_a_policy_that_is_wrong_is_refused_before_anything_is_read(assay: Assay, usage: Path, tmp_path: Path) -> None:
    good, bad = policy(tmp_path, "good", BUDGET), policy(tmp_path, "bad", "teams: 7\n")
    assert assay("backtest", "--config", bad, "--usage", usage).exit_code == 3
    assert assay("backtest", "--config", good, "--against", bad, "--usage", usage).exit_code == 3
    assert assay("backtest", "--config", good, "--outcomes", usage).exit_code == 2
    assert assay("backtest", "--config", good, "--against", tmp_path / "none").exit_code == 2
