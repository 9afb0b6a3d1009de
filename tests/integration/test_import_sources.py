"""A file of a proxy's calls through the importer, Kafka and a worker: whatever its order, and however often, it counts once."""

import gzip
import json
from pathlib import Path
from typing import Final

import pytest

from streams.core.topics import OUTCOMES, USAGE
from streams.core.windows import Window
from tests.integration.records import Log
from tests.integration.workers import Worker, assay, eventually
from tests.unit.sources.litellm_events import event

pytestmark = pytest.mark.kafka

#: 2026-01-05 09:00 UTC, a Monday.
_MONDAY_S: Final = 1_767_603_600
_CALLS: Final = 1_200
#: Four days: what is a day behind the newest is too late for a worker.
_STEP_S: Final = 4 * 86_400 // _CALLS


def calls() -> list[bytes]:
    """Rows of ten people, the newest first, as most systems list them; the last is broken."""
    rows = [
        event(
            id=f"chatcmpl-{number}", litellm_call_id=f"call-{number}", startTime=_MONDAY_S + number * _STEP_S,
            endTime=_MONDAY_S + number * _STEP_S + 1, metadata={"user_api_key_user_id": f"person-{number % 10}"},
        )
        for number in reversed(range(_CALLS))
    ]  # fmt: skip
    return [*(json.dumps(row).encode() for row in rows), b'{"id": "chatcmpl-cut']


def test_an_import_that_is_run_twice_counts_once(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    log = Log(kafka, topic_prefix)
    lines = calls()
    plain, packed = tmp_path / "new.jsonl", tmp_path / "old.jsonl.gz"
    packed.write_bytes(gzip.compress(b"\n".join(lines[600:])))
    plain.write_bytes(b"\n".join(lines[:600]))
    rejected = tmp_path / "rejected.jsonl"
    command = ["import", "litellm", str(plain), str(packed), "--brokers", kafka, "--topic-prefix", topic_prefix,
               "--insecure-dev-key", "--team", "payments", "--workflow", "checkout", "--rejected", str(rejected)]  # fmt: skip
    with Worker(kafka, topic_prefix, tmp_path / "worker", {"ASSAY_WINDOWS__IDLE_SECONDS": "1"}) as worker:
        worker.start().ready()
        for times in (1, 2):
            done = assay(*command)
            assert done.returncode == 0, done.stderr
            assert json.loads(done.stdout) == {
                "usage": _CALLS, "outcomes": 0, "refused": {"invalid_json": 1}, "skipped": {},
                "attributed": {"credential": _CALLS}, "links": {},
            }  # fmt: skip
            (refused,) = [json.loads(line) for line in rejected.read_text().splitlines()]
            assert (refused["file"], refused["place"]) == (str(packed), f"line {_CALLS - 600 + 1}")
            worker.received(times * _CALLS)
            assert worker.metric("assay_events_late_total") == 0
            assert worker.metric("assay_events_dead_lettered_total") == 0
            assert worker.metric("assay_events_duplicate_total") == (times - 1) * _CALLS
        assert b"person-" not in b"".join(record.value or b"" for record in log.read(USAGE))

        def week() -> list[tuple[int, int, int, int | None]]:
            found = [it for it in log.kpis() if it.scope == "team" and it.window_size_ms == Window.WEEK]
            return [(it.calls, it.input_tokens, it.cache_read_tokens, it.spend_micro_usd) for it in found]

        eventually(
            "the week is published", lambda: week()[-1:], [(_CALLS, 100 * _CALLS, 2_000 * _CALLS, 19_500 * _CALLS)].__eq__
        )  # fmt: skip
        assert worker.stop() == 0


def test_what_a_worker_takes_is_sent_though_a_producer_would_refuse_it(
    kafka: str, topic_prefix: str, tmp_path: Path
) -> None:
    log = Log(kafka, topic_prefix)
    file = tmp_path / "outcomes.jsonl"
    told = {"outcome_id": "o-1", "source": "own", "team": "payments", "kind": "change_merged", "verdict": "rejected",
            "occurred_at": _MONDAY_S * 1000}  # fmt: skip
    file.write_text(json.dumps(told))
    done = assay(
        "import", "events", str(file), "--brokers", kafka, "--topic-prefix", topic_prefix, "--insecure-dev-key"
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["outcomes"] == 1
    assert [json.loads(record.value or b"") for record in log.read(OUTCOMES)] == [told]
