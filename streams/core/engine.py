"""The pipeline of one shard, pure: decode → validate → dedupe → aggregate → join → close windows.

Given the same records in the same order and the same clock readings, an engine gives the same effects, however the
records are cut into chunks (as long as the dedupe horizons reach: when an id is forgotten follows transactions). It reads the store, never writes it: :meth:`Engine.drain` says what to write and send, and
whoever runs the engine makes all of that visible together before the next step.
"""

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any, Final, cast

import orjson
from msgspec.structs import astuple
from xxhash import xxh3_64_intdigest

from streams.core import identity, keys
from streams.core.aggregate import Aggregate, tried_in_vain
from streams.core.asked import ASK, Asked
from streams.core.closing import Closer
from streams.core.costing import CHECKS, UNPRICED, check, computed_cost
from streams.core.dedupe import Memory
from streams.core.dedupe_arrays import ArrayMemory
from streams.core.detecting import Detect
from streams.core.effects import Effects, SourcePair
from streams.core.episodes import Listener
from streams.core.events import UsageDecoder, UsageEvent
from streams.core.figures import Figures
from streams.core.findings import Judges
from streams.core.intake import Chunk, Intake
from streams.core.joining import Joiner
from streams.core.outcomes import OutcomeDecoder
from streams.core.overlay import Overlay
from streams.core.pace import Pace
from streams.core.params import EngineParams
from streams.core.prices import PriceBook
from streams.core.pseudonyms import Pseudonyms, iso_week
from streams.core.reasons import Reason
from streams.core.rows import Rows
from streams.core.runs import UNTOLD, Run, Runs
from streams.core.settling import Settler
from streams.core.starters import Starters
from streams.core.store import StateView
from streams.core.teams import Teams
from streams.core.topics import OUTCOMES
from streams.core.windows import BASE_MS, SIZES, Watermark, Window

__all__ = ["Chunk", "Engine", "EngineParams"]

#: Records that go through all stages together: what they decode to stays in the processor's cache from stage to stage,
#: which a whole chunk does not (measured: 500 take a fifth less time than 2,000, 250 no less than 500).
_SLICE: Final = 500
#: A usage event taken apart: its fields in the order of its class.
_Taken = tuple[
    str, str, int, str, str, str | None, str | None, str | None, str | None, str | None, str, str,
    int, int, int, int, int, int | None, str, str, str | None, dict[str, str],
]  # fmt: skip
#: What was asked on the same day or the day before is asked again: prompts are remembered until the grace of both is over.
_ASKED_MS: Final = 2 * 86_400_000
_MOST_CALLS: Final = 4_000_000
_MOST_TOOLS: Final = 10_000
#: What a call of a run was, by its fingerprint's first band: in 63 bits, and apart from what tokens alone say of a call.
_BAND_MASK: Final = (1 << 62) - 1
_BAND_MARK: Final = 1 << 62
_IDS: Final = b"i"
_REQUESTS: Final = b"r"


