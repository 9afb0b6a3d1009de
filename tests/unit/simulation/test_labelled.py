"""The labelled company: the same seed gives the same bytes, plants are what they say, and most teams are innocent."""

from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from random import Random
from statistics import fmean, median
from typing import Any

import orjson
import pytest

from streams.core.events import Rejection, UsageDecoder
from streams.core.outcomes import OutcomeDecoder
from streams.policy_file import load_policy
from streams.simulation.labelled import BEHAVIOURS, STRENGTHS, Episode, Labels, TenWeeks, ten_weeks
from streams.simulation.labelled.company import TEAMS, draw_teams
from streams.simulation.labelled.labels import LOOK_ALIKES
from streams.simulation.labelled.ledger import DAY_MS, WEEK_MS
from streams.simulation.labelled.plan import EPISODES, draw_plan

pytestmark = pytest.mark.slow

Event = dict[str, Any]


@pytest.fixture(scope="module")
def made() -> TenWeeks:
    return ten_weeks(0)


@pytest.fixture(scope="module")
def usage(made: TenWeeks) -> list[Event]:
    return [orjson.loads(line) for line in made.usage]


@pytest.fixture(scope="module")
def outcomes(made: TenWeeks) -> list[Event]:
    return [orjson.loads(line) for line in made.outcomes]


def test_equal_seeds_give_equal_bytes_and_others_another_company(made: TenWeeks) -> None:
    again = ten_weeks(0)
    assert (again.usage, again.outcomes, again.labels) == (made.usage, made.outcomes, made.labels)
    assert (again.policy_yaml("p"), again.prices_yaml()) == (made.policy_yaml("p"), made.prices_yaml())
    plan, other = (draw_plan_of(seed) for seed in (1, 4))
    assert [episode.team for episode in plan] != [episode.team for episode in other]
    assert [episode.start_ms for episode in plan] != [episode.start_ms for episode in other]


def draw_plan_of(seed: int) -> list[Episode]:
    rng = Random(seed)
    return draw_plan(rng, draw_teams(rng), seed, 0, quiet=False).episodes


def test_everything_is_accepted_by_the_worker(made: TenWeeks) -> None:
    decoded = UsageDecoder().decode(made.usage)
    assert not [each for each in decoded if isinstance(each, Rejection)]
    results = OutcomeDecoder().decode(made.outcomes)
    assert not [each for each in results if isinstance(each, Rejection)]


def test_the_policy_is_one(made: TenWeeks, tmp_path: Path) -> None:
    (tmp_path / "prices.yaml").write_text(made.prices_yaml())
    path = tmp_path / "policy.yaml"
    path.write_text(made.policy_yaml("prices.yaml"))
    policy = load_policy(path)
    for benign in made.labels.benign:
        said = policy.workflow(benign.team, benign.workflow or "")
        assert benign.declared == (said.declared_schedule or said.exploratory), benign


