"""Real spend and real outcomes by model through the importer, Kafka and a worker: to the micro-dollar what the table says.

The table is not part of the repository; a few rows of the same form are made up here and always run.
"""

import csv
import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal
from itertools import pairwise
from pathlib import Path

import pytest

from streams.core.kpis import Kpi
from streams.core.topics import OUTCOMES
from streams.core.windows import Window
from streams.imports.swebench import team_of
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
SETTINGS = {
    # Longer than an import stalls: runs that are heard of only after others have been settled wait for an hour.
    "ASSAY_WINDOWS__IDLE_SECONDS": "10",
}


@dataclass(frozen=True)
class Sums:
    """What the tasks of one model came to, or what the windows of its team say."""

    calls: int
    spend: int
    accepted: int
    rejected: int
    runs: int
    cohort_spend: int
    orphans: int
    orphan_spend: int


@dataclass
class Model:
    """The rows of one model; dollars are exact."""

    calls: int = 0
    dollars: list[Decimal] = field(default_factory=list)
    resolved: list[bool] = field(default_factory=list)

    @property
    def sums(self) -> Sums:
        """Tasks are runs; what each cost is rounded so that the sum over all is: the running total is, at each."""
        ends = [_micro_usd(sum(self.dollars[:number], Decimal(0))) for number in range(len(self.dollars) + 1)]
        costs = [after - before for before, after in pairwise(ends)]
        wasted = [cost for cost, resolved in zip(costs, self.resolved, strict=True) if not resolved]
        total = _micro_usd(sum(self.dollars, Decimal(0)))
        return Sums(
            self.calls, total, sum(self.resolved), len(wasted), len(costs), total, len(wasted), sum(wasted)
        )  # fmt: skip

    @property
    def unresolved(self) -> Decimal:
        """What the unresolved tasks cost, in dollars."""
        return sum(
            (cost for cost, resolved in zip(self.dollars, self.resolved, strict=True) if not resolved), Decimal(0)
        )


def _micro_usd(dollars: Decimal) -> int:
    return int((dollars * 1_000_000).to_integral_value(ROUND_HALF_EVEN))


def models(table: Path) -> dict[str, Model]:
    """The table by team, in its own arithmetic."""
    found: dict[str, Model] = defaultdict(Model)
    with table.open(newline="") as rows:
        for row in csv.DictReader(rows):
            model = found[team_of(row["model"])]
            model.calls += int(row["api_calls"])
            model.dollars.append(Decimal(row["cost_usd"]))
            model.resolved.append(row["resolved"] == "1")
    return dict(found)


def latest(log: Log, size: Window) -> list[Kpi]:
    """The latest word on each team's windows of a size."""
    found: dict[tuple[str, int], Kpi] = {}
    for kpi in log.kpis():
        place = kpi.team, kpi.window_start
        if (
            kpi.scope == "team"
            and kpi.window_size_ms == size
            and (place not in found or kpi.revision > found[place].revision)
        ):
            found[place] = kpi
    return list(found.values())


def published(log: Log, size: Window) -> dict[str, Sums]:
    """What each team's windows of a size say, added up."""
    sums: dict[str, Counter[str]] = defaultdict(Counter)
    for kpi in latest(log, size):
        for name in (
            "calls", "spend_micro_usd", "accepted", "rejected", "cohort_runs", "cohort_spend_micro_usd",
            "cohort_orphan_runs", "cohort_orphan_spend_micro_usd",
        ):  # fmt: skip
            sums[kpi.team][name] += getattr(kpi, name) or 0
    return {team: Sums(*found.values()) for team, found in sums.items()}


def check(table: Path, kafka: str, prefix: str, directory: Path) -> None:
    log, asked = Log(kafka, prefix), models(table)
    wanted = {team: model.sums for team, model in asked.items()}
    with Worker(kafka, prefix, directory, SETTINGS) as worker:
        worker.start().ready()
        done = assay("import", "swebench", str(table), "--brokers", kafka, "--topic-prefix", prefix)
        assert done.returncode == 0, done.stderr
        said = json.loads(done.stdout)
        assert said["events"] == sum(model.calls for model in wanted.values())
        assert said["outcomes"] == sum(len(model.resolved) for model in asked.values())
        worker.received(said["events"] + said["outcomes"])
        for size in (Window.DAY, Window.WEEK):
            eventually(
                f"the {size.label} windows say what the table says", lambda size=size: published(log, size), wanted.__eq__  # type: ignore[misc]
            )  # fmt: skip
        assert log.dead_letters() == []
        assert sum(log.ends(OUTCOMES).values()) == said["outcomes"]
        for week in latest(log, Window.WEEK):
            # No model takes more than the one week, so that its ratios are those of the whole table, too.
            model, sums = asked[week.team], wanted[week.team]
            assert week.calls == sums.calls
            per_accepted = week.cost_per_accepted_micro_usd
            assert per_accepted is None if not sums.accepted else per_accepted is not None
            assert per_accepted is None or abs(per_accepted * sums.accepted - sums.spend) * 2 <= sums.accepted
            assert week.orphan_spend_ratio == (sums.orphan_spend / sums.spend if sums.spend else None)
            # The table's own share, but for the rounding of each task's cost to micro-dollars.
            share = float(model.unresolved / sum(model.dollars))
            assert week.orphan_spend_ratio == pytest.approx(share, abs=len(model.dollars) / sums.spend)
        assert worker.stop() == 0


def test_a_made_up_table_gives_the_sums_of_its_rows(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    table = tmp_path / "own.csv"
    table.write_text(OWN)
    check(table, kafka, topic_prefix, tmp_path)


@pytest.mark.slow
def test_the_real_table_gives_the_sums_of_its_rows(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    if not TABLE.exists():
        pytest.skip(f"the table is not beside the repository: put {TABLE.name} into {TABLE.parent}")
    check(TABLE, kafka, topic_prefix, tmp_path)
