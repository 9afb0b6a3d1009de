"""What tests of all sources need: bodies of real clients, sums of what was read, and what is left of a body once it is booked."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson
import pytest

from streams.core.pseudonyms import Pseudonyms
from streams.sources.booking import Binding, Booked, Booker
from streams.sources.contract import Decoded, Form

PAYLOADS = Path(__file__).parents[4] / "shared" / "payloads"
RECEIVED_MS = 1_795_400_000_000
BUCKETS = ("input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens")
CANARY = "CANARY"


def payload(name: str) -> bytes:
    """A body that a real client sent."""
    file = PAYLOADS / name
    if not file.exists():
        pytest.skip(f"the samples are not there: {file}")
    return file.read_bytes()


def truth(client: str, body: str) -> dict[str, Any]:
    """What the model server knows of the calls behind a body."""
    found: dict[str, Any] = orjson.loads(payload(f"captured/{client}/EXPECT.json"))[body]
    return found


def calls(decoded: Decoded) -> list[dict[str, Any]]:
    return [item.fields for item in decoded.items if item.form is Form.USAGE]


def outcomes(decoded: Decoded) -> list[dict[str, Any]]:
    return [item.fields for item in decoded.items if item.form is Form.OUTCOME]


def buckets(call: dict[str, Any]) -> tuple[int, ...]:
    return tuple(call[name] for name in BUCKETS)


def total(found: Iterable[dict[str, Any]]) -> tuple[int, ...]:
    sums: Counter[str] = Counter()
    for call in found:
        sums.update({name: call[name] for name in BUCKETS})
    return tuple(sums[name] for name in BUCKETS)


def truth_buckets(said: dict[str, int]) -> tuple[int, ...]:
    return tuple(said[name] for name in ("input_uncached", "cache_read", "cache_write", "output", "reasoning"))


def book(decoded: Decoded) -> Booked:
    """Everything booked; the fields of what was decoded stay as they are."""
    items = [item._replace(fields=dict(item.fields)) for item in decoded.items]
    return Booker(Pseudonyms(b"sixteen bytes or more")).book(items, Binding())


def booked(decoded: Decoded) -> list[dict[str, Any]]:
    """The records that leave; nothing of what was decoded may be refused on the way."""
    result = book(decoded)
    assert result.refused == []
    return [orjson.loads(record.value) for record in (*result.usage, *result.outcomes)]


def marked(value: Any, path: str = "", keep: frozenset[str] = frozenset()) -> Any:
    """A document with a mark in front of each of its texts but those under the keys to keep."""
    if isinstance(value, dict):
        return {key: inner if key in keep else marked(inner, f"{path}.{key}", keep) for key, inner in value.items()}
    if isinstance(value, list):
        return [marked(inner, path, keep) for inner in value]
    return f"{CANARY}{path} {value}" if isinstance(value, str) else value


def canaries(records: Iterable[dict[str, Any]]) -> set[str]:
    """The fields of records in which a mark is left."""
    found = set()
    for record in records:
        for name, value in record.items():
            if isinstance(value, dict):
                found |= {f"{name}.{key}" for key, inner in value.items() if CANARY in key or CANARY in inner}
            elif CANARY in str(value):
                found.add(name)
    return found
