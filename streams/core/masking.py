"""Takes the actor out of a record that is kept: a dead letter must not give away in clear who was at work.

Lengths stay, so that offsets named by a parser's message still fit. What cannot be read cannot be searched for the
actor either: of a binary record only the header is kept, which names the schema. The record itself stays in its topic,
at the offset that the dead letter tells.
"""

import re
from typing import Any, Final

import orjson

from streams.core.wire import CONFLUENT, SINGLE_OBJECT

__all__ = ["masked"]

_STAR: Final = b"*"
#: The key and what follows it; a string may lack its end in a record that was cut off.
_ACTOR: Final = re.compile(rb'("actor"\s*:\s*")((?:[^"\\]|\\.)*)', re.DOTALL)
_STRING: Final = re.compile(rb'"((?:[^"\\]|\\.)*)', re.DOTALL)
#: A key that is spelled with escapes, ``"\u0061ctor"``, is found by a parser and by no search.
_ESCAPE: Final = b"\\u"
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
        if _ESCAPE in value:
            return _STRING.sub(lambda found: b'"' + _STAR * len(found[1]), value)
        return _without(value, [found[2] for found in _ACTOR.finditer(value)])
    actor = document.get("actor")
    if actor is None:
        return value
    names = [found[2] for found in _ACTOR.finditer(value)]
    if isinstance(actor, str) and any(orjson.loads(b'"%s"' % name) == actor for name in names):
        return _without(value, [*names, actor.encode()])
    # Spelled with escapes, or no text at all: written anew.
    return _without(orjson.dumps({**document, "actor": "***"}), [str(actor).encode()])


def _parsed(value: bytes) -> dict[str, Any] | None:
    try:
        document = orjson.loads(value)
    except orjson.JSONDecodeError:
        return None
    return document if isinstance(document, dict) else None


def _without(value: bytes, names: list[bytes]) -> bytes:
    value = _ACTOR.sub(lambda found: found[1] + _STAR * len(found[2]), value)
    for name in names:
        if len(name) >= _SHORTEST:
            # As a word: "eve" is not meant in "event_id".
            word = rb"(?<![0-9A-Za-z])" + re.escape(name) + rb"(?![0-9A-Za-z])"
            value = re.sub(word, _STAR * len(name), value)
    return value
