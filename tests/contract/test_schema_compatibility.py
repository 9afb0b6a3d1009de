"""A reader of today reads what every earlier release has written; and the check that says so can fail."""

import copy
import json
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from fastavro import parse_schema as parse_with_fastavro
from fastavro import schemaless_reader, schemaless_writer

from streams.core.avro import ALERT, DEAD_LETTER, KPI, OUTCOME_EVENT, USAGE_EVENT, RecordCodec
from streams.core.compatibility import incompatibilities
from streams.core.events import UsageDecoder
from streams.core.schemas import known_writers, parse_schema, schema_text

RELEASED = Path(__file__).parent / "schemas"
CODECS: dict[str, RecordCodec[Any]] = {
    codec.name: codec for codec in (USAGE_EVENT, OUTCOME_EVENT, ALERT, KPI, DEAD_LETTER)
}
VERSIONS = sorted(RELEASED.glob("*/v*.avsc"))

every_version = pytest.mark.parametrize("path", VERSIONS, ids=lambda path: f"{path.parent.name}-{path.stem}")


def datum(path: Path) -> bytes:
    return bytes.fromhex(path.with_suffix(".hex").read_text())


def test_every_record_has_a_first_version() -> None:
    assert {path.parent.name for path in VERSIONS if path.stem == "v1"} == set(CODECS)


@every_version
def test_todays_schema_follows_the_policy(path: Path) -> None:
    assert incompatibilities(schema_text(path.parent.name), path.read_text()) == []


@every_version
def test_a_frozen_record_was_written_with_its_frozen_schema(path: Path) -> None:
    """Whoever edits a frozen schema changes its fingerprint; the record still has the one it was released with."""
    assert datum(path)[2:10] == parse_schema(path.read_text()).fingerprint


@every_version
def test_the_worker_carries_every_released_schema(path: Path) -> None:
    assert parse_schema(path.read_text()).fingerprint in known_writers(path.parent.name)


@every_version
def test_a_frozen_record_is_read_today_in_every_form(path: Path) -> None:
    codec = CODECS[path.parent.name]
    record = codec.decode(path.with_suffix(".json").read_bytes())
    assert codec.decode(datum(path)) == record
    confluent = b"\x00\x00\x00\x00\x03" + datum(path)[10:]
    assert codec.decode(confluent, {3: parse_schema(path.read_text())}) == record


@every_version
def test_avros_own_resolution_reads_a_frozen_record_alike(path: Path) -> None:
    codec = CODECS[path.parent.name]
    frozen: Any = parse_schema(path.read_text()).datum
    resolved: Any = schemaless_reader(BytesIO(datum(path)[10:]), frozen, codec.schema.datum)
    assert codec.record_type(**resolved) == codec.decode(datum(path))


def test_frozen_usage_events_pass_the_decoder() -> None:
    paths = sorted(RELEASED.glob("usage_event/v*.avsc"))
    values = [datum(path) for path in paths] + [path.with_suffix(".json").read_bytes() for path in paths]
    assert UsageDecoder().decode(values).rejected == 0


# ---------------------------------------------------------------------------------------- the check itself is checked

Change = Callable[[dict[str, Any]], object]


def field(schema: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(field for field in schema["fields"] if field["name"] == name)
    return found


def problems(change: Change, name: str = "usage_event") -> list[str]:
    today = json.loads(schema_text(name))
    changed = copy.deepcopy(today)
    change(changed)
    parse_with_fastavro(copy.deepcopy(changed))
    return incompatibilities(json.dumps(changed), json.dumps(today))


def append(**added: Any) -> Change:
    return lambda schema: schema["fields"].append(added)


def edit(name: str, /, **changes: Any) -> Change:
    return lambda schema: field(schema, name).update(changes)


ENUM: dict[str, Any] = field(json.loads(schema_text("usage_event")), "status")["type"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda schema: field(schema, "operation").pop("default"), "operation lost its default"),
        (edit("operation", default="completion"), "operation changed its default"),
        (edit("run_id", name="session_id"), "run_id was removed or renamed"),
        (edit("run_id", name="session_id", aliases=["run_id"]), "run_id was removed or renamed"),
        (lambda schema: schema["fields"].remove(field(schema, "tool")), "tool was removed or renamed"),
        (edit("input_tokens", type="int"), "input_tokens changed its type"),
        (edit("input_tokens", type="double"), "input_tokens changed its type"),
        (edit("team", type="bytes"), "team changed its type"),
        (edit("actor", type=["null", "long"]), "actor changed its type"),
        (edit("actor", type="string", default=""), "actor changed its type"),
        (edit("attributes", type={"type": "map", "values": "long"}), "attributes changed its type"),
        (edit("attributes", type={"type": "array", "items": "string"}, default=[]), "attributes changed its type"),
        (edit("occurred_at", type={"type": "long", "logicalType": "timestamp-micros"}), "occurred_at changed its type"),
        (edit("status", type={**ENUM, "symbols": ["ok", "error"]}), "status changed its type"),
        (edit("status", type={**ENUM, "symbols": ["error", "ok", "cancelled"]}), "status changed its type"),
        (edit("status", type={**ENUM, "name": "State"}), "status changed its type"),
        (append(name="region", type="string", doc="Where."), "region is new and has no default"),
        (lambda schema: schema.update(name="Usage"), "name changed"),
        (lambda schema: schema.update(namespace="assay.v2"), "namespace changed"),
    ],
)
def test_a_breaking_change_is_found(change: Change, words: str) -> None:
    found = problems(change)
    assert any(words in problem for problem in found), found


@pytest.mark.parametrize(
    "change",
    [
        lambda schema: None,
        append(name="region", type="string", default="", doc="Where."),
        append(name="region", type=["null", "string"], default=None, doc="Where."),
        edit("team", doc="Said better."),
        edit("status", type={**ENUM, "symbols": [*ENUM["symbols"], "timeout"]}),
        edit("team", type=["null", "string"]),
        edit("actor", type=["null", "string", "long"]),
        edit("model", default="unknown"),
    ],
)
def test_an_allowed_change_is_not_reported(change: Change) -> None:
    assert problems(change) == []


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (edit("revision", type="long"), False),
        (edit("orphan_spend_ratio", type=["null", "string"]), True),
        (edit("runs_exact", type="int"), True),
    ],
)
def test_wider_numbers_are_allowed_and_other_types_are_not(change: Change, found: bool) -> None:
    assert bool(problems(change, "kpi")) is found
    assert problems(edit("benign_causes", type={"type": "array", "items": ["null", "string"]}), "alert") == []


def test_a_later_field_with_a_default_reads_from_an_older_record() -> None:
    """The decoder completes an older datum from defaults, as Avro's resolution would."""
    today = json.loads(schema_text("usage_event"))
    older = copy.deepcopy(today)
    older["fields"] = [field for field in older["fields"] if "default" not in field]
    assert incompatibilities(json.dumps(today), json.dumps(older)) == []
    writer = parse_schema(json.dumps(older))
    stream = BytesIO()
    required: dict[str, Any] = {
        "event_id": "e",
        "source": "s",
        "occurred_at": 1_767_225_600_000,
        "team": "t",
        "workflow": "w",
        "model": "m",
    }
    schemaless_writer(stream, writer.datum, required)
    record = USAGE_EVENT.decode(b"\x00\x00\x00\x00\x03" + stream.getvalue(), {3: writer})
    assert record == USAGE_EVENT.record_type(**required)
