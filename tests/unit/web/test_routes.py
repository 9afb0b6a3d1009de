"""The machine pages are served by Faust's own web server, with nothing of Faust's beside them."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import faust
import pytest
from aiohttp import ClientSession
from aiohttp.test_utils import TestServer, unused_port
from prometheus_client.parser import text_string_to_metric_families

from streams.clock import FixedClock
from streams.core.effects import Counts
from streams.telemetry.registry import Telemetry
from streams.telemetry.sensor import RebalanceSensor
from streams.web.routes import mount


@dataclass
class State:
    recovering_shards: int = 0
    assigned: bool = True
    rebalancing: bool = False
    last_progress_age_seconds: float | None = None
    lag_records: int = 0
    stopping_reason: str | None = None


@pytest.fixture
def state() -> State:
    return State()


@pytest.fixture
def telemetry() -> Telemetry:
    return Telemetry(FixedClock(0), version="1.2.3")


def worker(telemetry: Telemetry, state: State, **options: Any) -> faust.App:
    app = faust.App(
        "routes-test",
        broker="memory://",
        web_tables_enabled=False,
        web_router_enabled=False,
        debug=False,
        web_bind="127.0.0.1",
        **options,
    )
    app.sensors.add(RebalanceSensor(telemetry))
    mount(app, telemetry, state)
    return app


@pytest.fixture
async def url(telemetry: Telemetry, state: State) -> AsyncIterator[str]:
    server = TestServer(await worker(telemetry, state).web.wsgi())
    await server.start_server()
    yield str(server.make_url("")).rstrip("/")
    await server.close()


async def test_metrics_are_prometheus_text(url: str, telemetry: Telemetry) -> None:
    telemetry.accounted("assay.usage.v1", Counts(3, 3))
    async with ClientSession() as session, session.get(f"{url}/metrics") as response:
        assert response.status == 200
        assert response.headers.getall("Content-Type") == ["text/plain; version=0.0.4; charset=utf-8"]
        text = await response.text()
    families = {family.name for family in text_string_to_metric_families(text)}
    assert {"assay_events_received", "assay_build_info"} <= families
    assert 'assay_events_received_total{topic="assay.usage.v1"} 3.0' in text


async def test_health_says_what_it_was_decided_from(url: str, state: State) -> None:
    state.recovering_shards = 2
    state.lag_records = 7
    body = {
        "reasons": ["recovering"], "recovering_shards": 2, "assigned": True, "rebalancing": False,
        "last_progress_age_seconds": None, "lag_records": 7, "stopping_reason": None,
    }  # fmt: skip
    async with ClientSession() as session:
        async with session.get(f"{url}/healthz") as response:
            assert (response.status, response.content_type) == (200, "application/json")
            assert await response.json() == {"status": "ok", **body}
            assert response.headers["Cache-Control"] == "no-store"
        async with session.get(f"{url}/readyz") as response:
            assert response.status == 503
            assert await response.json() == {"status": "unavailable", **body}


async def test_a_stuck_worker_is_not_alive(url: str, state: State) -> None:
    state.last_progress_age_seconds, state.lag_records = 10_000.0, 1
    async with ClientSession() as session, session.get(f"{url}/healthz") as response:
        assert response.status == 503
        assert (await response.json())["reasons"] == ["stuck"]


@pytest.mark.parametrize("page", ["/metrics", "/healthz", "/readyz"])
async def test_pages_can_be_read_and_nothing_else(url: str, page: str) -> None:
    async with ClientSession() as session:
        async with session.head(url + page) as response:
            assert response.status == 200
        for method in ("POST", "PUT", "DELETE", "PATCH"):
            async with session.request(method, url + page) as response:
                assert response.status == 405


@pytest.mark.parametrize("page", ["/table/", "/router/", "/performance/", "/graph"])
async def test_faust_shows_none_of_its_own_pages(url: str, page: str) -> None:
    async with ClientSession() as session, session.get(url + page) as response:
        assert response.status == 404


@pytest.mark.parametrize("in_thread", [False, True])
async def test_the_pages_answer_on_the_port_faust_opens(telemetry: Telemetry, state: State, in_thread: bool) -> None:
    app = worker(telemetry, state, web_port=unused_port(), web_in_thread=in_thread)
    app.loop = asyncio.get_running_loop()
    async with app.web, ClientSession() as session:
        for page in ("metrics", "healthz", "readyz"):
            async with session.get(f"http://127.0.0.1:{app.conf.web_port}/{page}") as response:
                assert response.status == 200
    with pytest.raises(aiohttp.ClientConnectionError):
        async with ClientSession() as session, session.get(f"http://127.0.0.1:{app.conf.web_port}/healthz"):
            pass
