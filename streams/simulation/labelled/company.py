"""Who works in the labelled company: forty teams of six to sixty people, and what they have running."""

from dataclasses import dataclass, field
from random import Random
from typing import Final, NamedTuple

from streams.simulation.labelled.draws import PEOPLE_SPREAD, bounded_pareto, lognormal

__all__ = ["KINDS", "TEAMS", "Kind", "Team", "Workflow", "draw_teams"]

TEAMS: Final = 40
#: Of workflows but the main one, how many begin or end within the ten weeks.
_COMES_OR_GOES: Final = 0.3
#: Calls of an average person in an average week.
_CALLS_A_PERSON: Final = 74


class Kind(NamedTuple):
    """A sort of workflow; token medians are of one call, ``length`` is the median of a run's calls."""

    name: str
    trigger: str
    models: tuple[str, ...]
    input: int
    output: int
    conversation: bool
    length: float
    weight: int


_LARGE: Final = ("claude-sonnet-4-5", "claude-sonnet-4-5", "claude-opus-4-1", "gpt-5", "gemini-2.5-pro")
_SMALL: Final = ("claude-haiku-4-5", "gpt-5-mini", "claude-sonnet-4-5", "claude-sonnet-4-5", "gemini-2.5-pro")
KINDS: Final = {
    kind.name: kind
    for kind in (
        Kind("coding", "human", _LARGE, 9_000, 1_500, conversation=True, length=5.5, weight=5),
        Kind("review", "human", _LARGE, 14_000, 1_100, conversation=True, length=3.5, weight=2),
        Kind("support-chat", "human", _SMALL, 14_000, 900, conversation=False, length=3.5, weight=2),
        Kind("bug-triage", "agent", _LARGE, 11_000, 1_200, conversation=True, length=6, weight=4),
        Kind("migration", "agent", _LARGE, 13_000, 2_000, conversation=True, length=8, weight=2),
        Kind("incident-analysis", "agent", _LARGE, 16_000, 1_200, conversation=True, length=5, weight=2),
        Kind("ci-repair", "ci", _SMALL, 16_000, 1_200, conversation=True, length=4, weight=2),
        Kind("eval-gate", "ci", _SMALL, 9_000, 800, conversation=False, length=7, weight=2),
        Kind("nightly-evals", "schedule", _SMALL, 9_000, 800, conversation=False, length=12, weight=2),
        Kind("digest", "schedule", _SMALL, 18_000, 1_200, conversation=False, length=3, weight=1),
    )
}
_MAIN: Final = ("coding", "coding", "coding", "bug-triage", "bug-triage", "support-chat", "migration")
#: Program and source of its telemetry; two of them report no cost, as in life.
_TOOLS: Final = (
    ("claude-code", "claude-code"), ("cursor", "otel"), ("meshclaw", "native"), ("langgraph", "langfuse"),
    ("gateway", "litellm"), ("codex", "codex"), ("gemini-cli", "gemini-cli"),
)  # fmt: skip
_USED: Final = (6, 4, 4, 3, 4, 1, 1)
COSTLESS: Final = frozenset({"codex", "gemini-cli"})
#: Names that prove nothing: those who name their work carelessly are no cheats.
_SUFFIXES: Final = ("a", "b", "core", "v2", "main", "new", "old", "loop", "tmp", "test", "batch", "filler", "prod", "x")
_NAMES: Final = (  # noqa: SIM905
    "payments search checkout platform identity catalogue pricing logistics fulfilment fraud risk ledger billing "
    "growth messaging mobile web data-platform ml-platform observability security compliance support-tools onboarding "
    "recommendations ads maps inventory partners developer-tools release-engineering storage networking edge media "
    "localisation finance-systems people-systems legal-ops insights"
).split()
_OFFSETS: Final = (1, 1, 0, -5, -8, 5, 9)


@dataclass(slots=True)
class Workflow:
    """One workflow of one team; ``runs_a_day`` is that of an ordinary weekday."""

    name: str
    kind: Kind
    tool: str
    source: str
    model: str
    second_model: str
    runs_a_day: float
    share: float
    context: float
    constant_sizes: bool
    declared: bool = False
    exploratory: bool = False
    #: Log odds by which this workflow comes to more or less than its kind.
    leaning: float = 0.0
    #: Minute of the day of what runs by schedule.
    minute: int = 0
    #: Tokens after which a conversation is summarised.
    full: float = 180_000.0
    #: Days on which it exists: work begins and ends without meaning anything.
    first_day: int = 0
    last_day: int = 70
    #: What the source reports in place of the list price: some have a discount.
    discount: float = 1.0
    #: Share of runs that try a model which nobody has a price for yet.
    tries: float = 0.0
    #: What the telemetry says set it off; not every source knows.
    trigger: str = "unknown"


