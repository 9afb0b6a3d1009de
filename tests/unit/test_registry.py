"""The schema registry client, against a stub: no registry runs here.

The stub answers as Confluent's HTTP API documents it and can be told to fail; it proves what the client does, not that
a particular registry behaves so.
"""

import asyncio
import base64
import json
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from streams.clock import FixedClock
from streams.core.avro import USAGE_EVENT, schema_text
from streams.errors import ConfigError, DependencyError
from streams.registry import SchemaRegistry


class StubRegistry:
    """Just enough of the API: two routes, and failures on request."""

    def __init__(self) -> None:
        self.schemas: dict[int, dict[str, object]] = {}
        self.subjects: dict[str, str] = {}
        self.failures: list[web.Response] = []
        self.requests: list[str] = []
        self.authorization: list[str | None] = []

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/base/schemas/ids/{id}", self.schema)
        app.router.add_post("/base/subjects/{subject}/versions", self.register)
        return app

    def _answer(self, request: web.Request) -> web.Response | None:
        self.requests.append(request.rel_url.raw_path)
        self.authorization.append(request.headers.get("Authorization"))
        return self.failures.pop(0) if self.failures else None

    async def schema(self, request: web.Request) -> web.Response:
        if failure := self._answer(request):
            return failure
        schema = self.schemas.get(int(request.match_info["id"]))
        return error(404, 40403) if schema is None else web.json_response(schema)

    async def register(self, request: web.Request) -> web.Response:
        if failure := self._answer(request):
            return failure
        self.subjects[request.match_info["subject"]] = json.loads(await request.read())["schema"]
        return web.json_response({"id": 7})


def error(status: int, code: int) -> web.Response:
    body = json.dumps({"error_code": code, "message": "as the stub was told"}).encode()
    return web.Response(status=status, body=body, content_type="application/vnd.schemaregistry.v1+json")


class Rig:
    """A client wired to the stub, whose pauses take no time and are written down."""

    def __init__(self, stub: StubRegistry, base: str) -> None:
        self.stub = stub
        self.base = base
        self.clock = FixedClock(1_000)
        self.pauses: list[float] = []
        self.registry = SchemaRegistry(base, clock=self.clock, sleep=self.sleep, attempts=3, unknown_for_ms=5_000)

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    stub = StubRegistry()
    async with TestServer(stub.app()) as server:
        rig = Rig(stub, str(server.make_url("/base")))
        async with rig.registry:
            yield rig


async def test_a_schema_is_fetched_once_and_kept(rig: Rig) -> None:
    rig.stub.schemas[5] = {"schema": schema_text("usage_event")}
    assert rig.registry.get(5) is None
    await rig.registry.ensure({5})
    await rig.registry.ensure({5})
    known = rig.registry.get(5)
    assert known is not None
    assert known.fingerprint == USAGE_EVENT.schema.fingerprint
    assert rig.stub.requests == ["/base/schemas/ids/5"]


async def test_nothing_missing_asks_nothing(rig: Rig) -> None:
    await rig.registry.ensure(set())
    assert rig.stub.requests == []


async def test_an_id_a_follower_has_not_seen_yet_is_asked_for_again(rig: Rig) -> None:
    rig.stub.schemas[5] = {"schema": schema_text("usage_event")}
    rig.stub.failures = [error(404, 40403), error(404, 40403)]
    await rig.registry.ensure({5})
    assert rig.registry.get(5) is not None
    assert rig.pauses == [0.1, 0.2]


async def test_an_unknown_id_is_believed_unknown_for_a_while(rig: Rig) -> None:
    await rig.registry.ensure({9})
    await rig.registry.ensure({9})
    assert rig.registry.get(9) is None
    assert len(rig.stub.requests) == 3

    rig.stub.schemas[9] = {"schema": schema_text("usage_event")}
    rig.clock.set(6_001)
    await rig.registry.ensure({9})
    assert rig.registry.get(9) is not None


@pytest.mark.parametrize("status", [500, 503, 429])
async def test_a_passing_failure_is_retried(rig: Rig, status: int) -> None:
    rig.stub.schemas[5] = {"schema": schema_text("usage_event")}
    rig.stub.failures = [error(status, status)]
    await rig.registry.ensure({5})
    assert rig.registry.get(5) is not None


@pytest.mark.parametrize(
    ("failure", "requests"),
    [
        (error(500, 50001), 3),
        (web.Response(status=200, text="<html>sign in</html>"), 3),
        (error(401, 401), 1),
        (error(404, 404), 1),
        (web.Response(status=404, text="no such page"), 1),
    ],
    ids=["failing", "not a registry", "wrong password", "404 without a registry's code", "404 of some web server"],
)
async def test_a_failure_of_the_registry_is_never_the_records_fault(
    rig: Rig, failure: web.Response, requests: int
) -> None:
    rig.stub.failures = [clone(failure) for _ in range(3)]
    with pytest.raises(DependencyError, match="schema registry at"):
        await rig.registry.ensure({5})
    assert len(rig.stub.requests) == requests
    rig.stub.failures.clear()
    rig.stub.schemas[5] = {"schema": schema_text("usage_event")}
    await rig.registry.ensure({5})
    assert rig.registry.get(5) is not None


