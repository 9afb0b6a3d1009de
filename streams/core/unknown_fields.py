"""What to tell somebody who sends a field that records do not have: the field that they meant, if there is one."""

import difflib
from collections.abc import Iterable
from typing import Final

__all__ = ["unknown_field"]

_CONTENT: Final = frozenset({"completion", "content", "input", "messages", "output", "prompt", "response", "text"})


def unknown_field(name: str, kind: str, fields: Iterable[str]) -> str:
    """What is wrong with a name, and the fix; ``kind`` is a kind of event with its article, such as ``a usage event``."""
    if name in _CONTENT:
        return f"is not a field of {kind}: what was asked and answered is never sent"
    near = difflib.get_close_matches(name, fields, n=1)
    hint = f"did you mean {near[0]}?" if near else "put what has no field of its own into attributes"
    return f"is not a field of {kind}: {hint}"
