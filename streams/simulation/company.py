"""Who works in the simulated company: teams, workflows, people, and when in the week they are busy."""

from itertools import accumulate, pairwise
from random import Random
from typing import Final, NamedTuple

from streams.simulation.prices import MODELS, Model

__all__ = ["Company", "Kind", "Workflow"]

# Split texts: as list literals these would take a line a name.
_TEAMS: Final = (  # noqa: SIM905
    "payments search checkout platform identity catalogue pricing logistics fulfilment fraud risk ledger billing "
    "growth messaging mobile web data-platform ml-platform observability security compliance support-tools onboarding "
    "recommendations ads maps inventory partners developer-tools release-engineering storage networking edge media "
    "localisation finance-systems people-systems legal-ops insights"
).split()
_FIRST: Final = (  # noqa: SIM905
    "ines noor kofi maya liam yuki omar lena ravi anna tariq sofia jonas aisha pavel mina diego elif hugo nadia tomas "
    "zara felix priya ivan clara samir greta luca amara"
).split()
_LAST: Final = (  # noqa: SIM905
    "okafor lindqvist tanaka moreau haddad novak silva fischer iyer kowalski jensen rossi demir popov nguyen garcia "
    "weber ali larsen santos kim dubois petrov mensah sato"
).split()


class Kind(NamedTuple):
    """A sort of workflow: who sets it off, through what, and how a run of it spends."""

    name: str
    trigger: str
    #: (tool, source of its telemetry) pairs to choose from.
    tools: tuple[tuple[str, str], ...]
    models: tuple[str, ...]
    #: Median tokens of new prompt text and of output in one call.
    prompt: int
    output: int
    #: Whether a run carries a conversation whose prefix the provider caches.
    conversation: bool
    #: Calls of a run, relative to the average run.
    length: float
    weight: int


_CODING: Final = (("claude-code", "claude-code"), ("codex", "codex"), ("gemini-cli", "gemini-cli"), ("cursor", "otel"))
_GATEWAY: Final = (("meshclaw", "native"), ("langgraph", "langfuse"), ("gateway", "litellm"))
_EVALS: Final = (("promptfoo", "promptfoo"), ("gateway", "litellm"))
_EMBED: Final = ("text-embedding-3-small",)
_LARGE: Final = ("claude-sonnet-4-5", "claude-opus-4-1", "gpt-5", "gemini-2.5-pro")
_SMALL: Final = ("claude-haiku-4-5", "gpt-5-mini", "gemini-2.5-flash")
_OWN: Final = (*_SMALL, "llama-3.3-70b-instruct")
#: Tools of one provider's models.
_BOUND: Final = {
    "claude-code": ("claude-opus-4-1", "claude-sonnet-4-5", "claude-haiku-4-5"),
    "codex": ("gpt-5", "gpt-5-mini"),
    "gemini-cli": ("gemini-2.5-pro", "gemini-2.5-flash"),
}

_KINDS: Final = (
    Kind("coding", "human", _CODING, _LARGE, 900, 350, conversation=True, length=1.0, weight=5),
    Kind("review", "human", _CODING, _LARGE, 2_400, 420, conversation=True, length=0.5, weight=3),
    Kind("support-chat", "human", _GATEWAY, _SMALL, 700, 180, conversation=False, length=0.4, weight=2),
    Kind("bug-triage", "agent", _GATEWAY, _LARGE, 1_500, 300, conversation=True, length=1.8, weight=4),
    Kind("migration", "agent", _CODING, _LARGE, 2_000, 600, conversation=True, length=3.0, weight=3),
    Kind("incident-analysis", "agent", _GATEWAY, _LARGE, 3_000, 380, conversation=True, length=1.2, weight=2),
    Kind("ci-repair", "ci", _CODING, _SMALL, 1_800, 260, conversation=True, length=0.8, weight=3),
    Kind("eval-gate", "ci", _EVALS, _OWN, 600, 150, conversation=False, length=1.5, weight=2),
    Kind("nightly-evals", "schedule", _EVALS, _SMALL, 800, 200, conversation=False, length=2.5, weight=2),
    Kind("digest", "schedule", _GATEWAY, _OWN, 4_000, 500, conversation=False, length=0.3, weight=1),
    Kind("embeddings", "schedule", _GATEWAY, _EMBED, 1_200, 0, conversation=False, length=2.0, weight=1),
)

