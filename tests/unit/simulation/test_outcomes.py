"""What the simulated company's runs come to: as seeded as its usage, joined to it, and never of the future."""

import hashlib
from collections import Counter, defaultdict
from statistics import median
from typing import Any, NamedTuple

import orjson
import pytest

from streams.core.outcomes import OutcomeDecoder, OutcomeKind
from streams.simulation import DEFAULT_START_MS, Scenario, Simulation, simulate
from streams.simulation.prospects import PROSPECTS

_DAY_MS = 86_400_000
#: Of the outcomes of 5,000 records of seed 1: a change of it changes every log that anyone has a seed for.
_FINGERPRINT = "5c72476eb04b93aa068c02eee565879690215dce73b8cacbff500b4e3babc70d"

Event = dict[str, Any]


class Logs(NamedTuple):
    usage: list[Event]
    outcomes: list[Event]
    simulation: Simulation

    @property
    def runs(self) -> dict[str, list[Event]]:
        runs = defaultdict(list)
        for event in self.usage:
            runs[event["run_id"]].append(event)
        return runs

    def of(self, *kinds: str) -> list[Event]:
        return [outcome for outcome in self.outcomes if outcome["kind"] in kinds]


def lines(scenario: Scenario, *, every: int = 1_000) -> tuple[list[bytes], list[bytes], Simulation]:
    """Usage and outcomes, taken whenever so many records have come."""
    simulation = Simulation(scenario)
    usage, outcomes = [], []
    for number, (_, line) in enumerate(simulation):
        usage.append(line)
        if not number % every:
            outcomes += simulation.take_outcomes()
    outcomes += simulation.take_outcomes()
    return usage, [line for _, line in outcomes], simulation


@pytest.fixture(scope="module")
def week() -> Logs:
    """Eight days of 100,000 events in some 10,000 runs."""
    usage, outcomes, simulation = lines(Scenario(seed=1, events=100_000, span_ms=8 * _DAY_MS, outcomes=True))
    return Logs([orjson.loads(line) for line in usage], [orjson.loads(line) for line in outcomes], simulation)


def test_the_same_seed_gives_the_same_outcomes_however_often_they_are_taken() -> None:
    scenario = Scenario(seed=7, events=20_000, outcomes=True, duplicate_share=0.05)
    _, once, _ = lines(scenario, every=10**9)
    for every in (1, 777):
        assert lines(scenario, every=every)[1] == once
    assert len(once) > 500


def test_the_outcomes_of_a_seed_do_not_change_between_versions_and_machines() -> None:
    _, outcomes, _ = lines(Scenario(seed=1, events=5_000, outcomes=True))
    assert hashlib.sha256(b"\n".join(outcomes)).hexdigest() == _FINGERPRINT


def test_another_seed_comes_to_something_else() -> None:
    first, second = (lines(Scenario(seed=seed, events=5_000, outcomes=True))[1] for seed in (1, 2))
    assert set(first).isdisjoint(second)


@pytest.mark.parametrize(
    "disorder",
    [{}, {"duplicate_share": 0.05, "mirrored_share": 0.02, "poison_share": 0.01, "out_of_order_share": 0.1}],
)
def test_the_usage_is_the_same_with_and_without_outcomes(disorder: dict[str, float]) -> None:
    usage, outcomes, _ = lines(Scenario(seed=3, events=20_000, outcomes=True, **disorder))  # type: ignore[arg-type]
    assert usage == list(simulate(3, events=20_000, **disorder))  # type: ignore[arg-type]
    assert outcomes


def test_the_outcomes_are_the_same_whatever_the_disorder() -> None:
    clean = Scenario(seed=3, events=10_000, outcomes=True)
    dirty = Scenario(seed=3, events=10_000, outcomes=True, poison_share=0.01, out_of_order_share=0.3)
    assert lines(dirty)[1] == lines(clean)[1]


def test_a_scenario_without_outcomes_has_none() -> None:
    _, outcomes, simulation = lines(Scenario(events=5_000))
    assert outcomes == []
    assert simulation.outcome_tally.outcomes == 0


def test_every_outcome_is_accepted_by_the_worker(week: Logs) -> None:
    decoded = OutcomeDecoder().decode([orjson.dumps(outcome) for outcome in week.outcomes])
    assert decoded.rejected == 0
    assert {outcome["kind"] for outcome in week.outcomes} == set(OutcomeKind)


