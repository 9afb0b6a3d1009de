"""What real clients sent goes through the real routes, as they sent it, and comes out to the token."""

import gzip
import hashlib
import hmac
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streams.ingest.credentials import Credential, Scheme
from streams.ingest.gate import Gate
from streams.sources.booking import Binding
from streams.sources.catalogue import SOURCES, Verify
from tests.ingest_source import NOW_MS
from tests.otlp_requests import JSON, PROTOBUF, as_protobuf, request, span
from tests.unit.ingest.test_service import Door, token_file

CAPTURED = Path(__file__).resolve().parents[3] / "../shared/payloads/captured"
BUCKETS = {"input_uncached": "input_tokens", "cache_read": "cache_read_tokens", "cache_write": "cache_write_tokens",
           "output": "output_tokens", "reasoning": "reasoning_tokens"}  # fmt: skip


def bodies() -> Iterator[Path]:
    for headers in sorted(CAPTURED.glob("*/*.headers.json")):
        name = headers.name.removesuffix(".headers.json")
        yield from (path for path in headers.parent.glob(f"{name}.*") if path != headers)


def content(body: Path) -> bytes:
    return body.read_bytes()


def told(body: Path) -> dict[str, Any] | None:
    """What an honest reader can have of the body; None where the file of truths does not say it in sums."""
    expected = json.loads((body.parent / "EXPECT.json").read_text()).get(body.name, {})
    found = expected.get("readable_from_body")
    found = expected.get("truth") if found == "same as truth" else found
    return found if isinstance(found, dict) and "input_uncached" in found else None


@pytest.mark.skipif(not CAPTURED.exists(), reason="the captured bodies of real clients are not here")
@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "gzip"])
async def test_every_captured_body_is_taken_and_comes_out_to_the_token(compressed: bool) -> None:
    compared = 0
    async with Door(Gate([], open_to=Binding()), SOURCES) as door:
        for body in bodies():
            said = json.loads((body.parent / f"{body.stem}.headers.json").read_text())
            path = "/litellm" if body.parent.name == "litellm" else said["path"]
            names = {name.lower(): value for name, value in said["headers"].items()}
            sent = gzip.compress(body.read_bytes()) if compressed else body.read_bytes()
            headers = {"Content_Type": names["content-type"]} | ({"Content_Encoding": "gzip"} if compressed else {})
            door.keeper.bodies.clear()
            status, answer = await door.post(path, sent, **headers)
            assert 200 <= status < 300, (body, answer)
            if path == "/v1/metrics":
                # Each client's events or spans tell the same calls, and more exactly.
                assert not any("input_tokens" in record for record in door.keeper.records)
            elif (expected := told(body)) is not None:
                compared += 1
                for bucket, field in BUCKETS.items():
                    if bucket in expected and expected[bucket] is not None:
                        total = sum(record.get(field, 0) for record in door.keeper.records)
                        assert total == expected[bucket], (body, bucket)
    assert compared > 10


@pytest.mark.skipif(not CAPTURED.exists(), reason="the captured bodies of real clients are not here")
@pytest.mark.parametrize("body", sorted(CAPTURED.glob("langfuse/*_traces.bin")), ids=lambda body: body.stem)
async def test_a_collector_in_between_changes_nothing_of_langfuses_spans(body: Path) -> None:
    """What the SDK posts to its own path comes out the same by the path of all traces."""
    sent = content(body)
    async with Door(Gate([], open_to=Binding()), SOURCES) as door:
        found = []
        for path in ("/api/public/otel/v1/traces", "/v1/traces"):
            door.keeper.bodies.clear()
            status, answer = await door.post(path, sent, Content_Type="application/x-protobuf")
            assert status == 200, answer
            found.append(list(door.keeper.records))
        assert found[0] == found[1]
        assert "langfuse" in {record["source"] for record in found[0]}


@pytest.mark.parametrize("content_type", [JSON, PROTOBUF])
async def test_a_langfuse_span_among_others_counts_once_by_the_path_of_all_traces(content_type: str) -> None:
    used = {"gen_ai.operation.name": "chat", "gen_ai.response.model": "m", "gen_ai.usage.input_tokens": 100}
    details = {"langfuse.observation.usage_details": '{"input": 7, "output": 2}'}
    observed = {"langfuse.observation.type": "generation", "langfuse.observation.model.name": "gpt-5", **details}
    alone, around = span(1, observed), span(2, observed)
    inside = span(3, {**used, "gen_ai.response.id": "resp_1"}, parentSpanId=around["spanId"])
    found = request([alone, around, inside])
    body = as_protobuf(found) if content_type == PROTOBUF else json.dumps(found).encode()
    async with Door(Gate([], open_to=Binding()), SOURCES) as door:
        for _ in range(2):  # sent again: the same records, which the worker counts once
            status, answer = await door.post("/v1/traces", body, Content_Type=content_type)
            assert status == 200, answer
        once, again = door.keeper.records[:2], door.keeper.records[2:]
        assert once == again
        assert {(it["source"], it["input_tokens"], it["output_tokens"]) for it in once} == {
            ("langfuse", 7, 2), ("opentelemetry", 100, 0),
        }  # fmt: skip
        skipped = door.sample("assay_ingest_skipped_total", source="otlp", reason="parent")
        assert skipped == 2


def signed(scheme: str, body: bytes, secret: bytes) -> dict[str, str]:
    digest = hmac.new(secret, body, hashlib.sha256).hexdigest()
    return {
        "github": {"X_Hub_Signature_256": f"sha256={digest}", "X_GitHub_Event": "ping"},
        "jira": {"X_Hub_Signature": f"sha256={digest}"},
        "linear": {"Linear_Signature": digest},
        "pagerduty": {"X_PagerDuty_Signature": f"v1={'0' * 64},v1={digest}"},
    }[scheme]


@pytest.mark.parametrize("name", ["github", "jira", "linear", "pagerduty"])
async def test_webhooks_come_in_by_their_systems_signature_and_by_no_other(name: str) -> None:
    new = b"n" * 20
    credential = Credential("forge", name, Scheme.SIGNATURE, token_file(b"o" * 20, new), Binding("payments"))
    async with Door(Gate([credential]), SOURCES) as door:
        body = json.dumps({"zen": "x", "webhookTimestamp": NOW_MS - 60_000}).encode()
        assert (await door.post(f"/{name}", body, **signed(name, body, new)))[0] != 401
        status, said = await door.post(f"/{name}", body, **signed(name, body, b"x" * 20))
        assert (status, said["reason"]) == (401, "bad_signature")
        status, said = await door.post(f"/{name}", body)
        assert (status, "there is no header" in said["detail"]) == (401, True)


def test_a_webhook_that_is_sent_again_later_is_refused() -> None:
    linear = next(source for source in SOURCES if source.name == "linear")
    verify: Verify | None = linear.verify
    assert verify is not None
    body = json.dumps({"webhookTimestamp": 1_790_000_000_000}).encode()
    headers = {"linear-signature": signed("linear", body, b"k" * 20)["Linear_Signature"]}
    assert verify(body, headers, [b"k" * 20], 1_790_000_000_000) is None
    assert "replay" in str(verify(body, headers, [b"k" * 20], 1_790_000_400_000))


def test_every_route_of_the_product_is_there() -> None:
    paths = {route.path for source in SOURCES for route in source.routes}
    assert paths == {
        "/v1/traces", "/v1/logs", "/v1/metrics", "/api/public/otel/v1/traces", "/api/public/ingestion",
        "/api/public/scores", "/litellm", "/promptfoo", "/github", "/jira", "/linear", "/pagerduty", "/events",
    }  # fmt: skip
