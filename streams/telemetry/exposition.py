"""The metrics as text for Prometheus."""

from typing import Final

from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from streams.telemetry.registry import Telemetry

__all__ = ["CONTENT_TYPE", "render"]

#: What :func:`render` must be served as.
CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4


def render(telemetry: Telemetry) -> bytes:
    """All metrics at one instant, in text format 0.0.4, UTF-8."""
    return generate_latest(telemetry.registry)
