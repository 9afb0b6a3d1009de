"""Real spend by model through the importer, Kafka and a worker: to the micro-dollar what the table itself adds up to.

The table is not part of the repository; a few rows of the same form are made up here and always run.
"""

import csv
import json
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from streams.core.topics import OUTCOMES
from streams.core.windows import Window
from tests.integration.records import Log
from tests.integration.workers import Worker, assay, eventually

TABLE = Path(__file__).parents[3] / "shared" / "traces" / "swebench_cost_outcome_a.csv"
OWN = """\
model,task,api_calls,cost_usd,resolved
GPT-5 (2025-08-07) (medium reasoning),django-1,21,0.22081259999999997,1
GPT-5 (2025-08-07) (medium reasoning),django-2,33,0.28516244999999996,0
o4-mini,django-1,3,0.0000004,0
o4-mini,django-2,200,0.0000004,1
"""

#: By model: calls, and micro-dollars.
Spend = dict[str, tuple[int, int]]


def wanted(table: Path) -> Spend:
    calls, cost = Counter[str](), Counter[str]()
    with table.open(newline="") as rows:
        for row in csv.DictReader(rows):
            calls[row["model"]] += int(row["api_calls"])
            cost[row["model"]] += Decimal(row["cost_usd"])  # type: ignore[assignment]
    return {model: (calls[model], round(cost[model] * 1_000_000)) for model in calls}


def published(log: Log) -> list[tuple[int, int]]:
    """Calls and spend of each team: the latest word on its days, added up."""
    latest = {}
    for kpi in log.kpis():
        place = kpi.team, kpi.window_start
        is_day = kpi.scope == "team" and kpi.window_size_ms == Window.DAY
        if is_day and (place not in latest or kpi.revision > latest[place].revision):
            latest[place] = kpi
    calls, spend = Counter[str](), Counter[str]()
    for kpi in latest.values():
        calls[kpi.team] += kpi.calls
        spend[kpi.team] += kpi.spend_micro_usd or 0
    return sorted((calls[team], spend[team]) for team in calls)


def check(table: Path, kafka: str, prefix: str, directory: Path) -> None:
    log, spend = Log(kafka, prefix), wanted(table)
    with Worker(kafka, prefix, directory, {"ASSAY_WINDOWS__IDLE_SECONDS": "2"}) as worker:
        worker.start().ready()
        done = assay("import", "swebench", str(table), "--brokers", kafka, "--topic-prefix", prefix)
        assert done.returncode == 0, done.stderr
        said = json.loads(done.stdout)
        assert said["events"] == sum(calls for calls, _ in spend.values())
        worker.received(said["events"])
        eventually("the days say what the table says", lambda: published(log), sorted(spend.values()).__eq__)
        assert log.dead_letters() == []
        assert sum(log.ends(OUTCOMES).values()) == said["outcomes"]
        assert worker.stop() == 0


def test_a_made_up_table_gives_the_spend_of_its_rows(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    table = tmp_path / "own.csv"
    table.write_text(OWN)
    check(table, kafka, topic_prefix, tmp_path)


@pytest.mark.slow
def test_the_real_table_gives_the_spend_of_its_rows(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    if not TABLE.exists():
        pytest.skip(f"the table is not beside the repository: put {TABLE.name} into {TABLE.parent}")
    check(TABLE, kafka, topic_prefix, tmp_path)
