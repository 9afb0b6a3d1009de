"""Rows of figures: zero, add, merge, encode, decode."""

import struct
from typing import Any

import pytest

from streams.core import distinct
from streams.core.aggregate import VERSION, Aggregate
from streams.core.events import UsageEvent
from streams.core.keys import RowKey
from streams.core.results import Results
from streams.core.windows import Scope, Window

PLACE = RowKey(Window.HOUR, Scope.WORKFLOW, 490_992, "payments", "review")
AT = 1_767_571_200_000
FIGURES = (
    "calls", "errors", "input", "cache_read", "cache_write", "output", "reasoning", "cost", "priced",
    "unpriced_tokens", "unattributed", "computed", "computed_calls", "filled", "filled_calls", "failed", "with_run",
)  # fmt: skip


def event(at: int = AT, **fields: Any) -> UsageEvent:
    """An event of which only the figures matter."""
    return UsageEvent(event_id="1", source="s", occurred_at=at, team="payments", workflow="review", model="m", **fields)


def figures(row: Aggregate) -> dict[str, int]:
    """The sums that are not zero, by name."""
    return {name: value for name in FIGURES if (value := getattr(row, name))}


def results_of(**amounts: int) -> Results:
    """Results of some figures, the others zero."""
    found = Results()
    for name, amount in amounts.items():
        setattr(found, name, amount)
    return found


def row_of(*events: UsageEvent, run: int = 0, actor: int = 0) -> Aggregate:
    """A row that counted some events."""
    row = Aggregate(PLACE)
    for each in events:
        row.add(each, run, actor)
    return row


ALL_TOKENS = {
    "input_tokens": 1,
    "cache_read_tokens": 20,
    "cache_write_tokens": 300,
    "output_tokens": 4_000,
    "reasoning_tokens": 500,
}
SUMS = {"input": 1, "cache_read": 20, "cache_write": 300, "output": 4_000, "reasoning": 500}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, {"unattributed": 1}),
        (ALL_TOKENS, {**SUMS, "unpriced_tokens": 4_321, "unattributed": 1}),
        ({**ALL_TOKENS, "cost_micro_usd": 7}, {**SUMS, "cost": 7, "priced": 1, "unattributed": 1}),
        ({"cost_micro_usd": 0}, {"priced": 1, "unattributed": 1}),
        ({"status": "error"}, {"errors": 1, "unattributed": 1}),
        ({"status": "cancelled"}, {"unattributed": 1}),
        (
            {"status": "error", "cost_micro_usd": 7},
            {"errors": 1, "cost": 7, "priced": 1, "failed": 7, "unattributed": 1},
        ),
        ({"status": "cancelled", "cost_micro_usd": 7}, {"cost": 7, "priced": 1, "failed": 7, "unattributed": 1}),
        (
            {"attributes": {"attempt": "2"}, "cost_micro_usd": 7},
            {"cost": 7, "priced": 1, "failed": 7, "unattributed": 1},
        ),
        ({"attributes": {"attempt": "1"}, "cost_micro_usd": 7}, {"cost": 7, "priced": 1, "unattributed": 1}),
    ],
)
def test_an_event_is_counted_under_each_of_its_figures(fields: dict[str, Any], expected: dict[str, int]) -> None:
    """Reasoning is a part of the output and in no sum of tokens; a cost of zero is a cost; repeating a call is failing."""
    assert figures(row_of(event(**fields))) == {"calls": 1, **expected}
    assert figures(row_of(event(**fields), event(**fields))) == {
        name: 2 * value for name, value in {"calls": 1, **expected}.items()
    }


def test_runs_and_actors_are_counted_where_there_are_any() -> None:
    """Zero is no run and no actor."""
    row = Aggregate(PLACE)
    for run, actor in ((0, 0), (1, 0), (0, 1), (1, 1), (2, 1)):
        row.add(event(), run, actor)
    assert (distinct.count(row.runs), distinct.count(row.actors), row.unattributed) == (2, 1, 2)
    assert row.with_run == 3


def test_first_and_last_are_those_of_events_in_any_order() -> None:
    """Ties included."""
    row = row_of(event(AT + 5), event(AT + 9), event(AT + 2), event(AT + 9))
    assert (row.first_ms, row.last_ms) == (AT + 2, AT + 9)


def test_totals_are_what_is_told_of_a_row() -> None:
    """Cost, input, cache read, cache write, output."""
    assert row_of(event(**ALL_TOKENS, cost_micro_usd=7)).totals == (7, 1, 20, 300, 4_000)


