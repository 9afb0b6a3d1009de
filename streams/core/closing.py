"""Stage *close*: windows whose time has come are published, summed up, corrected, and in the end forgotten.

Events are counted in one row only, the 5-minute row of their workflow. When that window closes, the team's row is the
sum of its workflows' rows; when an hour closes, its rows are the sums of twelve, and a day's of twenty-four hours. All
of it happens when the watermark passes a 5-minute border, at a place in the log that does not depend on how the log
was cut into chunks: the same log gives the same publications and revisions.
"""

from typing import Final

from streams.core import distinct, keys
from streams.core.aggregate import Aggregate
from streams.core.effects import Effects, Publication
from streams.core.events import UsageEvent
from streams.core.keys import RowKey
from streams.core.kpis import Kpi
from streams.core.rows import Rows
from streams.core.store import StateView
from streams.core.windows import BASE_MS, SIZES, Scope, Watermark, Window

__all__ = ["Closer", "actor_band"]

_BANDS: Final = ((0, "0"), (4, "1-4"), (9, "5-9"), (19, "10-19"), (49, "20-49"), (99, "50-99"))


def actor_band(actors: int) -> str:
    """The band in which a number of active actors is published."""
    for most, band in _BANDS:
        if actors <= most:
            return band
    return "100+"


