"""The simulated company: the same seed gives the same log, and the log is what the scenario says."""

import hashlib
from collections import Counter, defaultdict
from itertools import islice, pairwise
from typing import Any

import orjson
import pytest

from streams.core.events import Rejection, UsageDecoder
from streams.core.reasons import Reason
from streams.simulation import DEFAULT_START_MS, POISON, Poison, Scenario, Simulation, simulate

_DAY_MS = 86_400_000
#: Of simulate(1, events=1000): a change of it changes every log that anyone has a seed for.
_FINGERPRINT = "484d9df03ba6aa42e2051cfb0b0756beda2d5580cdc5a42fc89f7f8aeeb1548a"


@pytest.fixture(scope="module")
def day() -> list[dict[str, Any]]:
    """A clean working day of 20,000 events."""
    return [orjson.loads(line) for line in simulate(1, events=20_000)]


def test_the_same_seed_gives_the_same_bytes() -> None:
    assert list(simulate(7, events=3_000)) == list(simulate(7, events=3_000))


def test_the_bytes_of_a_seed_do_not_change_between_versions_and_machines() -> None:
    assert hashlib.sha256(b"\n".join(simulate(1, events=1_000))).hexdigest() == _FINGERPRINT


def test_another_seed_gives_another_company() -> None:
    assert set(simulate(1, events=500)).isdisjoint(simulate(2, events=500))


def test_every_event_is_accepted_by_the_worker() -> None:
    values = list(simulate(5, events=20_000))
    decoded = UsageDecoder().decode(values)
    assert decoded.rejected == 0
    assert len(decoded.events) == 20_000


def test_events_have_the_size_of_real_ones() -> None:
    sizes = [len(value) for value in simulate(1, events=5_000)]
    assert 400 <= sum(sizes) / len(sizes) <= 460


def test_identities_are_unique(day: list[dict[str, Any]]) -> None:
    assert len({event["event_id"] for event in day}) == len(day)
    requests = [event["request_id"] for event in day if "request_id" in event]
    assert len(set(requests)) == len(requests)


def test_the_log_is_in_order_up_to_a_small_jitter(day: list[dict[str, Any]]) -> None:
    times = [event["occurred_at"] for event in day]
    assert min(times) >= DEFAULT_START_MS
    assert max(times) < DEFAULT_START_MS + _DAY_MS
    assert max(earlier - later for earlier, later in pairwise(times)) < 2_048


def test_shares_are_those_of_a_real_company(day: list[dict[str, Any]]) -> None:
    def share(count: int) -> float:
        return count / len(day)

    assert 0.02 < share(sum("cost_micro_usd" not in event for event in day)) < 0.09
    assert 0.01 < share(sum(event.get("status") == "error" for event in day)) < 0.03
    assert all("actor" in event for event in day if event["trigger"] in ("human", "agent"))
    automatic = [event for event in day if event["trigger"] in ("ci", "schedule")]
    assert 0.2 < sum("actor" not in event for event in automatic) / len(automatic) < 0.9