def clone(response: web.Response) -> web.Response:
    """A response can be sent once."""
    return web.Response(status=response.status, body=response.body, content_type=response.content_type)


async def test_a_registry_that_is_down_raises_after_its_retries() -> None:
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    async with SchemaRegistry("http://127.0.0.1:1", sleep=sleep, attempts=4) as registry:
        with pytest.raises(DependencyError, match="is not available"):
            await registry.ensure({1})
    assert pauses == [0.1, 0.2, 0.4]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ({"schema": "syntax = 'proto3';", "schemaType": "PROTOBUF"}, "not an Avro schema"),
        ({"schema": "{", "schemaType": "AVRO"}, "not an Avro schema"),
        ({"schema": schema_text("usage_event"), "references": [{"name": "x"}]}, "refers to other schemas"),
        (
            {"schema": json.dumps({"type": "record", "name": "N", "fields": [{"name": "n", "type": ["null", "N"]}]})},
            "recursive",
        ),
    ],
    ids=["protobuf", "broken", "references", "recursive"],
)
async def test_a_schema_that_cannot_be_used_is_remembered_with_the_reason(
    rig: Rig, answer: dict[str, object], why: str
) -> None:
    rig.stub.schemas[5] = answer
    await rig.registry.ensure({5})
    await rig.registry.ensure({5})
    assert rig.registry.get(5) is None
    assert why in rig.registry.unusable[5]
    assert len(rig.stub.requests) == 1


async def test_concurrent_callers_share_one_request(rig: Rig) -> None:
    rig.stub.schemas[5] = {"schema": schema_text("usage_event")}
    await asyncio.gather(*(rig.registry.ensure({5}) for _ in range(8)))
    assert rig.stub.requests == ["/base/schemas/ids/5"]


async def test_one_failing_id_does_not_hide_that_the_others_were_found(rig: Rig) -> None:
    rig.stub.schemas = {5: {"schema": schema_text("usage_event")}, 6: {"nothing": "here"}}
    with pytest.raises(DependencyError, match="without a schema for id 6"):
        await rig.registry.ensure({5, 6})
    assert rig.registry.get(5) is not None


async def test_credentials_in_the_url_are_sent_and_never_shown(rig: Rig) -> None:
    url = rig.base.replace("http://", "http://reader:p%40ss@")
    async with SchemaRegistry(url, sleep=rig.sleep, attempts=1) as registry:
        rig.stub.failures = [error(403, 40301)]
        with pytest.raises(DependencyError) as raised:
            await registry.ensure({5})
    assert rig.stub.authorization == ["Basic " + base64.b64encode(b"reader:p@ss").decode()]
    assert "p%40ss" not in str(raised.value)
    assert "p@ss" not in str(raised.value)
    assert "reader" not in str(raised.value)


async def test_a_schema_is_registered_once(rig: Rig) -> None:
    text = schema_text("kpi")
    assert await rig.registry.register("assay.kpis.v1/value", text) == 7
    assert await rig.registry.register("assay.kpis.v1/value", text) == 7
    assert rig.stub.subjects == {"assay.kpis.v1/value": text}
    assert rig.stub.requests == ["/base/subjects/assay.kpis.v1%2Fvalue/versions"]


async def test_a_refused_schema_is_a_matter_of_configuration(rig: Rig) -> None:
    rig.stub.failures = [error(409, 409)]
    with pytest.raises(ConfigError, match="as the stub was told"):
        await rig.registry.register("assay.kpis.v1-value", schema_text("kpi"))


async def test_registering_without_getting_an_id_is_a_failure(rig: Rig) -> None:
    rig.stub.failures = [web.json_response({"version": 1})]
    with pytest.raises(DependencyError, match="did not return an id"):
        await rig.registry.register("s", schema_text("kpi"))


async def test_what_is_remembered_of_unknown_ids_is_bounded(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.registry._MAX_UNKNOWN", 2)
    for schema_id in (1, 2, 3):
        await rig.registry.ensure({schema_id})
    await rig.registry.ensure({2, 3})
    assert len(rig.stub.requests) == 9


@pytest.mark.parametrize("url", ["", "registry:8081", "ftp://registry", "http://", "http://[broken"])
def test_a_url_that_is_not_a_web_servers_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="schema_registry_url"):
        SchemaRegistry(url)
