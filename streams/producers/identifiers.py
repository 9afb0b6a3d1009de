"""Event ids for callers that have none of their own."""

import os
import random
import time
import uuid
from typing import Final

__all__ = ["new_event_id", "now_ms"]

# Ids must be unique, not secret. A system call for each would hand the interpreter's lock to the sending thread.
_RANDOM: Final = random.Random()  # noqa: S311
os.register_at_fork(after_in_child=_RANDOM.seed)


def now_ms() -> int:
    """Wall-clock time, integer milliseconds since the epoch, UTC."""
    return time.time_ns() // 1_000_000


def new_event_id() -> str:
    """A UUID of version 7 (RFC 9562): milliseconds, then 74 random bits; ids sort by the time they were made."""
    random_bits = _RANDOM.getrandbits(74)
    value = (now_ms() & 0xFFFF_FFFF_FFFF) << 80 | 7 << 76 | (random_bits >> 62) << 64 | 2 << 62
    return str(uuid.UUID(int=value | random_bits & 0x3FFF_FFFF_FFFF_FFFF))
