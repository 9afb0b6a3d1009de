"""Who keeps a copy of which partition: every worker comes to the same answer by itself."""

from collections import Counter

import pytest

from streams.shards.standby import standby_partitions

FOUR = {"a": [0, 4, 8], "b": [1, 5, 9], "c": [2, 6, 10], "d": [3, 7, 11]}


def copies(owned_by: dict[str, list[int]], replicas: int) -> dict[str, set[int]]:
    """What each worker decides to keep."""
    return {worker: standby_partitions(owned_by, worker, replicas) for worker in owned_by}


@pytest.mark.parametrize(("replicas", "each"), [(0, 0), (1, 1), (2, 2), (3, 3), (4, 3), (100, 3)])
def test_every_partition_has_its_copies_on_workers_that_do_not_own_it(replicas: int, each: int) -> None:
    """As many as asked for, or as there are other workers."""
    found = copies(FOUR, replicas)
    assert all(found[worker].isdisjoint(partitions) for worker, partitions in FOUR.items())
    counted = Counter(partition for partitions in found.values() for partition in partitions)
    assert [counted[partition] for partition in range(12)] == [each] * 12


@pytest.mark.parametrize(
    ("owned_by", "me"),
    [({"a": [0, 1]}, "a"), ({}, "a"), ({"a": [0], "b": [1]}, "stranger"), ({"a": [], "b": []}, "a")],
    ids=["alone", "nobody yet", "not in the group", "nothing assigned"],
)
def test_a_worker_that_has_nobody_to_copy_keeps_nothing(owned_by: dict[str, list[int]], me: str) -> None:
    """No error, no copy."""
    assert standby_partitions(owned_by, me, 1) == set()


def test_a_worker_without_partitions_keeps_copies() -> None:
    """A spare worker is the warmest of all."""
    assert standby_partitions({"a": [0, 1, 2], "spare": []}, "spare", 1) == {0, 1, 2}


def test_the_order_of_the_assignment_does_not_matter() -> None:
    """Workers may be told in any order."""
    reordered = {worker: FOUR[worker][::-1] for worker in reversed(FOUR)}
    assert copies(reordered, 2) == copies(FOUR, 2)


def test_copies_are_spread_over_workers() -> None:
    """Nobody keeps most of them."""
    owned_by = {f"worker-{number}": list(range(number * 20, number * 20 + 20)) for number in range(5)}
    sizes = [len(partitions) for partitions in copies(owned_by, 1).values()]
    assert sum(sizes) == 100
    assert max(sizes) <= 40


def test_a_worker_that_leaves_moves_only_its_own_copies() -> None:
    """All other copies stay where they are warm, as long as owners stay the same."""
    before = copies({**FOUR, "e": []}, 1)
    after = copies(FOUR, 1)
    for worker in FOUR:
        assert before[worker] <= after[worker]
    moved = set().union(*(after[worker] - before[worker] for worker in FOUR))
    assert moved == before["e"]
