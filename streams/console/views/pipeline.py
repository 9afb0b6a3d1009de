"""The pipeline's stages as workers and ingest tell of them: rates, discards by reason, and what is wrong."""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from streams.console.asking import Site
from streams.console.scrapes import Target
from streams.report.words import plural

__all__ = ["Stage", "Worker", "problems", "stages", "worker_of"]

#: Two minutes: what is promised is one (docs/runbook.md), and event time may run in steps.
LATE_SECONDS: Final = 120.0


class Stage(NamedTuple):
    """One stage. None is unknown: nobody was asked, nobody answers, or there was one answer only so far."""

    name: str
    does: str
    unit: str
    rate: float | None
    lag_seconds: float | None
    has_lag: bool
    discards: tuple[tuple[str, float], ...] | None


class Worker(NamedTuple):
    """One worker process."""

    address: str
    up: bool
    problem: str
    version: str
    active: float | None
    standby: float | None
    recovering: float | None
    partitions: tuple[str, ...]
    lag_seconds: float | None


#: Stage, what it does, its unit, the counter of what leaves it, and the counters of what it discards with their label.
_STAGES: Final = (
    ("decode", "reads records", "records", "assay_events_received_total",
     (("assay_events_dead_lettered_total", "reason", ""), ("assay_events_rerouted_total", "", "rerouted"))),
    ("dedupe", "counts each once", "duplicates", "assay_events_duplicate_total", (("assay_events_duplicate_total", "", "duplicate"),)),
    ("aggregate", "adds up windows", "events", "assay_events_applied_total", (("assay_events_late_total", "", "too_late"),)),
    ("join", "joins outcomes to spend", "outcomes", "assay_outcome_joins_total", (("assay_outcome_joins_total", "join", ""),)),
    ("detect", "judges scopes", "verdicts", "assay_detector_decisions_total", (("assay_detector_decisions_total", "reason", ""),)),
    ("alert", "publishes changes", "records", "assay_alerts_total", ()),
)  # fmt: skip
#: Of counters that count everything by a label, the values that are discards.
_DISCARDS: Final = {
    "assay_outcome_joins_total": frozenset({"no_usage", "unknown_run", "unmatched_reversal"}),
    "assay_detector_decisions_total": frozenset(
        {"suppressed_by_parent", "declared", "snoozed", "group_minimum", "over_budget", "not_rare", "insufficient", "pending"}
    ),
}  # fmt: skip


def stages(site: Site) -> list[Stage]:
    """From ingest to alert."""
    workers, ingests = site.workers or (), site.ingests or ()
    lag = _worst(worker_of(it).lag_seconds for it in workers)
    found = [
        Stage(
            "ingest", "takes what systems post", "events", _rate(ingests, "assay_ingest_accepted_total"), None, False,
            _discarded(ingests, (("assay_ingest_refused_total", "reason", ""), ("assay_ingest_skipped_total", "reason", ""))),
        )
    ]  # fmt: skip
    for name, does, unit, counter, discards in _STAGES:
        has_lag = name == "aggregate"
        found.append(
            Stage(
                name,
                does,
                unit,
                _rate(workers, counter),
                lag if has_lag else None,
                has_lag,
                _discarded(workers, discards),
            )
        )
    return found


def worker_of(target: Target) -> Worker:
    """What a worker last said."""
    last = target.last
    if last is None:
        return Worker(target.address, False, target.problem, "", None, None, None, (), None)
    lags = last.by("assay_event_lag_seconds", "partition")
    version = next((key[0] for key in last.by("assay_build_info", "version")), "")
    return Worker(
        target.address, target.up, target.problem, version, last.total("assay_shards", role="active"),
        last.total("assay_shards", role="standby"), last.total("assay_recovering"),
        tuple(sorted((key[0] for key in lags), key=lambda it: (len(it), it))), max(_lags(target), default=None),
    )  # fmt: skip


def problems(site: Site) -> list[str]:
    """What is wrong now, a sentence each; empty if nothing is known to be."""
    said = [f"The console cannot read {it.topic}: {it.problem}." for it in site.feeds if it.problem]
    for kind, targets in (("worker", site.workers), ("ingest", site.ingests)):
        down = [it for it in targets or () if it.tried and not it.up]
        if down:
            said.append(
                f"{plural(len(down), kind)} of {len(targets or ())} {'does' if len(down) == 1 else 'do'} not answer."
            )
    workers = [worker_of(it) for it in site.workers or ()]
    recovering = sum(it.recovering or 0 for it in workers)
    if recovering:
        said.append(f"{plural(round(recovering), 'partition')} {'is' if recovering == 1 else 'are'} being restored.")
    late = [it.lag_seconds for it in workers if it.lag_seconds is not None and it.lag_seconds > LATE_SECONDS]
    if late and _rate(site.workers or (), "assay_events_applied_total"):
        said.append(f"The pipeline is {max(late):,.0f} s of event time behind.")
    said += [
        f"Kafka is away from ingest at {it.address}; what it takes is in its spool."
        for it in site.ingests or ()
        if it.last is not None and it.last.total("assay_ingest_kafka_up") == 0
    ]
    if site.figures.left_out:
        said.append(
            f"{plural(site.figures.left_out, 'team or workflow', 'teams and workflows')} more than console.max_places "
            "are not shown."
        )
    unreadable = sum(it.unreadable for it in site.feeds)
    if unreadable:
        said.append(f"{plural(unreadable, 'record')} on the topics cannot be read by this release.")
    return said


def _lags(target: Target) -> Iterable[float]:
    return () if target.last is None else target.last.by("assay_event_lag_seconds", "topic", "partition").values()


def _rate(targets: Sequence[Target], counter: str) -> float | None:
    rates = [it for it in (target.rate(counter) for target in targets) if it is not None]
    return sum(rates) if rates else None


def _worst(values: Iterable[float | None]) -> float | None:
    return max((it for it in values if it is not None), default=None)


def _discarded(
    targets: Sequence[Target], counters: Iterable[tuple[str, str, str]]
) -> tuple[tuple[str, float], ...] | None:
    """Since the processes began, by reason, none that is zero; None where nobody tells."""
    readings = [it.last for it in targets if it.last is not None]
    if not readings:
        return None
    sums: dict[str, float] = {}
    for reading in readings:
        for counter, label, reason in counters:
            for key, value in reading.by(counter, *((label,) if label else ())).items():
                name = reason or key[0]
                if value and name in _DISCARDS.get(counter, {name}):
                    sums[name] = sums.get(name, 0.0) + value
    return tuple(sorted(sums.items()))
