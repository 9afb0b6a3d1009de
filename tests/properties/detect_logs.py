"""Small logs of a team that works as ever, then loops, burns its budget, and loses its prices."""

from collections.abc import Sequence
from typing import Any, Final

from streams.core import keys
from streams.core.alerts import Alert
from streams.core.policy import DetectorPolicy, Policy, TeamPolicy, WorkflowPolicy
from streams.detectors import JUDGES
from tests.engine_runs import DAY, HOUR, MINUTE, MONDAY, SECOND, EngineRun, outcome, usage

#: A usage or an outcome event as it lies in the log.
Entry = tuple[int, str, bytes]

#: What the stage keeps, but for the memory of fingerprints, whose packing may follow transactions.
STATE: Final = (
    keys.WATCH, keys.STINT, keys.HISTORY, keys.PACE, keys.PROFILE, keys.EPISODE, keys.TEAM_WEEKS, keys.DETECT,
)  # fmt: skip
TEAM: Final = TeamPolicy(monthly_budget_micro_usd=1_200_000_000, weekly_actor_target_events=20, outcomes_expected=True)


def run_of(policy: Policy | None = None, **params: Any) -> EngineRun:
    """A run with all detectors, under a policy of one team with a budget."""
    policy = policy or Policy(teams={"payments": TEAM})
    known: dict[str, Any] = {
        "judges": JUDGES, "policy": policy, "min_actors": policy.min_actors, "config_version": "test",
        "outcomes_expected": {team: said.outcomes_expected for team, said in policy.teams.items() if said.outcomes_expected is not None},
    }  # fmt: skip
    return EngineRun(**{**known, **params})


def policy_of(detectors: dict[str, DetectorPolicy] | None = None, **workflow: Any) -> Policy:
    """The policy of the team, with something said of its workflow or of detectors."""
    return Policy(
        teams={"payments": TEAM},
        workflows={("payments", "review"): WorkflowPolicy(**workflow)},
        detectors=detectors or {},
    )


def ordinary(days: int, people: int = 6, *, start: int = 0, a_day: int = 40, priced: int | None = None) -> list[Entry]:
    """Work at all hours by so many people, and outcomes; without prices from day ``priced`` on."""
    log: list[Entry] = []
    for day in range(start, start + days):
        for number in range(a_day):
            at = MONDAY + day * DAY + number * (DAY // a_day) + (number * 7919 + day * 104_729) % (20 * MINUTE)
            cost = {"cost_micro_usd": 900_000 + number % 5 * 50_000} if priced is None or day < priced else {}
            log.append((at, "usage", usage(
                f"o{day}-{number}", at, actor=f"p{(number + day) % people}", run_id=f"r{day}-{number // 2}", input_tokens=900 + number,
                output_tokens=100 + number % 7, prompt_fingerprint=f"{number % 23 * 0x0123456789abcd:016x}", **cost,
            )))  # fmt: skip
        for number in range(4):
            at = MONDAY + day * DAY + (3 + 5 * number) * HOUR
            log.append(
                (
                    at,
                    "outcome",
                    outcome(f"m{day}-{number}", at, workflow="review", attributes={"additions": "40", "reviews": "1"}),
                )
            )
    return log


def loop(at: int, calls: int = 40, cost: int = 900_000, **fields: Any) -> list[Entry]:
    """One run that makes the same call every few seconds."""
    return [
        (at + number * 5 * SECOND, "usage", usage(
            f"l{at}-{number}", at + number * 5 * SECOND, **{
                "run_id": f"loop{at}", "input_tokens": 5_000, "output_tokens": 50, "cost_micro_usd": cost, "actor": "p0",
                "prompt_fingerprint": "feedfacecafebeef", **fields,
            }
        ))
        for number in range(calls)
    ]  # fmt: skip


def burn(at: int, calls: int = 60, cost: int = 4_000_000) -> list[Entry]:
    """Many different and expensive calls in one hour."""
    return [
        (at + number * 55 * SECOND, "usage", usage(
            f"b{at}-{number}", at + number * 55 * SECOND, input_tokens=90_000 + number * 7, output_tokens=4_000 + number,
            cost_micro_usd=cost, actor=f"p{number % 6}",
        ))
        for number in range(calls)
    ]  # fmt: skip


def later(day: int) -> list[Entry]:
    """A call by which all days before are over."""
    at = MONDAY + day * DAY + 2 * HOUR
    return [(at, "usage", usage(f"later{day}", at, actor="p1", input_tokens=1, cost_micro_usd=1))]


def feed(run: EngineRun, entries: Sequence[Entry]) -> None:
    """Read entries as chunks of one topic each, as they come."""
    start = 0
    for end in range(1, len(entries) + 1):
        if end == len(entries) or entries[end][1] != entries[start][1]:
            values = [value for _, _, value in entries[start:end]]
            if entries[start][1] == "usage":
                run.step(*values)
            else:
                run.read_outcomes(*values)
            start = end


def whole(log: Sequence[Entry], run: EngineRun | None = None) -> EngineRun:
    """A run that reads a log in one transaction a day."""
    run = run or run_of()
    days: dict[int, list[Entry]] = {}
    for entry in log:
        days.setdefault(entry[0] // DAY, []).append(entry)
    for entries in days.values():
        feed(run, entries)
        run.commit()
    run.finish()
    return run


def in_order(log: Sequence[Entry]) -> list[Entry]:
    """By time, and as they were given where it is the same."""
    return sorted(log, key=lambda entry: entry[0])


def told(run: EngineRun) -> list[Alert]:
    """Every record, in an order that does not depend on when it was told."""
    return sorted(run.alerts, key=lambda alert: (alert.alert_id, alert.revision))


def detectors(run: EngineRun) -> set[str]:
    """Whose alerts fired."""
    return {alert.detector for alert in run.alerts}
