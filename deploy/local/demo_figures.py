"""The demo's figures: what the worker's metrics say while it runs, and what the topics say in the end."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from prometheus_client.parser import text_string_to_metric_families

from deploy.local.demo_planted import as_planted
from streams.core.alerts import Alert
from streams.core.avro import ALERT, DEAD_LETTER, KPI
from streams.core.deadletters import DeadLetter
from streams.core.kpis import Kpi
from streams.core.topics import ALERTS, DEAD_LETTERS, KPIS, USAGE
from streams.core.windows import Window
from streams.published import read_topic
from streams.report.ratios import known_spend

__all__ = ["Expected", "Figures", "Ingested", "Published", "figures_of", "ingested_of", "read_back", "summary"]


class Figures(NamedTuple):
    """One reading of the metrics; the first six are the records' fates, and ``received`` is the sum of the others.

    ``calls`` are applied usage events, the other applied ones are outcomes. ``partitions`` is how many partitions have
    applied usage, ``spend`` is in dollars by team.
    """

    received: int
    applied: int
    duplicates: int
    dead_lettered: int
    late: int
    rerouted: int
    calls: int
    windows: int
    revisions: int
    partitions: int
    spend: Mapping[str, float]

    @property
    def holds(self) -> bool:
        """Whether every record received is accounted for."""
        return self.received == self.applied + self.duplicates + self.dead_lettered + self.late + self.rerouted


class Expected(NamedTuple):
    """What must become of the records that were sent, known from how they were made."""

    applied: int
    duplicates: int
    dead_lettered: int
    late: int
    rerouted: int

    @property
    def received(self) -> int:
        """All of them; a rerouted record is received a second time, where it belongs."""
        return sum(self)


class Ingested(NamedTuple):
    """What became of the items that a foreign system posted to ``assay ingest``, those that it sent again among them."""

    accepted: int = 0
    refused: int = 0
    skipped: int = 0


#: What came of it where nobody posts.
_NOTHING: Final = Ingested()


class Published(NamedTuple):
    """What the output topics hold, for a reader of committed records."""

    kpis: Mapping[tuple[str, str, str | None, int, int], Kpi]
    dead_letters: list[DeadLetter]
    alerts: list[Alert]

    @property
    def calls(self) -> int:
        """Model calls, summed over the teams' weeks: each call that may be told lies in exactly one of them."""
        return sum(kpi.calls for kpi in self.weeks)

    @property
    def weeks(self) -> list[Kpi]:
        """The teams' weeks."""
        return [kpi for kpi in self.kpis.values() if kpi.scope == "team" and kpi.window_size_ms == Window.WEEK]

    def is_all_of(self, figures: Figures) -> bool:
        """Whether every call is told, but for those that teams say they withhold."""
        if any(kpi.withheld for kpi in self.weeks):
            return self.calls < figures.calls
        return self.calls == figures.calls


def figures_of(metrics: str) -> Figures:
    """The figures in a text of Prometheus metrics."""
    sums = Counter[str]()
    spend: defaultdict[str, float] = defaultdict(float)
    partitions = calls = 0
    for family in text_string_to_metric_families(metrics):
        for sample in family.samples:
            sums[sample.name] += int(sample.value)
            if sample.name == "assay_spend_usd_total":
                spend[sample.labels["team"]] += sample.value
            is_usage = sample.labels.get("topic", "").endswith(USAGE)
            partitions += sample.name == "assay_event_lag_seconds" and is_usage
            if sample.name == "assay_events_applied_total" and is_usage:
                calls += int(sample.value)
    return Figures(
        received=sums["assay_events_received_total"],
        applied=sums["assay_events_applied_total"],
        duplicates=sums["assay_events_duplicate_total"],
        dead_lettered=sums["assay_events_dead_lettered_total"],
        late=sums["assay_events_late_total"],
        rerouted=sums["assay_events_rerouted_total"],
        calls=calls,
        windows=sums["assay_windows_published_total"],
        revisions=sums["assay_window_revisions_total"],
        partitions=partitions,
        spend=dict(spend),
    )


