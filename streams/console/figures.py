"""KPIs as the console keeps them: of each team and workflow the last days and weeks, in bounded memory."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

import msgspec

from streams.core.bounds import EARLIEST_MS, LATEST_MS
from streams.core.kpis import Kpi
from streams.core.windows import Window
from streams.report.contents import Entry, entry_of
from streams.report.ratios import RATIOS, Ratio
from streams.report.selection import Place, Selection
from streams.report.weeks import Week

__all__ = ["DAYS_KEPT", "SHARES", "Figures", "Key", "Rank"]

#: Days told one by one; what is older is told by its week.
DAYS_KEPT: Final = 28
_SIZES: Final = (int(Window.DAY), int(Window.WEEK))


class _Kept(Kpi, array_like=True):
    """A record without its field names, a fifth as large: there are a million of them."""


_ENCODE: Final = msgspec.msgpack.Encoder().encode
_DECODE: Final = msgspec.msgpack.Decoder(_Kept).decode
#: What of a week is known, as the report names it.
SHARES: Final = ("price_coverage", "call_attribution", "outcome_attribution", "outcome_coverage")
#: A window's first millisecond, with the revision and the record.
_Windows = dict[int, tuple[int, bytes]]


class Key(NamedTuple):
    """What the key of a record says (:func:`streams.shards.outputs.kpi_key`), so that most need not be decoded."""

    place: Place
    size_ms: int
    start_ms: int

    @classmethod
    def parse(cls, key: bytes) -> "Key | None":
        """The key; None for one that is not ours."""
        try:
            scope, team, workflow, size, start = key.decode().split("\x1f")
            found = cls(Place(team, workflow if scope == "workflow" else None), int(size), int(start))
        except ValueError:
            return None
        return found if EARLIEST_MS - Window.WEEK <= found.start_ms <= LATEST_MS - Window.WEEK else None

    @property
    def kept(self) -> bool:
        """Whether windows of this size are kept."""
        return self.size_ms in _SIZES


class Rank(NamedTuple):
    """What a list is sorted by: by how much the week is worse than the one before, None where that is unknown."""

    place: Place
    worse: float | None
    #: Of a team, :data:`SHARES` in order; a workflow's are in its team's.
    shares: tuple[Ratio, ...] = ()


class _Held:
    """The windows of one place, and its rank as last worked out."""

    __slots__ = ("days", "rank", "weeks")

    def __init__(self) -> None:
        self.weeks: _Windows = {}
        self.days: _Windows = {}
        self.rank: Rank | None = None


class Figures:
    """The highest revision of each kept window.

    ``weeks`` bounds how far back they go, ``max_places`` how many teams and workflows there are: further ones are left
    out and counted in ``left_out``. :meth:`work` must be called now and then, or lists stay as they are.
    """

    def __init__(self, *, weeks: int, max_places: int) -> None:
        self.left_out = 0
        self.as_of_ms: int | None = None
        self._weeks = weeks
        self._max_places = max_places
        self._held: dict[Place, _Held] = {}
        self._stale: set[Place] = set()
        self._newest: int | None = None
        self._newest_closed: int | None = None
        self._ranked: Week | None = None
        self._refused: set[int] = set()
        self._ranks: dict[bool, list[Rank]] = {True: [], False: []}
        self._workflows: defaultdict[str, set[str]] = defaultdict(set)

    def __len__(self) -> int:
        return len(self._held)

    def __contains__(self, place: Place) -> bool:
        return place in self._held

    @property
    def week(self) -> Week | None:
        """The week that lists are about: the newest that has closed anywhere, else the newest; None without records."""
        start = self._newest if self._newest_closed is None else self._newest_closed
        return None if start is None else Week(start)

    def see(self, at_ms: int) -> None:
        """A window that ends then has closed."""
        if self.as_of_ms is None or at_ms > self.as_of_ms:
            self.as_of_ms = at_ms

    def take(self, record: Kpi) -> None:
        """Keep a day or a week, if it is the highest revision and recent enough."""
        if record.window_size_ms not in _SIZES:
            return
        place, start = Place(record.team, record.workflow), record.window_start
        week = Week.of(start)
        if self._newest is not None and week.start_ms <= self._newest - self._weeks * Window.WEEK:
            return
        held = self._held.get(place)
        if held is None:
            held = self._make_room(place)
            if held is None:
                return
        is_week = record.window_size_ms == Window.WEEK
        windows = held.weeks if is_week else held.days
        known = windows.get(start)
        if known is not None and record.revision < known[0]:
            return
        windows[start] = record.revision, _ENCODE(msgspec.convert(record, _Kept, from_attributes=True))
        self._newest = max(self._newest or week.start_ms, week.start_ms)
        if is_week:
            self._newest_closed = max(self._newest_closed or start, start)
        if record.last_event is not None:
            self.see(record.last_event)
        _prune(held, self._newest, self._weeks)
        self._stale.add(place)

    def forget(self, key: Key) -> None:
        """A tombstone came for a window."""
        held = self._held.get(key.place)
        if held is not None and key.kept:
            (held.weeks if key.size_ms == Window.WEEK else held.days).pop(key.start_ms, None)
            self._stale.add(key.place)

    def entry(self, place: Place, week: Week | None = None) -> Entry | None:
        """A place's week, by default the week that lists are about; None where nothing is known of the place."""
        week = week or self.week
        if week is None or place not in self._held:
            return None
        near = (week.start_ms, week.before.start_ms)
        records = self._records(place, lambda start: Week.of(start).start_ms in near)
        return entry_of(Selection(records), week, place)

    def weeks_of(self, place: Place) -> dict[Week, Kpi]:
        """The closed weeks of a place, oldest first."""
        held = self._held.get(place)
        return {} if held is None else {Week(start): _DECODE(held.weeks[start][1]) for start in sorted(held.weeks)}

    def days_of(self, place: Place) -> list[Kpi]:
        """The last days of a place, oldest first."""
        held = self._held.get(place)
        return [] if held is None else [_DECODE(held.days[start][1]) for start in sorted(held.days)]

    def workflows_of(self, team: str) -> list[Place]:
        """A team's workflows, by their names."""
        return [Place(team, name) for name in sorted(self._workflows.get(team, ()))]

    @property
    def past_weeks(self) -> list[Week]:
        """The kept weeks up to the one that lists are about, oldest first."""
        week = self.week
        if week is None:
            return []
        return [Week(week.start_ms - number * Window.WEEK) for number in reversed(range(self._weeks))]

    def ranks(self, *, teams: bool) -> list[Rank]:
        """Teams, or workflows: worst first, what is unknown last, then by names."""
        return self._ranks[teams]

    def share(self, name: str) -> Ratio:
        """One of :data:`SHARES` over all teams that know it, in the week that lists are about."""
        number = SHARES.index(name)
        ratios = [rank.shares[number] for rank in self._ranks[True] if rank.shares]
        known = [(over, under) for over, under in ratios if over is not None and under is not None]
        return Ratio(sum(it for it, _ in known), sum(it for _, it in known)) if known else Ratio(None, None)

    def work(self, most: int) -> bool:
        """Work out the ranks of up to ``most`` places; whether that was all, and lists are in order again."""
        if self._ranked != self.week:
            self._ranked = self.week
            self._stale.update(self._held)
        if not self._stale:
            return True
        for _ in range(min(most, len(self._stale))):
            place = self._stale.pop()
            held = self._held[place]
            if self._newest is not None:
                _prune(held, self._newest, self._weeks)
            if not held.weeks and not held.days:
                self._drop(place)
            else:
                entry = self.entry(place)
                held.rank = None if entry is None else Rank(place, _worse(entry), _shares(entry))
        if self._stale:
            return False
        found = [held.rank for held in self._held.values() if held.rank is not None]
        for teams in (True, False):
            self._ranks[teams] = sorted((it for it in found if (it.place.workflow is None) is teams), key=_order)
        return True

    def _records(self, place: Place, wanted: Callable[[int], bool]) -> Iterator[Kpi]:
        held = self._held[place]
        for windows in (held.weeks, held.days):
            for start, (_, data) in windows.items():
                if wanted(start):
                    yield _DECODE(data)

    def _make_room(self, place: Place) -> _Held | None:
        if len(self._held) >= self._max_places:
            # By hash: a count must not be a list of names without a bound of its own.
            if len(self._refused) < self._max_places:
                self._refused.add(hash(place))
            self.left_out = len(self._refused)
            return None
        held = self._held[place] = _Held()
        if place.workflow is not None:
            self._workflows[place.team].add(place.workflow)
        return held

    def _drop(self, place: Place) -> None:
        del self._held[place]
        if place.workflow is not None:
            names = self._workflows[place.team]
            names.discard(place.workflow)
            if not names:
                del self._workflows[place.team]


def _prune(held: _Held, newest: int, weeks: int) -> None:
    for start in [it for it in held.weeks if it <= newest - weeks * Window.WEEK]:
        del held.weeks[start]
    oldest_day = newest + Window.WEEK - (DAYS_KEPT + 7) * Window.DAY
    for start in [it for it in held.days if it < oldest_day]:
        del held.days[start]


def _worse(entry: Entry) -> float | None:
    """The greater of: cost per accepted outcome up by this share, orphan share up by so many hundred points."""
    known = [it for it in (entry.cost_change, entry.orphan_change) if it is not None]
    return max(known, default=None)


def _shares(entry: Entry) -> tuple[Ratio, ...]:
    return () if entry.place.workflow is not None else tuple(entry.ratio(RATIOS[name]) for name in SHARES)


def _order(rank: Rank) -> tuple[bool, float, Place]:
    return rank.worse is None, -(rank.worse or 0.0), Place(rank.place.team, rank.place.workflow or "")