class Engine:
    """One shard's state machine. ``partition_for`` tells which partition a team belongs to.

    Chunks of the topic ``outcomes_topic`` hold outcome events, all others usage events. Only usage moves the watermark:
    the two topics are read each at its own pace, and outcomes that are ahead must not make usage late. ``listener`` is told
    of every decision on an alert.

    ``notes`` are whoever's who runs it: kept with the state, from transaction to transaction, and looked at by nobody
    here.
    """

    def __init__(
        self, params: EngineParams, store: StateView, decoder: UsageDecoder, pseudonyms: Pseudonyms, partition: int,
        partition_for: Callable[[str], int], stopwatch: Callable[[str], None] = lambda stage: None,
        prices: PriceBook | None = None, outcomes: OutcomeDecoder | None = None, outcomes_topic: str = OUTCOMES,
        judges: Judges | None = None, listener: Listener | None = None,
    ) -> None:  # fmt: skip
        self._params = params
        self._prices = prices
        self._decoder = decoder
        self._outcome_decoder = outcomes or OutcomeDecoder()
        self._outcomes_topic = outcomes_topic
        self._pseudonyms = pseudonyms
        self._intake = Intake(partition, partition_for)
        self._stopwatch = stopwatch
        meta = orjson.loads(store.get(keys.META) or b"{}")
        self.applied: dict[str, int] = meta.get("applied", {})
        self.notes: dict[str, Any] = meta.get("notes", {})
        self.watermark = Watermark(params.lateness_ms, *meta.get("watermark", (0, 0, 0)))
        sealed = dict(zip(SIZES, meta.get("sealed", [0] * len(SIZES)), strict=True))
        self._rows = Rows(store, self.watermark.closing_ms, sealed)
        self._teams = Teams(store, params)
        self._figures = Figures(params, self._teams.with_outcomes)
        self._closer = Closer(self._rows, store, self.watermark, params, self._figures)
        self._runs = Runs(store, params.seed)
        decided = dict(zip(SIZES, meta.get("decided", [0] * len(SIZES)), strict=True))
        self._starters = Starters(store, params.min_actors, decided)
        names = Overlay(store)
        self._settler = Settler(names, self._closer, self._runs, self._teams, self._starters, params)
        self._settler.looked_hour = meta.get("looked", 0)
        self._joiner = Joiner(names, self._closer, self._runs, self._teams, self._settler, params)
        #: Spend that no window tells, in micro-dollars since the state began.
        self.withheld_micro_usd: int = meta.get("withheld", 0)
        self._ids = Memory(_IDS, store, horizon_ms=params.dedupe_horizon_ms, max_members=params.max_ids)
        self._requests = Memory(
            _REQUESTS, store, horizon_ms=params.request_horizon_ms, paired=True, capacity=1 << 18,
            max_members=params.max_ids,
        )  # fmt: skip
        self._sources = identity.Sources(store)
        self._detect = None if judges is None else Detect(store, params, judges, listener)
        #: Fingerprints of what was asked, by workflow and day.
        calls = ArrayMemory(
            keys.FINGERPRINT, store, horizon_ms=_ASKED_MS + params.grace_ms + params.lateness_ms, paired=True,
            capacity=1 << 18, max_members=_MOST_CALLS,
        )  # fmt: skip
        self._asked = Asked(calls, params.seed)
        self._tools: dict[str | None, int] = {}
        self._settler.listener = None if self._detect is None else self._detect.settled
        self._effects = Effects()
        self._newest: dict[str, int] = {}
        # Else a partition that is idle for weeks, and is restarted every day, would never be idle for long.
        self._arrived_ms: int = meta.get("arrived", 0)

    @property
    def remembered_bytes(self) -> int:
        """Memory held for duplicates."""
        return self._ids.size_bytes + self._requests.size_bytes + self._asked.memory.size_bytes

    @property
    def pending(self) -> Effects:
        """The effects since the last :meth:`drain`, to be looked at: what they write is not in them yet."""
        return self._effects

    def step(self, chunk: Chunk, now_ms: int) -> None:
        """Take in one chunk; records at or below the applied offset must have been cut off by the caller."""
        values, offsets = chunk.values, chunk.offsets
        take = self._take
        if chunk.topic == self._outcomes_topic:
            take = self._take_outcomes
        else:
            self._arrived_ms = now_ms
        for start in range(0, len(values), _SLICE):
            end = start + _SLICE
            newest = take(chunk._replace(values=values[start:end], offsets=offsets[start:end]), now_ms)
            self._newest[chunk.topic] = max(newest, self._newest.get(chunk.topic, 0))
        self.applied[chunk.topic] = chunk.next_offset
        # A chunk without records moves the applied offset, too: that is worth a transaction.
        self._effects.of_topic(chunk.topic)

    def _take(self, chunk: Chunk, now_ms: int) -> int:
        decoded = self._decoder.decode(chunk.values)
        self._effects.of_topic(chunk.topic).received += len(decoded.events)
        first = len(self._effects.dead_letters)
        events, places = self._intake.accepted(chunk, decoded, now_ms, self._effects)
        self._stopwatch("decode")
        ids = identity.event_hashes(events, self._params.seed)
        requests = identity.request_hashes(events, self._params.seed)
        old_ids = self._ids.find(ids)
        old_requests = self._requests.find([request for request in requests if request])
        if self._detect is not None:
            self._asked.look(events)
        self._stopwatch("dedupe")
        self._apply(chunk, events, places, ids, requests, old_ids, old_requests, now_ms)
        if decoded.rejected:
            self._in_order(first)
        self._stopwatch("aggregate")
        return self.watermark.newest_ms

    def _in_order(self, first: int) -> None:
        """Dead letters in the order of the log, whichever stage refused them: chunks must not show."""
        letters = self._effects.dead_letters
        letters[first:] = sorted(letters[first:], key=attrgetter("offset"))

    def _take_outcomes(self, chunk: Chunk, now_ms: int) -> int:
        newest = 0
        effects, intake, closer = self._effects, self._intake, self._closer
        decoded = self._outcome_decoder.decode(chunk.values)
        counts = effects.of_topic(chunk.topic)
        counts.received += len(decoded.events)
        first = len(effects.dead_letters)
        events, places = intake.accepted(chunk, decoded, now_ms, effects)
        for event, place in zip(events, places, strict=True):
            at = event.occurred_at
            if not intake.here.get(event.team) and not intake.belongs(chunk, place, event.team, effects):
                continue
            if at > now_ms + self._params.far_future_ms:
                intake.refuse(chunk, place, Reason.FAR_FUTURE, _far(at, now_ms), now_ms, effects)
                continue
            if at < closer.horizon_before:
                intake.refuse(chunk, place, Reason.TOO_LATE, _late(at, closer.horizon_before), now_ms, effects)
                continue
            actor = 0 if event.actor is None else self._pseudonyms.pseudonym(iso_week(at), event.actor)
            workflow = self._joiner.take(event, actor, effects)
            if workflow is not None:
                self._figures.teams.add(event.team)
                if self._detect is not None:
                    self._detect.outcome(event, workflow)
                newest = max(newest, at)
                counts.applied += 1
            else:
                counts.duplicate += 1
        if decoded.rejected:
            self._in_order(first)
        self._stopwatch("join")
        return newest

    def _apply(  # noqa: PLR0912, PLR0915  (one loop, see below)
        self, chunk: Chunk, events: Sequence[UsageEvent], places: Sequence[int], ids: list[int], requests: list[int],
        old_ids: dict[int, int], old_requests: dict[int, int], now_ms: int,
    ) -> None:  # fmt: skip
        """The loop over events: everything that it reads often is a local, as it costs most of all stages."""
        effects, rows, closer, watermark = self._effects, self._rows, self._closer, self.watermark
        fresh_ids, fresh_requests = self._ids.fresh, self._requests.fresh
        here, numbers, joiner = self._intake.here, self._sources.numbers, self._joiner
        guarded, scheduled = self._params.min_actors > 0, self._params.scheduled
        known_runs, changed_runs = self._runs.known, self._runs.changed
        pseudonym = self._pseudonyms.pseudonym
        too_new = now_ms + self._params.far_future_ms
        newest, tick_at = watermark.newest_ms, self._tick_at()
        closed_before, too_late_before = closer.closed_before, closer.too_late_before
        bucket, in_bucket, actors, week = -1, rows.open.get(-1, {}), self._pseudonyms.of_week(iso_week(newest)), 0
        touched: list[Aggregate] = []
        prices, divergence, checks = self._prices, self._params.divergence_permille, [0] * len(CHECKS)
        applied = duplicate = 0
        detect, tools, asked = self._detect, self._tools, self._asked
        first_bands, answers = asked.first, asked.answers
        asked_anew: list[int] = []
        # Looked up here: the stage is not compiled, and calls into it cost more than what they look up.
        paces: dict[str, Pace] = {} if detect is None else detect.paces
        number_of_event = -1
        for event, place, identifier, request in zip(events, places, ids, requests, strict=True):
            number_of_event += 1
            # One call into C, and typed from here on: compiled, reading attributes one by one takes six times as long.
            (
                _, source, at, team, workflow, person, run_id, _, tool, _, _, _, fresh, read, write, output, reasoning,
                reported, status, trigger, _, attributes,
            ) = cast(_Taken, astuple(event))  # fmt: skip
            if not here.get(team) and not self._intake.belongs(chunk, place, team, effects):
                continue
            if identifier in fresh_ids or identifier in old_ids:
                duplicate += 1
                if detect is not None and too_late_before * BASE_MS <= at <= too_new:
                    detect.collided(team, workflow, at)
                continue
            if at > newest:
                if at > too_new:
                    self._intake.refuse(chunk, place, Reason.FAR_FUTURE, _far(at, now_ms), now_ms, effects)
                    continue
                newest = at
                if at >= tick_at:
                    self._stopwatch("aggregate")
                    rows.touched(touched)
                    self._approach(at)
                    watermark.observe(at)
                    self._tick()
                    touched, tick_at, bucket = [], self._tick_at(), -1
                    closed_before, too_late_before = closer.closed_before, closer.too_late_before
                    self._stopwatch("close")
            if at // BASE_MS != bucket:
                bucket = at // BASE_MS
                if bucket < too_late_before:
                    too_late = too_late_before * BASE_MS
                    self._intake.refuse(chunk, place, Reason.TOO_LATE, _late(at, too_late), now_ms, effects)
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
            if person is None or trigger in {"schedule", "ci"} or (scheduled and (team, workflow) in scheduled):
                # What a machine sets off by itself concerns nobody, whoever owns the machine.
                actor = 0
            else:
                actor = actors.get(person) or pseudonym(week, person)
            cost = UNPRICED if prices is None else computed_cost(prices, event)
            checks[check(reported, cost, fresh + read + write + output, divergence)] += 1
            number = 0
            known = cost if reported is None else reported
            in_vain = status != "ok" if not attributes else tried_in_vain(status, attributes)
            run: Run | None = None
            if run_id is not None:
                run = known_runs.get(run_id)
                if run is None or run.team != team:
                    run = self._runs.of(team, run_id)
                number = run.hash
                if run.use(at, workflow, known, guarded and actor != 0):
                    joiner.follow(run, at, workflow, actor if guarded else 0, effects)
                if not run.touched:
                    run.touched = True
                    changed_runs.append(run)
            row: Aggregate | None = None
            if bucket >= closed_before:
                row = in_bucket.get((team, workflow))
                if row is None:
                    row = rows.opened(bucket, team, workflow)
                    self._teams.used(team, workflow)
            repeat = -1
            if detect is not None:
                prompt = fresh + read + write
                watch = None if row is None else row.watch
                if watch is None:
                    watch = detect.watch(team, workflow)
                    if row is not None:
                        row.watch = watch
                repeat = answers[number_of_event]
                if repeat == ASK:
                    repeat = asked.repeats(number_of_event)
                elif repeat == 0:
                    asked_anew.append(number_of_event)
                watch.count(
                    at, prompt, read, output, known, -1 if reported is None else reported, cost, in_vain, actor,
                    trigger in {"schedule", "ci"}, run is not None, run is not None and run.calls == 1, repeat,
                    0 if run is None else run.spend,
                )  # fmt: skip
                if not watch.touched:
                    detect.touch(watch)
                if paces:
                    pace = paces.get(team)
                    if pace is not None:
                        pace.count(bucket, max(known, 0), 1)
                if run is not None:
                    made = tools.get(tool)
                    if made is None:
                        made = self._tool(tool)
                    band = first_bands[number_of_event]
                    call = (band & _BAND_MASK) | _BAND_MARK if band else prompt * 1_000_003 + output
                    pattern = run.follow(call ^ made if call else UNTOLD, in_vain, prompt, known)
                    if pattern:
                        detect.circles(watch, run, pattern, at, effects)
            if row is None:
                closer.correct(event, number, actor, cost, effects, repeat)
                continue
            row.count(
                at, fresh, read, write, output, reasoning, reported, status == "error", in_vain, number, actor, cost, repeat
            )  # fmt: skip
            if not row.touched:
                row.touched = True
                touched.append(row)
        rows.touched(touched)
        if detect is not None:
            asked.keep(asked_anew)
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
            # It may have been for months: those in which nobody read it.
            self._approach(self.watermark.idle_until(idle_for, now_ms))
            self.watermark.idle(idle_for, now_ms)
            if self._closer.due:
                self._tick()

    def finish(self, *, settle: bool = False) -> None:
        """Close every window, at the end of a finite log; what may not be told by then is withheld.

        Runs stay as mature as they are, unless they are to be settled: as if the log had gone on for long, with nothing.
        """
        mark = self.watermark
        # Any instant of the newest open window will do: its week ends within two weeks, and all of its windows with it.
        mark.closing_ms = max(mark.closing_ms, self._closer.newest_open_ms + 2 * Window.WEEK)
        self._closer.close(self._effects)
        if settle:
            self._settler.settle(mark.closing_ms + self._params.horizon_ms, self._effects, final=True)
        self._closer.publish(self._effects)
        self._closer.finish(self._effects)
        if self._detect is not None:
            self._detect.finish(mark.newest_ms, self._effects, settled=settle)

    def _approach(self, at_ms: int) -> None:
        """Let what is due before an event time come due in its order."""
        for _ in self.watermark.approach(at_ms, Window.DAY, self._params.horizon_ms + 3 * Window.WEEK):
            self._tick()

    def _tick(self) -> None:
        """What happens whenever the watermark passes a 5-minute border."""
        self._closer.close(self._effects)
        self._settler.settle(self.watermark.closing_ms, self._effects)
        self._joiner.expire(Window.HOUR.bucket_of(self._closer.horizon_before))
        self._closer.publish(self._effects)
        if self._detect is not None:
            self._stopwatch("close")
            self._detect.tick(self.watermark.closing_ms, self._effects)
            self._stopwatch("detect")

    def _tool(self, name: str | None) -> int:
        """A number for a tool, to tell its calls from those of others."""
        if len(self._tools) >= _MOST_TOOLS:
            self._tools.clear()
        made: int = xxh3_64_intdigest((name or "").encode(), self._params.seed)
        self._tools[name] = made
        return made

    def drain(self) -> Effects:
        """All effects since the last drain, the state's changes included; empty of writes if nothing happened."""
        effects, self._effects = self._effects, Effects()
        writes = effects.writes
        self.withheld_micro_usd += effects.withheld_micro_usd
        changed = self._rows.pending or self._joiner.pending or (self._detect is not None and self._detect.pending)
        if effects.counts or effects.publications or writes or changed:
            mark = self.watermark
            self._ids.drain(mark.newest_ms, mark.value_ms, writes)
            self._requests.drain(mark.newest_ms, mark.value_ms, writes)
            self._sources.drain(writes)
            if self._detect is not None:
                self._asked.memory.drain(mark.newest_ms, mark.value_ms, writes)
                self._detect.drain(writes)
            self._joiner.drain(writes, self.applied.get(self._outcomes_topic, 0))
            self._rows.drain(writes)
            meta: dict[str, Any] = {
                "applied": self.applied, "watermark": (mark.newest_ms, mark.value_ms, mark.closing_ms),
                "arrived": self._arrived_ms, "sealed": [self._rows.sealed[size] for size in SIZES], "withheld": self.withheld_micro_usd,
                "decided": [self._starters.decided[size] for size in SIZES], "looked": self._settler.looked_hour,
            }  # fmt: skip
            if self.notes:
                meta["notes"] = self.notes
            writes[keys.META] = orjson.dumps(meta, option=orjson.OPT_SORT_KEYS)
        effects.applied = dict(self.applied)
        effects.newest = dict(self._newest)
        effects.newest_ms = self.watermark.newest_ms
        effects.watermark_ms = self.watermark.value_ms
        self._stopwatch("close")
        return effects

    def _tick_at(self) -> int:
        """The event time that takes the watermark over its next 5-minute border."""
        return (self.watermark.value_ms // BASE_MS + 1) * BASE_MS + self._params.lateness_ms

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


def _late(at: int, too_late_before_ms: int) -> str:
    missed = -((at - too_late_before_ms) // 1000)
    return f"occurred_at is {missed} s older than what the grace still takes; its window is final"