def test_merging_leaves_publication_state_alone() -> None:
    """Revisions belong to a row, not to its figures."""
    row, other = row_of(event(cost_micro_usd=1)), row_of(event(cost_micro_usd=2))
    row.revision, other.revision, other.partial = 3, 9, True
    row.merge(other)
    assert (row.cost, row.revision, row.partial) == (3, 3, False)
    assert (other.cost, other.revision, other.partial) == (2, 9, True)


def test_an_empty_row_is_zero() -> None:
    """Merging it changes nothing, on either side."""
    full = row_of(event(**ALL_TOKENS, cost_micro_usd=7), run=5, actor=6)
    expected = full.encode()
    full.merge(Aggregate(PLACE))
    assert full.encode() == expected
    empty = Aggregate(PLACE)
    empty.merge(full)
    assert empty.encode() == expected


def test_a_row_is_published_once_by_itself_only() -> None:
    """The first correction counts from the closing's publication; later ones from their own."""
    row = row_of(event(cost_micro_usd=5))
    row.published_once()
    assert row.revision == 1
    row.revision = 4
    row.published_once()
    assert row.revision == 4


@pytest.mark.parametrize("runs", [0, 1, 256, 257, 1_000])
@pytest.mark.parametrize("actors", [0, 3, 300])
@pytest.mark.parametrize("partial", [False, True], ids=["complete", "partial, with results"])
def test_a_row_reads_back_as_it_was_written(runs: int, actors: int, partial: bool) -> None:
    """Every field, exact sets and sketches alike."""
    row = Aggregate(PLACE)
    for number, name in enumerate((*FIGURES, "first_ms", "last_ms", "revision")):
        setattr(row, name, 10**number + number if name != "revision" else 2**32 - 1)
    row.runs, row.actors = set(range(runs)), set(range(1 << 63, (1 << 63) + actors))
    row.partial = partial
    if partial:
        row.add_results(results_of(accepted=-1, cohort_spend=2**62))
    again = Aggregate.decode(PLACE, row.encode())
    for name in (*FIGURES, "first_ms", "last_ms", "revision", "partial", "results", "place", "touched"):
        assert getattr(again, name) == getattr(row, name), name
    assert distinct.count(again.runs) == distinct.count(row.runs)
    assert distinct.count(again.actors) == distinct.count(row.actors)
    assert again.encode() == row.encode()


def test_an_empty_row_reads_back() -> None:
    """Extremes of no events included."""
    assert Aggregate.decode(PLACE, Aggregate(PLACE).encode()).encode() == Aggregate(PLACE).encode()


@pytest.mark.parametrize("version", [0, VERSION + 1, 255])
def test_a_row_of_another_version_is_refused(version: int) -> None:
    """By its first byte, before anything is misread."""
    data = bytes([version]) + row_of(event()).encode()[1:]
    with pytest.raises(ValueError, match=f"version {version}, expected {VERSION}"):
        Aggregate.decode(PLACE, data)


@pytest.mark.parametrize("results", [None, Results(), results_of(accepted=2, cohort_accepted=-3)])
def test_the_layout_is_what_stores_hold(results: Results | None) -> None:
    """Byte for byte: a change needs another version. Results that are all zero take no room."""
    row = row_of(event(**ALL_TOKENS, cost_micro_usd=7, status="error"), run=5, actor=6)
    row.add(event(), 5, 6, computed=9)
    row.results, row.partial = results, True
    row.asked, row.repeats = 4, 3
    sums = (2, 1, 1, 20, 300, 4_000, 500, 7, 1, 0, 0, AT, AT, 9, 1, 9, 1, 7, 2, 4, 3)
    nothing = results is None or results == Results()
    fixed = struct.pack("<BB21qIIII", 4, 1, *sums, 0, 9, 9, 0 if nothing else 1)
    # Nobody behind outcomes, then the results.
    written = b"" if nothing else b"\x00" + bytes([4, *[0] * 13, 5, 0])
    assert row.encode() == fixed + MEMBERS + written


def test_a_row_that_did_not_count_what_was_asked_again_is_read() -> None:
    row = row_of(event(**ALL_TOKENS, cost_micro_usd=7, status="error"), run=5, actor=6)
    now = row.encode()
    size = struct.calcsize("<BB19q")
    before = bytes([3]) + now[1:size] + now[size + 16 :]
    assert Aggregate.decode(PLACE, before).encode() == now