class Closer:
    """Closes, revises and expires one shard's windows."""

    def __init__(self, rows: Rows, store: StateView, watermark: Watermark, grace_ms: int, config_version: str) -> None:
        self._rows = rows
        self._watermark = watermark
        self._grace_ms = grace_ms
        self._config_version = config_version
        self._dirty = {keys.parse_row(key[1:]) for key, _ in store.range(keys.DIRTY, bytes([keys.DIRTY[0] + 1]))}
        self._closed = {size: watermark.closing_ms // size for size in SIZES}
        self._expired = dict.fromkeys(SIZES, 0)
        self._sums: dict[Window, dict[int, dict[RowKey, Aggregate]]] = {Window.HOUR: {}, Window.DAY: {}}
        for size in self._sums:
            finer = size.finer
            for scope in Scope:
                for row in rows.scan(finer, scope, self._closed[size] * size // finer, self._closed[finer]):
                    self._sum_up(row)

    @property
    def closed_before(self) -> int:
        """The first 5-minute bucket that is still open."""
        return self._closed[Window.FIVE_MINUTES]

    @property
    def too_late_before(self) -> int:
        """The first 5-minute bucket that still takes events.

        Judged by the last border that the watermark passed, so that it changes at ticks only.
        """
        return self._final_before(Window.FIVE_MINUTES)

    def _final_before(self, size: Window) -> int:
        return (self._watermark.value_ms // BASE_MS * BASE_MS - self._grace_ms) // size

    @property
    def due(self) -> bool:
        """Whether an idle partition has anything to close or to correct."""
        return bool(self._dirty) or self._watermark.closing_ms // BASE_MS > self.closed_before

    def correct(self, event: UsageEvent, run: int, actor: int, computed: int, effects: Effects) -> None:
        """Count an event whose 5-minute window has closed, in every closed row that has its figures."""
        for scope, workflow in ((Scope.WORKFLOW, event.workflow), (Scope.TEAM, "")):
            for size in SIZES:
                bucket = event.occurred_at // size
                place = RowKey(size, scope, bucket, event.team, workflow)
                if bucket >= self._closed[size]:
                    self._sum_of(place).add(event, run, actor, computed)
                    break
                row = self._rows.get(place)
                if place not in self._dirty:
                    if row.calls:
                        row.published_once()
                    self._dirty.add(place)
                    effects.writes[keys.DIRTY + place.encode()] = b""
                row.add(event, run, actor, computed)
                self._rows.touch(row)

    def tick(self, effects: Effects) -> None:
        """Close what the watermark has passed, finest windows first; publish corrections; forget what is past grace."""
        self._close_base(effects)
        for size in (Window.HOUR, Window.DAY):
            self._close_coarser(size, effects)
        for place in sorted(self._dirty):
            self._publish(self._rows.get(place), effects)
            effects.writes[keys.DIRTY + place.encode()] = None
        self._dirty.clear()
        for size in SIZES:
            before = self._final_before(size)
            if size.coarser is not None:
                # Kept until the coarser window that is summed up from them has closed, however short the grace.
                before = min(before, self._closed[size.coarser] * size.coarser // size)
            if before > self._expired[size]:
                self._expired[size] = before
                self._rows.expire(size, before, effects.writes)

    def _close_base(self, effects: Effects) -> None:
        before = self._watermark.closing_ms // BASE_MS
        for bucket in sorted(bucket for bucket in self._rows.open if bucket < before):
            teams: dict[str, Aggregate] = {}
            for (team, _), row in sorted(self._rows.open.pop(bucket).items()):
                self._announce(row, effects)
                self._sum_up(row)
                total = teams.get(team)
                if total is None:
                    total = teams[team] = Aggregate(RowKey(Window.FIVE_MINUTES, Scope.TEAM, bucket, team, ""))
                total.merge(row)
            for total in teams.values():
                self._announce(total, effects)
                self._sum_up(total)
                self._rows.touch(total)
        self._closed[Window.FIVE_MINUTES] = max(before, self.closed_before)

    def _close_coarser(self, size: Window, effects: Effects) -> None:
        before = self._watermark.closing_ms // size
        sums = self._sums[size]
        for bucket in sorted(bucket for bucket in sums if bucket < before):
            for _, total in sorted(sums.pop(bucket).items()):
                self._announce(total, effects)
                self._sum_up(total)
                self._rows.touch(total)
        self._closed[size] = max(before, self._closed[size])

    def _sum_up(self, row: Aggregate) -> None:
        """Add a closed row to the coarser window that holds it."""
        window, scope, bucket, team, workflow = row.place
        size = window.coarser
        if size is not None:
            self._sum_of(RowKey(size, scope, bucket * window // size, team, workflow)).merge(row)

    def _sum_of(self, place: RowKey) -> Aggregate:
        """The running sum of a coarser window that is still open.

        Kept in memory alone: what is in it is in the finer rows, which the store keeps until it has closed.
        """
        sums = self._sums[place.window].setdefault(place.bucket, {})
        total = sums.get(place)
        if total is None:
            total = sums[place] = Aggregate(place)
        return total

    def _announce(self, row: Aggregate, effects: Effects) -> None:
        """Publish a row that closes; it need not be written for that, see :meth:`Aggregate.published_once`."""
        effects.publications.append(Publication(_kpi(row, 1, self._config_version), row.totals))

    def _publish(self, row: Aggregate, effects: Effects) -> None:
        """Publish a correction, with what it adds to the last publication."""
        row.revision += 1
        row.saturate()
        now, was = row.totals, row.published
        row.published = now
        self._rows.touch(row)
        added = (now[0] - was[0], now[1] - was[1], now[2] - was[2], now[3] - was[3], now[4] - was[4])
        effects.publications.append(Publication(_kpi(row, row.revision, self._config_version), added))


def _kpi(row: Aggregate, revision: int, config_version: str) -> Kpi:
    row.saturate()
    window, scope, bucket, team, workflow = row.place
    size = int(window)
    calls = row.calls
    return Kpi(
        scope=scope.label,
        team=team,
        workflow=workflow or None,
        window_size_ms=size,
        window_start=bucket * size,
        window_end=bucket * size + size,
        revision=revision,
        calls=calls,
        errors=row.errors,
        input_tokens=row.input,
        cache_read_tokens=row.cache_read,
        cache_write_tokens=row.cache_write,
        output_tokens=row.output,
        reasoning_tokens=row.reasoning,
        spend_micro_usd=row.cost if row.priced else None,
        priced_calls=row.priced,
        unpriced_tokens=row.unpriced_tokens,
        runs=distinct.count(row.runs),
        runs_exact=distinct.is_exact(row.runs),
        active_actors=actor_band(distinct.count(row.actors)) if calls > row.unattributed else None,
        first_event=row.first_ms if calls else None,
        last_event=row.last_ms if calls else None,
        config_version=config_version,
        computed_micro_usd=row.computed if row.computed_calls else None,
        computed_calls=row.computed_calls,
        filled_in_micro_usd=row.filled if row.filled_calls else None,
        filled_in_calls=row.filled_calls,
    )
