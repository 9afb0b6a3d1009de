"""What a client sees of the service over a real socket: answers by convention, limits, and what is never told."""

import asyncio
import gzip
import hashlib
import hmac
import json
import logging
import random
import threading
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from backports import zstd
from structlog.testing import capture_logs

from streams.clock import FixedClock
from streams.core.events import UsageDecoder
from streams.ingest import serving
from streams.ingest.credentials import Credential, Scheme
from streams.ingest.gate import Gate
from streams.ingest.keeping import NoRoom
from streams.ingest.publishing import Outgoing
from streams.ingest.reading import Memory
from streams.ingest.service import Service
from streams.ingest.serving import HttpServer
from streams.ingest.taking import Taker
from streams.sources.booking import Binding, Rule
from streams.sources.catalogue import Route, Source
from streams.sources.contract import Context, Decoded
from streams.telemetry.ingest import IngestTelemetry
from streams.telemetry.ingest_catalogue import KeptIn
from tests.ingest_source import NOW_MS, SOURCES, event

KEY = b"k" * 32
TOKEN = "canary-token-0123456789"
MIB = 1024 * 1024
_JSON = "application/json"
_PROTOBUF = "application/x-protobuf"


class Keeping:
    """Keeps in memory; can be full, and can be slow."""

    def __init__(self) -> None:
        self.bodies: list[list[Outgoing]] = []
        self.full = False
        self.open = asyncio.Event()
        self.open.set()

    async def keep(self, records: Sequence[Outgoing]) -> KeptIn:
        await self.open.wait()
        if self.full:
            raise NoRoom("Kafka is away and the spool is full")
        self.bodies.append(list(records))
        return KeptIn.KAFKA

    @property
    def records(self) -> list[dict[str, Any]]:
        return [json.loads(record.value) for body in self.bodies for record in body]


class Door:
    """A service on a port."""

    def __init__(self, gate: Gate, sources: Sequence[Source] = SOURCES, **limits: float) -> None:
        self.keeper = Keeping()
        self.telemetry = IngestTelemetry([source.name for source in SOURCES], version="1")
        self.memory = Memory(64 * MIB)
        parts: Any = SimpleNamespace(
            gate=gate, keeper=self.keeper, memory=self.memory, telemetry=self.telemetry, clock=FixedClock(NOW_MS)
        )
        bounds: Any = SimpleNamespace(
            **{"max_body_bytes": 8 * MIB, "max_inflated_bytes": 64 * MIB, "read_timeout_seconds": 20.0} | limits
        )
        takers = [Taker(KEY, topic_prefix="p.", max_inflated_bytes=bounds.max_inflated_bytes) for _ in range(2)]
        self.service = Service(sources, parts, bounds, taker=takers[0], long_taker=takers[1])
        self.server = HttpServer(self.service.handle, what="ingest.port", max_connections=20)
        self.port = 0
        self.client: aiohttp.ClientSession

    async def __aenter__(self) -> "Door":
        self.port = await self.server.start("127.0.0.1", 0)
        self.client = aiohttp.ClientSession(f"http://127.0.0.1:{self.port}")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.close()
        await self.server.stop(5)
        self.service.close()

    async def post(self, path: str, body: Any, **headers: str) -> tuple[int, Any]:
        """Status, and the body, read as JSON where it is."""
        data = body if isinstance(body, bytes) or hasattr(body, "__aiter__") else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.client.post(path, data=data, headers={"Content-Type": _JSON, **named}) as answer:
            said = await answer.read()
            self.headers = answer.headers
            return answer.status, json.loads(said) if answer.content_type == _JSON else said

    async def raw(self, sent: bytes) -> bytes:
        """What comes back for some bytes, until the server closes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(sent)
            await writer.drain()
            return await asyncio.wait_for(reader.read(), 30)
        finally:
            writer.close()

    def sample(self, name: str, **labels: str) -> float | None:
        return self.telemetry.registry.get_sample_value(name, labels)


def token_file(*secrets: bytes) -> Any:
    return SimpleNamespace(secrets=lambda: secrets)


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests need not hear a client out that is still sending."""
    monkeypatch.setattr(serving, "_LINGER_SECONDS", 0.3)


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    async with Door(Gate([], open_to=Binding())) as opened:
        yield opened


