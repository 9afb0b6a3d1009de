"""Faust's table manager, replaced: a rebalance goes to the shards, and nothing is recovered by Faust."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

from faust.tables.manager import TableManager
from faust.types import TP

__all__ = ["Assigned", "ShardTableManager"]

#: Told of each new assignment: all partitions now owned, and the generation it belongs to.
Assigned = Callable[[set[TP], int], Awaitable[None]]


class ShardTableManager(TableManager):
    """Hands assignments to the shards and lets the flow go on at once.

    Faust's own recovery can hang on compacted or transactional changelogs (rows 14, 15, 22 to 25) and holds up all
    partitions until the last is recovered. Here partitions stay paused until their shard has recovered, each on its
    own; the rebalance itself never waits for that.
    """

    on_assigned: Assigned | None = None
    #: Told what has ended the fetching for good.
    on_failed: Callable[[Exception], None] = staticmethod(lambda error: None)
    #: Where to read on in each partition that has a running shard.
    positions: Callable[[], Mapping[TP, int]] = staticmethod(dict)

    def show(self, table: Any) -> None:
        """List a table beside Faust's own; it has no changelog that Faust would recover."""
        self.data[table.name] = table

    async def on_start(self) -> None:
        """Nothing to recover; subscriptions may be made."""
        self._tables_finalized.set()
        self._tables_registered.set()

    async def on_stop(self) -> None:
        """Stop fetching."""
        await cast(Any, self.app)._fetcher.stop()

    def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Nothing: shards are told of what is left when the rebalance is through."""

    async def on_rebalance(
        self, assigned: set[TP], revoked: set[TP], newly_assigned: set[TP], generation_id: int = 0
    ) -> None:
        """Tell the shards, then resume."""
        app = cast(Any, self.app)
        if generation_id != app.consumer_generation_id:
            return  # Another rebalance has begun; it brings its own assignment.
        if self.on_assigned is not None:
            await self.on_assigned(assigned, generation_id)
        await app.on_rebalance_complete.send()
        app.flow_control.resume()
        app.consumer.resume_flow()
        await app._fetcher.maybe_start()
        self.on_actives_ready()
        self.on_standbys_ready()
        # Faust says that it returns from a rebalance after this, and warns of one whose state is gone by then.
        state = app._rebalancing_sensor_state
        app.on_rebalance_end()
        app._rebalancing_sensor_state = state
        await asyncio.sleep(0)

    async def wait_until_recovery_completed(self) -> bool:
        """Recovery is the shards' affair."""
        return False
