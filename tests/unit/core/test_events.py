"""Decoding usage events: what is accepted, what is refused, why, and that neighbours never matter."""

import json
from io import BytesIO
from typing import Any

import msgspec
import pytest
from fastavro import schemaless_writer

from streams.core.avro import USAGE_EVENT, encode, parse_schema
from streams.core.events import Decoded, Rejection, UsageDecoder, UsageEvent, schema_ids
from streams.core.reasons import Reason
from streams.core.rejections import diagnose_value
from streams.core.schemas import ParsedSchema

NOW = 1_767_225_600_000
MINIMAL: dict[str, Any] = {
    "event_id": "evt-1",
    "source": "native",
    "occurred_at": NOW,
    "team": "payments",
    "workflow": "pr-review",
    "model": "claude-sonnet-4-5",
}
FULL: dict[str, Any] = {
    **MINIMAL,
    "actor": "u-1",
    "run_id": "run-1",
    "request_id": "req-1",
    "tool": "claude-code",
    "provider": "anthropic",
    "operation": "chat",
    "input_tokens": 1200,
    "cache_read_tokens": 90_000,
    "cache_write_tokens": 10,
    "output_tokens": 800,
    "reasoning_tokens": 300,
    "cost_micro_usd": 41_250,
    "status": "ok",
    "trigger": "agent",
    "prompt_fingerprint": "9f86d081884c7d65",
    "attributes": {"region": "eu-west-1"},
}


def as_json(**changes: Any) -> bytes:
    return json.dumps({**FULL, **changes}, ensure_ascii=False).encode()


def decode(value: bytes | None, schemas: dict[int, ParsedSchema] | None = None) -> UsageEvent | Rejection:
    """Decode one value, alone and between two good ones; both must agree."""
    decoder = UsageDecoder(schemas)
    good = msgspec.convert(FULL, UsageEvent)
    alone = decoder.decode([value])
    amid = decoder.decode([as_json(), value, as_json()])
    assert amid == Decoded([good, alone.events[0], good], alone.rejected)
    return alone.events[0]


def accepted(value: bytes | None, schemas: dict[int, ParsedSchema] | None = None) -> UsageEvent:
    event = decode(value, schemas)
    assert isinstance(event, UsageEvent), event
    return event


def refused(value: bytes | None, schemas: dict[int, ParsedSchema] | None = None) -> Rejection:
    rejection = decode(value, schemas)
    assert isinstance(rejection, Rejection), rejection
    assert len(rejection.detail) <= 200
    return rejection


# --------------------------------------------------------------------------------------------------- what is accepted


def test_every_field_is_read() -> None:
    event = accepted(as_json())
    assert {name: getattr(event, name) for name in event.__struct_fields__} == FULL


def test_a_minimal_event_takes_the_published_defaults() -> None:
    event = accepted(json.dumps(MINIMAL).encode())
    assert (event.operation, event.status, event.trigger, event.attributes) == ("chat", "ok", "unknown", {})
    assert event.cost_micro_usd is None
    assert event.input_tokens == event.output_tokens == 0


def test_no_values_decode_to_no_events() -> None:
    assert UsageDecoder().decode([]) == Decoded([], 0)


@pytest.mark.parametrize(
    "value",
    [
        json.dumps(FULL, indent=2).encode(),
        b"  " + as_json() + b"\r\n",
        as_json(field_of_the_future={"nested": [1, {"deep": None}]}, another=1.5),
        as_json().replace(b'"payments"', b'"pay\\u006dents"'),
        as_json(actor=None, run_id=None, cost_micro_usd=None)[:-1]
        + b',"actor":"u-1","run_id":"run-1","cost_micro_usd":41250}',
    ],
    ids=["pretty printed", "padded", "unknown fields", "escaped letters", "duplicate keys: the last one counts"],
)
def test_other_ways_to_write_the_same_event(value: bytes) -> None:
    assert accepted(value) == msgspec.convert(FULL, UsageEvent)


