"""What was asked, for its fingerprint alone: the words of an observation's input, without the instructions.

Instructions are the same in every call of a workflow, and would make all its prompts near-duplicates.
"""

from contextlib import suppress
from typing import Any, Final

import orjson

__all__ = ["prompt_text"]

_INSTRUCTIONS: Final = frozenset({"system", "developer"})
_MEMBERS: Final = ("messages", "input", "prompt", "content", "parts", "text")
_DEEPEST: Final = 12
#: A fingerprint looks at no more.
_MOST_CHARACTERS: Final = 20_000


def prompt_text(asked: Any) -> str:
    """The words of an input: a text, messages, or either as JSON; empty where there are none."""
    if isinstance(asked, str) and asked[:1] in ("[", "{", '"'):
        with suppress(orjson.JSONDecodeError):  # a text may begin like JSON
            asked = orjson.loads(asked)
    found: list[str] = []
    _collect(asked, found, 0)
    return "\n".join(found)[:_MOST_CHARACTERS]


def _collect(value: Any, found: list[str], depth: int) -> None:
    if isinstance(value, str):
        found.append(value)
    elif depth < _DEEPEST and isinstance(value, list):
        for inner in value:
            _collect(inner, found, depth + 1)
    elif depth < _DEEPEST and isinstance(value, dict) and value.get("role") not in _INSTRUCTIONS:
        for member in _MEMBERS:
            if member in value:
                _collect(value[member], found, depth + 1)
