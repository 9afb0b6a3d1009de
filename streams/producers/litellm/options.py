"""What the logger is told by environment variables, the way LiteLLM's own callbacks are."""

import os
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from streams.core import topics
from streams.producers.litellm.sinks import Sink

__all__ = ["NAMES", "Options", "options_from"]

_PREFIX: Final = "LITELLM_ASSAY_"
#: The variables, without their prefix.
NAMES: Final = frozenset({
    "URL", "TOKEN", "TOKEN_FILE", "CA_FILE", "BROKERS", "TOPIC", "TEAM", "WORKFLOW", "PSEUDONYM_KEY_FILE",
    "FINGERPRINT_KEY_FILE", "SPOOL", "SPOOL_MEGABYTES",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Options:
    """How events are delivered. ``sink`` makes the way to the receiver; it is called in the delivering thread."""

    sink: Callable[[], Sink]
    spool: Path
    spool_bytes: int = 1024 * 1024 * 1024
    fingerprint_key: bytes | None = None


def options_from(environment: Mapping[str, str] = os.environ) -> Options:
    """Options from ``LITELLM_ASSAY_...``; raises ValueError that names the variable and the fix."""
    said = {
        name.removeprefix(_PREFIX): value for name, value in environment.items() if name.startswith(_PREFIX) and value
    }
    if unknown := said.keys() - NAMES:
        raise ValueError(f"{_PREFIX}{min(unknown)} is no setting of the logger: there are {', '.join(sorted(NAMES))}")
    if ("URL" in said) == ("BROKERS" in said):
        raise ValueError(f"set one of {_PREFIX}URL (assay ingest, with its path /litellm) and {_PREFIX}BROKERS (Kafka)")
    key = said.get("FINGERPRINT_KEY_FILE")
    megabytes = said.get("SPOOL_MEGABYTES", "1024")
    if not megabytes.isdecimal() or megabytes == "0":
        raise ValueError(f"{_PREFIX}SPOOL_MEGABYTES is not a whole number of megabytes: leave it out for 1024")
    return Options(
        sink=_http(said) if "URL" in said else _kafka(said),
        spool=Path(said["SPOOL"]).expanduser() if "SPOOL" in said else _default_spool(environment),
        spool_bytes=int(megabytes) * 1024 * 1024,
        fingerprint_key=_secret(key, "FINGERPRINT_KEY_FILE") if key else None,
    )


def _http(said: Mapping[str, str]) -> Callable[[], Sink]:
    url = said["URL"]
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).netloc:
        raise ValueError(f"{_PREFIX}URL is no http or https URL: give that of assay ingest, with its path /litellm")
    tls = ssl.create_default_context(cafile=said["CA_FILE"]) if "CA_FILE" in said else None
    file = said.get("TOKEN_FILE")
    if file:
        _secret(file, "TOKEN_FILE")

    def token() -> str | None:
        return Path(file).read_text().strip() if file else said.get("TOKEN")

    def sink() -> Sink:
        from streams.producers.litellm.http_sink import HttpSink

        return HttpSink(url, token=token, tls=tls)

    return sink


def _kafka(said: Mapping[str, str]) -> Callable[[], Sink]:
    if "PSEUDONYM_KEY_FILE" not in said:
        raise ValueError(
            f"set {_PREFIX}PSEUDONYM_KEY_FILE to the key that the worker has: no person's name goes to Kafka"
        )
    key = _secret(said["PSEUDONYM_KEY_FILE"], "PSEUDONYM_KEY_FILE")

    def sink() -> Sink:
        from streams.producers.litellm.kafka_sink import KafkaSink
        from streams.sources.booking import Binding

        binding = Binding(said.get("TEAM"), said.get("WORKFLOW"))
        return KafkaSink(said["BROKERS"], key=key, binding=binding, topic=said.get("TOPIC", topics.USAGE))

    return sink


def _secret(file: str, name: str) -> bytes:
    try:
        secret = Path(file).expanduser().read_bytes().rstrip(b"\r\n")
    except OSError as error:
        raise ValueError(f"{_PREFIX}{name}: cannot read the file ({error.strerror})") from None
    if not secret:
        raise ValueError(f"{_PREFIX}{name}: the file is empty")
    return secret


def _default_spool(environment: Mapping[str, str]) -> Path:
    state = environment.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(state).expanduser() / "assay" / "litellm"