async def test_a_body_is_answered_for_each_of_its_items(door: Door) -> None:
    body = [event("a"), event("b", model=""), {"refuse": 1}, {"skip": 1}]
    status, said = await door.post("/test", body)
    assert status == 200
    assert said == {
        "accepted": 1,
        "refused": [
            {"place": "2", "reason": "empty", "detail": "field refuse is set: leave it out"},
            {"place": "b", "reason": "empty", "detail": "field model is empty: send a value or leave the record out"},
        ],
        "skipped": {"irrelevant": 1},
    }
    assert [record["event_id"] for record in door.keeper.records] == ["a"]
    assert door.sample("assay_ingest_accepted_total", source="test", form="usage") == 1
    assert door.sample("assay_ingest_refused_total", source="test", reason="empty") == 2
    assert door.sample("assay_ingest_skipped_total", source="test", reason="irrelevant") == 1
    assert door.sample("assay_ingest_attributed_total", source="test", by="payload") == 2
    assert door.sample("assay_ingest_requests_total", source="test", status="2xx") == 1
    assert door.sample("assay_ingest_kept_total", where="kafka") == 1
    assert door.sample("assay_ingest_body_bytes_total", source="test") == len(json.dumps(body))


async def test_a_body_of_nothing_but_refusals_is_a_bad_request_unless_the_sender_would_drop_or_repeat_it(
    door: Door,
) -> None:
    assert (await door.post("/test", {"refuse": 1}))[0] == 400
    assert (await door.post("/test/quiet", {"refuse": 1}))[0] == 200
    assert (await door.post("/test", []))[0] == 200
    assert door.keeper.bodies == []


async def test_usage_and_outcomes_go_to_their_topics_and_the_key_is_the_team(door: Door) -> None:
    outcome = {"outcome_id": "o", "source": "test", "occurred_at": NOW_MS, "team": "search", "kind": "change_merged",
               "verdict": "accepted"}  # fmt: skip
    assert (await door.post("/test", [outcome, event("a")]))[1]["accepted"] == 2
    (body,) = door.keeper.bodies
    assert [(record.topic, record.key) for record in body] == [
        ("p.assay.usage.v1", b"payments"), ("p.assay.outcomes.v1", b"search"),
    ]  # fmt: skip


async def test_the_actor_is_sealed_and_the_prompt_becomes_a_fingerprint(door: Door) -> None:
    await door.post("/test", event("a", actor="jane@example.com", prompt="a secret canary prompt"))
    (record,) = door.keeper.records
    assert record["actor"].startswith("pseudonym:")
    assert len(record["prompt_fingerprint"]) == 16
    assert b"jane" not in door.keeper.bodies[0][0].value
    assert b"canary" not in door.keeper.bodies[0][0].value
    assert UsageDecoder().decode([door.keeper.bodies[0][0].value]).events[0].team == "payments"  # type: ignore[union-attr]


async def test_otlp_is_answered_in_its_own_words(door: Door) -> None:
    body = [event("a"), {"refuse": 1}, {"refuse": 1}]
    message = "1: field refuse is set: leave it out (and 1 more)"
    for path, name in (("traces", "rejectedSpans"), ("logs", "rejectedLogRecords"), ("metrics", "rejectedDataPoints")):
        status, said = await door.post(f"/v1/{path}", body)
        assert (status, said) == (200, {"partialSuccess": {name: "2", "errorMessage": message}})
    assert await door.post("/v1/traces", [event("a")]) == (200, {})
    assert await door.post("/v1/traces", [event("a")], Content_Type=_PROTOBUF) == (200, b"")
    status, said = await door.post("/v1/traces", body, Content_Type=f"{_PROTOBUF}; v=1")
    inner = b"\x08\x02\x12" + bytes([len(message)]) + message.encode()
    assert (status, said) == (200, b"\n" + bytes([len(inner)]) + inner)
    service = pytest.importorskip("opentelemetry.proto.collector.trace.v1.trace_service_pb2")
    partial = service.ExportTraceServiceResponse.FromString(said).partial_success
    assert (partial.rejected_spans, partial.error_message) == (2, message)


async def test_otlp_that_cannot_be_read_is_answered_with_a_status(door: Door) -> None:
    status, said = await door.post("/v1/traces", b"{")
    assert (status, said) == (400, {"code": 3, "message": "the body is no JSON: send an object or a list of objects"})
    status, said = await door.post("/v1/traces", b"{", Content_Type=_PROTOBUF)
    assert (status, door.headers["Content-Type"]) == (400, _PROTOBUF)
    assert said == b"\x08\x03\x128the body is no JSON: send an object or a list of objects"
    assert (await door.post("/v1/traces", b"{", Content_Type="text/plain"))[0] == 415


