"""Who does what and when: episodes and look-alikes are given to teams; most teams stay as innocent as they are."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Final

from streams.simulation.labelled.company import KINDS, Team, Workflow, draw_workflow
from streams.simulation.labelled.effects import Effect
from streams.simulation.labelled.labels import LOOK_ALIKES, STRENGTHS, Episode, LookAlike
from streams.simulation.labelled.ledger import DAY_MS, HOUR_MS, Repricing

__all__ = ["EPISODES", "VARIANTS", "Plan", "TeamPlan", "draw_plan"]

#: What is planted in one company, those that need a team of a certain sort first. Two of the quick ones.
EPISODES: Final = (
    "leaderboard_race", "target_chasing", "outcome_gaming", "adoption_theatre", "quality_erosion", "redundant_work",
    "spend_without_outcomes", "context_padding", "busywork_automation", "budget_burn", "runaway", "data_problems",
    "runaway", "data_problems",
)  # fmt: skip
VARIANTS: Final = {
    "runaway": ("repeated_calls", "ping_pong", "retry_storm", "context_growth", "spend_velocity"),
    "data_problems": ("coverage", "unpriced", "silent", "collisions", "divergence"),
    "target_chasing": ("calls", "tokens"),
}
#: First day and length in days; a history of three to five weeks comes before whatever needs one.
_SLOW: Final = ((24, 39), (22, 31))
_WHEN: Final = {
    "runaway": ((21, 65), (1, 1)), "budget_burn": ((22, 55), (3, 9)), "data_problems": ((22, 58), (5, 9)),
    "leaderboard_race": ((24, 36), (30, 34)), "quality_erosion": ((24, 34), (31, 35)),
    "target_chasing": ((21, 32), (35, 38)), "adoption_theatre": ((24, 35), (31, 35)),
}  # fmt: skip
_SMALLEST: Final = {
    "leaderboard_race": 24, "target_chasing": 20, "adoption_theatre": 16, "quality_erosion": 12, "outcome_gaming": 8,
    "spend_without_outcomes": 8, "data_problems": 10,
}  # fmt: skip
_BENIGN_DAYS: Final = {
    "hackathon": (2, 4), "onboarding_wave": (21, 30), "eval_batch": (2, 5), "incident_storm": (2, 5),
    "moved_integration": (5, 9), "migration": (12, 22), "research_team": (20, 32),
}  # fmt: skip
_FACTORS: Final = {"weak": 0, "medium": 1, "strong": 2}


@dataclass(slots=True)
class TeamPlan:
    """What is special about one team: its effects, and the episode or look-alike behind them."""

    effects: list[Effect] = field(default_factory=list)
    episode: Episode | None = None
    benign: LookAlike | None = None
    #: A workflow that exists from its start on only.
    extra: Workflow | None = None


@dataclass(slots=True)
class Plan:
    """The plan of one company, by team."""

    teams: dict[str, TeamPlan]
    repricing: Repricing | None = None

    @property
    def episodes(self) -> list[Episode]:
        """All episodes, by time."""
        found = [plan.episode for plan in self.teams.values() if plan.episode is not None]
        return sorted(found, key=lambda episode: (episode.start_ms, episode.team))

    @property
    def benign(self) -> list[LookAlike]:
        """All look-alikes, by time."""
        found = [plan.benign for plan in self.teams.values() if plan.benign is not None]
        return sorted(found, key=lambda each: (each.start_ms, each.team))


def draw_plan(rng: Random, teams: list[Team], seed: int, start_ms: int, *, quiet: bool) -> Plan:
    """Give out behaviours and look-alikes; strengths take turns with the seed, so that three seeds have all of them."""
    plan = Plan({team.name: TeamPlan() for team in teams})
    if quiet:
        return plan
    free = list(teams)
    rng.shuffle(free)
    for number, behaviour in enumerate(EPISODES):
        strength = STRENGTHS[(number + seed) % len(STRENGTHS)]
        options = VARIANTS.get(behaviour)
        variant = options[(seed + seed // len(STRENGTHS) + number) % len(options)] if options else None
        team = _take(free, behaviour, variant)
        plan.teams[team.name] = _episode(rng, team, f"e{number:02d}", behaviour, strength, variant, start_ms)
    for kind in LOOK_ALIKES:
        team = _take_benign(free, kind)
        mine, repricing = _look_alike(rng, team, kind, start_ms)
        plan.teams[team.name] = mine
        plan.repricing = plan.repricing or repricing
    return plan


def _take(free: list[Team], behaviour: str, variant: str | None) -> Team:
    """The first free team of the sort that the behaviour needs; the largest where none is large enough."""
    fits: Callable[[Team], bool] = {
        "outcome_gaming": lambda team: team.change_details and team.unreviewed < 0.5,
        "redundant_work": lambda team: team.fingerprints,
        "runaway": lambda team: team.fingerprints or variant not in ("repeated_calls", "ping_pong"),
        "context_padding": lambda team: team.main.kind.conversation,
        "quality_erosion": lambda team: team.main.kind.name in ("coding", "bug-triage", "migration"),
    }.get(behaviour, lambda team: True)
    smallest = _SMALLEST.get(behaviour, 6)
    good = [team for team in free if len(team.people) >= smallest and fits(team)]
    team = good[0] if good else max(free, key=lambda each: (fits(each), len(each.people)))
    free.remove(team)
    return team


def _take_benign(free: list[Team], kind: str) -> Team:
    # A train holds changes back: the team must have some.
    good = [team for team in free if kind != "release_train" or team.main.kind.name in ("coding", "migration")]
    team = good[0] if good else free[0]
    free.remove(team)
    return team


def _by(strength: str, weak: float, medium: float, strong: float) -> float:
    return (weak, medium, strong)[_FACTORS[strength]]


def _episode(
    rng: Random, team: Team, name: str, behaviour: str, strength: str, variant: str | None, start_ms: int
) -> TeamPlan:
    """What a behaviour does to a team's ordinary work; what it adds to it is in :mod:`.extras`."""
    (first, last), (shortest, longest) = _WHEN.get(behaviour, _SLOW)
    begins_ms = start_ms + rng.randrange(first, last + 1) * DAY_MS + rng.randrange(24 * 60) * 60_000
    days = rng.randrange(shortest, longest + 1)
    if behaviour in ("budget_burn", "data_problems"):
        begins_ms = _workday(rng, team, begins_ms, start_ms)
    if behaviour == "budget_burn":
        days = int(_by(strength, 9, 5, 3))
    ends_ms = min(begins_ms + days * DAY_MS, start_ms + 70 * DAY_MS)
    plan, workflow, main = TeamPlan(), None, team.main.name
    during = partial(Effect, start_ms=begins_ms, end_ms=ends_ms)
    if behaviour == "spend_without_outcomes":
        comes, more = _by(strength, 0.5, 0.25, 0.08), _by(strength, 1.15, 1.35, 1.6)
        plan.effects.append(during(comes=comes, volume=more))
    elif behaviour == "redundant_work":
        plan.effects.append(during(repeats=_by(strength, 0.15, 0.30, 0.48)))
    elif behaviour == "quality_erosion":
        more, undone, cycle = _by(strength, 1.2, 1.35, 1.6), _by(strength, 1.8, 2.8, 4.5), _by(strength, 1.25, 1.6, 2.2)
        plan.effects.append(during(volume=more, undone=undone, cycle=cycle))
    elif behaviour == "budget_burn":
        plan.effects.append(during(volume=_by(strength, 2.2, 5.5, 11.0)))
    elif behaviour == "context_padding":
        workflow = main
        plan.effects.append(during(workflow=main, context=_by(strength, 1.7, 2.8, 5.0)))
    elif behaviour == "outcome_gaming":
        variant = _gaming_of(rng, team)
        workflow = main
        gamed, more = _by(strength, 0.25, 0.55, 0.85), _by(strength, 1.0, 1.1, 1.2)
        plan.effects.append(during(workflow=main, gamed=gamed, way=variant, volume=more))
    elif behaviour == "data_problems":
        broken = _by(strength, 0.25, 0.55, 0.92)
        if variant == "collisions":
            broken = _by(strength, 0.10, 0.25, 0.5)
        if variant == "silent":
            broken = _by(strength, 0.4, 0.75, 1.0)
        plan.effects.append(during(way=variant, broken=broken))
    elif behaviour == "busywork_automation":
        plan.extra = draw_workflow(rng, team, KINDS[rng.choice(("digest", "bug-triage", "incident-analysis"))], 0.1)
        plan.extra.constant_sizes = rng.random() < 0.5
        plan.extra.declared = False
        workflow = plan.extra.name
    elif behaviour == "runaway":
        workflow = main
        hours = _by(strength, 0.3, 0.8, 3.0) * rng.uniform(0.8, 1.25)
        ends_ms = begins_ms + int(hours * HOUR_MS)
    plan.episode = Episode(
        id=name, behaviour=behaviour, strength=strength, team=team.name, workflow=workflow, start_ms=begins_ms,
        end_ms=ends_ms, variant=variant,
    )  # fmt: skip
    return plan