def test_a_few_workflows_make_most_of_the_calls(day: list[dict[str, Any]]) -> None:
    calls = sorted(Counter((event["team"], event["workflow"]) for event in day).values(), reverse=True)
    assert len(calls) > 200
    assert sum(calls[: len(calls) // 10]) > len(day) * 0.4


def test_people_work_in_the_day_and_rest_at_the_weekend() -> None:
    week = [orjson.loads(line) for line in simulate(3, events=20_000, span_ms=7 * _DAY_MS)]
    people = Counter(
        (event["occurred_at"] - DEFAULT_START_MS) // _DAY_MS for event in week if event["trigger"] == "human"
    )
    assert people[5] + people[6] < people[1] / 2
    hours = Counter(event["occurred_at"] // 3_600_000 % 24 for event in week if event["trigger"] == "human")
    assert hours[10] > 2 * hours[2]


def test_a_run_is_one_workflow_and_one_person_for_minutes_to_hours(day: list[dict[str, Any]]) -> None:
    runs = defaultdict(list)
    for event in day:
        runs[event["run_id"]].append(event)
    for events in runs.values():
        assert len({(event["team"], event["workflow"], event.get("actor"), event["model"]) for event in events}) == 1
    lengths = sorted(
        events[-1]["occurred_at"] - events[0]["occurred_at"] for events in runs.values() if len(events) > 3
    )
    assert 60_000 < lengths[len(lengths) // 2] < 3_600_000


def test_a_conversation_reads_ever_more_from_the_cache(day: list[dict[str, Any]]) -> None:
    runs = defaultdict(list)
    for event in day:
        if event.get("cache_read_tokens"):
            runs[event["run_id"]].append(event["cache_read_tokens"])
    steps = [later > earlier for reads in runs.values() for earlier, later in pairwise(reads)]
    # The others are conversations that were compacted.
    assert sum(steps) / len(steps) > 0.9


def test_tokens_have_heavy_tails(day: list[dict[str, Any]]) -> None:
    output = sorted(event.get("output_tokens", 0) for event in day)
    assert output[-1] > 20 * output[len(output) // 2] > 0


def test_cost_follows_from_tokens(day: list[dict[str, Any]]) -> None:
    for event in day:
        if event["model"] == "claude-sonnet-4-5" and "cost_micro_usd" in event:
            cost = (
                event["input_tokens"] * 3_000_000
                + event.get("cache_read_tokens", 0) * 300_000
                + event.get("cache_write_tokens", 0) * 3_750_000
                + event.get("output_tokens", 0) * 15_000_000
                + 500_000
            ) // 1_000_000
            assert event["cost_micro_usd"] == cost


def test_reasoning_is_a_part_of_the_output(day: list[dict[str, Any]]) -> None:
    assert all(event.get("reasoning_tokens", 0) <= event.get("output_tokens", 0) for event in day)
    assert any(event.get("reasoning_tokens", 0) > 0 for event in day)


@pytest.mark.parametrize("events", [0, 1, 7, 1_000])
def test_a_log_has_exactly_the_records_asked_for(events: int) -> None:
    assert len(list(simulate(1, events=events))) == events
    assert len(list(simulate(1, events=events, steady=True, span_ms=1_234))) == events
    assert len(list(simulate(1, events=events, duplicate_share=0.3, out_of_order_share=0.3))) == events


def test_a_steady_log_is_spread_evenly() -> None:
    events = [orjson.loads(line) for line in simulate(1, events=6_000, steady=True, span_ms=600_000)]
    minutes = Counter((event["occurred_at"] - DEFAULT_START_MS) // 60_000 for event in events)
    assert set(minutes) == set(range(10))
    assert all(550 < count < 650 for count in minutes.values())


def test_a_log_need_not_be_read_to_its_end() -> None:
    assert len(list(islice(simulate(1, events=10**12, steady=True, span_ms=10**12), 100))) == 100


def test_sizes_of_the_company_are_bounds() -> None:
    events = [orjson.loads(line) for line in simulate(1, events=5_000, teams=3, workflows=5, actors=4)]
    assert len({event["team"] for event in events}) == 3
    assert len({(event["team"], event["workflow"]) for event in events}) <= 5
    assert len({event["actor"] for event in events if event.get("actor", "svc-").endswith("example.com")}) <= 4


def test_the_tally_says_what_the_log_holds() -> None:
    simulation = Simulation(
        Scenario(
            seed=4,
            events=10_000,
            duplicate_share=0.02,
            mirrored_share=0.01,
            poison_share=3 * len(POISON) / 10_000,
            out_of_order_share=0.05,
        )
    )
    records = list(simulation)
    tally = simulation.tally
    assert (tally.records, tally.duplicates, tally.mirrored, tally.poison, tally.out_of_order) == (
        10_000,
        200,
        100,
        3 * len(POISON),
        500,
    )
    assert tally.valid == 10_000 - 300 - 3 * len(POISON)
    lines = [value for _, value in records]
    assert len(lines) - len(set(lines)) == 200
    rejected = [event for event in UsageDecoder().decode(lines).events if isinstance(event, Rejection)]
    # All but those only a clock can tell.
    assert len(rejected) == 3 * sum(poison.reason is not Reason.FAR_FUTURE for poison in POISON)


def test_a_record_comes_with_its_team_as_key() -> None:
    assert all(orjson.loads(value)["team"] == team for team, value in Simulation(Scenario(events=500)))


def test_a_mirrored_call_keeps_its_request_and_tokens() -> None:
    by_request = defaultdict(list)
    for line in simulate(1, events=2_000, mirrored_share=0.2):
        event = orjson.loads(line)
        if "request_id" in event:
            by_request[event["request_id"]].append(event)
    seen_twice = [events for events in by_request.values() if len(events) > 1]
    assert len(seen_twice) > 100
    for events in seen_twice:
        assert len({event["source"] for event in events}) == 2
        assert len({(event["input_tokens"], event.get("output_tokens"), event["occurred_at"]) for event in events}) == 1


def test_late_records_stay_within_the_lateness_asked_for() -> None:
    newest = behind = late = 0
    for line in simulate(1, events=20_000, out_of_order_share=0.1, out_of_order_ms=30_000):
        at = orjson.loads(line)["occurred_at"]
        late += newest - at > 2_048
        behind = max(behind, newest - at)
        newest = max(newest, at)
    assert late > 1_000
    # Jitter, and the time to the next record that shows the late one is due.
    assert behind < 30_000 + 2_048 + 60_000


def test_the_valid_records_of_a_company_are_the_same_whatever_the_disorder() -> None:
    clean = list(simulate(1, events=1_000))
    late = list(simulate(1, events=1_000, out_of_order_share=0.5))
    assert late != clean
    assert sorted(late) == sorted(clean)


@pytest.mark.parametrize("poison", POISON, ids=[poison.name for poison in POISON])
def test_poison_is_refused_for_the_reason_it_deserves(poison: Poison) -> None:
    values = [poison.spoil(value) for value in simulate(6, events=50)]
    assert not any(b"\n" in value for value in values)
    for event in UsageDecoder().decode(values).events:
        if poison.reason is Reason.FAR_FUTURE:
            assert not isinstance(event, Rejection)
            assert event.occurred_at > DEFAULT_START_MS + 9 * 365 * _DAY_MS
        else:
            assert isinstance(event, Rejection)
            assert event.reason is poison.reason


@pytest.mark.parametrize(
    "wrong",
    [
        {"teams": 0},
        {"events": -1},
        {"span_ms": 0},
        {"duplicate_share": -0.1},
        {"duplicate_share": 0.9, "poison_share": 0.2},
    ],
)
def test_a_scenario_that_describes_no_company_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must"):
        Scenario(**wrong)
