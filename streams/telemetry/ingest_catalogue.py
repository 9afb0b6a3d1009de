"""The metrics of ``assay ingest``: a catalogue of its own, as a process is one or the other. Public as the worker's."""

from enum import StrEnum
from typing import Final

from streams.core.reasons import Reason
from streams.sources.booking import Attribution
from streams.sources.contract import Form, Skip
from streams.sources.linking import Link
from streams.telemetry.metric import Kind, Label, Metric

__all__ = ["INGEST_CATALOGUE", "KeptIn", "StatusClass"]


class StatusClass(StrEnum):
    """The first digit of an answer's status."""

    OK = "2xx"
    REFUSED = "4xx"
    BUSY = "5xx"


class KeptIn(StrEnum):
    """Where records became durable before their body was answered."""

    KAFKA = "kafka"
    SPOOL = "spool"


def _values(enum: type[StrEnum]) -> tuple[str, ...]:
    return tuple(member.value for member in enum)


_SOURCE: Final = Label("source", bound=24, note="the register of sources, and none for paths that are nobody's")
#: From a small batch that Kafka acknowledges at once to a body that waits out every patience.
_DURATIONS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

INGEST_CATALOGUE: Final[tuple[Metric, ...]] = (
    Metric(
        "assay_ingest_requests_total",
        Kind.COUNTER,
        "requests",
        "Requests answered, by the class of the status.",
        (_SOURCE, Label("status", _values(StatusClass))),
    ),
    Metric(
        "assay_ingest_request_duration_seconds",
        Kind.HISTOGRAM,
        "seconds",
        "From a request's headers to its answer, the reading of its body included.",
        (_SOURCE,),
        _DURATIONS,
    ),
    Metric(
        "assay_ingest_body_bytes_total",
        Kind.COUNTER,
        "bytes",
        "Bytes of bodies, as they were sent.",
        (_SOURCE,),
    ),
    Metric(
        "assay_ingest_accepted_total",
        Kind.COUNTER,
        "events",
        "Items of answered bodies that became events.",
        (_SOURCE, Label("form", _values(Form))),
    ),
    Metric(
        "assay_ingest_refused_total",
        Kind.COUNTER,
        "items",
        "Items of answered bodies that can never become events; their senders were told.",
        (_SOURCE, Label("reason", _values(Reason))),
    ),
    Metric(
        "assay_ingest_skipped_total",
        Kind.COUNTER,
        "items",
        "Items that were understood and left out on purpose; docs/sources says why.",
        (_SOURCE, Label("reason", _values(Skip))),
    ),
    Metric(
        "assay_ingest_attributed_total",
        Kind.COUNTER,
        "items",
        "Items by what told their team.",
        (_SOURCE, Label("by", _values(Attribution))),
    ),
    Metric(
        "assay_ingest_linked_total",
        Kind.COUNTER,
        "outcomes",
        "Outcomes by how they name their run, or why they name none; docs/linking.md has the rules.",
        (_SOURCE, Label("by", _values(Link))),
    ),
    Metric(
        "assay_ingest_kept_total",
        Kind.COUNTER,
        "events",
        "Events by where they were durable when their body was answered.",
        (Label("where", _values(KeptIn)),),
    ),
    Metric(
        "assay_ingest_kafka_up",
        Kind.GAUGE,
        "connections",
        "Whether Kafka takes events: 1, or 0 while they go to the spool.",
    ),
    Metric("assay_ingest_spool_bytes", Kind.GAUGE, "bytes", "What the spool takes up on disk."),
    Metric(
        "assay_ingest_spool_limit_bytes",
        Kind.GAUGE,
        "bytes",
        "What the spool may take up; when it is full, senders are told to come back.",
    ),
    Metric(
        "assay_ingest_spool_age_seconds",
        Kind.GAUGE,
        "seconds",
        "How long the oldest events of the spool have waited, 0 while it is empty.",
    ),
    Metric(
        "assay_ingest_memory_bytes",
        Kind.GAUGE,
        "bytes",
        "What bodies in work hold; ingest.max_memory_mb bounds it.",
    ),
    Metric(
        "assay_ingest_build_info",
        Kind.GAUGE,
        "info",
        "Always 1; the labels say what runs.",
        (Label("version", bound=1), Label("python", bound=1)),
    ),
)
