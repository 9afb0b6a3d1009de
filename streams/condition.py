"""How the worker is doing: feeds the metrics from what the shards report, and the health pages from what they are."""

from typing import TYPE_CHECKING

from streams.core.effects import Effects
from streams.shards.ownership import Ownership
from streams.telemetry.registry import Readings, Telemetry
from streams.telemetry.sensor import RebalanceSensor
from streams.telemetry.vocabulary import RecoverySource, Stage, StatePart, TransactionResult

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.state.rocks import RocksBudget

__all__ = ["Condition", "Reporter"]


class Reporter:
    """Turns what shards report into metrics (:class:`streams.shards.context.Observer`)."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry

    def committed(
        self, shard: int, effects: Effects, stages: dict[str, float], seconds: float, caught_up: bool
    ) -> None:
        """A transaction is visible."""
        telemetry = self._telemetry
        telemetry.effects(effects)
        events = 0
        for topic, counts in effects.counts.items():
            events += counts.received
            newest_ms = effects.newest.get(topic, 0)
            telemetry.progressed(topic, shard, newest_ms, applied=counts.applied, caught_up=caught_up)
        telemetry.transaction(TransactionResult.COMMITTED, events)
        for stage, spent in stages.items():
            telemetry.stage(Stage(stage), spent)
        telemetry.stage(Stage.COMMIT, seconds)

    def aborted(self, shard: int, result: str) -> None:
        """A transaction did not come about."""
        self._telemetry.transaction(TransactionResult(result))

    def released(self, shard: int) -> None:
        """The shard is not this worker's any more."""
        self._telemetry.released(shard)

    def recovered(self, shard: int, source: str, seconds: float, records: int) -> None:
        """A shard was taken over."""
        self._telemetry.recovered(RecoverySource(source), seconds)


class Condition:
    """The worker's present condition (:class:`streams.web.health.HealthState`), read at each request and scrape."""

    def __init__(
        self, ownership: Ownership, sensor: RebalanceSensor, budget: "RocksBudget", lag: "Callable[[], int]"
    ) -> None:
        self._ownership = ownership
        self._sensor = sensor
        self._budget = budget
        self._lag = lag
        self.assigned = False
        self.stopping_reason: str | None = None

    @property
    def recovering_shards(self) -> int:
        """Shards whose state is being restored."""
        return self._ownership.recovering

    @property
    def rebalancing(self) -> bool:
        """Whether the group is in the middle of a rebalance."""
        return self._sensor.rebalancing

    @property
    def last_progress_age_seconds(self) -> float | None:
        """Seconds since the slowest shard with work last finished a transaction."""
        return self._ownership.progress_age_s()

    @property
    def lag_records(self) -> int:
        """Records that wait in the worker's partitions."""
        return self._lag()

    def readings(self) -> Readings:
        """What a scrape shows of it."""
        standbys = self._ownership.standbys.values()
        lags = [standby.lag_records for standby in standbys if standby.lag_records is not None]
        usage = self._budget.usage_bytes()
        return Readings(
            recovering=self._ownership.recovering,
            active=len(self._ownership.running),
            standby=len(standbys),
            standby_lag_records=sum(lags) if lags else None,
            state_bytes={
                StatePart.BLOCK_CACHE: usage["block_cache"],
                StatePart.MEMTABLES: usage["memtables"],
                StatePart.FILTERS: self._ownership.remembered_bytes,
            },
            withheld_micro_usd=self._ownership.withheld_micro_usd,
        )
