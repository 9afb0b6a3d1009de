"""The table manager that recovers nothing: an assignment goes to the shards, and the flow goes on."""

from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock, Mock

import pytest
from faust.types import TP

from streams.transport import ShardTableManager
from tests.unit.transport.fakes import PLACE, faust_app

OTHER = TP("usage", 4)


@pytest.fixture
async def tables(tmp_path: Path) -> Any:
    """Of an app whose consumer and fetcher write down when they are told something."""
    app: Any = faust_app(tmp_path, TableManager=ShardTableManager)
    tables = app.tables
    assert isinstance(tables, ShardTableManager)
    told: list[Any] = []
    app.consumer = Mock(resume_flow=Mock(side_effect=lambda: told.append("flow")))
    app._fetcher = Mock(maybe_start=AsyncMock(side_effect=lambda: told.append("fetch")), stop=AsyncMock())
    app.flow_control.resume = Mock(side_effect=lambda: told.append("streams"))
    app.on_rebalance_end = Mock(side_effect=lambda: told.append("end"))
    app.on_rebalance_complete.connect(completed := AsyncMock())
    app.completed = completed
    app.consumer_generation_id = 5

    async def assigned(places: set[TP], generation: int) -> None:
        told.append((places, generation))

    tables.on_assigned = assigned
    tables.told = told  # type: ignore[attr-defined]
    return tables


async def test_the_shards_are_told_before_anything_flows(tables: Any) -> None:
    await tables.on_rebalance({PLACE, OTHER}, {TP("usage", 0)}, {OTHER}, 5)
    assert tables.told == [({PLACE, OTHER}, 5), "streams", "flow", "fetch", "end"]
    assert tables.actives_ready
    assert tables.standbys_ready
    tables.app.completed.assert_awaited_once()


async def test_an_assignment_that_is_already_out_of_date_is_passed_over(tables: Any) -> None:
    await tables.on_rebalance({PLACE}, set(), {PLACE}, 4)
    assert tables.told == []


async def test_it_recovers_nothing_and_waits_for_nothing(tables: Any) -> None:
    await tables.on_start()
    assert tables._tables_finalized.is_set()
    assert tables._tables_registered.is_set()
    assert tables._recovery is None
    assert await tables.wait_until_recovery_completed() is False
    tables.on_partitions_revoked({PLACE})
    assert tables._recovery is None
    assert tables.changelog_topics == set()


async def test_a_stop_stops_the_fetcher(tables: Any) -> None:
    await tables.on_stop()
    tables.app._fetcher.stop.assert_awaited_once()


async def test_without_shards_there_is_nowhere_to_read_on(tmp_path: Path) -> None:
    app: Any = faust_app(tmp_path, TableManager=ShardTableManager)
    assert dict(app.tables.positions()) == {}
    assert app.tables.on_assigned is None
