"""Runaway: an agent that goes in circles, or spends at a rate that its workflow has never seen.

Judged as calls come in. Of a run: the same call five times in a row, two calls in turns four times, half of its last twenty
calls failed, or an input that keeps growing. Of a workflow: an hour that costs several times the busiest ordinary ones. Two
signals: the pattern, and money without a result: what the pattern cost exceeds what the workflow's whole runs ordinarily do.
Rules of a run need no history; velocity needs two weeks.

Source: gemini-cli, loopDetectionService (five identical calls); Page 1954 on why a level must hold before it counts.
"""

from typing import Final, NamedTuple

from streams.core.findings import Clear, Detector, Finding, Verdict
from streams.core.runs import Pattern
from streams.core.watches import Watch
from streams.detectors.statistics import about, usd

__all__ = ["DETECTOR", "judge_run", "judge_velocity"]

_MIN_SAMPLE: Final = 5
_HOUR_STAKE: Final = 20_000_000
#: How many times the busiest ordinary hour each of two hours in a row must cost, or each of three.
_HOUR_RATIOS: Final = (2, 3.5), (3, 2.5)


class _Limit(NamedTuple):
    """What a pattern must have come to.

    ``turns`` of it, at the cost of so many ordinary ``runs`` and of ``stake`` micro-dollars at least, in a run that cost so many
    times what the ``dearest`` did; 0 where that is not asked.
    """

    turns: int
    runs: float
    stake: int = 2_000_000
    dearest: float = 0.0


#: Of several limits, any will do. Two calls in turns, or a context that grows for a hundred calls, are no way to work however
#: dear other runs were; polling, the same call again and again, is one. Of turns, few and a little money are enough: no run
#: that gets anywhere takes them, and what a loop costs is still to come.
_LIMITS: Final = {
    Pattern.REPEATED: (_Limit(12, 3.0, dearest=1.1),),
    Pattern.PING_PONG: (_Limit(6, 1.0, 300_000),),
    Pattern.FAILING: (_Limit(16, 6.0, dearest=1.5),),
    Pattern.GROWING: (_Limit(60, 12.0, dearest=2.0), _Limit(100, 6.0)),
}
#: How many times as much it must have cost where the dearest runs are not known: a workflow of few days.
_NEW: Final = 3.0
#: As long as nothing is known of the workflow's runs.
_UNKNOWN_STAKE: Final = 30_000_000
_WORDS: Final = {
    Pattern.REPEATED: "makes the same call over and over",
    Pattern.PING_PONG: "goes back and forth between two calls",
    Pattern.FAILING: "fails and tries again",
    Pattern.GROWING: "sends a context that keeps growing",
}


def judge_run(watch: Watch, pattern: Pattern, calls: int, spend: int, run_spend: int, accepted: int) -> Verdict:
    """Judge a run that shows a pattern: ``calls`` and ``spend`` are the pattern's own, ``run_spend`` and ``accepted`` the run's.

    Where the workflow's dearest runs of the last weeks are known, a run must cost more than those, too: some workflows have
    long conversations, and some poll.
    """
    typical = watch.typical_run
    known = 1.0 if watch.dearest_run > 0 else _NEW
    score = 0.0
    for limit in _LIMITS[pattern]:
        expected = known * max(limit.stake, limit.runs * typical) if typical > 0 else _UNKNOWN_STAKE
        told = min(spend / expected, calls / limit.turns)
        if limit.dearest and watch.dearest_run > 0:
            told = min(told, run_spend / (limit.dearest * watch.dearest_run))
        score = max(score, told)
    if accepted or score < 1:
        return Clear(min(0.9, score))
    return Finding(
        score=score, severity="critical", days=0, observed=spend / 1e6,
        expected=None if typical < 0 else typical / 1e6, sample_size=calls, money_micro_usd=spend,
        evidence={"calls": calls, "pattern": int(pattern), "run_usd": run_spend / 1e6, "dearest_run_usd": max(0, watch.dearest_run) / 1e6},
        summary=f"A run {_WORDS[pattern]}: {about(calls)} calls for {usd(spend)}, and nothing came of it.",
    )  # fmt: skip


def judge_velocity(watch: Watch) -> Verdict:
    """Judge what a workflow spends in this hour, or in this and the last one together."""
    typical = watch.typical_hour
    if typical < 0:
        return Clear()
    hours = (watch.hour_spend, watch.last_hour_spend, watch.before_hour_spend)
    score = max(min(hours[:n]) / max(_HOUR_STAKE, ratio * typical) for n, ratio in _HOUR_RATIOS)
    spend = watch.hour_spend
    if score < 1:
        return Clear(score)
    return Finding(
        score=score, severity="critical", days=0, observed=spend / 1e6, expected=typical / 1e6,
        sample_size=_MIN_SAMPLE, money_micro_usd=spend, evidence={"ratio_to_busiest_hour": spend / max(1, typical)},
        summary=f"{usd(spend)} in an hour, where the busiest ordinary hours cost {usd(typical)}.",
    )  # fmt: skip


DETECTOR: Final = Detector(
    name="runaway",
    family="runaway",
    rule="runs that repeat, alternate, fail or grow at a cost, and hours that cost several times the busiest ordinary ones",
    silent="a run that stops, or comes to something",
    benign_causes=("a tool that is polled on purpose", "a load test", "a batch of evaluations"),
    next_step="Stop the run; its tool or its prompt does not let it end.",
    min_sample=_MIN_SAMPLE,
    detect=None,
    persistence=(1, 1),
    after_days=0,
)