async def test_a_source_may_answer_in_words_of_its_own(door: Door) -> None:
    body = gzip.compress(json.dumps([event("a"), event("b", model=""), {"refuse": 1}]).encode())
    status, said = await door.post("/own", body, Content_Encoding="gzip")
    assert (status, said["sent"], list(said["errors"])) == (207, 3, ["2", "b"])
    status, said = await door.post("/own", b"[")
    assert (status, said["error"], said["message"] == said["detail"]) == (400, "invalid_json", True)


async def test_what_is_taken_where_and_how_is_told(door: Door) -> None:
    status, said = await door.post("/nowhere", [])
    assert (status, said["reason"]) == (404, "path")
    assert "/test, /test/quiet, /hooks" in said["detail"]
    assert "did you mean /test?" in (await door.post("/test/", []))[1]["detail"]
    async with door.client.get("/test") as answer:
        assert (answer.status, answer.headers["Allow"]) == (405, "POST")
    status, said = await door.post("/test", b"a=b", Content_Type="application/x-www-form-urlencoded")
    assert (status, said["reason"]) == (415, "content_type")
    status, said = await door.post("/test", b"", Content_Encoding="br")
    assert (status, said["reason"], door.headers["Accept-Encoding"]) == (415, "encoding", "gzip, deflate, zstd")
    assert door.sample("assay_ingest_requests_total", source="none", status="4xx") == 2


@pytest.mark.parametrize(
    ("encoding", "pack"), [("gzip", gzip.compress), ("x-gzip", gzip.compress), ("zstd", zstd.compress)]
)
async def test_bodies_come_compressed_and_in_chunks(door: Door, encoding: str, pack: Any) -> None:
    whole = pack(json.dumps([event(f"e{number}") for number in range(3_000)]).encode())

    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(whole), 1_000):
            yield whole[at : at + 1_000]

    status, said = await door.post("/test", pieces(), Content_Encoding=encoding)
    assert (status, said["accepted"]) == (200, 3_000)


async def test_a_body_that_ends_in_the_middle_of_its_compression_is_told(door: Door) -> None:
    status, said = await door.post("/test", gzip.compress(b"[]")[:-1], Content_Encoding="gzip")
    assert (status, said["reason"]) == (400, "bad_encoding")


async def test_a_bomb_is_refused(door: Door) -> None:
    status, said = await door.post("/test", gzip.compress(bytes(100 * MIB)), Content_Encoding="gzip")
    assert (status, said["reason"]) == (413, "too_large")


async def test_a_body_that_is_too_long_is_refused_before_it_is_read_or_while_it_is(door: Door) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(50):
            yield bytes(MIB)

    with_length = b"POST /test HTTP/1.1\r\nHost: a\r\nContent-Length: 52428800\r\n\r\n"
    assert b"413" in (await door.raw(with_length + bytes(1000)))[:20]
    try:
        status, said = await door.post("/test", endless())
        assert (status, said["reason"]) == (413, "too_large")
    except aiohttp.ClientConnectionError:
        pass  # the server closed while the client was still sending: it may not have seen the answer
    assert door.memory.held_bytes == 0


async def test_a_client_that_dawdles_is_told_and_cut_off() -> None:
    async with Door(Gate([], open_to=Binding()), read_timeout_seconds=0.1) as door:
        answer = await door.raw(b"POST /test HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n[")
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 408")
        assert b"Connection: close" in head
        assert json.loads(body)["reason"] == "too_slow"
        assert door.memory.held_bytes == 0


async def test_headers_that_never_end_are_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "_IDLE_SECONDS", 0.2)
    async with Door(Gate([], open_to=Binding())) as door:
        reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
        writer.write(b"POST /test HTTP/1.1\r\nHost: a\r\nX: ")
        for _ in range(100):
            writer.write(b"x")
            with suppress(TimeoutError):
                if await asyncio.wait_for(reader.read(100), 0.05) == b"":
                    break
        else:
            raise AssertionError("it is still connected")
        writer.close()


