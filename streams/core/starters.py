"""Whose runs began in which window: who stands behind the figures of a cohort, and whether they are enough.

The people behind a cohort are not those behind its window: of five who were at work, one alone may have begun runs. So
they are counted apart, by the hour and workflow in which a run of theirs began. When no event of an hour can come any
more, it may tell of its runs if those of at least ``min_actors`` people began in it. If not, they rise to the day of the
workflow, from there to its week, then to the week of the team. What is told there for the first time are the runs of all
that rose to it, of enough people again, and none of whom it tells is told of anywhere else.

As soon as that is decided, who they were is forgotten.
"""

from typing import Final

from streams.core import distinct, keys
from streams.core.distinct import Distinct
from streams.core.keys import RowKey
from streams.core.overlay import Overlay
from streams.core.store import StateView, Writes
from streams.core.windows import SIZES, Scope, Window

__all__ = ["Starters"]

_VERSION: Final = 1
_HOUR: Final = Window.HOUR
_TOLD: Final = b"told"
#: Enough of them in memory for the hours in which runs begin at any time.
_CACHE_BOUND: Final = 20_000


class _Group:
    """Whose runs began in one window.

    ``left`` counts runs that turned out to have begun elsewhere: as they may have been somebody's only ones, each counts
    as a person less.
    """

    __slots__ = ("left", "people", "touched")

    def __init__(self, people: Distinct, left: int) -> None:
        self.people = people
        self.left = left
        self.touched = False

    def enough(self, least: int) -> bool:
        return distinct.count(self.people) - self.left >= max(least, 1)

    def encode(self) -> bytes:
        return bytes([_VERSION]) + self.left.to_bytes(4, "little") + distinct.encode(self.people)

    @classmethod
    def decode(cls, data: bytes) -> "_Group":
        if data[0] != _VERSION:
            raise ValueError(f"starters codec version {data[0]}, expected {_VERSION}")
        return cls(distinct.decode(data[5:]), int.from_bytes(data[1:5], "little"))


class Starters:
    """Counts, for one shard, whose runs began when. ``least`` is the smallest group whose runs are told of.

    ``decided`` are, by size, the first buckets that are not decided; whoever owns this keeps them with the state.
    """

    def __init__(self, store: StateView, least: int, decided: dict[Window, int]) -> None:
        self.decided: Final = decided
        self._least = least
        self._state = Overlay(store)
        self._groups: dict[RowKey, _Group] = {}
        self._touched: dict[RowKey, _Group] = {}

    def began(self, team: str, workflow: str, at_ms: int, actor: int) -> None:
        """A run of somebody's began. What began in an hour that is decided is told by none."""
        place = RowKey(_HOUR, Scope.WORKFLOW, _HOUR.bucket_of(at_ms), team, workflow)
        if place.bucket < self.decided[_HOUR]:
            return
        group = self._group(place)
        people = group.people
        if type(people) is not set:
            people.add(actor)
        elif actor in people:
            return
        else:
            people.add(actor)
            group.people = distinct.normal(people)
        self._touch(place, group)

    def left(self, team: str, workflow: str, at_ms: int) -> None:
        """A run of somebody's turned out not to have begun then."""
        place = RowKey(_HOUR, Scope.WORKFLOW, _HOUR.bucket_of(at_ms), team, workflow)
        if place.bucket >= self.decided[_HOUR]:
            group = self._group(place)
            group.left += 1
            self._touch(place, group)

    def may_tell(self, size: Window, team: str, workflow: str, at_ms: int) -> bool:
        """Whether a decided window tells of the runs that rose to it; that of a team for a workflow of no name."""
        scope = Scope.WORKFLOW if workflow else Scope.TEAM
        place = RowKey(size, scope, size.bucket_of(at_ms), team, workflow)
        return self._state.get(_key(place.encode())) == _TOLD

    def decide(self, size: Window, before: int) -> None:
        """No event of the buckets below ``before`` can come any more. Sizes are to be decided finest first."""
        done = self.decided[size]
        if before <= done:
            return
        self.decided[size] = before
        start, end = keys.row_range(size, Scope.WORKFLOW, done, before)
        self._store_touched()
        for key, data in list(self._state.range(_key(start), _key(end))):
            if data == _TOLD:
                continue
            place = keys.parse_row(keys.ROW + key[1:])
            self._decide(place, _Group.decode(data))
        if size is Window.WEEK:
            self._store_touched()
            start, end = keys.row_range(size, Scope.TEAM, done, before)
            for key, data in list(self._state.range(_key(start), _key(end))):
                told = data == _TOLD or _Group.decode(data).enough(self._least)
                self._state.put(key, _TOLD if told else None)
            self._groups.clear()

    def _decide(self, place: RowKey, group: _Group) -> None:
        self._groups.pop(place, None)
        if group.enough(self._least):
            self._state.put(_key(place.encode()), _TOLD)
            return
        self._state.put(_key(place.encode()), None)
        coarser = place.window.coarser
        if coarser is None:
            above = place._replace(scope=Scope.TEAM, workflow="")
        else:
            above = place._replace(window=coarser, bucket=coarser.bucket_of(place.start_ms))
        into = self._group(above)
        into.people = distinct.merge(into.people, group.people)
        into.left += group.left
        self._touch(above, into)

    def expire(self, before_ms: int) -> None:
        """Forget what was told of the runs that began before an instant."""
        for size in SIZES[1:]:
            for scope in (Scope.WORKFLOW, Scope.TEAM):
                start, end = keys.row_range(size, scope, 0, size.bucket_of(before_ms))
                for key, _ in list(self._state.range(_key(start), _key(end))):
                    self._state.put(key, None)

    def _group(self, place: RowKey) -> _Group:
        group = self._groups.get(place)
        if group is None:
            data = self._state.get(_key(place.encode()))
            group = _Group(set(), 0) if data is None or data == _TOLD else _Group.decode(data)
            self._groups[place] = group
        return group

    def _touch(self, place: RowKey, group: _Group) -> None:
        if not group.touched:
            group.touched = True
            self._touched[place] = group

    def _store_touched(self) -> None:
        for place, group in self._touched.items():
            group.touched = False
            self._state.put(_key(place.encode()), group.encode())
        self._touched = {}

    @property
    def pending(self) -> bool:
        """Whether anything waits to be written."""
        return bool(self._touched) or self._state.pending

    def drain(self, writes: Writes) -> None:
        """Write everything that changed."""
        self._store_touched()
        self._state.drain(writes)
        if len(self._groups) > _CACHE_BOUND:
            self._groups.clear()


def _key(row_key: bytes) -> bytes:
    """The key of a group: that of the row of its window under another prefix."""
    return keys.STARTERS + row_key[1:]
