"""A golden replay: the committed log must give the committed results, byte for byte.

When results change on purpose, write them anew, read the difference, and say in the changelog what it means for those
who read KPIs:

    ASSAY_GOLDEN=write python -m pytest tests/golden

``usage.jsonl`` is made by hand, in the order in which a partition would hold it: a Sunday evening on which an ISO week
ends, calls seen by two sources, repeated and broken records, events late within the grace of six hours and beyond it.
"""

import io
import json
import os
from pathlib import Path
from typing import Any, Final

import pytest

from streams.core.engine import EngineParams
from streams.core.events import UsageDecoder
from streams.core.pseudonyms import Pseudonyms
from streams.replay import Summary, replay

HERE: Final = Path(__file__).parent
WRITE: Final = os.environ.get("ASSAY_GOLDEN") == "write"
#: 2026-01-06T03:00:00Z, an hour after the log's last event.
NOW_MS: Final = 1_767_668_400_000
#: Few people work here: a group minimum would hold nearly everything back.
PARAMS: Final = EngineParams(lateness_ms=60_000, grace_ms=6 * 3_600_000, config_version="golden", min_actors=0)


def results(key: bytes = b"a key that no result depends on") -> tuple[Summary, dict[str, bytes]]:
    """What the log comes to: the summary, and files by name."""
    kpis, dead_letters = io.BytesIO(), io.BytesIO()
    summary = replay(
        [HERE / "usage.jsonl"], params=PARAMS, decoder=UsageDecoder(), pseudonyms=Pseudonyms(key), now_ms=NOW_MS,
        kpis_out=kpis, dead_letters_out=dead_letters,
    )  # fmt: skip
    return summary, {"kpis.jsonl": kpis.getvalue(), "dead_letters.jsonl": dead_letters.getvalue()}


def golden(name: str) -> list[dict[str, Any]]:
    """A committed file's records."""
    return [json.loads(line) for line in (HERE / name).read_bytes().splitlines()]


@pytest.mark.parametrize("name", ["kpis.jsonl", "dead_letters.jsonl"])
def test_the_log_gives_the_committed_results(name: str) -> None:
    """Every record, in the same order, to the byte."""
    found = results()[1][name]
    if WRITE:
        (HERE / name).write_bytes(found)
    assert [json.loads(line) for line in found.splitlines()] == golden(name)
    assert found == (HERE / name).read_bytes()


def test_every_line_of_the_log_is_accounted_for() -> None:
    """Duplicates are the two resends and the agent's copy of a call; what is late lies beyond six hours."""
    summary, _ = results()
    assert summary.holds
    assert (summary.received, summary.applied, summary.duplicates, summary.late) == (57, 46, 3, 2)
    assert summary.reasons == {
        "far_future": 1, "inconsistent": 1, "invalid_json": 1, "missing_field": 1, "out_of_range": 1,
        "timestamp_out_of_range": 1, "too_late": 2,
    }  # fmt: skip


def test_results_do_not_depend_on_the_key_of_pseudonyms() -> None:
    """Nothing published can be used to look for an actor."""
    assert results(b"quite another key") == results()


def test_the_committed_results_hold_together() -> None:
    """Last revisions: days and weeks are the sums of hours and days, and of workflows where the scope is the team."""
    latest = {
        (kpi["team"], kpi["workflow"], kpi["window_size_ms"], kpi["window_start"]): (
            kpi["calls"],
            kpi["spend_micro_usd"],
        )
        for kpi in golden("kpis.jsonl")
    }
    for size, finer, count in ((86_400_000, 3_600_000, 12), (604_800_000, 86_400_000, 10)):
        windows = {place: figures for place, figures in latest.items() if place[2] == size}
        assert len(windows) == count
        for (team, workflow, _, start), (calls, spend) in windows.items():
            parts = [
                figures
                for (of, flow, length, at), figures in latest.items()
                if (of, flow, length) == (team, workflow, finer) and start <= at < start + size
            ]
            assert sum(each[0] for each in parts) == calls
            assert sum(each[1] or 0 for each in parts) == (spend or 0)
            if workflow is None:
                flows = [each for place, each in windows.items() if (place[0], place[3]) == (team, start) and place[1]]
                assert sum(each[0] for each in flows) == calls
