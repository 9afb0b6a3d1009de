"""Prometheus' own checker accepts what a busy worker exposes."""

import subprocess
from collections import Counter

from prometheus_client import generate_latest

from streams.clock import FixedClock
from streams.core.effects import Counts, Effects, SourcePair
from streams.core.kpis import Kpi
from streams.core.outcomes import JoinResult
from streams.core.reasons import Reason
from streams.sources.booking import Attribution
from streams.sources.contract import Form, Skip
from streams.telemetry.catalogue import CATALOGUE
from streams.telemetry.exposition import render
from streams.telemetry.ingest import IngestReadings, IngestTelemetry, TakenCounts
from streams.telemetry.ingest_catalogue import INGEST_CATALOGUE, KeptIn
from streams.telemetry.registry import Readings, Telemetry
from streams.telemetry.vocabulary import RecoverySource, Stage, StatePart, TransactionResult
from tests.prometheus import promtool

__all__ = ["promtool"]

WINDOW = Kpi(
    scope="workflow", team='pay"ments\\', workflow="chat\nbot", window_size_ms=300_000, window_start=0,
    window_end=300_000, revision=1, calls=1, errors=0, input_tokens=2, cache_read_tokens=3, cache_write_tokens=4,
    output_tokens=5, reasoning_tokens=0, spend_micro_usd=1, priced_calls=1, unpriced_tokens=0, runs=0, runs_exact=True,
)  # fmt: skip


def check(promtool: str, exposition: bytes) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [promtool, "check", "metrics"], input=exposition.decode(), capture_output=True, text=True, check=False
    )


def test_promtool_finds_no_fault_with_the_metrics_of_a_busy_worker(promtool: str) -> None:
    telemetry = Telemetry(FixedClock(1_000_000), version="1", topics=["assay.usage.v1"])
    telemetry.effects(
        Effects(
            counts={"assay.usage.v1": Counts(2, 1, dead_lettered=Counter({Reason.EMPTY: 1}))},
            duplicate_requests=Counter({SourcePair('a"b\\c\nd', "é"): 1}),
            request_conflicts=Counter({SourcePair("a", "b"): 1}),
            publications=[WINDOW],
            said={(WINDOW.team, WINDOW.workflow or ""): (1, 2, 3, 4, 5)},
            joins=Counter({JoinResult.RUN: 1}),
            verdicts=Counter({("runaway", "first"): 1}),
        )
    )
    telemetry.progressed("assay.usage.v1", 0, 990_000, applied=1)
    telemetry.transaction(TransactionResult.COMMITTED, 2)
    telemetry.stage(Stage.DECODE, 0.1)
    telemetry.recovered(RecoverySource.LOCAL, 1)
    telemetry.read_from(lambda: Readings(1, 1, 1, 1, dict.fromkeys(StatePart, 1)))
    exposition = render(telemetry)
    checked = check(promtool, exposition)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
    sampled = {line.split("{")[0].split()[0] for line in exposition.decode().splitlines() if not line.startswith("#")}
    unsampled = {metric.name for metric in CATALOGUE if not any(name.startswith(metric.name) for name in sampled)}
    assert unsampled == {"assay_label_overflow_total"}, "what has no sample is not checked"


def test_promtool_finds_no_fault_with_the_metrics_of_a_busy_ingest(promtool: str) -> None:
    telemetry = IngestTelemetry(["litellm"], version="1")
    telemetry.answered("litellm", 200, 0.01, 1_000)
    telemetry.took(
        "litellm",
        TakenCounts(
            {Form.USAGE: 2}, {Reason.EMPTY: 1}, {Skip.LOOKUP: 1}, {Attribution.RULE: 2}, {"field": 1}, KeptIn.SPOOL
        ),
    )
    telemetry.read_from(lambda: IngestReadings(True, 1, 2, 3.5, 4))
    exposition = generate_latest(telemetry.registry)
    checked = check(promtool, exposition)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
    sampled = {line.split("{")[0].split()[0] for line in exposition.decode().splitlines() if not line.startswith("#")}
    assert {
        metric.name for metric in INGEST_CATALOGUE if not any(name.startswith(metric.name) for name in sampled)
    } == set()


def test_the_gate_bites(promtool: str) -> None:
    faulty = b"# TYPE assay_lag_ms gauge\nassay_lag_ms 1\n"
    assert check(promtool, faulty).returncode != 0
