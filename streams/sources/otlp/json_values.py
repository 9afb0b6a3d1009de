"""Members of OTLP's JSON form, each as what it should be. Every function raises BadField where one is something else."""

from base64 import b64decode
from typing import Any, Final

from streams.core.reasons import Reason
from streams.sources.otlp.records import Wanted
from streams.sources.readings import BadField

__all__ = [
    "attributes_of",
    "id_of",
    "integer_of",
    "list_of",
    "number_of",
    "object_of",
    "objects_of",
    "text_of",
]

_DEEPEST: Final = 16
_MOST_DIGITS: Final = 20
_LONGEST: Final = 2**64


def objects_of(holder: dict[str, Any], field: str) -> list[dict[str, Any]]:
    """The objects of a list. Raises BadField where something else is in it."""
    found = list_of(holder, field)
    for item in found:
        if not isinstance(item, dict):
            raise BadField(field, Reason.WRONG_TYPE, "holds something that is no object")
    return found


def list_of(holder: dict[str, Any], field: str) -> list[Any]:
    """A list; empty where there is none."""
    found = holder.get(field)
    if found is None:
        return []
    if not isinstance(found, list):
        raise BadField(field, Reason.WRONG_TYPE, "is not a list")
    return found


def object_of(holder: dict[str, Any], field: str) -> dict[str, Any]:
    """An object; empty where there is none."""
    found = holder.get(field)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise BadField(field, Reason.WRONG_TYPE, "is not an object")
    return found


def text_of(holder: dict[str, Any], field: str) -> str:
    """A text; empty where there is none."""
    found = holder.get(field)
    if found is None:
        return ""
    if not isinstance(found, str):
        raise BadField(field, Reason.WRONG_TYPE, "is not a text")
    return found


def integer_of(holder: dict[str, Any], field: str) -> int:
    """A 64-bit integer: number or text of digits; a whole float is what JavaScript makes of one. 0 where absent."""
    found = holder.get(field, 0)
    if type(found) is int:
        return found
    if found is None:
        return 0
    if isinstance(found, str) and 0 < len(found) <= _MOST_DIGITS:
        try:
            return int(found)
        except ValueError:
            pass
    if isinstance(found, float) and found.is_integer() and abs(found) < _LONGEST:
        return int(found)
    raise BadField(field, Reason.WRONG_TYPE, "is not an integer")


def number_of(holder: dict[str, Any], field: str) -> float:
    """A double; proto3 writes those that JSON cannot as texts."""
    found = holder.get(field, 0.0)
    if isinstance(found, float | int) and not isinstance(found, bool):
        return found
    if found in ("NaN", "Infinity", "-Infinity"):
        return float(found)
    raise BadField(field, Reason.WRONG_TYPE, "is not a number")


def id_of(holder: dict[str, Any], field: str, length: int) -> str:
    """An id of so many bytes, hex or base64, as lower-case hex; empty where it is missing, malformed or all zeros."""
    found = holder.get(field)
    if not isinstance(found, str) or not found:
        return ""
    try:
        raw = bytes.fromhex(found) if len(found) == 2 * length else b64decode(found, validate=True)
    except ValueError:
        return ""
    return raw.hex() if len(raw) == length and any(raw) else ""


def attributes_of(holder: dict[str, Any], wanted: Wanted) -> dict[str, Any]:
    """The wanted attributes of what has some."""
    found = {}
    for pair in list_of(holder, "attributes"):
        if not isinstance(pair, dict) or not isinstance(pair.get("key"), str):
            raise BadField("attributes", Reason.WRONG_TYPE, "holds something that is no pair of key and value")
        key = pair["key"]
        if wanted is None or key in wanted:
            found[key] = _value(pair.get("value"), 0)
    return found


def _value(value: Any, depth: int) -> Any:
    if not isinstance(value, dict) or depth > _DEEPEST:
        return None
    if "stringValue" in value:
        return text_of(value, "stringValue")
    if "intValue" in value:
        return integer_of(value, "intValue")
    if "doubleValue" in value:
        return number_of(value, "doubleValue")
    if "boolValue" in value:
        return value["boolValue"] is True
    if "arrayValue" in value:
        return [_value(item, depth + 1) for item in list_of(object_of(value, "arrayValue"), "values")]
    if "kvlistValue" in value:
        pairs = list_of(object_of(value, "kvlistValue"), "values")
        return {
            pair["key"]: _value(pair.get("value"), depth + 1)
            for pair in pairs
            if isinstance(pair, dict) and isinstance(pair.get("key"), str)
        }
    if "bytesValue" in value:
        try:
            return b64decode(text_of(value, "bytesValue"), validate=True)
        except ValueError:
            return None
    return None
