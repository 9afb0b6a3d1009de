"""Counts add up, and say when they do not."""

from collections import Counter

import pytest

from streams.core.effects import Counts, Effects
from streams.core.reasons import Reason


@pytest.mark.parametrize(
    ("counts", "holds"),
    [
        (Counts(), True),
        (Counts(received=1), False),
        (Counts(received=1, applied=1), True),
        (Counts(received=1, duplicate=1), True),
        (Counts(received=1, late=1), True),
        (Counts(received=1, rerouted=1), True),
        (Counts(received=3, dead_lettered=Counter({Reason.EMPTY: 1, Reason.TOMBSTONE: 2})), True),
        (Counts(received=2, dead_lettered=Counter({Reason.EMPTY: 1})), False),
        (Counts(received=1, applied=1, late=1), False),
    ],
)
def test_counts_hold_when_every_record_is_accounted_for(counts: Counts, holds: bool) -> None:
    """No record is lost from the sum, none is in it twice."""
    assert counts.holds is holds


def test_counts_add_up_by_name() -> None:
    """Reasons included; the other's stay as they are."""
    total = Counts(1, 2, 3, 4, 5, Counter({Reason.EMPTY: 1}))
    other = Counts(10, 20, 30, 40, 50, Counter({Reason.EMPTY: 10, Reason.TOMBSTONE: 1}))
    total.add(other)
    assert total == Counts(11, 22, 33, 44, 55, Counter({Reason.EMPTY: 11, Reason.TOMBSTONE: 1}))
    assert other.dead_lettered[Reason.EMPTY] == 10


def test_a_topics_counts_are_made_once() -> None:
    """And asking for them makes no others."""
    effects = Effects()
    effects.of_topic("a").received += 1
    effects.of_topic("a").received += 1
    assert effects.counts == {"a": Counts(received=2)}


def test_effects_do_not_share_anything() -> None:
    """Two drains have nothing in common."""
    one, other = Effects(), Effects()
    one.writes[b"a"] = b""
    one.of_topic("t").dead_lettered[Reason.EMPTY] += 1
    assert other == Effects()


def test_what_is_told_adds_up_by_team_and_workflow() -> None:
    """Each amount by itself; nothing told is nothing there."""
    effects = Effects()
    assert effects.said == {}
    effects.tell("t", "w", (1, 2, 3, 4, 5))
    effects.tell("t", "w", (10, 20, 30, 40, 50))
    effects.tell("t", "", (0, 0, 0, 0, 7))
    assert effects.said == {("t", "w"): (11, 22, 33, 44, 55), ("t", ""): (0, 0, 0, 0, 7)}
