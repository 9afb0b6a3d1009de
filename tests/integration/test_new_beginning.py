"""Another ``app_id`` is another state: it counts what the topics still have, once more and alike (docs/recovery.md)."""

from collections import Counter
from pathlib import Path

from streams.core.topics import USAGE
from streams.core.windows import Window
from streams.topics_admin import apply
from tests.integration.records import LONG_AGO, PARTITIONS, Log, json_event, teams_by_partition
from tests.integration.workers import Worker, eventually

IDLE = {"ASSAY_WINDOWS__IDLE_SECONDS": "1"}
TEAMS = teams_by_partition("anew")


def days(log: Log) -> Counter[tuple[str, int, int]]:
    """How often each team's day was published: team, revision, calls."""
    return Counter(
        (kpi.team, kpi.revision, kpi.calls)
        for kpi in log.kpis()
        if kpi.scope == "team" and kpi.window_size_ms == Window.DAY
    )


def test_another_app_id_counts_again_from_the_beginning_with_revisions_from_one(
    kafka: str, topic_prefix: str, tmp_path: Path
) -> None:
    log = Log(kafka, topic_prefix)
    events = [json_event(f"e-{number}", TEAMS[number % 4], LONG_AGO + number * 1_000) for number in range(200)]
    log.put(USAGE, events)
    with Worker(kafka, topic_prefix, tmp_path / "before", IDLE) as before:
        before.start().ready().received(200)
        eventually("days are published", lambda: days(log), lambda seen: seen == {(it, 1, 50): 1 for it in TEAMS})
        assert before.stop() == 0
    apply(kafka, prefix=topic_prefix, app_id="anew", partitions=PARTITIONS, replication_factor=1)
    with Worker(kafka, topic_prefix, tmp_path / "after", {**IDLE, "ASSAY_APP_ID": "anew"}) as after:
        after.start().ready().received(200)
        eventually("they are again", lambda: days(log), lambda seen: seen == {(it, 1, 50): 2 for it in TEAMS})
        assert after.metric("assay_events_duplicate_total") == 0
        assert after.stop() == 0
