"""Faust's consumer, made to carry chunks and to leave offsets to the shards.

What each override repairs is said at the override. The defect numbers are rows of the design's list of Faust 0.15.3
defects, each of which has a test against stock Faust under ``tests/contract``.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Final, cast

from aiokafka.errors import KafkaError
from faust.transport.drivers import aiokafka as driver
from faust.types.tuples import TP, Message
from mode import Service

from streams.transport.records import ChunkedConsumer

__all__ = ["ChunkConsumer"]

#: How long the fetch loop rests when no partition may be read; Faust's own rest is a full second.
_REST_SECONDS: Final = 0.01
#: How often it is asked whether its consumer still lives.
_WATCH_SECONDS: Final = 1.0
#: How long the broker may hold a fetch open for more data.
_FETCH_WAIT_MS: Final = 100
#: aiokafka's largest. A member that has not fetched for this long leaves its group, and does not come back before it
#: fetches: a spare worker, or one whose shards are long in recovery, fetches nothing, and would be lost for good.
_POLL_INTERVAL_MS: Final = (1 << 31) - 1
#: A seek only writes down a position: one that takes this long has met a thread that is dead.
_SEEK_SECONDS: Final = 30.0


class _ChunkConsumerThread(driver.AIOKafkaConsumerThread):
    """Builds the underlying consumer: chunked, and ``read_committed``, since inputs may come from transactions."""

    def _create_worker_consumer(self, transport: Any) -> ChunkedConsumer:
        conf = self.app.conf
        self._assignor = self.app.assignor
        return ChunkedConsumer(
            client_id=conf.broker_client_id,
            group_id=conf.id,
            group_instance_id=conf.consumer_group_instance_id,
            bootstrap_servers=driver.server_list(transport.url, transport.default_port),
            partition_assignment_strategy=[self._assignor],
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_poll_interval_ms=_POLL_INTERVAL_MS,
            max_partition_fetch_bytes=conf.consumer_max_fetch_size,
            fetch_max_wait_ms=_FETCH_WAIT_MS,
            request_timeout_ms=int(conf.broker_request_timeout * 1000),
            check_crcs=conf.broker_check_crcs,
            session_timeout_ms=int(conf.broker_session_timeout * 1000),
            rebalance_timeout_ms=int(conf.broker_rebalance_timeout * 1000),
            heartbeat_interval_ms=int(conf.broker_heartbeat_interval * 1000),
            isolation_level="read_committed",
            metadata_max_age_ms=conf.consumer_metadata_max_age_ms,
            **driver.credentials_to_aiokafka_auth(conf.broker_credentials, conf.ssl_context),
        )

    async def seek_all(self, positions: Mapping[TP, int]) -> None:
        """Seek, inside the thread that fetches: done from outside, it pulls records from under a fetch's feet.

        Not by ``call_thread``, whose few callers at a time may all be waiting for this rebalance to end.
        """
        consumer = self._ensure_consumer()

        async def seek() -> None:
            for tp, offset in positions.items():
                consumer.seek(tp, offset)

        async with asyncio.timeout(_SEEK_SECONDS):
            await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(seek(), self.thread_loop))

    @Service.task
    async def _watch(self) -> None:
        """Notice that the group is lost for good, also while nothing is fetched.

        Before its first assignment, or as a spare, such a worker would wait for ever, and look as if it were rebalancing.
        """
        while not self.should_stop:
            try:
                if isinstance(self._consumer, ChunkedConsumer):
                    self._consumer.check()
            except KafkaError as error:
                cast(Any, self.app.tables).on_failed(error)
                return
            await self.sleep(_WATCH_SECONDS)

    async def _fetch_records(self, consumer: ChunkedConsumer, *args: Any, **kwargs: Any) -> Any:
        """Fetch, but never from a consumer whose own tasks have ended, for which Faust would wait for ever."""
        consumer.check()
        return await super()._fetch_records(consumer, *args, **kwargs)

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Nothing: Faust judges by its own commits, which do not happen here; ``/healthz`` judges by the shards."""


class ChunkConsumer(driver.Consumer):
    """One message a chunk; offsets are committed by the shards' transactions and never by Faust."""

    def _new_consumer_thread(self) -> _ChunkConsumerThread:
        return _ChunkConsumerThread(self, loop=self.loop, beacon=self.beacon)

    def ack(self, message: Message) -> bool:
        """Note that a chunk is done. Rows 1, 2, 6, 9: no offset book is kept, so none can be wrong or grow."""
        if message.acked:
            return False
        message.acked = True
        self._unacked_messages.discard(message)
        if self._waiting_for_ack is not None and not self._waiting_for_ack.done():
            self._waiting_for_ack.set_result(None)
        return True

    async def force_commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:
        """Nothing. Rows 1, 3, 5, 6: source offsets commit with the state, in the shard's transaction."""
        return False

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Nothing. Row 2: markers and compacted offsets are inside a chunk's range."""

    async def perform_seek(self) -> None:
        """Read on where the shards are. Faust would seek to the group's offsets, behind what is in flight."""
        await self._seek_all(cast(Any, self.app.tables).positions())

    async def read_on(self, positions: Mapping[TP, int]) -> None:
        """Seek partitions and let them be fetched."""
        await self._seek_all(positions)
        self.resume_partitions(positions)

    async def _seek_all(self, positions: Mapping[TP, int]) -> None:
        await cast(_ChunkConsumerThread, self._thread).seek_all(positions)
        # An offset of 0 would drop the first record.
        self._read_offset.update({tp: offset or None for tp, offset in positions.items()})

    async def _wait_next_records(self, timeout: float) -> tuple[Any, Any]:
        """Fetch. Faust rests a whole second when every partition's buffer is full: a stall at each burst.

        What aiokafka cannot mend ends the worker with a sentence, by the table manager's ``on_failed``.
        """
        if not self.flow_active:
            await self.wait(self.can_resume_flow)  # type: ignore[arg-type]
        active = self._get_active_partitions()
        if not active:
            await self.sleep(_REST_SECONDS)
            return {}, active
        try:
            # A copy: the set is emptied by whoever pauses partitions, and to aiokafka an empty one means all.
            return await self._getmany(active_partitions=set(active), timeout=timeout), active
        except KafkaError as error:
            cast(Any, self.app.tables).on_failed(error)
            await self.wait(asyncio.Event())  # type: ignore[arg-type]
            return {}, active
