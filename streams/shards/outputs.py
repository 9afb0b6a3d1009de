"""Effects as Kafka records: which topic, which partition, which bytes."""

from collections.abc import Callable
from dataclasses import dataclass

from streams.core import topics
from streams.core.alerts import Alert
from streams.core.deadletters import DeadLetter
from streams.core.effects import Effects
from streams.core.kpis import Kpi

__all__ = ["Encoders", "Names", "Outputs", "kpi_key", "outputs"]


#: Records to send, key and value, by topic and partition.
Outputs = dict[tuple[str, int], list[tuple[bytes | None, bytes]]]


@dataclass(frozen=True, slots=True)
class Names:
    """Topic names of one installation: the public ones behind a prefix, and the changelog of the state."""

    prefix: str
    app_id: str

    def of(self, topic: str) -> str:
        """The name of a public topic."""
        return self.prefix + topic

    @property
    def changelog(self) -> str:
        """The compacted topic that holds the state."""
        return f"{self.prefix}{self.app_id}-state-changelog"


@dataclass(frozen=True, slots=True)
class Encoders:
    """How outputs are written: Avro or JSON."""

    kpi: Callable[[Kpi], bytes]
    dead_letter: Callable[[DeadLetter], bytes]
    alert: Callable[[Alert], bytes]


def kpi_key(kpi: Kpi) -> bytes:
    """The compaction key of a window's result: the same for all of its revisions.

    Joined by the unit separator (0x1F), which no name can hold: two windows never share a key.
    """
    return f"{kpi.scope}\x1f{kpi.team}\x1f{kpi.workflow or ''}\x1f{kpi.window_size_ms}\x1f{kpi.window_start}".encode()


def outputs(effects: Effects, shard: int, names: Names, encoders: Encoders) -> Outputs:
    """All records that the effects ask for, the state's own excepted; results stay in the shard's partition."""
    found: Outputs = {}
    if effects.publications:
        encode = encoders.kpi
        found[names.of(topics.KPIS), shard] = [(kpi_key(kpi), encode(kpi)) for kpi in effects.publications]
    if effects.alerts:
        # The compaction key: of each alert the newest record stays.
        found[names.of(topics.ALERTS), shard] = [
            (alert.alert_id.encode(), encoders.alert(alert)) for alert in effects.alerts
        ]
    if effects.dead_letters:
        letters = [(None, encoders.dead_letter(letter)) for letter in effects.dead_letters]
        found[names.of(topics.DEAD_LETTERS), shard] = [*letters]
    for reroute in effects.reroutes:
        found.setdefault((reroute.topic, reroute.partition), []).append((reroute.key, reroute.value))
    return found
