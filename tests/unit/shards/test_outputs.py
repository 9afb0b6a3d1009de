"""Effects as Kafka records: topics, partitions, keys and bytes."""

from typing import Any

import pytest

from streams.core.deadletters import DeadLetter
from streams.core.effects import Effects, Reroute
from streams.core.kpis import Kpi
from streams.shards.outputs import Encoders, Names, kpi_key, outputs

ENCODERS = Encoders(
    lambda kpi: b"kpi %d" % kpi.revision,
    lambda letter: b"letter " + letter.payload,
    lambda alert: b"alert %d" % alert.revision,
)
NAMES = Names("test.", "assay")


def kpi(**fields: Any) -> Kpi:
    """A KPI of a workflow's hour."""
    known = {
        "scope": "workflow", "team": "payments", "workflow": "review", "window_size_ms": 3_600_000,
        "window_start": 1_767_571_200_000, "window_end": 1_767_574_800_000, "revision": 1,
    }  # fmt: skip
    figures = dict.fromkeys(
        ("calls", "errors", "input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens",
         "reasoning_tokens", "priced_calls", "unpriced_tokens", "runs"), 0,
    )  # fmt: skip
    return Kpi(**{**known, **figures, "runs_exact": True, **fields})


LETTER = DeadLetter(
    topic="test.assay.usage.v1", partition=3, offset=9, reason="empty", detail="", payload=b"x", received_at=1
)


def test_names_lie_behind_the_prefix_and_the_changelog_is_the_installations_own() -> None:
    """So that several installations can share a cluster."""
    assert NAMES.of("assay.kpis.v1") == "test.assay.kpis.v1"
    assert NAMES.changelog == "test.assay-state-changelog"
    assert Names("", "other").changelog == "other-state-changelog"


def test_every_effect_is_one_record() -> None:
    """Results and dead letters stay in the shard's partition; a re-routed record goes where it belongs, unchanged."""
    effects = Effects(
        publications=[kpi(), kpi(revision=2)],
        dead_letters=[LETTER],
        reroutes=[Reroute("test.assay.usage.v1", 7, b"payments", b"{...}")],
        writes={b"state": b"is the changelog's"},
    )
    assert outputs(effects, 3, NAMES, ENCODERS) == {
        ("test.assay.kpis.v1", 3): [(kpi_key(kpi()), b"kpi 1"), (kpi_key(kpi()), b"kpi 2")],
        ("test.assay.dead-letters.v1", 3): [(None, b"letter x")],
        ("test.assay.usage.v1", 7): [(b"payments", b"{...}")],
    }


def test_rerouted_records_are_grouped_by_where_they_go() -> None:
    """In the order they came, which is that of their team's records."""
    places = [("u", 1, b"a"), ("u", 2, b"b"), ("o", 1, b"c"), ("u", 1, b"d")]
    effects = Effects(reroutes=[Reroute(topic, partition, b"t", value) for topic, partition, value in places])
    assert outputs(effects, 0, NAMES, ENCODERS) == {
        ("u", 1): [(b"t", b"a"), (b"t", b"d")], ("u", 2): [(b"t", b"b")], ("o", 1): [(b"t", b"c")],
    }  # fmt: skip


def test_no_effects_are_no_records() -> None:
    """Nothing is sent for its own sake."""
    assert outputs(Effects(), 0, NAMES, ENCODERS) == {}


@pytest.mark.parametrize(
    "fields",
    [
        {"revision": 2}, {"calls": 5}, {"config_version": "2"}, {"spend_micro_usd": 7},
    ],
)  # fmt: skip
def test_all_revisions_of_a_window_have_one_key(fields: dict[str, Any]) -> None:
    """Compaction keeps the last of them."""
    assert kpi_key(kpi(**fields)) == kpi_key(kpi())


@pytest.mark.parametrize(
    "fields",
    [
        {"team": "other"}, {"workflow": "other"}, {"scope": "team", "workflow": None}, {"window_start": 0},
        {"window_size_ms": 300_000},
    ],
)  # fmt: skip
def test_different_windows_and_scopes_have_different_keys(fields: dict[str, Any]) -> None:
    """Compaction must not take one for the other."""
    assert kpi_key(kpi(**fields)) != kpi_key(kpi())
