"""Bodies that real clients sent, against what the fake model behind them knows it returned."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from streams.core.pseudonyms import Pseudonyms
from streams.sources.booking import Binding, Booker
from streams.sources.contract import USAGE_UNKNOWN, Context, Decoded, Form, Skip
from streams.sources.otlp import reading
from streams.sources.otlp.counters import Last, amounts
from streams.sources.otlp.decoding import decode

_CAPTURED = Path(__file__).parents[5] / "shared" / "payloads" / "captured"
pytestmark = pytest.mark.skipif(not _CAPTURED.is_dir(), reason=f"no captured bodies in {_CAPTURED}")

AT_MS = 1_795_400_000_000
CLIENTS = ("claude_code", "codex", "gemini_cli", "otel")
_FIELDS = {
    "input_uncached": "input_tokens", "cache_read": "cache_read_tokens", "cache_write": "cache_write_tokens",
    "output": "output_tokens", "reasoning": "reasoning_tokens",
}  # fmt: skip


def bodies() -> list[Any]:
    return [
        pytest.param(client, name, told, id=f"{client}-{name}")
        for client in CLIENTS
        if (_CAPTURED / client).is_dir()
        for name, told in json.loads((_CAPTURED / client / "EXPECT.json").read_text()).items()
    ]


def context_of(client: str, name: str) -> Context:
    sent = json.loads((_CAPTURED / client / f"{name.rpartition('.')[0]}.headers.json").read_text())
    headers = {key.lower(): value for key, value in sent["headers"].items()}
    return Context(AT_MS, sent["path"], headers["content-type"], headers)


def read(client: str, name: str) -> Decoded:
    return decode((_CAPTURED / client / name).read_bytes(), context_of(client, name))


@pytest.mark.parametrize(("client", "name", "told"), bodies())
def test_a_body_decodes_to_what_can_be_read_from_it(client: str, name: str, told: dict[str, Any]) -> None:
    found = read(client, name)
    assert found.refused == []
    if "metrics" in name:
        # One source of tokens a client: its metrics tell the same calls again.
        assert found.items == []
        assert found.skipped[Skip.REPEATED] > 0
        return
    readable = told["truth"] if told["readable_from_body"] == "same as truth" else told["readable_from_body"]
    usage = [item.fields for item in found.items if item.form is Form.USAGE]
    got = {"calls": len(usage), "errors": sum(fields.get("status") == "error" for fields in usage)}
    got |= {ours: sum(fields.get(field, 0) for fields in usage) for ours, field in _FIELDS.items()}
    assert got == {key: readable.get(key, 0) for key in got}
    if "cost_usd_micros" in readable:
        assert sum(fields["cost_micro_usd"] for fields in usage) == readable["cost_usd_micros"]


@pytest.mark.parametrize(("client", "name", "told"), bodies())
def test_the_worker_takes_every_event_of_a_body_and_each_is_one_of_its_own(
    client: str, name: str, told: dict[str, Any]
) -> None:
    items = read(client, name).items
    booked = Booker(Pseudonyms(b"sixteen bytes or more")).book(items, Binding())
    assert booked.refused == []
    assert len(booked.usage) + len(booked.outcomes) == len(items)
    assert len({item.fields["event_id"] for item in items}) == len(items)
    assert [item.fields["event_id"] for item in items] == [item.fields["event_id"] for item in read(client, name).items]


@pytest.mark.parametrize(
    "name", ["genai_openai_1.3b0_traces.bin", "openinference_0.1.66_traces.bin", "vercel_ai_7.0.173_traces.json"]
)
def test_each_call_has_its_own_numbers(name: str) -> None:
    told = json.loads((_CAPTURED / "otel" / "EXPECT.json").read_text())[name]["calls"]
    used = {call["usage"]["output"]: call["usage"] for call in told if call["usage"]}
    for item in read("otel", name).items:
        if item.fields.get("attributes") == USAGE_UNKNOWN:
            continue
        usage = used[item.fields["output_tokens"]]
        assert item.fields["input_tokens"] == usage["uncached"]
        assert item.fields["cache_read_tokens"] == usage["cache_read"]


def counted(client: str, name: str, by: str) -> Counter[tuple[str, str]]:
    """What the points of a body say, by metric and token type, as amounts of a receiver that begins with it."""
    body = (_CAPTURED / client / name).read_bytes()
    points = [point for point in reading.metric_points(body, context_of(client, name).content_type)
              if isinstance(point, reading.MetricPoint)]  # fmt: skip
    found: Counter[tuple[str, str]] = Counter()
    for one in amounts({}, points).added:
        found[one.point.name, str(one.point.attributes.get(by))] += one.amount  # type: ignore[assignment]
    return found


def test_claude_codes_metrics_say_what_its_events_do() -> None:
    found = counted("claude_code", "say_hi_metrics.json", "type")
    by_type = {
        kind: found["claude_code.token.usage", kind] for kind in ("input", "cacheRead", "cacheCreation", "output")
    }
    assert by_type == {"input": 101, "cacheRead": 2001, "cacheCreation": 301, "output": 51}


def test_codex_metrics_say_what_its_events_do() -> None:
    found = counted("codex", "say_hi_metrics_cut.json", "token_type")
    kinds = ("input", "cached_input", "output", "reasoning_output", "total")
    assert [found["codex.turn.token_usage", kind] for kind in kinds] == [2102, 2001, 51, 11, 2153]


def test_gemini_clis_metrics_say_what_its_events_do() -> None:
    found = counted("gemini_cli", "say_hi_metrics.json", "type")
    assert [found["gemini_cli.token.usage", kind] for kind in ("input", "output", "thought", "cache")] == [
        2102,
        40,
        11,
        2001,
    ]


def test_the_second_export_of_a_cumulative_series_adds_one_call() -> None:
    known: dict[str, Last] = {}
    told: list[Counter[str]] = []
    for name in ("genai_openai_1.3b0_metrics_1.bin", "genai_openai_1.3b0_metrics_2.bin"):
        body = (_CAPTURED / "otel" / name).read_bytes()
        points = [point for point in reading.metric_points(body, "application/x-protobuf")
                  if isinstance(point, reading.MetricPoint) and point.name == "gen_ai.client.token.usage"]  # fmt: skip
        result = amounts(known, points)
        known.update(result.changed)
        found: Counter[str] = Counter()
        for one in result.added:
            found[str(one.point.attributes["gen_ai.token.type"])] += int(one.amount)
        told.append(found)
    assert told == [{"input": 8530, "output": 212}, {"input": 2116, "output": 58}]