def test_null_is_accepted_where_unknown_is_possible() -> None:
    names = ("actor", "run_id", "request_id", "tool", "provider", "cost_micro_usd", "prompt_fingerprint")
    event = accepted(as_json(**dict.fromkeys(names)))
    assert all(getattr(event, name) is None for name in names)


def test_an_empty_optional_text_is_unknown() -> None:
    names = ("actor", "run_id", "request_id", "tool", "provider", "prompt_fingerprint")
    for name in names:
        assert getattr(accepted(as_json(**{name: ""})), name) is None
    event = accepted(as_json(**dict.fromkeys(names, "")))
    assert all(getattr(event, name) is None for name in names)


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("2026-01-01T00:00:00Z", NOW),
        ("2026-01-01T01:30:00+01:30", NOW),
        ("2025-12-31T16:00:00.25-08:00", NOW + 250),
        ("2026-01-01T00:00:00.123999Z", NOW + 123),
    ],
)
def test_a_time_may_be_rfc_3339_text_with_a_zone(text: str, milliseconds: int) -> None:
    assert accepted(as_json(occurred_at=text)) == msgspec.convert({**FULL, "occurred_at": milliseconds}, UsageEvent)


@pytest.mark.parametrize("occurred_at", [1_420_070_400_000, 4_102_444_800_000, 253_402_300_799_999])
def test_any_time_from_2015_on_is_decoded_because_the_future_is_for_the_engine_to_judge(occurred_at: int) -> None:
    assert accepted(as_json(occurred_at=occurred_at)).occurred_at == occurred_at


def test_bounds_are_inclusive_and_lengths_count_characters() -> None:
    team, event_id = "ü" * 200, "界" * 256
    attributes = {f"{index:064}": "x" * 1024 for index in range(64)}
    event = accepted(as_json(team=team, event_id=event_id, input_tokens=2**40, cost_micro_usd=2**53, actor="a" * 256))
    assert (event.team, event.event_id, event.input_tokens) == (team, event_id, 2**40)
    assert accepted(as_json(attributes=attributes)).attributes == attributes
    assert accepted(as_json(output_tokens=5, reasoning_tokens=5)).reasoning_tokens == 5


def test_values_of_attributes_may_hold_lines_and_brackets() -> None:
    text = "line\nnext\ttab " + "[{" * 200
    assert accepted(as_json(attributes={"note": text})).attributes == {"note": text}


def test_printable_text_of_any_script_is_accepted() -> None:
    for team in ("Zahlungsverkehr ÄÖÜ", "決済", "оплата", "🚀 rockets", "non\u00a0breaking", 'quote" and \\ slash'):
        assert accepted(as_json(team=team)).team == team


# ------------------------------------------------------------------------------------------- what is refused, and why


