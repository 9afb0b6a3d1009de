"""Log set-up: one event a line, JSON for machines or coloured text for people, on standard error.

Two things never reach a log, whatever the level: what people typed or models answered, and secrets. Field names that
stand for them are masked, raw bytes are replaced by their size, and the Kafka clients, which print whole requests and
records at debug level, are held at info.
"""

import logging
import re
import sys
from collections.abc import Mapping
from typing import Any, Final, Literal, TextIO

import orjson
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

__all__ = ["CommitMarkerRetries", "LogFormat", "Repetitions", "configure_logging", "redact"]

LogFormat = Literal["json", "console", "auto"]

MASK: Final = "[redacted]"

#: Names of fields whose value is content or a secret. Token *counts* (``input_tokens``) are neither.
_SECRET_NAMES: Final = frozenset({
    "actor", "api_key", "authorization", "completion", "completions", "content", "cookie", "key", "message_content",
    "messages", "passphrase", "passwd", "password", "payload", "prompt", "prompts", "response_text", "secret", "token",
})  # fmt: skip
_SECRET_ENDINGS: Final = ("_key", "_secret", "_password", "_token", "_prompt", "_completion")
#: User and password in a URL, as in a registry's address.
_URL_CREDENTIALS: Final = re.compile(r"(?<=://)[^/@\s]+@")

#: Clients that print requests, and with them records, at debug level.
_RECORD_PRINTERS: Final = ("aiokafka", "kafka")
_CONNECTION_TELLERS: Final = ("kafka.net", "kafka.cluster")
_PRODUCE_LOGGER: Final = "aiokafka.producer.sender"


def configure_logging(level: str = "info", log_format: LogFormat = "auto", stream: TextIO | None = None) -> None:
    """Route structlog and the standard library (Faust, aiokafka) through one handler on ``stream``.

    ``auto`` is the console format on a terminal and JSON elsewhere. Replaces what was configured before. Start Faust's
    worker with ``override_logging=False``, or it replaces this in turn.
    """
    target = sys.stderr if stream is None else stream
    if log_format == "auto":
        log_format = "console" if target.isatty() else "json"
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        redact,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    handler = logging.StreamHandler(target)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_renderers(log_format, colors=target.isatty()),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in _RECORD_PRINTERS:
        logging.getLogger(name).setLevel(max(root.level, logging.INFO))
    # The admin client tells every connection attempt, and raises what matters.
    for name in _CONNECTION_TELLERS:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    sender = logging.getLogger(_PRODUCE_LOGGER)
    sender.filters[:] = [CommitMarkerRetries()]


def _renderers(log_format: LogFormat, *, colors: bool) -> list[Processor]:
    if log_format == "console":
        # The default prints local variables of each frame where rich is installed: records and keys among them.
        plain = structlog.dev.plain_traceback
        return [structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=plain)]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(serializer=_json)]


def _json(event: EventDict, **_: object) -> str:
    return orjson.dumps(event, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Mask content and secrets in a log event (a structlog processor)."""
    for name, value in event.items():
        if name[:1] != "_":
            event[name] = _masked(name, value)
    return event


def _masked(name: str, value: Any) -> Any:
    if name in _SECRET_NAMES or name.endswith(_SECRET_ENDINGS):
        return MASK
    if isinstance(value, str):
        return _URL_CREDENTIALS.sub(f"{MASK}@", value) if "@" in value else value
    if isinstance(value, bytes | bytearray | memoryview):
        return f"<{len(value)} bytes>"
    if isinstance(value, Mapping):
        return {inner: _masked(str(inner), item) for inner, item in value.items()}
    if isinstance(value, list | tuple):
        return [_masked("", item) for item in value]
    return value


class CommitMarkerRetries(logging.Filter):
    """Lowers aiokafka's NOT_ENOUGH_REPLICAS warnings that follow each transaction to debug level.

    Right after a commit the broker refuses the next transaction's first records for some milliseconds, while the
    markers of the last one are written; the client retries by itself. The same error that lasts means that replicas are
    down: then one warning passes every ``REPEAT_SECONDS``.
    """

    #: Markers are written within milliseconds; whoever still waits after this is not waiting for them.
    LASTING_SECONDS: Final = 5.0
    #: Retries of one streak come within the back-off of each other, which is far below this.
    GAP_SECONDS: Final = 1.0
    REPEAT_SECONDS: Final = 30.0

    def __init__(self) -> None:
        super().__init__()
        self._streaks: dict[str, tuple[float, float]] = {}
        self._warned: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is shown; changes its level where it only reports the markers."""
        arguments = record.args
        if not isinstance(arguments, tuple) or len(arguments) != 2 or "NotEnoughReplicasError" not in str(arguments[1]):
            return True
        partition, now = str(arguments[0]), record.created
        began, last = self._streaks.get(partition, (now, now))
        if now - last > self.GAP_SECONDS:
            began = now
        self._streaks[partition] = (began, now)
        if now - began >= self.LASTING_SECONDS:
            if now - self._warned.get(partition, float("-inf")) < self.REPEAT_SECONDS:
                return False
            self._warned[partition] = now
            return True
        record.levelno, record.levelname = logging.DEBUG, "DEBUG"
        return logging.getLogger().isEnabledFor(logging.DEBUG)


class Repetitions(logging.Filter):
    """Lets a message through once in ``EVERY_SECONDS``, whatever its arguments: for clients that tell each of many tries."""

    EVERY_SECONDS: Final = 30.0

    def __init__(self) -> None:
        super().__init__()
        self._shown: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is shown."""
        if record.created - self._shown.get(record.msg, float("-inf")) < self.EVERY_SECONDS:
            return False
        self._shown[record.msg] = record.created
        return True
