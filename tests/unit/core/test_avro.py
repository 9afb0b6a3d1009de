"""Records as bytes: what we write is what fastavro reads, and the other way round."""

import json
from io import BytesIO
from typing import Any

import msgspec
import pytest
from fastavro import schemaless_reader, schemaless_writer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.core.alerts import Alert
from streams.core.avro import (
    ALERT,
    DEAD_LETTER,
    KPI,
    OUTCOME_EVENT,
    USAGE_EVENT,
    RecordCodec,
    UnreadableRecordError,
    encode,
)
from streams.core.avro_writer import compile_writer
from streams.core.deadletters import DeadLetter
from streams.core.kpis import Kpi
from streams.core.outcomes import OutcomeEvent
from streams.core.reasons import Reason
from streams.core.schemas import SchemaError, known_writers, parse_schema, schema_text
from streams.core.varint import write_long

CODECS: list[RecordCodec[Any]] = [USAGE_EVENT, OUTCOME_EVENT, ALERT, KPI, DEAD_LETTER]
# How long an example takes on a busy machine says nothing about encoding.
UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
BY_TYPE: dict[type, RecordCodec[Any]] = {codec.record_type: codec for codec in CODECS}
LONGS = st.integers(min_value=-(2**63), max_value=2**63 - 1)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)

KPI_RECORD = Kpi(
    scope="team",
    team="payments",
    window_size_ms=3_600_000,
    window_start=1_767_225_600_000,
    window_end=1_767_229_200_000,
    revision=1,
    calls=3,
    errors=0,
    input_tokens=1,
    cache_read_tokens=2,
    cache_write_tokens=3,
    output_tokens=4,
    reasoning_tokens=0,
    priced_calls=0,
    unpriced_tokens=10,
    runs=1,
    runs_exact=True,
)

DEAD_LETTER_RECORD = DeadLetter(
    topic="assay.usage.v1", partition=0, offset=0, reason="empty", detail="", payload=b"", received_at=0
)


def ids(codec: RecordCodec[Any]) -> str:
    return codec.name


kpis = st.builds(
    Kpi,
    scope=st.sampled_from(["team", "workflow"]),
    team=TEXTS,
    workflow=st.none() | TEXTS,
    **{
        name: LONGS
        for name in Kpi.__struct_fields__
        if name.endswith(("_tokens", "_start", "_end", "_ms")) or name in ("calls", "errors", "priced_calls", "runs")
    },
    revision=st.integers(min_value=-(2**31), max_value=2**31 - 1),
    runs_exact=st.booleans(),
    **{
        name: st.none() | LONGS
        for name in ("spend_micro_usd", "first_event", "last_event", "accepted", "rejected", "reversed")
    },
    orphan_spend_ratio=st.none() | st.floats(allow_nan=False, allow_infinity=False),
    active_actors=st.none() | TEXTS,
    config_version=TEXTS,
)
alerts = st.builds(
    Alert,
    state=st.sampled_from(["firing", "resolved"]),
    family=st.sampled_from(["waste", "runaway", "gaming", "budget", "quality", "data"]),
    severity=st.sampled_from(["critical", "warning", "info"]),
    workflow=st.none() | TEXTS,
    revision=st.integers(min_value=-(2**31), max_value=2**31 - 1),
    **dict.fromkeys(("alert_id", "reason", "detector", "team", "summary", "next_step", "config_version"), TEXTS),
    **dict.fromkeys(
        ("window_start", "window_end", "opened_at", "updated_at", "sample_size", "min_sample_size"),
        LONGS,
    ),
    **dict.fromkeys(("observed", "expected", "ratio"), st.none() | st.floats(allow_nan=False, allow_infinity=False)),
    money_at_stake_micro_usd=st.none() | LONGS,
    evidence=st.dictionaries(TEXTS, st.floats(allow_nan=False, allow_infinity=False), max_size=5),
    benign_causes=st.lists(TEXTS, max_size=5),
)
dead_letters = st.builds(
    DeadLetter,
    topic=TEXTS,
    partition=st.integers(min_value=0, max_value=2**31 - 1),
    offset=LONGS,
    reason=st.sampled_from(Reason).map(str),
    detail=TEXTS,
    payload=st.binary(max_size=500),
    received_at=LONGS,
)


