"""What reasons, limits and policies mean, in words."""

from collections.abc import Iterator
from typing import Final

from streams.core.alerting import Reason
from streams.core.alerts import Alert
from streams.core.findings import Detector
from streams.core.policy import Policy
from streams.report.names import shown
from streams.report.words import UNKNOWN, count, plural

__all__ = ["REASONS", "THRESHOLD", "number", "persistence", "silenced_by_policy", "silencers", "silencing_keys"]

#: Scores are multiples of their threshold.
THRESHOLD: Final = 1.0

#: What each reason means; the same sentences as beside the reasons themselves.
REASONS: Final[dict[Reason, str]] = {
    Reason.FIRST: "The episode begins to fire.",
    Reason.WORSE: "It fires already, and there is half as much again of it, or it is more severe.",
    Reason.STILL: "It has gone on for another week.",
    Reason.RESOLVED: "It is over.",
    Reason.OPEN: "It fires, and there is no news.",
    Reason.QUIET: "There is nothing to say.",
    Reason.PENDING: "It has not lasted long enough.",
    Reason.INSUFFICIENT: "There is too little to say anything.",
    Reason.SUPPRESSED_BY_PARENT: "Another alert explains it.",
    Reason.DECLARED: "The policy says that it is meant to be so.",
    Reason.SNOOZED: "The policy says not to tell now.",
    Reason.GROUP_MINIMUM: "It concerns too few people.",
    Reason.OVER_BUDGET: "The team has been told enough this week.",
    Reason.NOT_RARE: (
        "Of so many scopes looked at, one or the other is like that by chance (Benjamini and Hochberg 1995)."
    ),
}


def persistence(detector: Detector) -> str:
    """How often a finding must come before it is told."""
    needed, among = detector.persistence
    if among == 1:
        return "the first finding fires"
    verdicts = "weekly verdicts" if detector.weekly else "daily verdicts"
    return f"{needed} of the last {among} {verdicts} must be findings"


def number(value: float | None) -> str:
    """A figure of a finding, in the unit that its rule names."""
    if value is None:
        return UNKNOWN
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.4g}"


def silencers(detector: Detector, alert: Alert) -> Iterator[str]:
    """What would have kept an alert silent, one after the other; names in it are fit to be shown."""
    yield detector.silent
    yield f"a score below {THRESHOLD:g}, or fewer than {count(alert.min_sample_size)} observations"
    if detector.persistence[1] > 1:
        yield f"it had not lasted: {persistence(detector)}"
    if detector.after_days:
        yield f"fewer than {plural(detector.after_days, 'day')} of history"
    if detector.detect is not None:
        yield f"people behind it, but fewer than {detector.group}, or another alert that explains it"
    for key in silencing_keys(detector, shown(alert.team), None if alert.workflow is None else shown(alert.workflow)):
        yield f"policy: {key}"


def silencing_keys(detector: Detector, team: str, workflow: str | None) -> list[str]:
    """What in a policy keeps a detector silent about a scope, key by key."""
    keys = [f"detectors.{detector.name}.enabled: false"]
    if workflow is not None:
        place = f"workflows.{team}/{workflow}"
        keys += [f"{place}.declared_schedule: true", f"{place}.snoozed_until: DAY"]
        if detector.detect is not None:
            keys.append(f"{place}.exploratory: true")
    return keys


def silenced_by_policy(policy: Policy, detector: Detector, team: str, workflow: str | None) -> str | None:
    """Why a policy lets a detector never look at a scope; None if it does look."""
    if not policy.detector(detector.name).enabled:
        return f"the policy turns the detector off (detectors.{detector.name}.enabled: false)"
    if detector.name == "budget_burn" and not policy.team(team).monthly_budget_micro_usd:
        return f"the policy knows no budget of the team (teams.{team}.monthly_budget_usd)"
    known = policy.workflow(team, workflow or "")
    if workflow is not None and detector.detect is not None:
        for key, said in (("declared_schedule", known.declared_schedule), ("exploratory", known.exploratory)):
            if said:
                return f"the policy says that the workflow is meant to be so (workflows.{team}/{workflow}.{key}: true)"
    return None