@pytest.mark.parametrize(
    ("value", "reason", "words"),
    [
        (None, Reason.TOMBSTONE, "no value"),
        (b"", Reason.EMPTY, "empty"),
        (b"{" + b" " * (2 * 1024 * 1024) + b"}", Reason.TOO_LARGE, "1048576"),
        (b'{"team":"' + b"x" * (2 * 1024 * 1024) + b'"}', Reason.TOO_LARGE, "1048576"),
        (b"{", Reason.INVALID_JSON, "truncated"),
        (b"not json", Reason.INVALID_JSON, "malformed"),
        (as_json()[:-1], Reason.INVALID_JSON, "truncated"),
        (as_json()[:-1] + b",}", Reason.INVALID_JSON, "trailing comma"),
        (as_json() + b"x", Reason.INVALID_JSON, "trailing characters"),
        (as_json() + b"}", Reason.INVALID_JSON, "trailing characters"),
        (b"   ", Reason.INVALID_JSON, "truncated"),
        (
            as_json(cost_micro_usd=0).replace(b'"cost_micro_usd": 0', b'"cost_micro_usd": NaN'),
            Reason.INVALID_JSON,
            "NaN",
        ),
        (as_json(cost_micro_usd=0).replace(b": 0", b": -Infinity"), Reason.INVALID_JSON, "malformed"),
        (b"\xef\xbb\xbf" + as_json(), Reason.INVALID_JSON, "byte order mark"),
        (as_json().decode().encode("utf-16"), Reason.INVALID_UTF8, "UTF-8"),
        (as_json(team="x").replace(b'"x"', b'"a\x00b"'), Reason.INVALID_JSON, "malformed"),
        (as_json(team="x").replace(b'"x"', b'"a\nb"'), Reason.INVALID_JSON, "malformed"),
        (as_json(team="x").replace(b'"x"', b'"\\ud800"'), Reason.INVALID_JSON, "send one JSON object"),
        (as_json(team="x").replace(b'"x"', b'"\xff"'), Reason.INVALID_UTF8, "byte"),
        (as_json(team="x").replace(b'"x"', b'"\xed\xa0\x80"'), Reason.INVALID_UTF8, "byte"),
        (as_json(future="x").replace(b'"x"', b'"\xc3"'), Reason.INVALID_UTF8, "byte"),
        (as_json() + as_json(), Reason.MULTIPLE_DOCUMENTS, "one a record"),
        (as_json() + b"\n" + as_json(), Reason.MULTIPLE_DOCUMENTS, "one a record"),
        (as_json() + b"{}", Reason.MULTIPLE_DOCUMENTS, "one a record"),
        (as_json(future=json.loads("[" * 100 + "]" * 100)), Reason.INVALID_JSON, "deeper than 64"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, Reason.INVALID_JSON, "deeper than 64"),
        (b"[" * 500_000, Reason.INVALID_JSON, "deeper than 64"),
        (b"[]", Reason.WRONG_TYPE, "the record must be object, not array"),
        (b"[" + as_json() + b"]", Reason.WRONG_TYPE, "the record must be object, not array"),
        (b"17", Reason.WRONG_TYPE, "the record must be object, not int"),
        (b"null", Reason.WRONG_TYPE, "the record must be object, not null"),
        (b"{}", Reason.MISSING_FIELD, "field event_id is missing"),
    ],
)
def test_records_that_are_not_one_json_object(value: bytes | None, reason: Reason, words: str) -> None:
    rejection = refused(value)
    assert rejection.reason is reason
    if words != "NaN":
        assert words in rejection.detail


