"""Stage *join*: which spend an outcome belongs to, what undoes it, and what runs have come to once they are mature.

An outcome is joined to the run that it names, else counted for the workflow that it names, else for its team. Records
arrive in any order, so nothing here is decided once: whenever the run's usage comes in, or an earlier event of it, or a
reversal, what was counted is taken back and counted anew where it belongs now. What is counted in the end depends on the
records alone, not on their order.

Runs are *settled* by the hour in which they began, once the team's maturity lag has passed: then, and not before, their
spend counts as having led to something or to nothing. Where the hour concerns too few people to be told of, the runs of
the whole day or week that tells it are settled at once. Of a run that concerns no person later news still corrects that.
Of one that does, nothing is corrected: the difference would be what one person spent.
"""

from typing import Final

import orjson
from xxhash import xxh3_64_intdigest

from streams.core import keys
from streams.core.aggregate import SOMEBODY
from streams.core.closing import Closer
from streams.core.effects import Effects
from streams.core.identity import AGREE_WITHIN_S
from streams.core.outcome_records import Outcome
from streams.core.outcomes import JoinResult, OutcomeEvent
from streams.core.overlay import Overlay
from streams.core.params import EngineParams
from streams.core.results import Results
from streams.core.runs import MOST_LINKS, NO_LEVEL, NOT_BEGUN, Run, Runs
from streams.core.store import StateView, Writes
from streams.core.teams import Team, Teams
from streams.core.windows import SIZES, Window

__all__ = ["Joiner"]

#: How far clocks may be apart: as between two sources of one call.
_TOLERANCE_MS: Final = AGREE_WITHIN_S * 1000
#: How far one reversal may carry on (a revert of a revert of a revert): beyond it somebody's records go in circles.
_MOST_HOPS: Final = 16
_HOUR: Final = Window.HOUR
#: The attribute that names the source of the outcome that is undone, where that is another one.
_OTHER_SOURCE: Final = "reverses_source"