def test_outcomes_come_in_order_of_time_and_within_the_span(week: Logs) -> None:
    times = [outcome["occurred_at"] for outcome in week.outcomes]
    assert times == sorted(times)
    assert min(times) > DEFAULT_START_MS
    assert max(times) < DEFAULT_START_MS + 8 * _DAY_MS


def test_identities_are_unique(week: Logs) -> None:
    assert len({outcome["outcome_id"] for outcome in week.outcomes}) == len(week.outcomes)


def test_an_outcome_names_a_run_of_its_team_and_workflow_that_is_over(week: Logs) -> None:
    runs = week.runs
    for outcome in week.outcomes:
        if "run_id" in outcome:
            calls = runs[outcome["run_id"]]
            assert (outcome["team"], outcome["workflow"]) == (calls[0]["team"], calls[0]["workflow"])
            assert outcome["occurred_at"] > max(call["occurred_at"] for call in calls) + 60_000
            if "actor" in outcome:
                assert outcome["actor"] == calls[0]["actor"]


def test_some_outcomes_name_no_run_and_a_few_only_the_team(week: Logs) -> None:
    count = len(week.outcomes)
    team_only = sum("workflow" not in outcome for outcome in week.outcomes)
    without_run = sum("workflow" in outcome and "run_id" not in outcome for outcome in week.outcomes)
    assert 0.02 < team_only / count < 0.04
    assert 0.10 < without_run / count < 0.14
    assert not any("actor" in outcome or "run_id" in outcome for outcome in week.outcomes if "workflow" not in outcome)
    assert 0.25 < sum("actor" in outcome for outcome in week.outcomes) / count < 0.55
    assert all(outcome["actor"].endswith("@example.com") for outcome in week.outcomes if "actor" in outcome)


def test_a_run_comes_to_what_its_kind_of_work_can_come_to(week: Logs) -> None:
    runs = Counter(calls[0]["workflow"].rsplit("-", 1)[0] for calls in week.runs.values())
    came = {
        outcome["run_id"]: outcome["workflow"].rsplit("-", 1)[0] for outcome in week.outcomes if "run_id" in outcome
    }
    # Runs whose outcome does not name them do not show here.
    shares = {kind: count / runs[kind] / 0.85 for kind, count in Counter(came.values()).items()}
    assert set(runs) - set(shares) == {"digest", "embeddings"}
    for kind, share in shares.items():
        assert abs(share - PROSPECTS[kind].comes) < 0.2, kind


def test_each_system_tells_of_its_own(week: Logs) -> None:
    told = {(outcome["source"], outcome["kind"], outcome["verdict"]) for outcome in week.outcomes}
    assert told == {
        ("github", "change_merged", "accepted"),
        ("github", "change_closed", "rejected"),
        ("github", "change_reverted", "reversed"),
        ("github", "review_submitted", "neutral"),
        ("github", "deployment_succeeded", "accepted"),
        ("github", "deployment_failed", "rejected"),
        ("jira", "ticket_resolved", "accepted"),
        ("jira", "ticket_reopened", "reversed"),
        ("jira", "customer_rating", "neutral"),
        ("jira", "defect_reported", "neutral"),
        ("pagerduty", "incident_opened", "neutral"),
        ("pagerduty", "incident_resolved", "accepted"),
        ("promptfoo", "eval_passed", "accepted"),
        ("promptfoo", "eval_failed", "rejected"),
    }
    assert all(outcome["ref"].startswith(f"example/{outcome['team']}-") for outcome in week.of("change_merged"))


def test_what_is_undone_came_before_and_is_of_the_same_system(week: Logs) -> None:
    earlier: dict[str, Event] = {}
    for outcome in week.outcomes:
        if outcome["verdict"] == "reversed":
            undone = earlier[outcome["reverses"]]
            assert (undone["source"], undone["team"], undone["ref"]) == (
                outcome["source"], outcome["team"], outcome["ref"]
            )  # fmt: skip
            assert undone["verdict"] == "accepted"
            assert undone["occurred_at"] < outcome["occurred_at"]
        else:
            assert "reverses" not in outcome
        earlier[outcome["outcome_id"]] = outcome
    undone_ids = [outcome["reverses"] for outcome in week.outcomes if "reverses" in outcome]
    assert len(set(undone_ids)) == len(undone_ids)
    for done, undoing in (("change_merged", "change_reverted"), ("ticket_resolved", "ticket_reopened")):
        assert 0.03 < len(week.of(undoing)) / len(week.of(done)) < 0.13


