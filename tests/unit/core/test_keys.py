"""State keys: their order is the order of time, and they can be taken apart again."""

from itertools import combinations, product

import pytest

from streams.core import keys
from streams.core.keys import RowKey, parse_row, row_range
from streams.core.windows import Scope, Window

PLACES = [
    RowKey(Window.FIVE_MINUTES, Scope.WORKFLOW, 5_891_904, "payments", "pr-review"),
    RowKey(Window.HOUR, Scope.TEAM, 490_992, "payments", ""),
    RowKey(Window.DAY, Scope.WORKFLOW, 20_458, "Zürich/платежи", "夜間 evals"),
    RowKey(Window.DAY, Scope.WORKFLOW, 0, "a", "b\x01"),
    RowKey(Window.WEEK, Scope.HELD, 2_923, "payments", "pr-review"),
    RowKey(Window.WEEK, Scope.LATE, 0, "payments", ""),
]


@pytest.mark.parametrize("place", PLACES)
def test_a_key_can_be_taken_apart(place: RowKey) -> None:
    """Names of any script included."""
    assert parse_row(place.encode()) == place


def test_the_layout_is_what_stores_hold() -> None:
    """Byte for byte: a change needs a new store format."""
    place = RowKey(Window.HOUR, Scope.TEAM, 258, "t", "")
    assert place.encode() == b"w\x02\x02\x00\x00\x00\x00\x00\x00\x01\x02t\x00"


def test_a_place_knows_its_times() -> None:
    """The window's first millisecond, and the first after it."""
    place = RowKey(Window.HOUR, Scope.TEAM, 490_992, "t", "")
    assert (place.start_ms, place.end_ms) == (1_767_571_200_000, 1_767_574_800_000)
    week = RowKey(Window.WEEK, Scope.TEAM, 2_923, "t", "")
    assert (week.start_ms, week.end_ms) == (1_767_571_200_000, 1_768_176_000_000)


def test_names_do_not_run_into_each_other() -> None:
    """Team and workflow are apart even where their texts join to the same."""
    first = RowKey(Window.HOUR, Scope.WORKFLOW, 1, "ab", "c")
    second = RowKey(Window.HOUR, Scope.WORKFLOW, 1, "a", "bc")
    assert first.encode() != second.encode()


def test_keys_of_one_size_and_scope_lie_in_order_of_time() -> None:
    """Also over the borders of bytes, which is why buckets are big-endian."""
    buckets = [0, 1, 255, 256, 65_535, 65_536, 2**32, 2**40]
    encoded = [RowKey(Window.FIVE_MINUTES, Scope.TEAM, bucket, "z", "").encode() for bucket in buckets]
    assert encoded == sorted(encoded)


def test_a_range_holds_its_buckets_and_no_others() -> None:
    """Half-open, whatever the names are."""
    start, end = row_range(Window.HOUR, Scope.TEAM, 10, 12)
    for bucket, inside in ((9, False), (10, True), (11, True), (12, False)):
        for team in ("\x01", "payments", "\U0010ffff"):
            assert (start <= RowKey(Window.HOUR, Scope.TEAM, bucket, team, "").encode() < end) is inside
    for window, scope in product(Window, Scope):
        inside = (window, scope) == (Window.HOUR, Scope.TEAM)
        assert (start <= RowKey(window, scope, 10, "payments", "").encode() < end) is inside


def test_a_range_may_begin_before_the_epoch() -> None:
    """As the first week does: there are no rows there."""
    start, end = row_range(Window.HOUR, Scope.TEAM, -72, 1)
    assert start <= RowKey(Window.HOUR, Scope.TEAM, 0, "", "").encode() < end
    assert row_range(Window.HOUR, Scope.TEAM, -72, -1) == (start, start)


def test_kinds_of_records_have_prefixes_apart() -> None:
    """No key of one kind can be read as another's; ``i`` and ``r`` are the memories of ids and requests."""
    prefixes = [
        keys.META, keys.SOURCES, keys.DIRTY, keys.POSITION, keys.RUN, keys.BEGAN, keys.OUTCOME, keys.OUTCOME_HOUR,
        keys.REFERENCE, keys.LINK, keys.TEAM, b"w", b"i", b"r",
    ]  # fmt: skip
    assert not any(one.startswith(other) or other.startswith(one) for one, other in combinations(prefixes, 2))