@UNHURRIED
@given(st.one_of(kpis, alerts, dead_letters))
def test_what_we_write_fastavro_reads_and_what_fastavro_writes_we_read(record: Kpi | Alert | DeadLetter) -> None:
    codec = BY_TYPE[type(record)]
    written = codec.to_avro(record)
    stream = BytesIO(written[10:])
    assert schemaless_reader(stream, codec.schema.datum, None) == msgspec.structs.asdict(record)
    assert stream.read() == b""
    theirs = BytesIO()
    schemaless_writer(theirs, codec.schema.datum, msgspec.structs.asdict(record))
    assert theirs.getvalue() == written[10:]
    assert codec.decode(written) == record


@UNHURRIED
@given(st.one_of(kpis, alerts, dead_letters), st.integers(min_value=0, max_value=2**32 - 1))
def test_every_form_reads_back_as_it_was(record: Kpi | Alert | DeadLetter, schema_id: int) -> None:
    codec = BY_TYPE[type(record)]
    assert codec.decode(encode(record, "json")) == record
    assert codec.decode(encode(record, "avro")) == record
    framed = encode(record, "avro", schema_id)
    assert framed[:5] == b"\x00" + schema_id.to_bytes(4, "big")
    assert codec.decode(framed, {schema_id: codec.schema}) == record


@UNHURRIED
@given(LONGS)
def test_longs_of_every_size_are_written_as_fastavro_writes_them(value: int) -> None:
    stream = BytesIO()
    schemaless_writer(stream, "long", value)
    assert write_long(value) == stream.getvalue()


@pytest.mark.parametrize("value", [0, -1, 63, 64, 8191, 8192, 2**27 - 1, 2**27, 2**41 - 1, 2**41, -(2**63), 2**63 - 1])
def test_longs_at_the_edges_of_the_tables(value: int) -> None:
    stream = BytesIO()
    schemaless_writer(stream, "long", value)
    assert write_long(value) == stream.getvalue()


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, 2**70, -(2**70)])
def test_a_number_beyond_64_bits_is_not_written_as_another(value: int) -> None:
    with pytest.raises(OverflowError):
        write_long(value)


def test_single_object_encoding_carries_the_fingerprint_of_the_specification() -> None:
    assert parse_schema('"null"').fingerprint == 0x63DD24E7CC258F8A.to_bytes(8, "little")
    value = KPI.to_avro(KPI_RECORD)
    assert value[:10] == b"\xc3\x01" + KPI.schema.fingerprint


def test_docs_defaults_and_logical_types_do_not_change_the_fingerprint() -> None:
    plain = '{"type":"record","name":"A","namespace":"n","fields":[{"name":"t","type":"long"}]}'
    ornate = """{"namespace": "n", "name": "A", "type": "record", "doc": "d", "fields": [
        {"name": "t", "doc": "d", "default": 1, "type": {"type": "long", "logicalType": "timestamp-millis"}}]}"""
    assert parse_schema(plain).fingerprint == parse_schema(ornate).fingerprint


@pytest.mark.parametrize("codec", CODECS, ids=ids)
def test_every_schema_is_known_by_its_fingerprint(codec: RecordCodec[Any]) -> None:
    assert known_writers(codec.name)[codec.schema.fingerprint] == codec.schema


@pytest.mark.parametrize("codec", CODECS, ids=ids)
def test_every_field_is_documented_and_every_nullable_one_defaults_to_null(codec: RecordCodec[Any]) -> None:
    schema = json.loads(schema_text(codec.name))
    assert schema["namespace"] == "assay.v1"
    assert schema["name"] == codec.record_type.__name__
    for field in [schema, *schema["fields"]]:
        assert len(field["doc"]) > 10, field["name"]
    for field in schema["fields"]:
        if isinstance(field["type"], list):
            assert field["type"][0] == "null"
            assert field["default"] is None


@pytest.mark.parametrize("codec", CODECS, ids=ids)
def test_the_struct_has_the_schemas_fields_and_defaults(codec: RecordCodec[Any]) -> None:
    """Older records are completed by the struct's defaults, so they must be the published ones."""
    fields = json.loads(schema_text(codec.name))["fields"]
    published = {field["name"]: field.get("default", msgspec.NODEFAULT) for field in fields}
    ours = {
        field.name: field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
        for field in msgspec.structs.fields(codec.record_type)
    }
    assert ours == published


