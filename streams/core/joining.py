"""Stage *join*: which spend an outcome belongs to, and what undoes it.

An outcome is joined to the run that it names, else counted for the workflow that it names, else for its team. Records
arrive in any order, so nothing here is decided once: whenever the run's usage comes in, or an earlier event of it, or a
reversal, or another system's word on the same outcome, what was counted is taken back and counted anew where it belongs
now. What is counted in the end depends on the records, not on their order, but for what several systems say of one thing:
where they differ the first in the log holds, and where it happened several times within their tolerance, which of those
they mean is decided as they come.
"""

from typing import Any, Final

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
from streams.core.runs import MOST_LINKS, NOT_BEGUN, Run, Runs
from streams.core.settling import Settler
from streams.core.store import Writes
from streams.core.teams import Team, Teams
from streams.core.windows import Window

__all__ = ["Joiner"]

#: How far clocks may be apart: as between two sources of one call.
_TOLERANCE_MS: Final = AGREE_WITHIN_S * 1000
#: How far one reversal may carry on (a revert of a revert of a revert): beyond it somebody's records go in circles.
_MOST_HOPS: Final = 16
_HOUR: Final = Window.HOUR
#: Times that a thing may happen within 15 minutes and be known for each of them: more are a producer's mistake.
_MOST_TIMES: Final = 1_000
#: The attribute that names the source of the outcome that is undone, where that is another one.
_OTHER_SOURCE: Final = "reverses_source"


