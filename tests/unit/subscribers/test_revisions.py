"""A revision is news once, and the memory of it is bounded."""

import pytest

from streams.subscribers.revisions import Revisions


def test_only_a_higher_revision_is_new() -> None:
    revisions = Revisions(10)
    assert revisions.is_new(b"a", 0)
    revisions.note(b"a", 2)
    assert [revisions.is_new(b"a", number) for number in (1, 2, 3)] == [False, False, True]
    assert revisions.is_new(b"b", 1)


def test_noting_a_lower_one_changes_nothing() -> None:
    revisions = Revisions(10)
    revisions.note(b"a", 5)
    revisions.note(b"a", 3)
    assert not revisions.is_new(b"a", 4)


def test_a_key_that_is_gone_begins_anew() -> None:
    revisions = Revisions(10)
    revisions.note(b"a", 5)
    revisions.forget(b"a")
    revisions.forget(b"never there")
    assert revisions.is_new(b"a", 1)


def test_those_that_have_not_moved_for_longest_are_forgotten_first() -> None:
    revisions = Revisions(3)
    for key in (b"a", b"b", b"c", b"a", b"d"):
        revisions.note(key, 1)
    assert len(revisions) == 3
    assert [revisions.is_new(key, 1) for key in (b"a", b"b", b"c", b"d")] == [False, True, False, False]


def test_a_memory_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="remember is 0"):
        Revisions(0)
