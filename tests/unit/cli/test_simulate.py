"""``assay simulate``: a file, standard output, or a pace."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
from click.testing import Result

from streams.cli import simulate as module
from streams.simulation import DEFAULT_START_MS, simulate

Assay = Callable[..., Result]


class _Time:
    """A clock that passes only when somebody sleeps."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> _Time:
    """Makes a paced simulation instant. The clock says 2026-06-01T00:00:00Z at its start."""
    time = _Time()
    began = time.seconds

    class Wall:
        def now_ms(self) -> int:
            return 1_780_272_000_000 + round((time.seconds - began) * 1000)

    monkeypatch.setattr(module, "time", time)
    monkeypatch.setattr(module, "SystemClock", Wall)
    return time


def events(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_the_same_seed_writes_the_same_file(assay: Assay, tmp_path: Path) -> None:
    for name in ("a", "b"):
        result = assay("simulate", "--seed", 7, "--events", 1_500, "--out", tmp_path / name)
        assert result.exit_code == 0
        assert json.loads(result.stdout)["records"] == 1_500
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert (tmp_path / "a").read_bytes() == b"".join(line + b"\n" for line in simulate(7, events=1_500))


def test_with_standard_output_the_summary_goes_to_standard_error(assay: Assay) -> None:
    result = assay("simulate", "--events", 10, "--out", "-")
    assert len(events(result)) == 10
    assert json.loads(result.stderr)["valid"] == 10


def test_shares_and_sizes_reach_the_scenario(assay: Assay, tmp_path: Path) -> None:
    result = assay(
        "simulate", "--events", 1_000, "--duplicates", 0.1, "--mirrored", 0.05, "--poison", 0.02, "--out-of-order", 0.2,
        "--teams", 2, "--out", tmp_path / "out",
    )  # fmt: skip
    assert json.loads(result.stdout) == {
        "seed": 1,
        "records": 1_000,
        "valid": 830,
        "duplicates": 100,
        "mirrored": 50,
        "poison": 20,
        "out_of_order": 200,
    }


def test_start_and_span_are_event_time(assay: Assay) -> None:
    result = assay(
        "simulate", "--events", 500, "--start", "2026-03-02T08:00:00+01:00", "--span-hours", 0.5, "--out", "-"
    )
    times = [event["occurred_at"] for event in events(result)]
    assert min(times) >= 1_772_434_800_000
    assert max(times) < 1_772_434_800_000 + 1_800_000


def test_without_a_start_the_company_begins_on_a_fixed_monday(assay: Assay) -> None:
    times = [event["occurred_at"] for event in events(assay("simulate", "--events", 100, "--out", "-"))]
    assert DEFAULT_START_MS <= min(times) < DEFAULT_START_MS + 86_400_000


def test_a_pace_stamps_events_as_they_are_written(assay: Assay, clock: _Time) -> None:
    result = assay("simulate", "--rate", 100, "--events", 3_000, "--out", "-")
    times = [event["occurred_at"] for event in events(result)]
    assert len(times) == 3_000
    assert 29 < clock.seconds - 1_000 < 31
    now_ms = 1_780_272_000_000 + 30_000
    assert 27_000 < now_ms - min(times) <= 30_000
    assert 0 <= now_ms - max(times) < 3_000


def test_a_slow_pace_sleeps_until_the_next_event(assay: Assay, clock: _Time) -> None:
    assert len(events(assay("simulate", "--rate", 0.1, "--events", 3, "--out", "-"))) == 3
    assert 19 < clock.seconds - 1_000 < 40


def test_a_fast_company_ends_now_and_never_in_the_future(assay: Assay, clock: _Time) -> None:
    result = assay("simulate", "--rate", 100, "--speed", 60, "--events", 1_000, "--out", "-")
    times = [event["occurred_at"] for event in events(result)]
    end_ms = 1_780_272_000_000 + round((clock.seconds - 1_000) * 1000)
    assert max(times) <= end_ms
    assert end_ms - max(times) < 5_000
    assert 570_000 < max(times) - min(times) <= 600_000


def test_outcomes_go_to_a_file_of_their_own_beside_the_same_usage(assay: Assay, tmp_path: Path) -> None:
    result = assay("simulate", "--events", 20_000, "--out", tmp_path / "usage", "--outcomes", tmp_path / "outcomes")
    said = json.loads(result.stdout)
    outcomes = [json.loads(line) for line in (tmp_path / "outcomes").read_text().splitlines()]
    assert said["records"] == 20_000
    assert said["outcomes"] == len(outcomes) > 500
    assert said["outcomes"] == sum(said[name] for name in ("accepted", "rejected", "reversed", "neutral"))
    assert said["outcome_duplicates"] == 0
    times = [outcome["occurred_at"] for outcome in outcomes]
    assert times == sorted(times)
    assert max(times) < DEFAULT_START_MS + 86_400_000
    assert (tmp_path / "usage").read_bytes() == b"".join(line + b"\n" for line in simulate(1, events=20_000))


def test_outcomes_on_standard_output_send_the_summary_to_standard_error(assay: Assay, tmp_path: Path) -> None:
    result = assay("simulate", "--events", 2_000, "--out", tmp_path / "usage", "--outcomes", "-")
    assert len(events(result)) == json.loads(result.stderr)["outcomes"] > 0


def test_a_log_without_a_record_comes_to_nothing(assay: Assay, tmp_path: Path) -> None:
    assert assay("simulate", "--events", 0, "--out", "-", "--outcomes", tmp_path / "outcomes").exit_code == 0
    assert (tmp_path / "outcomes").read_bytes() == b""


def test_at_a_pace_outcomes_are_written_when_they_are_due(assay: Assay, clock: _Time, tmp_path: Path) -> None:
    result = assay(
        "simulate", "--rate", 10, "--events", 30_000, "--runs", 1_000, "--out", tmp_path / "usage", "--outcomes", "-"
    )
    assert result.exit_code == 0
    usage = [json.loads(line) for line in (tmp_path / "usage").read_text().splitlines()]
    end_ms = max(event["occurred_at"] for event in usage)
    times = [outcome["occurred_at"] for outcome in events(result)]
    assert len(times) > 100
    assert times == sorted(times)
    assert 0 <= end_ms + 2_048 - max(times) < 60_000


class _Producer:
    """Takes what is sent to Kafka, in one order for both topics."""

    sent: ClassVar[list[tuple[str, dict[str, Any]]]]

    def __init__(self, _: str, *, topic: str) -> None:
        self.topic = topic

    def __enter__(self) -> "_Producer":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def send_many(self, batch: list[dict[str, Any]]) -> int:
        assert batch
        self.sent.extend((self.topic, event) for event in batch)
        return len(batch)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    from streams.producers import outcomes, usage

    monkeypatch.setattr(_Producer, "sent", [], raising=False)
    monkeypatch.setattr(usage, "UsageProducer", _Producer)
    monkeypatch.setattr(outcomes, "OutcomeProducer", _Producer)
    return _Producer.sent


@pytest.mark.parametrize("pace", [(), ("--rate", 10, "--start", "2026-03-02T08:00:00Z")])
def test_outcomes_are_sent_beside_the_usage_in_step_with_it(
    pace: tuple[object, ...], assay: Assay, clock: _Time, sent: list[tuple[str, dict[str, Any]]]
) -> None:
    result = assay("simulate", "--events", 20_000, "--with-outcomes", *pace)
    said = json.loads(result.stdout)
    assert (said["records"], said["outcomes"]) == (
        sum(topic == "assay.usage.v1" for topic, _ in sent),
        sum(topic == "assay.outcomes.v1" for topic, _ in sent),
    )
    newest_ms = behind_ms = 0
    for topic, event in sent:
        if topic == "assay.usage.v1":
            newest_ms = max(newest_ms, event["occurred_at"])
        else:
            # Jitter; and without a pace, in the end, what is left of the span.
            assert event["occurred_at"] <= newest_ms + (2_048 if pace else 60_000)
            behind_ms = max(behind_ms, newest_ms - event["occurred_at"])
    # As much as a batch of 1,000 records covers at night; at a pace, as much as a look at the clock.
    assert behind_ms < (3_000 if pace else 6 * 3_600_000)


def test_without_the_flag_only_usage_is_sent(assay: Assay, sent: list[tuple[str, dict[str, Any]]]) -> None:
    result = assay("simulate", "--events", 2_000)
    assert "outcomes" not in json.loads(result.stdout)
    assert {topic for topic, _ in sent} == {"assay.usage.v1"}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--outcomes", "o.jsonl"], "--outcomes goes with --out"),
        (["--out", "-", "--outcomes", "-"], "to another output"),
        (["--out", "-", "--with-outcomes"], "--outcomes FILE"),
        (["--speed", "2", "--out", "-"], "--speed needs --rate"),
        (["--rate", "1", "--span-hours", "2"], "exclude each other"),
        (["--poison", "0.1"], "--poison needs --out"),
        (["--rate", "1", "--speed", "2"], "needs --events or --start"),
        (["--duplicates", "0.9", "--mirrored", "0.9", "--out", "-"], "together"),
        (["--start", "yesterday", "--out", "-"], "2026-01-05T08:00:00Z"),
        (["--start", "2026", "--out", "-"], "2026-01-05T08:00:00Z"),
        (["--start", "2026-01-05T08:00:00", "--out", "-"], "no zone"),
        (["--rate", "0"], "--rate"),
    ],
)
def test_what_makes_no_sense_is_wrong_usage(arguments: list[str], told: str, assay: Assay) -> None:
    result = assay("simulate", *arguments)
    assert result.exit_code == 2
    assert told in result.stderr


def test_a_file_that_cannot_be_written_ends_with_4(assay: Assay, tmp_path: Path) -> None:
    result = assay("simulate", "--out", tmp_path / "no" / "such" / "directory")
    assert result.exit_code == 4
    assert "cannot write" in result.stderr


def test_a_broker_that_does_not_answer_ends_with_4(assay: Assay, monkeypatch: pytest.MonkeyPatch) -> None:
    from streams.producers import usage
    from streams.producers.errors import BrokerUnavailable

    def refuse(*_: Any, **__: Any) -> None:
        raise BrokerUnavailable("no Kafka broker answers at kafka:9092")

    monkeypatch.setattr(usage, "UsageProducer", refuse)
    result = assay("simulate", "--events", 1, "--brokers", "kafka:9092")
    assert result.exit_code == 4
    assert "no Kafka broker answers at kafka:9092" in result.stderr
