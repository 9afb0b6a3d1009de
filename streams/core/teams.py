"""What is known of each team of a shard: its workflows, and how long its work takes to come to something."""

from collections.abc import Iterator
from typing import Final

import orjson

from streams.core import keys
from streams.core.params import EngineParams
from streams.core.results import Durations, quantile, slot
from streams.core.store import StateView, Writes
from streams.core.windows import Window

__all__ = ["Team", "Teams"]

#: Samples from which a lag is learned: below, a 90th percentile is a guess.
ENOUGH: Final = 50
_SHARE: Final = 0.9
#: Workflows remembered by name for each team, so that invented names cannot fill the memory.
_MOST_WORKFLOWS: Final = 2_000


class Team:
    """One team.

    ``settled`` and ``expired`` are the first hours whose runs are not settled, not forgotten; ``early`` is the first one
    whose runs of nobody's may be unsettled, ``waited`` the first one for which runs may still wait.
    ``lags`` are times from the beginning of a run to an accepted outcome of it, by kind of outcome. ``outcomes`` once any
    outcome has come in.
    """

    __slots__ = (
        "changed",
        "early",
        "expired",
        "lags",
        "matures_ms",
        "name",
        "outcomes",
        "settled",
        "waited",
        "workflows",
    )

    def __init__(self, name: str) -> None:
        self.name = name
        self.settled = 0
        self.early = 0
        self.waited = 0
        self.expired = 0
        self.lags: dict[str, Durations] = {}
        #: The maturity that follows from the lags; -1 until it is asked for.
        self.matures_ms = -1
        self.outcomes = False
        self.workflows: dict[str, None] = {}
        self.changed = False


class Teams:
    """The teams of one shard, all in memory."""

    def __init__(self, store: StateView, params: EngineParams) -> None:
        self._params = params
        self._teams: dict[str, Team] = {}
        self._used: list[bytes] = []
        for key, data in store.range(*keys.all_of(keys.TEAM)):
            values = orjson.loads(data)
            team = self._teams[key[1:].decode()] = Team(key[1:].decode())
            team.settled, team.expired, team.outcomes = values["settled"], values["expired"], values["outcomes"]
            team.lags = {kind: {int(it): n for it, n in lags.items()} for kind, lags in values["lags"].items()}
            team.waited, team.early = values["waited"], values["early"]
        for key, _ in store.range(*keys.all_of(keys.TEAM_WORKFLOW)):
            name, _, workflow = key[1:].decode().partition("\0")
            self.of(name).workflows[workflow] = None

    def __iter__(self) -> Iterator[Team]:
        return iter(list(self._teams.values()))

    def of(self, name: str) -> Team:
        """A team, a new one on first sight."""
        team = self._teams.get(name)
        if team is None:
            team = self._teams[name] = Team(name)
            team.changed = True
        return team

    @property
    def with_outcomes(self) -> set[str]:
        """Names of the teams of which an outcome has come in."""
        return {team.name for team in self._teams.values() if team.outcomes}

    def used(self, name: str, workflow: str) -> None:
        """Usage of a workflow came in."""
        team = self.of(name)
        if workflow not in team.workflows and len(team.workflows) < _MOST_WORKFLOWS:
            team.workflows[workflow] = None
            self._used.append(keys.TEAM_WORKFLOW + f"{name}\0{workflow}".encode())

    def learn(self, team: Team, kind: str, lag_ms: int) -> None:
        """Take one run's way to an accepted outcome into account."""
        lags = team.lags.setdefault(kind, {})
        number = slot(max(0, lag_ms))
        lags[number] = lags.get(number, 0) + 1
        team.matures_ms = -1
        team.changed = True

    def maturity_ms(self, team: Team) -> int:
        """How long after its beginning a run of the team is mature: the longest lag of its kinds of outcome.

        A kind's lag is the 90th percentile of what was seen, once that is enough, and what is configured until then.
        """
        if team.matures_ms < 0:
            team.matures_ms = self._learned_ms(team)
        return team.matures_ms

    def _learned_ms(self, team: Team) -> int:
        params = self._params
        longest = 0
        for kind, lags in team.lags.items():
            learned = quantile(lags, _SHARE) if sum(lags.values()) >= ENOUGH else None
            longest = max(
                longest, params.maturity_by_kind_ms.get(kind, params.maturity_ms) if learned is None else learned
            )
        least, most = int(Window.HOUR), max(int(Window.HOUR), params.horizon_ms - Window.DAY)
        return min(max(longest or params.maturity_ms, least), most)

    def drain(self, writes: Writes) -> None:
        """Write the teams that changed."""
        # One record each, as a team's own is written again with all that is learned.
        writes.update(dict.fromkeys(self._used, b""))
        self._used = []
        for team in self._teams.values():
            if team.changed:
                team.changed = False
                values = {
                    "settled": team.settled, "early": team.early, "waited": team.waited, "expired": team.expired,
                    "outcomes": team.outcomes,
                    "lags": {kind: {str(it): n for it, n in lags.items()} for kind, lags in team.lags.items()},
                }  # fmt: skip
                writes[keys.TEAM + team.name.encode()] = orjson.dumps(values, option=orjson.OPT_SORT_KEYS)
