"""The bridge to Alertmanager: reads what fires from the compacted topic, says so, and goes on saying so.

Order of one turn, which is the guarantee: read, tell, commit. A position is committed when everything before it was told,
so that an end that nobody was told of is told after a restart; and on each start the topic is read from its beginning,
so that what still fires is told again, and nothing that has ended.
"""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec
import structlog

from streams.core.alerts import Alert
from streams.subscribers.alertmanager import postable
from streams.subscribers.board import Board, Notice
from streams.subscribers.bridge_metrics import BridgeMetrics, Failed
from streams.subscribers.posting import Courier
from streams.subscribers.reading import Entry, TopicReader
from streams.subscribers.retrying import Reason

__all__ = ["AlertmanagerBridge"]

log = structlog.get_logger(__name__)

#: Alertmanager shows an alert that it is told of four times in the time it believes in it: three tries may fail.
_TELLINGS: Final = 4
#: Alerts in one request, some 2 KB each.
_BATCH: Final = 500
#: Ends that wait before nothing more is read: the bound on memory while Alertmanager is away.
_MOST_WAITING: Final = 1_000
#: Alerts kept fresh, some 2 KB each. A deployment with so many at once has another problem.
_MOST_FIRING: Final = 20_000
_HEADERS: Final = {"content-type": "application/json"}