def test_sizes_are_those_of_a_company(made: TenWeeks, usage: list[Event]) -> None:
    assert 450_000 < len(made.usage) < 800_000
    assert 25_000 < len(made.outcomes) < 90_000
    times = [event["occurred_at"] for event in usage]
    assert times == sorted(times)
    spent: Counter[tuple[str, int]] = Counter()
    for event in usage:
        spent[event["team"], (event["occurred_at"] - made.labels.start_ms) // WEEK_MS] += event.get("cost_micro_usd", 0)
    weeks = sorted(micro / 1_000_000 for micro in spent.values())
    assert 30 < median(weeks) < 500, "tens to hundreds of dollars a team and week"
    assert weeks[-1] > 1_000


def test_use_has_heavy_tails(usage: list[Event]) -> None:
    calls = sorted(Counter(event["actor"] for event in usage if "actor" in event).values())
    assert sum(calls[-len(calls) // 10 :]) > 0.3 * sum(calls), "a tenth of the people make a third of the calls"
    outputs = sorted(event["output_tokens"] for event in usage)
    assert outputs[int(0.99 * len(outputs))] > 5 * outputs[len(outputs) // 2]


def test_most_teams_are_innocent(made: TenWeeks) -> None:
    labels = made.labels
    guilty = {episode.team for episode in labels.episodes}
    assert len(labels.teams) == TEAMS
    assert len(guilty) == len(labels.episodes) == len(EPISODES) < 0.4 * TEAMS
    assert {episode.behaviour for episode in labels.episodes} == set(BEHAVIOURS)
    assert {benign.kind for benign in labels.benign} == set(LOOK_ALIKES)
    assert len(LOOK_ALIKES) >= 12
    assert not guilty & {benign.team for benign in labels.benign}


def test_three_seeds_have_every_strength_of_every_behaviour() -> None:
    planted = Counter((each.behaviour, each.strength) for seed in range(3) for each in draw_plan_of(seed))
    assert all(planted[behaviour, strength] for behaviour in BEHAVIOURS for strength in STRENGTHS)


def test_innocent_teams_have_what_a_naive_rule_would_look_for(
    made: TenWeeks, usage: list[Event], outcomes: list[Event]
) -> None:
    special = {each.team for each in (*made.labels.episodes, *made.labels.benign)}
    ours = [event for event in usage if event["team"] not in special]
    tests: dict[str, Callable[[Event], bool]] = {
        "errors": lambda e: e.get("status") == "error",
        "five tries": lambda e: e.get("attributes", {}).get("attempt") == "5",
        "no run": lambda e: "run_id" not in e,
        "no cost": lambda e: "cost_micro_usd" not in e,
        "no known price": lambda e: e["model"] == "frontier-preview-exp",
        "nobody knows what set it off": lambda e: e["trigger"] == "unknown",
        "a schedule": lambda e: e["trigger"] == "schedule",
        "a long prompt": lambda e: e["cache_read_tokens"] > 300_000,
        "a careless name": lambda e: any(word in e["workflow"] for word in ("tmp", "loop", "filler")),
    }
    for name, says in tests.items():
        assert len({event["team"] for event in ours if says(event)}) >= 2, name
    assert {event["tool"] for event in ours} == {event["tool"] for event in usage}
    assert {event["model"] for event in ours} == {event["model"] for event in usage}
    same = Counter((event.get("run_id"), event.get("prompt_fingerprint")) for event in ours)
    assert max(count for (run, prompt), count in same.items() if run and prompt) > 10
    assert len(ours) > len({event["event_id"] for event in ours})
    changes = [event for event in outcomes if event["team"] not in special and "reviews" in event.get("attributes", {})]
    assert 0.05 < fmean(event["attributes"]["reviews"] == "0" for event in changes) < 0.7
    assert any(int(event["attributes"]["additions"]) == 0 for event in changes)
    targets = [said for team, said in made.policy["teams"].items() if team not in special]
    assert sum("weekly_actor_target_events" in said or "weekly_actor_target_tokens" in said for said in targets) >= 2


def test_budgets_of_the_innocent_are_kept(made: TenWeeks, usage: list[Event]) -> None:
    burnt = {episode.team for episode in made.labels.episodes if episode.behaviour == "budget_burn"}
    months: Counter[tuple[str, int]] = Counter()
    for event in usage:
        days = (event["occurred_at"] - made.labels.start_ms) // DAY_MS
        months[event["team"], days // 28] += event.get("cost_micro_usd", 0)
    for (team, _), micro in months.items():
        budget = made.policy["teams"].get(team, {}).get("monthly_budget_usd")
        if budget is not None and team not in burnt:
            assert micro / 1_000_000 < budget * 1.05, team


def test_nothing_happens_in_a_quiet_company() -> None:
    quiet = ten_weeks(0, scenario="quiet")
    assert (quiet.labels.episodes, quiet.labels.benign) == ([], [])
    assert len(quiet.usage) > 400_000


def test_labels_survive_their_file(made: TenWeeks) -> None:
    assert Labels.from_json(made.labels.to_json()) == made.labels


def test_no_such_scenario_is_refused() -> None:
    with pytest.raises(ValueError, match="no scenario"):
        ten_weeks(0, scenario="loud")


def _sizes(seed: int) -> dict[tuple[str, str], float]:
    """By how much a measure of each behaviour differs within its episode from before it."""
    made = ten_weeks(seed)
    episodes = {episode.team: episode for episode in made.labels.episodes}
    found: dict[tuple[str, str], float] = {}
    events: defaultdict[tuple[str, bool], list[Event]] = defaultdict(list)
    for line in (*made.usage, *made.outcomes):
        event = orjson.loads(line)
        episode = episodes.get(event["team"])
        if episode is not None and event["occurred_at"] < episode.end_ms:
            events[event["team"], event["occurred_at"] >= episode.start_ms].append(event)
    for team, episode in episodes.items():
        measure = _MEASURES.get(episode.behaviour)
        if measure is not None:
            before, within = measure(events[team, False], episode), measure(events[team, True], episode)
            found[episode.behaviour, episode.strength] = within / before
    return found


def _share(events: list[Event], says: Callable[[Event], bool], of: Callable[[Event], bool]) -> float:
    return sum(map(says, events)) / max(1, sum(map(of, events)))


def _repeats(events: list[Event]) -> float:
    prompts = Counter(event["prompt_fingerprint"] for event in events if "prompt_fingerprint" in event)
    return 1 - len(prompts) / max(1, prompts.total())


def _is_bad(event: Event) -> bool:
    return event.get("verdict") == "reversed" or event.get("kind") in ("defect_reported", "incident_opened")


#: Of each of these, a number that rises with the behaviour.
_MEASURES: dict[str, Callable[[list[Event], Episode], float]] = {
    "spend_without_outcomes": lambda events, _: _share(
        events, lambda e: "model" in e, lambda e: e.get("verdict") == "accepted"
    ),
    "redundant_work": lambda events, _: _repeats(events),
    "quality_erosion": lambda events, _: _share(events, _is_bad, lambda e: e.get("verdict") == "accepted"),
    "context_padding": lambda events, episode: median(
        e["cache_read_tokens"] + e["cache_write_tokens"] for e in events if "model" in e and e["workflow"] == episode.workflow
    ),
}  # fmt: skip


def test_strengths_are_in_order() -> None:
    sizes: dict[tuple[str, str], float] = {}
    for seed in range(3):
        sizes |= _sizes(seed)
    for behaviour in _MEASURES:
        weak, medium, strong = (sizes[behaviour, strength] for strength in STRENGTHS)
        assert strong > 1.5, behaviour
        assert strong > weak, behaviour
        assert strong > medium, behaviour
