"""Distinct counts as an algebra: the union of sets, whatever form the sets are kept in."""

from functools import reduce

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.core import distinct
from streams.core.distinct import EXACT_BOUND, Distinct

Members = frozenset[int]


def spread(number: int) -> int:
    """A hash of 64 bits: different numbers have different ones."""
    number = (number + 1) * 0x9E3779B97F4A7C15 % (1 << 64)
    return number ^ number >> 32


#: Overlapping sets, from none to well beyond the bound, and often right at it.
sizes = st.sampled_from([0, 1, 8, 100, EXACT_BOUND - 1, EXACT_BOUND, EXACT_BOUND + 1, 300, 400, 1_000])
sets = st.builds(
    lambda start, size: frozenset(map(spread, range(start, start + size))),
    st.sampled_from([0, 1, 50, 250, 2_000]),
    sizes,
)


def kept(members: Members, *, written: bool = False, one_by_one: bool = False) -> Distinct:
    """The members in one of the forms that a row can hold."""
    found: Distinct = set(members)
    if one_by_one:
        half = len(members) // 2
        found = distinct.normal(set(sorted(members)[:half]))
        for member in sorted(members)[half:]:
            found.add(member)
    return distinct.decode(distinct.encode(found)) if written else found


forms = st.fixed_dictionaries({"written": st.booleans(), "one_by_one": st.booleans()})


@settings(max_examples=80)
@given(sets, forms, sets, forms)
def test_merging_is_union_on_either_side(
    one: Members, form: dict[str, bool], other: Members, form_2: dict[str, bool]
) -> None:
    """Commutative, and the same bytes as if all members had been in one set from the start."""
    expected = distinct.encode(set(one | other))
    assert distinct.encode(distinct.merge(kept(one, **form), kept(other, **form_2))) == expected
    assert distinct.encode(distinct.merge(kept(other, **form_2), kept(one, **form))) == expected


@settings(max_examples=60)
@given(sets, sets, sets, forms)
def test_merging_is_associative_and_idempotent(a: Members, b: Members, c: Members, form: dict[str, bool]) -> None:
    """However parts are grouped, and however often one is merged."""

    def of(members: Members) -> Distinct:
        return kept(members, **form)

    left = distinct.merge(distinct.merge(of(a), of(b)), of(c))
    right = distinct.merge(of(a), distinct.merge(of(b), of(c)))
    again = reduce(distinct.merge, [of(a), of(b), of(a), of(c), of(b), of(a)])
    assert distinct.encode(left) == distinct.encode(right) == distinct.encode(again)


@settings(max_examples=60)
@given(sets, forms)
def test_a_count_is_that_of_the_set(members: Members, form: dict[str, bool]) -> None:
    """Exact up to the bound, within five per cent beyond it, and read back as it was written."""
    found = kept(members, **form)
    assert distinct.is_exact(found) is (len(members) <= EXACT_BOUND)
    if len(members) <= EXACT_BOUND:
        assert distinct.count(found) == len(members)
    else:
        assert abs(distinct.count(found) - len(members)) <= 0.05 * len(members)
    again = distinct.decode(distinct.encode(found))
    assert (distinct.count(again), distinct.encode(again)) == (distinct.count(found), distinct.encode(found))


@settings(max_examples=60)
@given(st.permutations(list(range(300))), st.lists(st.integers(0, 299), max_size=6))
def test_neither_order_nor_cuts_show(order: list[int], borders: list[int]) -> None:
    """Members added in any order, written and read at any point in between."""
    found: Distinct = set()
    for place, number in enumerate(order):
        found.add(spread(number))
        if place in borders:
            found = distinct.decode(distinct.encode(found))
    assert distinct.encode(found) == distinct.encode(set(map(spread, range(300))))
