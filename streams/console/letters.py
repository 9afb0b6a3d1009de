"""Dead letters as the console counts them: by topic and reason, with shapes of records, and no value of any."""

from collections import Counter
from typing import Any, Final, NamedTuple

import orjson

from streams.core.deadletters import DeadLetter
from streams.core.events import UsageEvent
from streams.core.outcomes import OutcomeEvent
from streams.core.reasons import Reason
from streams.core.wire import CONFLUENT, SINGLE_OBJECT

__all__ = ["Count", "Letters"]

_SHAPES: Final = 3
_MOST_TOPICS: Final = 8
#: Looking into a longer record would hold up the pages.
_LONGEST: Final = 64 * 1024
_KNOWN: Final = frozenset(UsageEvent.__struct_fields__) | frozenset(OutcomeEvent.__struct_fields__)
_TYPES: Final[dict[type, str]] = {
    str: "text", bool: "true or false", int: "whole number", float: "number", list: "list", dict: "object", type(None): "null",
}  # fmt: skip


class Count(NamedTuple):
    """How many there are of one reason, when the last came, and shapes of some."""

    topic: str
    reason: str
    number: int
    last_ms: int
    shapes: tuple[str, ...]


class Letters:
    """Counts from the beginning of the topic on; what its retention has taken is not counted."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()
        self._last: dict[tuple[str, str], int] = {}
        self._shapes: dict[tuple[str, str], list[str]] = {}
        self._topics: set[str] = set()

    def take(self, letter: DeadLetter) -> None:
        """Count one, and look at its shape while there are few."""
        if len(self._topics) < _MOST_TOPICS:
            self._topics.add(letter.topic)
        topic = letter.topic if letter.topic in self._topics else "other"
        key = topic, letter.reason if letter.reason in set(Reason) else "unknown"
        self._counts[key] += 1
        self._last[key] = max(self._last.get(key, 0), letter.received_at)
        shapes = self._shapes.setdefault(key, [])
        if len(shapes) < _SHAPES and (shape := shape_of(letter.payload)) not in shapes:
            shapes.append(shape)

    def counts(self) -> list[Count]:
        """By topic and reason, in order of their names."""
        return [
            Count(topic, reason, number, self._last[topic, reason], tuple(self._shapes[topic, reason]))
            for (topic, reason), number in sorted(self._counts.items())
        ]


def shape_of(payload: bytes) -> str:
    """The fields of a record that are the contract's, and of what type they are; never a value, nor a name of others'."""
    if not payload:
        return "empty"
    for magic, form in ((SINGLE_OBJECT, "Avro, single-object"), (CONFLUENT, "Avro, Confluent's wire format")):
        if payload.startswith(magic):
            return form
    if len(payload) > _LONGEST:
        return "more than 64 kB"
    try:
        document: Any = orjson.loads(payload)
    except ValueError:
        return "no JSON"
    if not isinstance(document, dict):
        return f"JSON: {_TYPES[type(document)]}"
    fields = [f"{name}: {_TYPES[type(value)]}" for name, value in document.items() if name in _KNOWN]
    others = len(document) - len(fields)
    if others:
        fields.append(f"{others} field{'s' if others > 1 else ''} that no record has")
    return "{" + ", ".join(fields) + "}"
