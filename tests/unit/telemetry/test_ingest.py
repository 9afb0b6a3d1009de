"""What the receiving side counts, by status, source and reason; and sources beyond the bound are one."""

from streams.core.reasons import Reason
from streams.sources.booking import Attribution
from streams.sources.contract import Form, Skip
from streams.telemetry.ingest import NO_SOURCE, IngestReadings, IngestTelemetry, TakenCounts
from streams.telemetry.ingest_catalogue import INGEST_CATALOGUE, KeptIn


def test_every_metric_of_the_catalogue_is_exposed_and_no_other() -> None:
    families = {family.name for family in IngestTelemetry(["a"], version="1").collect()}
    assert families == {metric.name.removesuffix("_total") for metric in INGEST_CATALOGUE}


def test_requests_count_by_the_class_of_their_status_and_begin_at_zero() -> None:
    telemetry = IngestTelemetry(["a"], version="1")
    for status in (200, 207, 400, 413, 503, 500):
        telemetry.answered("a", status, 0.02, 100)

    def count(source: str, status: str) -> float | None:
        return telemetry.registry.get_sample_value(
            "assay_ingest_requests_total", {"source": source, "status": status}
        )  # fmt: skip

    assert [count("a", status) for status in ("2xx", "4xx", "5xx")] == [2, 2, 2]
    assert count(NO_SOURCE, "4xx") == 0
    value = telemetry.registry.get_sample_value
    assert value("assay_ingest_body_bytes_total", {"source": "a"}) == 600
    assert value("assay_ingest_request_duration_seconds_bucket", {"source": "a", "le": "0.025"}) == 6
    assert value("assay_ingest_request_duration_seconds_bucket", {"source": "a", "le": "0.01"}) == 0


def test_items_count_by_what_became_of_them() -> None:
    telemetry = IngestTelemetry(["a"], version="1")
    counts = TakenCounts({Form.USAGE: 3, Form.OUTCOME: 1}, {Reason.EMPTY: 2}, {Skip.PARENT: 5}, {Attribution.DEFAULT: 4},
                         {"trailer": 1}, KeptIn.SPOOL)  # fmt: skip
    telemetry.took("a", counts)
    value = telemetry.registry.get_sample_value
    assert value("assay_ingest_accepted_total", {"source": "a", "form": "usage"}) == 3
    assert value("assay_ingest_refused_total", {"source": "a", "reason": "empty"}) == 2
    assert value("assay_ingest_skipped_total", {"source": "a", "reason": "parent"}) == 5
    assert value("assay_ingest_attributed_total", {"source": "a", "by": "default"}) == 4
    assert value("assay_ingest_linked_total", {"source": "a", "by": "trailer"}) == 1
    assert value("assay_ingest_kept_total", {"where": "spool"}) == 4
    assert value("assay_ingest_kept_total", {"where": "kafka"}) == 0


def test_the_present_condition_is_read_at_each_scrape() -> None:
    telemetry = IngestTelemetry([], version="1")
    telemetry.read_from(lambda: IngestReadings(True, 10, 20, 1.5, 30))
    value = telemetry.registry.get_sample_value
    assert value("assay_ingest_kafka_up") == 1
    assert (value("assay_ingest_spool_bytes"), value("assay_ingest_spool_limit_bytes")) == (10, 20)
    assert (value("assay_ingest_spool_age_seconds"), value("assay_ingest_memory_bytes")) == (1.5, 30)


def test_the_register_fits_the_bound_of_its_label() -> None:
    from streams.sources.catalogue import SOURCES

    (bound,) = {label.bound for metric in INGEST_CATALOGUE for label in metric.labels if label.name == "source"}
    assert bound is not None
    assert len(SOURCES) + 1 <= bound
