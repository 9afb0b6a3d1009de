"""What Alertmanager has to be told, and when: pure state of the alerts that fire, and of those that have ended."""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from msgspec.structs import replace

from streams.core.alerts import Alert
from streams.subscribers.alertmanager import Labels, labels
from streams.subscribers.revisions import Revisions

__all__ = ["Board", "Notice"]


class Notice(NamedTuple):
    """One thing to tell: an alert as it is to be shown. ``key`` is its place among those that fire, None if it ended."""

    alert: Alert
    key: bytes | None


class _Firing:
    __slots__ = ("alert", "told_ms")

    def __init__(self, alert: Alert) -> None:
        self.alert = alert
        self.told_ms: int | None = None


class Board:
    """The current alerts of the partitions that a bridge reads, filled from the log in order.

    Alertmanager forgets: it lets an alert end when it is not told of it again, and it knows an alert by its labels. So
    what fires is due again and again, and a new revision with other labels ends the alert with the old ones.

    Args:
        resend_ms: After how long what fires is told again.
        most: How many alerts are kept fresh. Further ones are told once, and end when Alertmanager's patience does.
    """

    def __init__(self, *, resend_ms: int, most: int) -> None:
        self._resend_ms: Final = resend_ms
        self._most: Final = most
        self._firing: dict[bytes, _Firing] = {}
        self._ended: dict[Labels, Alert] = {}
        # What ended is not kept; its revision is, so that an earlier one that is repeated does not revive it.
        self._revisions = Revisions(max(most, 1) * 10)

    @property
    def firing(self) -> int:
        """How many alerts fire."""
        return len(self._firing)

    @property
    def ended(self) -> int:
        """How many have ended and are still to be told of."""
        return len(self._ended)

    @property
    def settled(self) -> bool:
        """Whether everything was told at least once: all that was read may count as delivered."""
        return not self._ended and all(firing.told_ms is not None for firing in self._firing.values())

    @property
    def overfull(self) -> bool:
        """Whether more fires than is kept fresh."""
        return len(self._firing) > self._most

    def take(self, key: bytes, alert: Alert, *, news: bool) -> None:
        """The next record of the log.

        ``news`` says that no bridge of the group has delivered it: an end that was delivered is not told again.
        """
        if not self._revisions.is_new(key, alert.revision):
            return
        self._revisions.note(key, alert.revision)
        before = self._firing.pop(key, None)
        if before is not None and labels(before.alert) != labels(alert):
            self._end(before, alert.updated_at)
        if alert.state == "firing":
            self._ended.pop(labels(alert), None)
            self._firing[key] = _Firing(alert)
        elif news or (before is not None and before.told_ms is not None):
            self._ended[labels(alert)] = alert

    def gone(self, key: bytes, now_ms: int) -> None:
        """A tombstone: whatever was under the key has ended."""
        self._revisions.forget(key)
        before = self._firing.pop(key, None)
        if before is not None:
            self._end(before, now_ms)

    def due(self, now_ms: int) -> list[Notice]:
        """What is to be told now: ends first, then what is new, then what has to be kept fresh."""
        ended = [Notice(alert, None) for alert in self._ended.values()]
        new = [Notice(it.alert, key) for key, it in self._firing.items() if it.told_ms is None]
        stale = [
            Notice(it.alert, key)
            for key, it in self._kept_fresh()
            if it.told_ms is not None and now_ms - it.told_ms >= self._resend_ms
        ]
        return ended + new + stale

    def was_told(self, notice: Notice) -> bool:
        """Whether this revision was told before, and is only kept fresh."""
        firing = None if notice.key is None else self._firing.get(notice.key)
        return firing is not None and firing.alert is notice.alert and firing.told_ms is not None

    def told(self, notices: Iterable[Notice], now_ms: int) -> None:
        """These were delivered, or given up; in the meantime the log may have said more of the same alerts."""
        for notice in notices:
            if notice.key is None:
                if self._ended.get(labels(notice.alert)) is notice.alert:
                    del self._ended[labels(notice.alert)]
            elif (firing := self._firing.get(notice.key)) is not None and firing.alert is notice.alert:
                firing.told_ms = now_ms

    def _kept_fresh(self) -> Iterator[tuple[bytes, _Firing]]:
        for place, item in enumerate(self._firing.items()):
            if place >= self._most:
                return
            yield item

    def _end(self, before: _Firing, at_ms: int) -> None:
        if before.told_ms is not None:
            self._ended[labels(before.alert)] = replace(before.alert, state="resolved", updated_at=at_ms)