def ingested_of(metrics: str) -> Ingested:
    """The same of the metrics of ``assay ingest``."""
    sums = Counter[str]()
    for family in text_string_to_metric_families(metrics):
        for sample in family.samples:
            sums[sample.name] += int(sample.value)
    return Ingested(*(sums[f"assay_ingest_{name}_total"] for name in Ingested._fields))


def read_back(brokers: str, prefix: str) -> Published:
    """Everything published so far, of each window and of each alert its highest revision.

    Raises:
        DependencyError: the topics cannot be read.
    """
    current: dict[tuple[str, str, str | None, int, int], Kpi] = {}

    def keep(kpi: Kpi) -> None:
        window = (kpi.scope, kpi.team, kpi.workflow, kpi.window_size_ms, kpi.window_start)
        if window not in current or kpi.revision > current[window].revision:
            current[window] = kpi

    letters: list[DeadLetter] = []
    read_topic(brokers, prefix + KPIS, KPI, keep)
    alerts: dict[str, Alert] = {}

    def note(alert: Alert) -> None:
        known = alerts.get(alert.alert_id)
        if known is None or alert.revision > known.revision:
            alerts[alert.alert_id] = alert

    read_topic(brokers, prefix + DEAD_LETTERS, DEAD_LETTER, letters.append)
    read_topic(brokers, prefix + ALERTS, ALERT, note)
    return Published(current, letters, list(alerts.values()))


def summary(
    figures: Figures, published: Published, expected: Expected, events_per_second: float, *,
    ingested: Ingested = _NOTHING, posted: Ingested = _NOTHING,
) -> dict[str, Any]:  # fmt: skip
    """The demo's result. ``ingested`` is what ingest says of what was ``posted`` to it.

    ``accounting_holds`` says that metrics, topics and what was sent tell one story, ``alerts_as_planted`` that alerts tell
    of what was planted and of nobody innocent. ``alerts_by_detector`` counts alerts, whether they are resolved by now or not.
    """
    kpis = published.kpis.values()
    holds = (
        figures.holds
        and figures.received == expected.received
        and Expected(*figures[1:6]) == expected
        and published.is_all_of(figures)
        and len(published.dead_letters) == figures.dead_lettered + figures.late
        and len(published.kpis) == figures.windows
        and ingested == posted
    )
    return {
        **dict(zip(Figures._fields[:6], figures[:6], strict=True)),
        "ingested": ingested.accepted,
        "ingest_refused": ingested.refused,
        "ingest_skipped": ingested.skipped,
        "teams": len({kpi.team for kpi in kpis}),
        "workflows": len({(kpi.team, kpi.workflow) for kpi in kpis if kpi.workflow is not None}),
        "windows": len(published.kpis),
        **_what_it_bought(published.weeks),
        "alerts_by_detector": dict(sorted(Counter(alert.detector for alert in published.alerts).items())),
        "events_per_second": round(events_per_second),
        "accounting_holds": holds,
        "alerts_as_planted": as_planted(published.alerts),
    }


def _what_it_bought(weeks: list[Kpi]) -> dict[str, Any]:
    """Sums of the teams' numerators over sums of their denominators; None where nothing is known."""
    accepted = sum(kpi.accepted or 0 for kpi in weeks)
    spend = sum(known_spend(kpi) or 0 for kpi in weeks)
    runs = sum(kpi.cohort_runs or 0 for kpi in weeks)
    mature_spend = sum(kpi.cohort_spend_micro_usd or 0 for kpi in weeks)
    orphan_spend = sum(kpi.cohort_orphan_spend_micro_usd or 0 for kpi in weeks)
    with_outcome = sum(kpi.cohort_runs_with_outcome or 0 for kpi in weeks)
    return {
        "accepted": accepted,
        "reversed": sum(kpi.reversed or 0 for kpi in weeks),
        "cost_per_accepted_micro_usd": round(spend / accepted) if accepted else None,
        "orphan_spend_ratio": round(orphan_spend / mature_spend, 4) if mature_spend else None,
        "outcome_coverage": round(with_outcome / runs, 4) if runs else None,
    }
