"""The facade: the accounting identity at every scrape, spend from published windows, present conditions at a scrape."""

import threading
from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from streams.clock import FixedClock
from streams.core.effects import Amounts, Counts, Effects, SourcePair
from streams.core.kpis import Kpi
from streams.core.outcomes import JoinResult
from streams.core.reasons import Reason
from streams.core.windows import PUBLISHED, SIZES, Window
from streams.errors import ConfigError
from streams.telemetry.catalogue import CATALOGUE
from streams.telemetry.exposition import render
from streams.telemetry.registry import Readings, Telemetry
from streams.telemetry.vocabulary import RecoverySource, Stage, StatePart, TransactionResult

USAGE = "assay.usage.v1"
LETTERS = [reason for reason in Reason if reason is not Reason.TOO_LATE]
PARTS = ("applied", "duplicate", "dead_lettered", "late", "rerouted")


def telemetry(**options: object) -> Telemetry:
    return Telemetry(FixedClock(1_000_000), version="1.2.3", **options)  # type: ignore[arg-type]


def scrape(subject: Telemetry) -> dict[tuple[str, ...], float]:
    """Samples by name and sorted label values."""
    families = text_string_to_metric_families(render(subject).decode())
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def by_topic(samples: dict[tuple[str, ...], float], part: str, topic: str) -> float:
    return sum(value for key, value in samples.items() if key[0] == f"assay_events_{part}_total" and topic in key)


def published(
    team: str, workflow: str | None, *, revision: int = 1, size: Window = Window.FIVE_MINUTES
) -> Kpi:  # fmt: skip
    """A window whose figures are none of the metrics' business: what it tells for the first time is told apart."""
    return Kpi(
        scope="team" if workflow is None else "workflow", team=team, workflow=workflow, window_size_ms=int(size),
        window_start=0, window_end=int(size), revision=revision, calls=1, errors=0, input_tokens=999,
        cache_read_tokens=999, cache_write_tokens=999, output_tokens=999, reasoning_tokens=0, spend_micro_usd=999,
        priced_calls=1, unpriced_tokens=0, runs=0, runs_exact=True,
    )  # fmt: skip


def saying(amounts: Amounts, team: str = "pay", workflow: str = "chat", *, revision: int = 1) -> Effects:
    """One window that tells amounts for the first time."""
    return Effects(publications=[published(team, workflow, revision=revision)], said={(team, workflow): amounts})


counts = st.builds(
    lambda applied, duplicate, late, rerouted, letters: Counts(
        applied + duplicate + late + rerouted + sum(letters.values()),
        applied,
        duplicate,
        late,
        rerouted,
        Counter(letters),
    ),
    *[st.integers(0, 1_000)] * 4,
    st.dictionaries(st.sampled_from(LETTERS), st.integers(0, 50)),
)


@given(st.lists(st.tuples(st.sampled_from([USAGE, "assay.outcomes.v1"]), counts), max_size=8))
def test_received_is_the_sum_of_all_others_at_every_scrape(transactions: list[tuple[str, Counts]]) -> None:
    subject = telemetry(topics=[USAGE])
    for topic, accounted in transactions:
        subject.accounted(topic, accounted)
        samples = scrape(subject)
        for each in (USAGE, "assay.outcomes.v1"):
            assert by_topic(samples, "received", each) == sum(by_topic(samples, part, each) for part in PARTS)


def test_a_scrape_from_another_thread_never_sees_half_an_accounting() -> None:
    subject = telemetry(topics=[USAGE])
    done = threading.Event()

    def account() -> None:
        one_of_each = Counts(5, 1, 1, 1, 1, Counter({Reason.INVALID_JSON: 1}))
        for _ in range(3_000):
            subject.accounted(USAGE, one_of_each)
        done.set()

    writer = threading.Thread(target=account)
    writer.start()
    scrapes = 0
    while not done.is_set():
        samples = scrape(subject)
        assert by_topic(samples, "received", USAGE) == sum(by_topic(samples, part, USAGE) for part in PARTS)
        scrapes += 1
    writer.join()
    assert scrapes
    assert by_topic(scrape(subject), "received", USAGE) == 15_000


