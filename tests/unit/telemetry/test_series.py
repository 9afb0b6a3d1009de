"""Counters never fall, histograms are cumulative, gauges merge what shares a series."""

from prometheus_client.core import Metric as Family

from streams.telemetry.cardinality import LabelGuard
from streams.telemetry.metric import Kind, Label, Metric
from streams.telemetry.series import Counter, Gauge, Histogram, Labels

SPEND = Metric("assay_spend_usd_total", Kind.COUNTER, "usd", "Spend.", (Label("team"), Label("workflow")))
TIMES = Metric("assay_wait_seconds", Kind.HISTOGRAM, "seconds", "Waits.", (), (0.1, 1.0))
SIZES = Metric("assay_held_bytes", Kind.GAUGE, "bytes", "Held.", (Label("part", bound=2),))
AGES = Metric("assay_age_seconds", Kind.GAUGE, "seconds", "Age.", (Label("partition", bound=2),))


def labels(metric: Metric, *denied: str, room: int = 100) -> Labels:
    return Labels(metric, frozenset(denied), LabelGuard(room))


def samples(family: Family) -> dict[tuple[str, ...], float]:
    return {(sample.name, *sample.labels.values()): sample.value for sample in family.samples}


def test_a_counter_sums_integers_and_scales_only_when_read() -> None:
    counter = Counter(SPEND, labels(SPEND), 1_000_000)
    for _ in range(1_000):
        counter.add(("a", "x"), 100_001)
    assert samples(counter.family()) == {("assay_spend_usd_total", "a", "x"): 100.001}


def test_a_correction_downwards_is_worked_off_by_the_next_increases() -> None:
    counter = Counter(SPEND, labels(SPEND))
    read = []
    for amount in (10, -4, 3, 5, -1, -1, 10):
        counter.add(("a", "x"), amount)
        read.append(samples(counter.family())["assay_spend_usd_total", "a", "x"])
    assert read == [10, 10, 10, 14, 14, 14, 22]
    assert read == sorted(read)
    assert read[-1] == 10 - 4 + 3 + 5 - 1 - 1 + 10


def test_a_series_that_only_ever_fell_stands_at_zero() -> None:
    counter = Counter(SPEND, labels(SPEND))
    counter.add(("a", "x"), -5)
    assert samples(counter.family()) == {("assay_spend_usd_total", "a", "x"): 0}


def test_a_denied_label_is_summed_over() -> None:
    counter = Counter(SPEND, labels(SPEND, "workflow"))
    counter.add(("a", "x"), 1)
    counter.add(("a", "y"), 2)
    family = counter.family()
    assert [sample.labels for sample in family.samples] == [{"team": "a"}]
    assert samples(family) == {("assay_spend_usd_total", "a"): 3}


def test_label_sets_beyond_the_guard_sum_up_in_other_and_are_counted_by_label() -> None:
    kept = labels(SPEND, room=1)
    counter = Counter(SPEND, kept)
    for workflow in ("x", "y", "z"):
        counter.add(("a", workflow), 1)
    assert samples(counter.family()) == {
        ("assay_spend_usd_total", "a", "x"): 1,
        ("assay_spend_usd_total", "other", "other"): 2,
    }
    assert kept.take_overflows() == [("team", 2), ("workflow", 2)]
    assert kept.take_overflows() == []


def test_a_histogram_counts_an_observation_in_every_bucket_that_reaches_it() -> None:
    histogram = Histogram(TIMES, labels(TIMES))
    for value in (0.05, 0.1, 0.5, 3.0):
        histogram.observe((), value)
    assert samples(histogram.family()) == {
        ("assay_wait_seconds_bucket", "0.1"): 2,
        ("assay_wait_seconds_bucket", "1.0"): 3,
        ("assay_wait_seconds_bucket", "+Inf"): 4,
        ("assay_wait_seconds_count",): 4,
        ("assay_wait_seconds_sum",): 3.65,
    }


def test_gauges_that_share_a_series_are_summed_but_of_ages_the_worst_counts() -> None:
    sizes = Gauge(SIZES, labels(SIZES, "part")).family([(("cache",), 3), (("files",), 4)])
    ages = Gauge(AGES, labels(AGES, "partition")).family([(("0",), 3), (("1",), 9), (("2",), 1)])
    assert samples(sizes) == {("assay_held_bytes",): 7}
    assert samples(ages) == {("assay_age_seconds",): 9}


def test_a_gauge_keeps_nothing_between_scrapes() -> None:
    gauge = Gauge(AGES, labels(AGES))
    assert samples(gauge.family([(("0",), 3)])) == {("assay_age_seconds", "0"): 3}
    assert samples(gauge.family([])) == {}
