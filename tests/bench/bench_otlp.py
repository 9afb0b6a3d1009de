"""What reading OTLP costs, as JSON: CPU of one core, the best of many rounds. Run: python -m tests.bench.bench_otlp."""

import json
import sys
from typing import Any

import orjson

from streams.core.pseudonyms import Pseudonyms
from streams.sources.booking import Binding, Booker, Rule
from streams.sources.contract import Context, Form
from streams.sources.otlp.decoding import decode
from tests.bench.bench_litellm import best
from tests.otlp_requests import AT_MS, JSON, PATHS, PROTOBUF, as_protobuf, log_record, request, span

__all__ = ["RECORDS", "measure"]

ROUNDS = 30
RECORDS = 500
RESOURCE = {
    "telemetry.sdk.language": "python", "telemetry.sdk.name": "opentelemetry", "telemetry.sdk.version": "1.45.2",
    "service.instance.id": "i-1", "service.name": "nightly-report", "team": "payments", "process.pid": 4242,
}  # fmt: skip
MESSAGES = '[{"role": "user", "parts": [{"type": "text", "content": "' + "say what happened last night, " * 20 + '"}]}]'


def genai(number: int) -> dict[str, Any]:
    """A call as OpenTelemetry's instrumentation of openai tells it."""
    return span(number, {
        "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-4o-mini",
        "server.address": "api.openai.com", "server.port": 443, "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.response.model": "gpt-4o-mini-2024-07-18", "gen_ai.response.id": f"chatcmpl-{number}",
        "gen_ai.usage.input_tokens": 2100 + number, "gen_ai.usage.output_tokens": 50 + number,
        "gen_ai.usage.cache_read.input_tokens": 2000, "gen_ai.usage.reasoning.output_tokens": 11,
        "openai.response.service_tier": "default", "openai.response.system_fingerprint": "fp",
    }, parentSpanId=f"{10**6:016x}")  # fmt: skip


def with_texts(number: int) -> dict[str, Any]:
    """The same with the conversation on it, which is not read."""
    made = genai(number)
    texts = {"gen_ai.input.messages": MESSAGES, "gen_ai.output.messages": MESSAGES}
    made["attributes"] += span(0, texts)["attributes"]
    return made


def claude_code(number: int) -> dict[str, Any]:
    """An event of a call as Claude Code tells it."""
    return log_record({
        "team": "payments", "workflow": "coding", "user.id": "u-0001", "session.id": f"s-{number % 10}",
        "terminal.type": "dumb", "event.name": "api_request", "event.timestamp": "2026-11-22T15:49:14.537Z",
        "event.sequence": number, "prompt.id": "p", "model": "claude-sonnet-4-5", "input_tokens": 101, "output_tokens": 51,
        "cache_read_tokens": 2001, "cache_creation_tokens": 301, "cost_usd": 0.00279705, "cost_usd_micros": 2797,
        "duration_ms": 41, "request_id": f"req_{number}", "speed": "normal", "query_source": "sdk",
    })  # fmt: skip


def measure(rounds: int = ROUNDS, records: int = RECORDS) -> dict[str, dict[str, float]]:
    """Figures for each kind of body: without booking, and with the team found, the actor sealed and the event judged."""
    found = {}
    for name, kind, make, content_type in (
        ("spans_protobuf", "spans", genai, PROTOBUF),
        ("spans_with_texts_protobuf", "spans", with_texts, PROTOBUF),
        ("spans_json", "spans", genai, JSON),
        ("claude_code_protobuf", "logRecords", claude_code, PROTOBUF),
        ("claude_code_json", "logRecords", claude_code, JSON),
    ):
        scope = "com.anthropic.claude_code.events" if make is claude_code else "test"
        made = request([make(number) for number in range(1, records + 1)], resource=RESOURCE, scope=scope, kind=kind)
        body = as_protobuf(made, kind) if content_type == PROTOBUF else orjson.dumps(made)
        found[name] = _figures(body, Context(AT_MS, PATHS[kind], content_type), rounds, records)
    return found


def _figures(body: bytes, context: Context, rounds: int, records: int) -> dict[str, float]:
    booker = Booker(Pseudonyms(b"sixteen bytes or more"))
    binding = Binding(rules=(Rule("service.name", "checkout-*", "checkout"),))
    items = decode(body, context).items
    assert [item.form for item in items] == [Form.USAGE] * records
    assert len(booker.book(items, binding).usage) == records
    decoded = best(lambda: decode(body, context), rounds) / records
    booked = best(lambda: booker.book(decode(body, context).items, binding), rounds) / records
    return {
        "bytes_per_record": round(len(body) / records),
        "decode_cpu_us": round(decoded * 1e6, 2),
        "decode_records_per_second_per_core": round(1 / decoded),
        "decode_and_book_cpu_us": round(booked * 1e6, 2),
        "decode_and_book_records_per_second_per_core": round(1 / booked),
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure(), indent=2) + "\n")
