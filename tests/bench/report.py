"""The figures as text: a table, where the CPU goes, and what is promised against what was measured."""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

__all__ = ["sampled", "table", "targets"]

_PROMISED_PER_CORE: Final = 100_000
_PROMISED_OVER_STOCK: Final = 60
_PROMISED_RSS_MB: Final = 600
_PROMISED_WITH_OUTCOMES: Final = 80_000
_PROMISED_RUNS_MB: Final = 800
_PROMISED_RESTART_S: Final = 10
_PROMISED_INWARD: Final = 5_000
_PROMISED_P99_MS: Final = 100
_PROMISED_LARGE_MS: Final = 200
_PROMISED_LITELLM: Final = 10_000
_PROMISED_SPANS: Final = 40_000
#: What a hundred times the workflows may cost of the promised throughput.
_GROWN_WORKFLOWS: Final = 40_000
_GROWN_SHARE: Final = 0.75
_NAMED: Final = (
    ("pipeline", "Assay, whole pipeline"),
    ("outcomes", "and an outcome for every 20 events"),
    ("open_runs", "and a run of its own for every event"),
    ("working_day", "the same events over a whole day"),
    ("core_only", "the pure core alone, no Kafka"),
    ("decode_only", "orjson.loads alone"),
    ("stock_faust", "stock Faust, windowed RocksDB table"),
    ("ingest", "over HTTP into Kafka, batches of 100"),
)
_TOP: Final = 15


class _Target(NamedTuple):
    what: str
    measured: float | None
    met: bool

    def __str__(self) -> str:
        if self.measured is None:
            return f"  not measured  {self.what}"
        return f"  {'met     ' if self.met else 'NOT MET '}      {self.what}: {self.measured:,.0f}"


def table(results: dict[str, Any]) -> str:
    """All figures, one line a measurement."""
    return "\n".join(_lines(results))


def _lines(results: dict[str, Any]) -> Iterator[str]:
    machine = results["machine"]
    yield (
        f"{results['events']:,} events over {results['span_seconds'] / 3600:g} h of event time, "
        f"{results['event_bytes']} bytes each; Python {results['python']}; "
        f"{machine['cpu']}, {machine['cores']} cores, load {machine['load_average']} when it began"
    )
    yield ""
    yield f"{'':40}{'events':>11}{'events/s':>11}{'/s a core':>11}{'CPU us':>9}{'RSS MB':>8}"
    for section, name in _NAMED:
        if section in results:
            yield _row(name, results[section])
    if "open_runs" in results:
        runs = results["open_runs"]
        yield (
            f"start with {runs['events']:,} open runs: {runs['restart_local_seconds']:.1f} s from local disk, "
            f"{runs['restart_changelog_seconds']:.1f} s from {runs['changelog_records']:,} records of the changelog "
            f"({runs['changelog_records_per_second']:,} records a second of each shard's recovery)"
        )
    if "ingest" in results:
        taken = results["ingest"]
        yield (
            f"over HTTP: p50 {taken['p50_ms']} ms, p99 {taken['p99_ms']} ms with {taken['connections']} connections; a body "
            f"of {taken['large_body_mb']} MB is answered in {taken['large_p50_ms']} ms ({taken['large_max_ms']} at the most)"
        )
    if "sources" in results:
        yield from _sources(results["sources"])
    for point in results.get("growth", ()):
        seen = results["workflows_seen"][str(point["workflows"])]
        name = f"{point['workflows']:,} workflows ({seen:,} seen), {point['partitions']} p."
        yield _row(name, {**point, "events": results["growth_events"]})
    yield ""
    for section in ("pipeline", "stock_faust"):
        if section in results:
            runs = ", ".join(f"{us:.1f}" for us in results[section]["cpu_us_per_event_runs"])
            yield f"{section}, CPU us an event of each run (the table has the median): {runs}"
    for section in ("pipeline", "core_only"):
        if section in results:
            stages = " ".join(f"{stage} {us:.2f}" for stage, us in results[section]["stages_us"].items())
            yield f"{section}, CPU us an event by stage: {stages}"
    if "pipeline" in results:
        threads = " ".join(f"{name} {us:.2f}" for name, us in results["pipeline"]["threads_us"].items())
        yield f"pipeline, CPU us an event by thread: {threads}"


def _sources(found: dict[str, Any]) -> Iterator[str]:
    for source, per_second in (
        ("litellm", "decode_events_per_second_per_core"),
        ("otlp", "decode_records_per_second_per_core"),
    ):
        for kind, figures in found[source].items():
            if per_second in figures:
                yield f"read {source}, {kind}: {figures[per_second]:,} a second of one core"
    yield "read one request, CPU us: " + ", ".join(
        f"{name} {it['decode_cpu_us']:,.0f}" for name, it in found["requests"].items()
    )


