"""For programs that read alerts and KPIs. Imports nothing of the worker but its core.

The Kafka client is loaded when a subscriber is first used: a receiver of webhooks needs none.
"""

from typing import TYPE_CHECKING

from streams.core.alerts import Alert
from streams.core.kpis import Kpi
from streams.subscribers.errors import BrokerUnavailable, InvalidSignature, SignatureProblem
from streams.subscribers.signature import verify_signature

if TYPE_CHECKING:
    from streams.subscribers.subscriber import AlertSubscriber, KpiSubscriber

__all__ = [
    "Alert",
    "AlertSubscriber",
    "BrokerUnavailable",
    "InvalidSignature",
    "Kpi",
    "KpiSubscriber",
    "SignatureProblem",
    "verify_signature",
]


def __getattr__(name: str) -> object:
    if name in {"AlertSubscriber", "KpiSubscriber"}:
        from streams.subscribers import subscriber

        return getattr(subscriber, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
