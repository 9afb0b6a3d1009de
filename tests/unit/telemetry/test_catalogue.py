"""The catalogue obeys Prometheus' naming rules and ours, stays within the series budget, and is what the docs say."""

from pathlib import Path

import pytest

from streams.telemetry.cardinality import scope_sets
from streams.telemetry.catalogue import CATALOGUE, markdown
from streams.telemetry.ingest_catalogue import INGEST_CATALOGUE
from streams.telemetry.metric import Kind, Metric
from streams.telemetry.reconciliation import RECONCILIATION_CATALOGUE

DOCS = Path(__file__).parents[3] / "docs" / "metrics.md"

#: Units that end a name; all others name the thing that is counted and stand somewhere within it.
SUFFIX_UNITS = {"seconds", "bytes", "usd", "info"}
#: Scaled units and abbreviations that a base unit must replace.
FORBIDDEN = {
    "ms",
    "milliseconds",
    "micro",
    "micros",
    "us",
    "minutes",
    "hours",
    "kb",
    "mb",
    "kilobytes",
    "percent",
    "pct",
}
IDENTITIES = {"actor", "user", "run", "run_id", "model", "event_id", "request_id", "offset", "key", "tool"}

ALL = [*CATALOGUE, *INGEST_CATALOGUE, *RECONCILIATION_CATALOGUE]
per_metric = pytest.mark.parametrize("metric", ALL, ids=lambda metric: metric.name)


def test_names_are_unique() -> None:
    names = [metric.name for metric in ALL]
    assert len(names) == len(set(names))


@per_metric
def test_a_name_has_our_prefix_a_base_unit_and_says_total_only_at_the_end_of_a_counter(metric: Metric) -> None:
    words = metric.name.split("_")
    assert words[0] == "assay"
    assert words[1] != "total"
    assert metric.name == metric.name.lower()
    assert "__" not in metric.name
    assert not FORBIDDEN & set(words)
    assert metric.name.endswith("_total") == (metric.kind is Kind.COUNTER)
    assert words.count("total") == (metric.kind is Kind.COUNTER)
    assert words[-1] not in {"count", "sum", "bucket", "created", "gauge", "counter", "histogram"}


@per_metric
def test_a_name_ends_with_its_unit(metric: Metric) -> None:
    words = metric.name.removesuffix("_total").split("_")
    if metric.unit in SUFFIX_UNITS:
        assert words[-1] == metric.unit
    else:
        assert not SUFFIX_UNITS & set(words)


@per_metric
def test_the_help_is_a_sentence(metric: Metric) -> None:
    assert metric.help[0].isupper()
    assert metric.help.endswith(".")
    assert "\n" not in metric.help
    assert "|" not in metric.help


# A reconciliation names models, fifty at most: they are those of a bill, which no producer writes.
@pytest.mark.parametrize("metric", [*CATALOGUE, *INGEST_CATALOGUE], ids=lambda metric: metric.name)
def test_labels_are_bounded_and_none_names_a_person_or_an_id(metric: Metric) -> None:
    names = [label.name for label in metric.labels]
    assert len(names) == len(set(names))
    assert not IDENTITIES & set(names)
    for label in metric.labels:
        assert not set(label.values or ()) & set(metric.name.split("_")), "a label's value must not be in the name"
        assert label.values is None or (label.bound is None and len(label.values) == len(set(label.values)))
        if label.size is None:
            assert label.name in {"team", "workflow"}, "only what the guard bounds may be open"


@per_metric
def test_only_histograms_have_buckets_and_they_ascend(metric: Metric) -> None:
    assert bool(metric.buckets) == (metric.kind is Kind.HISTOGRAM)
    assert list(metric.buckets) == sorted(set(metric.buckets))


@pytest.mark.parametrize("budget", [5_000, 10_000])
def test_the_worst_case_fits_the_budget(budget: int) -> None:
    bounded = sum(metric.worst_case_series or 0 for metric in CATALOGUE)
    per_scope = sum(metric.series_per_open_set for metric in CATALOGUE if metric.budgeted)
    sets = scope_sets(budget)
    assert sets > 500
    assert bounded + per_scope * (sets + 1) <= budget


def test_the_accounting_identity_has_a_metric_for_each_of_its_parts() -> None:
    names = {metric.name for metric in CATALOGUE}
    parts = ("received", "applied", "duplicate", "dead_lettered", "late", "rerouted")
    assert {f"assay_events_{part}_total" for part in parts} <= names


def test_the_documentation_is_the_catalogue() -> None:
    assert DOCS.read_text(encoding="utf-8") == markdown(), (
        "run: python -m streams.telemetry.catalogue > docs/metrics.md"
    )


def test_the_page_has_the_values_of_each_label_of_each_metric() -> None:
    """Several metrics have a label ``reason``, each with reasons of its own: none hides the others'."""
    rows = [line.split("|")[1:-1] for line in markdown(CATALOGUE).splitlines() if line.count("|") == 4]
    said = {
        (name.strip(" `"), metric.strip("` ")): values
        for name, metrics, values in rows
        for metric in metrics.split(",")
    }
    for metric in CATALOGUE:
        for label in metric.labels:
            if label.values:
                assert said[label.name, metric.name].strip() == ", ".join(f"`{value}`" for value in label.values)
