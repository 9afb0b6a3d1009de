"""Whether any of many JSON texts may nest deeply, told from all of them at once.

A text that nests ``depth`` levels opens at least as many braces and brackets. They are counted in blocks of the joined
texts, vectorised; where no neighbourhood of blocks as long as the longest text holds that many, no text does.
"""

from typing import Final

import numpy as np

__all__ = ["may_nest_deeper"]

_BLOCK: Final = 1_024
_WORD: Final = 8
#: The two opening characters differ in this bit.
_BRACKET_TO_BRACE: Final = 0x20
_BRACE: Final = ord("{")


def may_nest_deeper(lines: bytes, longest: int, depth: int) -> bool:
    """Whether one of the joined texts, none longer than ``longest``, may open more than ``depth`` levels."""
    if not lines:
        return False
    openings = (np.frombuffer(lines, np.uint8) | _BRACKET_TO_BRACE) == _BRACE
    padded = np.zeros(-(-len(lines) // _BLOCK) * _BLOCK, np.bool_)
    padded[: len(lines)] = openings
    # Eight flags a word: a block has 128 words, so no byte of their sum can overflow into the next.
    words = padded.view(np.uint64).reshape(-1, _BLOCK // _WORD).sum(axis=1)
    counts = words.view(np.uint8).reshape(-1, _WORD).sum(axis=1, dtype=np.int64)
    spanned = longest // _BLOCK + 2
    totals = np.concatenate((np.zeros(1, np.int64), np.cumsum(counts)))
    reach = totals[spanned:] - totals[:-spanned] if len(totals) > spanned else totals[-1:]
    return bool(reach.max() > depth)
