"""Alerts and dead letters as they are kept: bounded, and without a value of any record."""

import json

import pytest

from streams.console.alerts import Alerts
from streams.console.figures import Figures
from streams.console.letters import Letters, shape_of
from streams.console.taking import take_alert, take_kpi, take_letter
from streams.core.avro import ALERT, DEAD_LETTER, KPI
from streams.core.deadletters import DeadLetter
from streams.core.windows import Window
from streams.shards.outputs import kpi_key
from tests.unit.console.console_site import alert
from tests.unit.report.records import MONDAY_MS, kpi

DAY = int(Window.DAY)


def test_the_highest_revision_holds_and_the_others_are_its_life() -> None:
    alerts = Alerts(keep_ms=DAY, max_alerts=100)
    for revision in (2, 1, 3):
        alerts.take(alert(revision=revision, state="resolved" if revision == 3 else "firing"))
    life = alerts.life("a-1")
    assert life is not None
    assert [it.revision for it in life.records] == [1, 2, 3]
    assert alerts.firing() == []


def test_resolved_ones_go_after_their_time_and_firing_ones_never() -> None:
    alerts = Alerts(keep_ms=DAY, max_alerts=100)
    alerts.take(alert("old", state="resolved"))
    alerts.take(alert("fires"))
    alerts.take(alert("new", state="resolved", updated_at=alert().updated_at + 2 * DAY))
    alerts.prune()
    assert {it.alert_id for it in alerts.current()} == {"fires", "new"}


def test_too_many_alerts_push_out_the_oldest_resolved() -> None:
    alerts = Alerts(keep_ms=DAY, max_alerts=20)
    for number in range(30):
        alerts.take(alert(f"r{number}", state="resolved", updated_at=number))
    for number in range(5):
        alerts.take(alert(f"f{number}", updated_at=0))
    kept = {it.alert_id for it in alerts.current()}
    assert len(kept) <= 20
    assert {f"f{number}" for number in range(5)} <= kept
    assert "r0" not in kept
    assert alerts.left_out == 35 - len(kept)


def test_a_tombstone_takes_an_alert_away() -> None:
    alerts = Alerts(keep_ms=DAY, max_alerts=20)
    alerts.take(alert())
    assert take_alert(alerts, b"a-1", None, None)
    assert len(alerts) == 0
    assert alerts.worst_firing() == {}


@pytest.mark.parametrize(
    ("payload", "shape"),
    [
        (b"", "empty"), (b"nonsense ada", "no JSON"), (b"[1]", "JSON: list"), (b"\xc3\x01secret", "Avro, single-object"),
        (b"\x00secret", "Avro, Confluent's wire format"), (b"[" * 70_000, "more than 64 kB"),
        (json.dumps({"team": "ada", "cost_micro_usd": 1, "ada@example.com": 1, "x": {"ada": 1}}).encode(),
         "{team: text, cost_micro_usd: whole number, 2 fields that no record has}"),
    ],
)  # fmt: skip
def test_a_shape_has_no_value_and_no_name_that_is_not_the_contracts(payload: bytes, shape: str) -> None:
    assert shape_of(payload) == shape


def test_dead_letters_are_counted_by_topic_and_reason() -> None:
    letters = Letters()
    for number in range(5):
        letter = DeadLetter(
            topic="assay.usage.v1", partition=0, offset=number, reason="empty" if number else "made up by ada",
            detail="", payload=b'{"team": 1}', received_at=number,
        )  # fmt: skip
        assert take_letter(letters, b"", DEAD_LETTER.to_avro(letter), None)
    assert [(it.reason, it.number, it.last_ms) for it in letters.counts()] == [("empty", 4, 4), ("unknown", 1, 0)]


def test_what_cannot_be_read_is_said_and_changes_nothing() -> None:
    figures, alerts, letters = Figures(weeks=3, max_places=9), Alerts(keep_ms=1, max_alerts=9), Letters()
    for value in (b"", b"x", b"\xc3\x01" + b"\x00" * 20, b"{}"):
        assert not take_kpi(figures, b"k", value, None)
        assert not take_alert(alerts, b"k", value, None)
        assert not take_letter(letters, b"k", value, None)
    assert not take_kpi(figures, b"k", KPI.to_avro(kpi(start_ms=2**60)), None)
    assert not take_alert(alerts, b"k", ALERT.to_avro(alert(opened_at=2**60)), None)
    assert (len(figures), len(alerts), letters.counts()) == (0, 0, [])


def test_windows_shorter_than_a_day_only_tell_how_far_time_has_come() -> None:
    figures = Figures(weeks=3, max_places=9)
    record = kpi(size=Window.HOUR)
    assert take_kpi(figures, kpi_key(record), KPI.to_avro(record), None)
    assert len(figures) == 0
    assert figures.as_of_ms == MONDAY_MS + Window.HOUR
