"""Three weeks of four small teams, in three of which something is wrong: a short history in which detectors have work.

What is planted is beyond doubt, so that it is found whatever the limits are by a hair, and what is not planted is dull. The
labelled company of :mod:`streams.simulation.labelled` is for measuring detectors; this is for showing them, and for tests
of everything around them.
"""

from dataclasses import dataclass
from random import Random
from typing import Any, Final

__all__ = ["INNOCENT", "PLANTED", "SPAN_MS", "History", "planted"]

_MINUTE_MS: Final = 60_000
_HOUR_MS: Final = 60 * _MINUTE_MS
_DAY_MS: Final = 24 * _HOUR_MS
_WEEKS: Final = 3
SPAN_MS: Final = _WEEKS * 7 * _DAY_MS

#: Detector, team and workflow of what must be found; no workflow stands for the whole team.
PLANTED: Final = (
    ("target_chasing", "reach", None),
    ("runaway", "returns", "refund-agent"),
    ("budget_burn", "relevance", None),
)
#: Team and workflow of the schedule that the policy declares.
INNOCENT: Final = ("newsroom", "nightly-digest")

#: Calls a week that members of one team believe they must reach.
_TARGET: Final = 40
_CHASERS: Final = 24
_MEMBERS: Final = 6
_CALLS_A_RUN: Final = 5
_CALL_MICRO_USD: Final = 150_000
#: Thursday of the last week, when ten days and more are known.
_TROUBLE_MS: Final = 17 * _DAY_MS
_LOOP_CALLS: Final = 150
_LOOP_CALL_MICRO_USD: Final = 500_000
#: A tenth of the month's budget and more, within one hour of the clock: an hour is no reason to call it a runaway.
_BURST_RUNS: Final = 60
_BURST_CALL_MICRO_USD: Final = 1_200_000
_BUDGET_USD: Final = 1_500
_EVERY_MS: Final = 30 * _MINUTE_MS
_SCHEDULED_MICRO_USD: Final = 60_000
#: When each day's outcomes are reported, after work.
_REPORTED_MS: Final = 20 * _HOUR_MS


@dataclass(frozen=True, slots=True)
class History:
    """Events as their producers are given them, in the order of time, and the policy to go with them.

    All outcomes of a day bear the same time, which lies after that day's usage of people: whoever sends day by day sends
    the day's usage, then its outcomes.
    """

    usage: list[dict[str, Any]]
    outcomes: list[dict[str, Any]]
    policy: dict[str, Any]


def planted(start_ms: int) -> History:
    """The three weeks from a Monday on, 00:00 UTC; the same for the same start.

    Raises ValueError if it is none.
    """
    if (start_ms - 4 * _DAY_MS) % (7 * _DAY_MS):
        raise ValueError("start_ms must be a Monday, 00:00 UTC: weeks are what a target is for")
    weeks = _Weeks(start_ms)
    for week in range(_WEEKS):
        weeks.chase(week)
        for team, workflow in (("returns", "refund-agent"), ("relevance", "ranking"), ("newsroom", "review")):
            weeks.ordinary(week, team, workflow)
    weeks.loop()
    weeks.burst()
    weeks.schedule()
    weeks.usage.sort(key=lambda event: (event["occurred_at"], event["event_id"]))
    weeks.outcomes.sort(key=lambda event: (event["occurred_at"], event["outcome_id"]))
    return History(weeks.usage, weeks.outcomes, _policy())


def _policy() -> dict[str, Any]:
    team, workflow = INNOCENT
    return {
        "teams": {"reach": {"weekly_actor_target_events": _TARGET}, "relevance": {"monthly_budget_usd": _BUDGET_USD}},
        "workflows": {f"{team}/{workflow}": {"declared_schedule": True}},
    }


