"""The pipeline of one shard, pure: decode → validate → dedupe → aggregate → close windows.

Given the same records in the same order and the same clock readings, an engine gives the same effects, however the
records are cut into chunks (as long as the dedupe horizons reach: when an id is forgotten follows transactions). It reads the store, never writes it: :meth:`Engine.drain` says what to write and send, and
whoever runs the engine makes all of that visible together before the next step.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Final, NamedTuple, cast

import orjson
from msgspec.structs import astuple
from xxhash import xxh3_64_intdigest

from streams.core import identity, keys
from streams.core.aggregate import Aggregate
from streams.core.closing import Closer
from streams.core.costing import CHECKS, UNPRICED, check, computed_cost
from streams.core.deadletters import DeadLetter, payload_of
from streams.core.dedupe import Memory
from streams.core.effects import Effects, Reroute, SourcePair
from streams.core.events import Decoded, Rejection, UsageDecoder, UsageEvent
from streams.core.prices import PriceBook
from streams.core.pseudonyms import Pseudonyms, iso_week
from streams.core.reasons import Reason
from streams.core.rows import Rows
from streams.core.store import StateView
from streams.core.windows import BASE_MS, Watermark

__all__ = ["Chunk", "Engine", "EngineParams"]

#: Bound on remembered hashes of run ids and on remembered placements of teams.
_CACHE_BOUND: Final = 100_000
#: Records that go through all stages together: what they decode to stays in the processor's cache from stage to stage,
#: which a whole chunk does not (measured: 500 take a fifth less time than 2,000, 250 no less than 500).
_SLICE: Final = 500
#: A usage event taken apart: its fields in the order of its class.
_Taken = tuple[
    str, str, int, str, str, str | None, str | None, str | None, str | None, str | None, str, str,
    int, int, int, int, int, int | None, str, str, str | None, dict[str, str],
]  # fmt: skip
_IDS: Final = b"i"
_REQUESTS: Final = b"r"


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


@dataclass(frozen=True, slots=True)
class EngineParams:
    """What an engine is told once. Times in milliseconds.

    ``lateness_ms`` delays the closing of windows for stragglers; an event later than that but within ``grace_ms``
    corrects its window; a later one is ``too_late``. ``divergence_permille`` is how far a reported and a computed cost may
    lie apart. ``seed`` keys the hashes of ids and must not change under a state.
    """

    lateness_ms: int = 60_000
    grace_ms: int = 86_400_000
    idle_ms: int = 30_000
    far_future_ms: int = 600_000
    dedupe_horizon_ms: int = 3 * 86_400_000
    request_horizon_ms: int = 2 * 86_400_000
    max_ids: int = 50_000_000
    seed: int = 0
    divergence_permille: int = 50
    config_version: str = ""


class Engine:
    """One shard's state machine. ``partition_for`` tells which partition a team belongs to.

    ``notes`` are whoever's who runs it: kept with the state, from transaction to transaction, and looked at by nobody
    here.
    """

    def __init__(
        self, params: EngineParams, store: StateView, decoder: UsageDecoder, pseudonyms: Pseudonyms, partition: int,
        partition_for: Callable[[str], int], stopwatch: Callable[[str], None] = lambda stage: None,
        prices: PriceBook | None = None,
    ) -> None:  # fmt: skip
        self._params = params
        self._prices = prices
        self._decoder = decoder
        self._pseudonyms = pseudonyms
        self._partition = partition
        self._partition_for = partition_for
        self._stopwatch = stopwatch
        meta = orjson.loads(store.get(keys.META) or b"{}")
        self.applied: dict[str, int] = meta.get("applied", {})
        self.notes: dict[str, Any] = meta.get("notes", {})
        self.watermark = Watermark(params.lateness_ms, *meta.get("watermark", (0, 0, 0)))
        self._rows = Rows(store, self.watermark.closing_ms)
        self._closer = Closer(self._rows, store, self.watermark, params.grace_ms, params.config_version)
        self._ids = Memory(_IDS, store, horizon_ms=params.dedupe_horizon_ms, max_members=params.max_ids)
        self._requests = Memory(
            _REQUESTS, store, horizon_ms=params.request_horizon_ms, paired=True, capacity=1 << 18,
            max_members=params.max_ids,
        )  # fmt: skip
        self._sources = identity.Sources(store)
        self._runs: dict[str, int] = {}
        self._places: dict[str, bool] = {}
        self._effects = Effects()
        self._arrived_ms = 0

    @property
    def remembered_bytes(self) -> int:
        """Memory held for duplicates."""
        return self._ids.size_bytes + self._requests.size_bytes

    @property
    def pending(self) -> Effects:
        """The effects since the last :meth:`drain`, to be looked at: what they write is not in them yet."""
        return self._effects

    def step(self, chunk: Chunk, now_ms: int) -> None:
        """Take in one chunk; records at or below the applied offset must have been cut off by the caller."""
        values, offsets = chunk.values, chunk.offsets
        for start in range(0, len(values), _SLICE):
            end = start + _SLICE
            self._take(chunk._replace(values=values[start:end], offsets=offsets[start:end]), now_ms)
        self.applied[chunk.topic] = chunk.next_offset
        self._arrived_ms = now_ms
        # A chunk without records moves the applied offset, too: that is worth a transaction.
        self._effects.of_topic(chunk.topic)

    def _take(self, chunk: Chunk, now_ms: int) -> None:
        decoded = self._decoder.decode(chunk.values)
        self._effects.of_topic(chunk.topic).received += len(decoded.events)
        first = len(self._effects.dead_letters)
        events, places = self._accepted(chunk, decoded, now_ms)
        self._stopwatch("decode")
        ids = identity.event_hashes(events, self._params.seed)
        requests = identity.request_hashes(events, self._params.seed)
        old_ids = self._ids.find(ids)
        old_requests = self._requests.find([request for request in requests if request])
        self._stopwatch("dedupe")
        self._apply(chunk, events, places, ids, requests, old_ids, old_requests, now_ms)
        if decoded.rejected:
            # In the order of the log, whichever stage refused them: chunks must not show.
            letters = self._effects.dead_letters
            letters[first:] = sorted(letters[first:], key=attrgetter("offset"))
        self._stopwatch("aggregate")

    def _apply(
        self, chunk: Chunk, events: Sequence[UsageEvent], places: Sequence[int], ids: list[int], requests: list[int],
        old_ids: dict[int, int], old_requests: dict[int, int], now_ms: int,
    ) -> None:  # fmt: skip
        """The loop over events: everything that it reads often is a local, as it costs most of all stages."""
        effects, rows, closer, watermark = self._effects, self._rows, self._closer, self.watermark
        fresh_ids, fresh_requests = self._ids.fresh, self._requests.fresh
        runs, here, numbers = self._runs, self._places, self._sources.numbers
        pseudonym = self._pseudonyms.pseudonym
        too_new = now_ms + self._params.far_future_ms
        newest, tick_at = watermark.newest_ms, self._tick_at()
        closed_before, too_late_before = closer.closed_before, closer.too_late_before
        bucket, in_bucket, actors, week = -1, rows.open.get(-1, {}), self._pseudonyms.of_week(iso_week(newest)), 0
        touched: list[Aggregate] = []
        prices, divergence, checks = self._prices, self._params.divergence_permille, [0] * len(CHECKS)
        applied = duplicate = 0
        for event, place, identifier, request in zip(events, places, ids, requests, strict=True):
            # One call into C, and typed from here on: compiled, reading attributes one by one takes six times as long.
            (
                _, source, at, team, workflow, person, run_id, _, _, _, _, _, fresh, read, write, output, reasoning,
                reported, status, _, _, _,
            ) = cast(_Taken, astuple(event))  # fmt: skip
            if not here.get(team) and not self._belongs(chunk, place, team):
                continue
            if identifier in fresh_ids or identifier in old_ids:
                duplicate += 1
                continue
            if at > newest:
                if at > too_new:
                    self._dead_letter(chunk, place, Reason.FAR_FUTURE, _far(at, now_ms), now_ms)
                    continue
                newest = at
                if at >= tick_at:
                    self._stopwatch("aggregate")
                    watermark.observe(at)
                    rows.touched(touched)
                    closer.tick(effects)
                    touched, tick_at, bucket = [], self._tick_at(), -1
                    closed_before, too_late_before = closer.closed_before, closer.too_late_before
                    self._stopwatch("close")
            if at // BASE_MS != bucket:
                bucket = at // BASE_MS
                if bucket < too_late_before:
                    self._dead_letter(chunk, place, Reason.TOO_LATE, _late(at, too_late_before), now_ms)
                    bucket = -1
                    continue
                in_bucket = rows.open.get(bucket) or rows.open.setdefault(bucket, {})
                week = iso_week(at)
                actors = self._pseudonyms.of_week(week)
            if request:
                seen = numbers.get(source, -1)
                if seen < 0:
                    seen = self._sources.number(source)
                said = identity.witness(fresh + read + write, output, at, seen)
                earlier = fresh_requests.get(request, old_requests.get(request))
                if earlier is None:
                    fresh_requests[request] = said
                elif identity.source_of(earlier) != seen and self._same_call(earlier, said):
                    duplicate += 1
                    continue
            fresh_ids[identifier] = 0
            applied += 1
            run = 0 if run_id is None else runs.get(run_id) or self._run(run_id)
            actor = 0 if person is None else actors.get(person) or pseudonym(week, person)
            cost = UNPRICED if prices is None else computed_cost(prices, event)
            checks[check(reported, cost, fresh + read + write + output, divergence)] += 1
            if bucket < closed_before:
                closer.correct(event, run, actor, cost, effects)
                continue
            row = in_bucket.get((team, workflow)) or rows.opened(bucket, team, workflow)
            row.count(at, fresh, read, write, output, reasoning, reported, status == "error", run, actor, cost)
            if not row.touched:
                row.touched = True
                touched.append(row)
        rows.touched(touched)
        watermark.observe(newest)
        counts = effects.of_topic(chunk.topic)
        counts.applied += applied
        counts.duplicate += duplicate
        for kind, count in zip(CHECKS, checks, strict=True):
            if count:
                effects.cost_checks[kind] += count

    def idle(self, now_ms: int, *, waiting: bool = False) -> None:
        """Let time pass; call about once a second while no record arrives.

        ``waiting`` when there are records that have not arrived yet: the partition is not idle then, it is behind.
        """
        if not self._arrived_ms or waiting:
            self._arrived_ms = now_ms
        idle_for = now_ms - self._arrived_ms
        if idle_for >= self._params.idle_ms:
            self.watermark.idle(idle_for, now_ms)
            if self._closer.due:
                self._closer.tick(self._effects)

    def finish(self) -> None:
        """Close every window, at the end of a finite log."""
        self.watermark.closing_ms = max(self.watermark.closing_ms, self.watermark.newest_ms + 2 * 86_400_000)
        self._closer.tick(self._effects)

    def drain(self) -> Effects:
        """All effects since the last drain, the state's changes included; empty of writes if nothing happened."""
        effects, self._effects = self._effects, Effects()
        writes = effects.writes
        if effects.counts or effects.publications or writes:
            mark = self.watermark
            self._ids.drain(mark.newest_ms, mark.value_ms, writes)
            self._requests.drain(mark.newest_ms, mark.value_ms, writes)
            self._sources.drain(writes)
            self._rows.drain(writes)
            meta: dict[str, Any] = {
                "applied": self.applied, "watermark": (mark.newest_ms, mark.value_ms, mark.closing_ms),
            }  # fmt: skip
            if self.notes:
                meta["notes"] = self.notes
            writes[keys.META] = orjson.dumps(meta, option=orjson.OPT_SORT_KEYS)
        effects.applied = dict(self.applied)
        effects.newest_ms = self.watermark.newest_ms
        effects.watermark_ms = self.watermark.value_ms
        self._stopwatch("close")
        return effects

    def _tick_at(self) -> int:
        """The event time that takes the watermark over its next 5-minute border."""
        return (self.watermark.value_ms // BASE_MS + 1) * BASE_MS + self._params.lateness_ms

    def _accepted(
        self, chunk: Chunk, decoded: Decoded[UsageEvent], now_ms: int
    ) -> tuple[list[UsageEvent], Sequence[int]]:
        """The events that decode lets through, and their places in the chunk; the others become dead letters."""
        if not decoded.rejected:
            return cast("list[UsageEvent]", decoded.events), range(len(decoded.events))
        events: list[UsageEvent] = []
        places: list[int] = []
        for place, event in enumerate(decoded.events):
            if isinstance(event, Rejection):
                self._dead_letter(chunk, place, event.reason, event.detail, now_ms)
            else:
                events.append(event)
                places.append(place)
        return events, places

    def _dead_letter(self, chunk: Chunk, place: int, reason: Reason, detail: str, now_ms: int) -> None:
        counts = self._effects.of_topic(chunk.topic)
        if reason is Reason.TOO_LATE:
            counts.late += 1
        else:
            counts.dead_lettered[reason] += 1
        payload, said = payload_of(chunk.values[place], detail)
        self._effects.dead_letters.append(
            DeadLetter(
                topic=chunk.topic, partition=chunk.partition, offset=chunk.offsets[place], reason=reason.value,
                detail=said, payload=payload, received_at=now_ms,
            )
        )  # fmt: skip

    def _belongs(self, chunk: Chunk, place: int, team: str) -> bool:
        """Whether a team's records belong in this partition; if not, the record is sent on."""
        partition = self._partition_for(team)
        if partition == self._partition:
            if len(self._places) >= _CACHE_BOUND:
                self._places.clear()
            self._places[team] = True
            return True
        self._effects.reroutes.append(Reroute(chunk.topic, partition, team.encode(), chunk.values[place] or b""))
        self._effects.of_topic(chunk.topic).rerouted += 1
        return False

    def _run(self, name: str) -> int:
        if len(self._runs) >= _CACHE_BOUND:
            self._runs.clear()
        run = self._runs[name] = xxh3_64_intdigest(name.encode(), self._params.seed) or 1
        return run

    def _same_call(self, earlier: int, said: int) -> bool:
        """Whether another source's earlier word on a request is the same call; counted by pair either way."""
        names = self._sources.names
        pair = SourcePair(names[identity.source_of(earlier)], names[identity.source_of(said)])
        if identity.agree(earlier, said):
            self._effects.duplicate_requests[pair] += 1
            return True
        self._effects.request_conflicts[pair] += 1
        return False


def _far(at: int, now_ms: int) -> str:
    return f"occurred_at is {(at - now_ms) // 1000} s ahead of the clock; set the producer's clock and send it again"


def _late(at: int, too_late_before: int) -> str:
    missed = -((at - too_late_before * BASE_MS) // 1000)
    return f"occurred_at is {missed} s older than what the grace still takes; its window is final"
