"""Stage *settle*: what runs have come to, once they are mature.

A run is settled by the hour in which it began, once the team's maturity lag has passed: then, and not before, its spend
counts as having led to something or to nothing. For runs of people it must have passed in event time, for others the
clock will do, where nothing comes in. Whatever comes to be known later of a run that concerns no person still
corrects that. Runs that people had a part in are told of together with those of enough others, as
:mod:`streams.core.starters` decides, and once it has decided; of those nothing is corrected: the difference would be what
one person did.
"""

from collections.abc import Callable, Iterator
from typing import Final

from xxhash import xxh3_64_intdigest

from streams.core import keys
from streams.core.closing import Closer
from streams.core.effects import Effects
from streams.core.overlay import Overlay
from streams.core.params import EngineParams
from streams.core.pseudonyms import iso_week
from streams.core.results import Results
from streams.core.runs import NOT_BEGUN, Run, Runs
from streams.core.starters import Starters
from streams.core.store import Writes
from streams.core.teams import Team, Teams
from streams.core.windows import SIZES, Window

__all__ = ["Settler"]

_HOUR: Final = Window.HOUR
#: Runs looked at in one transaction, about: a hundred thousand at once would hold up everything else.
_AT_ONCE: Final = 20_000
_FAR: Final = 1 << 62


