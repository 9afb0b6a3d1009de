"""Effects as Kafka records: which topic, which partition, which bytes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from streams.core import topics
from streams.core.deadletters import DeadLetter
from streams.core.effects import Effects
from streams.core.kpis import Kpi

__all__ = ["Encoders", "Names", "Output", "kpi_key", "outputs"]


class Output(NamedTuple):
    """One record to send."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes


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


def kpi_key(kpi: Kpi) -> bytes:
    """The compaction key of a window's result: the same for all of its revisions."""
    return f"{kpi.scope}|{kpi.team}|{kpi.workflow or ''}|{kpi.window_size_ms}|{kpi.window_start}".encode()


def outputs(effects: Effects, shard: int, names: Names, encoders: Encoders) -> Iterator[Output]:
    """All records that the effects ask for, the state's own excepted; results stay in the shard's partition."""
    kpis = names.of(topics.KPIS)
    for publication in effects.publications:
        yield Output(kpis, shard, kpi_key(publication.kpi), encoders.kpi(publication.kpi))
    dead_letters = names.of(topics.DEAD_LETTERS)
    for letter in effects.dead_letters:
        yield Output(dead_letters, shard, None, encoders.dead_letter(letter))
    for reroute in effects.reroutes:
        yield Output(reroute.topic, reroute.partition, reroute.key, reroute.value)
