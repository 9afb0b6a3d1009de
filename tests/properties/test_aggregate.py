"""Rows of figures as an algebra: any grouping of the same events gives the same row, byte for byte."""

from functools import reduce

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.core.aggregate import Aggregate
from streams.core.events import UsageEvent
from streams.core.keys import RowKey
from streams.core.results import Results
from streams.core.windows import Scope, Window

PLACE = RowKey(Window.DAY, Scope.TEAM, 20_458, "payments", "")
Counted = tuple[UsageEvent, int, int, int]

tokens = st.sampled_from([0, 1, 1_000, 2**40])
events = st.builds(
    UsageEvent,
    event_id=st.just("1"), source=st.just("s"), team=st.just("payments"), workflow=st.just("w"), model=st.just("m"),
    occurred_at=st.integers(1_420_070_400_000, 253_402_300_799_999),
    input_tokens=tokens, cache_read_tokens=tokens, cache_write_tokens=tokens, output_tokens=tokens,
    reasoning_tokens=tokens, cost_micro_usd=st.none() | st.sampled_from([0, 1, 2**53]),
    status=st.sampled_from(["ok", "error", "cancelled"]),
    attributes=st.sampled_from([{}, {"attempt": "1"}, {"attempt": "2"}]),
)  # fmt: skip
hashes = st.sampled_from([0, 0, 1, 2, 1 << 63, (1 << 64) - 1])
costs = st.sampled_from([-1, 0, 1, 2**53])
counted = st.lists(st.tuples(events, hashes, hashes, costs), max_size=12)


def _results(figures: dict[str, int], cycle: dict[int, int]) -> Results:
    found = Results()
    for name, amount in figures.items():
        setattr(found, name, amount)
    found.cycle = dict(cycle)
    return found


amounts = st.sampled_from([-3, 0, 0, 1, 1_000, 2**40])
outcomes = st.builds(
    _results,
    st.dictionaries(st.sampled_from(["accepted", "reversed", "rating", "cohort_spend", "cohort_accepted"]), amounts),
    st.dictionaries(st.integers(-1, 2_000), st.sampled_from([-1, 1, 7]), max_size=4),
)


def row_of(*parts: list[Counted]) -> Aggregate:
    """A row that counted events one by one."""
    row = Aggregate(PLACE)
    for part in parts:
        for each in part:
            row.add(*each)
    return row


def merged(*rows: Aggregate) -> Aggregate:
    """Rows merged from left to right, the first of them in place."""

    def merge(into: Aggregate, other: Aggregate) -> Aggregate:
        into.merge(other)
        return into

    return reduce(merge, rows)


@settings(max_examples=100)
@given(counted, counted)
def test_merging_rows_is_counting_all_their_events(a: list[Counted], b: list[Counted]) -> None:
    """On either side, with the empty row as zero."""
    expected = row_of(a, b).encode()
    assert merged(row_of(a), row_of(b)).encode() == expected
    assert merged(row_of(b), row_of(a)).encode() == expected
    assert merged(Aggregate(PLACE), row_of(b, a), Aggregate(PLACE)).encode() == expected


@settings(max_examples=100)
@given(counted, counted, counted)
def test_merging_is_associative(a: list[Counted], b: list[Counted], c: list[Counted]) -> None:
    """Hours of 5 minutes, days of hours, or all at once."""
    left = merged(merged(row_of(a), row_of(b)), row_of(c))
    right = merged(row_of(a), merged(row_of(b), row_of(c)))
    assert left.encode() == right.encode()


@settings(max_examples=100)
@given(counted, st.randoms(use_true_random=False))
def test_the_order_of_events_does_not_matter(events: list[Counted], random: object) -> None:
    """They come as they come."""
    shuffled = events.copy()
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert row_of(shuffled).encode() == row_of(events).encode()


@settings(max_examples=100)
@given(counted, counted, outcomes, outcomes, st.integers(0, 2**32 - 1), st.booleans())
def test_a_row_reads_back_and_goes_on_as_if_it_had_not_been_written(
    a: list[Counted], b: list[Counted], earlier: Results, later: Results, revision: int, partial: bool
) -> None:
    """Figures and publication state alike."""
    row = row_of(a)
    row.revision, row.partial = revision, partial
    row.add_results(earlier)
    again = Aggregate.decode(PLACE, row.encode())
    assert (again.revision, again.partial, again.totals) == (revision, partial, row.totals)
    for each in b:
        row.add(*each)
        again.add(*each)
    for subject in (row, again):
        subject.add_results(later)
    assert again.encode() == row.encode()


@settings(max_examples=100)
@given(outcomes, outcomes, counted)
def test_results_can_be_taken_back(one: Results, other: Results, events: list[Counted]) -> None:
    """In any order, and to the byte: what is left is what the others say."""
    row, expected = row_of(events), row_of(events)
    row.add_results(one)
    row.add_results(other)
    row.add_results(one, -1)
    expected.add_results(other)
    assert row.encode() == expected.encode()
    row.add_results(other, -1)
    assert row.encode() == row_of(events).encode()