async def test_too_many_connections_are_told_to_come_back(door: Door) -> None:
    open_ones = [await asyncio.open_connection("127.0.0.1", door.port) for _ in range(20)]
    await asyncio.sleep(0.05)
    answer = await door.raw(b"")
    assert answer.startswith(b"HTTP/1.1 503")
    assert b"Retry-After: 5" in answer
    for _, writer in open_ones:
        writer.close()
    await asyncio.sleep(0.05)
    assert (await door.post("/test", [event("a")]))[0] == 200


async def test_while_nothing_can_be_kept_the_client_is_told_to_come_back_and_nothing_counts(door: Door) -> None:
    door.keeper.full = True
    for path in ("/test", "/v1/traces", "/own"):
        status, _ = await door.post(path, [event("a")])
        assert (status, door.headers["Retry-After"]) == (503, "5")
    assert door.sample("assay_ingest_accepted_total", source="test", form="usage") is None
    assert door.sample("assay_ingest_requests_total", source="test", status="5xx") == 1


async def test_no_answer_comes_before_the_body_is_durable(door: Door) -> None:
    door.keeper.open.clear()
    waiting = asyncio.create_task(door.post("/test", [event("a")]))
    await asyncio.sleep(0.1)
    assert not waiting.done()
    door.keeper.open.set()
    assert (await waiting)[0] == 200


async def test_a_decoder_is_told_what_it_may_know_and_works_on_long_bodies_in_a_thread() -> None:
    seen: list[tuple[Context, str]] = []

    def spy(_body: bytes, context: Context) -> Decoded:
        seen.append((context, threading.current_thread().name))
        return Decoded([], [], Counter())

    source = Source("spy", "Spy", spy, (Route("/spy", content_types=()),))
    async with Door(Gate([], open_to=Binding()), [source]) as door:
        headers = {"Authorization": "Bearer canary", "Cookie": "canary", "X_Event": "push"}
        await door.post("/spy", b"short", Content_Type="Text/Any; charset=x", **headers)
        await door.post("/spy", bytes(300_000))
        await door.post("/spy", gzip.compress(random.Random(1).randbytes(20_000)), Content_Encoding="gzip")
    context = seen[0][0]
    assert (context.received_at_ms, context.path, context.content_type) == (NOW_MS, "/spy", "text/any")
    assert context.headers["x-event"] == "push"
    assert "canary" not in str(context.headers)
    assert context.fingerprint is not None
    assert [name.split("_")[0] for _, name in seen] == ["MainThread", "take", "take"]


async def test_a_long_body_does_not_hold_up_the_others(door: Door) -> None:
    long = json.dumps([event(f"e{number}", attributes={"a": "x" * 200}) for number in range(15_000)]).encode()
    waiting = asyncio.create_task(door.post("/test", long))
    while not waiting.done():
        await door.post("/test", [event("short")])
    assert (await waiting)[1]["accepted"] == 15_000
    short = [place for place, body in enumerate(door.keeper.bodies) if len(body) == 1]
    long_place = next(place for place, body in enumerate(door.keeper.bodies) if len(body) > 1)
    assert sum(place < long_place for place in short) > 3


async def test_the_body_is_asked_for_only_once_the_headers_are_right() -> None:
    credential = Credential("proxy", "test", Scheme.BEARER, token_file(TOKEN.encode()), Binding())
    async with Door(Gate([credential])) as door:
        head = "POST /test HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\nConnection: close\r\n"
        refused = await door.raw(head.encode() + b"\r\n")
        assert refused.startswith(b"HTTP/1.1 401")
        reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
        writer.write(f"{head}Authorization: Bearer {TOKEN}\r\n\r\n".encode())
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"[]")
        assert (await reader.read()).startswith(b"HTTP/1.1 200")
        writer.close()