def test_unknown_is_null_in_json_and_nothing_is_left_out() -> None:
    record = json.loads(encode(KPI_RECORD, "json"))
    assert list(record) == list(Kpi.__struct_fields__)
    assert record["spend_micro_usd"] is None


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"", Reason.INVALID_JSON),
        (b"\xff", Reason.INVALID_UTF8),
        (b"{}", Reason.MISSING_FIELD),
        (b"[" * 100_000, Reason.INVALID_JSON),
        (b"\x00\x00\x00\x00\x01", Reason.UNKNOWN_SCHEMA),
        (KPI.to_avro(KPI_RECORD)[:-1], Reason.INVALID_AVRO),
        (DEAD_LETTER.to_avro(DEAD_LETTER_RECORD), Reason.UNKNOWN_SCHEMA),
    ],
)
def test_bytes_that_are_not_such_a_record_say_why(value: bytes, reason: Reason) -> None:
    with pytest.raises(UnreadableRecordError) as raised:
        KPI.decode(value)
    assert raised.value.rejection.reason is reason


def test_another_record_under_a_registry_id_is_refused() -> None:
    other = parse_schema('{"type":"record","name":"R","fields":[{"name":"a","type":"string"}]}')
    with pytest.raises(UnreadableRecordError, match="missing_field"):
        KPI.decode(b"\x00\x00\x00\x00\x01\x02a", {1: other})


def test_a_record_whose_fields_are_not_the_schemas_is_a_bug_found_at_import() -> None:
    with pytest.raises(TypeError, match="same fields"):
        RecordCodec("kpi", OutcomeEvent)


@pytest.mark.parametrize("schema", ["string", {"type": "record", "fields": [{"name": "a", "type": "float"}]}])
def test_types_our_records_do_not_use_are_refused(schema: Any) -> None:
    with pytest.raises(ValueError, match="record"):
        compile_writer(schema)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "17",
        "null",
        '"nonsense"',
        "[" * 100_000,
        '{"type": "record", "fields": []}',
        '{"type": "record", "name": "A", "fields": [{"name": "a", "type": "B"}]}',
        '{"type": "enum", "name": "E"}',
    ],
)
def test_a_text_that_is_not_a_schema_is_refused(text: str) -> None:
    with pytest.raises(SchemaError, match="not an Avro schema"):
        parse_schema(text)


@pytest.mark.parametrize(
    "text",
    [
        '{"type":"record","name":"N","fields":[{"name":"n","type":["null","N"]}]}',
        '{"type":"record","name":"N","namespace":"a.b","fields":[{"name":"n","type":{"type":"array","items":"N"}}]}',
        '{"type":"record","name":"N","fields":[{"name":"n","type":{"type":"map","values":["null","N"]}}]}',
        """{"type":"record","name":"N","fields":[{"name":"m","type":
            {"type":"record","name":"M","fields":[{"name":"n","type":["null","N"]}]}}]}""",
    ],
    ids=["list", "tree", "map", "through another"],
)
def test_a_recursive_schema_is_refused_because_data_would_decide_how_deep_the_c_stack_grows(text: str) -> None:
    with pytest.raises(SchemaError, match="recursive"):
        parse_schema(text)


@pytest.mark.parametrize(
    "items",
    [
        '"null"',
        '{"type":"null"}',
        '{"type":"fixed","name":"F","size":0}',
        '{"type":"record","name":"E","fields":[]}',
        '{"type":"record","name":"E","fields":[{"name":"a","type":"null"}]}',
    ],
)
def test_arrays_of_what_takes_no_bytes_are_refused(items: str) -> None:
    """Ten bytes of such a record may claim to hold billions of items, and each would be made."""
    text = (
        f'{{"type":"record","name":"R","fields":[{{"name":"a","type":["null",{{"type":"array","items":{items}}}]}}]}}'
    )
    with pytest.raises(SchemaError, match="take no bytes"):
        parse_schema(text)


@pytest.mark.parametrize(
    "items",
    [
        '"int"', '["null","int"]', '{"type":"map","values":"null"}', '{"type":"array","items":"string"}',
        '{"type":"enum","name":"E","symbols":["A"]}', '{"type":"fixed","name":"F","size":2}',
        '{"type":"record","name":"E","fields":[{"name":"a","type":"null"},{"name":"b","type":"long"}]}',
    ],
)  # fmt: skip
def test_other_arrays_are_not(items: str) -> None:
    assert parse_schema(f'{{"type":"array","items":{items}}}').fingerprint


def test_a_schema_may_use_a_name_twice() -> None:
    text = """{"type":"record","name":"P","fields":[
        {"name":"a","type":{"type":"record","name":"Q","fields":[{"name":"x","type":"int"}]}},
        {"name":"b","type":"Q"}]}"""
    assert len(parse_schema(text).fingerprint) == 8
