"""Tells a bad deploy upstream from the odd bad record: a share of dead letters among the last N records."""

from collections import deque

from streams.errors import DataError

__all__ = ["PoisonGuard"]


class PoisonGuard:
    """Stops a shard before it dead-letters everything.

    ``max_share`` of at least ``window`` records, counted over whole transactions; raises DataError before the
    transaction that would go over it is sent, so those records stay unprocessed in the topic.

    ``figures`` (received, dead-lettered) go on from an earlier guard's: without them a supervisor that starts the worker
    again and again would dead-letter everything after all, a window at a time. As long as they are in the window, only a
    transaction that is itself over the share is refused: once the producer is mended, what it sends must get through.
    """

    def __init__(self, max_share: float, window: int, figures: tuple[int, int] = (0, 0)) -> None:
        self._max_share = max_share
        self._window = window
        self._received, self._bad = figures
        self._recent = deque([figures] if self._received else [])
        self._inherited = bool(self._recent)

    @property
    def figures(self) -> tuple[int, int]:
        """What the window holds: records received, and those of them that were dead-lettered."""
        return self._received, self._bad

    def judge(self, received: int, dead_lettered: int, example: str) -> None:
        """Take one transaction's figures into account."""
        if not received:
            return
        self._recent.append((received, dead_lettered))
        self._received += received
        self._bad += dead_lettered
        while self._received - self._recent[0][0] >= self._window:
            old_received, old_bad = self._recent.popleft()
            self._received -= old_received
            self._bad -= old_bad
            self._inherited = False
        mended = self._inherited and dead_lettered <= self._max_share * received
        if self._received >= self._window and self._bad > self._max_share * self._received and not mended:
            raise DataError(
                f"{self._bad} of the last {self._received} records are invalid (more than {self._max_share:.0%}), "
                f"for example: {example}. Nothing of them was dead-lettered in this attempt; fix the producer, or "
                "raise dead_letters.max_share to let them pass to the dead-letter topic."
            )
