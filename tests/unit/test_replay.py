"""Replay: files through the engine as one partition, the same way every time."""

import io
import json
from pathlib import Path
from typing import Any

import pytest

from streams import replay as module
from streams.core.events import UsageDecoder
from streams.core.params import MIN_ACTORS, EngineParams
from streams.core.pseudonyms import Pseudonyms
from streams.detectors import JUDGES
from streams.replay import Summary, newest_until, replay
from streams.simulation import DEFAULT_START_MS, simulate
from streams.simulation.planted import SPAN_MS, planted

_NOW_MS = DEFAULT_START_MS + 86_400_000
_MONDAY_MS = DEFAULT_START_MS


def run(*paths: Path, key: bytes = b"k" * 16, min_actors: int = 0) -> tuple[Summary, bytes, bytes]:
    kpis, dead = io.BytesIO(), io.BytesIO()
    summary = replay(
        paths,
        params=EngineParams(min_actors=min_actors),
        decoder=UsageDecoder(),
        pseudonyms=Pseudonyms(key),
        now_ms=_NOW_MS,
        kpis_out=kpis,
        dead_letters_out=dead,
    )
    return summary, kpis.getvalue(), dead.getvalue()


def event(**fields: Any) -> bytes:
    base = {"event_id": "e", "source": "s", "occurred_at": DEFAULT_START_MS, "team": "t", "workflow": "w", "model": "m"}
    return json.dumps(base | fields).encode()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "usage.jsonl"


@pytest.mark.parametrize("min_actors", [0, MIN_ACTORS])
def test_results_do_not_depend_on_chunks_and_drains(
    file: Path, monkeypatch: pytest.MonkeyPatch, min_actors: int
) -> None:
    lines = simulate(2, events=3_000, duplicate_share=0.05, poison_share=0.01, out_of_order_share=0.1)
    file.write_bytes(b"\n".join(lines))
    whole = run(file, min_actors=min_actors)
    assert whole[0].holds
    assert (whole[0].withheld_micro_usd > 0) is (min_actors > 0)
    monkeypatch.setattr(module, "_CHUNK", 7)
    monkeypatch.setattr(module, "_CHUNKS_A_DRAIN", 3)
    assert run(file, min_actors=min_actors) == whole


def test_several_files_are_one_log(file: Path, tmp_path: Path) -> None:
    lines = list(simulate(2, events=1_000))
    file.write_bytes(b"\n".join(lines))
    parts = [tmp_path / "a", tmp_path / "b"]
    parts[0].write_bytes(b"\n".join(lines[:400]) + b"\n")
    parts[1].write_bytes(b"\n".join(lines[400:]))
    assert run(*parts) == run(file)


def test_all_windows_are_closed_at_the_end(file: Path) -> None:
    file.write_bytes(event() + b"\n")
    summary, kpis, _ = run(file)
    found = {(kpi["scope"], kpi["window_size_ms"]) for kpi in map(json.loads, kpis.splitlines())}
    sizes = (300_000, 3_600_000, 86_400_000, 604_800_000)
    assert found == {(scope, size) for scope in ("team", "workflow") for size in sizes}
    assert (summary.windows, summary.kpis) == (8, 8)


def test_blank_lines_and_line_ends_of_windows_are_no_records(file: Path) -> None:
    file.write_bytes(b"\r\n" + event(event_id="1") + b"\r\n\n  \n" + event(event_id="2"))
    summary, _, dead = run(file)
    assert (summary.received, summary.applied, dead) == (2, 2, b"")


def test_a_dead_letter_tells_its_line_and_keeps_its_payload(file: Path) -> None:
    file.write_bytes(event() + b"\n\nnonsense\n")
    _, _, dead = run(file)
    [letter] = [json.loads(line) for line in dead.splitlines()]
    assert (letter["offset"], letter["reason"], letter["payload"]) == (2, "invalid_json", "KioqKioqKio=")
    assert letter["received_at"] == _NOW_MS


@pytest.mark.parametrize("min_actors", [0, MIN_ACTORS])
def test_nothing_published_tells_which_key_was_used(file: Path, min_actors: int) -> None:
    file.write_bytes(b"\n".join(simulate(2, events=1_000)))
    assert run(file, key=b"a" * 16, min_actors=min_actors) == run(file, key=b"b" * 16, min_actors=min_actors)


def test_an_empty_file_is_an_empty_log(file: Path) -> None:
    file.write_bytes(b"")
    assert run(file) == (Summary(), b"", b"")


def test_progress_is_told_in_bytes(file: Path) -> None:
    file.write_bytes(b"\n".join(simulate(2, events=2_500)))
    read: list[int] = []
    replay(
        [file],
        params=EngineParams(),
        decoder=UsageDecoder(),
        pseudonyms=Pseudonyms(b"k" * 16),
        now_ms=_NOW_MS,
        advance=read.append,
    )
    assert len(read) == 3
    assert sum(read) == file.stat().st_size


def test_the_clock_of_a_replay_is_the_newest_event_that_is_not_in_the_future(file: Path) -> None:
    times = (5, 9, 7, 1_000)
    file.write_bytes(b"\n".join(event(occurred_at=DEFAULT_START_MS + time) for time in times) + b"\nnonsense\n")

    def newest(until: int) -> int:
        return newest_until([file], decoder=UsageDecoder(), until_ms=DEFAULT_START_MS + until) - DEFAULT_START_MS

    assert newest(999) == 9
    assert newest(1_000) == 1_000
    assert newest(3) == 3


def test_what_came_of_a_day_is_known_when_it_is_judged_however_large_chunks_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand lines are days of a small team; its outcomes must not wait for them."""
    history = planted(_MONDAY_MS)
    paths = tmp_path / "usage.jsonl", tmp_path / "outcomes.jsonl"
    for path, events in zip(paths, (history.usage, history.outcomes), strict=True):
        path.write_text("".join(json.dumps(event) + "\n" for event in events))

    def figures() -> tuple[Summary, bytes, bytes]:
        kpis, alerts = io.BytesIO(), io.BytesIO()
        summary = replay(
            paths[:1], paths[1:], params=EngineParams(min_actors=0), decoder=UsageDecoder(), judges=JUDGES,
            pseudonyms=Pseudonyms(b"k" * 16), now_ms=_MONDAY_MS + SPAN_MS, kpis_out=kpis, alerts_out=alerts,
        )  # fmt: skip
        assert summary.applied == len(history.usage) + len(history.outcomes)
        return summary, kpis.getvalue(), alerts.getvalue()

    whole = figures()
    assert whole[2]
    monkeypatch.setattr(module, "_CHUNK", 5)
    parts = figures()
    assert parts[2] == whole[2]
    assert parts == whole
