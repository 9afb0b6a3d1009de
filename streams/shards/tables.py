"""The windowed aggregates as tables: named, listed with Faust's, read by key and by range.

Read-only: events alone change them. A worker sees the partitions that it runs, as of their last transaction; windows
that are still open are in them as far as they have come.
"""

from collections.abc import Iterator
from typing import Any, Final

from streams.core.aggregate import Aggregate
from streams.core.keys import RowKey
from streams.core.reading import read_rows
from streams.core.windows import PUBLISHED, SIZES, Scope, Window
from streams.shards.ownership import Ownership

__all__ = ["NotHere", "WindowTable", "window_tables"]

_HELP: Final = "What each {scope} consumed in windows of {size}."


class NotHere(LookupError):
    """The team's partition is run by another worker."""


class WindowTable:
    """One scope's rows of one window size, such as ``workflow_1h``."""

    #: What Faust's assignor asks of a table: these are partitioned, never copied whole to every worker.
    is_global = False

    def __init__(self, window: Window, scope: Scope, ownership: Ownership) -> None:
        self.window = window
        self.scope = scope
        self.name = f"{scope.label}_{window.label}"
        self.help = _HELP.format(scope=scope.label, size=window.label)
        self._ownership = ownership

    def get(self, team: str, start_ms: int, workflow: str = "") -> Aggregate | None:
        """The row of the window that holds ``start_ms``; None if there is none. Raises :class:`NotHere`."""
        shard = self._ownership.shard_of(team)
        if shard is None:
            raise NotHere(f"team {team!r} is not in a partition that this worker runs; ask its owner")
        bucket = self.window.bucket_of(start_ms)
        place = RowKey(self.window, self.scope, bucket, team, workflow)
        found = read_rows(shard.store, self.window, self.scope, bucket, bucket + 1)
        return next((row for row in found if row.place == place), None)

    def range(self, start_ms: int, end_ms: int, team: str | None = None) -> Iterator[Aggregate]:
        """Rows of the windows that begin in ``start_ms <= start < end_ms``, of all partitions here, or of one team."""
        # The windows that begin from an instant on come after the one that holds the millisecond before it.
        start, end = self.window.bucket_of(start_ms - 1) + 1, self.window.bucket_of(end_ms - 1) + 1
        for shard in list(self._ownership.running.values()):
            for row in read_rows(shard.store, self.window, self.scope, start, end):
                if team is None or row.place.team == team:
                    yield row

    def info(self) -> dict[str, Any]:
        """What Faust's table list shows."""
        return {"name": self.name, "help": self.help}


def window_tables(ownership: Ownership) -> list[WindowTable]:
    """All tables, one a scope and size."""
    return [WindowTable(window, scope, ownership) for scope in PUBLISHED for window in SIZES]
