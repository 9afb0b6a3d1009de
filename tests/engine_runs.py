"""Engines over a store in memory, for tests: records go in, committed effects come out."""

import json
from collections import Counter
from collections.abc import Sequence
from operator import add
from typing import Any, Final, cast

from streams.core.alerts import Alert
from streams.core.deadletters import DeadLetter
from streams.core.effects import Amounts, Counts, Effects, Reroute
from streams.core.engine import Chunk, Engine, EngineParams
from streams.core.events import UsageDecoder
from streams.core.findings import Judges
from streams.core.kpis import Kpi
from streams.core.outcomes import JoinResult
from streams.core.prices import PriceBook
from streams.core.pseudonyms import Pseudonyms
from streams.core.topics import OUTCOMES, USAGE
from streams.core.windows import Window
from streams.state.memory import MemoryStore

__all__ = [
    "DAY",
    "FIVE",
    "HOUR",
    "MINUTE",
    "MONDAY",
    "NOW",
    "SECOND",
    "WEEK",
    "EngineRun",
    "Place",
    "outcome",
    "place_of",
    "usage",
]

SECOND: Final = 1_000
MINUTE: Final = 60_000
FIVE: Final = int(Window.FIVE_MINUTES)
HOUR: Final = int(Window.HOUR)
DAY: Final = int(Window.DAY)
WEEK: Final = int(Window.WEEK)

#: 2026-01-05T00:00:00Z, where a 5-minute window, an hour, a day and an ISO week begin.
MONDAY: Final = 1_767_571_200_000
#: The wall clock of runs that do not say otherwise: so late that no event lies in its future.
NOW: Final = MONDAY + 100 * DAY

DECODER: Final = UsageDecoder()
KEY: Final = b"a key for tests of 16 bytes or more"

#: A window of a scope: team, workflow (None for the team's own), size, start.
Place = tuple[str, str | None, int, int]


def usage(event_id: str, at: int, **fields: Any) -> bytes:
    """A usage event as it lies in the log, of team ``payments`` and workflow ``review`` unless ``fields`` differ."""
    required = {"source": "native", "team": "payments", "workflow": "review", "model": "m"}
    return json.dumps({**required, "event_id": event_id, "occurred_at": at, **fields}).encode()


def outcome(outcome_id: str, at: int, **fields: Any) -> bytes:
    """An accepted merge as it lies in the log, of team ``payments``, unless ``fields`` differ."""
    required = {"source": "github", "team": "payments", "kind": "change_merged", "verdict": "accepted"}
    return json.dumps({**required, "outcome_id": outcome_id, "occurred_at": at, **fields}).encode()


def place_of(kpi: Kpi) -> Place:
    """The window and scope that a KPI is about."""
    return kpi.team, kpi.workflow, kpi.window_size_ms, kpi.window_start


def partition_for(team: str) -> int:
    """Teams whose names begin with ``foreign`` belong in partition 7, all others in 0."""
    return 7 if team.startswith("foreign") else 0


class EngineRun:
    """One partition's log, the engine that reads it, and everything it has committed.

    :meth:`feed` is one transaction, :meth:`step` a chunk without one. :meth:`crash` forgets what was not committed and
    starts a new engine on the store.
    """

    def __init__(self, **params: Any) -> None:
        self.store = MemoryStore()
        self.prices: PriceBook | None = params.pop("prices", None)
        self.judges: Judges | None = params.pop("judges", None)
        self.alerts: list[Alert] = []
        # Of the group minimum there are tests of its own; all others are about figures that it would hold back.
        self.params = EngineParams(**{"min_actors": 0, **params})
        self.publications: list[Kpi] = []
        self.joins: Counter[JoinResult] = Counter()
        self.told: dict[tuple[str, str], Amounts] = {}
        self.dead_letters: list[DeadLetter] = []
        self.reroutes: list[Reroute] = []
        self.commits: list[Effects] = []
        self.counts = Counts()
        self.crash()

    def crash(self) -> None:
        """Lose whatever is not in the store."""
        self.engine = Engine(
            self.params, self.store, DECODER, Pseudonyms(KEY), 0, partition_for, prices=self.prices, judges=self.judges
        )
        self.end = self.engine.applied.get(USAGE, 0)
        self.outcomes_end = self.engine.applied.get(OUTCOMES, 0)

    def step(self, *values: bytes | None, now: int = NOW) -> None:
        """Append records to the log and have the engine read them as one chunk."""
        self.read(values, now=now)

    def read(self, values: Sequence[bytes | None], now: int = NOW) -> None:
        """Read records as one chunk from where the last one ended."""
        start, self.end = self.end, self.end + len(values)
        self.engine.step(Chunk(USAGE, 0, range(start, self.end), values, self.end, start), now)

    def read_outcomes(self, *values: bytes | None, now: int = NOW) -> None:
        """Append outcome events to their topic and have the engine read them as one chunk."""
        start, self.outcomes_end = self.outcomes_end, self.outcomes_end + len(values)
        offsets = range(start, self.outcomes_end)
        self.engine.step(Chunk(OUTCOMES, 0, offsets, values, self.outcomes_end, start), now)

    def feed_outcomes(self, *values: bytes | None, now: int = NOW) -> Effects:
        """One chunk of outcome events in one transaction."""
        self.read_outcomes(*values, now=now)
        return self.commit()

    def commit(self) -> Effects:
        """Drain the engine, and make its effects visible."""
        effects = self.engine.drain()
        # A transaction without writes does not take place: nothing may hang on it.
        asked = (effects.publications, effects.dead_letters, effects.reroutes, effects.counts)
        assert effects.writes or not any(asked)
        self.store.write(effects.writes)
        self.publications += effects.publications
        self.alerts += effects.alerts
        self.dead_letters += effects.dead_letters
        self.reroutes += effects.reroutes
        for counts in effects.counts.values():
            self.counts.add(counts)
        self.joins.update(effects.joins)
        for (team, workflow), amounts in effects.said.items():
            known = self.told.get((team, workflow), (0, 0, 0, 0, 0))
            self.told[team, workflow] = cast("Amounts", tuple(map(add, known, amounts)))
        self.commits.append(effects)
        return effects

    def feed(self, *values: bytes | None, now: int = NOW) -> Effects:
        """One chunk in one transaction."""
        self.read(values, now=now)
        return self.commit()

    def idle(self, now: int) -> Effects:
        """One tick of the clock while nothing arrives."""
        self.engine.idle(now)
        return self.commit()

    def finish(self, *, settle: bool = False) -> Effects:
        """Close every window, and settle every run if asked to."""
        self.engine.finish(settle=settle)
        return self.commit()

    @property
    def kpis(self) -> list[Kpi]:
        """Every KPI published, in order."""
        return self.publications

    @property
    def latest(self) -> dict[Place, Kpi]:
        """The highest revision of every window of every scope."""
        latest: dict[Place, Kpi] = {}
        for kpi in self.kpis:
            known = latest.get(place_of(kpi))
            if known is None or kpi.revision > known.revision:
                latest[place_of(kpi)] = kpi
        return latest

    def state(self, *prefixes: bytes) -> dict[bytes, bytes]:
        """What the store holds under some prefixes; all of it if none is given."""
        return {key: value for key, value in self.store.data.items() if key.startswith(prefixes or b"")}
