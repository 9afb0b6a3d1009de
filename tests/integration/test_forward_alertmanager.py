"""A real Alertmanager is told by a real bridge what a real Kafka holds: fires, resolves, survives either being away."""

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.alertmanager import MISSING, Alertmanager, installed, running
from streams.core.topics import ALERTS, USAGE
from streams.simulation.planted import planted
from streams.topics_admin import apply
from tests.integration.bridges import Bridge, publish, shown
from tests.integration.records import LONG_AGO, Log, Record, home
from tests.integration.workers import Worker, assay, eventually
from tests.unit.subscribers.alerts import alert

pytestmark = [pytest.mark.slow, pytest.mark.skipif(installed() is None, reason=MISSING)]


@pytest.fixture
def alertmanager(tmp_path: Path) -> Iterator[Alertmanager]:
    with running(tmp_path) as found:
        yield found


@pytest.fixture
def topic(kafka: str, topic_prefix: str) -> str:
    apply(kafka, prefix=topic_prefix, app_id="assay", partitions=3, replication_factor=1)
    return topic_prefix + ALERTS


def bridge(directory: Path, kafka: str, prefix: str, url: str, *more: str) -> Bridge:
    """``assay forward alertmanager``, quick enough in keeping alerts fresh to be seen."""
    options = ("--brokers", kafka, "--topic-prefix", prefix, "--url", url, "--resolve-after-seconds", "12",
               "--session-timeout-seconds", "6")  # fmt: skip
    return Bridge(directory, "alertmanager", *options, *more)


def severities(url: str, alert_id: str) -> list[str]:
    """Of all that Alertmanager lists under an id: it tells alerts apart by all of their labels."""
    with urllib.request.urlopen(f"{url}/api/v2/alerts", timeout=10) as answer:
        labels = [it["labels"] for it in json.load(answer)]
    return [it["severity"] for it in labels if it["alert_id"] == alert_id]


def test_an_alert_is_shown_kept_fresh_and_resolved(
    kafka: str, topic: str, topic_prefix: str, alertmanager: Alertmanager, tmp_path: Path
) -> None:
    url = alertmanager.url
    console = ("--console-url", "https://assay.example.com")
    with bridge(tmp_path, kafka, topic_prefix, url, *console) as running_bridge:
        publish(kafka, topic, [alert("a"), alert("b", workflow=None)])
        found = eventually("both are shown", lambda: shown(url), lambda them: set(them) == {"a", "b"})
        assert found["a"]["labels"] == {
            "alertname": "AssaySpendWithoutOutcomes", "alert_id": "a", "detector": "spend_without_outcomes",
            "family": "waste", "severity": "warning", "team": "payments", "workflow": "refund-bot",
        }  # fmt: skip
        assert "workflow" not in found["b"]["labels"]
        assert found["a"]["annotations"]["summary"] == "75 % of what refund-bot spent led to nothing."
        assert found["a"]["annotations"]["money_at_stake_usd"] == "1234.56"
        assert found["a"]["generatorURL"] == "https://assay.example.com/alerts/a"
        assert found["a"]["startsAt"] == "2026-01-05T12:00:00.000Z"
        ends = found["a"]["endsAt"]
        eventually("it is told again", lambda: shown(url)["a"]["endsAt"], lambda now: now > ends)
        # Worse: the severity is a label, so what was shown before must go.
        publish(kafka, topic, [alert("a", 2, severity="critical", reason="worse")])
        eventually("it is critical", lambda: shown(url)["a"]["labels"]["severity"], lambda it: it == "critical")
        eventually("it is that only", lambda: severities(url, "a"), lambda them: them == ["critical"])
        publish(kafka, topic, [alert("a", 3, state="resolved", severity="critical", reason="resolved")])
        eventually("only the other is left", lambda: shown(url), lambda them: set(them) == {"b"})
        eventually("no lag", lambda: running_bridge.metric("assay_forward_lag_records"), lambda lag: lag == 0)
        # A rebalance tells what fires once more.
        assert (running_bridge.metric("assay_forward_alerts_total", state="firing") or 0) >= 3
        # The end of the critical one, and of what it was before.
        assert running_bridge.metric("assay_forward_alerts_total", state="resolved") == 2
        assert running_bridge.metric("assay_forward_failed_total", reason="refused") == 0
        assert running_bridge.metric("assay_forward_firing_alerts") == 1
        assert running_bridge.stop() == 0


def test_what_is_published_while_alertmanager_is_away_is_not_lost(
    kafka: str, topic: str, topic_prefix: str, alertmanager: Alertmanager, tmp_path: Path
) -> None:
    url = alertmanager.url
    publish(kafka, topic, [alert("before"), alert("ends")])
    with bridge(tmp_path, kafka, topic_prefix, url) as running_bridge:
        eventually("both are shown", lambda: shown(url), lambda them: set(them) == {"before", "ends"})
        alertmanager.stop()
        publish(kafka, topic, [alert("meanwhile"), alert("ends", 2, state="resolved"), alert("brief")])
        publish(kafka, topic, [alert("brief", 2, state="resolved")])
        retries = lambda: running_bridge.metric("assay_forward_retries_total", reason="unreachable")  # noqa: E731
        eventually("it has tried twice", retries, lambda count: (count or 0) >= 2)
        alertmanager.start()
        # It forgot everything: what fired before is told again as well.
        eventually("it knows again", lambda: shown(url), lambda them: set(them) == {"before", "meanwhile"})
        assert len(running_bridge.events("forward_retries")) == 1
        assert eventually("it said so", lambda: running_bridge.events("forward_recovered"))
        assert running_bridge.stop() == 0


