"""The page ``docs/detectors.md``, printed from the registry: for whoever acts on alerts, and for whoever is worried by them."""

import sys
from collections.abc import Iterable
from importlib import import_module
from typing import Final, NamedTuple

from streams.core.alerting import PUBLISHED, Reason
from streams.core.findings import Detector
from streams.core.snapshot import LEAST_TEAMS
from streams.detectors import REGISTRY

__all__ = ["WORDS", "Words", "markdown"]


class Words(NamedTuple):
    """What the registry does not say of a detector: the question, the signal that must come with the shape, its settings."""

    question: str
    second: str
    settings: tuple[str, ...] = ()


_WORKFLOW: Final = ("declared_schedule", "exploratory", "snoozed_until")
#: By detector; a test holds it to the registry.
WORDS: Final[dict[str, Words]] = {
    "data_problems": Words("Can the figures be right?", "None: it is about figures, not about spend."),
    "runaway": Words(
        "Does a run go in circles, or an hour cost what none has?",
        "Nothing accepted has come of the run, and it has cost more than whole runs of its workflow do.",
        ("declared_schedule", "snoozed_until"),
    ),
    "budget_burn": Words(
        "Will the budget last the month?", "A short window burns as fast as the long one, and no ordinary hour is so dear.",
        ("monthly_budget_usd",),
    ),
    "busywork_automation": Words(
        "Is there automation that nobody declared and nothing comes of?", "Outcomes per beginning of work are far below the team's.",
        (*_WORKFLOW, "outcomes_expected"),
    ),
    "redundant_work": Words(
        "Is the same work paid for more than once?", "The repetition costs money, on most days of a week, and brings no more outcomes.",
        _WORKFLOW,
    ),
    "context_padding": Words(
        "Do prompts grow and change nothing?", "Calls cost more, and outcomes per dollar do not rise.", _WORKFLOW
    ),
    "outcome_gaming": Words(
        "Are outcomes made to be counted?", "What outcomes are made of has changed: size, review, reopening, or ease.",
        _WORKFLOW,
    ),
    "target_chasing": Words(
        "Does use stop just above a target?", "Accepted outcomes are flat.",
        ("weekly_actor_target_tokens", "weekly_actor_target_events"),
    ),
    "adoption_theatre": Words(
        "Do many touch the tool once, and that is it?", "The touches fall on one day, and accepted outcomes do not rise."
    ),
    "leaderboard_race": Words(
        "Does use grow because it is compared?", "Accepted outcomes are flat, measured by the growth of use at the top."
    ),
    "quality_erosion": Words(
        "Is more spent and does more break?", "Spend is up; work that also takes longer needs less of the other.", _WORKFLOW
    ),
    "spend_without_outcomes": Words(
        "Does less come of the same money?", "It is down per dollar and per beginning of work, and the difference is worth money.",
        (*_WORKFLOW, "outcomes_expected"),
    ),
}  # fmt: skip

_REASONS: Final[dict[Reason, str]] = {
    Reason.FIRST: "The episode begins to fire.",
    Reason.WORSE: "There is half as much again as was told, a day later or more; or it is more severe.",
    Reason.STILL: "It has gone on for another week.",
    Reason.RESOLVED: "Two verdicts in a row were calm, nobody looks any more, or (fast path) nothing was found for hours.",
    Reason.OPEN: "It fires, and there is no news.",
    Reason.QUIET: "There is nothing to say.",
    Reason.PENDING: "It has not lasted long enough.",
    Reason.INSUFFICIENT: "There is too little to say anything.",
    Reason.SUPPRESSED_BY_PARENT: "Another finding of the team explains it.",
    Reason.DECLARED: "The policy says that it is meant to be so.",
    Reason.SNOOZED: "The policy says not to tell now.",
    Reason.GROUP_MINIMUM: "It concerns too few people.",
    Reason.OVER_BUDGET: "The team has been told enough this week.",
    Reason.NOT_RARE: "Among so many scopes one is like that by chance.",
}

_INTRODUCTION: Final = """\
# Detectors

Printed by `python -m streams.detectors.page`; a test fails when this page and the code differ.

Each asks one question of a team or a workflow, and answers with an alert, with nothing, or with "too little data". A shape
in the figures never alerts by itself: each rule needs a second signal, of money or of outcomes. None is about a person.
**An alert is a reason to look, not a verdict**: every record says what else it may be.

| detector | question | family | looks at | path |
|---|---|---|---|---|
"""

_REST: Final = f"""\

## Two paths
**Fast**: `runaway` judges a run at the very call that shows a pattern, and an hour's spend every 5 minutes; `budget_burn`
judges every 5 minutes. Both by event time, as soon as the calls are in.
**Slow**: all others judge whole UTC days, one hour after they end; weekly ones after the last day of an ISO week. Each scope
is compared to its own four weeks before, and what moves the median of all teams in the partition is taken out if it has at
least {LEAST_TEAMS} teams. While an alert fires, what came since it began is no baseline.

Of a day's findings of one family, only those are told that are rare among all scopes judged (Benjamini and Hochberg 1995).
A day on which an alert fires is no part of any later baseline of its scope. Verdicts follow from the log alone: a replay of the same records gives the same alerts, byte for byte.

## Life of an alert
An *episode* is a stretch of time in which one detector has something to say about one scope. `alert_id` stands for it, over
restarts and replays; each change is one record on `assay.alerts.v1` with the next `revision`. Whatever else a verdict comes
to has a reason too: `assay_detector_decisions_total` counts them all.

| reason | record | meaning |
|---|---|---|
"""

