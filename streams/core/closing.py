"""Stage *close*: windows whose time has come are published, summed up, corrected, and in the end forgotten.

Events are counted in one row only, the 5-minute row of their workflow. When that window closes, the team's row is the
sum of its workflows' rows; when an hour closes, its rows are the sums of twelve, and so on to days and weeks. All of it
happens when the watermark passes a 5-minute border, at a place in the log that does not depend on how the log was cut
into chunks: the same log gives the same publications and revisions.

**Who may be told of.** What a window counts is told only if it concerns nobody or at least ``min_actors`` people. A
workflow's window that concerns fewer holds its figures back, and they rise to the next coarser window of the workflow,
where they are told together with whatever else rises there, once all of that concerns enough people. What no week of a
workflow may tell is pooled in its team's week; what that may not tell either is withheld, and only the sum of it is
known. So what is told for the first time by one window, a *block*, always concerns enough people, each figure published
is a sum of whole blocks, and so is each difference of published figures: none concerns fewer. Blocks never overlap, as
only weeks go across workflows. An event that comes after its window has closed rises the same way, unless it concerns
nobody: then it corrects every window that it belongs to.
"""

from typing import Final

from streams.core import distinct, keys
from streams.core.aggregate import SOMEBODY, Aggregate
from streams.core.effects import Effects
from streams.core.events import UsageEvent
from streams.core.figures import Figures
from streams.core.keys import RowKey
from streams.core.params import EngineParams
from streams.core.results import Results
from streams.core.rows import Rows
from streams.core.store import StateView
from streams.core.windows import BASE_MS, SIZES, Scope, Watermark, Window

__all__ = ["Closer"]

_FAR: Final = 1 << 62


class Sum:
    """What the finer windows leave to one that is still open: figures that they told, and figures that they held back.

    In memory alone: what is in it is in the finer rows, which the store keeps until it has closed.
    """

    __slots__ = ("held", "told")

    def __init__(self) -> None:
        self.told: Aggregate | None = None
        self.held: Aggregate | None = None


