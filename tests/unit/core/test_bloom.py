"""The filter before the pages of old ids: no member is ever denied, few strangers are let through."""

import numpy as np
import pytest

from streams.core.bloom import Bloom, Hashes


def hashes(count: int, seed: int = 1) -> Hashes:
    """Good 64-bit hashes, the same every time."""
    return np.random.default_rng(seed).integers(0, 1 << 64, count, np.uint64)


EXTREMES = np.array([0, 1, 63, 64, (1 << 24) - 1, 1 << 24, 1 << 63, (1 << 64) - 1], np.uint64)


@pytest.mark.parametrize("capacity", [0, 1, 2, 63, 64, 65, 4_096, 100_000])
def test_a_member_is_never_denied(capacity: int) -> None:
    """Whatever the size, extremes of 64 bits included, and beyond the capacity too."""
    bloom = Bloom(capacity)
    members = np.concatenate((hashes(capacity + 10), EXTREMES))
    bloom.add(members)
    assert bloom.may_hold(members).all()


def test_members_may_come_in_parts_and_twice() -> None:
    """Pages are added one by one when a memory is loaded."""
    bloom, members = Bloom(1_000), hashes(1_000)
    for part in np.array_split(members, 7):
        bloom.add(part)
    bloom.add(members[:10])
    whole = Bloom(1_000)
    whole.add(members)
    assert (bloom._words == whole._words).all()


@pytest.mark.parametrize("capacity", [1_000, 4_096, 50_000, 65_536])
def test_few_strangers_are_taken_for_members(capacity: int) -> None:
    """Up to 0.4 % at the fullest, where the capacity is a power of two."""
    bloom = Bloom(capacity)
    bloom.add(hashes(capacity))
    assert bloom.may_hold(hashes(100_000, seed=2)).mean() < 0.006


def test_an_empty_filter_holds_nothing() -> None:
    """And an empty question has an empty answer."""
    bloom = Bloom(100)
    assert not bloom.may_hold(np.concatenate((hashes(1_000), EXTREMES))).any()
    assert bloom.may_hold(np.empty(0, np.uint64)).shape == (0,)
    bloom.add(np.empty(0, np.uint64))


@pytest.mark.parametrize(("capacity", "size"), [(0, 512), (1, 512), (256, 512), (257, 512), (1 << 20, 2 << 20)])
def test_memory_is_16_bits_a_member_rounded_up_to_a_power_of_two(capacity: int, size: int) -> None:
    """With a floor of 64 words."""
    assert Bloom(capacity).size_bytes == size