async def test_team_and_workflow_are_those_of_the_credential_its_rules_the_payload_or_nobody() -> None:
    rules = (Rule("alias", "search-*", "search", "rank"),)
    credentials = [
        Credential("bound", "test", Scheme.BEARER, token_file(b"b" * 20), Binding("bound", "flow")),
        Credential("ruled", "otlp", Scheme.BEARER, token_file(b"r" * 20), Binding(rules=rules)),
    ]
    async with Door(Gate(credentials)) as door:
        nobody = {key: value for key, value in event("n").items() if key not in ("team", "workflow")}
        await door.post("/test", [event("a")], Authorization="Bearer " + "b" * 20)
        body = [event("l", label_alias="search-1"), event("p"), nobody]
        await door.post("/v1/traces", body, Authorization="Bearer " + "r" * 20)
        assert [(record["team"], record["workflow"]) for record in door.keeper.records] == [
            ("bound", "flow"), ("search", "rank"), ("payments", "review"), ("unattributed", "unattributed"),
        ]  # fmt: skip
        by = {value: door.sample("assay_ingest_attributed_total", source="otlp", by=value)
              for value in ("rule", "payload", "default")}  # fmt: skip
        assert by == {"rule": 1, "payload": 1, "default": 1}


async def test_who_is_not_known_yet_holds_only_what_has_come() -> None:
    credentials = [
        Credential("forge", "hooks", Scheme.SIGNATURE, token_file(b"s" * 20), Binding()),
        Credential("proxy", "test", Scheme.BEARER, token_file(TOKEN.encode()), Binding()),
    ]
    async with Door(Gate(credentials)) as door:
        held = []
        for head in ("POST /hooks HTTP/1.1\r\n", f"POST /test HTTP/1.1\r\nAuthorization: Bearer {TOKEN}\r\n"):
            _, writer = await asyncio.open_connection("127.0.0.1", door.port)
            writer.write(f"{head}Host: a\r\nContent-Length: {8 * MIB}\r\n\r\n[".encode())
            await asyncio.sleep(0.1)
            held.append(door.memory.held_bytes)
            writer.close()
            await asyncio.sleep(0.1)
        assert held[0] < MIB
        assert held[1] == 8 * MIB
        assert door.memory.held_bytes == 0


async def test_a_webhook_needs_its_signature() -> None:
    credential = Credential("forge", "hooks", Scheme.SIGNATURE, token_file(b"old", b"new"), Binding("payments"))
    async with Door(Gate([credential])) as door:
        body = json.dumps([event("a")]).encode()
        for secret, status in ((b"new", 200), (b"old", 200), (b"other", 401)):
            signature = hmac.new(secret, body, hashlib.sha256).hexdigest()
            assert (await door.post("/hooks", body, X_Signature=signature))[0] == status
        status, said = await door.post("/hooks", body)
        assert (status, said["reason"]) == (401, "bad_signature")
        assert len(door.keeper.bodies) == 2


async def test_a_bug_is_an_answer_and_a_log_line_that_tells_nothing_of_the_body(door: Door) -> None:
    with capture_logs() as logs:
        status, said = await door.post("/test", {"crash": 1, "secret": "canary"})
    assert (status, said["reason"]) == (500, "internal")
    assert [(line["event"], line["error"], line["source"]) for line in logs] == [
        ("request_failed", "RuntimeError", "test")
    ]
    assert "canary" not in str(logs)


async def test_nothing_that_was_sent_is_logged(door: Door, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with capture_logs() as logs:
        await door.raw(b"canary\r\n\r\n")
        await door.raw(b"POST /canary?canary=1 HTTP/1.1\r\nHost: a\r\ncanary: canary\r\nConnection: close\r\n\r\n")
        await door.raw(b"POST /test HTTP/1.1\r\nHost: a\r\nContent-Length: canary\r\n\r\n")
        await door.raw(b"POST /test HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\ncanary\r\ncanary")
        await door.post("/test", b"canary", Authorization="Bearer canary")
        await door.post("/test", event("a", model="canary", actor="canary"))
    said = str(logs) + "".join(record.getMessage() + str(record.exc_text) for record in caplog.records
                               if not record.name.startswith("asyncio"))  # fmt: skip
    assert "canary" not in said


async def test_a_stop_lets_requests_finish_whose_bodies_are_half_here() -> None:
    door = Door(Gate([], open_to=Binding()))
    await door.__aenter__()
    body = json.dumps([event("a")]).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    writer.write(b"POST /test HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body) + body[:10])
    await asyncio.sleep(0.05)
    stopping = asyncio.create_task(door.server.stop(5))
    await asyncio.sleep(0.1)
    writer.write(body[10:])
    answer = await reader.read()
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"Connection: close" in answer
    await stopping
    with pytest.raises(OSError, match="Connect"):
        await asyncio.open_connection("127.0.0.1", door.port)
    assert len(door.keeper.bodies) == 1
    writer.close()
    await door.__aexit__()
