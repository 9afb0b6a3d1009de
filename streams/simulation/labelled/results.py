"""What runs come to, hours to days later: changes, tickets, evaluations, deployments, and what undoes them."""

from random import Random
from typing import Any, Final

import orjson

from streams.core.outcomes import OutcomeKind
from streams.simulation.labelled.company import Team
from streams.simulation.labelled.draws import lognormal, poisson, shifted
from streams.simulation.labelled.effects import ORDINARY, Effect
from streams.simulation.labelled.keys import ADDITIONS, CASES, CHANGED_FILES, DELETIONS, REVIEWS, SELF_MERGED, SUITE
from streams.simulation.labelled.ledger import DAY_MS, HOUR_MS, WEEK_MS
from streams.simulation.labelled.work import Run
from streams.simulation.prospects import PROSPECTS, Prospect

__all__ = ["Results"]

_MINUTE_MS: Final = 60_000
#: Median minutes from the end of a run to what it came to, by system; the spread makes a day of six hours.
_MATURES: Final = {"github": 420.0, "jira": 150.0, "pagerduty": 60.0, "promptfoo": 10.0}
_DEPLOYS_MINUTES: Final = 20.0
_SPREAD: Final = 1.15
_UNDOES_MINUTES: Final = 1_500.0
_BAD: Final = {OutcomeKind.DEFECT_REPORTED, OutcomeKind.INCIDENT_OPENED}
_TRAIN_MS: Final = 3 * DAY_MS + 14 * HOUR_MS