class AlertmanagerBridge:
    """Forwards alerts to one Alertmanager; call ``turn`` until it is to stop.

    Args:
        reader: Reads the topic of alerts for the bridge's group.
        courier: Posts to ``/api/v2/alerts``.
        metrics: Where it counts.
        now_ms: Wall-clock time.
        resolve_after_ms: How long Alertmanager believes that an alert fires without being told again.
        console_url: Where a page of each alert is, to link to it.
    """

    def __init__(
        self,
        reader: TopicReader[Alert],
        courier: Courier,
        metrics: BridgeMetrics,
        *,
        now_ms: Callable[[], int],
        resolve_after_ms: int,
        console_url: str | None = None,
    ) -> None:
        self._reader = reader
        self._courier = courier
        self._metrics = metrics
        self._now_ms = now_ms
        self._valid_ms = resolve_after_ms
        self._console_url = console_url
        self._singly = False
        self._said_overfull = False
        # Until it has begun as a whole: Kafka may go away in the middle of it.
        self._stale = False
        self._waiting_since_ms: int | None = None
        self._board = self._new_board()
        # What was known before the last rebalance, kept fresh until as much is known again.
        self._former: Board | None = None
        self._loaded = False
        self._ends: dict[int, int] = {}
        self._committed: dict[int, int] = {}

    def turn(self, wait_seconds: float) -> None:
        """Read what has come, tell what is due, commit what is told."""
        try:
            self._read(wait_seconds)
        finally:
            # Also when Kafka is away: what fires must not seem to have ended because nobody can be asked.
            if self._former is not None:
                self._tell(self._former.due(self._now_ms()), self._former)
            self._tell(self._due(), self._board)
            self._measure()
        if self._loaded and self._board.settled:
            self._commit()

    def _read(self, wait_seconds: float) -> None:
        if self._board.ended >= _MOST_WAITING:
            self._reader.pause()
        else:
            self._reader.resume()
        entries = self._reader.poll(wait_seconds)
        self._stale |= self._reader.take_rebalance()
        if self._stale:
            # What was read comes again from the beginning, together with what only others have read so far.
            self._begin()
            return
        for entry in entries:
            self._take(entry)
        if not self._loaded and self._reached_ends():
            self._loaded, self._former = True, None

    def delivered(self, partition: int) -> int:
        """How far everything was told: an offset of the topic."""
        return self._committed.get(partition, 0)

    def _begin(self) -> None:
        ends = self._reader.ends()
        committed: dict[int, int] = {}
        for partition, end in ends.items():
            place = self._reader.committed(partition)
            if place is None:
                # A group that is new has told nobody of anything: what ended before it began is no news to anyone. Said
                # at once, or what ends between a crash and the next start would be taken for older than the group.
                place = end
                self._reader.commit({partition: place})
            committed[partition] = place
        self._reader.rewind(ends)
        if self._loaded:
            self._former = self._board
        self._board, self._ends, self._committed = self._new_board(), ends, committed
        self._loaded = self._stale = False
        log.info("forward_begins", committed=dict(sorted(committed.items())))

    def _new_board(self) -> Board:
        return Board(resend_ms=self._valid_ms // _TELLINGS, most=_MOST_FIRING)

    def _reached_ends(self) -> bool:
        return all(self._reader.position(partition) >= end for partition, end in self._ends.items())

    def _take(self, entry: Entry[Alert]) -> None:
        news = entry.offset >= self._committed.get(entry.partition, 0)
        if entry.record is not None:
            self._board.take(entry.key, entry.record, news=news)
        elif entry.is_tombstone:
            self._board.gone(entry.key, self._now_ms())
        elif news:
            self._metrics.failed.labels(Failed.UNREADABLE).inc()
            log.error("alert_unreadable", partition=entry.partition, offset=entry.offset, detail=entry.problem)
        if not self._board.overfull:
            self._said_overfull = False
            return
        self._metrics.failed.labels(Failed.NOT_KEPT_FRESH).inc()
        if not self._said_overfull:
            self._said_overfull = True
            log.error("too_many_alerts", firing=self._board.firing, kept_fresh=_MOST_FIRING)

    def _due(self) -> list[Notice]:
        due = self._board.due(self._now_ms())
        if self._loaded:
            return due
        # What fires may have ended further on in the log; what has ended is told early only to make room.
        return [notice for notice in due if notice.key is None] if self._board.ended >= _MOST_WAITING else []

    def _tell(self, due: Sequence[Notice], board: Board) -> None:
        while due and self._courier.ready:
            batch = due[: 1 if self._singly else _BATCH]
            reason = self._send(batch)
            if reason.retried:
                return
            if reason is not Reason.DELIVERED and len(batch) > 1:
                # Alertmanager refuses a batch for one alert in it: find out which.
                self._singly = True
                continue
            self._settle(board, batch, reason)
            due = due[len(batch) :]
        if not due:
            self._singly = False

    def _send(self, batch: Sequence[Notice]) -> Reason:
        now_ms = self._now_ms()
        body = [postable(notice.alert, now_ms, self._valid_ms, self._console_url) for notice in batch]
        return self._courier.send(msgspec.json.encode(body), _HEADERS)

    def _settle(self, board: Board, batch: Sequence[Notice], reason: Reason) -> None:
        for notice in batch:
            alert = notice.alert
            if reason is not Reason.DELIVERED:
                self._metrics.failed.labels(reason.value).inc()
                answer = self._courier.last_answer
                log.error(
                    "alert_not_forwarded", reason=reason.value, alert_id=alert.alert_id, revision=alert.revision,
                    status=answer.status, detail=answer.detail,
                )  # fmt: skip
            elif not board.was_told(notice):
                self._metrics.forwarded.labels(alert.state).inc()
        board.told(batch, self._now_ms())

    def _commit(self) -> None:
        reached = {partition: self._reader.position(partition) for partition in self._reader.partitions}
        moved = {partition: at for partition, at in reached.items() if at > self._committed.get(partition, 0)}
        if moved and self._reader.commit(moved):
            self._committed.update(moved)

    def _measure(self) -> None:
        now_ms = self._now_ms()
        if self._board.settled:
            self._waiting_since_ms = None
        elif self._waiting_since_ms is None:
            self._waiting_since_ms = now_ms
        since_ms = now_ms if self._waiting_since_ms is None else self._waiting_since_ms
        self._metrics.waiting_seconds.set((now_ms - since_ms) / 1_000)
        self._metrics.show_firing(self._board.firing)
