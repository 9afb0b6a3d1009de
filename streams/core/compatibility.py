"""Whether readers of one Avro schema can read what was written with an older one: the policy of ``schemas/README.md``."""

import json
from typing import Any

__all__ = ["incompatibilities"]

_PROMOTIONS = [["int", "long"], ["float", "double"]]


def incompatibilities(today: str, older: str) -> list[str]:
    """What keeps a reader of ``today`` from reading everything written with ``older``; empty when nothing does.

    Stricter than Avro's resolution, because the same records also travel as JSON and because dashboards and code name
    fields: a field never disappears, changes its name, its meaning or its default.

    Args:
        today: JSON text of the reader's record schema.
        older: JSON text of an earlier release's schema of the same record.
    """
    new, old = json.loads(today), json.loads(older)
    problems = [
        f"{part} changed from {old.get(part)!r} to {new.get(part)!r}"
        for part in ("type", "namespace", "name")
        if new.get(part) != old.get(part)
    ]
    new_fields = {field["name"]: field for field in new["fields"]}
    old_fields = {field["name"]: field for field in old["fields"]}
    for name, old_field in old_fields.items():
        if name not in new_fields:
            problems.append(f"field {name} was removed or renamed")
            continue
        new_field = new_fields[name]
        if not _reads(new_field["type"], old_field["type"]):
            problems.append(f"field {name} changed its type from {old_field['type']} to {new_field['type']}")
        if "default" in old_field and "default" not in new_field:
            problems.append(f"field {name} lost its default")
        elif "default" in old_field and new_field["default"] != old_field["default"]:
            problems.append(f"field {name} changed its default")
    problems += [
        f"field {name} is new and has no default"
        for name, field in new_fields.items()
        if name not in old_fields and "default" not in field
    ]
    return problems


def _reads(new: Any, old: Any) -> bool:
    if isinstance(new, list):
        branches = old if isinstance(old, list) else [old]
        return all(any(_reads(candidate, branch) for candidate in new) for branch in branches)
    if isinstance(new, dict) and isinstance(old, dict) and new.get("type") == old.get("type"):
        match new["type"]:
            case "enum":
                symbols = old["symbols"]
                return bool(new["name"] == old["name"] and new["symbols"][: len(symbols)] == symbols)
            case "array":
                return _reads(new["items"], old["items"])
            case "map":
                return _reads(new["values"], old["values"])
    return _plain(new) == _plain(old) or [old, new] in _PROMOTIONS


def _plain(schema: Any) -> tuple[Any, Any]:
    """A type and its logical type: milliseconds read as microseconds would be a change of meaning."""
    return (schema["type"], schema.get("logicalType")) if isinstance(schema, dict) else (schema, None)
