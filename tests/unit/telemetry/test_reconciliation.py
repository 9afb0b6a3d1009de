"""The gauges of a reconciliation: sums of what could be compared, of a bounded number of models."""

from prometheus_client.parser import text_string_to_metric_families

from streams.reconciliation.comparing import Reconciliation, Window
from streams.sources.billing.bill import Report
from streams.telemetry.reconciliation import RECONCILIATION_CATALOGUE, render
from tests.unit.reconciliation.recordings import DAY, DAY_MS, LATER, bill, billed, compared, event


def samples(found: Reconciliation) -> dict[tuple[str, ...], float]:
    families = text_string_to_metric_families(render(found, LATER).decode())
    return {(it.name.removeprefix("assay_reconciliation_"), *it.labels.values()): it.value for family in families for it in family.samples}  # fmt: skip


def test_days_are_added_up_by_biller_and_model() -> None:
    found = compared(
        [event(1), event(2, occurred_at=DAY + DAY_MS)], bill(billed(900), billed(1_200, start_ms=DAY + DAY_MS))
    )
    said = samples(found)
    place = ("claude-sonnet-4", "anthropic")
    assert (said["recorded_tokens", *place], said["billed_tokens", *place], said["gap_tokens", *place]) == (
        2000,
        2100,
        -100,
    )
    assert ("recorded_usd", *place) not in said
    assert (said["comparisons", "agree"], said[("as_of_seconds",)]) == (2, LATER / 1000)


def test_what_could_not_be_compared_adds_to_no_sum() -> None:
    half = billed(500, bucket_ms=DAY_MS // 2)
    for found in (
        compared([event()], bill(billed(500)), window=Window(LATER, since_ms=DAY + 1)),
        compared([event()], bill(half)),
    ):
        said = samples(found)
        assert said["comparisons", "incomparable"] == 1
        assert not [name for name, *_ in said if name.endswith("tokens")]


def test_a_figure_that_is_billed_in_part_has_no_sample_beside_one_that_is_whole() -> None:
    said = samples(compared([event()], bill(billed(500, bucket_ms=DAY_MS // 2), billed(cost=10_000))))
    place = ("claude-sonnet-4", "anthropic")
    assert said["recorded_usd", *place] == 0.01
    assert ("recorded_tokens", *place) not in said


def test_models_beyond_fifty_are_other_and_bills_without_any_are_all() -> None:
    many = bill(*(billed(2_000 + number, model=f"model-{number}x") for number in range(60)))
    said = samples(compared([], many))
    models = {place[0] for name, *place in said if name == "billed_tokens"}
    assert len(models) == 51
    assert said["billed_tokens", "other", "anthropic"] == sum(2_000 + number for number in range(10))
    assert samples(compared([], bill(billed(2_000, model=None))))["billed_tokens", "all", "anthropic"] == 2_000


def test_billers_beyond_twenty_are_other() -> None:
    many = bill(*(billed(2_000 + number, provider=f"cloud {number}", report=Report.FOCUS) for number in range(25)))
    said = samples(compared([], many))
    assert len({place[1] for name, *place in said if name == "billed_tokens"}) == 21
    assert said["billed_tokens", "claude-sonnet-4", "other"] == sum(2_000 + number for number in range(5))


def test_every_gauge_is_named_for_what_it_is() -> None:
    assert {metric.name.rpartition("_")[2] for metric in RECONCILIATION_CATALOGUE} == {
        "tokens",
        "usd",
        "comparisons",
        "seconds",
    }