class Joiner:
    """Joins one shard's outcomes to its runs."""

    def __init__(
        self, state: Overlay, closer: Closer, runs: Runs, teams: Teams, settler: Settler, params: EngineParams
    ) -> None:
        self._closer = closer
        self._runs = runs
        self._teams = teams
        self._settler = settler
        self._seed = params.seed
        self._state = state
        self._changed: dict[int, Outcome] = {}
        self._expired_hour = 0
        #: New outcomes by the hour in which they happened, for forgetting them.
        self._dated: dict[int, list[int]] = {}

    # ------------------------------------------------------------------------------------------------ outcomes

    def take(self, event: OutcomeEvent, actor: int, effects: Effects) -> str | None:
        """Count an outcome; gives the workflow that it counts for, of no name if for its team, None if it was here before. ``actor`` is the pseudonym of whom it concerns, or 0."""
        number = self._number(event.team, event.source, event.outcome_id)
        known = self._find(number)
        if known is not None and known.seen:
            return None
        outcome = Outcome.of(number, event)
        if event.reverses is not None:
            outcome.target = self._number(
                event.team, event.attributes.get(_OTHER_SOURCE) or event.source, event.reverses
            )
        if known is not None:
            outcome.reversers = known.reversers
        self._put(outcome)
        self._dated.setdefault(_HOUR.bucket_of(outcome.at_ms), []).append(number)
        team = self._teams.of(event.team)
        same = self._same(event, outcome)
        if same is not None:
            outcome.alias = same.number
            effects.joins[JoinResult.SAME_OUTCOME] += 1
            self._complete(same, event, outcome, team, effects)
            for _ in range(outcome.reversers):
                self._undo(same.number, event.team, outcome.at_ms, 1, effects)
            return None
        if not team.outcomes:
            team.outcomes = team.changed = True
        if event.run_id is not None:
            self._link(outcome, self._runs.of(event.team, event.run_id))
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
            if outcome.target and not outcome.reversers:
                matched = self._undo(outcome.target, event.team, outcome.at_ms, 1, effects)
            effects.joins[JoinResult.REVERSAL if matched else JoinResult.UNMATCHED_REVERSAL] += 1
        return outcome.place

    def _link(self, outcome: Outcome, run: Run) -> None:
        """Remember that an outcome names a run."""
        run.linked += 1
        self._runs.touch(run)
        outcome.run = run.hash
        if len(run.links) < MOST_LINKS:
            run.links.append(outcome.number)
        else:
            self._state.put(keys.LINK + _place(run.hash) + _place(outcome.number), b"")

    def _number(self, team: str, source: str, outcome_id: str) -> int:
        """The identity of an outcome. Of its team, too: what one team reports undoes nothing of another's."""
        return xxh3_64_intdigest(f"{team}\0{source}\0{outcome_id}".encode(), self._seed)

    def _same(self, event: OutcomeEvent, outcome: Outcome) -> Outcome | None:
        """The outcome that another system reported of the same thing; if there is none, this one stands for it.

        One thing may happen again and again, and each system tells of each time once: of those times that this system has
        not told of yet, the nearest one is meant. Decided for good, so that of times that lie within the tolerance of each
        other more or fewer may meet in another order.
        """
        if event.ref is None:
            return None
        said = f"{event.team}\0{event.kind}\0{event.verdict}\0{event.ref}".encode()
        outcome.reference = xxh3_64_intdigest(said, self._seed)
        quarter = event.occurred_at // _TOLERANCE_MS
        nearest: tuple[tuple[int, int], Outcome, int, list[list[Any]], list[str]] | None = None
        for near in (quarter - 1, quarter, quarter + 1):
            times = self._times(outcome.reference, near)
            for number, at_ms, sources in times:
                away = abs(at_ms - event.occurred_at), at_ms
                if away[0] > _TOLERANCE_MS or event.source in sources or (nearest is not None and away >= nearest[0]):
                    continue
                other = self._find(number)
                # A reversal and what reverses it again may be told alike.
                if other is not None and self._target(outcome) != number and other.target != outcome.number:
                    nearest = away, other, near, times, sources
        if nearest is None:
            times = self._times(outcome.reference, quarter)
            times.append([outcome.number, event.occurred_at, [event.source]])
            self._put_times(outcome.reference, quarter, times[-_MOST_TIMES:])
            return None
        _, same, near, times, sources = nearest
        sources.append(event.source)
        self._put_times(outcome.reference, near, times)
        return same

    def _times(self, reference: int, quarter: int) -> list[list[Any]]:
        """The outcomes that first told of a thing in a quarter of an hour, when that was, and who has told of each."""
        times: list[list[Any]] = orjson.loads(self._state.get(_quarter(reference, quarter)) or b"[]")
        return times

    def _put_times(self, reference: int, quarter: int, times: list[list[Any]]) -> None:
        self._state.put(_quarter(reference, quarter), orjson.dumps(times) if times else None)

    def _target(self, outcome: Outcome) -> int:
        """What an outcome undoes, by the name that it counts under."""
        target = self._find(outcome.target) if outcome.target else None
        return outcome.target if target is None or not target.alias else target.alias

    def _complete(self, same: Outcome, event: OutcomeEvent, outcome: Outcome, team: Team, effects: Effects) -> None:
        """Take from another system's word on an outcome what the first did not say."""
        run_id = None if same.run else event.run_id
        workflow = same.workflow or outcome.workflow
        cycle_slot = outcome.cycle_slot if same.cycle_slot is None else same.cycle_slot
        forgotten = same.joined and not same.run
        if not forgotten and (run_id is not None or (workflow, cycle_slot) != (same.workflow, same.cycle_slot)):
            self._count(same, -1, 0, effects)
            same.workflow, same.cycle_slot = workflow, cycle_slot
            if run_id is not None:
                self._link(same, self._runs.of(event.team, run_id))
            self._count_anew(same, team, effects)
        if outcome.target and not same.target:
            same.target = outcome.target
            self._put(same)
            if not same.reversers:
                self._undo(same.target, event.team, outcome.at_ms, 1, effects)

    def _where(self, outcome: Outcome, team: Team) -> tuple[str, bool, JoinResult]:
        """Which workflow an outcome counts for, and whether as its run's, as far as is known."""
        run = self._run_of(outcome) if outcome.run else None
        begun = run is not None and run.began_ms != NOT_BEGUN
        if run is not None and begun and outcome.at_ms >= run.began_ms - _TOLERANCE_MS:
            return run.workflow, True, JoinResult.RUN
        if begun:
            result = JoinResult.BEFORE_RUN
        elif outcome.workflow not in team.workflows if outcome.workflow else not team.workflows:
            result = JoinResult.NO_USAGE
        elif outcome.run:
            result = JoinResult.UNKNOWN_RUN
        else:
            result = JoinResult.WORKFLOW if outcome.workflow else JoinResult.TEAM
        return outcome.workflow, False, result

    def _start(self, outcome: Outcome, actor: int) -> int:
        """Decide which windows an outcome may be counted in, and whom it concerns: somebody, if people had a part in its run."""
        if not actor and outcome.joined and self._run_of(outcome).personal:
            actor = SOMEBODY
        outcome.personal = actor != 0
        outcome.start = int(self._closer.open_size(outcome.at_ms) or 0) if actor else int(Window.HOUR)
        if not outcome.start:
            outcome.turn = self._closer.late_turn(outcome.team, outcome.at_ms)
        return actor

    def _count(self, outcome: Outcome, sign: int, actor: int, effects: Effects) -> None:
        """Count what an outcome is now, or take it back."""
        results = outcome.results()
        if not results.empty:
            self._closer.add_results(
                outcome.team, outcome.place, outcome.at_ms, outcome.window, results, sign, actor, effects,
                turn=outcome.turn,
            )  # fmt: skip
        # A run that is forgotten stays as it was told of.
        if outcome.joined and outcome.run and outcome.verdict != "reversed":
            run = self._run_of(outcome)
            run.outcomes += sign
            run.accepted += sign * outcome.counts_as_accepted
            self._runs.touch(run)
            self._settler.revise(run, effects)
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

    def follow(self, run: Run, at_ms: int, workflow: str, actor: int, effects: Effects) -> None:
        """Follow up on news of a run: see :meth:`Run.use`."""
        if at_ms < run.began_ms or (at_ms == run.began_ms and workflow < run.workflow):
            self._settler.began(run, at_ms, workflow, actor, effects)
            if run.linked:
                team = self._teams.of(run.team)
                for number in self._linked(run):
                    outcome = self._find(number)
                    if outcome is not None:
                        self._rejoin(outcome, team, effects)
        elif actor and not run.personal:
            self._settler.concerns(run, at_ms, actor)
        self._settler.revise(run, effects)

    def _linked(self, run: Run) -> list[int]:
        """The outcomes that name a run; some may be forgotten by now."""
        if run.linked <= len(run.links):
            return list(run.links)
        more = self._state.range(*_prefixed(keys.LINK + _place(run.hash)))
        return [*run.links, *(int.from_bytes(key[-8:], "big") for key, _ in more)]

    def _rejoin(self, outcome: Outcome, team: Team, effects: Effects) -> None:
        place, joined, _ = self._where(outcome, team)
        if (place, joined) == (outcome.place, outcome.joined):
            return
        self._count(outcome, -1, 0, effects)
        self._count_anew(outcome, team, effects)

    def _count_anew(self, outcome: Outcome, team: Team, effects: Effects) -> None:
        """Count what has been taken back where it belongs now."""
        before, joined = outcome.place, outcome.joined
        outcome.place, outcome.joined, _ = self._where(outcome, team)
        actor = 0
        if (outcome.place, outcome.joined) != (before, joined):
            # Whom it names is forgotten by now, not that it names somebody.
            actor = self._start(outcome, SOMEBODY if outcome.personal else 0)
        self._count(outcome, 1, actor, effects)
        if outcome.joined and not joined:
            effects.joins[JoinResult.RUN_LATER] += 1

    # ------------------------------------------------------------------------------------------------- the state

    def expire(self, before: int) -> None:
        """Forget the runs that began, and the outcomes that happened, before an hour."""
        if before <= self._expired_hour:
            return
        self._expired_hour = before
        runs = self._settler.expire(before)
        for number in runs:
            self._unlink(number)
        for key, packed in list(self._state.range(keys.OUTCOME_HOUR, keys.OUTCOME_HOUR + _place(before))):
            self._state.put(key, None)
            for at in range(0, len(packed), 8):
                outcome = self._find(int.from_bytes(packed[at : at + 8], "big"))
                # What undid it may have been known for longer than the outcome itself.
                if outcome is not None and _HOUR.bucket_of(outcome.at_ms) < before:
                    self._forget(outcome, runs)
        self._runs.forget(runs)

    def _unlink(self, number: int) -> None:
        """Part a run that is about to be forgotten from outcomes that stay: another run may have its name one day."""
        run = self._runs.find(number)
        if run is None or not run.linked:
            return
        for link in self._linked(run):
            self._state.put(keys.LINK + _place(number) + _place(link), None)
            outcome = self._find(link)
            if outcome is not None:
                outcome.run = 0
                self._put(outcome)

    def _forget(self, outcome: Outcome, runs: set[int]) -> None:
        self._changed.pop(outcome.number, None)
        self._state.put(keys.OUTCOME + _place(outcome.number), None)
        if outcome.reference:
            quarter = outcome.at_ms // _TOLERANCE_MS
            times = self._times(outcome.reference, quarter)
            left = [it for it in times if it[0] != outcome.number]
            if len(left) < len(times):
                self._put_times(outcome.reference, quarter, left)
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

    @property
    def pending(self) -> bool:
        """Whether anything waits to be written; how far teams are settled can wait for that."""
        return bool(self._changed or self._runs.pending or self._state.pending or self._settler.pending)

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
        self._settler.drain(writes)
        self._teams.drain(writes)
        self._runs.drain(writes)


def _place(number: int) -> bytes:
    return max(0, number).to_bytes(8, "big")


def _quarter(reference: int, quarter: int) -> bytes:
    """The key of what was told under a reference in a quarter of an hour, which is the tolerance."""
    return keys.REFERENCE + _place(reference) + _place(quarter)


def _prefixed(prefix: bytes) -> tuple[bytes, bytes]:
    """The range of all keys that go on from a prefix with eight bytes."""
    return prefix, prefix + b"\xff" * 9