@pytest.mark.parametrize(
    ("changes", "reason", "words"),
    [
        ({"team": ""}, Reason.EMPTY, "field team"),
        ({"workflow": ""}, Reason.EMPTY, "field workflow"),
        ({"event_id": ""}, Reason.EMPTY, "field event_id"),
        ({"source": ""}, Reason.EMPTY, "field source"),
        ({"model": ""}, Reason.EMPTY, "field model"),
        ({"operation": ""}, Reason.EMPTY, "field operation"),
        ({"attributes": {"": "x"}}, Reason.EMPTY, "field attributes"),
        ({"team": None}, Reason.WRONG_TYPE, "field team must be str, not null"),
        ({"team": 5}, Reason.WRONG_TYPE, "field team must be str, not int"),
        ({"team": ["a"]}, Reason.WRONG_TYPE, "field team must be str, not array"),
        ({"actor": 5}, Reason.WRONG_TYPE, "field actor must be str | null, not int"),
        ({"input_tokens": "12"}, Reason.WRONG_TYPE, "field input_tokens must be int, not str"),
        ({"input_tokens": 1.0}, Reason.WRONG_TYPE, "field input_tokens must be int, not float"),
        ({"input_tokens": 1.5}, Reason.WRONG_TYPE, "field input_tokens must be int, not float"),
        ({"input_tokens": True}, Reason.WRONG_TYPE, "field input_tokens must be int, not bool"),
        ({"input_tokens": None}, Reason.WRONG_TYPE, "field input_tokens must be int, not null"),
        ({"cost_micro_usd": 0.5}, Reason.WRONG_TYPE, "field cost_micro_usd"),
        ({"attributes": {"a": 1}}, Reason.WRONG_TYPE, "field attributes must be str, not int"),
        ({"attributes": None}, Reason.WRONG_TYPE, "field attributes"),
        ({"attributes": []}, Reason.WRONG_TYPE, "field attributes"),
        ({"status": 1}, Reason.WRONG_TYPE, "field status"),
        ({"status": "OK"}, Reason.UNKNOWN_VALUE, "field status"),
        ({"trigger": "cosmic ray" * 50}, Reason.UNKNOWN_VALUE, "field trigger"),
        ({"input_tokens": -1}, Reason.OUT_OF_RANGE, "field input_tokens is out of range: it must be >= 0"),
        ({"output_tokens": 2**40 + 1}, Reason.OUT_OF_RANGE, "field output_tokens"),
        ({"output_tokens": 2**63}, Reason.OUT_OF_RANGE, "field output_tokens"),
        ({"output_tokens": 10**400}, Reason.OUT_OF_RANGE, "field output_tokens"),
        ({"cost_micro_usd": -1}, Reason.OUT_OF_RANGE, "field cost_micro_usd"),
        ({"cost_micro_usd": 2**53 + 1}, Reason.OUT_OF_RANGE, "field cost_micro_usd"),
        ({"team": "x" * 201}, Reason.TOO_LONG, "field team is too long: its length must be <= 200"),
        ({"actor": "x" * 257}, Reason.TOO_LONG, "field actor"),
        ({"attributes": {"k" * 65: "v"}}, Reason.TOO_LONG, "field attributes"),
        ({"attributes": {"k": "v" * 1025}}, Reason.TOO_LONG, "field attributes"),
        ({"attributes": {str(i): "" for i in range(65)}}, Reason.TOO_LONG, "field attributes"),
        ({"team": "a\x00b"}, Reason.FORBIDDEN_CHARACTER, "field team"),
        ({"workflow": "a\nb"}, Reason.FORBIDDEN_CHARACTER, "field workflow"),
        ({"event_id": "a\x7fb"}, Reason.FORBIDDEN_CHARACTER, "field event_id"),
        ({"actor": "a\x85b"}, Reason.FORBIDDEN_CHARACTER, "field actor"),
        ({"attributes": {"a\tb": "v"}}, Reason.FORBIDDEN_CHARACTER, "field attributes"),
        ({"attributes": {"a": "b\x00"}}, Reason.FORBIDDEN_CHARACTER, "field attributes"),
        ({"reasoning_tokens": 801}, Reason.INCONSISTENT, "field reasoning_tokens exceeds output_tokens"),
        ({"occurred_at": 0}, Reason.TIMESTAMP_OUT_OF_RANGE, "milliseconds since 1970"),
        ({"occurred_at": NOW // 1000}, Reason.TIMESTAMP_OUT_OF_RANGE, "not seconds"),
        ({"occurred_at": NOW * 1000}, Reason.TIMESTAMP_OUT_OF_RANGE, "not seconds or microseconds"),
        ({"occurred_at": 10**400}, Reason.TIMESTAMP_OUT_OF_RANGE, "field occurred_at"),
        ({"occurred_at": "1970-01-01T00:00:00Z"}, Reason.TIMESTAMP_OUT_OF_RANGE, "field occurred_at"),
        ({"occurred_at": "0001-01-01T00:00:00+14:00"}, Reason.TIMESTAMP_OUT_OF_RANGE, "field occurred_at"),
        ({"occurred_at": "2026-01-01T00:00:00"}, Reason.INVALID_TIMESTAMP, "with a zone"),
        ({"occurred_at": "yesterday"}, Reason.INVALID_TIMESTAMP, "RFC 3339"),
        ({"occurred_at": str(NOW)}, Reason.INVALID_TIMESTAMP, "RFC 3339"),
        ({"occurred_at": ""}, Reason.INVALID_TIMESTAMP, "RFC 3339"),
        ({"occurred_at": None}, Reason.WRONG_TYPE, "field occurred_at must be int, not null"),
        ({"occurred_at": float(NOW)}, Reason.WRONG_TYPE, "field occurred_at must be int, not float"),
        ({"occurred_at": "2026-01-01T00:00:00Z", "team": ""}, Reason.EMPTY, "field team"),
        ({"occurred_at": "2026-01-01T00:00:00Z", "output_tokens": 0}, Reason.INCONSISTENT, "reasoning_tokens"),
    ],
)
def test_fields_out_of_bounds(changes: dict[str, Any], reason: Reason, words: str) -> None:
    rejection = refused(as_json(**changes))
    assert rejection.reason is reason, rejection
    assert words in rejection.detail


@pytest.mark.parametrize("name", sorted(MINIMAL))
def test_a_missing_field_is_named(name: str) -> None:
    value = json.dumps({key: value for key, value in FULL.items() if key != name}).encode()
    assert refused(value) == Rejection(Reason.MISSING_FIELD, f"field {name} is missing: send it in every record")


def test_a_duplicate_key_must_be_valid_each_time() -> None:
    assert refused(as_json()[:-1] + b',"team":5}').reason is Reason.WRONG_TYPE
    assert refused(as_json(team=5)[:-1] + b',"team":"payments"}').reason is Reason.WRONG_TYPE
    twice = b',"occurred_at":"2026-01-01T00:00:00Z"}'
    assert refused(as_json()[:-1] + twice).reason is Reason.WRONG_TYPE


def test_details_never_echo_what_the_record_holds() -> None:
    secret = "alice@example.com"
    for changes in (
        {"status": secret},
        {"actor": secret + "\n"},
        {"team": secret * 50},
        {"occurred_at": secret},
        {"attributes": {secret: 1}},
    ):
        assert "alice" not in refused(as_json(**changes)).detail


def test_the_largest_accepted_record_can_be_chosen() -> None:
    value = as_json()
    assert UsageDecoder(max_record_bytes=len(value)).decode([value]).rejected == 0
    (rejection,) = UsageDecoder(max_record_bytes=len(value) - 1).decode([value]).events
    assert isinstance(rejection, Rejection)
    assert rejection.reason is Reason.TOO_LARGE


def test_a_large_chunk_of_small_records_is_not_too_large() -> None:
    value = as_json()
    assert UsageDecoder(max_record_bytes=len(value)).decode([value] * 50).rejected == 0


def test_hostile_text_costs_no_more_than_its_length() -> None:
    """Quadratic work on a megabyte of escaped quotes would never end."""
    text = b'{"a":"' + b'\\"' * 500_000
    assert refused(text).reason is Reason.INVALID_JSON
    assert refused(b"{" * 65 + text).reason is Reason.INVALID_JSON


# ------------------------------------------------------------------------------------------------ neighbours in a chunk


def test_an_empty_record_beside_a_double_one_does_not_shift_the_rest() -> None:
    first, second, third = (as_json(event_id=name) for name in ("first", "second", "third"))
    decoded = UsageDecoder().decode([first, b"", second + b"\n" + second, third])
    assert [type(event) for event in decoded.events] == [UsageEvent, Rejection, Rejection, UsageEvent]
    assert decoded.rejected == 2
    assert [event.event_id for event in decoded.events if isinstance(event, UsageEvent)] == ["first", "third"]


def test_a_document_that_straddles_two_records_does_not_shift_the_rest() -> None:
    """As many newlines and as many documents as records, and yet every record is wrong."""
    straddling = as_json(event_id="straddling").replace(b": {", b":\n{")
    head, tail = straddling.split(b"\n")
    decoded = UsageDecoder().decode([head, tail, as_json() + as_json()])
    assert [event.reason for event in decoded.events if isinstance(event, Rejection)] == [
        Reason.INVALID_JSON,
        Reason.INVALID_JSON,
        Reason.MULTIPLE_DOCUMENTS,
    ]


def test_braces_on_the_edges_of_records_cannot_join_them() -> None:
    values = [b'{"attributes":{}', b"{}}", as_json() + as_json()]
    assert UsageDecoder().decode(values).rejected == 3


def test_a_rejection_found_after_the_fast_pass_keeps_its_place() -> None:
    values = [as_json(), as_json(reasoning_tokens=10**6), as_json(team="a\nb"), as_json(actor="")]
    decoded = UsageDecoder().decode(values)
    assert decoded.rejected == 2
    assert [type(event) for event in decoded.events] == [UsageEvent, Rejection, Rejection, UsageEvent]


# ----------------------------------------------------------------------------------------------------------------- Avro

V1 = USAGE_EVENT.schema


def event(**changes: Any) -> UsageEvent:
    """An event built without validation, as a careless producer would."""
    return UsageEvent(**{**FULL, **changes})


def test_both_avro_forms_decode_to_the_same_event_as_json() -> None:
    assert accepted(encode(event(), "avro")) == event()
    assert accepted(encode(event(), "avro", 7), {7: V1}) == event()


def test_a_chunk_may_mix_all_forms() -> None:
    values = [encode(event(), "avro"), as_json(), encode(event(), "avro", 7), None]
    decoded = UsageDecoder({7: V1}).decode(values)
    assert decoded.events[:3] == [event()] * 3
    assert decoded.rejected == 1


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"team": ""}, Reason.EMPTY),
        ({"team": "x" * 201}, Reason.TOO_LONG),
        ({"team": "a\x00b"}, Reason.FORBIDDEN_CHARACTER),
        ({"input_tokens": -1}, Reason.OUT_OF_RANGE),
        ({"input_tokens": 2**62}, Reason.OUT_OF_RANGE),
        ({"occurred_at": 1_767_225_600}, Reason.TIMESTAMP_OUT_OF_RANGE),
        ({"reasoning_tokens": 801}, Reason.INCONSISTENT),
        ({"attributes": {"k" * 65: ""}}, Reason.TOO_LONG),
    ],
)
def test_avro_goes_through_the_same_bounds(changes: dict[str, Any], reason: Reason) -> None:
    assert refused(encode(event(**changes), "avro")).reason is reason


