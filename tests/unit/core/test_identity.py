"""Identity: what makes two records the same event, and two sources' words the same call."""

from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.core import keys
from streams.core.events import UsageEvent
from streams.core.identity import (
    AGREE_WITHIN_S,
    Sources,
    agree,
    asked_on_day,
    call_hashes,
    event_hashes,
    request_hashes,
    source_of,
    witness,
)
from streams.state.memory import MemoryStore

#: 2026-01-05T00:00:00Z.
MONDAY = 1_767_571_200_000


def said_of(event: UsageEvent, source_number: int) -> int:
    """A source's witness of an event; all input of a call is its prompt, however it is cached."""
    prompt = event.input_tokens + event.cache_read_tokens + event.cache_write_tokens
    return witness(prompt, event.output_tokens, event.occurred_at, source_number)


def event(**fields: Any) -> UsageEvent:
    """An event of which only identity matters."""
    required = {"event_id": "1", "source": "s", "occurred_at": MONDAY, "team": "t", "workflow": "w", "model": "m"}
    return UsageEvent(**{**required, **fields})


def test_hashes_are_what_stores_hold() -> None:
    """A change of the hash would forget everything seen."""
    assert event_hashes([event()], 0) == [366_987_224_017_859_763]
    assert request_hashes([event(request_id="r")], 0) == [13_653_569_331_843_238_709]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"source": "a", "event_id": "b"}, {"source": "b", "event_id": "a"}),
        ({"source": "ab", "event_id": "c"}, {"source": "a", "event_id": "bc"}),
        ({"source": "a"}, {"source": "A"}),
    ],
)
def test_different_identities_have_different_hashes(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Source and id do not run into each other."""
    first, second = event_hashes([event(**one), event(**other)], 0)
    assert first != second


def test_nothing_but_source_and_event_id_is_identity() -> None:
    """A corrected resend is still a resend."""
    first, second = event_hashes([event(), event(team="x", occurred_at=MONDAY + 1, input_tokens=5)], 0)
    assert first == second


def test_the_seed_changes_every_hash() -> None:
    """So that nobody outside can look for collisions."""
    assert event_hashes([event()], 1) != event_hashes([event()], 2)
    assert request_hashes([event(request_id="r")], 1) != request_hashes([event(request_id="r")], 2)


def test_an_event_without_a_request_id_has_no_request_hash() -> None:
    """Zero, in the place of its event."""
    found = request_hashes([event(), event(request_id="r"), event()], 0)
    assert [bool(each) for each in found] == [False, True, False]


@pytest.mark.parametrize("number", [0, 1, 65_534])
def test_a_witness_names_its_source(number: int) -> None:
    """Whatever it says besides."""
    for fields in ({}, {"input_tokens": 2**40, "output_tokens": 2**40}):
        said = said_of(event(**fields), number)
        assert source_of(said) == number
        assert 0 <= said < 1 << 64


@pytest.mark.parametrize(
    ("tokens", "same"),
    [
        ({"input_tokens": 100}, True),
        ({"input_tokens": 60, "cache_read_tokens": 40}, True),
        ({"cache_read_tokens": 60, "cache_write_tokens": 40}, True),
        ({"input_tokens": 100, "reasoning_tokens": 0, "cost_micro_usd": 5}, True),
        ({"input_tokens": 99}, False),
        ({"input_tokens": 99, "output_tokens": 1}, False),
        ({"input_tokens": 100, "output_tokens": 1}, False),
        ({"output_tokens": 100}, False),
    ],
)
def test_agreement_is_on_prompt_and_output_tokens(tokens: dict[str, int], same: bool) -> None:
    """However a source splits the prompt into cached and uncached."""
    assert agree(said_of(event(input_tokens=100), 1), said_of(event(**tokens), 2)) is same


@pytest.mark.parametrize(
    "start", [MONDAY, (1 << 24) * 105 * 1000], ids=["any time", "where 24 bits of seconds begin anew"]
)
@pytest.mark.parametrize(
    ("apart_s", "same"),
    [(0, True), (1, True), (AGREE_WITHIN_S, True), (AGREE_WITHIN_S + 1, False), (86_400, False), (1 << 23, False)],
)
def test_agreement_is_on_time_within_a_quarter_of_an_hour(start: int, apart_s: int, same: bool) -> None:
    """In either direction."""
    first = said_of(event(occurred_at=start), 1)
    for sign in (1, -1):
        second = said_of(event(occurred_at=start + sign * apart_s * 1000), 2)
        assert agree(first, second) is agree(second, first) is same


# -------------------------------------------------------------------------------------------------------------- sources


def test_sources_are_numbered_in_the_order_they_are_met() -> None:
    """And keep their numbers over a restart."""
    store = MemoryStore()
    sources = Sources(store)
    assert [sources.number(name) for name in ("b", "a", "b")] == [0, 1, 0]
    writes: dict[bytes, bytes | None] = {}
    sources.drain(writes)
    assert writes == {keys.SOURCES: b'["b","a"]'}
    store.write(writes)
    again = Sources(store)
    assert [again.number(name) for name in ("a", "c", "b")] == [1, 2, 0]
    assert again.names == ["b", "a", "c"]


def test_names_are_written_only_when_there_are_new_ones() -> None:
    """Not in every transaction."""
    sources = Sources(MemoryStore())
    for name, expected in (("a", 1), ("a", 0), ("b", 1), ("a", 0)):
        sources.number(name)
        writes: dict[bytes, bytes | None] = {}
        sources.drain(writes)
        assert len(writes) == expected


def test_sources_beyond_the_last_number_share_it() -> None:
    """The state does not grow with whatever producers put into the field; those known keep their numbers."""
    sources = Sources(MemoryStore())
    numbers = [sources.number(f"source-{number}") for number in range(4_098)]
    assert numbers[:4_096] == list(range(4_096))
    assert numbers[4_096:] == [4_095, 4_095]
    assert len(sources.names) == 4_096
    assert sources.number("source-0") == 0


# ------------------------------------------------------------------------------------------------------- what was asked


def bands(fingerprint: str | None, **fields: Any) -> set[int]:
    """The hashes of one event that has a fingerprint."""
    found = call_hashes([event(prompt_fingerprint=fingerprint, **fields)], 7)
    assert len(found) == 4
    return {each for each in found if each}


def flipped(fingerprint: str, *bits: int) -> str:
    """A fingerprint with some bits turned."""
    number = int(fingerprint, 16)
    for bit in bits:
        number ^= 1 << bit
    return f"{number:016x}"


SIMHASH = "0123456789abcdef"


def test_an_event_has_four_places_whether_it_has_a_fingerprint_or_not() -> None:
    """So that events and hashes go side by side."""
    found = call_hashes([event(), event(prompt_fingerprint=SIMHASH), event(prompt_fingerprint="short"), event()], 7)
    assert [bool(each) for each in found] == [False] * 4 + [True] * 5 + [False] * 7


@settings(deadline=None, max_examples=200)
@given(st.integers(0, (1 << 64) - 1), st.sets(st.integers(0, 63), max_size=3))
def test_texts_that_differ_in_three_bits_share_a_band(number: int, bits: set[int]) -> None:
    """Three bits lie in three bands at most, and there are four."""
    said = f"{number:016x}"
    assert bands(said) & bands(flipped(said, *bits))


def test_texts_that_differ_in_each_band_share_none() -> None:
    assert not bands(SIMHASH) & bands(flipped(SIMHASH, 0, 16, 32, 48))


def test_bands_are_told_apart_by_their_place() -> None:
    """The same digits elsewhere are another text."""
    assert len(bands("abcdabcdabcdabcd")) == 4
    assert not bands("abcd000000000000") & bands("1111abcd11111111")


@pytest.mark.parametrize("fields", [{"workflow": "x"}, {"team": "x"}, {"team": "tw", "workflow": ""}])
@pytest.mark.parametrize("said", [SIMHASH, "other"])
def test_what_another_workflow_asks_is_no_repetition(said: str, fields: dict[str, str]) -> None:
    assert not bands(said) & bands(said, **fields)


def test_a_fingerprint_of_another_kind_is_equal_or_not() -> None:
    """Nothing is known of how its digits come about."""
    assert bands("sha256:aaaa") == bands("sha256:aaaa")
    assert not bands("sha256:aaaa") & bands("sha256:aaab")
    assert len(bands("sha256:aaaa")) == 1


def test_few_unrelated_texts_share_a_band() -> None:
    """Four bands of sixteen bits: one pair in 16,000."""
    noise = Random(1)
    found = [bands(f"{noise.getrandbits(64):016x}") for _ in range(400)]
    pairs = sum(bool(one & other) for number, one in enumerate(found) for other in found[:number])
    assert pairs <= 20


DAY_MS = 86_400_000


def test_what_is_asked_again_is_known_by_its_day() -> None:
    """Whenever it was on that day; so the day before can be asked for. The calls of a run are compared without it."""
    events = [
        event(prompt_fingerprint=SIMHASH, occurred_at=at)
        for at in (MONDAY, MONDAY + DAY_MS - 1, MONDAY + DAY_MS, MONDAY - 1)
    ]  # fmt: skip
    calls = call_hashes(events, 7)
    assert len(set(calls)) == 4
    asked = asked_on_day(calls, events)
    assert asked[:4] == asked[4:8]
    assert len(set(asked)) == 12
    assert 0 not in asked
    assert asked_on_day(calls, events, 1)[8:12] == asked[:4]


def test_what_has_no_fingerprint_was_asked_on_no_day() -> None:
    """Places stay as they are."""
    events = [event(), event(prompt_fingerprint="short"), event()]
    found = asked_on_day(call_hashes(events, 7), events)
    assert [bool(each) for each in found] == [False] * 4 + [True] + [False] * 7
    assert asked_on_day([], []) == []
