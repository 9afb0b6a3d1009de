"""Reads windows out of a store, open ones included.

A closed window has a row of its own. An open one is in the store as what it will be the sum of: hours and days as their
finer windows, teams as their workflows (:mod:`streams.core.closing`).
"""

from collections.abc import Iterator

import orjson

from streams.core import keys
from streams.core.aggregate import Aggregate
from streams.core.keys import RowKey
from streams.core.store import StateView
from streams.core.windows import Scope, Window

__all__ = ["read_rows"]


def read_rows(store: StateView, window: Window, scope: Scope, start: int, end: int) -> Iterator[Aggregate]:
    """The rows of buckets ``start`` to ``end - 1``, closed ones first, as of the store's last transaction."""
    closing_ms = orjson.loads(store.get(keys.META) or b"{}").get("watermark", (0, 0, 0))[2]
    yield from _rows(store, closing_ms, window, scope, start, end)


def _rows(
    store: StateView, closing_ms: int, window: Window, scope: Scope, start: int, end: int
) -> Iterator[Aggregate]:  # fmt: skip
    counted = window is Window.FIVE_MINUTES and scope is Scope.WORKFLOW
    border = end if counted else min(max(closing_ms // window, start), end)
    for key, data in store.range(*keys.row_range(window, scope, start, border)):
        yield Aggregate.decode(keys.parse_row(key), data)
    if border == end:
        return
    finer = window.finer
    below = Scope.WORKFLOW if finer is window else scope
    sums: dict[RowKey, Aggregate] = {}
    for row in _rows(store, closing_ms, finer, below, border * window // finer, end * window // finer):
        workflow = row.place.workflow if scope is Scope.WORKFLOW else ""
        place = RowKey(window, scope, row.place.start_ms // window, row.place.team, workflow)
        sums.setdefault(place, Aggregate(place)).merge(row)
    yield from sums.values()
