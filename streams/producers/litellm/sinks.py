"""Where events go: what a sink does with lines, and how it says what became of them."""

from collections.abc import Mapping, Sequence
from typing import Protocol

__all__ = ["Refusal", "Sink", "TryAgain"]


class TryAgain(Exception):
    """Not now: nothing, or not all, was taken; the same lines may be sent again. ``after_seconds`` is what the receiver asks."""

    def __init__(self, why: str, after_seconds: float | None = None) -> None:
        super().__init__(why)
        self.after_seconds = after_seconds


class Refusal(Exception):
    """Never: the receiver takes these lines in no way, and does not say which is to blame."""


class Sink(Protocol):
    """Sends lines of JSON, one event each; used by one event loop."""

    async def send(self, lines: Sequence[bytes]) -> Mapping[int, str]:
        """Return when all are in safe hands, but those that never will be: their places, and why. Raises TryAgain, Refusal."""

    async def close(self) -> None:
        """Let go of connections."""