class _Weeks:
    def __init__(self, start_ms: int) -> None:
        self.usage: list[dict[str, Any]] = []
        self.outcomes: list[dict[str, Any]] = []
        self._start_ms = start_ms
        self._rng = Random("planted")  # noqa: S311  (reproducible on purpose)

    def chase(self, week: int) -> None:
        """Everyone stops just above the target, and the team brings about what it always did."""
        for member in range(_CHASERS):
            calls = _TARGET + 1 + self._rng.randrange(3)
            for day in range(5):
                share = calls // 5 + (day < calls % 5)
                self._work(week, day, "reach", "outreach", f"reach-{member}", share)

    def ordinary(self, week: int, team: str, workflow: str) -> None:
        """A run a day of each member, and something that comes of most."""
        for day in range(5):
            for member in range(_MEMBERS):
                self._work(week, day, team, workflow, f"{team}-{member}", _CALLS_A_RUN)

    def loop(self) -> None:
        """One run that makes the same call for two hours and a half, until somebody stops it."""
        at_ms = self._start_ms + _TROUBLE_MS + 11 * _HOUR_MS
        for number in range(_LOOP_CALLS):
            self._call(
                at_ms + number * _MINUTE_MS, "returns", "refund-agent", f"returns-loop-{number}", "returns-loop",
                _LOOP_CALL_MICRO_USD, actor="returns-0", trigger="agent", tool="lookup_order",
                prompt_fingerprint="where is the order", input_tokens=9_000, output_tokens=120,
            )  # fmt: skip

    def burst(self) -> None:
        """A backfill that nobody budgeted for, in the fifty minutes after two o'clock."""
        at_ms = self._start_ms + _TROUBLE_MS + 14 * _HOUR_MS
        for run in range(_BURST_RUNS):
            for call in range(_CALLS_A_RUN):
                name = f"relevance-burst-{run}-{call}"
                self._call(
                    at_ms + run * 50_000 + call * 9_000, "relevance", "ranking", name, f"relevance-burst-{run}",
                    _BURST_CALL_MICRO_USD, actor=f"relevance-{run % _MEMBERS}", trigger="agent", input_tokens=40_000 + run * 7 + call,
                )  # fmt: skip

    def schedule(self) -> None:
        """A run every half hour, day and night, of which nothing is expected and nothing comes."""
        team, workflow = INNOCENT
        for number, at_ms in enumerate(range(self._start_ms, self._start_ms + SPAN_MS, _EVERY_MS)):
            name = f"{workflow}-{number}"
            self._call(at_ms, team, workflow, name, name, _SCHEDULED_MICRO_USD, trigger="schedule")

    def _work(self, week: int, day: int, team: str, workflow: str, actor: str, calls: int) -> None:
        """One person's run of a day, within working hours."""
        date_ms = self._start_ms + (7 * week + day) * _DAY_MS
        # Spread over the day, so that hardly any hour concerns too few people to be told of.
        step_ms = 8 * _HOUR_MS // calls
        run = f"{actor}-{7 * week + day}"
        for call in range(calls):
            cost = round(_CALL_MICRO_USD * self._rng.uniform(0.6, 1.4))
            at_ms = date_ms + 9 * _HOUR_MS + call * step_ms + self._rng.randrange(step_ms)
            self._call(
                at_ms, team, workflow, f"{run}-{call}", run, cost, actor=actor, trigger="human",
                input_tokens=self._rng.randrange(2_000, 9_000),
            )  # fmt: skip
        # Not by chance: four of five, so that every week comes to the same.
        if (day + int(actor.rpartition("-")[2])) % 5:
            self.outcomes.append(
                {
                    "outcome_id": f"{run}-merged", "source": "forge", "occurred_at": date_ms + _REPORTED_MS, "team": team,
                    "workflow": workflow, "run_id": run, "kind": "change_merged", "verdict": "accepted", "ref": f"{run}-change",
                }
            )  # fmt: skip

    def _call(
        self, at_ms: int, team: str, workflow: str, event_id: str, run_id: str, cost_micro_usd: int, **more: Any
    ) -> None:  # fmt: skip
        self.usage.append(
            {
                "event_id": event_id, "source": "planted", "occurred_at": at_ms, "team": team, "workflow": workflow,
                "run_id": run_id, "model": "m-1", "input_tokens": 3_000, "output_tokens": 400, "cost_micro_usd": cost_micro_usd,
            }
            | more
        )  # fmt: skip
