"""What the simulated company's runs come to, and when: outcome events, each written as it falls due.

Works once a run, never once a call: the usage of the company must stay fast enough to saturate a worker.
"""

import math
from heapq import heappop, heappush
from random import Random
from typing import Any, Final

import orjson

from streams.core.outcomes import OutcomeKind
from streams.simulation.prospects import PROSPECTS, Prospect
from streams.simulation.runs import Run
from streams.simulation.scenario import Scenario
from streams.simulation.tally import OutcomeTally
from streams.simulation.yields import Rates, Yields, shifted

__all__ = ["SOONEST_MS", "Outcomes"]

_MINUTE_MS: Final = 60_000
#: Nothing comes of a run sooner than this after its end: more than a minute and the log's jitter together, so that
#: whatever falls due in a minute is known as soon as the log has come to that minute.
SOONEST_MS: Final = 65_000
#: Spread of every delay: one in a hundred takes 40 times the median, which for a merge is a day.
_DELAY_SIGMA: Final = 1.6
#: Median until something is undone, or something else comes of it.
_LATER_MINUTES: Final = 180
#: Of what was undone, how much is done again.
_AGAIN: Final = 0.4
#: Systems that know a team but no workflow, and workflows but no run.
_TEAM_ONLY: Final = 0.03
_WITHOUT_RUN: Final = 0.12
#: Of the people behind a run, how many the other system knows too; services are nobody.
_WITH_ACTOR: Final = 0.6
_PERSONAL: Final = frozenset({"human", "agent"})
#: Webhooks are delivered again within minutes.
_REDELIVERY_MINUTES: Final = 2

Record = tuple[str, bytes]


class Outcomes:
    """Takes runs as they end, gives outcomes as they fall due; nothing beyond the span of the scenario.

    What happens depends on ``rng`` and the runs only; ``copies`` decides what is delivered again.
    """

    def __init__(self, scenario: Scenario, rng: Random, copies: Random) -> None:
        self.tally = OutcomeTally()
        self._end_ms = scenario.start_ms + scenario.span_ms
        self._rng = rng
        self._copies = copies
        self._copied_share = scenario.duplicate_share
        self._yields = Yields(rng, scenario.start_ms)
        self._numbers: dict[str, int] = {}
        # Due time, whether a copy, number, verdict and record: the first three order them whenever they are taken.
        self._due: list[tuple[int, bool, int, str, Record]] = []
        self._count = 0

    def run_ended(self, run: Run, at_ms: int) -> None:
        """Decide what comes of a run whose last call was at this time."""
        prospect = PROSPECTS.get(run.workflow.kind.name)
        if prospect is None:
            return
        rng = self._rng
        rates = self._yields.at(run.workflow, at_ms)
        if rng.random() >= shifted(prospect.comes, rates.comes):
            return
        at_ms += self._delay(prospect.minutes)
        ref = self._reference(prospect.source, run)
        if prospect.otherwise is None or rng.random() < shifted(prospect.good, rates.good):
            self._succeed(run, prospect, rates, at_ms, ref)
        else:
            self._add(run, at_ms, prospect.source, prospect.otherwise, "rejected", ref=ref)

    def take(self, until_ms: int) -> list[Record]:
        """What falls due up to a time, in order of time."""
        taken: list[Record] = []
        due = self._due
        while due and due[0][0] <= until_ms:
            at_ms, is_copy, number, verdict, record = heappop(due)
            self.tally.add(verdict, is_copy=is_copy)
            if not is_copy and self._copied_share and self._copies.random() < self._copied_share:
                again_ms = at_ms + _lognormal(self._copies, _REDELIVERY_MINUTES)
                if again_ms < self._end_ms:
                    heappush(due, (again_ms, True, number, verdict, record))
            taken.append(record)
        return taken

    def _succeed(self, run: Run, prospect: Prospect, rates: Rates, at_ms: int, ref: str | None) -> None:
        """What a good run comes to, what follows from that, and how often it is undone and done again."""
        rng, source = self._rng, prospect.source
        began_ms = None if prospect.lead_minutes is None else run.began_ms - _lognormal(rng, prospect.lead_minutes)
        done = self._add(run, at_ms, source, prospect.kind, prospect.verdict, began_ms=began_ms, ref=ref)
        for sequel in prospect.sequels:
            if rng.random() < sequel.share:
                other = ref if sequel.source == source else self._reference(sequel.source, run)
                value = _rating(rng, rates) if sequel.kind == OutcomeKind.CUSTOMER_RATING else None
                self._add(
                    run, at_ms + self._delay(_LATER_MINUTES), sequel.source, sequel.kind, "neutral", value=value, ref=other
                )  # fmt: skip
        while prospect.undoing and rng.random() < shifted(prospect.undone, rates.undone):
            at_ms += self._delay(_LATER_MINUTES)
            self._add(run, at_ms, source, prospect.undoing, "reversed", reverses=done, ref=ref)
            if rng.random() >= _AGAIN:
                break
            at_ms += self._delay(_LATER_MINUTES)
            done = self._add(run, at_ms, source, prospect.kind, prospect.verdict, began_ms=began_ms, ref=ref)

    def _add(
        self, run: Run, at_ms: int, source: str, kind: OutcomeKind, verdict: str, *, began_ms: int | None = None,
        **more: Any,
    ) -> str:  # fmt: skip
        """Note an outcome, unless the span is over by then; its identity either way."""
        rng = self._rng
        outcome_id, known, has_actor = f"{rng.getrandbits(64):016x}", rng.random(), rng.random() < _WITH_ACTOR
        if at_ms >= self._end_ms:
            return outcome_id
        workflow = run.workflow if known >= _TEAM_ONLY else None
        fields = {
            "outcome_id": outcome_id,
            "source": source,
            "occurred_at": at_ms,
            "team": run.team,
            "workflow": workflow and workflow.name,
            "run_id": run.run_id if known >= _TEAM_ONLY + _WITHOUT_RUN else None,
            "actor": run.actor if workflow and has_actor and workflow.kind.trigger in _PERSONAL else None,
            "kind": kind,
            "verdict": verdict,
            "cycle_time_ms": None if began_ms is None else at_ms - began_ms,
            **more,
        }
        line = orjson.dumps({name: value for name, value in fields.items() if value is not None})
        self._count += 1
        heappush(self._due, (at_ms, False, self._count, verdict, (run.team, line)))
        return outcome_id

    def _delay(self, minutes: float) -> int:
        return SOONEST_MS + _lognormal(self._rng, minutes)

    def _reference(self, source: str, run: Run) -> str | None:
        """The next number of a repository, a project or the pager; evaluations have none."""
        if source == "promptfoo":
            return None
        if source == "github":
            place = f"{run.workflow.repository}#"
        else:
            place = f"{run.team.replace('-', '').upper()}-" if source == "jira" else "INC-"
        step = self._rng.randrange(1, 4)
        number = self._numbers.get(place) or self._rng.randrange(200, 9_000)
        self._numbers[place] = number + step
        return f"{place}{number}"


def _lognormal(rng: Random, minutes: float) -> int:
    """Milliseconds with this median."""
    return round(minutes * _MINUTE_MS * math.exp(rng.gauss(0, _DELAY_SIGMA)))


def _rating(rng: Random, rates: Rates) -> float:
    """One to five stars as 0 to 1: mostly content, and more so where things go well."""
    return round(4 * shifted(0.8, rates.good + rng.gauss(0, 1.2))) / 4
