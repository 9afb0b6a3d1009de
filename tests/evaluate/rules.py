"""What counts as finding an episode: fixed once, in one place, and not generous; docs/evaluation.md says why."""

from typing import Final

from streams.core.policy import DETECTORS
from streams.simulation.labelled.labels import Episode

__all__ = [
    "ANY", "CONSEQUENCES", "DAY_MS", "DETECTOR_FAMILIES", "FAMILIES", "FREE_REPEATS", "LONGEST_WINDOW_MS", "TOLERATED",
    "WEEK_MS", "deadline_ms",
]  # fmt: skip

DAY_MS: Final = 86_400_000
WEEK_MS: Final = 7 * DAY_MS

#: The family of a rule that knows none: right for every episode, which flatters the rivals.
ANY: Final = "any"

#: Families in which an alert names the behaviour; the first is the detector's own.
FAMILIES: Final = {
    "spend_without_outcomes": ("waste",),
    "redundant_work": ("waste",),
    "target_chasing": ("gaming",),
    "busywork_automation": ("waste", "gaming"),
    "runaway": ("runaway",),
    "leaderboard_race": ("gaming",),
    "quality_erosion": ("quality",),
    "budget_burn": ("budget",),
    "context_padding": ("waste", "gaming"),
    "adoption_theatre": ("gaming", "waste"),
    "outcome_gaming": ("gaming", "quality"),
    "data_problems": ("data",),
}
DETECTOR_FAMILIES: Final = {detector: FAMILIES[detector][0] for detector in DETECTORS}

#: Families in which an alert about the episode is true without naming it: spend that it causes buys nothing, or breaks a
#: budget. Such an alert finds nothing and is no false one.
CONSEQUENCES: Final = {
    "runaway": ("waste", "budget"),
    "busywork_automation": ("budget",),
    "target_chasing": ("waste", "budget"),
    "leaderboard_race": ("waste", "budget"),
    "redundant_work": ("budget",),
    "spend_without_outcomes": ("budget", "quality"),
    "context_padding": ("budget",),
    "budget_burn": ("runaway", "waste"),
    "quality_erosion": ("waste",),
}

#: Families in which an alert about a look-alike is true: outcomes that are silent are a problem of the data.
TOLERATED: Final = {"moved_integration": ("data",)}

#: Repeats about an episode that are neither found nor false; more of them are false.
FREE_REPEATS: Final = 3
#: A window of most of the scenario meets everything.
LONGEST_WINDOW_MS: Final = 8 * WEEK_MS

#: Days from the start of an episode in which it must be found, where the behaviour is visible at once.
_DAYS: Final = {"runaway": 2, "budget_burn": 2, "data_problems": 4}
#: Whole weeks that a weekly statistic needs to see of the others, and days for which outcomes are waited for.
_EVIDENCE_WEEKS: Final = {
    "target_chasing": 2, "leaderboard_race": 3, "quality_erosion": 2, "adoption_theatre": 2, "spend_without_outcomes": 1,
    "redundant_work": 1, "busywork_automation": 1, "context_padding": 1, "outcome_gaming": 1,
}  # fmt: skip
_MATURES_DAYS: Final = {"spend_without_outcomes": 7}
_SLACK_DAYS: Final = 7
#: A calendar week counts as evidence when at least so much of it is left as the episode begins.
_ENOUGH_MS: Final = 4 * DAY_MS


def deadline_ms(episode: Episode, monday_ms: int) -> int:
    """The last moment at which an alert finds an episode; ``monday_ms`` is the start of any week."""
    if episode.behaviour in _DAYS:
        return episode.start_ms + _DAYS[episode.behaviour] * DAY_MS
    into_ms = (episode.start_ms - monday_ms) % WEEK_MS
    first_ms = episode.start_ms - into_ms + (0 if WEEK_MS - into_ms >= _ENOUGH_MS else WEEK_MS)
    seen_ms = first_ms + _EVIDENCE_WEEKS[episode.behaviour] * WEEK_MS
    return seen_ms + (_MATURES_DAYS.get(episode.behaviour, 0) + _SLACK_DAYS) * DAY_MS
