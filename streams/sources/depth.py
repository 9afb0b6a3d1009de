"""How deeply a JSON text nests, told exactly and in linear time, before a recursive parser sees it.

The worker asks this of records of a kilobyte (:mod:`streams.core.nesting`), where counting brackets settles it; a body of
a foreign system holds hundreds of records and has too many brackets for that.
"""

from typing import Final

import numpy as np

__all__ = ["MOST_LEVELS", "nests_deeper"]

#: Deeper than any record means to be, with its list and its envelope, and far from where parsers give up.
MOST_LEVELS: Final = 64

_LEFT_OUT: Final = bytes(code for code in range(256) if code not in b'[]{}"')


def nests_deeper(text: bytes, levels: int = MOST_LEVELS) -> bool:
    """Whether a JSON text opens more than so many levels at once; of what is no JSON, whether it seems to."""
    if text.count(b"{") + text.count(b"[") <= levels:
        return False
    if b"\\" in text:
        # A backslash escapes what follows: gone with it, each quote that is left begins or ends a string.
        text = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    marks = np.frombuffer(text.translate(None, _LEFT_OUT), np.uint8)
    quotes = marks == ord('"')
    outside = (np.cumsum(quotes, dtype=np.int32) & 1) == 0
    brackets = marks[outside & ~quotes]
    steps = np.where((brackets == ord("[")) | (brackets == ord("{")), 1, -1).astype(np.int32)
    return bool(steps.size and np.cumsum(steps).max() > levels)
