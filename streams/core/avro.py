"""The five public records as bytes: Avro single-object encoding, Confluent's wire format, or JSON."""

from typing import Any, Final, Generic, Literal, TypeVar

import msgspec

from streams.core.alerts import Alert
from streams.core.avro_writer import compile_writer
from streams.core.deadletters import DeadLetter
from streams.core.events import UsageEvent
from streams.core.kpis import Kpi
from streams.core.outcomes import OutcomeEvent
from streams.core.rejections import Rejection, diagnose_json, diagnose_value, refuse_text
from streams.core.schemas import ParsedSchema, SchemaCache, known_writers, load, parse_schema, schema_text
from streams.core.wire import CONFLUENT, SINGLE_OBJECT, read_datum

__all__ = [
    "ALERT",
    "DEAD_LETTER",
    "KPI",
    "OUTCOME_EVENT",
    "USAGE_EVENT",
    "Form",
    "ParsedSchema",
    "RecordCodec",
    "SchemaCache",
    "UnreadableRecordError",
    "encode",
    "parse_schema",
    "schema_text",
]

Form = Literal["avro", "json"]
R = TypeVar("R", bound=msgspec.Struct)


class UnreadableRecordError(ValueError):
    """Bytes that are not a record of the type asked for; ``rejection`` says why."""

    def __init__(self, rejection: Rejection) -> None:
        super().__init__(f"{rejection.reason}: {rejection.detail}")
        self.rejection = rejection


class RecordCodec(Generic[R]):
    """Writes and reads one type of record.

    Attributes:
        name: The schema's file name without suffix, such as ``"kpi"``.
        record_type: The struct, whose fields are the schema's, in the same order.
        schema: The schema of today, which records are written with.
    """

    def __init__(self, name: str, record_type: type[R]) -> None:
        self.name: Final = name
        self.record_type: Final = record_type
        self.schema: Final[ParsedSchema] = load(name)
        schema: Any = self.schema.datum
        if [field["name"] for field in schema["fields"]] != list(record_type.__struct_fields__):
            msg = f"{record_type.__name__} and {name}.avsc do not have the same fields in the same order"
            raise TypeError(msg)
        self._write = compile_writer(schema)
        self._header = SINGLE_OBJECT + self.schema.fingerprint
        self._to_json = msgspec.json.Encoder().encode
        self._from_json = msgspec.json.Decoder(record_type)

    def to_avro(self, record: R) -> bytes:
        """Single-object encoding: needs no registry."""
        return self._header + self._write(msgspec.structs.astuple(record))

    def to_confluent(self, record: R, schema_id: int) -> bytes:
        """Confluent's wire format, with the id a registry gave this codec's schema."""
        return CONFLUENT + schema_id.to_bytes(4, "big") + self._write(msgspec.structs.astuple(record))

    def to_json(self, record: R) -> bytes:
        """A JSON object with every field; bytes are base64, an unknown value is null."""
        return self._to_json(record)

    def decode(self, value: bytes, schemas: SchemaCache | None = None) -> R:
        """Read a record in any of the three forms, written by this release or any earlier one.

        Raises:
            UnreadableRecordError: The bytes are not such a record.
        """
        if value.startswith((CONFLUENT, SINGLE_OBJECT)):
            datum = read_datum(value, known_writers(self.name), schemas)
            if isinstance(datum, Rejection):
                raise UnreadableRecordError(datum)
            try:
                return msgspec.convert(datum, self.record_type)
            except msgspec.ValidationError as error:
                raise UnreadableRecordError(diagnose_value(error)) from error
        if (refused := refuse_text(value)) is not None:
            raise UnreadableRecordError(refused)
        try:
            return self._from_json.decode(value)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise UnreadableRecordError(diagnose_json(value, error)) from error


USAGE_EVENT: Final = RecordCodec("usage_event", UsageEvent)
OUTCOME_EVENT: Final = RecordCodec("outcome_event", OutcomeEvent)
ALERT: Final = RecordCodec("alert", Alert)
KPI: Final = RecordCodec("kpi", Kpi)
DEAD_LETTER: Final = RecordCodec("dead_letter", DeadLetter)

_CODECS: Final[dict[type[msgspec.Struct], RecordCodec[Any]]] = {
    codec.record_type: codec for codec in (USAGE_EVENT, OUTCOME_EVENT, ALERT, KPI, DEAD_LETTER)
}


def encode(record: msgspec.Struct, form: Form, schema_id: int | None = None) -> bytes:
    """A public record as the output topics carry it.

    Args:
        record: One of the five public records.
        form: ``"avro"`` or ``"json"``.
        schema_id: With ``"avro"``: the registry's id of the record's schema, for Confluent's wire format. Without it
            the record is single-object encoded.
    """
    codec = _CODECS[type(record)]
    if form == "json":
        return codec.to_json(record)
    return codec.to_avro(record) if schema_id is None else codec.to_confluent(record, schema_id)
