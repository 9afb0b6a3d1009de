"""What a record decodes to depends on its own bytes, whatever stands beside it."""

import json
from typing import Any

import msgspec
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from streams.core.avro import USAGE_EVENT, encode
from streams.core.events import Rejection, UsageDecoder, UsageEvent

SCHEMAS = {7: USAGE_EVENT.schema}
# How long an example takes on a busy machine says nothing about decoding.
UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
# Small enough for a generated value to exceed it, so that chunks and records meet the limit from both sides.
MAX_BYTES = 2_000

letters = st.text('ab "\\/{}[]\n\x00\x7f\x85é決🚀', max_size=8)
names = letters | st.sampled_from(["payments", "a\nb", "", "x" * 201])
numbers = st.integers(min_value=-2, max_value=2**41) | st.sampled_from([True, 1.0, None, "1", 2**64, 10**30])
times = st.sampled_from(
    [1_767_225_600_000, 0, 1_767_225_600, 4_102_444_800_000, "2026-01-01T00:00:00Z", "2026-01-01T00:00:00", "x", None]
)
trees = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | letters,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(letters, inner, max_size=3),
    max_leaves=10,
)

good_fields = st.fixed_dictionaries(
    {
        "event_id": st.text("abc123", min_size=1, max_size=5),
        "source": st.just("native"),
        "occurred_at": st.integers(min_value=1_420_070_400_000, max_value=4_102_444_800_000),
        "team": st.sampled_from(["payments", "Zahlungen äöü", "決済", 'quote"d']),
        "workflow": st.just("pr-review"),
        "model": st.just("m"),
    },
    optional={
        "actor": st.sampled_from(["u-1", "", None]),
        "run_id": st.sampled_from(["run-1", "", None]),
        "input_tokens": st.integers(min_value=0, max_value=2**40),
        "cost_micro_usd": st.none() | st.integers(min_value=0, max_value=2**53),
        "attributes": st.dictionaries(
            st.sampled_from("abc"), st.sampled_from(["x", "[[", "line\nline", "é"]), max_size=2
        ),
        "future": trees,
    },
)
doubtful_fields = st.fixed_dictionaries(
    {"event_id": names, "source": names, "occurred_at": times, "team": names, "workflow": names, "model": names},
    optional={
        "actor": names | st.none(),
        "reasoning_tokens": numbers,
        "output_tokens": numbers,
        "cost_micro_usd": numbers,
        "status": st.sampled_from(["ok", "error", "lost", 1]),
        "attributes": st.dictionaries(names, names | numbers, max_size=3) | trees,
        "future": trees,
    },
)
escaped_or_not = st.booleans()


def to_json(fields: dict[str, Any], ascii_only: bool) -> bytes:
    return json.dumps(fields, ensure_ascii=ascii_only).encode()


def to_avro(fields: dict[str, Any], schema_id: int | None) -> bytes:
    event = UsageEvent(**{name: value for name, value in fields.items() if name != "future"})
    return encode(event, "avro", schema_id)


good = st.builds(to_json, good_fields, escaped_or_not)
doubtful = st.builds(to_json, doubtful_fields, escaped_or_not)
pretty = good_fields.map(lambda fields: json.dumps(fields, indent=1).encode() + b"\n")
avro = st.builds(to_avro, good_fields, st.sampled_from([None, 7]))
pieces = st.sampled_from(
    [
        b"",
        b"{",
        b"}",
        b"{}",
        b"[",
        b"]",
        b'"',
        b",",
        b":",
        b"\n",
        b" ",
        b"\\",
        b"\x00",
        b"\xc3\x01",
        b"\xef\xbb\xbf",
        b"\xff",
    ]
)
fragments = st.lists(pieces, max_size=6).map(b"".join)
special = st.sampled_from(
    [
        None,
        b"",
        b"[" * 100 + b"]" * 100,
        b'{"a":' * 70 + b"1" + b"}" * 70,
        b"{" + b" " * MAX_BYTES + b"}",
        b"\x00\x00\x00\x00\x07",
        b"\x00\x00\x00\x00\x08abc",
    ]
)


@st.composite
def torn(draw: st.DrawFn) -> list[bytes]:
    """One good document cut in two records, beside one record that holds two: as many documents as records."""
    value = draw(good | pretty)
    cut = draw(st.integers(min_value=0, max_value=len(value)))
    glue = draw(st.sampled_from([b"", b"\n", b" "]))
    return [value[:cut], value[cut:], draw(good) + glue + draw(good)]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A sound record with a few bytes overwritten, removed or put in."""
    value = bytearray(draw(good | avro))
    for _ in range(draw(st.integers(min_value=1, max_value=3))):
        at = draw(st.integers(min_value=0, max_value=len(value)))
        length = draw(st.integers(min_value=0, max_value=3))
        value[at : at + length] = draw(st.binary(max_size=3) | pieces)
    return bytes(value)


value_groups = st.one_of(
    (good | doubtful | pretty | avro | fragments | special | mutated() | st.binary(max_size=20)).map(
        lambda value: [value]
    ),
    torn(),
)
chunks = st.lists(value_groups, max_size=6).map(lambda groups: [value for group in groups for value in group])


@settings(UNHURRIED, max_examples=400)
@given(chunks)
@example([b'{"a":', b"1}", b"{}{}"])
@example([b'{"attributes":{}', b"{}}", b"{}{}"])
@example([b"", b"{}\n{}"])
def test_decoding_a_mix_equals_decoding_each_alone(values: list[bytes | None]) -> None:
    decoder = UsageDecoder(SCHEMAS, max_record_bytes=MAX_BYTES)
    together = decoder.decode(values)
    alone = [decoder.decode([value]) for value in values]
    assert together.events == [result.events[0] for result in alone]
    assert together.rejected == sum(result.rejected for result in alone)
    assert together.rejected == sum(isinstance(event, Rejection) for event in together.events)


@settings(UNHURRIED, max_examples=200)
@given(st.lists(good | avro, max_size=8))
def test_nothing_good_is_refused(values: list[bytes]) -> None:
    assert UsageDecoder(SCHEMAS).decode(values).rejected == 0


@settings(UNHURRIED, max_examples=200)
@given(good_fields, escaped_or_not)
def test_nothing_good_is_changed(fields: dict[str, Any], ascii_only: bool) -> None:
    (event,) = UsageDecoder().decode([to_json(fields, ascii_only)]).events
    assert isinstance(event, UsageEvent)
    for name, value in fields.items():
        if name != "future":
            assert getattr(event, name) == (None if value == "" else value)


@settings(UNHURRIED, max_examples=400)
@given(doubtful | mutated() | good)
def test_whatever_is_accepted_keeps_every_bound(value: bytes) -> None:
    (event,) = UsageDecoder(SCHEMAS).decode([value]).events
    if isinstance(event, UsageEvent):
        assert msgspec.convert(msgspec.structs.asdict(event), UsageEvent) == event
        assert event.reasoning_tokens <= event.output_tokens
        texts = [text for text in msgspec.structs.astuple(event) if isinstance(text, str)]
        assert "" not in texts
        assert not any(ord(letter) < 32 or 127 <= ord(letter) < 160 for text in texts for letter in text)
        assert event == UsageDecoder().decode([encode(event, "avro")]).events[0]