def test_an_empty_optional_text_is_unknown_in_avro_too() -> None:
    assert accepted(encode(event(actor="", run_id=""), "avro")) == event(actor=None, run_id=None)


@pytest.mark.parametrize(
    ("value", "reason", "words"),
    [
        (b"\x00", Reason.INVALID_AVRO, "takes 5 bytes and the record has 1"),
        (b"\x00\x00\x00\x00", Reason.INVALID_AVRO, "takes 5 bytes"),
        (b"\x00" * 40, Reason.UNKNOWN_SCHEMA, "schema id 0 "),
        (b"\x00\xff\xff\xff\xffabc", Reason.UNKNOWN_SCHEMA, "schema id 4294967295 "),
        (b"\x00\x00\x00\x00\x07", Reason.INVALID_AVRO, "truncated"),
        (encode(event(), "avro", 7)[:-1], Reason.INVALID_AVRO, "truncated"),
        (encode(event(), "avro", 7)[:40], Reason.INVALID_AVRO, "truncated"),
        (encode(event(), "avro", 7) + b"x", Reason.INVALID_AVRO, "1 bytes follow"),
        (b"\x00\x00\x00\x00\x07" + b"\xff" * 30, Reason.INVALID_AVRO, "does not fit"),
        (encode(event(team="x"), "avro", 7).replace(b"\x02x", b"\x02\xff"), Reason.INVALID_UTF8, "UTF-8"),
        (b"\xc3\x01", Reason.INVALID_AVRO, "takes 10 bytes and the record has 2"),
        (b"\xc3\x01" + bytes(20), Reason.UNKNOWN_SCHEMA, "fingerprint 0000000000000000"),
        (encode(event(), "avro")[:-1], Reason.INVALID_AVRO, "truncated"),
        (b"\xc3\x02" + bytes(20), Reason.INVALID_UTF8, "UTF-8"),
    ],
)
def test_avro_that_cannot_be_read(value: bytes, reason: Reason, words: str) -> None:
    rejection = refused(value, {7: V1})
    assert rejection.reason is reason, rejection
    assert words in rejection.detail


