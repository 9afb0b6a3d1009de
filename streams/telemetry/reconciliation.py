"""The gauges that ``assay reconcile --metrics`` writes, for the textfile collector of Prometheus' node exporter.

A catalogue of its own, as it is neither the worker's nor ingest's; docs/reconciliation.md has the same table. Nothing here is
labelled by day: the file tells the sums of the days that were compared, and Prometheus has the time.
"""

from collections import Counter
from collections.abc import Callable
from typing import Final

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from streams.reconciliation.comparing import Comparison, Reconciliation
from streams.reconciliation.verdicts import Figure, Verdict
from streams.telemetry.metric import Kind, Label, Metric

__all__ = ["RECONCILIATION_CATALOGUE", "render"]

_MOST_BILLERS: Final = 20
_MOST_MODELS: Final = 50
_OTHER: Final = "other"
#: The model of bills that name none.
_ALL: Final = "all"
_PLACE: Final = (
    Label("provider", bound=_MOST_BILLERS + 1, note="billers by tokens and money billed, then other"),
    Label(
        "model",
        bound=_MOST_MODELS + 2,
        note="families by tokens and money billed, then other; all where a bill names none",
    ),
)

RECONCILIATION_CATALOGUE: Final[tuple[Metric, ...]] = (
    Metric("assay_reconciliation_recorded_tokens", Kind.GAUGE, "tokens", "Tokens recorded where a bill tells them.", _PLACE),
    Metric("assay_reconciliation_billed_tokens", Kind.GAUGE, "tokens", "Tokens billed for the same.", _PLACE),
    Metric("assay_reconciliation_gap_tokens", Kind.GAUGE, "tokens", "Recorded less billed: below zero, telemetry is missing.", _PLACE),
    Metric("assay_reconciliation_recorded_usd", Kind.GAUGE, "usd", "Dollars recorded where a bill tells them.", _PLACE),
    Metric("assay_reconciliation_billed_usd", Kind.GAUGE, "usd", "Dollars billed for the same.", _PLACE),
    Metric("assay_reconciliation_gap_usd", Kind.GAUGE, "usd", "Recorded less billed, in dollars.", _PLACE),
    Metric(
        "assay_reconciliation_comparisons", Kind.GAUGE, "comparisons", "Days and models by verdict.",
        (Label("verdict", tuple(it.value for it in Verdict)),),
    ),
    Metric("assay_reconciliation_as_of_seconds", Kind.GAUGE, "seconds", "When was compared, in seconds since 1970."),
)  # fmt: skip


def render(found: Reconciliation, as_of_ms: int) -> bytes:
    """The gauges as text for Prometheus. Comparisons that cannot be made add to no sum."""
    registry = CollectorRegistry()
    gauges = {
        metric.name: Gauge(metric.name, metric.help, [label.name for label in metric.labels], registry=registry)
        for metric in RECONCILIATION_CATALOGUE
    }
    comparable = [it for it in found.comparisons if it.verdict is not Verdict.INCOMPARABLE]
    billers = _largest(comparable, lambda it: it.biller, _MOST_BILLERS)
    models = _largest(comparable, lambda it: it.model, _MOST_MODELS)
    for it in comparable:
        biller = it.biller if it.biller in billers else _OTHER
        model = _ALL if it.model is None else it.model if it.model in models else _OTHER
        for unit, figure, scale in (("tokens", it.tokens, 1), ("usd", it.dollars, 1_000_000)):
            _add(gauges, unit, figure, scale, (biller, model))
    for verdict in Verdict:
        number = sum(it.verdict is verdict for it in found.comparisons)
        gauges["assay_reconciliation_comparisons"].labels(verdict.value).set(number)
    gauges["assay_reconciliation_as_of_seconds"].set(as_of_ms / 1000)
    return generate_latest(registry)


def _add(gauges: dict[str, Gauge], unit: str, figure: Figure, scale: int, place: tuple[str, str]) -> None:
    """Unknown is not zero: a figure without one of its sides has no sample."""
    if not figure.whole or figure.recorded is None or figure.billed is None:
        return
    for name, value in (
        ("recorded", figure.recorded),
        ("billed", figure.billed),
        ("gap", figure.recorded - figure.billed),
    ):
        gauges[f"assay_reconciliation_{name}_{unit}"].labels(*place).inc(value / scale)


def _largest(comparisons: list[Comparison], name_of: Callable[[Comparison], str | None], most: int) -> set[str]:
    """The names of which most is billed: an export may have any number of them."""
    sizes: Counter[str] = Counter()
    for it in comparisons:
        if (name := name_of(it)) is not None:
            sizes[name] += (it.tokens.billed or 0) + (it.dollars.billed or 0)
    return {name for name, _ in sorted(sizes.items(), key=lambda size: (-size[1], size[0]))[:most]}
