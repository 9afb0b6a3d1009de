"""The policy: what an organisation knows about its teams and workflows and a stream of events cannot.

It is about names, not about what was seen: a policy for a team that never sends an event is as good as any, and a team
that no policy mentions has the defaults, by which nothing is known about it.
"""

import json
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from datetime import date
from hashlib import blake2b
from typing import Any, Final, Literal

from streams.core.outcomes import OutcomeKind

__all__ = ["DETECTORS", "MIN_ACTORS", "DetectorPolicy", "Policy", "TeamPolicy", "WorkflowPolicy"]

#: The fewest people that a published figure may concern. A policy may ask for more, never for less: below five, those
#: who know what they did themselves can work out what the others did.
MIN_ACTORS: Final = 5

#: The patterns that a policy can configure; public, as keys of the file.
DETECTORS: Final = (
    "spend_without_outcomes",
    "redundant_work",
    "target_chasing",
    "busywork_automation",
    "runaway",
    "leaderboard_race",
    "quality_erosion",
    "budget_burn",
    "context_padding",
    "adoption_theatre",
    "outcome_gaming",
    "data_problems",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamPolicy:
    """What is known about one team; None is not known, which is not zero."""

    monthly_budget_micro_usd: int | None = None
    """Micro-dollars for a calendar month of the policy's time zone."""
    weekly_actor_target_tokens: int | None = None
    """Tokens a week that people may have been told to reach, or believe that they should."""
    weekly_actor_target_events: int | None = None
    """The same in calls."""
    outcomes_expected: bool | None = None
    """False where no source of outcomes is connected: spend without outcomes is then unknown, not wasted."""
    actors: int | None = None
    """Licensed members."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowPolicy:
    """What is known about one workflow of one team."""

    declared_schedule: bool = False
    """Automation that is meant to be periodic."""
    exploratory: bool = False
    """Outcomes are not expected run by run."""
    snoozed_until: date | None = None
    """The first day on which findings about it are reported again."""

    def snoozed_on(self, day: int) -> bool:
        """Whether findings are kept back on a UTC day, given in days since the epoch."""
        return self.snoozed_until is not None and day < self.snoozed_until.toordinal() - _EPOCH_ORDINAL


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorPolicy:
    """How one detector is set; ``alpha`` is its rate of false findings, above 0 to 0.5, None for its own default."""

    enabled: bool = True
    alpha: float | None = None


_EPOCH_ORDINAL: Final = date(1970, 1, 1).toordinal()
_TEAM: Final = TeamPolicy()
_WORKFLOW: Final = WorkflowPolicy()
_DETECTOR: Final = DetectorPolicy()


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A whole policy; the one without arguments is what holds where there is no file.

    Raises ValueError if ``min_actors`` is below :data:`MIN_ACTORS`, wherever the policy comes from.
    """

    min_actors: int = MIN_ACTORS
    currency: Literal["usd"] = "usd"
    time_zone: str = "UTC"
    """The zone in which a month of a budget begins and ends, by its IANA name."""
    maturity_days: Mapping[OutcomeKind, float] = field(default_factory=dict)
    """By kind, days after which an outcome that has not come is not waited for."""
    teams: Mapping[str, TeamPolicy] = field(default_factory=dict)
    workflows: Mapping[tuple[str, str], WorkflowPolicy] = field(default_factory=dict)
    """By team and workflow."""
    detectors: Mapping[str, DetectorPolicy] = field(default_factory=dict)
    prices: str | None = None
    """Path of the price book."""

    def __post_init__(self) -> None:
        if self.min_actors < MIN_ACTORS:
            raise ValueError(f"min_actors is {self.min_actors}; give {MIN_ACTORS} or more")

    def team(self, name: str) -> TeamPolicy:
        """What is known about a team."""
        return self.teams.get(name, _TEAM)

    def workflow(self, team: str, name: str) -> WorkflowPolicy:
        """What is known about a workflow of a team."""
        return self.workflows.get((team, name), _WORKFLOW)

    def detector(self, name: str) -> DetectorPolicy:
        """How a detector is set."""
        return self.detectors.get(name, _DETECTOR)

    @property
    def version(self) -> str:
        """Twelve hex digits that differ when, and only when, something in force differs; worked out at each call.

        Order, comments and keys that say what holds anyway do not count; nor does where the price book lies, as it has
        a version of its own.
        """
        content = {
            "min_actors": self.min_actors,
            "currency": self.currency,
            "time_zone": self.time_zone,
            "maturity_days": {kind.value: float(days) for kind, days in self.maturity_days.items()},
            "teams": _differing(self.teams),
            "workflows": _differing({json.dumps(key): said for key, said in self.workflows.items()}),
            "detectors": _differing(self.detectors),
        }
        return blake2b(json.dumps(content, sort_keys=True).encode(), digest_size=6).hexdigest()


def _differing(policies: Mapping[str, TeamPolicy | WorkflowPolicy | DetectorPolicy]) -> dict[str, dict[str, Any]]:
    """What each says that is not the default, so that a key added to the product leaves the versions as they are."""
    found = {}
    for name, policy in policies.items():
        values = {each.name: (getattr(policy, each.name), each.default) for each in fields(policy)}
        said = {
            key: value.isoformat() if isinstance(value, date) else value
            for key, (value, default) in values.items()
            if default is MISSING or value != default
        }
        if said:
            found[name] = said
    return found
