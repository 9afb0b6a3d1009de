"""For programs that publish: producer clients of usage and outcome events. Imports nothing of the worker but its core.

The producers are loaded when first used, so that a program needs only the Kafka client of the one it uses.
"""

from typing import TYPE_CHECKING

from streams.producers.delivery import Failure
from streams.producers.drafts import OutcomeFields, UsageFields
from streams.producers.errors import (
    BrokerUnavailable,
    BufferFull,
    DeliveryFailed,
    FlushTimeout,
    GivenUp,
    InvalidEvent,
    ProducerClosed,
    ProducerError,
)

if TYPE_CHECKING:
    from streams.producers.async_usage import AsyncUsageProducer
    from streams.producers.outcomes import OutcomeProducer
    from streams.producers.usage import UsageProducer

__all__ = [
    "AsyncUsageProducer",
    "BrokerUnavailable",
    "BufferFull",
    "DeliveryFailed",
    "Failure",
    "FlushTimeout",
    "GivenUp",
    "InvalidEvent",
    "OutcomeFields",
    "OutcomeProducer",
    "ProducerClosed",
    "ProducerError",
    "UsageFields",
    "UsageProducer",
]


def __getattr__(name: str) -> object:
    if name == "UsageProducer":
        from streams.producers.usage import UsageProducer

        return UsageProducer
    if name == "AsyncUsageProducer":
        from streams.producers.async_usage import AsyncUsageProducer

        return AsyncUsageProducer
    if name == "OutcomeProducer":
        from streams.producers.outcomes import OutcomeProducer

        return OutcomeProducer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
