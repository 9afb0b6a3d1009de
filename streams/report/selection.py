"""The KPI records that a report is made of: of each day and each week the highest revision."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Final, NamedTuple, TypeVar

from streams.core.kpis import Kpi
from streams.core.windows import Window
from streams.report.weeks import Week

__all__ = ["Place", "Selection"]

_K = TypeVar("_K")
_SIZES: Final = (int(Window.DAY), int(Window.WEEK))


class Place(NamedTuple):
    """A team, or with a name a workflow of it."""

    team: str
    workflow: str | None


class Selection:
    """Takes records in any order, and keeps of each day and week of each team and workflow the highest revision.

    Finer windows are not kept: all that is taken from them is how far event time has come, ``newest_ms``, which is None
    until there was an event.
    """

    def __init__(self, records: Iterable[Kpi] = ()) -> None:
        self.newest_ms: int | None = None
        self._weeks: defaultdict[Week, dict[Place, Kpi]] = defaultdict(dict)
        self._days: defaultdict[Week, dict[Place, dict[int, Kpi]]] = defaultdict(dict)
        for record in records:
            self.add(record)

    def add(self, record: Kpi) -> None:
        """Take one revision of one window into account."""
        if record.last_event is not None and (self.newest_ms is None or record.last_event > self.newest_ms):
            self.newest_ms = record.last_event
        if record.window_size_ms not in _SIZES:
            return
        week, place = Week.of(record.window_start), Place(record.team, record.workflow)
        if record.window_size_ms == Window.WEEK:
            _keep(self._weeks[week], place, record)
        else:
            _keep(self._days[week].setdefault(place, {}), week.day_of(record.window_start), record)

    @property
    def weeks(self) -> list[Week]:
        """Every week that there is a record of, in order of time."""
        return sorted({*self._weeks, *self._days})

    @property
    def newest_week(self) -> Week | None:
        """The newest week that has a weekly record; if none has, the newest of all; None if there is no record."""
        return max(self._weeks or self._days, default=None)

    def places(self, week: Week) -> list[Place]:
        """Teams and workflows with a record of the week, by the names of teams, then of workflows; a team comes first."""
        places = {*self._weeks.get(week, ()), *self._days.get(week, ())}
        return sorted(places, key=lambda place: (place.team, place.workflow or ""))

    def week(self, week: Week, place: Place) -> Kpi | None:
        """The weekly record; None while the week has not closed."""
        return self._weeks.get(week, {}).get(place)

    def days(self, week: Week, place: Place) -> tuple[Kpi | None, ...]:
        """The daily records from Monday to Sunday; None where there is none."""
        found = self._days.get(week, {}).get(place, {})
        return tuple(found.get(number) for number in range(len(week.days)))


def _keep(current: dict[_K, Kpi], key: _K, record: Kpi) -> None:
    known = current.get(key)
    if known is None or record.revision > known.revision:
        current[key] = record
