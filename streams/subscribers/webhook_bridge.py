"""The bridge to a webhook: every alert record as a signed CloudEvent, in the order of the log, one request each.

Order of one turn, which is the guarantee: read, send, commit. A record is done when the receiver has taken it, or has
refused it for good.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from streams.core.alerts import Alert
from streams.subscribers.bridge_metrics import BridgeMetrics, Failed
from streams.subscribers.cloud_events import message
from streams.subscribers.posting import Courier
from streams.subscribers.reading import Entry, TopicReader
from streams.subscribers.retrying import Reason
from streams.subscribers.revisions import Revisions
from streams.subscribers.signature import sign

__all__ = ["WebhookBridge"]

log = structlog.get_logger(__name__)

#: Alerts whose highest revision is remembered: a repeated record is not sent twice by one process.
_REMEMBERED: Final = 100_000
#: Records sent before positions are committed although more wait: what a crash may repeat.
_UNCOMMITTED: Final = 100


class WebhookBridge:
    """Forwards alerts to one URL; call ``turn`` until it is to stop.

    Args:
        reader: Reads the topic of alerts for the bridge's group.
        courier: Posts to the URL.
        metrics: Where it counts.
        now_ms: Wall-clock time, which is signed.
        secrets: Each makes a signature.
        binary: CloudEvents' binary mode, rather than the structured one.
    """

    def __init__(
        self,
        reader: TopicReader[Alert],
        courier: Courier,
        metrics: BridgeMetrics,
        *,
        now_ms: Callable[[], int],
        secrets: Sequence[bytes],
        binary: bool = False,
    ) -> None:
        self._reader = reader
        self._courier = courier
        self._metrics = metrics
        self._now_ms = now_ms
        self._secrets = secrets
        self._binary = binary
        self._waiting: deque[Entry[Alert]] = deque()
        self._handled: dict[int, int] = {}
        self._uncommitted = 0
        # Until it is known what is committed: Kafka may go away in the middle of asking.
        self._stale = False
        self._committed: dict[int, int] = {}
        self._revisions = Revisions(_REMEMBERED)

    def turn(self, wait_seconds: float) -> None:
        """Read if nothing waits, send what is due, commit what is done."""
        if self._waiting:
            self._reader.pause()
        else:
            self._reader.resume()
        entries = self._reader.poll(wait_seconds)
        self._stale |= self._reader.take_rebalance()
        if self._stale:
            # What was read and not committed comes again, if it is still ours.
            self._waiting.clear()
            self._handled.clear()
            self._committed = self._reader.go_to_committed()
            self._stale = False
            log.info("forward_begins", committed=self._committed)
            return
        self._waiting.extend(entries)
        while self._waiting and self._courier.ready:
            if not self._settle(self._waiting[0]):
                break
            entry = self._waiting.popleft()
            self._handled[entry.partition] = entry.offset + 1
            self._uncommitted += 1
            if self._uncommitted >= _UNCOMMITTED:
                self._commit()
        self._commit()
        waiting_ms = self._now_ms() - self._waiting[0].published_ms if self._waiting else 0
        self._metrics.waiting_seconds.set(max(0, waiting_ms) / 1_000)

    def delivered(self, partition: int) -> int:
        """How far everything was sent: an offset of the topic."""
        return self._committed.get(partition, 0)

    def _settle(self, entry: Entry[Alert]) -> bool:
        """Whether the record is done."""
        alert = entry.record
        if alert is None:
            if entry.is_tombstone:
                self._revisions.forget(entry.key)
            else:
                self._metrics.failed.labels(Failed.UNREADABLE).inc()
                log.error("alert_unreadable", partition=entry.partition, offset=entry.offset, detail=entry.problem)
            return True
        if not self._revisions.is_new(entry.key, alert.revision):
            return True
        event = message(alert, self._reader.topic, binary=self._binary)
        # Signed anew at each try: a signature is only good for minutes.
        signed = sign(self._secrets, event.identity, self._now_ms() // 1_000, event.body)
        reason = self._courier.send(event.body, event.headers | signed)
        if reason.retried:
            return False
        self._revisions.note(entry.key, alert.revision)
        if reason is Reason.DELIVERED:
            self._metrics.forwarded.labels(alert.state).inc()
        else:
            self._metrics.failed.labels(reason.value).inc()
            answer = self._courier.last_answer
            log.error(
                "alert_not_forwarded", reason=reason.value, alert_id=alert.alert_id, revision=alert.revision,
                status=answer.status, detail=answer.detail,
            )  # fmt: skip
        return True

    def _commit(self) -> None:
        if self._handled and self._reader.commit(self._handled):
            self._committed.update(self._handled)
        self._handled, self._uncommitted = {}, 0