class Settler:
    """Settles one shard's runs, and forgets them."""

    def __init__(
        self, state: Overlay, closer: Closer, runs: Runs, teams: Teams, starters: Starters, params: EngineParams
    ) -> None:
        self._state = state
        self._closer = closer
        self._runs = runs
        self._teams = teams
        self._starters = starters
        self._params = params
        #: Told what mature runs have come to, by team, workflow and the beginning of their hour.
        self.listener: Callable[[str, str, int, Results], None] | None = None
        #: The last hour of event time in which all that was due was settled; whoever owns this keeps it with the state.
        self.looked_hour = 0

    def began(self, run: Run, at_ms: int, workflow: str, actor: int, effects: Effects) -> None:
        """A run turns out to have begun at an earlier time than was known, or at all; ``actor`` is who began it, or 0."""
        moved = _HOUR.bucket_of(at_ms) != _HOUR.bucket_of(run.began_ms) or workflow != run.workflow
        if run.began_ms == NOT_BEGUN or _HOUR.bucket_of(at_ms) != _HOUR.bucket_of(run.began_ms):
            # An entry of a later hour stays, and finds the run settled.
            team = self._teams.of(run.team)
            hour = max(_HOUR.bucket_of(at_ms), team.settled)
            if hour < team.early:
                team.early, team.changed = hour, True
            self._state.put(self._key(keys.BEGAN, run.team, hour) + _place(run.hash), b"")
        # Moved by somebody's call, its cohort would tell when that was: what was told of nobody's run stays where it is.
        told = run.settled and not run.personal and not actor
        if told:
            self._tell(run, -1, effects)
        if run.personal and run.began_ms != NOT_BEGUN and moved and not self._exploratory(run.team, run.workflow):
            self._starters.left(run.team, run.workflow, run.began_ms)
        run.began_ms, run.workflow = at_ms, workflow
        if told:
            self._tell(run, 1, effects)
        if actor:
            # Of a settled run no cohort will tell: whoever comes to it is not behind one.
            if not run.settled and not self._exploratory(run.team, workflow):
                self._starters.began(run.team, workflow, at_ms, actor)
            run.personal = True

    def concerns(self, run: Run, at_ms: int, actor: int) -> None:
        """A run turns out to concern somebody."""
        run.personal = True
        # In another week they have another pseudonym, and might be counted twice. A settled run has been told of as nobody's.
        if (
            not run.settled
            and iso_week(at_ms) == iso_week(run.began_ms)
            and not self._exploratory(run.team, run.workflow)
        ):
            self._starters.began(run.team, run.workflow, run.began_ms, actor)

    def _exploratory(self, team: str, workflow: str) -> bool:
        """Whether no cohort tells of a workflow's runs: whoever began them is behind none, not even their team's."""
        return (team, workflow) in self._params.exploratory

    def revise(self, run: Run, effects: Effects) -> None:
        """Tell a settled run's news, unless they would tell what one person did."""
        now = (run.spend, run.accepted, run.outcomes)
        if run.settled and not run.personal and run.told != now:
            self._tell(run, -1, effects)
            run.told = now
            self._tell(run, 1, effects)
            self._runs.touch(run)

    def _tell(self, run: Run, sign: int, effects: Effects) -> None:
        if run.in_cohort:
            self._closer.add_results(run.team, run.workflow, run.began_ms, _HOUR, _cohort(run), sign, 0, effects)

    def settle(self, closing_ms: int, effects: Effects, *, final: bool = False) -> None:
        """Settle the runs whose time has come; looks once an hour of event time, and goes on where it stopped.

        Of an idle partition ``closing_ms`` is ahead of event time: by that, runs of nobody's settle, as they are corrected
        when more comes in after all. ``final`` when no event can come any more: what is undecided by then is decided.
        """
        event_ms = closing_ms if final else self._closer.border_ms
        decided = _HOUR.bucket_of(_FAR if final else event_ms)
        if self._closer.has_usage or final:
            for size in SIZES[1:]:
                self._starters.decide(size, size.bucket_of(_HOUR.start_of(decided) - self._params.grace_ms))
        left = _FAR if final else _AT_ONCE
        hour = _HOUR.bucket_of(event_ms)
        if hour > self.looked_hour:
            left = self._settle_due(event_ms, decided, left, effects)
            if left <= 0:
                return
            self.looked_hour = hour
        if _HOUR.bucket_of(closing_ms) > hour:
            self._settle_nobodys(closing_ms, left, effects)

    def _settle_due(self, event_ms: int, decided: int, left: int, effects: Effects) -> int:
        """Settle what is due by event time; how many more runs may be looked at."""
        for team in self._teams:
            # What was due stays so when the team's maturity grows: no run may be sent back to an hour that has been settled.
            due = max(team.settled, _HOUR.bucket_of(event_ms - self._teams.maturity_ms(team)))
            left -= self._settle_team(team, due, decided, left, effects)
            if left <= 0:
                break
        return left

    def _settle_nobodys(self, closing_ms: int, left: int, effects: Effects) -> None:
        """Settle runs of nobody's that are due by the clock, and leave those of people to event time."""
        for team in self._teams:
            due = _HOUR.bucket_of(closing_ms - self._teams.maturity_ms(team))
            for hour, numbers in self._hours(keys.BEGAN, team, max(team.early, team.settled), due):
                team.early = hour + 1
                team.changed = True
                runs = [run for run in map(self._runs.find, numbers) if run is not None]
                self._settle_runs(team, [run.hash for run in runs if not run.personal], due, effects)
                left -= len(numbers)
                if left <= 0:
                    return

    def _settle_team(self, team: Team, due: int, decided: int, most: int, effects: Effects) -> int:
        """Settle a team's runs that began before an hour, and those that waited until another; how many were looked at."""
        looked = 0
        # All of one hour together: who settles with whom must not depend on where the last transaction stopped.
        for hour, numbers in self._hours(keys.BEGAN, team, team.settled, due):
            team.settled = hour + 1
            team.changed = True
            self._settle_runs(team, numbers, due, effects)
            looked += len(numbers)
            if looked >= most:
                return looked
        if due > team.settled:
            team.settled = due
            team.changed = True
        for hour, numbers in self._hours(keys.WAITING, team, team.waited, decided + 1):
            for number in numbers:
                self._state.put(self._key(keys.WAITING, team.name, hour) + _place(number), None)
            team.waited = hour + 1
            team.changed = True
            self._settle_runs(team, numbers, due, effects)
            looked += len(numbers)
            if looked >= most:
                break
        return looked

    def _hours(self, prefix: bytes, team: Team, start: int, end: int) -> Iterator[tuple[int, list[int]]]:
        """Hour by hour, all runs that are entered there."""
        while True:
            key = self._state.first(self._key(prefix, team.name, start), self._key(prefix, team.name, end))
            if key is None:
                return
            hour = int.from_bytes(key[-16:-8], "big")
            start = hour + 1
            entries = self._state.range(self._key(prefix, team.name, hour), self._key(prefix, team.name, start))
            yield hour, sorted([int.from_bytes(key[-8:], "big") for key, _ in entries])

    def _settle_runs(self, team: Team, numbers: list[int], due: int, effects: Effects) -> None:
        cohorts: dict[tuple[str, int, Window, bool], Results] = {}
        # As long as no outcome of a team has come in, it is not known what its spend led to.
        known = self._params.outcomes_expected.get(team.name, team.outcomes)
        for number in numbers:
            run = self._runs.find(number)
            if run is None or run.settled:
                continue
            place: tuple[str, Window] | None = None
            if not self._exploratory(team.name, run.workflow):
                place = run.workflow, _HOUR
                if run.personal:
                    later, place = self._telling(team, run, due)
                    if later is not None:
                        self._state.put(later + _place(number), b"")
                        continue
            # Asked only now: of runs that one window tells of, none may be left out that others are counted with.
            if not known:
                place = None
            run.settled = True
            run.in_cohort = place is not None
            run.told = (run.spend, run.accepted, run.outcomes)
            self._runs.touch(run)
            if place is not None:
                cohort = place[0], _HOUR.bucket_of(run.began_ms), place[1], run.personal
                cohorts.setdefault(cohort, Results()).add(_cohort(run))
        for (workflow, hour, size, decided), results in sorted(cohorts.items(), key=lambda item: item[0]):
            if self.listener is not None:
                self.listener(team.name, workflow, _HOUR.start_of(hour), results)
            self._closer.add_results(
                team.name, workflow, _HOUR.start_of(hour), size, results, 1, 0, effects, decided=decided
            )  # fmt: skip

    def _telling(self, team: Team, run: Run, due: int) -> tuple[bytes | None, tuple[str, Window] | None]:
        """The entry under which a run of people is to wait, or else the workflow and the window that tells of it, if any.

        All runs that one window tells of for the first time meet under one entry, and are told in one transaction: one
        after the other, they would say what each of them came to.
        """
        for size in SIZES[1:]:
            end_ms = size.start_of(size.bucket_of(run.began_ms) + 1)
            decided = self._decided_hour(end_ms)
            if decided >= team.waited:
                return self._key(keys.WAITING, team.name, decided), None
            last = _HOUR.bucket_of(end_ms) - 1
            if last >= due:
                return self._key(keys.BEGAN, team.name, last), None
            if self._starters.may_tell(size, team.name, run.workflow, run.began_ms):
                return None, (run.workflow, size)
        if self._starters.may_tell(Window.WEEK, team.name, "", run.began_ms):
            return None, ("", Window.WEEK)
        return None, None

    def _decided_hour(self, end_ms: int) -> int:
        """The hour from whose beginning on it is decided who is told of by a window that ends then."""
        return _HOUR.bucket_of(end_ms + self._params.grace_ms + _HOUR - 1)

    def expire(self, before: int) -> set[int]:
        """The runs that began before an hour, and are settled: whoever asks forgets them."""
        runs: set[int] = set()
        for team in self._teams:
            last = min(before, team.settled)
            if last <= team.expired:
                continue
            entries = list(
                self._state.range(
                    self._key(keys.BEGAN, team.name, team.expired), self._key(keys.BEGAN, team.name, last)
                )
            )
            for key, _ in entries:
                number = int.from_bytes(key[-8:], "big")
                run = self._runs.find(number)
                if run is not None and not run.settled:
                    # Runs of people wait for all of their week: without the first ones too few would be told of with the last.
                    last = min(last, int.from_bytes(key[-16:-8], "big"))
                    continue
                runs.add(number)
                self._state.put(key, None)
            if entries and last > team.expired:
                team.expired = last
                team.changed = True
        self._starters.expire(_HOUR.start_of(before))
        return runs

    @property
    def pending(self) -> bool:
        """Whether anything waits to be written."""
        return self._starters.pending

    def drain(self, writes: Writes) -> None:
        """Write whose runs began when; the entries of runs are in the state that this shares."""
        self._starters.drain(writes)

    def _key(self, prefix: bytes, team: str, hour: int) -> bytes:
        return prefix + _place(xxh3_64_intdigest(team.encode(), self._params.seed)) + _place(hour)


def _place(number: int) -> bytes:
    return max(0, number).to_bytes(8, "big")


def _cohort(run: Run) -> Results:
    """What a settled run counts as in the cohort of its beginning."""
    spend, accepted, outcomes = run.told
    found = Results()
    found.cohort_runs, found.cohort_spend = 1, spend
    found.cohort_with_outcome, found.cohort_accepted = int(outcomes > 0), accepted
    found.cohort_personal = int(run.personal)
    if accepted <= 0:
        found.orphan_runs, found.orphan_spend = 1, spend
    return found