class Results:
    """Outcome events of all teams, in no order yet; rows are (time, number, record without identity fields)."""

    def __init__(self, rng: Random, start_ms: int, end_ms: int) -> None:
        self.rows: list[tuple[int, int, bytes]] = []
        self._rng = rng
        self._start_ms, self._end_ms = start_ms, end_ms
        self._numbers: dict[str, int] = {}

    def run_ended(
        self, run: Run, *, comes: float, undone: float, effect: Effect = ORDINARY, share: float = 1.0
    ) -> None:
        """Decide what comes of a run; ``comes`` and ``undone`` are log odds, ``share`` a further factor."""
        prospect = PROSPECTS.get(run.workflow.kind.name)
        if prospect is None:
            return
        rng = self._rng
        if rng.random() >= shifted(prospect.comes, comes + run.workflow.leaning) * effect.comes * share:
            return
        gamed = effect.gamed > 0 and rng.random() < effect.gamed
        deploys = prospect.kind == OutcomeKind.DEPLOYMENT_SUCCEEDED
        minutes = _DEPLOYS_MINUTES if deploys else _MATURES[prospect.source]
        at_ms = self._told(run.ended_ms + self._delay(minutes), prospect, effect)
        ref = self._reference(prospect.source, run.team)
        good = shifted(prospect.good, comes * 0.5) if prospect.otherwise else 1.0
        if gamed and effect.way in ("easy_evals", "self_approved"):
            good = 0.99
        if prospect.otherwise is not None and rng.random() >= good:
            self._add(run, at_ms, prospect, prospect.otherwise, "rejected", ref=ref, effect=effect)
            return
        self._accepted(run, at_ms, prospect, undone, effect, ref=ref, gamed=gamed)
        if gamed:
            self._dress_up(run, at_ms, prospect, undone, effect)

    def _dress_up(self, run: Run, at_ms: int, prospect: Prospect, undone: float, effect: Effect) -> None:
        """More of the same for show: pieces of one change, easy cases, a ticket closed again and again."""
        rng = self._rng
        if effect.way == "reopened":
            return
        for _ in range(1 + poisson(rng, 2.2 if effect.way == "split" else 1.0)):
            at_ms += self._delay(6)
            ref = self._reference(prospect.source, run.team)
            self._accepted(run, at_ms, prospect, undone - 1.5, effect, ref=ref, gamed=True)

    def _accepted(
        self, run: Run, at_ms: int, prospect: Prospect, undone: float, effect: Effect, *, ref: str | None, gamed: bool
    ) -> None:
        rng = self._rng
        lead = prospect.lead_minutes
        cycle_ms = None
        if lead is not None:
            began_ms = run.began_ms - int(lognormal(rng, lead, 1.2) * _MINUTE_MS)
            cycle_ms = int((at_ms - began_ms) * effect.cycle)
        done = self._add(
            run,
            at_ms,
            prospect,
            prospect.kind,
            prospect.verdict,
            ref=ref,
            effect=effect,
            cycle_ms=cycle_ms,
            gamed=gamed,
        )
        for sequel in prospect.sequels:
            often = shifted(sequel.share, undone) * effect.undone if sequel.kind in _BAD else sequel.share
            if rng.random() < often:
                value = round(4 * min(1.0, rng.betavariate(6, 1.6))) / 4 if sequel.kind == "customer_rating" else None
                later_ms = at_ms + self._delay(_UNDOES_MINUTES)
                self._add(run, later_ms, prospect, sequel.kind, "neutral", ref=ref, effect=effect, value=value)
        habit = run.team.reopens if prospect.undoing == OutcomeKind.TICKET_REOPENED else 1.0
        cycles = gamed and effect.way == "reopened"
        often = 0.6 if cycles else min(0.6, shifted(prospect.undone, undone) * effect.undone * habit)
        again = 0.97 if cycles else 0.4
        while prospect.undoing and rng.random() < often:
            at_ms += self._delay(25 if cycles else _UNDOES_MINUTES)
            self._add(run, at_ms, prospect, prospect.undoing, "reversed", ref=ref, effect=effect, reverses=done)
            if rng.random() >= again:
                break
            at_ms += self._delay(25 if cycles else 240)
            done = self._add(
                run, at_ms, prospect, prospect.kind, prospect.verdict, ref=ref, effect=effect, cycle_ms=cycle_ms,
                gamed=gamed,
            )  # fmt: skip

    def _add(
        self, run: Run, at_ms: int, prospect: Prospect, kind: OutcomeKind, verdict: str, *, ref: str | None,
        effect: Effect, cycle_ms: int | None = None, reverses: str | None = None, value: float | None = None,
        gamed: bool = False,
    ) -> str:  # fmt: skip
        """Note an outcome, unless the ten weeks are over by then; its identity either way."""
        rng, team = self._rng, run.team
        identity, known, personal = f"{rng.getrandbits(96):024x}", rng.random(), rng.random() < 0.6
        attributes = self._attributes(team, kind, effect, gamed=gamed)
        if not self._start_ms <= at_ms < self._end_ms:
            return identity
        lost = effect.way == "coverage" and rng.random() < effect.broken
        fields: dict[str, Any] = {
            "outcome_id": identity,
            "source": prospect.source,
            "occurred_at": at_ms,
            "team": team.name,
            "workflow": None if known < 0.02 else run.workflow.name,
            "run_id": None if lost or known < team.outcome_without_run else run.run_id,
            "actor": run.actor if personal else None,
            "kind": kind,
            "verdict": verdict,
            "reverses": reverses,
            "value": value,
            "cycle_time_ms": cycle_ms,
            "ref": ref,
            "attributes": attributes,
        }
        self.rows.append((at_ms, len(self.rows), orjson.dumps({k: v for k, v in fields.items() if v is not None})))
        return identity

    def _attributes(self, team: Team, kind: OutcomeKind, effect: Effect, *, gamed: bool) -> dict[str, str] | None:
        rng = self._rng
        if kind in (OutcomeKind.EVAL_PASSED, OutcomeKind.EVAL_FAILED):
            easy = gamed and effect.way == "easy_evals"
            cases = rng.randrange(1, 5) if easy else max(1, int(lognormal(rng, team.suite / 4, 0.5)))
            return {SUITE: f"{team.name}-{'smoke' if cases < 8 else 'full'}", CASES: str(cases)}
        if not team.change_details or kind not in (OutcomeKind.CHANGE_MERGED, OutcomeKind.CHANGE_CLOSED):
            return None
        tiny = (gamed and effect.way == "split") or rng.random() < team.trivial
        additions = rng.randrange(0, 5) if tiny else int(lognormal(rng, 38, 1.5))
        deletions = rng.randrange(0, 4) if tiny else int(lognormal(rng, 12, 1.6))
        alone = gamed and rng.random() < (0.96 if effect.way == "self_approved" else 0.5)
        reviews = 0 if alone or rng.random() < team.unreviewed else 1 + poisson(rng, 0.8)
        self_merged = alone or rng.random() < (0.75 if reviews == 0 else 0.3)
        return {
            ADDITIONS: str(additions),
            DELETIONS: str(deletions),
            CHANGED_FILES: str(1 if tiny else 1 + min(60, int(additions / 25) + poisson(rng, 1.5))),
            REVIEWS: str(reviews),
            SELF_MERGED: "true" if self_merged else "false",
        }

    def _told(self, at_ms: int, prospect: Prospect, effect: Effect) -> int:
        """When an outcome is known: at once, unless changes wait for a train or the integration is being moved."""
        if effect.held and at_ms < effect.end_ms:
            return effect.end_ms + int(self._rng.random() * 20 * HOUR_MS)
        if effect.train and prospect.source == "github":
            into = (at_ms - self._start_ms - _TRAIN_MS) % WEEK_MS
            return at_ms + WEEK_MS - into + int(self._rng.random() * 5 * HOUR_MS)
        return at_ms

    def _delay(self, minutes: float) -> int:
        return _MINUTE_MS + int(lognormal(self._rng, minutes, _SPREAD) * _MINUTE_MS)

    def _reference(self, source: str, team: Team) -> str | None:
        if source == "promptfoo":
            return None
        place = f"example/{team.name}#" if source == "github" else f"{team.name.replace('-', '').upper()}-"
        if source == "pagerduty":
            place = "INC-"
        self._numbers[place] = self._numbers.get(place, 300) + self._rng.randrange(1, 4)
        return f"{place}{self._numbers[place]}"

    def lines(self) -> list[bytes]:
        """The records in order of time."""
        self.rows.sort()
        return [line for _, _, line in self.rows]