class Closer:
    """Closes, revises, seals and expires one shard's windows."""

    def __init__(
        self, rows: Rows, store: StateView, watermark: Watermark, params: EngineParams, figures: Figures
    ) -> None:
        self._rows = rows
        self._watermark = watermark
        self._grace_ms = params.grace_ms
        self._horizon_ms = params.horizon_ms
        self._least = params.min_actors
        self._figures = figures
        self._dirty = {keys.parse_row(key[1:]) for key, _ in store.range(*keys.all_of(keys.DIRTY))}
        self._closed = {size: size.bucket_of(watermark.closing_ms) for size in SIZES}
        self._sums: dict[Window, dict[int, dict[tuple[str, str], Sum]]] = {size: {} for size in SIZES[1:]}
        #: Buckets of open windows that rows have been entered in directly.
        self._entered: dict[Window, set[int]] = {size: set() for size in SIZES[1:]}
        for size in SIZES[1:]:
            self._load(size)

    def _load(self, size: Window) -> None:
        """Sum up again what the finer windows have left to the open ones of a size."""
        finer = size.finer
        start = finer.bucket_of(size.start_of(self._closed[size]))
        for row in self._rows.scan(finer, Scope.WORKFLOW, start, self._closed[finer]):
            if finer is Window.FIVE_MINUTES and not self._may_tell(row):
                self._hold(row)
            else:
                if finer is Window.FIVE_MINUTES:
                    self._blur(row)
                self._sum_up(row)
        if finer is not Window.FIVE_MINUTES:
            for row in self._rows.scan(finer, Scope.HELD, start, self._closed[finer]):
                self._hold(row)
        self._entered[size] = {row.place.bucket for row in self._rows.scan(size, Scope.HELD, self._closed[size], _FAR)}

    @property
    def closed_before(self) -> int:
        """The first 5-minute bucket that is still open."""
        return self._closed[Window.FIVE_MINUTES]

    @property
    def newest_open_ms(self) -> int:
        """The beginning of the newest window that anything was counted in and that is still open; 0 if there is none."""
        newest = [Window.FIVE_MINUTES.start_of(bucket) for bucket in self._rows.open]
        for size in SIZES[1:]:
            newest += [size.start_of(bucket) for bucket in (*self._sums[size], *self._entered[size])]
        return max(newest, default=0)

    def open_size(self, at_ms: int) -> Window | None:
        """The finest window from the hour up that is still open at an instant; None if all have closed."""
        for size in SIZES[1:]:
            if size.bucket_of(at_ms) >= self._closed[size]:
                return size
        return None

    @property
    def too_late_before(self) -> int:
        """The first 5-minute bucket that still takes events.

        Judged by the last border that the watermark passed, so that it changes at ticks only.
        """
        return Window.FIVE_MINUTES.bucket_of(self._watermark.value_ms // BASE_MS * BASE_MS - self._grace_ms)

    @property
    def horizon_before(self) -> int:
        """The first millisecond from which outcomes are still taken."""
        return self.border_ms - self._horizon_ms

    @property
    def has_usage(self) -> bool:
        """Whether any usage came in."""
        return self._watermark.newest_ms > 0

    @property
    def border_ms(self) -> int:
        """The last border that event time has passed; as long as there is no usage, the clock's."""
        mark = self._watermark
        return (mark.value_ms if mark.newest_ms else mark.closing_ms) // BASE_MS * BASE_MS

    def _past(self, size: Window, period_ms: int) -> int:
        return size.bucket_of(self.border_ms - period_ms)

    @property
    def due(self) -> bool:
        """Whether an idle partition has anything to close or to correct."""
        return bool(self._dirty) or self._watermark.closing_ms // BASE_MS > self.closed_before

    def correct(
        self, event: UsageEvent, run: int, actor: int, computed: int, effects: Effects, repeat: int = -1
    ) -> None:
        """Count an event whose 5-minute window has closed, in every row that its figures belong in."""
        team, workflow = event.team, event.workflow
        known = max(computed, 0) if event.cost_micro_usd is None else event.cost_micro_usd
        amounts = (
            known, event.input_tokens, event.cache_read_tokens, event.cache_write_tokens, event.output_tokens
        )  # fmt: skip
        concerned = 1 if actor else 0
        for row in self._rows_of(
            team, workflow, event.occurred_at, Window.FIVE_MINUTES, concerned, effects, amounts
        ):  # fmt: skip
            row.add(event, run, actor, computed, repeat)

    def add_results(
        self, team: str, workflow: str, at_ms: int, start: Window | None, results: Results, sign: int, actor: int,
        effects: Effects, *, decided: bool = False, turn: int = 0,
    ) -> None:  # fmt: skip
        """Count what came of work, or take it back, in every row of its windows from size ``start`` up.

        A workflow of no name stands for the team alone. ``actor`` is whom an outcome concerns, 0 if nobody: then ``start``
        is a window that is still open (:meth:`open_size`), and None if all have closed: such outcomes wait until they are
        those of enough people, and are then told by the week of the team. ``turn`` says which of those that wait they are
        counted with (:meth:`late_turn`). ``decided`` when it is known that those windows may tell, whatever else they hold
        back.
        """
        if start is None:
            rows = self._late_rows(team, at_ms, turn, effects)
        else:
            rows = self._rows_of(team, workflow, at_ms, start, 0, effects, None, told=decided)
        for row in rows:
            if actor and row.place.scope in (Scope.HELD, Scope.LATE):
                # Of a week that is final nobody is known any more.
                known = row.place.bucket >= self._rows.sealed[row.place.window]
                row.others = distinct.merge(row.others, {actor if known else SOMEBODY})
            row.add_results(results, sign)

    def late_turn(self, team: str, at_ms: int) -> int:
        """How often what came after its week had closed was told so far: what comes now waits for the next time."""
        row = self._rows.find(RowKey(Window.WEEK, Scope.LATE, Window.WEEK.bucket_of(at_ms), team, ""))
        return 0 if row is None else row.revision

    def _late_rows(self, team: str, at_ms: int, turn: int, effects: Effects) -> list[Aggregate]:
        """The row of what came after its week, or, of what has been told since, the week of the team."""
        place = RowKey(Window.WEEK, Scope.LATE, Window.WEEK.bucket_of(at_ms), team, "")
        if place.bucket < self._past(Window.WEEK, self._horizon_ms):
            return []
        if turn < self.late_turn(team, at_ms):
            place = place._replace(scope=Scope.TEAM)
        return [self._changed(place, effects)]

    def _rows_of(
        self, team: str, workflow: str, at_ms: int, start: Window, concerned: int, effects: Effects,
        amounts: tuple[int, int, int, int, int] | None, *, told: bool = False,
    ) -> list[Aggregate]:  # fmt: skip
        """The rows that figures of an instant belong in, marked as changed.

        All closed windows that tell what else there was at that instant, and the open window that comes after them, as
        told by them; or, where none tells it, the first open one, as entering there. Figures that concern people, fewer
        than may be told of, enter the first open one in any case. ``amounts`` are counted as told where they are.
        """
        found: list[Aggregate] = []
        for size in SIZES[SIZES.index(start) :]:
            bucket = size.bucket_of(at_ms)
            if bucket < self._past(size, self._horizon_ms):
                # Its rows are gone, or about to go: what it said last is final.
                continue
            if bucket >= self._closed[size]:
                found.append(
                    self._told(size, bucket, team, workflow) if told else self._enter(size, bucket, team, workflow)
                )
                return found
            if not told:
                if 0 < concerned < self._least or self._holds_back(
                    RowKey(size, Scope.WORKFLOW, bucket, team, workflow)
                ):
                    continue
                told = True
                if amounts is not None:
                    effects.tell(team, workflow, amounts)
            found.append(self._changed(RowKey(size, Scope.WORKFLOW, bucket, team, workflow), effects))
            found.append(self._changed(RowKey(size, Scope.TEAM, bucket, team, ""), effects))
        week = Window.WEEK.bucket_of(at_ms)
        if told or week < self._past(Window.WEEK, self._horizon_ms):
            return found
        if 0 < concerned < self._least:
            return [self._changed(RowKey(Window.WEEK, Scope.LATE, week, team, ""), effects)]
        pool = self._rows.find(RowKey(Window.WEEK, Scope.POOLED, week, team, ""))
        if pool is not None:
            self._rows.touch(pool)
            return [pool]
        if amounts is not None:
            effects.tell(team, "", amounts)
        return [self._changed(RowKey(Window.WEEK, Scope.TEAM, week, team, ""), effects)]

    def _holds_back(self, place: RowKey) -> bool:
        """Whether a closed window of a workflow left figures to a coarser one."""
        if place.window is Window.FIVE_MINUTES:
            row = self._rows.find(place)
            return row is not None and not self._may_tell(row)
        return self._rows.find(place._replace(scope=Scope.HELD)) is not None

    def _may_tell(self, row: Aggregate, told: Aggregate | None = None) -> bool:
        """Whether a row may be told of; ``told`` is what its window tells anyway."""
        if told is not None and row.concerns_somebody_alone:
            # Of outcomes that name nobody it is not known which of all those at work they are of.
            return distinct.count(told.actors) >= self._least
        # Those who spent must be enough by themselves: the merges of others hide nobody's money.
        if 0 < distinct.count(row.actors) < self._least:
            return False
        people = row.concerned
        return not people or people >= self._least

    def _changed(self, place: RowKey, effects: Effects) -> Aggregate:
        """A closed row that is about to change, marked for its next revision."""
        row = self._rows.find(place)
        if row is None:
            row = Aggregate(place)
            row.partial = self._is_partial(place)
        if place not in self._dirty:
            if not row.empty and place.scope is not Scope.LATE:
                row.published_once()
            self._dirty.add(place)
            effects.writes[keys.DIRTY + place.encode()] = b""
        if place.window is Window.FIVE_MINUTES:
            self._blur(row)
        self._rows.touch(row)
        return row

    def _blur(self, row: Aggregate) -> None:
        """Put the first and the last call of a row that is told at the window's ends: they would be one person's hours."""
        if self._least and distinct.count(row.actors):
            row.first_ms = min(row.first_ms, row.place.start_ms)
            row.last_ms = max(row.last_ms, row.place.end_ms)

    def _is_partial(self, place: RowKey) -> bool:
        """Whether a closed window that has told nothing so far held something back."""
        if place.scope is Scope.WORKFLOW:
            return self._holds_back(place)
        return self._rows.any_of_team(place._replace(scope=Scope.HELD))

    def _enter(self, size: Window, bucket: int, team: str, workflow: str) -> Aggregate:
        """The row of what comes into an open window by itself, not through finer ones."""
        row = self._rows.get(RowKey(size, Scope.HELD, bucket, team, workflow))
        self._rows.touch(row)
        self._entered[size].add(bucket)
        return row

    def close(self, effects: Effects) -> None:
        """Close what the watermark has passed, finest windows first."""
        self._close_base(effects)
        for size in SIZES[1:]:
            before = size.bucket_of(self._watermark.closing_ms)
            for bucket in sorted(it for it in {*self._sums[size], *self._entered[size]} if it < before):
                self._close(size, bucket, effects)
            self._closed[size] = max(before, self._closed[size])

    def publish(self, effects: Effects) -> None:
        """Publish corrections of closed windows; forget what is past grace, and what is past the horizon."""
        self._publish_changes(effects)
        self._forget(effects)

    def _close_base(self, effects: Effects) -> None:
        before = self._watermark.closing_ms // BASE_MS
        for bucket in sorted(bucket for bucket in self._rows.open if bucket < before):
            teams: dict[str, Aggregate] = {}
            for (team, workflow), row in sorted(self._rows.open.pop(bucket).items()):
                if not self._may_tell(row):
                    self._hold(row)
                    continue
                self._blur(row)
                effects.publications.append(self._figures.of(row, 1))
                effects.tell(team, workflow, row.totals)
                self._sum_up(row)
                place = RowKey(Window.FIVE_MINUTES, Scope.TEAM, bucket, team, "")
                self._add_to_team(teams, place, row, partial=False)
            self._announce_teams(teams, effects)
        self._closed[Window.FIVE_MINUTES] = max(before, self.closed_before)

    def _close(self, size: Window, bucket: int, effects: Effects) -> None:
        """Close one window of every workflow, then of the teams."""
        sums = self._sums[size].pop(bucket, {})
        entered = {
            (row.place.team, row.place.workflow): row for row in self._rows.scan(size, Scope.HELD, bucket, bucket + 1)
        }
        self._entered[size].discard(bucket)
        teams: dict[str, Aggregate] = {}
        pools: dict[str, Aggregate] = {}
        for team, workflow in sorted({*sums, *entered}):
            total = sums.get((team, workflow)) or Sum()
            held = _together(entered.get((team, workflow)), total.held)
            told = total.told
            place = RowKey(size, Scope.HELD, bucket, team, workflow)
            left = held is not None and not held.empty
            if held is not None and left:
                if self._may_tell(held, told):
                    told = told or Aggregate(RowKey(size, Scope.WORKFLOW, bucket, team, workflow))
                    held.place = place
                    self._blur(held)
                    told.merge(held)
                    effects.tell(team, workflow, held.totals)
                    left = False
                else:
                    held.place = place
                    self._rows.touch(held)
                    self._hold(held)
                    if size is Window.WEEK:
                        pool = pools.get(team)
                        if pool is None:
                            pool = pools[team] = Aggregate(RowKey(size, Scope.POOLED, bucket, team, ""))
                        pool.merge(held)
            if not left and (team, workflow) in entered:
                self._rows.delete(place)
            if told is not None and not told.empty:
                told.partial = left
                if workflow:
                    effects.publications.append(self._figures.of(told, 1))
                self._sum_up(told)
                self._rows.touch(told)
            self._add_to_team(teams, RowKey(size, Scope.TEAM, bucket, team, ""), told, partial=left)
        for team, pool in pools.items():
            if self._may_tell(pool, teams.get(team)):
                effects.tell(team, "", pool.totals)
                self._blur(pool)
                teams[team].merge(pool)
                teams[team].partial = False
            else:
                self._rows.touch(pool)
        self._announce_teams(teams, effects)

    def _add_to_team(
        self, teams: dict[str, Aggregate], place: RowKey, told: Aggregate | None, *, partial: bool
    ) -> None:
        total = teams.get(place.team)
        if total is None:
            total = teams[place.team] = Aggregate(place)
        if told is not None:
            total.merge(told)
        total.partial = total.partial or partial

    def _announce_teams(self, teams: dict[str, Aggregate], effects: Effects) -> None:
        for total in teams.values():
            if not total.empty:
                effects.publications.append(self._figures.of(total, 1))
                self._rows.touch(total)

    def _sum_up(self, row: Aggregate) -> None:
        """Add what a closed row tells to the coarser window that holds it."""
        size = row.place.window.coarser
        if size is not None:
            bucket = size.bucket_of(row.place.start_ms)
            self._told(size, bucket, row.place.team, row.place.workflow).merge(row)

    def _hold(self, row: Aggregate) -> None:
        """Leave what a closed row may not tell to the coarser window that holds it."""
        size = row.place.window.coarser
        if size is not None:
            team, workflow = row.place.team, row.place.workflow
            bucket = size.bucket_of(row.place.start_ms)
            total = self._sum(size, bucket, team, workflow)
            if total.held is None:
                total.held = Aggregate(RowKey(size, Scope.HELD, bucket, team, workflow))
            total.held.merge(row)

    def _told(self, size: Window, bucket: int, team: str, workflow: str) -> Aggregate:
        total = self._sum(size, bucket, team, workflow)
        if total.told is None:
            total.told = Aggregate(RowKey(size, Scope.WORKFLOW, bucket, team, workflow))
        return total.told

    def _sum(self, size: Window, bucket: int, team: str, workflow: str) -> Sum:
        sums = self._sums[size].setdefault(bucket, {})
        total = sums.get((team, workflow))
        if total is None:
            total = sums[team, workflow] = Sum()
        return total

    def _publish_changes(self, effects: Effects) -> None:
        for place in sorted(place for place in self._dirty if place.scope is Scope.LATE):
            row = self._rows.get(place)
            # A row that is sealed becomes that of no more people: what still waits there does so for good.
            if not row.empty and self._may_tell(row, self._rows.find(place._replace(scope=Scope.TEAM))):
                effects.tell(place.team, "", row.totals)
                self._blur(row)
                self._changed(place._replace(scope=Scope.TEAM), effects).merge(row)
                told = Aggregate(place)
                told.revision = row.revision + 1
                self._rows.delete(place)
                self._rows.touch(told)
        for place in sorted(self._dirty):
            effects.writes[keys.DIRTY + place.encode()] = None
            if place.scope is Scope.LATE or (place.scope is Scope.WORKFLOW and not place.workflow):
                continue
            row = self._rows.get(place)
            row.revision += 1
            self._rows.touch(row)
            effects.publications.append(self._figures.of(row, row.revision))
        self._dirty.clear()

    def _forget(self, effects: Effects) -> None:
        """Forget who was counted where no event can come any more, and rows that nothing can reach."""
        # As long as there is no usage, rows are forgotten by the clock; but usage that comes after all makes them anew.
        final = self._watermark.newest_ms > 0
        for size in SIZES:
            before = self._past(size, self._grace_ms)
            if size.coarser is not None:
                # Kept until the coarser window that is summed up from them has closed, however short the grace.
                before = min(before, size.bucket_of(size.coarser.start_of(self._closed[size.coarser])))
            if size is Window.FIVE_MINUTES:
                self._rows.expire(size, before, effects.writes, final=final)
                continue
            self._seal(size, before, effects)
            self._rows.expire(size, min(before, self._past(size, self._horizon_ms)), effects.writes, final=final)

    def _seal(self, size: Window, before: int, effects: Effects) -> None:
        for row in self._rows.seal(size, before):
            if row.place.scope in (Scope.POOLED, Scope.LATE):
                effects.withheld_micro_usd += row.totals[0]
            if row.place.scope is Scope.LATE and row.empty:
                # All that waited was told, of nobody anything is left: what comes now waits as in a row of its own.
                row.others = set()

    def finish(self, effects: Effects) -> None:
        """Give up waiting for anything more, at the end of a finite log: what may not be told by now is withheld."""
        for size in SIZES[1:]:
            self._seal(size, self._closed[size], effects)


def _together(one: Aggregate | None, other: Aggregate | None) -> Aggregate | None:
    if one is None:
        return other
    if other is not None:
        one.merge(other)
    return one
