"""Avro on the wire: single-object encoding and Confluent's wire format, told apart by the leading byte."""

from collections.abc import Iterable, Mapping
from io import BytesIO
from typing import Any, Final

from fastavro import schemaless_reader

from streams.core.reasons import Reason
from streams.core.rejections import Rejection
from streams.core.schemas import ParsedSchema, SchemaCache

__all__ = ["CONFLUENT", "SINGLE_OBJECT", "read_datum", "schema_ids"]

# Confluent: this byte, a registry id of four bytes big-endian, the datum.
CONFLUENT: Final = b"\x00"
_CONFLUENT_HEADER_BYTES: Final = 5

# Single-object encoding of the Avro specification: these bytes, the schema's fingerprint of eight bytes little-endian,
# the datum. Neither form can be mistaken for JSON: no JSON text begins with a NUL or with a byte above 0x7F.
SINGLE_OBJECT: Final = b"\xc3\x01"
_SINGLE_OBJECT_HEADER_BYTES: Final = 10


def schema_ids(values: Iterable[bytes | None]) -> set[int]:
    """The registry ids that decoding these values will ask a SchemaCache for."""
    return {
        int.from_bytes(value[1:_CONFLUENT_HEADER_BYTES], "big")
        for value in values
        if value and value[0] == 0 and len(value) >= _CONFLUENT_HEADER_BYTES
    }


def read_datum(value: bytes, writers: Mapping[bytes, ParsedSchema], schemas: SchemaCache | None) -> Any | Rejection:
    """The datum of an Avro record as plain dicts, read with the schema it was written with.

    Resolution to today's record is left to whoever converts the dict: unknown fields are ignored and missing ones take
    their defaults, as Avro prescribes, whatever name the producer gave its record.

    Args:
        value: A record beginning with CONFLUENT or SINGLE_OBJECT.
        writers: The schemas of single-object records by fingerprint.
        schemas: The schemas of Confluent records by id.
    """
    if value.startswith(CONFLUENT):
        start = _CONFLUENT_HEADER_BYTES
        writer = _by_id(value, schemas)
    else:
        start = _SINGLE_OBJECT_HEADER_BYTES
        writer = _by_fingerprint(value, writers)
    if isinstance(writer, Rejection):
        return writer
    stream = BytesIO(value)
    stream.seek(start)
    try:
        datum = schemaless_reader(stream, writer.datum, None)
    except UnicodeDecodeError:
        return Rejection(Reason.INVALID_UTF8, "a string of the Avro datum is not UTF-8: send UTF-8")
    except EOFError:
        return Rejection(Reason.INVALID_AVRO, "the Avro datum is truncated: send the whole datum")
    except Exception as error:  # fastavro raises whatever a senseless byte leads to: IndexError, KeyError, TypeError
        return Rejection(Reason.INVALID_AVRO, f"the Avro datum does not fit its schema ({type(error).__name__})")
    if (surplus := len(value) - stream.tell()) > 0:
        detail = f"{surplus} bytes follow the Avro datum: was it written with the schema its header names?"
        return Rejection(Reason.INVALID_AVRO, detail)
    return datum


def _by_id(value: bytes, schemas: SchemaCache | None) -> ParsedSchema | Rejection:
    if len(value) < _CONFLUENT_HEADER_BYTES:
        detail = f"Confluent's header takes 5 bytes and the record has {len(value)}"
        return Rejection(Reason.INVALID_AVRO, detail)
    schema_id = int.from_bytes(value[1:_CONFLUENT_HEADER_BYTES], "big")
    if schemas is None:
        detail = f"the record names schema id {schema_id} and no schema registry is configured: set schema_registry_url"
        return Rejection(Reason.UNKNOWN_SCHEMA, detail)
    if (schema := schemas.get(schema_id)) is not None:
        return schema
    detail = f"schema id {schema_id} is not in the registry, or is no Avro schema Assay can read: register the schema"
    return Rejection(Reason.UNKNOWN_SCHEMA, detail)


def _by_fingerprint(value: bytes, writers: Mapping[bytes, ParsedSchema]) -> ParsedSchema | Rejection:
    if len(value) < _SINGLE_OBJECT_HEADER_BYTES:
        detail = f"a single-object header takes 10 bytes and the record has {len(value)}"
        return Rejection(Reason.INVALID_AVRO, detail)
    fingerprint = value[len(SINGLE_OBJECT) : _SINGLE_OBJECT_HEADER_BYTES]
    if (schema := writers.get(fingerprint)) is not None:
        return schema
    detail = f"no release has a schema with fingerprint {fingerprint.hex()}: use a published schema, or a registry"
    return Rejection(Reason.UNKNOWN_SCHEMA, detail)
