"""Alerts as the console keeps them: their lives, firing ones always, resolved ones for as long as figures are kept."""

from collections import defaultdict
from collections.abc import Callable
from typing import Final

from streams.core.alerts import Alert
from streams.explain.lives import Life, nearest
from streams.report.selection import Place

__all__ = ["SEVERITIES", "Alerts"]

#: Worst first.
SEVERITIES: Final = ("critical", "warning", "info")
#: Revisions kept of one alert: a compacted topic has one, and a year of weekly ones is 52.
_MOST_REVISIONS: Final = 100


class Alerts:
    """The records of each alert by revision. ``max_alerts`` bounds their number: the oldest resolved go first."""

    def __init__(self, *, keep_ms: int, max_alerts: int) -> None:
        self._keep_ms = keep_ms
        self._max_alerts = max_alerts
        self._lives: dict[str, dict[int, Alert]] = {}
        self._current: dict[str, Alert] = {}
        self._of: defaultdict[Place, set[str]] = defaultdict(set)
        self._newest_ms = 0
        self.left_out = 0

    def __len__(self) -> int:
        return len(self._lives)

    def take(self, record: Alert) -> None:
        """Note one revision."""
        self._newest_ms = max(self._newest_ms, record.updated_at)
        by_revision = self._lives.setdefault(record.alert_id, {})
        by_revision[record.revision] = record
        if len(by_revision) > _MOST_REVISIONS:
            del by_revision[min(by_revision)]
        current = self._current.get(record.alert_id)
        if current is None or record.revision >= current.revision:
            self._current[record.alert_id] = record
        self._of[Place(record.team, record.workflow)].add(record.alert_id)
        if len(self._lives) > self._max_alerts:
            self._shrink()

    def forget(self, alert_id: str) -> None:
        """A tombstone came."""
        if self._lives.pop(alert_id, None) is not None:
            record = self._current.pop(alert_id)
            place = Place(record.team, record.workflow)
            self._of[place].discard(alert_id)
            if not self._of[place]:
                del self._of[place]

    def prune(self) -> None:
        """Let go of what was resolved too long ago, by the time of the newest record."""
        for alert_id in [name for name, it in self._current.items() if self._is_over(it)]:
            self.forget(alert_id)

    def current(self) -> list[Alert]:
        """The record that holds of each alert: firing first, by severity, then what changed last."""
        return sorted(self._current.values(), key=order)

    def life(self, alert_id: str) -> Life | None:
        """An alert's records by revision."""
        found = self._lives.get(alert_id)
        return None if found is None else Life(tuple(found[number] for number in sorted(found)))

    def near(self, alert_id: str) -> list[str]:
        """The ids that are most like one."""
        return nearest(alert_id, self._lives)

    def of(self, place: Place) -> list[Alert]:
        """The alerts of a team itself, or of a workflow."""
        return sorted((self._current[name] for name in self._of.get(place, ())), key=order)

    def firing(self, wanted: Callable[[Alert], bool] = lambda _: True) -> list[Alert]:
        """Those that fire."""
        return [it for it in self.current() if it.state == "firing" and wanted(it)]

    def worst_firing(self) -> dict[Place, str]:
        """Of each team and workflow with an alert that fires, the severity of the worst."""
        found: dict[Place, str] = {}
        for alert in self.firing():
            found.setdefault(Place(alert.team, alert.workflow), alert.severity)
        return found

    def _is_over(self, alert: Alert) -> bool:
        return alert.state == "resolved" and alert.updated_at < self._newest_ms - self._keep_ms

    def _shrink(self) -> None:
        """Make room by a tenth, so that this is rare."""
        by_age = sorted(self._current.values(), key=lambda it: (it.state == "firing", it.updated_at))
        for alert in by_age[: max(1, self._max_alerts // 10)]:
            self.forget(alert.alert_id)
            self.left_out += 1


def order(alert: Alert) -> tuple[bool, int, int, str]:
    """Firing before resolved, worst first, newest first."""
    severity = SEVERITIES.index(alert.severity) if alert.severity in SEVERITIES else len(SEVERITIES)
    return alert.state != "firing", severity, -alert.updated_at, alert.alert_id
