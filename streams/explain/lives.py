"""The life of an alert: its records by revision, as far as they are kept."""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Final

from streams.core.alerts import Alert

__all__ = ["Life", "lives", "nearest"]

_MOST_NEAR: Final = 5


@dataclass(frozen=True, slots=True)
class Life:
    """One alert; ``records`` are in the order of their revisions, never empty, and without those that compaction took."""

    records: tuple[Alert, ...]

    @property
    def alert_id(self) -> str:
        """Whose life it is."""
        return self.records[0].alert_id

    @property
    def current(self) -> Alert:
        """The record that holds."""
        return self.records[-1]

    @property
    def missing(self) -> int:
        """How many revisions up to the current one are not there."""
        return max(0, self.current.revision - len(self.records))

    @property
    def begins_ms(self) -> int:
        """When what it is about begins."""
        return min(min(it.window_start, it.opened_at) for it in self.records)

    @property
    def ends_ms(self) -> int:
        """When it was heard of last, or the end of what it is about."""
        return max(max(it.window_end, it.updated_at) for it in self.records)


def lives(records: Iterable[Alert]) -> dict[str, Life]:
    """All alerts by id, in the order of their first records. A revision that comes again replaces itself."""
    found: dict[str, dict[int, Alert]] = {}
    for record in records:
        found.setdefault(record.alert_id, {})[record.revision] = record
    return {name: Life(tuple(by[number] for number in sorted(by))) for name, by in found.items()}


def nearest(alert_id: str, known: Iterable[str]) -> list[str]:
    """The ids that are most like one: those that begin with it first."""

    def likeness(name: str) -> tuple[bool, float, str]:
        return not name.startswith(alert_id), -SequenceMatcher(None, alert_id, name).ratio(), name

    return sorted(known, key=likeness)[:_MOST_NEAR]