def _workday(rng: Random, team: Team, at_ms: int, start_ms: int) -> int:
    """A morning of the first half of the same week: what multiplies the work of a weekend is no plant."""
    week = (at_ms - start_ms) // (7 * DAY_MS)
    day_ms = start_ms + (week * 7 + rng.randrange(3)) * DAY_MS
    return day_ms + int((rng.uniform(7, 12) - team.offset_hours) * HOUR_MS)


def _gaming_of(rng: Random, team: Team) -> str:
    """How a team games depends on what its main workflow is counted by."""
    kind = team.main.kind.name
    if kind in ("bug-triage", "support-chat"):
        return "reopened"
    if any(each.kind.name == "eval-gate" for each in team.workflows[:1]):
        return "easy_evals"
    return rng.choice(("split", "self_approved"))


def _look_alike(rng: Random, team: Team, kind: str, start_ms: int) -> tuple[TeamPlan, Repricing | None]:
    shortest, longest = _BENIGN_DAYS.get(kind, (21, 35))
    begins_ms = start_ms + rng.randrange(22, 36) * DAY_MS + rng.randrange(24 * 60) * 60_000
    if kind in ("hackathon", "incident_storm", "eval_batch", "moved_integration"):
        begins_ms = _workday(rng, team, begins_ms, start_ms)
    ends_ms = min(begins_ms + rng.randrange(shortest, longest + 1) * DAY_MS, start_ms + 70 * DAY_MS)
    during = partial(Effect, start_ms=begins_ms, end_ms=ends_ms)
    plan, workflow, repricing, main = TeamPlan(), None, None, team.main
    effects = plan.effects
    if kind in ("declared_ci_schedule", "undeclared_ci_with_outcomes"):
        plan.extra = draw_workflow(rng, team, KINDS[rng.choice(("ci-repair", "eval-gate"))], 0.12)
        plan.extra.declared = kind == "declared_ci_schedule"
    elif kind == "eval_batch":
        plan.extra = draw_workflow(rng, team, KINDS["nightly-evals"], 0.2)
        plan.extra.declared = False
    elif kind == "hackathon":
        effects.append(during(volume=rng.uniform(2.0, 3.2), comes=0.6, premium="claude-opus-4-1"))
    elif kind == "onboarding_wave":
        joiners = [f"{team.name}-{rng.getrandbits(32):08x}@example.com" for _ in range(max(3, len(team.people) // 2))]
        day = (begins_ms - start_ms) // DAY_MS
        team.joined.update({person: day + rng.randrange(0, 6) for person in joiners})
        team.people.extend(joiners)
        team.weights.extend(0.8 for _ in joiners)
        effects.append(during(volume=1.35, comes=0.9, context=1.15))
    elif kind == "model_price_change":
        begins_ms -= (begins_ms - start_ms) % DAY_MS
        repricing = Repricing(main.model, begins_ms, rng.uniform(1.5, 2.2))
        workflow = main.name
        ends_ms = start_ms + 70 * DAY_MS
    elif kind == "release_train":
        begins_ms, ends_ms = start_ms, start_ms + 70 * DAY_MS
        effects.append(Effect(start_ms=begins_ms, end_ms=ends_ms, train=True, surge=1.4))
    elif kind == "research_team":
        plan.extra = draw_workflow(rng, team, KINDS["bug-triage"], 0.35)
        plan.extra.exploratory = True
    elif kind == "migration":
        plan.extra = draw_workflow(rng, team, KINDS["migration"], 0.5)
        plan.extra.exploratory = True
    elif kind == "moved_integration":
        effects.append(during(held=True))
    elif kind == "night_shift":
        effects.append(during(night=True))
    elif kind == "quota_reset":
        effects.append(during(cap=rng.uniform(70, 110), surge=1.7))
    elif kind == "incident_storm":
        effects.append(during(volume=rng.uniform(2.0, 3.2), failing=0.15, undone=1.6))
    if plan.extra is not None:
        workflow = plan.extra.name
    plan.benign = LookAlike(
        kind=kind, team=team.name, workflow=workflow, start_ms=begins_ms, end_ms=ends_ms, declared=LOOK_ALIKES[kind]
    )
    return plan, repricing
