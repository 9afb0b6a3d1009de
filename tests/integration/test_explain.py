"""``assay explain`` and ``assay backtest`` from the topics: alerts, and the history that they came of, partition by partition."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from streams.cli import main
from streams.core.alerts import Alert
from streams.core.avro import ALERT, USAGE_EVENT
from streams.core.events import UsageDecoder, UsageEvent
from streams.core.topics import ALERTS, USAGE
from tests.alert_logs import BUDGET_USD, burn, loop, ordinary, policy, write_lines
from tests.integration.records import Log, Record, home, producer, teams_by_partition
from tests.integration.workers import Worker


@pytest.fixture
def teams() -> list[str]:
    """One team for each of two partitions."""
    return teams_by_partition("alerting")[:2]


@pytest.fixture
def config(tmp_path: Path, teams: list[str]) -> Path:
    return policy(
        tmp_path, "new", "teams:\n" + "".join(f"  {team}: {{monthly_budget_usd: {BUDGET_USD}}}\n" for team in teams)
    )


@pytest.fixture
def log(kafka: str, topic_prefix: str, teams: list[str], config: Path, tmp_path: Path) -> Log:
    """The history of both teams, one in JSON and one in Avro, and the alerts that a replay of each gives."""
    topics = Log(kafka, topic_prefix)
    for team, form in zip(teams, (json_value, avro_value), strict=True):
        events = sorted([*ordinary(team), *loop(team), *burn(team)], key=lambda event: event["occurred_at"])
        topics.put(USAGE, [Record(home(team), form(event)) for event in events])
        usage, alerts = write_lines(tmp_path / f"{team}.jsonl", events), tmp_path / f"{team}-alerts.jsonl"
        assert run("replay", "--usage", usage, "--alerts", alerts, "--config", config).exit_code == 0
        records = [ALERT.decode(line) for line in alerts.read_bytes().splitlines()]
        publish(topics, home(team), records)
    return topics


def publish(log: Log, partition: int, records: list[Alert]) -> None:
    """As a worker does: the topic is compacted, and takes no record without a key."""
    sender = producer(log.brokers)
    for record in records:
        sender.produce(log.prefix + ALERTS, ALERT.to_avro(record), record.alert_id.encode(), partition=partition)
    assert sender.flush(30) == 0


def json_value(event: dict[str, Any]) -> bytes:
    return json.dumps(event).encode()


def avro_value(event: dict[str, Any]) -> bytes:
    (decoded,) = UsageDecoder().decode([json_value(event)]).events
    assert isinstance(decoded, UsageEvent)
    return USAGE_EVENT.to_avro(decoded)


def run(*arguments: object) -> Result:
    return CliRunner(catch_exceptions=False).invoke(main, [str(argument) for argument in arguments])


def alerts_of(log: Log) -> list[Alert]:
    return [ALERT.decode(record.value or b"") for record in log.read(ALERTS)]


def test_an_alert_of_the_topic_is_explained_and_rebuilt_from_history(log: Log, config: Path, teams: list[str]) -> None:
    place = ["--brokers", log.brokers, "--topic-prefix", log.prefix, "--config", config]
    ids = {it.alert_id for it in alerts_of(log)}
    assert len(ids) == 4
    for alert_id in sorted(ids):
        result = run("explain", alert_id, *place, "--rebuild", "--json")
        assert result.exit_code == 0
        (found,) = json.loads(result.stdout)["alerts"]
        assert (found["alert_id"], found["rebuild"]["outcome"]) == (alert_id, "same")
        assert found["team"] in teams
    unknown = run("explain", "runaway-0", *place)
    assert unknown.exit_code == 2
    assert "the nearest are runaway-" in " ".join(unknown.stderr.split())


def test_a_backtest_goes_over_the_history_of_all_partitions(
    log: Log, config: Path, teams: list[str], tmp_path: Path
) -> None:
    old = policy(tmp_path, "old", f"teams:\n  {teams[0]}: {{monthly_budget_usd: {BUDGET_USD}}}\n")
    result = run(
        "backtest",
        "--config",
        config,
        "--against",
        old,
        "--brokers",
        log.brokers,
        "--topic-prefix",
        log.prefix,
        "--json",
    )
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert {(it["change"], it["detector"], it["team"]) for it in found["alerts"]} == {
        ("stays", "runaway", teams[0]),
        ("stays", "runaway", teams[1]),
        ("stays", "budget_burn", teams[0]),
        ("appears", "budget_burn", teams[1]),
    }


def test_no_alerts_and_no_topic_are_told_apart(kafka: str, topic_prefix: str) -> None:
    missing = run("explain", "x", "--brokers", kafka, "--topic-prefix", topic_prefix)
    assert missing.exit_code == 4
    assert "there is no topic" in missing.stderr
    Log(kafka, topic_prefix)
    empty = run("explain", "x", "--brokers", kafka, "--topic-prefix", topic_prefix)
    assert empty.exit_code == 5


def test_what_a_worker_raised_comes_out_of_its_log_again(
    kafka: str, topic_prefix: str, teams: list[str], config: Path, tmp_path: Path
) -> None:
    log = Log(kafka, topic_prefix)
    events = [it for team in teams for it in [*ordinary(team), *loop(team), *burn(team)]]
    # The clock of the machine must not close what the log has not come to.
    settings = {"ASSAY_CONFIG": str(config), "ASSAY_WINDOWS__IDLE_SECONDS": "3600"}
    with Worker(kafka, topic_prefix, tmp_path / "worker", settings) as worker:
        worker.start()
        for team in teams:
            own = sorted((it for it in events if it["team"] == team), key=lambda event: event["occurred_at"])
            log.put(USAGE, [Record(home(team), json_value(event)) for event in own])
        worker.ready().received(len(events))
    raised = {it.alert_id for it in alerts_of(log)}
    assert {alert_id.split("-")[0] for alert_id in raised} == {"runaway", "budget_burn"}
    assert len(raised) == 4
    place = ["--brokers", log.brokers, "--topic-prefix", log.prefix, "--config", config]
    for alert_id in sorted(raised):
        result = run("explain", alert_id, *place, "--rebuild")
        assert result.exit_code == 0, result.stdout
        assert "The same alert comes out, with the same figures" in " ".join(result.stdout.split())