def test_records_that_are_not_accounted_for_are_an_error_and_count_nowhere() -> None:
    subject = telemetry(topics=[USAGE])
    effects = Effects(counts={"assay.outcomes.v1": Counts(1, 1), USAGE: Counts(3, 2)})
    with pytest.raises(ValueError, match="received"):
        subject.effects(effects)
    assert by_topic(scrape(subject), "received", "assay.outcomes.v1") == 0


def test_a_record_that_came_too_late_must_not_count_as_dead_lettered_too() -> None:
    with pytest.raises(ValueError, match="late"):
        telemetry().accounted(USAGE, Counts(1, dead_lettered=Counter({Reason.TOO_LATE: 1})))


def test_every_counter_with_known_labels_begins_at_zero() -> None:
    samples = scrape(telemetry(topics=[USAGE]))
    assert samples["assay_events_received_total", USAGE] == 0
    assert {key[1] for key in samples if key[0] == "assay_events_dead_lettered_total"} == {str(r) for r in LETTERS}
    assert samples["assay_transactions_total", "fenced"] == 0
    assert samples["assay_rebalances_total",] == 0


def test_one_call_counts_all_effects_of_a_transaction() -> None:
    subject = telemetry()
    subject.effects(
        Effects(
            counts={USAGE: Counts(2, 1, 1)},
            publications=[published("pay", "chat")],
            said={("pay", "chat"): (2_500_000, 1, 2, 3, 4)},
            joins=Counter({JoinResult.RUN: 5, JoinResult.NO_USAGE: 2}),
            duplicate_requests=Counter({SourcePair("litellm", "claude-code"): 3}),
            request_conflicts=Counter({SourcePair("claude-code", "litellm"): 1}),
        )
    )
    samples = scrape(subject)
    assert samples["assay_events_duplicate_total", USAGE] == 1
    assert samples["assay_duplicate_requests_total", "litellm", "claude-code"] == 3
    assert samples["assay_request_conflicts_total", "claude-code", "litellm"] == 1
    assert samples["assay_spend_usd_total", "pay", "chat"] == 2.5
    tokens = {key[1]: value for key, value in samples.items() if key[0] == "assay_tokens_total"}
    assert tokens == {"input": 1, "cache_read": 2, "cache_write": 3, "output": 4}
    joins = {key[1]: value for key, value in samples.items() if key[0] == "assay_outcome_joins_total"}
    assert joins == {**dict.fromkeys(map(str, JoinResult), 0), "run": 5, "no_usage": 2}


def test_windows_repeat_what_was_told_and_feed_no_spend_so_that_nothing_counts_twice() -> None:
    subject = telemetry()
    windows = [published("pay", workflow, size=size) for workflow in ("chat", None) for size in SIZES]
    subject.effects(Effects(publications=windows, said={("pay", "chat"): (1_000_000, 10, 0, 0, 5)}))
    samples = scrape(subject)
    assert {key for key in samples if key[0] == "assay_spend_usd_total"} == {("assay_spend_usd_total", "pay", "chat")}
    assert samples["assay_spend_usd_total", "pay", "chat"] == 1
    assert samples["assay_tokens_total", "input", "pay", "chat"] == 10
    counted = {key[1:]: value for key, value in samples.items() if key[0] == "assay_windows_published_total"}
    assert counted == {(scope.label, size.label): 1 for scope in PUBLISHED for size in SIZES}


def test_what_only_the_team_tells_is_pooled_and_is_in_the_teams_spend() -> None:
    subject = telemetry()
    subject.effects(Effects(said={("pay", "chat"): (1_000_000, 1, 0, 0, 0), ("pay", ""): (500_000, 2, 0, 0, 0)}))
    samples = scrape(subject)
    assert samples["assay_spend_usd_total", "pay", "(pooled)"] == 0.5
    assert samples["assay_tokens_total", "input", "pay", "(pooled)"] == 2
    assert sum(value for key, value in samples.items() if key[:2] == ("assay_spend_usd_total", "pay")) == 1.5


