"""Takes the actor out of a record that is kept: a dead letter must not give away in clear who was at work.

What cannot be read cannot be searched for the actor either: of a binary record only the header is kept, which names the
schema, of a text that is no JSON object only its punctuation. Lengths stay there, and where the actor is one plain text,
so that offsets named by a parser's message still fit. The record itself stays in its topic, at the offset that the dead
letter tells.
"""

import re
from typing import Any, Final

import orjson

from streams.core.wire import CONFLUENT, SINGLE_OBJECT

__all__ = ["masked"]

_STAR: Final = b"*"
#: The one spelling that is masked where it stands: the key, and a text without escapes.
_ACTOR: Final = re.compile(rb'("actor"\s*:\s*")([^"\\]*)(?=")')
#: Letters and digits, of any alphabet.
_LETTERS: Final = re.compile(rb"[0-9A-Za-z\x80-\xff]")
#: Shorter names stand in other words, too.
_SHORTEST: Final = 3
_HEADERS: Final = ((SINGLE_OBJECT, 10), (CONFLUENT, 5))


def masked(value: bytes) -> bytes:
    """The record with every character of its actor replaced, wherever the actor's name stands in it."""
    for magic, size in _HEADERS:
        if value.startswith(magic):
            return value[:size] + _STAR * (len(value) - size)
    document = _parsed(value)
    if document is None:
        return _LETTERS.sub(_STAR, value)
    names = _names(document)
    if not names:
        return value
    actor = document.get("actor")
    if isinstance(actor, str) and names == {actor} and value.lower().count(b'"actor"') == 1 and b"\\" not in value:
        found = _ACTOR.search(value)
        if found is not None:
            return _without(value[: found.start(2)] + _STAR * len(found[2]) + value[found.end(2) :], found[2])
    # In several places, spelled with escapes, or no text at all: written anew.
    return orjson.dumps(_cleaned(document, {name.casefold() for name in names}))


def _parsed(value: bytes) -> dict[str, Any] | None:
    try:
        document = orjson.loads(value)
    except orjson.JSONDecodeError:
        return None
    return document if isinstance(document, dict) else None


def _without(value: bytes, name: bytes) -> bytes:
    if len(name) < _SHORTEST:
        return value
    # As a word: "eve" is not meant in "event_id".
    word = re.compile(rb"(?<![0-9A-Za-z])" + re.escape(name) + rb"(?![0-9A-Za-z])", re.IGNORECASE)
    return word.sub(_STAR * len(name), value)


def _names(part: Any) -> set[str]:
    """Everything that stands under a key ``actor``, at any depth."""
    if isinstance(part, list):
        return set().union(*map(_names, part))
    if not isinstance(part, dict):
        return set()
    found: set[str] = set()
    for key, value in part.items():
        found |= _texts(value) if key.casefold() == "actor" else _names(value)
    return found


def _texts(part: Any) -> set[str]:
    if isinstance(part, dict):
        return set().union(*map(_texts, part.values()))
    if isinstance(part, list):
        return set().union(*map(_texts, part))
    return set() if part is None else {str(part)}


def _cleaned(part: Any, names: set[str]) -> Any:
    if isinstance(part, dict):
        return {key: "***" if key.casefold() == "actor" else _cleaned(value, names) for key, value in part.items()}
    if isinstance(part, list):
        return [_cleaned(value, names) for value in part]
    if isinstance(part, str):
        text = part.casefold()
        return "***" if text in names or any(len(name) >= _SHORTEST and name in text for name in names) else part
    return part