@dataclass(slots=True)
class Team:
    """A team and its habits, innocent ones that resemble guilty ones included."""

    name: str
    people: list[str]
    weights: list[float]
    workflows: list[Workflow]
    offset_hours: int
    repeats: float
    fingerprints: bool
    unreviewed: float
    trivial: float
    change_details: bool
    without_run: float
    outcome_without_run: float
    suite: int
    #: Factor of how often its tickets are reopened: some close them early, and always did.
    reopens: float
    #: By person, the first day on which they work here; those not named were here before.
    joined: dict[str, int] = field(default_factory=dict)

    @property
    def main(self) -> Workflow:
        """The workflow that makes most of the work."""
        return self.workflows[0]

    def calls_a_week(self) -> float:
        """About how many calls an ordinary week has."""
        return len(self.people) * _CALLS_A_PERSON


def draw_teams(rng: Random) -> list[Team]:
    """Forty teams in random order; sizes by a Pareto distribution cut to 6 and 60, so that every seed has large ones."""
    quantiles = [(number + rng.random()) / TEAMS for number in range(TEAMS)]
    sizes = [round(bounded_pareto(quantile, 6, 60, 1.1)) for quantile in quantiles]
    rng.shuffle(sizes)
    names = list(_NAMES)
    rng.shuffle(names)
    return [_team(rng, name, size) for name, size in zip(names, sizes, strict=True)]


def _team(rng: Random, name: str, size: int) -> Team:
    people = [f"{name}-{rng.getrandbits(32):08x}@example.com" for _ in range(size)]
    team = Team(
        name=name,
        people=people,
        weights=[min(lognormal(rng, 1, PEOPLE_SPREAD), 8.0) for _ in people],
        workflows=[],
        offset_hours=rng.choice(_OFFSETS),
        repeats=min(0.18, lognormal(rng, 0.03, 0.8)),
        fingerprints=rng.random() < 0.88,
        unreviewed=rng.betavariate(1.1, 2.2),
        trivial=rng.betavariate(1.5, 6),
        change_details=rng.random() < 0.8,
        without_run=rng.choice((0.01, 0.03, 0.08, 0.2)),
        outcome_without_run=rng.choice((0.03, 0.08, 0.15)),
        reopens=min(7.0, lognormal(rng, 1.2, 0.9)),
        suite=int(lognormal(rng, 60, 1.0)) + 3,
    )
    count = rng.choices(range(1, 9), (6, 10, 9, 6, 4, 3, 2, 1))[0]
    shares = [1.6, *(1 / (rank + 2) for rank in range(count - 1))]
    kinds = [rng.choice(_MAIN), *rng.choices(list(KINDS), [kind.weight for kind in KINDS.values()], k=count - 1)]
    total = sum(shares)
    for kind, share in zip(kinds, shares, strict=True):
        workflow = draw_workflow(rng, team, KINDS[kind], share / total)
        if team.workflows and rng.random() < _COMES_OR_GOES:
            day = rng.randrange(7, 62)
            workflow.first_day, workflow.last_day = rng.choice(((day, 70), (0, day)))
        team.workflows.append(workflow)
    return team


def draw_workflow(rng: Random, team: Team, kind: Kind, share: float) -> Workflow:
    """A workflow that makes this share of a team's calls; its name is of no other workflow of the team."""
    taken = {workflow.name for workflow in team.workflows}
    name = f"{kind.name}-{rng.choice(_SUFFIXES)}"
    while name in taken:
        name = f"{kind.name}-{rng.choice(_SUFFIXES)}{rng.randrange(2, 100)}"
    tool, source = rng.choices(_TOOLS, _USED)[0]
    # A run is longer on average than at its median.
    runs_a_day = team.calls_a_week() * share / (kind.length * 1.55) / 5.6
    return Workflow(
        name=name,
        kind=kind,
        tool=tool,
        source=source,
        model=rng.choice(kind.models),
        second_model=rng.choice(kind.models),
        runs_a_day=runs_a_day,
        share=share,
        context=lognormal(rng, 1, 0.35),
        constant_sizes=kind.trigger in ("ci", "schedule") and rng.random() < 0.35,
        # A digest is worth what no system can tell: who runs one says so.
        declared=kind.trigger == "schedule" and (kind.name == "digest" or rng.random() < 0.5),
        leaning=rng.gauss(0, 0.4),
        minute=rng.randrange(0, 1440),
        full=max(90_000, min(900_000, lognormal(rng, 180_000, 0.5))),
        discount=rng.uniform(0.8, 0.96) if rng.random() < 0.1 else 1.0,
        tries=rng.uniform(0.003, 0.03) if rng.random() < 0.2 else 0.0,
        trigger="unknown" if rng.random() < 0.12 else kind.trigger,
    )