def test_without_a_registry_confluent_records_say_what_to_set() -> None:
    rejection = refused(encode(event(), "avro", 7))
    assert rejection.reason is Reason.UNKNOWN_SCHEMA
    assert "schema_registry_url" in rejection.detail


def writer(*fields: tuple[str, Any], name: str = "theirs.Usage") -> ParsedSchema:
    required: list[tuple[str, Any]] = [
        (name, "long" if name == "occurred_at" else "string") for name in MINIMAL if name not in dict(fields)
    ]
    return parse_schema(
        json.dumps(
            {
                "type": "record",
                "name": name,
                "fields": [{"name": name, "type": kind} for name, kind in (*required, *fields)],
            }
        )
    )


def confluent(schema: ParsedSchema, **fields: Any) -> bytes:
    stream = BytesIO(b"\x00\x00\x00\x00\x07")
    stream.seek(5)
    schemaless_writer(stream, schema.datum, {**MINIMAL, **fields})
    return stream.getvalue()


def test_a_producers_own_schema_may_leave_out_defaults_and_add_fields() -> None:
    schema = writer(("input_tokens", "int"), ("field_of_the_future", {"type": "array", "items": "double"}))
    value = confluent(schema, input_tokens=5, field_of_the_future=[1.5])
    assert accepted(value, {7: schema}) == UsageEvent(**MINIMAL, input_tokens=5)


