"""Distinct counts: exact up to the bound, close beyond it, and the same bytes for the same members."""

from random import Random

import pytest

from streams.core import distinct
from streams.core.distinct import EXACT_BOUND, Distinct, Sketch

#: Where the representation changes, in ours and in the library's own small forms.
SIZES = [0, 1, 8, 9, 255, EXACT_BOUND, EXACT_BOUND + 1, 383, 384, 385, 400, 512, 1_000, 5_000]


def members(count: int, seed: int = 7) -> list[int]:
    """64-bit hashes in no order; the first are the extremes."""
    random = Random(seed)
    return [*(0, 1, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)[:count], *(random.getrandbits(64) for _ in range(count - 5))]


def added(found: list[int], start: Distinct | None = None) -> Distinct:
    """The members, added one by one."""
    into: Distinct = set() if start is None else start
    for member in found:
        into.add(member)
    return into


@pytest.mark.parametrize("size", [0, 1, 8, 255, EXACT_BOUND])
def test_a_count_is_exact_up_to_the_bound(size: int) -> None:
    """Adding a member again changes nothing."""
    found = added(members(size) * 2)
    assert (distinct.count(found), distinct.is_exact(found)) == (size, True)
    assert isinstance(distinct.normal(found), set)


@pytest.mark.parametrize("size", [EXACT_BOUND + 1, 300, 384, 385, 1_000, 3_000, 10_000, 100_000])
@pytest.mark.parametrize("seed", range(3))
def test_a_count_beyond_the_bound_is_within_five_per_cent(size: int, seed: int) -> None:
    """Three standard errors of 4,096 registers."""
    found = added(members(size, seed))
    assert not distinct.is_exact(found)
    assert distinct.count(found) == pytest.approx(size, rel=0.05)


@pytest.mark.parametrize("size", SIZES)
def test_the_bytes_do_not_depend_on_the_order_of_members(size: int) -> None:
    """Nor on how often they came, or were written and read in between."""
    found = members(size)
    expected = distinct.encode(set(found))
    random = Random(size)
    for _ in range(5):
        random.shuffle(found)
        cut = random.randint(0, size)
        first = distinct.decode(distinct.encode(added(found[:cut])))
        assert distinct.encode(added([*found[cut:], *found[:50]], first)) == expected


@pytest.mark.parametrize("size", SIZES)
def test_the_bytes_do_not_depend_on_how_members_were_merged(size: int) -> None:
    """Sets into sketches, sketches into sets, overlapping or not."""
    found = members(size)
    expected = distinct.encode(set(found))
    random = Random(size)
    for _ in range(5):
        random.shuffle(found)
        borders = sorted(random.choices(range(size + 1), k=3))
        parts = [found[start:end] for start, end in zip([0, *borders], [*borders, size], strict=True)]
        merged: Distinct = set()
        for part in (*parts, found[: size // 2]):
            merged = distinct.merge(merged, distinct.normal(set(part)))
        assert distinct.encode(merged) == expected


@pytest.mark.parametrize("size", SIZES)
def test_encoding_changes_nothing(size: int) -> None:
    """The same again gives the same bytes, and what is read counts and encodes as what was written."""
    found = added(members(size))
    data = distinct.encode(found)
    assert distinct.encode(found) == data
    again = distinct.decode(data)
    assert distinct.encode(again) == data
    assert (distinct.count(again), distinct.is_exact(again)) == (distinct.count(found), distinct.is_exact(found))


def test_merging_does_not_change_the_other_one() -> None:
    """A row that is summed up goes on living."""
    for size in (3, 300):
        other = distinct.normal(set(members(size)))
        before = distinct.encode(other)
        merged = distinct.merge(set(), other)
        merged.add(12_345)
        assert distinct.encode(other) == before != distinct.encode(merged)


def test_a_sketch_counts_what_is_pending() -> None:
    """Members not yet in the sketch are in the count and in the bytes."""
    sketch = distinct.decode(distinct.encode(set(members(1_000))))
    assert isinstance(sketch, Sketch)
    before = distinct.count(sketch)
    for member in range(1 << 20, (1 << 20) + 200):
        sketch.add(member)
    assert distinct.count(sketch) > before + 150


def test_merging_counts_what_is_pending_on_either_side() -> None:
    """Whichever of two sketches has members that are not yet in it."""
    found, more = members(1_000), members(200, seed=9)
    expected = distinct.encode({*found, *more, *range(500)})
    for pending_first in (True, False):
        first, second = distinct.normal(set(found)), distinct.normal(set(range(500)))
        added(more, first if pending_first else second)
        assert distinct.encode(distinct.merge(first, second)) == expected


def test_a_sketch_keeps_few_members_pending() -> None:
    """Memory is bounded however many are added."""
    sketch = distinct.decode(distinct.encode(set(members(1_000))))
    assert isinstance(sketch, Sketch)
    for member in range(2_000):
        sketch.add(member)
        assert len(sketch.pending) < EXACT_BOUND
    assert len(distinct.encode(sketch)) < 4_000


def test_the_exact_form_is_what_stores_hold() -> None:
    """Byte for byte: a tag and sorted words; a change needs another row codec version."""
    assert distinct.encode({258, 1}) == b"\x00" + bytes([1, 0, 0, 0, 0, 0, 0, 0]) + bytes([2, 1, 0, 0, 0, 0, 0, 0])
    assert distinct.encode(set(range(300)))[0] == 1


@pytest.mark.parametrize("size", SIZES)
def test_a_sealed_set_says_how_many_and_nothing_else(size: int) -> None:
    """Written, read, and sealed again."""
    found = added(members(size))
    before = distinct.count(found), distinct.is_exact(found)
    sealed = distinct.sealed(found)
    data = distinct.encode(sealed)
    assert len(data) == 10
    for form in (sealed, distinct.sealed(sealed), distinct.decode(data), distinct.normal(sealed)):
        assert (distinct.count(form), distinct.is_exact(form)) == before
        assert distinct.encode(form) == data


def test_a_sealed_set_counts_on_without_knowing_whom() -> None:
    """Usage may come to a row that outcomes alone had made final; it must not stop the worker."""
    members = distinct.sealed({1, 2})
    members.add(2)
    assert (distinct.count(members), distinct.is_exact(members)) == (3, False)


@pytest.mark.parametrize(
    ("one", "other", "count", "exact"),
    [(3, 5, 5, False), (5, 3, 5, False), (0, 5, 5, True), (5, 0, 5, True), (0, 0, 0, True), (0, 1_000, None, False)],
)
@pytest.mark.parametrize("both", [False, True])
def test_of_sealed_sets_the_larger_number_stands(
    one: int, other: int, count: int | None, exact: bool, both: bool
) -> None:
    """There is no union any more; of nothing and a set it is that set."""
    first, second = added(members(one)) if one else set(), added(members(other, 9)) if other else set()
    expected = distinct.count(second) if count is None else count
    merged = distinct.merge(distinct.sealed(first), distinct.sealed(second) if both else second)
    assert (distinct.count(merged), distinct.is_exact(merged)) == (expected, exact)
