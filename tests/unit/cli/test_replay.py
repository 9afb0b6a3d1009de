"""``assay replay``: files in, files out, one JSON document."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from streams.core.events import UsageDecoder
from streams.core.params import EngineParams
from streams.core.pseudonyms import Pseudonyms
from streams.replay import replay
from streams.simulation import DEFAULT_START_MS, simulate

Assay = Callable[..., Result]


@pytest.fixture
def usage(tmp_path: Path) -> Path:
    """A morning's log with something of everything."""
    file = tmp_path / "usage.jsonl"
    lines = simulate(
        1, events=3_000, span_ms=6 * 3_600_000, duplicate_share=0.02, mirrored_share=0.01, poison_share=0.01
    )
    file.write_bytes(b"".join(line + b"\n" for line in lines))
    return file


def test_the_same_files_give_the_same_bytes_and_every_record_is_accounted_for(
    assay: Assay, usage: Path, tmp_path: Path
) -> None:
    summaries = []
    for run in ("a", "b"):
        (tmp_path / run).mkdir()
        result = assay(
            "replay", "--usage", usage, "--kpis", tmp_path / run / "kpis", "--dead-letters", tmp_path / run / "dead"
        )
        assert result.exit_code == 0
        summaries.append(json.loads(result.stdout))
    assert (tmp_path / "a" / "kpis").read_bytes() == (tmp_path / "b" / "kpis").read_bytes() != b""
    assert (tmp_path / "a" / "dead").read_bytes() == (tmp_path / "b" / "dead").read_bytes() != b""
    assert summaries[0] == summaries[1]
    summary = summaries[0]
    assert summary["received"] == 3_000
    assert (summary["applied"], summary["duplicates"], summary["dead_lettered"]) == (3_000 - 120, 90, 30)
    assert (summary["late"], summary["rerouted"]) == (0, 0)
    kpis = [json.loads(line) for line in (tmp_path / "a" / "kpis").read_text().splitlines()]
    assert len(kpis) == summary["kpis"]
    # What concerns too few people to be told is the rest of the spend, as nobody is held back if all may be told of.
    told, of_all = weeks(kpis), weeks(told_of_everyone(usage, summary["as_of_ms"]))
    assert sum(kpi["calls"] for kpi in of_all.values()) == summary["applied"]
    assert sum(kpi["calls"] for kpi in told.values()) < summary["applied"]
    assert summary["withheld_micro_usd"] == spend(of_all) - spend(told) > 0
    for team, kpi in told.items():
        assert (kpi["withheld"] is None) is (kpi["calls"] == of_all[team]["calls"]), team


def told_of_everyone(usage: Path, now_ms: int) -> list[dict[str, Any]]:
    """What a replay would give if no group were too small."""
    kpis = io.BytesIO()
    replay(
        [usage], params=EngineParams(min_actors=0), decoder=UsageDecoder(), pseudonyms=Pseudonyms(b"k" * 16),
        now_ms=now_ms, kpis_out=kpis,
    )  # fmt: skip
    return [json.loads(line) for line in kpis.getvalue().splitlines()]


def weeks(kpis: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The only week of each team, as its last revision has it."""
    return {kpi["team"]: kpi for kpi in kpis if kpi["scope"] == "team" and kpi["window_size_ms"] == 604_800_000}


def spend(kpis: dict[str, dict[str, Any]]) -> int:
    """All of it."""
    return sum(kpi["spend_micro_usd"] or 0 for kpi in kpis.values())


def test_the_clock_stands_at_the_newest_event_that_is_not_in_the_future(assay: Assay, usage: Path) -> None:
    summary = json.loads(assay("replay", "--usage", usage).stdout)
    assert DEFAULT_START_MS < summary["as_of_ms"] < DEFAULT_START_MS + 6 * 3_600_000
    assert summary["reasons"]["far_future"] > 0


def test_as_of_sets_the_clock(assay: Assay, usage: Path) -> None:
    summary = json.loads(assay("replay", "--usage", usage, "--as-of", "2026-01-05T01:00:00Z").stdout)
    assert summary["as_of_ms"] == DEFAULT_START_MS + 3_600_000
    assert summary["reasons"]["far_future"] > 100


def test_settings_reach_the_engine(assay: Assay, usage: Path, tmp_path: Path) -> None:
    config = tmp_path / "assay.yaml"
    config.write_text("max_record_bytes: 1024\n")
    reasons = json.loads(assay("replay", "--usage", usage, "--config", config).stdout)["reasons"]
    assert reasons["too_large"] > 0
    config.write_text("max_record_byte: 1024\n")
    assert assay("replay", "--usage", usage, "--config", config).exit_code == 3


def test_with_standard_output_the_summary_goes_to_standard_error(assay: Assay, usage: Path) -> None:
    result = assay("replay", "--usage", usage, "--kpis", "-")
    assert json.loads(result.stdout.splitlines()[0])["window_size_ms"] == 300_000
    assert json.loads(result.stderr)["received"] == 3_000


def test_two_outputs_cannot_be_standard_output(assay: Assay, usage: Path) -> None:
    assert assay("replay", "--usage", usage, "--kpis", "-", "--dead-letters", "-").exit_code == 2


def test_a_missing_input_is_wrong_usage(assay: Assay, tmp_path: Path) -> None:
    assert assay("replay", "--usage", tmp_path / "none").exit_code == 2
    assert assay("replay").exit_code == 2


def test_a_failed_replay_leaves_no_output(assay: Assay, usage: Path, tmp_path: Path) -> None:
    kpis = tmp_path / "kpis"
    kpis.write_text("yesterday's\n")
    result = assay("replay", "--usage", usage, "--kpis", kpis, "--dead-letters", tmp_path / "no" / "such")
    assert result.exit_code == 4
    assert kpis.read_text() == "yesterday's\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kpis", "usage.jsonl"]