class Joiner:
    """Joins one shard's outcomes to its runs, and settles runs."""

    def __init__(
        self, store: StateView, closer: Closer, runs: Runs, teams: Teams, params: EngineParams, closing_ms: int
    ) -> None:
        self._closer = closer
        self._runs = runs
        self._teams = teams
        self._seed = params.seed
        self._params = params
        self._state = Overlay(store)
        self._changed: dict[int, Outcome] = {}
        self._settled_hour = _HOUR.bucket_of(closing_ms)
        self._expired_hour = 0
        #: New outcomes by the hour in which they happened, for forgetting them.
        self._dated: dict[int, list[int]] = {}

    # ------------------------------------------------------------------------------------------------ outcomes

    def take(self, event: OutcomeEvent, actor: int, effects: Effects) -> bool:
        """Count an outcome; False if it was here before. ``actor`` is the pseudonym of whom it concerns, or 0."""
        number = self._number(event.team, event.source, event.outcome_id)
        known = self._find(number)
        if known is not None and known.seen:
            return False
        outcome = Outcome.of(number, event)
        if known is not None:
            outcome.reversers = known.reversers
        self._put(outcome)
        self._dated.setdefault(_HOUR.bucket_of(outcome.at_ms), []).append(number)
        same = self._same(event, outcome)
        if same is not None:
            outcome.alias = same.number
            effects.joins[JoinResult.SAME_OUTCOME] += 1
            for _ in range(outcome.reversers):
                self._undo(same.number, event.team, outcome.at_ms, 1, effects)
            return False
        team = self._teams.of(event.team)
        if not team.outcomes:
            team.outcomes = team.changed = True
        if event.run_id is not None:
            run = self._runs.of(event.team, event.run_id)
            run.linked += 1
            self._runs.touch(run)
            outcome.run = run.hash
            if len(run.links) < MOST_LINKS:
                run.links.append(number)
            else:
                self._state.put(keys.LINK + _place(run.hash) + _place(number), b"")
        outcome.place, outcome.joined, result = self._where(outcome, team)
        effects.joins[result] += 1
        actor = self._start(outcome, actor)
        if outcome.reversers:
            effects.joins[JoinResult.REVERSED_LATER] += 1
        self._count(outcome, 1, actor, effects)
        if outcome.joined and outcome.counts_as_accepted:
            self._teams.learn(team, outcome.kind, outcome.at_ms - self._run_of(outcome).began_ms)
        if outcome.verdict == "reversed":
            matched = False
            if event.reverses is not None:
                source = event.attributes.get(_OTHER_SOURCE) or event.source
                outcome.target = self._number(event.team, source, event.reverses)
                if not outcome.reversers:
                    matched = self._undo(outcome.target, event.team, outcome.at_ms, 1, effects)
            effects.joins[JoinResult.REVERSAL if matched else JoinResult.UNMATCHED_REVERSAL] += 1
        return True

    def _number(self, team: str, source: str, outcome_id: str) -> int:
        """The identity of an outcome. Of its team, too: what one team reports undoes nothing of another's."""
        return xxh3_64_intdigest(f"{team}\0{source}\0{outcome_id}".encode(), self._seed)

    def _same(self, event: OutcomeEvent, outcome: Outcome) -> Outcome | None:
        """The outcome that another system reported of the same thing; if there is none, this one stands for it."""
        if event.ref is None:
            return None
        said = f"{event.team}\0{event.kind}\0{event.ref}".encode()
        outcome.reference = xxh3_64_intdigest(said, self._seed)
        key = keys.REFERENCE + _place(outcome.reference)
        stored = self._state.get(key)
        if stored is not None:
            earlier, at_ms, source = orjson.loads(stored)
            if source != event.source and abs(at_ms - event.occurred_at) <= _TOLERANCE_MS:
                return self._find(earlier)
        self._state.put(key, orjson.dumps([outcome.number, event.occurred_at, event.source]))
        return None

    def _where(self, outcome: Outcome, team: Team) -> tuple[str, bool, JoinResult]:
        """Which workflow an outcome counts for, and whether as its run's, as far as is known."""
        run = self._run_of(outcome) if outcome.run else None
        begun = run is not None and run.began_ms != NOT_BEGUN
        if run is not None and begun and outcome.at_ms >= run.began_ms - _TOLERANCE_MS:
            return run.workflow, True, JoinResult.RUN
        if begun:
            result = JoinResult.BEFORE_RUN
        elif outcome.workflow:
            result = JoinResult.WORKFLOW if outcome.workflow in team.workflows else JoinResult.NO_USAGE
        else:
            result = JoinResult.TEAM if team.workflows else JoinResult.NO_USAGE
        return outcome.workflow, False, result

    def _start(self, outcome: Outcome, actor: int) -> int:
        """Decide which windows an outcome may be counted in, and whom it concerns: somebody, if people had a part in its run."""
        if not actor and outcome.joined and self._run_of(outcome).personal:
            actor = SOMEBODY
        outcome.start = int(self._closer.open_size(outcome.at_ms) or 0) if actor else int(Window.HOUR)
        return actor

    def _count(self, outcome: Outcome, sign: int, actor: int, effects: Effects) -> None:
        """Count what an outcome is now, or take it back."""
        results = outcome.results()
        if not results.empty:
            self._closer.add_results(
                outcome.team, outcome.place, outcome.at_ms, outcome.window, results, sign, actor, effects
            )  # fmt: skip
        if outcome.joined and outcome.verdict != "reversed":
            run = self._run_of(outcome)
            run.outcomes += sign
            run.accepted += sign * outcome.counts_as_accepted
            self._runs.touch(run)
            self._revise(run, effects)
        self._put(outcome)

    def _undo(self, number: int, team: str, at_ms: int, step: int, effects: Effects) -> bool:
        """One more, or one less, undoes an outcome; False if that is not known.

        An undone outcome undoes nothing any more, so it goes on along what that had undone.
        """
        for _ in range(_MOST_HOPS):
            target = self._find(number)
            if target is not None and target.alias:
                target = self._find(target.alias)
            if target is None:
                target = Outcome(number, team, at_ms)
                self._dated.setdefault(_HOUR.bucket_of(at_ms), []).append(number)
            turns = (target.reversers > 0) != (target.reversers + step > 0)
            if turns and target.seen:
                self._count(target, -1, 0, effects)
            target.reversers += step
            if turns and target.seen:
                self._count(target, 1, 0, effects)
            self._put(target)
            if not target.seen or not turns or not target.target:
                return target.seen
            number, step = target.target, -1 if target.reversers else 1
        return True

    # ---------------------------------------------------------------------------------------------------- runs

    def follow(self, run: Run, at_ms: int, workflow: str, effects: Effects) -> None:
        """Follow up on news of a run: see :meth:`Run.use`."""
        if at_ms < run.began_ms or (at_ms == run.began_ms and workflow < run.workflow):
            self._began(run, at_ms, workflow, effects)
        self._revise(run, effects)

    def _began(self, run: Run, at_ms: int, workflow: str, effects: Effects) -> None:
        """A run turns out to have begun at an earlier time than was known, or at all."""
        if run.began_ms == NOT_BEGUN or _HOUR.bucket_of(at_ms) != _HOUR.bucket_of(run.began_ms):
            # An entry of a later hour stays, and finds the run settled.
            hour = max(_HOUR.bucket_of(at_ms), self._teams.of(run.team).settled)
            self._state.put(keys.BEGAN + self._team_key(run.team) + _place(hour) + _place(run.hash), b"")
        told = run.settled and not run.personal
        if told:
            self._tell(run, -1, effects)
        if run.personal and run.began_ms != NOT_BEGUN:
            run.spread(at_ms, workflow)
        run.began_ms, run.workflow = at_ms, workflow
        if told:
            self._tell(run, 1, effects)
        if run.linked:
            team = self._teams.of(run.team)
            for number in self._linked(run):
                outcome = self._find(number)
                if outcome is not None:
                    self._rejoin(outcome, team, effects)

    def _linked(self, run: Run) -> list[int]:
        """The outcomes that name a run; some may be forgotten by now."""
        if run.linked <= len(run.links):
            return list(run.links)
        more = self._state.range(*_prefixed(keys.LINK + _place(run.hash)))
        return [*run.links, *(int.from_bytes(key[-8:], "big") for key, _ in more)]

    def _rejoin(self, outcome: Outcome, team: Team, effects: Effects) -> None:
        place, joined, _ = self._where(outcome, team)
        joined_before = outcome.joined
        if (place, joined) == (outcome.place, joined_before):
            return
        self._count(outcome, -1, 0, effects)
        outcome.place, outcome.joined = place, joined
        actor = 0
        if outcome.joined and self._run_of(outcome).personal:
            actor = self._start(outcome, 0)
        self._count(outcome, 1, actor, effects)
        if joined and not joined_before:
            effects.joins[JoinResult.RUN_LATER] += 1

    def _revise(self, run: Run, effects: Effects) -> None:
        """Tell a settled run's news, unless they would tell what one person did."""
        now = (run.spend, run.accepted, run.outcomes)
        if run.settled and not run.personal and run.told != now:
            self._tell(run, -1, effects)
            run.told = now
            self._tell(run, 1, effects)
            self._runs.touch(run)

    def _tell(self, run: Run, sign: int, effects: Effects) -> None:
        if run.level < NO_LEVEL:
            at_ms, size, results = run.began_ms, SIZES[run.level], _cohort(run)
            self._closer.add_results(run.team, run.workflow, at_ms, size, results, sign, 0, effects)

    def came_late(self, run: Run, at_ms: int) -> None:
        """Something that a person did in a run came in after its window had closed, and rises to a coarser one."""
        size = self._closer.open_size(at_ms)
        if not run.settled:
            run.level = max(run.level, NO_LEVEL if size is None else SIZES.index(size))

    def settle(self, closing_ms: int, effects: Effects) -> None:
        """Settle the runs whose time has come, and forget what nothing can reach; looks once an hour of event time."""
        hour = _HOUR.bucket_of(closing_ms)
        if hour <= self._settled_hour:
            return
        self._settled_hour = hour
        for team in self._teams:
            due = _HOUR.bucket_of(closing_ms - self._teams.maturity_ms(team))
            if due > team.settled:
                self._settle_team(team, due, effects)
        self._expire(_HOUR.bucket_of(self._closer.horizon_before))

    def _settle_team(self, team: Team, due: int, effects: Effects) -> None:
        cohorts: dict[tuple[str, int, int], Results] = {}
        telling: dict[tuple[str, int, int], int] = {}
        # As long as no outcome of a team has come in, it is not known what its spend led to.
        known = self._params.outcomes_expected.get(team.name, team.outcomes)
        start = keys.BEGAN + self._team_key(team.name)
        for key, _ in list(self._state.range(start + _place(team.settled), start + _place(due))):
            run = self._runs.find(int.from_bytes(key[-8:], "big"))
            if run is None or run.settled:
                continue
            if not known or (team.name, run.workflow) in self._params.exploratory:
                run.level = NO_LEVEL
            if run.level == NO_LEVEL:
                run.settled = True
                self._runs.touch(run)
                continue
            place = run.workflow, _HOUR.bucket_of(run.began_ms), run.level
            if place not in telling:
                size = SIZES[run.level]
                telling[place] = self._closer.telling_hour(team.name, run.workflow, run.began_ms, size)
            if telling[place] >= due:
                # Told hour by hour, figures of the day would say what the few of one hour came to.
                self._state.put(start + _place(telling[place]) + _place(run.hash), b"")
                continue
            run.settled = True
            run.told = (run.spend, run.accepted, run.outcomes)
            self._runs.touch(run)
            cohorts.setdefault(place, Results()).add(_cohort(run))
        for (workflow, hour, level), results in sorted(cohorts.items(), key=lambda item: item[0]):
            at_ms = _HOUR.start_of(hour)
            self._closer.add_results(team.name, workflow, at_ms, SIZES[level], results, 1, 0, effects)
        team.settled = due
        team.changed = True

    # ------------------------------------------------------------------------------------------------- the state

    def _expire(self, before: int) -> None:
        """Forget the runs that began, and the outcomes that happened, before an hour."""
        if before <= self._expired_hour:
            return
        self._expired_hour = before
        runs: set[int] = set()
        for team in self._teams:
            last = min(before, team.settled)
            if last <= team.expired:
                continue
            start = keys.BEGAN + self._team_key(team.name)
            gone = list(self._state.range(start + _place(team.expired), start + _place(last)))
            for key, _ in gone:
                runs.add(int.from_bytes(key[-8:], "big"))
                self._state.put(key, None)
            if gone:
                team.expired = last
                team.changed = True
        for key, packed in list(self._state.range(keys.OUTCOME_HOUR, keys.OUTCOME_HOUR + _place(before))):
            self._state.put(key, None)
            for at in range(0, len(packed), 8):
                outcome = self._find(int.from_bytes(packed[at : at + 8], "big"))
                # What undid it may have been known for longer than the outcome itself.
                if outcome is not None and _HOUR.bucket_of(outcome.at_ms) < before:
                    self._forget(outcome, runs)
        self._runs.forget(runs)

    def _forget(self, outcome: Outcome, runs: set[int]) -> None:
        self._changed.pop(outcome.number, None)
        self._state.put(keys.OUTCOME + _place(outcome.number), None)
        if outcome.reference:
            key = keys.REFERENCE + _place(outcome.reference)
            stored = self._state.get(key)
            if stored is not None and orjson.loads(stored)[0] == outcome.number:
                self._state.put(key, None)
        if outcome.run:
            self._state.put(keys.LINK + _place(outcome.run) + _place(outcome.number), None)
            run = self._runs.find(outcome.run)
            if run is not None and run.began_ms == NOT_BEGUN:
                # Only the outcomes that name it keep such a run.
                run.linked -= 1
                if outcome.number in run.links:
                    run.links.remove(outcome.number)
                self._runs.touch(run)
                if run.linked <= 0:
                    runs.add(run.hash)

    def _run_of(self, outcome: Outcome) -> Run:
        return self._runs.find(outcome.run) or Run(outcome.run, outcome.team)

    def _find(self, number: int) -> Outcome | None:
        outcome = self._changed.get(number)
        if outcome is None:
            data = self._state.get(keys.OUTCOME + _place(number))
            outcome = None if data is None else Outcome.decode(number, data)
        return outcome

    def _put(self, outcome: Outcome) -> None:
        self._changed[outcome.number] = outcome

    def _team_key(self, team: str) -> bytes:
        return _place(xxh3_64_intdigest(team.encode(), self._seed))

    @property
    def pending(self) -> bool:
        """Whether anything waits to be written; how far teams are settled can wait for that."""
        return bool(self._changed or self._runs.pending or self._state.pending)

    def drain(self, writes: Writes, offset: int) -> None:
        """Write everything that changed. ``offset`` is that of the outcomes read so far, a name for this transaction."""
        for hour, numbers in self._dated.items():
            key = keys.OUTCOME_HOUR + _place(hour) + _place(offset)
            self._state.put(key, (self._state.get(key) or b"") + b"".join(map(_place, numbers)))
        self._dated = {}
        for number, outcome in self._changed.items():
            self._state.put(keys.OUTCOME + _place(number), outcome.encode())
        self._changed = {}
        self._state.drain(writes)
        self._teams.drain(writes)
        self._runs.drain(writes)


def _place(number: int) -> bytes:
    return max(0, number).to_bytes(8, "big")


def _prefixed(prefix: bytes) -> tuple[bytes, bytes]:
    """The range of all keys that go on from a prefix with eight bytes."""
    return prefix, prefix + b"\xff" * 9


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