#: Activity by local hour, in percent of the busiest.
_OFFICE: Final = (2, 1, 1, 1, 1, 2, 6, 22, 58, 88, 100, 92, 64, 82, 98, 100, 90, 66, 38, 22, 15, 11, 7, 4)
_NIGHTLY: Final = (60, 100, 90, 70, 40, 25, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 25, 30, 40)
_WEEKEND_PERCENT: Final = {"human": 12, "agent": 25, "ci": 20, "schedule": 100}
#: Offices: hours from UTC, most people first.
_OFFSETS: Final = (1, 1, 0, -5, -8, 5)
_HOUR_MS: Final = 3_600_000


class Workflow(NamedTuple):
    """One workflow of one team."""

    team: str
    name: str
    kind: Kind
    tool: str
    source: str
    models: tuple[Model, ...]
    actors: tuple[str, ...]
    repository: str
    offset_hours: int
    popularity: float


class Company:
    """Teams, their workflows and people, drawn from a seed.

    Popularity of workflows and sizes of teams follow Zipf's law: a few make most of the spend, many hardly any.
    """

    def __init__(self, rng: Random, *, teams: int, workflows: int, actors: int) -> None:
        names = [_numbered(_TEAMS, number) for number in range(teams)]
        people = _share_out([f"{name}@example.com" for name in _people(actors)], teams)
        ranks = list(range(max(workflows, teams)))
        rng.shuffle(ranks)
        # Every team has one workflow; of the rest, large teams have more.
        owners = [*range(teams), *rng.choices(range(teams), [1 / (team + 2) for team in range(teams)], k=len(ranks))]
        self.workflows = [
            _workflow(rng, number, names[team], people[team], 1 / (rank + 3))
            for number, (team, rank) in enumerate(zip(owners, ranks, strict=False))
        ]
        self._by_hour: dict[int, list[float]] = {}

    def cumulative_weights(self, at_ms: int) -> list[float]:
        """Running sums of how likely each workflow is to start a run in the hour of ``at_ms``."""
        hour_of_week = at_ms // _HOUR_MS % (7 * 24)
        weights = self._by_hour.get(hour_of_week)
        if weights is None:
            weights = self._by_hour[hour_of_week] = list(accumulate(_activity(w, hour_of_week) for w in self.workflows))
        return weights

    def intensity(self, at_ms: int) -> int:
        """How busy the company is in the hour of ``at_ms``; only ratios mean something."""
        return round(self.cumulative_weights(at_ms)[-1] * 1000)


def _workflow(rng: Random, number: int, team: str, people: tuple[str, ...], popularity: float) -> Workflow:
    kind = rng.choices(_KINDS, [kind.weight for kind in _KINDS])[0]
    tool, source = rng.choice(kind.tools)
    models = _BOUND.get(tool, kind.models)
    return Workflow(
        team=team,
        name=f"{kind.name}-{number:03d}",
        kind=kind,
        tool=tool,
        source=source,
        models=(MODELS[rng.choice(models)], MODELS[rng.choice(models)]),
        actors=people,
        repository=f"example/{team}-{rng.choice(('api', 'web', 'jobs', 'infra', 'core'))}",
        offset_hours=_OFFSETS[sum(team.encode()) % len(_OFFSETS)],
        popularity=popularity,
    )


def _activity(workflow: Workflow, hour_of_week: int) -> float:
    local = (hour_of_week + workflow.offset_hours) % (7 * 24)
    trigger = workflow.kind.trigger
    percent = (_NIGHTLY if trigger == "schedule" else _OFFICE)[local % 24]
    # The epoch began on a Thursday: days 2 and 3 from there are the weekend.
    if local // 24 in (2, 3):
        percent = percent * _WEEKEND_PERCENT[trigger] // 100
    return workflow.popularity * (percent + 1)


def _numbered(names: list[str], number: int) -> str:
    again, index = divmod(number, len(names))
    return f"{names[index]}-{again + 1}" if again else names[index]


def _people(count: int) -> list[str]:
    pairs = [f"{first}.{last}" for last in _LAST for first in _FIRST]
    return [_numbered(pairs, number) for number in range(count)]


def _share_out(people: list[str], teams: int) -> list[tuple[str, ...]]:
    """People by team: by Zipf's law, but never an empty team (people may then sit in two)."""
    bounds = list(accumulate(1 / (rank + 4) for rank in range(teams)))
    edges = [0, *(round(len(people) * bound / bounds[-1]) for bound in bounds)]
    return [tuple(people[low:high]) or (people[low % len(people)],) for low, high in pairwise(edges)]