def test_what_is_asked_again_is_counted_and_added_up() -> None:
    row = row_of(event())
    for repeat in (-1, 0, 1, 1):
        row.add(event(), 0, 0, -1, repeat)
    row.merge(Aggregate.decode(PLACE, row.encode()))
    assert (row.asked, row.repeats) == (6, 4)


def test_those_behind_outcomes_count_in_the_group_and_not_as_active() -> None:
    """A merge is no use of AI, but it is somebody's."""
    row = row_of(event(), actor=6)
    row.others = {6, 7, 8}
    assert (row.concerned, distinct.count(row.actors)) == (3, 1)
    row.add_results(results_of(accepted=1))
    again = Aggregate.decode(PLACE, row.encode())
    assert (again.others, again.actors, again.results) == (row.others, row.actors, row.results)
    again.seal()
    assert (again.concerned, Aggregate.decode(PLACE, again.encode()).concerned) == (3, 3)


#: Run 5 and actor 6, as rows hold them.
MEMBERS = b"\x00" + (5).to_bytes(8, "little") + b"\x00" + (6).to_bytes(8, "little")
_SUMS_1 = (1, 1, 1, 20, 300, 4_000, 500, 7, 1, 0, 0, AT, AT)


@pytest.mark.parametrize(
    ("old", "computed"),
    [
        pytest.param(struct.pack("<B13qI5qI", 1, *_SUMS_1, 3, 7, 1, 20, 300, 4_000, 9), -1, id="1"),
        pytest.param(struct.pack("<B17qI5qI", 2, *_SUMS_1, 8, 1, 0, 0, 3, 7, 1, 20, 300, 4_000, 9), 8, id="2"),
    ],
)
def test_a_row_of_an_earlier_version_is_read_and_written_as_todays(old: bytes, computed: int) -> None:
    """The changelog may hold it for as long as nothing else happens in its window. It knew nothing of what had failed."""
    row = Aggregate.decode(PLACE, old + MEMBERS)
    expected = Aggregate(PLACE)
    expected.add(event(**ALL_TOKENS, cost_micro_usd=7, status="error"), 5, 6, computed)
    expected.revision, expected.failed, expected.with_run = 3, 0, 0
    assert row.encode() == expected.encode()


def test_a_sealed_row_says_how_many_and_not_who() -> None:
    """Everything else stays as it was, and it is written and read as such."""
    row = row_of(event(cost_micro_usd=1), run=2**63 + 5, actor=2**63 + 6)
    row.add(event(), 7, 2**63 + 6)
    before = figures(row)
    row.seal()
    again = Aggregate.decode(PLACE, row.encode())
    assert figures(again) == figures(row) == before
    assert (distinct.count(again.runs), distinct.count(again.actors)) == (2, 1)
    assert distinct.is_exact(again.runs)
    for member in (2**63 + 5, 2**63 + 6):
        assert member.to_bytes(8, "little") not in row.encode()


def test_results_come_and_go_by_themselves() -> None:
    """A row of outcomes alone is not empty, and one that got all of them back is."""
    row = Aggregate(PLACE)
    assert row.empty
    row.add_results(results_of(accepted=1))
    other = Aggregate(PLACE)
    other.merge(row)
    assert not row.empty
    assert other.results == row.results
    row.add_results(results_of(accepted=1), -1)
    assert row.empty
    assert other.results == results_of(accepted=1)


@pytest.mark.parametrize(
    ("reported", "computed", "expected"),
    [
        (7, -1, {"cost": 7, "priced": 1}),
        (7, 5, {"cost": 7, "priced": 1, "computed": 5, "computed_calls": 1}),
        (None, 5, {"computed": 5, "computed_calls": 1, "filled": 5, "filled_calls": 1}),
        (None, 0, {"computed_calls": 1, "filled_calls": 1}),
        (None, -1, {"unpriced_tokens": 4_321}),
    ],
)
def test_reported_and_computed_costs_are_both_kept(
    reported: int | None, computed: int, expected: dict[str, int]
) -> None:
    row = Aggregate(PLACE)
    row.add(event(**ALL_TOKENS, cost_micro_usd=reported), 0, 0, computed)
    assert figures(row) == {"calls": 1, **SUMS, "unattributed": 1, **expected}
    assert row.totals[0] == (computed if reported is None and computed >= 0 else reported or 0)
