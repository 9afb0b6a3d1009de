"""Named places in a transaction where the fault suite kills the process; nothing happens there otherwise.

``ASSAY_CRASH_AT=<point>:<n>`` kills the worker (SIGKILL, as the kernel's out-of-memory killer would) at the n-th pass.
"""

import os
import signal
from collections import Counter
from collections.abc import Callable, Mapping
from enum import StrEnum

__all__ = ["CrashPoint", "Crossing", "crossing_from"]


class CrashPoint(StrEnum):
    """The steps of a transaction, in order."""

    BEGUN = "begun"
    SENT = "sent"
    OFFSETS = "offsets"
    DELIVERED = "delivered"
    COMMITTED = "committed"
    STORED = "stored"
    ACKED = "acked"


#: Called at each point.
Crossing = Callable[[CrashPoint], None]


def crossing_from(environ: Mapping[str, str]) -> Crossing:
    """The crossing that the environment asks for; by default one that does nothing."""
    wanted, _, count = environ.get("ASSAY_CRASH_AT", "").partition(":")
    if not wanted:
        return lambda point: None
    target, nth, seen = CrashPoint(wanted), int(count or 1), Counter[CrashPoint]()

    def cross(point: CrashPoint) -> None:
        seen[point] += 1
        if point is target and seen[point] >= nth:
            os.kill(os.getpid(), signal.SIGKILL)

    return cross
