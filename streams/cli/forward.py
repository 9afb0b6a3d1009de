"""``assay forward``: alerts passed on to systems that do not read Kafka."""

import logging
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event
from typing import TYPE_CHECKING, NamedTuple

import click

from streams.cli.groups import CONTEXT_SETTINGS, AssayGroup, Lazy, command
from streams.cli.options import effective_settings, settings_options
from streams.core import topics
from streams.errors import ConfigError
from streams.settings import Settings

if TYPE_CHECKING:
    from streams.core.alerts import Alert
    from streams.subscribers.bridge import Bridge
    from streams.subscribers.bridge_metrics import BridgeMetrics
    from streams.subscribers.posting import Courier
    from streams.subscribers.reading import TopicReader

__all__ = ["alertmanager", "forward", "webhook"]

_SOURCE = ("brokers", "topic_prefix", "schema_registry_url")
_COMMON = (
    "session_timeout_seconds",
    "forward.timeout_seconds",
    "forward.metrics_host",
    "forward.metrics_port",
    "log_level",
    "log_format",
)


class _Source(NamedTuple):
    brokers: str
    topic: str
    group: str
    schema_registry_url: str | None


@click.group(
    "forward",
    cls=AssayGroup,
    context_settings=CONTEXT_SETTINGS,
    examples=(
        "assay forward alertmanager --url http://alertmanager:9093",
        "assay forward webhook --url https://example.com/hooks/assay --secret-file secrets",
    ),
    lazy={
        "alertmanager": Lazy("streams.cli.forward:alertmanager", "Keep an Alertmanager told of what fires."),
        "webhook": Lazy("streams.cli.forward:webhook", "Post every alert record as a signed CloudEvent."),
    },
)
def forward() -> None:
    """Pass alerts on to Alertmanager or a webhook.

    Runs until it is stopped. Delivery is at least once: what the receiver has not taken is tried again, now or after a
    restart.
    """


@command(
    "alertmanager",
    examples=(
        "assay forward alertmanager --url http://127.0.0.1:9093 --brokers 127.0.0.1:9092",
        "assay forward alertmanager --config assay.yaml --console-url https://assay.example.com --metrics-port 6067",
    ),
)
@settings_options(
    "alertmanager.url", "alertmanager.group", "alertmanager.resolve_after_seconds", "forward.console_url", *_SOURCE,
    *_COMMON,
)  # fmt: skip
def alertmanager() -> None:
    """Keep an Alertmanager told of what fires.

    Reads the topic of alerts from its beginning, tells Alertmanager (API v2) of all that fire, again and again as it
    wants to be told, and of each end. Stop it with SIGTERM or Ctrl-C; what fires then is taken for ended once
    --resolve-after-seconds have passed, unless it is started again before.
    """
    settings = effective_settings()
    chosen = settings.alertmanager
    url = _needed(chosen.url, "alertmanager.url", "--url http://alertmanager:9093")

    # Kafka's client is slow to import, and --help needs none.
    from streams.subscribers.alertmanager_bridge import AlertmanagerBridge

    def build(
        reader: "TopicReader[Alert]", courier: "Courier", metrics: "BridgeMetrics", now_ms: Callable[[], int]
    ) -> "Bridge":
        return AlertmanagerBridge(
            reader, courier, metrics, now_ms=now_ms, resolve_after_ms=chosen.resolve_after_seconds * 1_000,
            console_url=settings.forward.console_url,
        )  # fmt: skip

    # From the beginning in any case: the bridge itself rewinds.
    _run(settings, chosen.group, f"{url}/api/v2/alerts", build, earliest=True)


@command(
    "webhook",
    examples=(
        "assay forward webhook --url https://example.com/hooks/assay --secret-file /run/secrets/webhook",
        "assay forward webhook --url http://127.0.0.1:8080/ --secret-file secrets --mode binary --start latest",
    ),
)
@settings_options(
    "webhook.url", "webhook.group", "webhook.secret_file", "webhook.mode", "webhook.start", *_SOURCE, *_COMMON
)
@click.option("--binary", is_flag=True, help="The same as --mode binary.")
def webhook(binary: bool) -> None:
    """Post every alert record as a signed CloudEvent.

    CloudEvents 1.0, signed by HMAC-SHA256 as Standard Webhooks prescribes. Each record is one request, in the order of
    the log. A receiver answers 2xx to take it; 4xx but for 408 and 429 refuses it for good, which is logged and counted.
    Stop it with SIGTERM or Ctrl-C.
    """
    settings = effective_settings()
    chosen = settings.webhook
    url = _needed(chosen.url, "webhook.url", "--url https://example.com/hooks/assay")
    secrets = _secrets(settings)

    from streams.subscribers.webhook_bridge import WebhookBridge

    def build(
        reader: "TopicReader[Alert]", courier: "Courier", metrics: "BridgeMetrics", now_ms: Callable[[], int]
    ) -> "Bridge":
        is_binary = binary or chosen.mode == "binary"
        return WebhookBridge(reader, courier, metrics, now_ms=now_ms, secrets=secrets, binary=is_binary)

    _run(settings, chosen.group, url, build, earliest=chosen.start == "earliest")


def _run(
    settings: Settings,
    group: str,
    url: str,
    build: "Callable[[TopicReader[Alert], Courier, BridgeMetrics, Callable[[], int]], Bridge]",
    *,
    earliest: bool,
) -> None:
    from streams.logging import configure_logging
    from streams.subscribers.bridge import run_bridge
    from streams.subscribers.bridge_metrics import BridgeMetrics

    configure_logging(settings.log_level, settings.log_format)
    if settings.log_level == "info":
        # The client tells every step of joining a group, and says at warning what matters.
        logging.getLogger("kafka").setLevel(logging.WARNING)
    metrics = BridgeMetrics()
    if settings.forward.metrics_port:
        metrics.serve(settings.forward.metrics_host, settings.forward.metrics_port)
    prefix = settings.topic_prefix
    session_ms = int(settings.session_timeout_seconds * 1_000)
    source = _Source(settings.brokers, prefix + topics.ALERTS, prefix + group, settings.schema_registry_url)
    with _stop_on_signals() as stopped:
        run_bridge(
            source, url, build, earliest=earliest, timeout_seconds=settings.forward.timeout_seconds, metrics=metrics,
            stopping=stopped.is_set,
            client_options={"session_timeout_ms": session_ms, "heartbeat_interval_ms": min(3_000, session_ms // 3)},
        )  # fmt: skip


@contextmanager
def _stop_on_signals() -> Iterator[Event]:
    """Set on SIGTERM and Ctrl-C; a second Ctrl-C ends at once."""
    stopped = Event()
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def stop(number: int, _frame: object) -> None:
        stopped.set()
        signal.signal(number, before[signal.Signals(number)])

    for number in before:
        signal.signal(number, stop)
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _needed(value: str | None, key: str, example: str) -> str:
    if value is None:
        raise ConfigError(f"{key} is not set: say where alerts are to go, as in {example}")
    return value


def _secrets(settings: Settings) -> list[bytes]:
    from streams.subscribers.signature import parse_secrets

    path = settings.webhook.secret_file
    if path is None:
        raise ConfigError(
            "webhook.secret_file is not set: without a signature a receiver cannot know who posts; write one secret a "
            "line (openssl rand -hex 32) and give --secret-file FILE"
        )
    try:
        return parse_secrets(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"webhook.secret_file: cannot read {path} ({error.strerror}); give a file this user may read"
        ) from error
    except ValueError as error:
        raise ConfigError(f"webhook.secret_file: {path}: {error}") from error