_POLICY: Final = """\

* A detector fires when its persistence is reached (below): "2 of 3" are findings on two of three days.
* Findings explain others, in the order of the table above: what explains more keeps what it explains silent, if their scopes
  overlap. Budgets neither explain nor are explained.
* A team is told of four alerts a week, beyond those that are critical; further ones wait.

## What the policy says
[policy.md](policy.md) has the keys. A worker reads them when it starts.

| key | effect |
|---|---|
| `detectors.NAME.enabled` | `false`: the detector does not look. An alert that fires is resolved. |
| `detectors.NAME.alpha` | The chance that a finding may be by chance alone, where the rule has one (marked below). |
| `declared_schedule` | The workflow is looked at by no slow detector, by itself or in its team; its runs and hours do not alert. |
| `exploratory` | The workflow is looked at by no slow detector; `runaway` looks at it all the same. |
| `snoozed_until` | The first day, in UTC, from which findings about the workflow are told again; they do not rise to the team either. |
| `outcomes_expected` | `false`: nothing is said that rests on missing outcomes. Not said: as soon as an outcome came in within ten weeks. |
| `weekly_actor_target_tokens`, `weekly_actor_target_events` | What `target_chasing` looks around. Without either it has nothing to look at. |
| `monthly_budget_usd` | What `budget_burn` goes by, in calendar months of UTC. Without it there is none. |

## Privacy
* Nothing in an alert is about a person: no actor, no pseudonym, no run, no hours.
* Slow findings need enough people behind them: `min_actors` of the policy, 10 for how people spread, 20 for concentration;
  counted in the ISO week, or in the last one as long as its people are remembered. What concerns nobody (schedules, builds) is free.
* **A finding about a workflow of too few rises to its team without any figure**: "in a part of the team's work that is too
  small to show by itself". If the team has too few, nothing is said. An alert that fires is told no news of while that is so.
* Where people had a part, every number of a record, in fields and in words, has two significant digits.
* **The exception is on purpose**: `runaway` and `budget_burn` are about what must be stopped. They name team and workflow
  whoever is behind it, with amounts of two digits.
* What is known of people: [privacy.md](privacy.md).

## Each detector
"""


def markdown(registry: Iterable[Detector] = REGISTRY) -> str:
    """The registry as the page ``docs/detectors.md``."""
    detectors = tuple(registry)
    lines = [_INTRODUCTION.rstrip("\n")]
    lines += [
        f"| [`{it.name}`](#{it.name}) | {WORDS[it.name].question} | {it.family} | {_scopes(it)} | {_path(it)} |"
        for it in detectors
    ]
    lines.append(_REST.rstrip("\n"))
    lines += [
        f"| `{reason}` | {'yes' if reason in PUBLISHED else 'no'} | {meaning} |" for reason, meaning in _REASONS.items()
    ]
    lines.append(_POLICY.rstrip("\n"))
    for detector in detectors:
        lines += _section(detector)
    return "\n".join(lines) + "\n"


def _section(detector: Detector) -> list[str]:
    module = import_module(f"streams.detectors.{detector.name}")
    first, _, source = (module.__doc__ or "").partition("Source: ")
    title = first.split("\n", 1)[0].strip()
    said = WORDS[detector.name]
    needed, among = detector.persistence
    needs = f"{detector.min_sample:,} observations"
    if detector.after_days:
        needs += f", {detector.after_days} days of history"
    needs += f", {detector.group} people" if detector.detect is not None else ""
    settings = ["enabled", *(["alpha"] if hasattr(module, "_ALPHA") else []), *said.settings]
    return [
        "", f"### `{detector.name}`", title, "", "| | |", "|---|---|",
        f"| rule | {detector.rule} |",
        f"| second signal | {said.second} |",
        f"| needs | {needs} |",
        f"| fires | {f'at {needed} of {among} verdicts' if among > 1 else 'at once'} |",
        f"| silent | {detector.silent} |",
        f"| may be benign | {'; '.join(detector.benign_causes)} |",
        f"| next step | {detector.next_step} |",
        f"| policy | {', '.join(f'`{key}`' for key in settings)} |",
        f"| source | {' '.join(source.split())} |",
    ]  # fmt: skip


def _scopes(detector: Detector) -> str:
    if detector.name == "runaway":
        return "workflows"
    return " and ".join(["teams"] * detector.team + ["workflows"] * detector.workflow)


def _path(detector: Detector) -> str:
    if detector.detect is None:
        return "fast"
    return "weekly" if detector.weekly else "daily"


if __name__ == "__main__":
    sys.stdout.write(markdown())