def test_a_revision_counts_as_one_and_no_counter_is_ever_lowered() -> None:
    subject = telemetry()
    spend = []
    for revision, added in enumerate((2_000_000, 500_000, -1_000_000, 250_000, 1_000_000), 1):
        subject.effects(saying((added, 0, 0, 0, 0), revision=revision))
        spend.append(scrape(subject)["assay_spend_usd_total", "pay", "chat"])
    assert spend == [2, 2.5, 2.5, 2.5, 2.75]
    assert scrape(subject)["assay_window_revisions_total",] == 4
    assert scrape(subject)["assay_windows_published_total", "workflow", "5m"] == 1


def test_spend_that_no_source_reported_has_no_sample() -> None:
    subject = telemetry()
    subject.effects(saying((0, 7, 0, 0, 1)))
    samples = scrape(subject)
    assert not [key for key in samples if key[0] == "assay_spend_usd_total"]
    assert samples["assay_tokens_total", "input", "pay", "chat"] == 7


def test_lag_grows_while_records_wait_and_stands_still_once_all_are_applied() -> None:
    clock = FixedClock(100_000)
    subject = Telemetry(clock, version="1")
    subject.progressed(USAGE, 0, 95_000)
    subject.progressed(USAGE, 1, 98_000, caught_up=True)
    subject.progressed(USAGE, 2, 200_000, caught_up=True)
    clock.set(160_000)
    samples = scrape(subject)
    assert samples["assay_event_lag_seconds", "0", USAGE] == 65
    assert samples["assay_event_lag_seconds", "1", USAGE] == 2
    assert samples["assay_event_lag_seconds", "2", USAGE] == 0


def test_each_applied_event_is_as_late_as_its_partition_was() -> None:
    subject = Telemetry(FixedClock(100_000), version="1")
    subject.progressed(USAGE, 0, 95_000, applied=3)
    subject.progressed(USAGE, 1, 20_000, applied=2, caught_up=True)
    subject.progressed(USAGE, 1, 20_000)
    samples = scrape(subject)
    by_bound = {key[1]: value for key, value in samples.items() if key[0] == "assay_event_delay_seconds_bucket"}
    assert (by_bound["2.5"], by_bound["5.0"], by_bound["60.0"], by_bound["120.0"], by_bound["+Inf"]) == (0, 3, 3, 5, 5)
    assert samples["assay_event_delay_seconds_sum", USAGE] == 3 * 5 + 2 * 80


def test_a_partition_without_an_event_yet_has_no_lag() -> None:
    subject = telemetry()
    subject.progressed(USAGE, 0, 0)
    assert not [key for key in scrape(subject) if key[0] == "assay_event_lag_seconds"]


def test_a_partition_that_is_given_away_takes_its_lag_with_it() -> None:
    subject = telemetry()
    subject.progressed(USAGE, 0, 1)
    subject.progressed(USAGE, 1, 1)
    subject.released(0)
    assert {key[1] for key in scrape(subject) if key[0] == "assay_event_lag_seconds"} == {"1"}


def test_present_conditions_are_read_at_the_scrape_and_unknown_ones_have_no_sample() -> None:
    subject = telemetry()
    now = [Readings()]
    subject.read_from(lambda: now[0])
    assert ("assay_standby_lag_records",) not in scrape(subject)
    assert scrape(subject)["assay_withheld_spend_usd",] == 0
    now[0] = Readings(2, 3, 1, 40, {StatePart.BLOCK_CACHE: 512}, withheld_micro_usd=2_500_000)
    samples = scrape(subject)
    assert samples["assay_withheld_spend_usd",] == 2.5
    assert samples["assay_recovering",] == 2
    assert samples["assay_shards", "active"] == 3
    assert samples["assay_shards", "standby"] == 1
    assert samples["assay_standby_lag_records",] == 40
    assert samples["assay_state_bytes", "block_cache"] == 512


