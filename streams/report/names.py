"""Names from the stream, made fit to be shown: they come from whoever publishes events, and may be anything."""

import unicodedata
from typing import Final

__all__ = ["padded", "shown", "width_of"]

#: Columns a name may take; longer ones are cut.
_WIDTH: Final = 64
_REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"
_ELLIPSIS: Final = "\N{HORIZONTAL ELLIPSIS}"
_WIDE: Final = frozenset("WF")
_MARKS: Final = frozenset(("Mn", "Me"))
#: Combining marks a character may carry: enough for every script, too few to draw over neighbouring lines.
_MOST_MARKS: Final = 4


def shown(name: str, width: int = _WIDTH) -> str:
    """A name without what could move, hide or reorder text around it, cut to a width in columns.

    Control characters (escape sequences of terminals among them), bidi controls, invisible characters, lone surrogates
    and unassigned ones are replaced by U+FFFD, white space by spaces.
    """
    text = "".join(_fit(character) for character in name)
    text = " ".join(_without_towers(text).split())
    if not text:
        return "(no name)"
    if width_of(text) <= width:
        return text
    kept, used = [], 0
    for character in text:
        used += width_of(character)
        if used > width - 1:
            break
        kept.append(character)
    return "".join(kept).rstrip() + _ELLIPSIS


def width_of(text: str) -> int:
    """Columns that a text takes on a terminal."""
    return sum(
        0 if unicodedata.category(it) in _MARKS else 2 if unicodedata.east_asian_width(it) in _WIDE else 1
        for it in text
    )


def padded(text: str, width: int, *, right: bool = False) -> str:
    """A text filled with spaces to a width in columns; ``right`` aligns it there."""
    spaces = " " * (width - width_of(text))
    return spaces + text if right else text + spaces


def _fit(character: str) -> str:
    if character.isspace():
        return " "
    return _REPLACEMENT if unicodedata.category(character)[0] == "C" else character


def _without_towers(text: str) -> str:
    kept, marks = [], 0
    for character in text:
        marks = marks + 1 if unicodedata.category(character) in _MARKS else 0
        if marks <= _MOST_MARKS:
            kept.append(character)
    return "".join(kept)
