"""A recorded trace of real traffic through the importer, Kafka and a worker: totals as ten lines of csv have them.

The trace itself is not part of the repository; a few rows of the same form are made up here and always run.
"""

import csv
import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from streams.core.windows import Window
from tests.integration.records import Log, figures, fresh_prefix, teams_by_partition
from tests.integration.workers import Worker, assay, eventually

TRACE = Path(__file__).parents[3] / "shared" / "traces" / "AzureLLMInferenceTrace_code.csv"

#: Over a day's border, with empty windows between, out of order, and times on a window's very edge.
OWN = """\
TIMESTAMP,ContextTokens,GeneratedTokens
2023-11-16 18:17:03.9799600,4808,10
2023-11-16 18:17:03.9799600,4808,10
2023-11-16 18:20:00.0000000,3180,8
2023-11-16 18:19:59.9999999,110,27
2023-11-16 18:24:59.9990000,7433,0
2023-11-16 20:00:00.0000000,0,14
2023-11-16 23:59:59.9999999,1,1
2023-11-17 00:00:00.0000000,2,3
2023-11-17 00:04:59.0000000,40,50
2023-11-17 19:00:00.1,600,700
"""

#: In partitions of their own: the one's last event must not make the other's first too late.
OWN_TEAM, RECORDED_TEAM, *_ = teams_by_partition("azure")

Totals = dict[tuple[Window, int], tuple[int, int, int]]


def totals(file: Path) -> Totals:
    """Calls and tokens by window, from the file alone."""
    calls, context, generated = (
        Counter[tuple[Window, int]](),
        Counter[tuple[Window, int]](),
        Counter[tuple[Window, int]](),
    )
    with file.open(newline="") as lines:
        for row in csv.DictReader(lines):
            second, _, fraction = row["TIMESTAMP"].partition(".")
            whole = int(datetime.fromisoformat(second).replace(tzinfo=UTC).timestamp())
            at_ms = whole * 1000 + int(fraction.ljust(3, "0")[:3])
            for size in Window:
                place = size, size.start_of(size.bucket_of(at_ms))
                calls[place] += 1
                context[place] += int(row["ContextTokens"])
                generated[place] += int(row["GeneratedTokens"])
    return {place: (calls[place], context[place], generated[place]) for place in calls}


def published(log: Log, team: str) -> Totals:
    kpis = log.kpis()
    return {
        (size, start): found[:3]
        for size in Window
        for (whose, start), found in figures(kpis, size).items()
        if whose == team
    }


@pytest.fixture(scope="module")
def log(kafka: str) -> Log:
    return Log(kafka, fresh_prefix())


@pytest.fixture(scope="module")
def worker(log: Log, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    settings = {"ASSAY_WINDOWS__IDLE_SECONDS": "2"}
    with Worker(log.brokers, log.prefix, tmp_path_factory.mktemp("azure"), settings) as worker:
        yield worker.start().ready()
        assert worker.stop() == 0


def import_trace(log: Log, file: Path, team: str) -> int:
    """Import as a person would; the number of events it says it sent."""
    done = assay(
        "import", "azure-trace", str(file), "--team", team, "--brokers", log.brokers, "--topic-prefix", log.prefix
    )
    assert done.returncode == 0, done.stderr
    return int(json.loads(done.stdout)["events"])


def check(worker: Worker, log: Log, file: Path, team: str) -> None:
    wanted = totals(file)
    before = int(worker.metric("assay_events_received_total"))
    sent = import_trace(log, file, team)
    assert sent == sum(calls for (size, _), (calls, *_) in wanted.items() if size is Window.DAY)
    worker.received(before + sent)
    eventually("all windows say what the file says", lambda: published(log, team), wanted.__eq__)

    # A second import has the same ids: nothing changes, and nothing is refused.
    duplicates = worker.metric("assay_events_duplicate_total")
    import_trace(log, file, team)
    worker.received(before + 2 * sent)
    assert worker.metric("assay_events_duplicate_total") - duplicates == sent
    assert published(log, team) == wanted
    assert log.dead_letters() == []


def test_a_made_up_trace_gives_the_totals_of_its_rows(worker: Worker, log: Log, tmp_path: Path) -> None:
    file = tmp_path / "own.csv"
    file.write_text(OWN)
    check(worker, log, file, OWN_TEAM)


def test_the_recorded_trace_gives_the_totals_of_its_rows(worker: Worker, log: Log) -> None:
    if not TRACE.exists():
        pytest.skip(
            f"the trace is not beside the repository: put {TRACE.name} of AzurePublicDataset into {TRACE.parent}"
        )
    check(worker, log, TRACE, RECORDED_TEAM)
