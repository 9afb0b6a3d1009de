"""What was asked, for its fingerprint alone: the words of a span's input messages, without the instructions.

Instructions are the same in every call of a workflow, and would make all its prompts near-duplicates. Not looked at unless
fingerprints are on.
"""

from typing import Any, Final

import orjson

from streams.sources.otlp.records import Attributes

__all__ = ["NAMES", "text_of"]

#: Traceloop has each message under a name of its own; a longer conversation is told well enough by its first messages.
_NUMBERED: Final = 16
_WHOLE: Final = ("gen_ai.input.messages", "gen_ai.prompt", "ai.prompt.messages", "ai.prompt", "input.value")
_CONTENT: Final = tuple((f"gen_ai.prompt.{at}.role", f"gen_ai.prompt.{at}.content") for at in range(_NUMBERED))
NAMES: Final = frozenset((*_WHOLE, *(name for pair in _CONTENT for name in pair)))

_INSTRUCTIONS: Final = ("system", "developer")
#: Members of messages, of the requests that hold them, and of their parts, below which words stand.
_MEMBERS: Final = ("messages", "contents", "input", "prompt", "parts", "content", "text", "value", "response", "result")
_DEEPEST: Final = 12
#: A fingerprint looks at no more.
_MOST_CHARACTERS: Final = 20_000


def text_of(attributes: Attributes) -> str | None:
    """The words that were asked with; None where the span has none."""
    for name in _WHOLE:
        value = attributes.get(name)
        if value:
            found: list[str] = []
            _collect(_parsed(value), found, 0)
            if found:
                return "\n".join(found)[:_MOST_CHARACTERS]
    said = [
        content
        for role, name in _CONTENT
        if isinstance(content := attributes.get(name), str) and attributes.get(role) not in _INSTRUCTIONS
    ]
    return "\n".join(said)[:_MOST_CHARACTERS] or None


def _parsed(value: Any) -> Any:
    if isinstance(value, str) and value.lstrip()[:1] in {"[", "{"}:
        try:
            return orjson.loads(value)
        except orjson.JSONDecodeError:
            return value
    return value


def _collect(value: Any, found: list[str], depth: int) -> None:
    if depth > _DEEPEST:
        return
    if isinstance(value, str):
        found.append(value)
    elif isinstance(value, list):
        for item in value:
            _collect(item, found, depth + 1)
    elif isinstance(value, dict) and value.get("role") not in _INSTRUCTIONS:
        for member in _MEMBERS:
            if member in value:
                _collect(value[member], found, depth + 1)
