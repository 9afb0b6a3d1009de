"""Reads windows out of a store: what is true of them, open ones included, told or not.

A closed window of a workflow has a row of what it told, and one of what it left to coarser windows. An open one is in the
store as what it will be the sum of: its finer windows, and a row of what came into it by itself. Teams are the sum of
their workflows, the one of no name included (:mod:`streams.core.closing`).
"""

from collections.abc import Iterable, Iterator
from heapq import merge
from itertools import chain, groupby

import orjson

from streams.core import keys
from streams.core.aggregate import Aggregate
from streams.core.keys import RowKey
from streams.core.store import StateView
from streams.core.windows import Scope, Window

__all__ = ["read_rows"]


def read_rows(store: StateView, window: Window, scope: Scope, start: int, end: int) -> Iterator[Aggregate]:
    """The rows of buckets ``start`` to ``end - 1`` in order of time, as of the store's last transaction.

    Of workflows or of teams; what came in after its week had closed and may not be told is in none.
    """
    closing_ms = orjson.loads(store.get(keys.META) or b"{}").get("watermark", (0, 0, 0))[2]
    rows = _rows(store, closing_ms, window, start, end)
    if scope is Scope.WORKFLOW:
        yield from (row for row in rows if row.place.workflow)
        return
    for _, together in groupby(rows, lambda row: row.place.bucket):
        yield from _sums(together, window, scope)


def _rows(store: StateView, closing_ms: int, window: Window, start: int, end: int) -> Iterator[Aggregate]:
    """The rows of workflows in order of time; the workflow of no name has what is its team's alone."""
    if window is Window.FIVE_MINUTES:
        yield from _stored(store, window, Scope.WORKFLOW, start, end)
        return

    def bucket_of(row: Aggregate) -> int:
        return window.bucket_of(row.place.start_ms)

    finer = window.finer
    border = min(max(window.bucket_of(closing_ms), start), end)
    closed = _stored(store, window, Scope.WORKFLOW, start, border)
    still_open = _rows(
        store, closing_ms, finer, finer.bucket_of(window.start_of(border)), finer.bucket_of(window.start_of(end))
    )
    held = _stored(store, window, Scope.HELD, start, end)
    for _, together in groupby(merge(chain(closed, still_open), held, key=bucket_of), bucket_of):
        yield from _sums(together, window, Scope.WORKFLOW)


def _stored(store: StateView, window: Window, scope: Scope, start: int, end: int) -> Iterator[Aggregate]:
    for key, data in store.range(*keys.row_range(window, scope, start, end)):
        yield Aggregate.decode(keys.parse_row(key), data)


def _sums(rows: Iterable[Aggregate], window: Window, scope: Scope) -> Iterable[Aggregate]:
    """The sum for each window and name: of nothing but one stored row, that row; of more, nothing is left out."""
    sums: dict[RowKey, Aggregate] = {}
    for row in rows:
        workflow = row.place.workflow if scope is Scope.WORKFLOW else ""
        place = RowKey(window, scope, window.bucket_of(row.place.start_ms), row.place.team, workflow)
        total = sums.get(place)
        if total is None:
            total = sums[place] = row if row.place == place else Aggregate(place)
        if total is not row:
            total.merge(row)
            total.partial = False
    return sums.values()
