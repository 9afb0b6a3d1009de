"""Faust's sensor hooks that we use: those of a rebalance, none of a message."""

from typing import Any

import faust
from faust.types import AppT

from streams.telemetry.registry import Telemetry

__all__ = ["RebalanceSensor"]


class RebalanceSensor(faust.Sensor):
    """Counts rebalances, and knows whether one is under way.

    ``rebalancing`` is true from the first revocation until the new assignment is recovered. The message hooks stay the
    empty ones of the base class: what happens to records is counted once a transaction.
    """

    def __init__(self, telemetry: Telemetry, **kwargs: Any) -> None:
        self._telemetry = telemetry
        self.rebalancing = False
        super().__init__(**kwargs)

    def on_rebalance_start(self, app: AppT) -> dict[str, Any]:
        """A rebalance began: counted now, because one that never ends must show, too."""
        self.rebalancing = True
        self._telemetry.rebalanced()
        return super().on_rebalance_start(app)

    def on_rebalance_end(self, app: AppT, state: dict[str, Any]) -> None:
        """The worker has its partitions and their state."""
        self.rebalancing = False
        super().on_rebalance_end(app, state)