def _row(name: str, figures: dict[str, Any]) -> str:
    cpu_us, rss = figures["cpu_us_per_event"], figures.get("peak_rss_mb", "")
    return (
        f"{name:40}{figures['events']:>11,}{figures['events_per_second']:>11,}{1e6 / cpu_us:>11,.0f}"
        f"{cpu_us:>9.2f}{rss:>8}"
    )


def targets(results: dict[str, Any]) -> str:
    """What is promised, and whether these figures keep it."""
    pipeline = results.get("pipeline", {})
    per_core = pipeline.get("events_per_second_per_core")
    rss = pipeline.get("peak_rss_mb")
    ratio = results.get("pipeline_over_stock_faust")
    grown = next((p for p in results.get("growth", ()) if p["workflows"] == _GROWN_WORKFLOWS), None)
    grown_per_core = 1e6 / grown["cpu_us_per_event"] if grown else None
    seen = results.get("workflows_seen", {}).get(str(_GROWN_WORKFLOWS), 0)
    outcomes = results.get("outcomes", {}).get("events_per_second_per_core")
    runs = results.get("open_runs", {})
    runs_rss, restart = runs.get("peak_rss_mb"), runs.get("restart_local_seconds")
    least = _PROMISED_PER_CORE * _GROWN_SHARE
    found = [
        _Target(f"{_PROMISED_PER_CORE:,} events/s a core", per_core, (per_core or 0) >= _PROMISED_PER_CORE),
        _Target(f"{_PROMISED_OVER_STOCK} times stock Faust, by CPU", ratio, (ratio or 0) >= _PROMISED_OVER_STOCK),
        _Target(f"less than {_PROMISED_RSS_MB} MB", rss, (rss or 0) < _PROMISED_RSS_MB),
        _Target(
            f"{least:,.0f} events/s a core at {_GROWN_WORKFLOWS:,} workflows ({seen:,} of them with any event)",
            grown_per_core,
            (grown_per_core or 0) >= least,
        ),
    ]
    found += [
        _Target(
            f"{_PROMISED_WITH_OUTCOMES:,} events/s a core with an outcome for every 20", outcomes,
            (outcomes or 0) >= _PROMISED_WITH_OUTCOMES,
        ),
        _Target(
            f"less than {_PROMISED_RUNS_MB} MB with {runs.get('events', 0):,} open runs", runs_rss,
            (runs_rss or 0) < _PROMISED_RUNS_MB,
        ),
        _Target(
            f"less than {_PROMISED_RESTART_S} s to start again with them, from local disk", restart,
            (restart or 0) < _PROMISED_RESTART_S,
        ),
    ]  # fmt: skip
    taken = results.get("ingest", {})
    for what, name, bound in (
        (f"less than {_PROMISED_P99_MS} ms for 99 of 100 batches over HTTP", "p99_ms", _PROMISED_P99_MS),
        (f"less than {_PROMISED_LARGE_MS} ms for a body of 512 events of 12.5 kB", "large_p50_ms", _PROMISED_LARGE_MS),
    ):
        found.append(_Target(what, taken.get(name), taken.get(name, bound) < bound))
    read = results.get("sources", {})
    for what, source, kind, name, least in (
        ("LiteLLM's events of 12.5 kB", "litellm", "events", "decode_events_per_second_per_core", _PROMISED_LITELLM),
        ("OTLP's spans in protobuf", "otlp", "spans_protobuf", "decode_records_per_second_per_core", _PROMISED_SPANS),
    ):
        per_second = read.get(source, {}).get(kind, {}).get(name)
        found.append(_Target(f"{least:,} of {what} a second of one core", per_second, (per_second or 0) >= least))
    inward = taken.get("events_per_second_per_core")
    found.append(_Target(f"{_PROMISED_INWARD:,} events/s a core over HTTP", inward, (inward or 0) >= _PROMISED_INWARD))
    return "\n".join(["Targets:", *map(str, found)])


def sampled(report: dict[str, Any], events: int) -> str:
    """Where each thread of a sampled worker spent its CPU, in microseconds an event."""
    lines: list[str] = []
    for thread, seen in report.items():
        per_event = 1e6 / events
        if seen["cpu_seconds"] * per_event < 0.01 or thread == "sampler":
            continue
        lines.append(f"{thread}: {seen['cpu_seconds'] * per_event:.2f} CPU us an event; by line, then with all called")
        for kind in ("lines", "total"):
            lines += [f"  {spent * per_event:7.3f}  {name}" for name, spent in _top(seen[kind], kind)]
            lines.append("")
    return "\n".join(lines)


def _top(figures: dict[str, float], kind: str) -> list[tuple[str, float]]:
    """The most expensive ones; of whole call trees only our own and the clients' functions, not the frame around all."""
    items = list(figures.items())
    if kind == "total":
        items = [item for item in items if not item[0].startswith((".", "<", "/", "click/", "mode/", "cli/", "app.py"))]
    return items[:_TOP]
