"""``assay explain``: from records and from a log, in words and as a document."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from tests.alert_logs import BUDGET_USD, BURN_MS, burn, loop, ordinary, policy, write_lines

Assay = Callable[..., Result]

BUDGET = f"teams:\n  payments: {{monthly_budget_usd: {BUDGET_USD}}}\n"
_DAY_MS = 86_400_000


@pytest.fixture
def usage(tmp_path: Path) -> Path:
    """A loop and a burn in otherwise quiet days."""
    return write_lines(tmp_path / "usage.jsonl", [*ordinary(), *loop(), *burn()])


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Settings of a policy with a budget."""
    return policy(tmp_path, "budget", BUDGET)


@pytest.fixture
def alerts(assay: Assay, usage: Path, config: Path, tmp_path: Path) -> Path:
    """The records that the log gives."""
    file = tmp_path / "alerts.jsonl"
    assert assay("replay", "--usage", usage, "--alerts", file, "--config", config).exit_code == 0
    return file


def identity(alerts: Path, detector: str) -> str:
    """The id of a detector's only alert."""
    records = [json.loads(line) for line in alerts.read_text().splitlines()]
    (found,) = {record["alert_id"] for record in records if record["detector"] == detector}
    return str(found)


def test_the_log_gives_the_two_alerts_that_it_was_made_for(alerts: Path) -> None:
    records = [json.loads(line) for line in alerts.read_text().splitlines()]
    assert [(it["detector"], it["reason"]) for it in records] == [
        ("runaway", "first"),
        ("runaway", "resolved"),
        ("budget_burn", "first"),
        ("budget_burn", "resolved"),
    ]
    assert BURN_MS < records[2]["opened_at"] < BURN_MS + 3_600_000


def test_an_alert_is_explained_from_its_records(assay: Assay, alerts: Path) -> None:
    result = assay("explain", identity(alerts, "runaway"), "--alerts", alerts)
    assert (result.exit_code, result.stderr) == (0, "")
    for said in (
        "critical, resolved: runaway in payments / refund-bot",
        "A run makes the same call over and over",
        "policy: detectors.runaway.enabled: false",
        "first: The episode begins to fire.",
        "resolved: It is over.",
    ):
        assert said in " ".join(result.stdout.split())
    assert "budget_burn" not in result.stdout
    assert "Rebuilt" not in result.stdout


def test_a_file_is_explained_alert_by_alert(assay: Assay, alerts: Path) -> None:
    found = json.loads(assay("explain", alerts, "--json").stdout)
    assert [it["detector"] for it in found["alerts"]] == ["runaway", "budget_burn"]
    assert [len(it["timeline"]) for it in found["alerts"]] == [2, 2]


def test_the_log_gives_the_same_alerts_again_each_time(assay: Assay, alerts: Path, usage: Path, config: Path) -> None:
    results = [assay("explain", alerts, "--usage", usage, "--config", config, "--json") for _ in range(2)]
    assert results[0].stdout == results[1].stdout
    assert results[0].exit_code == 0
    for it in json.loads(results[0].stdout)["alerts"]:
        assert (it["rebuild"]["outcome"], it["rebuild"]["differences"]) == ("same", [])
        assert it["rebuild"]["alert_id"] == it["alert_id"]
        assert [record["revision"] for record in it["rebuild"]["records"]] == [1, 2]


@pytest.mark.parametrize(
    ("text", "detector", "said"),
    [
        ("workflows:\n  payments/refund-bot: {snoozed_until: 2026-02-01}\n", "runaway", "(snoozed)"),
        ("workflows:\n  payments/refund-bot: {declared_schedule: true}\n", "runaway", "(declared)"),
        ("detectors:\n  runaway: {enabled: false}\n", "runaway", "turns the detector off"),
        ("teams:\n  payments: {actors: 9}\n", "budget_burn", "knows no budget of the team"),
    ],
)
def test_a_policy_that_keeps_it_silent_is_named(
    assay: Assay, alerts: Path, usage: Path, tmp_path: Path, text: str, detector: str, said: str
) -> None:
    other = policy(tmp_path, "other", text if "teams" in text else BUDGET + text)
    result = assay("explain", identity(alerts, detector), "--alerts", alerts, "--usage", usage, "--config", other)
    assert result.exit_code == 1
    assert "No alert comes out" in result.stdout
    assert said in " ".join(result.stdout.split())


def test_a_log_that_ends_early_does_not_give_the_whole_life(
    assay: Assay, alerts: Path, config: Path, tmp_path: Path
) -> None:
    short = write_lines(
        tmp_path / "short.jsonl", [it for it in [*ordinary(), *burn()] if it["occurred_at"] < BURN_MS + 1_800_000]
    )
    result = assay(
        "explain", identity(alerts, "budget_burn"), "--alerts", alerts, "--usage", short, "--config", config, "--json"
    )
    assert result.exit_code == 1
    (it,) = json.loads(result.stdout)["alerts"]
    assert it["rebuild"]["outcome"] == "different"
    assert {"revision": 2, "field": "revision", "recorded": 2, "rebuilt": None} in it["rebuild"]["differences"]


def test_without_records_the_alert_is_that_of_the_log(assay: Assay, alerts: Path, usage: Path, config: Path) -> None:
    result = assay("explain", identity(alerts, "runaway"), "--usage", usage, "--config", config, "--json")
    assert result.exit_code == 0
    (it,) = json.loads(result.stdout)["alerts"]
    assert (it["detector"], it["rebuild"]["outcome"]) == ("runaway", "only_rebuilt")


def test_an_id_that_is_not_there_is_answered_with_the_nearest(
    assay: Assay, alerts: Path, usage: Path, config: Path
) -> None:
    known = identity(alerts, "runaway")
    for arguments in (["--alerts", alerts], ["--usage", usage, "--config", config]):
        result = assay("explain", known[:-1], *arguments)
        assert result.exit_code == 2
        assert f"there is no alert {known[:-1]}" in result.stderr
        assert f"the nearest are {known}" in " ".join(result.stderr.split())


def test_no_alerts_and_no_records_are_invalid_data(assay: Assay, usage: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.write_text("\n")
    for result in (assay("explain", "x", "--alerts", empty), assay("explain", usage)):
        assert result.exit_code == 5
        assert "--alerts" in result.stderr
    assert "usage.jsonl, line 1" in assay("explain", usage).stderr


def test_times_that_no_calendar_has_are_refused(assay: Assay, alerts: Path, tmp_path: Path) -> None:
    record = json.loads(alerts.read_text().splitlines()[0])
    file = tmp_path / "strange.jsonl"
    file.write_text(json.dumps(record | {"updated_at": 10**17}))
    result = assay("explain", file)
    assert result.exit_code == 5
    assert "updated_at" in result.stderr


def test_what_excludes_each_other_is_wrong_usage(assay: Assay, alerts: Path, usage: Path) -> None:
    for arguments, said in (
        ([alerts, "--alerts", alerts], "leave out --alerts"),
        (["x", "--usage", usage, "--rebuild"], "give one of them"),
        ([alerts, "--outcomes", usage], "give --usage"),
        ([alerts, "--rebuild", "--outcomes", usage], "give both"),
    ):
        result = assay("explain", *arguments)
        assert result.exit_code == 2
        assert said in result.stderr