def test_a_few_changes_are_merged_again_under_the_same_reference(week: Logs) -> None:
    merges = Counter(outcome["ref"] for outcome in week.of("change_merged"))
    reverts = Counter(outcome["ref"] for outcome in week.of("change_reverted"))
    again = [ref for ref, count in merges.items() if count > 1]
    assert 0 < len(again) < len(reverts)
    assert all(0 <= merges[ref] - reverts[ref] <= 1 for ref in merges)


def test_outcomes_take_half_an_hour_and_now_and_then_days(week: Logs) -> None:
    ends = {run_id: calls[-1]["occurred_at"] for run_id, calls in week.runs.items()}
    first: dict[str, int] = {}
    for outcome in week.outcomes:
        if "run_id" in outcome:
            first.setdefault(outcome["run_id"], outcome["occurred_at"] - ends[outcome["run_id"]])
    minutes = sorted(delay_ms / 60_000 for delay_ms in first.values())
    assert 18 < median(minutes) < 35
    assert minutes[len(minutes) // 10] < 8
    assert minutes[-len(minutes) // 100] > 600
    assert minutes[-1] > 2 * 1440


def test_ratings_and_cycle_times_are_where_they_belong(week: Logs) -> None:
    ratings = [outcome["value"] for outcome in week.of("customer_rating")]
    assert set(ratings) <= {0, 0.25, 0.5, 0.75, 1}
    assert len(set(ratings)) > 2
    for outcome in week.outcomes:
        assert ("value" in outcome) == (outcome["kind"] == "customer_rating")
        assert ("cycle_time_ms" in outcome) == (outcome["kind"] in ("change_merged", "ticket_resolved"))
    assert all(outcome["cycle_time_ms"] > 60_000 for outcome in week.of("change_merged", "ticket_resolved"))


def test_workflows_differ_in_their_yield_by_more_than_chance(week: Logs) -> None:
    runs = Counter(calls[0]["workflow"] for calls in week.runs.values())
    came = Counter(
        {outcome["run_id"]: outcome["workflow"] for outcome in week.outcomes if "run_id" in outcome}.values()
    )
    excess = []
    for workflow, count in runs.items():
        kind = workflow.rsplit("-", 1)[0]
        if kind in PROSPECTS and count >= 20:
            expected = PROSPECTS[kind].comes * 0.85
            excess.append((came[workflow] - count * expected) ** 2 / (count * expected * (1 - expected)))
    assert len(excess) > 50
    # One, if every workflow were alike and every day the same.
    assert sum(excess) / len(excess) > 1.5


def test_the_tally_says_what_was_taken(week: Logs) -> None:
    tally = week.simulation.outcome_tally
    verdicts = Counter(outcome["verdict"] for outcome in week.outcomes)
    assert tally.outcomes == len(week.outcomes)
    assert verdicts == {
        "accepted": tally.accepted, "rejected": tally.rejected, "reversed": tally.reversed, "neutral": tally.neutral
    }  # fmt: skip
    assert tally.outcome_duplicates == 0


def test_with_duplicates_outcomes_are_delivered_again_as_they_are() -> None:
    _, outcomes, simulation = lines(Scenario(seed=2, events=40_000, outcomes=True, duplicate_share=0.1))
    copies = len(outcomes) - len(set(outcomes))
    tally = simulation.outcome_tally
    assert tally.outcome_duplicates == copies
    assert 0.06 < copies / len(outcomes) < 0.12
    assert tally.outcomes == len(outcomes)


def test_outcomes_never_run_ahead_of_the_log() -> None:
    simulation = Simulation(Scenario(events=20_000, outcomes=True))
    taken = latest_ms = previous_ms = 0
    for number, (_, line) in enumerate(simulation):
        now_ms = max(latest_ms, orjson.loads(line)["occurred_at"])
        latest_ms = now_ms
        if number % 100 or number == 19_900:
            continue
        # Beyond the minute of the log nothing is known yet, whatever is asked for.
        for until_ms, most_ms in ((None, now_ms + 2_048), (2**50, now_ms + 62_048)):
            for _, outcome in simulation.take_outcomes(until_ms):
                at_ms = orjson.loads(outcome)["occurred_at"]
                assert previous_ms <= at_ms <= most_ms
                previous_ms = at_ms
                taken += 1
    assert taken > 1_000


def test_a_record_comes_with_its_team_as_key() -> None:
    simulation = Simulation(Scenario(events=5_000, outcomes=True))
    for _ in simulation:
        pass
    assert all(orjson.loads(value)["team"] == team for team, value in simulation.take_outcomes())