def test_a_bridge_that_starts_again_loses_and_revives_nothing(
    kafka: str, topic: str, topic_prefix: str, alertmanager: Alertmanager, tmp_path: Path
) -> None:
    url = alertmanager.url
    publish(kafka, topic, [alert("stays"), alert("ends"), alert("old"), alert("old", 2, state="resolved")])
    with bridge(tmp_path, kafka, topic_prefix, url) as first:
        eventually("what fires is shown", lambda: shown(url), lambda them: set(them) == {"stays", "ends"})
        first.kill()
    publish(kafka, topic, [alert("ends", 2, state="resolved"), alert("new")])
    # The end is told, not left to Alertmanager's patience, though the group's session outlives that patience: a bridge
    # that was killed is a member until then.
    with bridge(tmp_path, kafka, topic_prefix, url) as second:
        eventually("the state is the topic's", lambda: shown(url), lambda them: set(them) == {"stays", "new"})
        assert eventually("told", lambda: second.metric("assay_forward_alerts_total", state="resolved")) == 1
        assert second.stop() == 0
    with bridge(tmp_path, kafka, topic_prefix, url) as third:
        eventually(
            "told again", lambda: third.metric("assay_forward_alerts_total", state="firing"), lambda n: (n or 0) >= 2
        )
        assert third.metric("assay_forward_alerts_total", state="resolved") == 0
        assert set(shown(url)) == {"stays", "new"}


def test_bridges_of_one_group_share_the_alerts_and_take_over_from_each_other(
    kafka: str, topic: str, topic_prefix: str, alertmanager: Alertmanager, tmp_path: Path
) -> None:
    url, names = alertmanager.url, {f"alert-{number}" for number in range(20)}
    with bridge(tmp_path, kafka, topic_prefix, url) as first, bridge(tmp_path, kafka, topic_prefix, url) as second:
        publish(kafka, topic, [alert(name) for name in sorted(names)])
        eventually("all are shown", lambda: shown(url), lambda them: set(them) == names)
        firing = lambda: [it.metric("assay_forward_firing_alerts") or 0 for it in (first, second)]  # noqa: E731
        eventually("each keeps some fresh", firing, lambda them: all(them) and sum(them) == len(names))
        first.kill()
        gone = {name for name in names if name.endswith("7")}
        publish(kafka, topic, [alert(name, 2, state="resolved") for name in sorted(gone)])
        eventually("the other keeps the rest", firing, lambda them: them[1] == len(names - gone))
        eventually("the state is the topic's", lambda: set(shown(url)), lambda them: them == names - gone)
        assert second.stop() == 0


def test_an_agent_in_a_loop_is_shown_until_it_has_stopped_for_hours(
    kafka: str, topic_prefix: str, alertmanager: Alertmanager, tmp_path: Path
) -> None:
    """From the calls themselves to what Alertmanager shows, by a real worker and a real detector."""
    start_ms = LONG_AGO - LONG_AGO % 86_400_000
    calls = [event for event in planted(start_ms).usage if event["run_id"] == "returns-loop"]
    later = {
        **calls[-1],
        "event_id": "later",
        "run_id": "later",
        "occurred_at": calls[-1]["occurred_at"] + 8 * 3_600_000,
    }
    log = Log(kafka, topic_prefix)
    # Only event time may end it: the clock is years ahead.
    patient = {"ASSAY_WINDOWS__IDLE_SECONDS": "86400"}

    def send(events: list[dict[str, object]]) -> None:
        log.put(USAGE, [Record(home("returns"), json.dumps(event).encode()) for event in events])

    with (
        Worker(kafka, topic_prefix, tmp_path / "worker", patient) as worker,
        bridge(tmp_path, kafka, topic_prefix, alertmanager.url) as running_bridge,
    ):
        worker.start().ready()
        send(calls)
        found = eventually("it is shown", lambda: shown(alertmanager.url))
        (shown_alert,) = found.values()
        labels = {name: said for name, said in shown_alert["labels"].items() if name != "alert_id"}
        assert labels == {
            "alertname": "AssayRunaway", "detector": "runaway", "family": "runaway", "severity": "critical",
            "team": "returns", "workflow": "refund-agent",
        }  # fmt: skip
        assert "over and over" in shown_alert["annotations"]["summary"]
        send([later])
        eventually("it is over", lambda: shown(alertmanager.url), lambda them: not them)
        # Ended by the worker's word, not by Alertmanager's patience.
        told = lambda: running_bridge.metric("assay_forward_alerts_total", state="resolved")  # noqa: E731
        assert eventually("told", told) == 1
        assert [alert.state for alert in log.alerts()] == ["firing", "resolved"]
        assert running_bridge.stop() == 0
        assert worker.stop() == 0


def test_a_topic_that_is_missing_is_said_in_a_sentence(kafka: str, topic_prefix: str) -> None:
    failed = assay("forward", "alertmanager", "--url", "http://127.0.0.1:9", "--brokers", kafka,
                   "--topic-prefix", topic_prefix)  # fmt: skip
    assert failed.returncode == 4
    assert f"there is no topic {topic_prefix}assay.alerts.v1 at {kafka}" in failed.stderr
    assert "Traceback" not in failed.stderr
