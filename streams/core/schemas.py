"""Avro schemas: ours, loaded once from ``schemas/*.avsc``, and those foreign producers registered."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

from fastavro.schema import SchemaParseException, fingerprint
from fastavro.schema import parse_schema as parse_with_fastavro
from fastavro.schema import to_parsing_canonical_form as canonical_form
from fastavro.types import Schema

__all__ = ["ParsedSchema", "SchemaCache", "SchemaError", "known_writers", "load", "parse_schema", "schema_text"]

# A wheel carries the schemas as package data; a checkout has them once, at its top.
_PACKAGED: Final = Path(__file__).parents[1] / "_schemas"
_DIRECTORY: Final = _PACKAGED if _PACKAGED.is_dir() else Path(__file__).parents[2] / "schemas"
#: Primitive types of which a value takes a byte at the least.
_SOLID: Final = frozenset(("boolean", "int", "long", "float", "double", "bytes", "string"))


class SchemaError(ValueError):
    """A text that is not an Avro schema, or one that is not safe to read data with."""


class ParsedSchema(NamedTuple):
    """An Avro schema, ready to read data with.

    ``fingerprint`` is the CRC-64-AVRO of the parsing canonical form, little-endian, as single-object encoding carries
    it. ``datum`` is fastavro's parsed form without logical types: a timestamp is read as the integer it is written as.
    """

    fingerprint: bytes
    datum: Schema


class SchemaCache(Protocol):
    """Writer schemas by registry id. The core only asks; whoever owns the cache fetches before it decodes."""

    def get(self, schema_id: int, /) -> ParsedSchema | None:
        """The schema, or None when the id is unknown or its schema cannot be used."""
        ...


def parse_schema(text: str) -> ParsedSchema:
    """Parse the JSON text of a schema.

    Raises:
        SchemaError: The text is not an Avro schema, or the schema is recursive, or has arrays of items that take no
            bytes. fastavro follows a recursive schema on the C stack as deep as the data says, so that one record of a
            megabyte could end the process; and of ``array<null>`` a record of ten bytes may claim to hold billions.
    """
    try:
        raw = json.loads(text)
        datum = parse_with_fastavro(_without_logical_types(raw))
        _refuse_recursion(datum, frozenset())
        _refuse_free_items(datum)
        return ParsedSchema(bytes.fromhex(fingerprint(canonical_form(datum), "CRC-64-AVRO")), datum)
    except SchemaError:
        raise
    except (SchemaParseException, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        msg = f"not an Avro schema: {type(error).__name__}: {str(error)[:200]}"
        raise SchemaError(msg) from error


def schema_text(name: str) -> str:
    """The text of one of our schemas as it is published, by file name without the suffix: ``"kpi"``."""
    return (_DIRECTORY / f"{name}.avsc").read_text(encoding="utf-8")


@cache
def load(name: str) -> ParsedSchema:
    """One of our schemas, parsed once."""
    return parse_schema(schema_text(name))


@cache
def known_writers(name: str) -> Mapping[bytes, ParsedSchema]:
    """Every schema a single-object record of this name may have been written with, by fingerprint.

    These are the schema of today and those of earlier releases, kept beside it as ``<name>.v<N>.avsc``.
    """
    earlier = (parse_schema(path.read_text(encoding="utf-8")) for path in sorted(_DIRECTORY.glob(f"{name}.v*.avsc")))
    return {schema.fingerprint: schema for schema in (load(name), *earlier)}


def _without_logical_types(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_without_logical_types(branch) for branch in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {key: value for key, value in schema.items() if key != "logicalType"}
    for key in ("type", "items", "values", "fields"):
        if key in plain:
            plain[key] = _without_logical_types(plain[key])
    return plain


def _refuse_recursion(schema: Any, enclosing: frozenset[str]) -> None:
    if isinstance(schema, str):
        if schema in enclosing:
            msg = f"the schema is recursive ({schema[:60]} contains itself)"
            raise SchemaError(msg)
    elif isinstance(schema, list):
        for branch in schema:
            _refuse_recursion(branch, enclosing)
    elif isinstance(schema, dict):
        inside = enclosing | {schema["name"]} if "fields" in schema else enclosing
        for field in schema.get("fields", ()):
            _refuse_recursion(field["type"], inside)
        for key in ("type", "items", "values"):
            _refuse_recursion(schema.get(key), inside)


def _refuse_free_items(schema: Any) -> None:
    """Refuse arrays whose items may take no bytes; to be called with a schema that is not recursive."""
    if isinstance(schema, list):
        for branch in schema:
            _refuse_free_items(branch)
    elif isinstance(schema, dict):
        for field in schema.get("fields", ()):
            _refuse_free_items(field["type"])
        for key in ("type", "items", "values"):
            _refuse_free_items(schema.get(key))
        if "items" in schema and _takes_no_bytes(schema["items"]):
            msg = "the schema has an array whose items take no bytes"
            raise SchemaError(msg)


def _takes_no_bytes(schema: Any) -> bool:
    """Whether a value may be written in no bytes at all; of a type that is only named, it is taken to be so."""
    if isinstance(schema, str):
        return schema not in _SOLID
    if not isinstance(schema, dict):
        return False
    if "fields" in schema:
        return all(_takes_no_bytes(field["type"]) for field in schema["fields"])
    kind = schema.get("type")
    return schema.get("size") == 0 if kind == "fixed" else kind not in {*_SOLID, "enum", "array", "map"}
