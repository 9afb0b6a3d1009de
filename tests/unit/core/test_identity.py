"""Identity: what makes two records the same event, and two sources' words the same call."""

from typing import Any

import pytest

from streams.core import keys
from streams.core.events import UsageEvent
from streams.core.identity import (
    AGREE_WITHIN_S,
    Sources,
    agree,
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
