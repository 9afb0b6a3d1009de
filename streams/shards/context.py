"""What all shards of one worker share."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from streams.clock import Clock
from streams.core.effects import Effects
from streams.core.engine import EngineParams
from streams.core.events import UsageDecoder
from streams.core.findings import Judges
from streams.core.outcomes import OutcomeDecoder
from streams.core.prices import PriceBook
from streams.core.pseudonyms import Pseudonyms
from streams.shards.crashpoints import Crossing
from streams.shards.outputs import Encoders, Names
from streams.state.rocks import RocksBudget

__all__ = ["Observer", "ShardContext", "StageWatch"]


class Observer(Protocol):
    """Told what shards did, once a transaction; feeds metrics and must not fail."""

    def committed(
        self, shard: int, effects: Effects, stages: dict[str, float], seconds: float, caught_up: bool
    ) -> None:
        """A transaction is visible; ``stages`` are seconds of CPU by stage since the last one.

        ``caught_up`` when no record that has arrived is left over.
        """

    def aborted(self, shard: int, result: str) -> None:
        """A transaction did not come about: ``aborted`` or ``fenced``."""

    def released(self, shard: int) -> None:
        """The shard is not this worker's any more."""

    def recovered(self, shard: int, source: str, seconds: float, records: int) -> None:
        """A shard was taken over; ``source`` is local, standby or changelog."""


class StageWatch:
    """CPU seconds of the event loop's thread, by stage."""

    def __init__(self) -> None:
        self._since = 0.0
        self.seconds: dict[str, float] = {}

    def start(self) -> None:
        """Begin to measure: what went before belongs to nobody."""
        self._since = time.thread_time()

    def mark(self, stage: str) -> None:
        """Charge the time since the last mark to a stage."""
        now = time.thread_time()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self._since
        self._since = now

    def take(self) -> dict[str, float]:
        """What was measured since the last call."""
        taken, self.seconds = self.seconds, {}
        return taken


@dataclass(frozen=True, slots=True)
class ShardContext:
    """Settings and parts that every shard of a worker uses.

    ``ensure_schemas`` makes the writer schemas of a chunk's records known before the chunk is decoded.
    """

    brokers: str
    names: Names
    group: str
    data_dir: Path
    exactly_once: bool
    params: EngineParams
    judges: Judges | None
    prices: PriceBook | None
    decoder: UsageDecoder
    outcome_decoder: OutcomeDecoder
    pseudonyms: Pseudonyms
    encoders: Encoders
    partition_for: Callable[[str], int]
    budget: RocksBudget
    clock: Clock
    observer: Observer
    cross: Crossing
    commit_interval_s: float
    commit_max_events: int
    poison_max_share: float
    poison_window: int
    fenced_pause_s: float
    watch: StageWatch = field(default_factory=StageWatch)

    def store_path(self, partition: int) -> Path:
        """Where a shard's local store lies: apart by installation, so that no other's state is ever opened."""
        return self.data_dir / f"{self.names.prefix}{self.names.app_id}" / f"shard-{partition}"
