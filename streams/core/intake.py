"""Records on their way into an engine: chunks, which partition a team's records belong in, and those that are refused."""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, TypeVar, cast

import msgspec

from streams.core.deadletters import DeadLetter, payload_of
from streams.core.decoding import Decoded
from streams.core.effects import Effects, Reroute
from streams.core.reasons import Reason
from streams.core.rejections import Rejection

__all__ = ["Chunk", "Intake"]

#: Bound on remembered placements of teams.
_CACHE_BOUND: Final = 100_000
E = TypeVar("E", bound=msgspec.Struct)


class Chunk(NamedTuple):
    """Records of one topic partition as the log has them, in order.

    ``fetch_start`` is the offset the fetch began at and ``next_offset`` the one it goes on from: what lies between
    them and is not in ``offsets`` (transaction markers, compacted records) does not exist.
    """

    topic: str
    partition: int
    offsets: Sequence[int]
    values: Sequence[bytes | None]
    next_offset: int
    fetch_start: int


class Intake:
    """Sorts out the records of one shard that are not applied. ``partition_for`` tells where a team's belong."""

    def __init__(self, partition: int, partition_for: Callable[[str], int]) -> None:
        self.here: dict[str, bool] = {}
        self._partition = partition
        self._partition_for = partition_for

    def accepted(
        self, chunk: Chunk, decoded: Decoded[E], now_ms: int, effects: Effects
    ) -> tuple[list[E], Sequence[int]]:
        """The events that decode lets through, and their places in the chunk; the others become dead letters."""
        if not decoded.rejected:
            return cast("list[E]", decoded.events), range(len(decoded.events))
        events: list[E] = []
        places: list[int] = []
        for place, event in enumerate(decoded.events):
            if isinstance(event, Rejection):
                self.refuse(chunk, place, event.reason, event.detail, now_ms, effects)
            else:
                events.append(event)
                places.append(place)
        return events, places

    def refuse(
        self, chunk: Chunk, place: int, reason: Reason, detail: str, now_ms: int, effects: Effects
    ) -> None:  # fmt: skip
        """Make a dead letter of a record."""
        counts = effects.of_topic(chunk.topic)
        if reason is Reason.TOO_LATE:
            counts.late += 1
        else:
            counts.dead_lettered[reason] += 1
        payload, said = payload_of(chunk.values[place], detail)
        effects.dead_letters.append(
            DeadLetter(
                topic=chunk.topic, partition=chunk.partition, offset=chunk.offsets[place], reason=reason.value,
                detail=said, payload=payload, received_at=now_ms,
            )
        )  # fmt: skip

    def belongs(self, chunk: Chunk, place: int, team: str, effects: Effects) -> bool:
        """Whether a team's records belong in this partition; if not, the record is sent on."""
        partition = self._partition_for(team)
        if partition == self._partition:
            if len(self.here) >= _CACHE_BOUND:
                self.here.clear()
            self.here[team] = True
            return True
        effects.reroutes.append(Reroute(chunk.topic, partition, team.encode(), chunk.values[place] or b""))
        effects.of_topic(chunk.topic).rerouted += 1
        return False
