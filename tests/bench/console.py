"""How fast the console's pages are, how heavy, and how long a restart takes: ``make bench-console``.

Pages of a small company (40 teams, 400 workflows) and of a large one (1,000 and 20,000), two weeks and four days of each,
asked over and over in this process; then a real console begins over a real Kafka with the large one. Prints one line of JSON.
"""

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import quantiles
from typing import Any, Final

from deploy.local.broker import local_kafka
from deploy.local.history import load_records
from streams import topics_admin
from streams.core.kpis import Kpi
from streams.core.windows import Window
from tests.integration.consoles import Console as Process
from tests.unit.console.console_site import Console, alert
from tests.unit.report.records import MONDAY_MS, RESULTS, kpi

__all__ = ["PAGES", "company", "measured"]

SIZES: Final = {"small": (40, 400), "large": (1_000, 20_000)}
PAGES: Final = (
    "/", "/workflows", "/teams", "/alerts", "/sources", "/policy", "/privacy", "/workflows/team-1/workflow-1", "/teams/team-1",
    "/alerts/a-1",
)  # fmt: skip
_TIMES: Final = 40
_DAYS: Final = 4


def company(teams: int, workflows: int) -> Iterator[Kpi]:
    """Records of every team and workflow, each with figures of its own."""
    for number in range(teams):
        yield from _place(f"team-{number}", None, number)
    for number in range(workflows):
        yield from _place(f"team-{number % teams}", f"workflow-{number}", number)


def _place(team: str, workflow: str | None, number: int) -> Iterator[Kpi]:
    figures: dict[str, Any] = {**RESULTS, "unpriced_tokens": 0}
    for week in range(2):
        spend = 10_000_000 + number * 1_000 * (week + 1)
        yield kpi(team, workflow, start_ms=MONDAY_MS + week * Window.WEEK, **{**figures, "spend_micro_usd": spend})
    for day in range(_DAYS):
        start = MONDAY_MS + 2 * Window.WEEK + day * Window.DAY
        yield kpi(team, workflow, start_ms=start, size=Window.DAY, **figures)


def measured(console: Console) -> dict[str, dict[str, float]]:
    """The 95th percentile in milliseconds, and the weight, of each page."""
    found = {}
    for path in PAGES:
        times, body = [], b""
        # Templates are compiled once.
        console.answer(path)
        for _ in range(_TIMES):
            began = time.perf_counter()
            answer = console.answer(path)
            times.append(time.perf_counter() - began)
            assert answer.status == 200, (path, answer.status)
            body = answer.body
        found[path] = {"p95_ms": round(1_000 * quantiles(times, n=20)[-1], 1), "bytes": len(body)}
    return found


def main() -> int:
    """Measure all of it."""
    result: dict[str, Any] = {}
    alerts = [alert(f"a-{number}", team=f"team-{number}", workflow=f"workflow-{number}") for number in range(40)]
    for name, (teams, workflows) in SIZES.items():
        console = Console(company(teams, workflows), alerts, max_places=100_000)
        result[name] = measured(console)
        del console
    teams, workflows = SIZES["large"]
    with tempfile.TemporaryDirectory() as directory, local_kafka(Path(directory) / "kafka") as brokers:
        topics_admin.apply(brokers, prefix="bench.", app_id="assay", partitions=4, replication_factor=1)
        result["restart_records"] = load_records(brokers, "bench.", company(teams, workflows), alerts)
        began = time.monotonic()
        with Process(brokers, "bench.", Path(directory) / "console") as process:
            process.ready()
            result["restart_seconds"] = round(time.monotonic() - began, 1)
            result["places"] = sum(process.document(path)["total"] for path in ("/teams", "/workflows"))
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
