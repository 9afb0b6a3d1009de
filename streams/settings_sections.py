"""The sections of the settings: one frozen model per nested key of the configuration file."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from streams.settings_layers import header_name, http_url, http_urls, receiver_url, url_path

__all__ = [
    "AlertmanagerSettings",
    "ConsoleSettings",
    "DeadLetterSettings",
    "DedupeSettings",
    "ForwardSettings",
    "IngestSettings",
    "MetricSettings",
    "OutcomeSettings",
    "PriceSettings",
    "StateSettings",
    "WebhookSettings",
    "WindowSettings",
]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class WindowSettings(_Section):
    """When a window closes and how long it may still be corrected, in seconds of event time."""

    lateness_seconds: Annotated[int, Field(ge=0, le=86_400)] = 60
    """How far the watermark stays behind the newest event."""
    grace_seconds: Annotated[int, Field(ge=0, le=30 * 86_400)] = 86_400
    """How long a closed window is still corrected; later events are dead-lettered as too_late."""
    idle_seconds: Annotated[int, Field(ge=1, le=86_400)] = 30
    """Silence of a partition after which the clock moves its watermark on."""
    far_future_seconds: Annotated[int, Field(ge=1, le=86_400)] = 600
    """How far ahead of the clock an event may lie before it is dead-lettered."""

    @model_validator(mode="after")
    def _grace_covers_lateness(self) -> "WindowSettings":
        if self.grace_seconds < self.lateness_seconds:
            raise ValueError(
                f"windows.grace_seconds ({self.grace_seconds}) is shorter than windows.lateness_seconds "
                f"({self.lateness_seconds}); make the grace at least as long"
            )
        return self


class DedupeSettings(_Section):
    """How long, and how many, identities of events are remembered."""

    horizon_days: Annotated[int, Field(ge=1, le=30)] = 3
    """How long an event id is remembered; a later copy counts again."""
    request_horizon_days: Annotated[int, Field(ge=1, le=30)] = 2
    """How long a provider's request id is remembered, to join sources that saw the same call."""
    max_ids_per_partition: Annotated[int, Field(ge=1_000, le=2**32)] = 50_000_000
    """Bound on remembered ids of one partition; the oldest hours go first."""


class OutcomeSettings(_Section):
    """How far back outcomes reach, and when spend counts as having led to nothing."""

    horizon_days: Annotated[int, Field(ge=8, le=365)] = 30
    """How far back outcomes and reversals are taken, and how long runs and windows are kept: a day more than the grace."""
    maturity_days: Annotated[float, Field(gt=0, le=364)] = 7
    """How long after its beginning a run may come to something, until the team's own outcomes teach it."""

    @model_validator(mode="after")
    def _maturity_within_horizon(self) -> "OutcomeSettings":
        if self.maturity_days > self.horizon_days - 1:
            raise ValueError(
                f"outcomes.maturity_days ({self.maturity_days:g}) must be at least a day shorter than "
                f"outcomes.horizon_days ({self.horizon_days}): a run must be known when it becomes mature"
            )
        return self


class PriceSettings(_Section):
    """What tokens cost, to check and to fill in what sources report."""

    book: Annotated[Path, AfterValidator(Path.expanduser)] | None = None
    """Price book: YAML, or LiteLLM's model_prices_and_context_window.json as it is."""
    divergence: Annotated[float, Field(ge=0, le=1)] = 0.05
    """Share by which a reported and a computed cost may differ before they count as diverging."""


class DeadLetterSettings(_Section):
    """When so much is rejected that the worker must stop rather than dead-letter everything."""

    max_share: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Share of rejected records in the window above which the worker stops; 1 never stops."""
    window: Annotated[int, Field(ge=1, le=10_000_000)] = 1_000
    """Number of latest records of a partition that max_share looks at."""


class StateSettings(_Section):
    """Memory that the local stores of one worker share, in mebibytes."""

    block_cache_mb: Annotated[int, Field(ge=1, le=65_536)] = 64
    """RocksDB block cache."""
    write_buffer_mb: Annotated[int, Field(ge=1, le=4_096)] = 64
    """RocksDB write buffer."""


class MetricSettings(_Section):
    """Bounds of what the worker exposes to Prometheus."""

    max_series: Annotated[int, Field(ge=100, le=1_000_000)] = 5_000
    """Series a worker may expose; further label values are folded into 'other'."""


class ForwardSettings(_Section):
    """What the bridges of `assay forward` have in common."""

    console_url: Annotated[str, AfterValidator(http_url)] | None = None
    """Where people look at alerts; links lead to /alerts/ALERT_ID below it."""
    timeout_seconds: Annotated[float, Field(gt=0, le=300)] = 10.0
    """How long the receiver may take to answer."""
    metrics_host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    """Address of the bridge's metrics; there is no login."""
    metrics_port: Annotated[int, Field(ge=0, le=65_535)] = 0
    """Port of the bridge's metrics; 0 serves none."""


class AlertmanagerSettings(_Section):
    """The bridge to Alertmanager, `assay forward alertmanager`."""

    url: Annotated[str, AfterValidator(http_url)] | None = None
    """Alertmanager's address, such as http://alertmanager:9093, with user and password if it has them."""
    group: Annotated[str, Field(min_length=1, max_length=249)] = "assay-alertmanager"
    """Consumer group of the bridge, the topic prefix put before it; bridges of one group share the alerts."""
    resolve_after_seconds: Annotated[int, Field(ge=4, le=86_400)] = 300
    """How long Alertmanager takes an alert for firing without being told again; it is told four times as often."""


