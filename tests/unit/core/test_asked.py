"""What was asked before: bands of fingerprints by workflow and day, looked up slice by slice."""

from itertools import pairwise
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.core.asked import ASK, NEAR_BITS, NONE, Asked
from streams.core.dedupe_arrays import ArrayMemory
from streams.core.events import UsageEvent
from streams.core.store import Writes
from streams.state.memory import MemoryStore
from tests.faults.oracle import DAY_MS, Expected

MONDAY = 1_790_000_000_000 // DAY_MS * DAY_MS
SIMHASH = "0123456789abcdef"


def event(said: str | None = None, at: int = MONDAY, **fields: Any) -> UsageEvent:
    known = {"team": "t", "workflow": "w", **fields}
    return UsageEvent(event_id="e", source="s", occurred_at=at, model="m", prompt_fingerprint=said, **known)


def flipped(said: str, *bits: int) -> str:
    """A fingerprint with some bits turned."""
    number = int(said, 16)
    for bit in bits:
        number ^= 1 << bit
    return f"{number:016x}"


class Kept:
    """What was asked, and the store that it is written to."""

    def __init__(self, **params: Any) -> None:
        self.store = MemoryStore()
        self.params = {"horizon_ms": 10 * DAY_MS, "paired": True, **params}
        self.reload()

    def reload(self) -> None:
        self.asked = Asked(ArrayMemory(b"F", self.store, **self.params), 7)

    def drain(self, now_ms: int = MONDAY) -> None:
        writes: Writes = {}
        self.asked.memory.drain(now_ms, now_ms, writes)
        self.store.write(writes)

    def take(self, *events: UsageEvent, uncounted: frozenset[int] = frozenset()) -> list[int]:
        """Count a slice as the engine does; -1 for what has no fingerprint or is not counted."""
        self.asked.look(list(events))
        found, anew = [], []
        for place, answer in enumerate(self.asked.answers):
            repeat = NONE
            if place not in uncounted:
                repeat = self.asked.repeats(place) if answer == ASK else answer
                if answer == 0:
                    anew.append(place)
            found.append(repeat)
        self.asked.keep(anew)
        return found


def test_only_what_has_a_fingerprint_can_repeat_anything() -> None:
    kept = Kept()
    assert kept.take(event(), event(SIMHASH), event("short"), event()) == [NONE, 0, 0, NONE]
    assert kept.take(event("short"), event(), event(SIMHASH)) == [1, NONE, 1]
    assert kept.take() == []


@settings(deadline=None, max_examples=100)
@given(st.integers(0, (1 << 64) - 1), st.sets(st.integers(0, 63), max_size=3), st.booleans())
def test_texts_that_differ_in_three_bits_are_the_same(number: int, bits: set[int], at_once: bool) -> None:
    """Three bits lie in three bands at most, and there are four."""
    one = event(f"{number:016x}")
    other = event(flipped(f"{number:016x}", *bits))
    kept = Kept()
    assert (kept.take(one, other) if at_once else [*kept.take(one), *kept.take(other)]) == [0, 1]


@pytest.mark.parametrize("at_once", [True, False])
def test_a_band_alone_does_not_make_two_texts_one(at_once: bool) -> None:
    """Of ten thousand prompts nearly every further one shares a band with some."""
    near, far = flipped(SIMHASH, *range(NEAR_BITS)), flipped(SIMHASH, *range(NEAR_BITS + 1))
    for said, repeats in ((near, 1), (far, 0)):
        kept = Kept()
        first, second = event(SIMHASH), event(said)
        assert (kept.take(first, second) if at_once else [*kept.take(first), *kept.take(second)]) == [0, repeats]


def test_a_busy_workflow_of_unrelated_prompts_repeats_nothing() -> None:
    noise, kept, repeats = Random(1), Kept(), 0
    for _ in range(20):
        repeats += sum(kept.take(*(event(f"{noise.getrandbits(64):016x}") for _ in range(500))))
    assert repeats == 0


def test_bands_are_told_apart_by_their_place() -> None:
    assert Kept().take(event("0001000200030004"), event("0002000300040001")) == [0, 0]


@pytest.mark.parametrize("fields", [{"workflow": "x"}, {"team": "x"}, {"team": "tw", "workflow": ""}])
@pytest.mark.parametrize("said", [SIMHASH, "other"])
def test_what_another_workflow_asks_is_no_repetition(said: str, fields: dict[str, str]) -> None:
    assert Kept().take(event(said), event(said, **fields)) == [0, 0]


@pytest.mark.parametrize(("one", "other"), [
    ("sha256:aaaa", "sha256:aaab"), ("0123456789abcdeg", "0123456789abcdeh"), ("0123456789ABCDEF", SIMHASH),
    ("0123 456789abcde", "0123 456789abcdf"), ("x", "y"),
])  # fmt: skip
def test_a_fingerprint_of_another_kind_is_equal_or_not(one: str, other: str) -> None:
    """Nothing is known of how its digits come about."""
    assert Kept().take(event(one), event(other), event(one)) == [0, 0, 1]


