"""``make bench``: measure everything once on this machine, print it, and write ``build/bench.json``.

Nothing here fails for a figure that is missed: figures of a shared machine judge nobody. CPU per event is what to
compare; events per second are wall time, and suffer from whatever else runs.
"""

import argparse
import json
import os
import platform
import signal
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from deploy.local.broker import local_kafka
from streams import topics_admin
from streams.core.topics import USAGE
from streams.errors import AssayError
from tests.bench import bench_sources, ingest
from tests.bench.load import preload, scenario, write_log, write_outcomes, write_runs
from tests.bench.pipeline import Pipeline, topics_under
from tests.bench.process import BenchError, machine, result_of
from tests.bench.report import sampled, table, targets

__all__ = ["Plan", "main", "measure"]

_BUILD: Final = Path(__file__).parents[2] / "build"
SECTIONS: Final = (
    "pipeline", "stock_faust", "outcomes", "open_runs", "working_day", "decode_only", "core_only", "sources",
    "ingest", "growth",
)  # fmt: skip
#: Usage events for each outcome: more outcomes than any organisation has.
_ONE_OUTCOME_IN: Final = 20
_PARTITIONS: Final = 4


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to measure; ``growth`` are pairs of partitions and workflows.

    The pipeline is measured ``repeats`` times and the median run stands for all, since on a shared machine one run differs
    from the next by more than what there is to tell. Stock Faust runs once among them, over the same log: an event costs
    it the more, the more there were before. Growth points are single runs.
    """

    events: int = 1_000_000
    stock_events: int = 1_000_000
    growth_events: int = 1_000_000
    growth: tuple[tuple[int, int], ...] = ((1, 400), (4, 400), (16, 400), (4, 4_000), (4, 40_000))
    span: timedelta = timedelta(hours=1)
    sparse_span: timedelta = timedelta(days=1)
    repeats: int = 3
    ingest_batches: int = 1_000
    ingest_large: int = 20
    quick_sources: bool = False
    sections: frozenset[str] = frozenset(SECTIONS)
    sample_to: Path | None = None

    def quick(self) -> "Plan":
        """The same way through everything with hardly any events: figures of it mean nothing."""
        return replace(self, events=20_000, stock_events=500, growth_events=10_000, growth=((1, 400),), repeats=2,
                       ingest_batches=20, ingest_large=2, quick_sources=True)  # fmt: skip


class Bench:
    """One run of the plan, against one broker, with its files in one directory."""

    def __init__(self, plan: Plan, brokers: str, directory: Path, say: Callable[[str], None]) -> None:
        self._plan = plan
        self._brokers = brokers
        self._directory = directory
        self._say = say
        self._pipeline = Pipeline(brokers, directory)
        self._log = directory / "events.log"
        self._seen: dict[str, int] = {}
        self._runs: dict[str, list[dict[str, Any]]] = {}

    def run(self) -> dict[str, Any]:
        """All results, as they are written to the file."""
        plan = self._plan
        results: dict[str, Any] = {
            "events": plan.events,
            "growth_events": plan.growth_events,
            "span_seconds": round(plan.span.total_seconds()),
            "python": platform.python_version(),
            "machine": machine(),
        }
        self._say(f"simulating {plan.events:,} events over {plan.span}")
        written = write_log(self._log, scenario(plan.events, span=plan.span))
        results["event_bytes"] = written.event_bytes
        self._seen["main"] = written.workflows_seen
        steps: dict[str, Callable[[], Any]] = {
            "decode_only": lambda: self._core("decode"),
            "core_only": lambda: self._core("core"),
            "pipeline": lambda: self._median("pipeline"),
            "stock_faust": lambda: self._median("stock_faust"),
            "outcomes": self._outcomes,
            "open_runs": self._open_runs,
            "working_day": self._working_day,
            "sources": lambda: bench_sources.measure(quick=plan.quick_sources),
            "ingest": self._ingest,
            "growth": self._growth,
        }
        self._measure_rivals({"pipeline", "stock_faust"} & plan.sections)
        for section, step in steps.items():
            if section in plan.sections:
                self._say(f"measuring {section}")
                results[section] = step()
        if {"pipeline", "stock_faust"} <= plan.sections:
            stock, ours = results["stock_faust"]["cpu_us_per_event"], results["pipeline"]["cpu_us_per_event"]
            results["pipeline_over_stock_faust"] = round(stock / ours, 1)
        results["workflows_seen"] = self._seen
        if plan.sample_to is not None:
            self._say("watching a worker")
            self._pipeline.measure(self._log, _PARTITIONS, sample_to=plan.sample_to)
        return results

    def _measure_rivals(self, sections: Set[str]) -> None:
        """The pipeline several times, and stock Faust in between."""
        once = {"pipeline": lambda: self._pipeline.measure(self._log, _PARTITIONS), "stock_faust": self._stock}
        for turn in range(self._plan.repeats):
            # In the middle: what else the machine does in the meantime is borne by both.
            for section in sorted(sections if turn == self._plan.repeats // 2 else sections - {"stock_faust"}):
                self._say(f"measuring {section}, run {turn + 1} of {self._plan.repeats}")
                self._runs.setdefault(section, []).append(once[section]())

    def _outcomes(self) -> dict[str, Any]:
        """The pipeline with an outcome for every so many events, each to be joined to its run."""
        log = self._directory / "outcomes.log"
        count = write_outcomes(log, self._log, one_in=_ONE_OUTCOME_IN)
        return {"outcomes": count, **self._pipeline.measure(self._log, _PARTITIONS, outcomes=log)}

    def _open_runs(self) -> dict[str, Any]:
        """The worst of runs: one of its own for every event, all of them open; and what a restart with them takes."""
        log = self._directory / "runs.log"
        write_runs(log, self._log)
        figures = self._pipeline.measure(log, _PARTITIONS)
        kept = ("events_per_second", "cpu_us_per_event", "stages_us")
        restarted = self._pipeline.restart(log, _PARTITIONS)
        most = max(figures["peak_rss_mb"], restarted["peak_rss_mb"])
        return {**{name: figures[name] for name in kept}, **restarted, "peak_rss_mb": most}

    def _working_day(self) -> dict[str, Any]:
        """The pipeline over as many events of a whole day: more windows to publish for each event."""
        log = self._directory / "day.log"
        write_log(log, scenario(self._plan.events, span=self._plan.sparse_span))
        return {"span_seconds": round(self._plan.sparse_span.total_seconds()),
                **self._pipeline.measure(log, _PARTITIONS)}  # fmt: skip

    def _ingest(self) -> dict[str, Any]:
        """What comes in over HTTP, answered once Kafka has acknowledged it."""
        plan = self._plan
        directory = self._directory / "ingest"
        return ingest.measure(self._brokers, directory, batches=plan.ingest_batches, large=plan.ingest_large)

    def _median(self, section: str) -> dict[str, Any]:
        """The run with the median CPU of those measured, with the CPU of all."""
        runs = self._runs[section]
        cpu_us = [run["cpu_us_per_event"] for run in runs]
        return {**runs[cpu_us.index(statistics.median_low(cpu_us))], "cpu_us_per_event_runs": cpu_us}

    def _core(self, what: str) -> dict[str, Any]:
        return result_of("core", what, self._log, _PARTITIONS, directory=self._directory / what)

    def _stock(self) -> dict[str, Any]:
        """Stock Faust over the same events, or over every n-th of them, so that event time passes as in the whole."""
        every = max(1, self._plan.events // self._plan.stock_events)
        with topics_under(self._brokers) as prefix:
            topics_admin.apply(
                self._brokers, prefix=prefix, app_id="assay", partitions=_PARTITIONS, replication_factor=1
            )
            topic = prefix + USAGE
            events = preload(self._brokers, topic, self._log, every=every)
            return result_of(
                "stock", self._brokers, topic, _PARTITIONS, events, f"{prefix}stock",
                directory=self._directory / "stock",
            )  # fmt: skip

    def _growth(self) -> list[dict[str, Any]]:
        """The pipeline with more partitions, then with more workflows: teams, people and events stay the same."""
        points = []
        log, written = self._directory / "growth.log", 0
        seen = self._seen
        for partitions, workflows in sorted(self._plan.growth, key=lambda point: (point[1], point[0])):
            if workflows != written:
                made = write_log(log, scenario(self._plan.growth_events, workflows=workflows, span=self._plan.span))
                written, seen[str(workflows)] = workflows, made.workflows_seen
            figures = self._pipeline.measure(log, partitions)
            self._say(f"  {workflows:,} workflows, {partitions} partitions: {json.dumps(figures)}")
            points.append({
                "partitions": partitions,
                "workflows": workflows,
                **{name: figures[name] for name in ("events_per_second", "cpu_us_per_event", "peak_rss_mb")},
            })  # fmt: skip
        return points


def measure(plan: Plan, say: Callable[[str], None]) -> dict[str, Any]:
    """Measure on the broker of ``ASSAY_BROKERS``, or one started for it; all that was started is stopped in the end."""
    _BUILD.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=_BUILD) as name:
        directory = Path(name)
        with local_kafka(directory / "kafka") as brokers:
            return Bench(plan, brokers, directory, say).run()


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; gives the exit code, which says whether it could be measured, not how it came out."""
    options = _parser().parse_args(arguments)
    plan = Plan(
        events=options.events,
        span=timedelta(hours=options.span_hours),
        sections=frozenset(options.only or SECTIONS),
        sample_to=_BUILD / "bench-sample.json" if options.sample else None,
    )
    plan = plan.quick() if options.quick else plan
    # A part of it must not take the place of the whole.
    out: Path = options.out or _BUILD / ("bench-partial.json" if options.only or options.quick else "bench.json")
    # Whoever stops it with a signal wants the broker and the worker stopped as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    # The worker is measured with the settings it ships with, not with those of whoever measures.
    for name in [name for name in os.environ if name.startswith("ASSAY_") and name != "ASSAY_BROKERS"]:
        del os.environ[name]
    try:
        results = measure(plan, lambda text: print(text, file=sys.stderr, flush=True))
    except (AssayError, BenchError) as error:
        print(f"error: {error}", file=sys.stderr)
        return getattr(error, "exit_code", 1)
    out.write_text(json.dumps(results, indent=2) + "\n")
    print(table(results), targets(results), sep="\n\n")
    if plan.sample_to is not None:
        print("", sampled(json.loads(plan.sample_to.read_text()), plan.events), sep="\n")
    print(f"\nwritten to {out}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.run", description=__doc__)
    parser.add_argument("--events", type=int, default=Plan.events, metavar="N", help="events of the main measurement")
    parser.add_argument(
        "--span-hours", type=float, default=1.0, metavar="H",
        help="event time they cover; by default a busy hour, the densest that a company of this size makes",
    )  # fmt: skip
    parser.add_argument("--only", action="append", choices=SECTIONS, help="measure this section; may be repeated")
    parser.add_argument("--quick", action="store_true", help="a few events: shows that it works, measures nothing")
    parser.add_argument("--sample", action="store_true", help="then see where a worker's threads spend their CPU")
    parser.add_argument("--out", type=Path, metavar="FILE", help="where to write the figures")
    return parser


if __name__ == "__main__":
    sys.exit(main())