class WebhookSettings(_Section):
    """The bridge to a webhook, `assay forward webhook`."""

    url: Annotated[str, AfterValidator(receiver_url)] | None = None
    """Where alerts are posted, with user and password if it has them."""
    group: Annotated[str, Field(min_length=1, max_length=249)] = "assay-webhook"
    """Consumer group of the bridge, the topic prefix put before it; bridges of one group share the alerts."""
    secret_file: Annotated[Path, AfterValidator(Path.expanduser)] | None = None
    """File with a secret in each line, of 24 bytes or more; each makes a signature."""
    mode: Literal["structured", "binary"] = "structured"
    """How CloudEvents are put into a request: whole in the body, or the attributes in headers."""
    start: Literal["earliest", "latest"] = "earliest"
    """Where a new group begins: with the last record of every alert, or with what comes next."""


class IngestSettings(_Section):
    """The service that receives what other systems post, `assay ingest`."""

    host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    """Address that systems post to."""
    port: Annotated[int, Field(ge=0, le=65_535)] = 6068
    """Port that systems post to; 0 takes a free one."""
    web_host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    """Address of health and metrics; there is no login."""
    web_port: Annotated[int, Field(ge=0, le=65_535)] = 6069
    """Port of health and metrics; 0 takes a free one."""
    sources_file: Annotated[Path, AfterValidator(Path.expanduser)] | None = None
    """File of who may post what, and whose the events are, in YAML."""
    insecure_no_auth: bool = False
    """Take everything from everybody, on a loopback address only: development and demos."""
    tls_certificate_file: Annotated[Path, AfterValidator(Path.expanduser)] | None = None
    """Certificate chain in PEM; with it, and its key, only TLS is spoken."""
    tls_key_file: Annotated[Path, AfterValidator(Path.expanduser)] | None = None
    """Private key of the certificate, in PEM."""
    default_team: Annotated[str, Field(min_length=1, max_length=200)] = "unattributed"
    """Team of what no credential, rule or payload gives to another."""
    default_workflow: Annotated[str, Field(min_length=1, max_length=200)] = "unattributed"
    """Workflow of usage that names none."""
    prompt_fingerprints: bool = True
    """Make keyed fingerprints of prompts; without them repeated work is not seen, and no prompt is looked at."""
    max_body_bytes: Annotated[int, Field(ge=65_536, le=256 * 1_048_576)] = 8 * 1_048_576
    """Longest body that is taken, as it is sent."""
    max_inflated_bytes: Annotated[int, Field(ge=65_536, le=1_024 * 1_048_576)] = 64 * 1_048_576
    """Longest body that is taken once it is out of its compression."""
    read_timeout_seconds: Annotated[float, Field(gt=0, le=600)] = 30.0
    """Within how long all of a body must have come."""
    max_connections: Annotated[int, Field(ge=1, le=100_000)] = 1_000
    """Connections at the same time; more are told to come back."""
    max_memory_mb: Annotated[int, Field(ge=16, le=65_536)] = 256
    """Mebibytes that bodies in work may hold together; further ones wait, then are told to come back."""
    kafka_patience_seconds: Annotated[float, Field(gt=0, le=60)] = 1.0
    """How long a body waits for Kafka before it goes to the spool."""
    spool_dir: Annotated[Path, AfterValidator(Path.expanduser)] | None = None
    """Directory of the spool, one for each process; `ingest-spool` in data_dir by default."""
    spool_mb: Annotated[int, Field(ge=64, le=1_048_576)] = 1_024
    """Mebibytes that the spool may take up while Kafka is away."""

    @model_validator(mode="after")
    def _both_of_tls(self) -> "IngestSettings":
        if (self.tls_certificate_file is None) != (self.tls_key_file is None):
            raise ValueError(
                "ingest.tls_certificate_file and ingest.tls_key_file belong together; give both or neither"
            )
        return self


class ConsoleSettings(_Section):
    """The pages for people, `assay console`."""

    host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    """Address of the pages."""
    port: Annotated[int, Field(ge=0, le=65_535)] = 6070
    """Port of the pages; 0 takes a free one."""
    web_host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    """Address of health and metrics; there is no login."""
    web_port: Annotated[int, Field(ge=0, le=65_535)] = 6071
    """Port of health and metrics; 0 takes a free one."""
    base_path: Annotated[str, AfterValidator(url_path)] = ""
    """Path before every page's, for an ingress that serves others beside it, such as /assay."""
    token_file: Annotated[Path, AfterValidator(Path.expanduser)] | None = None
    """File with a bearer token in each line, of 16 characters or more; who reads pages must send one of them."""
    identity_header: Annotated[str, AfterValidator(header_name)] | None = None
    """Header that an identity proxy sets on what it lets through; without it nobody reads a page."""
    insecure_no_auth: bool = False
    """Show pages to everybody on an address that is not loopback: where the network alone decides who may look."""
    workers: Annotated[str, AfterValidator(http_urls)] = ""
    """Addresses of workers' metrics, http://host:port separated by commas; a name with several addresses is as many workers."""
    ingests: Annotated[str, AfterValidator(http_urls)] = ""
    """The same of the metrics of `assay ingest`."""
    history_weeks: Annotated[int, Field(ge=2, le=53)] = 13
    """How many weeks of figures, and of resolved alerts, are kept in memory."""
    max_places: Annotated[int, Field(ge=100, le=1_000_000)] = 50_000
    """Teams and workflows that are kept; what there are more of is said and not shown."""
    max_alerts: Annotated[int, Field(ge=100, le=1_000_000)] = 10_000
    """Alerts that are kept; the oldest resolved ones go first."""
    max_connections: Annotated[int, Field(ge=1, le=10_000)] = 200
    """Connections at the same time; more are told to come back."""
    max_requests_per_second: Annotated[int, Field(ge=1, le=10_000)] = 100
    """Requests a second, over all readers; more are told to come back."""