def test_transactions_stages_and_recoveries_are_observed() -> None:
    subject = telemetry()
    subject.transaction(TransactionResult.COMMITTED, 4_000)
    subject.transaction(TransactionResult.ABORTED, 9)
    subject.stage(Stage.COMMIT, 0.02)
    subject.recovered(RecoverySource.STANDBY, 0.3)
    subject.rebalanced()
    samples = scrape(subject)
    assert samples["assay_transactions_total", "committed"] == 1
    assert samples["assay_transactions_total", "aborted"] == 1
    assert samples["assay_transaction_events_count",] == 1
    assert samples["assay_transaction_events_bucket", "5000.0"] == 1
    assert samples["assay_stage_duration_seconds_sum", "commit"] == 0.02
    assert samples["assay_recovery_seconds_count", "standby"] == 1
    assert samples["assay_rebalances_total",] == 1


def test_workflows_beyond_the_budget_become_other_visibly_and_lose_no_money() -> None:
    subject = telemetry(max_series=1_500)
    subject.effects(Effects(said={("pay", f"w{number}"): (1_000_000, 1, 1, 1, 1) for number in range(500)}))
    samples = scrape(subject)
    assert sum(value for key, value in samples.items() if key[0] == "assay_spend_usd_total") == 500
    told_apart = [key for key in samples if key[0] == "assay_spend_usd_total" and "other" not in key]
    assert 0 < len(told_apart) < 100
    overflow = samples["assay_label_overflow_total", "workflow", "assay_spend_usd_total"]
    assert overflow == 500 - len(told_apart)
    assert samples["assay_spend_usd_total", "other", "other"] == overflow
    assert len(samples) <= 1_200


def test_a_hundred_thousand_made_up_names_make_no_more_series_than_the_budget_and_are_said() -> None:
    """Producers choose the names of teams, workflows and sources; none of them may choose how long a scrape takes."""
    subject, random = telemetry(topics=[USAGE, "assay.outcomes.v1"]), Random(7)
    names = [f"{random.getrandbits(64):016x}" for _ in range(100_000)]
    subject.effects(Effects(said={(name, name): (1_000_000, 1, 1, 1, 1) for name in names}))
    for name in names[:1_000]:
        subject.effects(Effects(duplicate_requests=Counter({SourcePair(name, name[::-1]): 1})))
    samples = scrape(subject)
    assert len(samples) <= 5_000
    assert sum(value for key, value in samples.items() if key[0] == "assay_spend_usd_total") == len(names)
    told_apart = sum(key[0] == "assay_spend_usd_total" and "other" not in key for key in samples)
    for label in ("team", "workflow"):
        assert samples["assay_label_overflow_total", label, "assay_spend_usd_total"] == len(names) - told_apart
    assert sum(value for key, value in samples.items() if key[0] == "assay_duplicate_requests_total") == 1_000
    assert samples["assay_label_overflow_total", "first_source", "assay_duplicate_requests_total"] > 900


def test_a_denied_label_appears_nowhere() -> None:
    subject = telemetry(denied_labels=["workflow", "partition"])
    subject.effects(Effects(said={("pay", name): (1_000_000, 0, 0, 0, 0) for name in "xyz"}))
    assert scrape(subject)["assay_spend_usd_total", "pay"] == 3
    assert b"workflow=" not in render(subject)


def test_denying_a_label_that_no_metric_has_is_a_configuration_error() -> None:
    with pytest.raises(ConfigError, match=r"'worfklow'.*workflow"):
        telemetry(denied_labels=["worfklow"])


def test_a_scrape_shows_every_metric_of_the_catalogue_and_no_other() -> None:
    text = render(telemetry()).decode()
    shown = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}
    assert shown == {metric.name for metric in CATALOGUE}