def test_a_producers_own_schema_must_still_fit_the_types() -> None:
    schema = writer(("input_tokens", "double"), ("status", "string"))
    assert refused(confluent(schema, input_tokens=5.0, status="ok"), {7: schema}).reason is Reason.WRONG_TYPE
    schema = writer(("status", {"type": "enum", "name": "S", "symbols": ["ok", "lost"]}))
    assert accepted(confluent(schema, status="ok"), {7: schema}).status == "ok"
    assert refused(confluent(schema, status="lost"), {7: schema}).reason is Reason.UNKNOWN_VALUE
    schema = parse_schema('"string"')
    assert refused(b"\x00\x00\x00\x00\x07\x02a", {7: schema}).reason is Reason.WRONG_TYPE


def test_a_producers_own_schema_may_write_times_as_text() -> None:
    schema = writer(("occurred_at", "string"))
    assert accepted(confluent(schema, occurred_at="2026-01-01T00:00:00Z"), {7: schema}).occurred_at == NOW
    assert refused(confluent(schema, occurred_at="noon"), {7: schema}).reason is Reason.INVALID_TIMESTAMP


def test_logical_types_are_read_as_the_integers_they_are() -> None:
    schema = writer(("occurred_at", {"type": "long", "logicalType": "timestamp-millis"}))
    assert accepted(confluent(schema), {7: schema}).occurred_at == NOW
    schema = writer(("occurred_at", {"type": "long", "logicalType": "timestamp-micros"}))
    value = confluent(schema, occurred_at=NOW * 1000)
    assert refused(value, {7: schema}).reason is Reason.TIMESTAMP_OUT_OF_RANGE


def test_the_ids_to_fetch_are_those_of_whole_confluent_headers() -> None:
    values = [
        None,
        b"",
        b"\x00\x00",
        as_json(),
        encode(event(), "avro"),
        encode(event(), "avro", 7),
        b"\x00\x00\x01\x00\x00",
    ]
    assert schema_ids(values) == {7, 65_536}


def test_an_objection_in_words_we_do_not_know_is_still_a_rejection() -> None:
    """msgspec's messages are not an interface; a new one must not be lost or stop the worker."""
    assert diagnose_value(msgspec.ValidationError("Too purple - at `$.team`")) == Rejection(
        Reason.WRONG_TYPE, "field team: Too purple"
    )
    assert diagnose_value(msgspec.ValidationError("x" * 1000)).reason is Reason.WRONG_TYPE
