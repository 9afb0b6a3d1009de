"""The rows of one shard: open ones in memory, all others read from the store when a correction or a closing asks."""

from collections.abc import Iterator
from typing import Final

from streams.core import keys
from streams.core.aggregate import Aggregate
from streams.core.distinct import normal
from streams.core.keys import RowKey
from streams.core.store import StateView, Writes
from streams.core.windows import BASE_MS, SIZES, Scope, Window

__all__ = ["OpenRows", "Rows"]

#: Rows of workflows in one open 5-minute bucket, by (team, workflow).
OpenRows = dict[tuple[str, str], Aggregate]

_FAR: Final = 1 << 62


class Rows:
    """Reads, creates and writes rows.

    ``open`` holds the 5-minute rows of workflows that events are counted in. Memory is bounded by what is open and by
    what was touched since the last :meth:`drain`, which writes it; the store must hold those writes before the next
    step. ``sealed`` is, by size, the first bucket that is not sealed; whoever owns the rows keeps it with the state.
    """

    def __init__(self, store: StateView, closing_ms: int, sealed: dict[Window, int] | None = None) -> None:
        self._store = store
        self._touched: dict[RowKey, Aggregate] = {}
        #: The places of touched rows, by size and scope, then bucket: some may be deleted again.
        self._places: dict[tuple[Window, Scope], dict[int, list[RowKey]]] = {}
        self._deleted: set[RowKey] = set()
        self._final = dict.fromkeys(SIZES, 0)
        self.sealed = sealed if sealed is not None else dict.fromkeys(SIZES, 0)
        self.open: dict[int, OpenRows] = {}
        for key, data in store.range(*keys.row_range(Window.FIVE_MINUTES, Scope.WORKFLOW, closing_ms // BASE_MS, _FAR)):
            place = keys.parse_row(key)
            self.open.setdefault(place.bucket, {})[place.team, place.workflow] = Aggregate.decode(place, data)

    def opened(self, bucket: int, team: str, workflow: str) -> Aggregate:
        """A new open row."""
        row = Aggregate(RowKey(Window.FIVE_MINUTES, Scope.WORKFLOW, bucket, team, workflow))
        self.open.setdefault(bucket, {})[team, workflow] = row
        return row

    def find(self, place: RowKey) -> Aggregate | None:
        """The closed row of a place, if there is one."""
        row = self._touched.get(place)
        if row is None and place not in self._deleted:
            data = self._store.get(place.encode())
            row = None if data is None else Aggregate.decode(place, data)
        return row

    def get(self, place: RowKey) -> Aggregate:
        """The closed row of a place, or a new empty one."""
        return self.find(place) or Aggregate(place)

    def scan(self, window: Window, scope: Scope, start: int, end: int) -> Iterator[Aggregate]:
        """All closed rows of buckets ``start`` to ``end - 1``, unwritten ones included, in no particular order."""
        fresh: dict[RowKey, Aggregate] = {}
        for bucket, places in self._places.get((window, scope), {}).items():
            if start <= bucket < end:
                for place in places:
                    row = self._touched.get(place)
                    if row is not None:
                        fresh[place] = row
        yield from fresh.values()
        for key, data in self._store.range(*keys.row_range(window, scope, start, end)):
            place = keys.parse_row(key)
            if place not in fresh and place not in self._deleted:
                yield Aggregate.decode(place, data)

    def any_of_team(self, place: RowKey) -> bool:
        """Whether there is a row of any workflow of the place's team, in its window and scope."""
        prefix = place._replace(workflow="").encode()
        for key, _ in self._store.range(prefix, prefix[:-1] + b"\x01"):
            if keys.parse_row(key) not in self._deleted:
                return True
        return any(it[:4] == place[:4] for it in self._touched)

    @property
    def pending(self) -> bool:
        """Whether anything waits to be written."""
        return bool(self._touched or self._deleted)

    def touch(self, row: Aggregate) -> None:
        """Mark a row as changed."""
        if not row.touched:
            row.touched = True
            self._touch(row)
            self._deleted.discard(row.place)

    def touched(self, rows: list[Aggregate]) -> None:
        """Take over rows whose ``touched`` the caller has set."""
        for row in rows:
            self._touch(row)

    def _touch(self, row: Aggregate) -> None:
        place = row.place
        if place not in self._touched:
            self._places.setdefault((place.window, place.scope), {}).setdefault(place.bucket, []).append(place)
        self._touched[place] = row

    def delete(self, place: RowKey) -> None:
        """Forget a row, whether it is written yet or not."""
        row = self._touched.pop(place, None)
        if row is not None:
            row.touched = False
        self._deleted.add(place)

    def seal(self, window: Window, before: int) -> list[Aggregate]:
        """Forget who was counted in the rows of all buckets below ``before``; gives back the rows it sealed now."""
        done = self.sealed[window]
        if before <= done:
            return []
        self.sealed[window] = before
        rows = [row for scope in Scope for row in self.scan(window, scope, done, before)]
        for row in rows:
            row.seal()
            self.touch(row)
        return rows

    def expire(self, window: Window, before: int, writes: Writes, *, final: bool = True) -> None:
        """Delete the rows of all buckets below ``before``; if that is final, none is ever written there again."""
        done = self._final[window]
        if before <= done:
            return
        if final:
            self._final[window] = before
        for scope in Scope:
            for key, _ in self._store.range(*keys.row_range(window, scope, done, before)):
                writes[key] = None

    def drain(self, writes: Writes) -> None:
        """Write all changed rows that are not expired."""
        for place in self._deleted:
            writes[place.encode()] = None
        self._deleted.clear()
        for place, row in self._touched.items():
            row.touched = False
            # The bound on what is kept one by one holds for open rows, too.
            row.runs = normal(row.runs)
            row.actors = normal(row.actors)
            row.others = normal(row.others)
            if place.bucket >= self._final[place.window]:
                writes[place.encode()] = row.encode()
        self._touched = {}
        self._places = {}
