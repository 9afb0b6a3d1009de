"""The planted weeks: what is wrong in them is found, what is innocent is not, whatever the limits are by a hair."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from streams.core.alerts import Alert
from streams.core.avro import ALERT
from streams.core.events import UsageDecoder
from streams.core.outcomes import OutcomeDecoder
from streams.core.params import EngineParams
from streams.core.pseudonyms import Pseudonyms
from streams.detectors import JUDGES
from streams.policy_file import load_policy
from streams.replay import replay
from streams.simulation.planted import INNOCENT, PLANTED, SPAN_MS, History, planted
from tests.engine_runs import KEY

MONDAY_MS = 1_714_953_600_000


def alerts(history: History, policy: dict[str, Any], directory: Path) -> list[Alert]:
    usage, outcomes, out = (directory / name for name in ("usage.jsonl", "outcomes.jsonl", "alerts.jsonl"))
    usage.write_bytes(b"".join(orjson.dumps(event) + b"\n" for event in history.usage))
    outcomes.write_bytes(b"".join(orjson.dumps(event) + b"\n" for event in history.outcomes))
    (directory / "policy.yaml").write_bytes(orjson.dumps(policy))
    params = EngineParams(policy=load_policy(directory / "policy.yaml"))
    with out.open("wb") as file:
        summary = replay(
            [usage], [outcomes], params=params, decoder=UsageDecoder(), outcomes=OutcomeDecoder(),
            pseudonyms=Pseudonyms(KEY), now_ms=MONDAY_MS + SPAN_MS, judges=JUDGES, alerts_out=file,
        )  # fmt: skip
    assert summary.applied == len(history.usage) + len(history.outcomes)
    return [ALERT.decode(line) for line in out.read_bytes().splitlines()]


def test_what_is_planted_is_found_and_nothing_else(tmp_path: Path) -> None:
    history = planted(MONDAY_MS)
    found = alerts(history, history.policy, tmp_path)
    assert {(alert.detector, alert.team, alert.workflow) for alert in found} == set(PLANTED)


def test_the_schedule_is_innocent_only_because_the_policy_declares_it(tmp_path: Path) -> None:
    history = planted(MONDAY_MS)
    policy = {name: said for name, said in history.policy.items() if name != "workflows"}
    found = alerts(history, policy, tmp_path)
    assert ("busywork_automation", *INNOCENT) in {(alert.detector, alert.team, alert.workflow) for alert in found}


def test_the_same_start_gives_the_same_weeks_in_the_order_of_time() -> None:
    history = planted(MONDAY_MS)
    assert history == planted(MONDAY_MS)
    times = [event["occurred_at"] for event in history.usage]
    assert times == sorted(times)
    assert MONDAY_MS <= times[0] <= times[-1] < MONDAY_MS + SPAN_MS
    assert len({event["event_id"] for event in history.usage}) == len(times)
    last = {event["occurred_at"] // 86_400_000: event["occurred_at"] for event in history.usage if event.get("actor")}
    for outcome in history.outcomes:
        assert outcome["occurred_at"] > last[outcome["occurred_at"] // 86_400_000], "after the day's work"


def test_weeks_begin_on_mondays() -> None:
    with pytest.raises(ValueError, match="Monday"):
        planted(MONDAY_MS + 86_400_000)