@pytest.mark.parametrize("said", [SIMHASH, "other"])
def test_a_day_and_the_day_before_are_remembered(said: str) -> None:
    times = [MONDAY, MONDAY + DAY_MS - 1, MONDAY + 2 * DAY_MS - 1, MONDAY + 4 * DAY_MS, MONDAY + 3 * DAY_MS]
    assert Kept().take(*(event(said, at) for at in times)) == [0, 1, 1, 0, 0]
    kept = Kept()
    assert [kept.take(event(said, at))[0] for at in times] == [0, 1, 1, 0, 0]


def test_what_is_not_counted_is_not_remembered() -> None:
    kept = Kept()
    assert kept.take(event(SIMHASH), event(SIMHASH), event("x"), uncounted=frozenset({0, 2})) == [NONE, 0, NONE]
    assert kept.take(event("x")) == [0]


def test_it_is_remembered_by_the_state() -> None:
    kept = Kept()
    kept.take(event(SIMHASH), event("x"))
    kept.drain()
    kept.take(event("never written"))
    kept.reload()
    assert kept.take(event(flipped(SIMHASH, 3)), event("x"), event("never written")) == [1, 1, 0]


SAID = st.sampled_from([None, "", "x", "y", *(flipped(SIMHASH, *bits) for bits in (
    (), (0,), (0, 16), (0, 16, 32), (0, 16, 32, 48), range(8), range(9), range(4, 13), (*range(4), *range(16, 20)), range(20, 40),
))])  # fmt: skip


@settings(deadline=None, max_examples=300)
@given(
    st.lists(st.tuples(SAID, st.sampled_from("vw"), st.integers(0, 2), st.booleans()), max_size=40),
    st.sets(st.integers(1, 40)),
    st.sets(st.integers(1, 40)),
)
def test_however_it_is_cut_it_is_what_the_rule_in_words_says(
    calls: list[tuple[str | None, str, int, bool]], cuts: set[int], restarts: set[int]
) -> None:
    kept, found, expected = Kept(capacity=4), [], []
    oracle = Expected.__new__(Expected)
    oracle.prompts = {}
    borders = sorted({0, len(calls), *(cut for cut in cuts if cut < len(calls))})
    for start, end in pairwise(borders):
        part = calls[start:end]
        events = [event(said or None, MONDAY + day * DAY_MS, workflow=name) for said, name, day, _ in part]
        found += kept.take(*events, uncounted=frozenset(place for place, call in enumerate(part) if not call[3]))
        kept.drain(MONDAY + 2 * DAY_MS)
        if start in restarts:
            kept.reload()
    for said, name, day, counted in calls:
        fields = {"team": "t", "workflow": name, "occurred_at": MONDAY + day * DAY_MS, "prompt_fingerprint": said}
        expected.append(int(oracle._repeats(fields)) if counted and said else NONE)
    assert found == expected


def test_the_place_of_a_workflow_survives_many_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept at hand is bounded, and only kept at hand."""
    monkeypatch.setattr("streams.core.asked._MOST_PLACES", 3)
    kept = Kept()
    names = [f"w{number}" for number in range(20)]
    assert kept.take(*(event("x", workflow=name) for name in names)) == [0] * 20
    assert kept.take(*(event("x", workflow=name) for name in names)) == [1] * 20


def test_lengths_that_make_up_for_each_other_are_not_taken_for_digits_of_others() -> None:
    """Eight digits and 24 are as many as twice 16, and say the same in one slice as in two."""
    short, long = event("a" * 8), event("b" * 24)
    at_once, apart = Kept(), Kept()
    at_once.take(short, long)
    apart.take(short)
    apart.take(long)
    for said in ("c" * 16, "a" * 8 + "b" * 8):
        assert at_once.take(event(said)) == apart.take(event(said)) == [0]
    assert at_once.take(long) == apart.take(long) == [1]


def test_equal_calls_of_a_run_have_equal_numbers() -> None:
    kept = Kept()
    kept.take(event(SIMHASH), event(flipped(SIMHASH, 1)), event(flipped(SIMHASH, 60)), event("x"), event())
    first = kept.asked.first
    assert first[0] == first[1] != first[2]
    assert first[4] == 0
    assert all(first[:4])
    assert all(isinstance(number, int) and not isinstance(number, np.integer) for number in first)


def test_the_same_prompt_is_found_however_many_share_its_bands() -> None:
    """All bands of a day are taken one day; what is asked for the second time is found as a whole."""
    kept, noise = Kept(), Random(5)
    said = [
        f"{noise.getrandbits(3) << 48 | noise.getrandbits(3) << 32 | number << 16 | number % 7:016x}"
        for number in range(900)
    ]
    fresh = [text for text, repeat in zip(said, kept.take(*map(event, said)), strict=True) if not repeat]
    assert kept.take(*map(event, fresh)) == [1] * len(fresh)
