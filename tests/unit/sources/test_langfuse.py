"""Langfuse: its SDKs' batches, spans and scores, and its exports, to the token; what repeats others, and whose it is."""

import tracemalloc
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from google.protobuf.json_format import MessageToDict
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from streams.core.reasons import Reason
from streams.sources.contract import BadBody, Context, Decoded, Skip
from streams.sources.fingerprints import Fingerprints
from streams.sources.langfuse import (
    INGESTION,
    SCORES,
    TRACES,
    ScoreRule,
    answer_batch,
    answer_scores,
    decode,
)  # fmt: skip
from tests.unit.sources.judging import (
    CANARY,
    RECEIVED_MS,
    book,
    booked,
    buckets,
    calls,
    canaries,
    marked,
    outcomes,
    payload,
    total,
    truth,
    truth_buckets,
)  # fmt: skip

EXPORT = Context(RECEIVED_MS)
BATCH = EXPORT._replace(path=INGESTION)
SCORED = EXPORT._replace(path=SCORES)
SPANS = EXPORT._replace(path=TRACES)
AT = "2026-09-21T14:13:20.000Z"
AT_MS = 1_790_000_000_000


def generation(**said: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "id": "g1", "traceId": "t1", "type": "GENERATION", "name": "answer", "model": "gpt-5", "startTime": AT, "endTime": AT,
        "level": "DEFAULT", "usageDetails": {"input": 100, "output": 10, "total": 110}, "costDetails": {"input": 0.1, "output": 0.4, "total": 0.5},
    }  # fmt: skip
    return fields | said


def export(*rows: Any, context: Context = EXPORT, **said: Any) -> Decoded:
    decoded = decode(orjson.dumps(list(rows)), context, **said)
    booked(decoded)
    return decoded


def event(kind: str, envelope: str, **body: Any) -> dict[str, Any]:
    return {"id": envelope, "type": kind, "timestamp": AT, "body": body}


def batch(*events: Any, context: Context = BATCH) -> Decoded:
    decoded = decode(orjson.dumps({"batch": events, "metadata": {}}), context)
    booked(decoded)
    return decoded


def span(span_id: str = "00000000000000a1", parent: str = "", **attributes: Any) -> dict[str, Any]:
    def value(said: Any) -> dict[str, Any]:
        if isinstance(said, list):
            return {"arrayValue": {"values": [value(inner) for inner in said]}}
        return {"intValue": said} if isinstance(said, int) else {"stringValue": said}

    return {
        "traceId": "0" * 31 + "1", "spanId": span_id, "parentSpanId": parent, "name": "answer", "startTimeUnixNano": "1790000000000000000",
        "endTimeUnixNano": "1790000000123999999", "attributes": [{"key": key, "value": value(said)} for key, said in attributes.items()],
    }  # fmt: skip


def observed(**said: Any) -> dict[str, Any]:
    """Attributes of a generation in Langfuse's words."""
    return {"langfuse.observation.type": "generation", "langfuse.observation.model.name": "gpt-5"} | {
        name.replace("__", "."): value for name, value in said.items()
    }


def traces(*spans: dict[str, Any], scope: str = "langfuse-sdk", **resource: str) -> Decoded:
    return traces_of({scope: list(spans)}, **resource)


def traces_of(scopes: dict[str, list[dict[str, Any]]], **resource: str) -> Decoded:
    attributes = [{"key": key.replace("__", "."), "value": {"stringValue": value}} for key, value in resource.items()]
    scoped = [{"scope": {"name": name}, "spans": spans} for name, spans in scopes.items()]
    body = orjson.dumps({"resourceSpans": [{"resource": {"attributes": attributes}, "scopeSpans": scoped}]})
    decoded = decode(body, SPANS)
    booked(decoded)
    return decoded


def usage_of(**details: Any) -> tuple[int, ...]:
    (call,) = calls(export(generation(usageDetails=details, costDetails={})))
    assert "attributes" not in call
    return buckets(call)


# ---------------------------------------------------------------------------------------------------- real clients


@pytest.mark.parametrize(("name", "path", "content_type"), [
    ("v5_traces.bin", TRACES, "application/x-protobuf"),
    ("v5_langchain_traces.bin", TRACES, "application/x-protobuf"),
    ("v2_ingestion_openai.json", INGESTION, "application/json"),
])  # fmt: skip
def test_a_captured_body_is_the_truth_to_the_token(name: str, path: str, content_type: str) -> None:
    decoded = decode(payload(f"captured/langfuse/{name}"), Context(RECEIVED_MS, path, content_type))
    expected = truth("langfuse", name)
    readable = expected["readable_from_body"]
    readable = expected["truth"] if readable == "same as truth" else readable
    found = calls(decoded)
    assert total(found) == truth_buckets(readable)
    assert sum(call["status"] == "error" for call in found) == readable["errors"]
    told = [
        truth_buckets({"input_uncached": said["uncached"], **said})
        for call in expected["calls"]
        if (said := call["usage"])
    ]
    assert {buckets(call) for call in found} - {(0, 0, 0, 0, 0), (100, 2000, 300, 50, 0)} <= set(told)
    assert decoded.refused == []
    assert all("request_id" not in call for call in found)
    booked(decoded)


def test_captured_spans_are_told_with_owners_run_actor_and_cost() -> None:
    body = payload("captured/langfuse/v5_traces.bin")
    found = calls(decode(body, Context(RECEIVED_MS, TRACES, "application/x-protobuf")))
    assert len(found) == 6  # the five that a model saw, one of them without usage, and the one made up by hand
    for call in found:
        assert (call["team"], call["workflow"], call["actor"]) == ("red", "nightly", "u-0001")
        assert call["run_id"] == "d8a1d75cd975abe972085f27092000cf"
    assert [call.get("cost_micro_usd") for call in found] == [None, None, None, None, None, 1_650]
    assert [call["event_id"].endswith(":untold") for call in found] == [False, False, True, False, True, False]
    assert [call.get("attributes") for call in found if call["event_id"].endswith(":untold")] == [
        {"usage": "unknown"}
    ] * 2


def test_captured_scores_are_judged_or_counted_as_unjudged() -> None:
    decoded = decode(payload("captured/langfuse/v5_scores.json"), SCORED)
    found = outcomes(decoded)
    assert (
        len(found) + decoded.skipped[Skip.UNJUDGED]
        == truth("langfuse", "v5_scores.json")["readable_from_body"]["scores"]
    )
    assert [(score["kind"], score["value"], score["attributes"]["judged_by"]) for score in found] == [
        ("eval_passed", 1.0, "boolean"), ("eval_passed", 0.75, "half")
    ]  # fmt: skip
    assert {score["run_id"] for score in found} == {"d8a1d75cd975abe972085f27092000cf"}


@pytest.mark.parametrize(("name", "expected", "micro_usd", "parents"), [
    # Of the pairs the inner one counts: the outer is a tokenizer's estimate.
    ("agno-2025-06-11", (663 + 163, 0, 0, 225 + 20, 0), 234 + 36, 2),
    ("autogen-2025-06-06", (41, 0, 0, 3, 0), 25, 0),
    ("claude-agent-2025-12-22", (5 + 5 + 5 + 19, 0, 0, 94 + 56 + 53 + 29, 0), 1_425 + 855 + 810 + 492, 0),
    ("crewai-2025-07-11", (190, 0, 0, 164, 0), 127, 0),
    # Reasoning inside the output: 6 + 2055 is the total.
    ("google-gemini-2025-08-01", (6, 0, 0, 2055, 1104), 5_139, 0),
    ("koog-2025-08-26", (168 + 47, 0, 0, 19 + 106, 0), 610 + 1_178, 0),
    ("langgraph-python-2025-08-22", (60 + 108, 0, 0, 15 + 51, 0), 75 + 159, 0),
    ("pydantic-ai-2025-06-06", (31, 0, 0, 96, 0), 1_038, 0),
    ("pydantic-ai-tools-2025-06-06", (31, 0, 0, 96, 0), 1_038, 0),
    ("pydantic-ai-tools-2025-12-04", (417 + 131 + 502 + 265, 0, 0, 53 + 69 + 14 + 73, 0), 94 + 61 + 84 + 84, 0),
])  # fmt: skip
def test_published_traces_are_read_to_hand_counted_tokens_and_cost(
    name: str, expected: tuple[int, ...], micro_usd: int, parents: int
) -> None:  # fmt: skip
    body = payload(f"langfuse/{name}.trace.json")
    decoded = decode(body, EXPORT)
    found = calls(decoded)
    assert total(found) == expected
    assert sum(call["cost_micro_usd"] for call in found) == micro_usd
    assert decoded.skipped[Skip.PARENT] == parents
    assert decoded.refused == []
    whole = orjson.loads(body)
    records = 1 + sum(
        len(whole.get(key) or whole["trace"].get(key) or []) for key in ("observations", "scores", "corrections")
    )
    assert len(decoded.items) + sum(decoded.skipped.values()) == records
    booked(decoded)


# ------------------------------------------------------------------------------------------------- three meanings


def test_a_providers_own_object_has_cached_tokens_inside() -> None:
    assert usage_of(prompt_tokens=2102, completion_tokens=51, total_tokens=2153, prompt_tokens_details={"cached_tokens": 2001},
                    completion_tokens_details={"reasoning_tokens": 11}) == (101, 2001, 0, 51, 11)  # fmt: skip
    assert usage_of(input_tokens=2108, output_tokens=54, total_tokens=2162, input_tokens_details={"cached_tokens": 2004},
                    output_tokens_details={"reasoning_tokens": 14}) == (104, 2004, 0, 54, 14)  # fmt: skip
    # Anthropic's is a provider's own, too, and has them apart.
    assert usage_of(input_tokens=3, cache_read_input_tokens=17_241, cache_creation_input_tokens=16_935, output_tokens=8) == (
        3, 17_241, 16_935, 8, 0
    )  # fmt: skip


def test_flat_keys_are_buckets_apart() -> None:
    assert usage_of(input=100, cache_read_input_tokens=2000, cache_creation_input_tokens=300, output=50) == (
        100,
        2000,
        300,
        50,
        0,
    )
    # The same things under several names, with their sum, and with what costs as the rest does.
    assert usage_of(input=100, input_cached_tokens=20, cache_read_input_tokens=20, input_audio=7, output=50, output_reasoning_tokens=5,
                    output_audio=3, total=185) == (107, 20, 0, 58, 5)  # fmt: skip


def test_langchains_output_leaves_reasoning_out() -> None:
    assert usage_of(input=101, output=40, total=2153, input_audio=0, input_cache_read=2001, output_audio=0, output_reasoning=11) == (
        101, 2001, 0, 51, 11
    )  # fmt: skip
    # Anthropic's writes come by how long they live, and all together.
    assert usage_of(input=10, output=5, cache_creation_input_tokens=300, cache_creation_ephemeral_5m_input_tokens=200,
                    cache_creation_ephemeral_1h_input_tokens=100) == (10, 0, 300, 5, 0)  # fmt: skip
    # With priority the whole is told once more; of Vertex by modality.
    assert usage_of(input=100, output=20, total=120, input_priority=100, output_priority=20) == (100, 0, 0, 20, 0)
    assert usage_of(input=0, output=0, total=120, input_modality_TEXT=60, cached_modality_TEXT=30, cached_modality_AUDIO=10,
                    output_modality_TEXT=20) == (60, 40, 0, 20, 0)  # fmt: skip


def test_openinferences_flat_keys_are_inside() -> None:
    assert usage_of(**{"input": 190, "prompt_details.cache_read": 90, "output": 164, "completion_details.reasoning": 64, "total": 354}) == (
        100, 90, 0, 164, 64
    )  # fmt: skip


def test_openinferences_keys_are_inside_without_a_total_too() -> None:
    assert usage_of(**{"input": 190, "prompt_details.cache_read": 90, "output": 164}) == (100, 90, 0, 164, 0)


def test_langfuse_10592_a_whole_told_beside_its_part_is_known_by_the_total() -> None:
    # The TypeScript wrapper: 17,903 in all, of which 17,817 from the cache.
    assert usage_of(input=17_903, input_cached_tokens=17_817, output=200, total=18_103) == (86, 17_817, 0, 200, 0)
    assert usage_of(input=117_231, cache_read_input_tokens=115_584, output=225, total=117_456) == (
        1_647,
        115_584,
        0,
        225,
        0,
    )


def test_langfuse_12306_an_input_that_includes_anthropics_cache_counts_it_once() -> None:
    # pydantic-ai adds Anthropic's three counts into one and tells two of them beside it.
    assert usage_of(input=130_213, cache_read_tokens=128_955, cache_write_tokens=1_253, output=42, total=130_255) == (
        5, 128_955, 1_253, 42, 0
    )  # fmt: skip
    # As Langfuse stores it since the fix.
    assert usage_of(input=5, input_cached_tokens=128_955, input_cache_creation=1_253, output=42, total=130_255) == (
        5, 128_955, 1_253, 42, 0
    )  # fmt: skip


def test_langfuse_14725_cached_tokens_under_langfuses_own_name_are_inside_where_the_total_says_so() -> None:
    assert usage_of(input=13_675, input_cached_tokens=9_216, output=100, total=13_775) == (4_459, 9_216, 0, 100, 0)


def test_langfuse_16884_a_total_is_not_added_and_cached_tokens_are_not_fresh_ones() -> None:
    (call,) = calls(export(generation(usageDetails={"total": 500}, costDetails={})))
    assert (call["attributes"], buckets(call)) == ({"usage": "unknown"}, (0, 0, 0, 0, 0))
    assert usage_of(input=10, cache_read_input_tokens=90, output=5, total=999) == (10, 90, 0, 5, 0)


def test_older_fields_tell_what_newer_ones_leave_out() -> None:
    (call,) = calls(
        export(
            generation(
                usageDetails={},
                usage={"input": 7, "output": 3, "total": 10, "unit": "TOKENS", "totalCost": 0.25},
                costDetails={},
            )
        )
    )
    assert (buckets(call), call["cost_micro_usd"]) == ((7, 0, 0, 3, 0), 250_000)
    (call,) = calls(
        export(
            generation(
                usageDetails=None, usage={"promptTokens": 7, "completionTokens": 3, "totalTokens": 10}, costDetails={}
            )
        )
    )
    assert buckets(call) == (7, 0, 0, 3, 0)
    (call,) = calls(
        export(generation(usageDetails=None, usage={"input": 700, "output": 300, "unit": "CHARACTERS"}, costDetails={}))
    )
    assert call["attributes"] == {"usage": "unknown"}


@pytest.mark.parametrize(("cost", "expected"), [
    ({"input": 0.1, "output": 0.4, "total": 0.6}, 600_000),
    ({"input": 0.1, "cache_read_input_tokens": 0.2, "output": 0.4}, 700_000),
    ({"input": 0, "output": 0, "total": 0}, None),
    ({"total": "0.000001"}, 1),
    ({}, None),
])  # fmt: skip
def test_a_cost_is_its_total_or_else_its_sum_and_never_nothing(cost: dict[str, Any], expected: int | None) -> None:
    (call,) = calls(export(generation(costDetails=cost)))
    assert call.get("cost_micro_usd") == expected


# ---------------------------------------------------------------------------------------------- parents and caches


def test_langfuse_14754_an_agents_span_repeats_its_steps() -> None:
    usage = {"input": 14_426, "output": 771}
    steps = [
        generation(id=f"s{at}", parentObservationId="chain", usageDetails={"input": 7_213, "output": 385 + at})
        for at in (0, 1)
    ]
    agent = generation(id="agent", type="AGENT", usageDetails=usage)
    chain = generation(id="chain", type="CHAIN", parentObservationId="agent", usageDetails=usage)
    decoded = export(agent, chain, *steps)
    assert total(calls(decoded)) == (14_426, 0, 0, 771, 0)
    assert decoded.skipped == {Skip.PARENT: 2}
    # Versions that stored it as a generation still say what it was, though its steps lie elsewhere.
    stored = generation(
        metadata=orjson.dumps({"attributes": {"gen_ai.operation.name": "invoke_agent"}}).decode(), usageDetails=usage
    )
    assert export(stored).skipped == {Skip.PARENT: 1}


def test_strands_1267_a_generation_around_generations_repeats_them() -> None:
    outer = generation(id="outer", usageDetails={"input": 300, "output": 30})
    cycle = generation(id="cycle", type="SPAN", parentObservationId="outer", usageDetails={})
    inner = [
        generation(id=f"i{at}", parentObservationId="cycle", usageDetails={"input": 150, "output": 15}) for at in (0, 1)
    ]
    decoded = export(*inner, cycle, outer)
    assert total(calls(decoded)) == (300, 0, 0, 30, 0)
    assert decoded.skipped == {Skip.PARENT: 1, Skip.IRRELEVANT: 1}


def test_a_call_within_a_tool_is_no_part_of_the_call_that_asked_for_the_tool() -> None:
    outer = generation(id="outer")
    tool = generation(id="tool", type="TOOL", parentObservationId="outer", usageDetails={}, model=None)
    inner = generation(id="inner", parentObservationId="tool")
    assert len(calls(export(outer, tool, inner))) == 2
    embedding = generation(id="embedding", type="EMBEDDING", parentObservationId="outer")
    assert {call["operation"] for call in calls(export(outer, embedding))} == {"chat", "embedding"}


def test_an_evaluator_that_asks_a_model_is_a_call_and_a_chain_is_none() -> None:
    decoded = export(
        generation(id="a", type="EVALUATOR"), generation(id="b", type="CHAIN"), generation(id="c", type="NEW")
    )
    assert [call["event_id"] for call in calls(decoded)] == ["a"]
    assert decoded.skipped == {Skip.PARENT: 1, Skip.UNKNOWN: 1}


def test_observations_that_are_each_others_parents_are_read_in_the_end() -> None:
    rows = [generation(id=str(at), parentObservationId=str((at + 1) % 500)) for at in range(500)]
    assert export(*rows).skipped == {Skip.PARENT: 500}
    assert export(generation(id="x", parentObservationId="x")).skipped == {Skip.PARENT: 1}


@pytest.mark.parametrize("said", [
    {"metadata": {"cache_hit": True}},
    {"metadata": {"cache_hit": '"True"'}},
    {"tags": ["cache_hit:True"]},
    {"usageDetails": {"input": 100, "output": 10, "total": 110, "total_cost": 0}},  # LangChain's own mark
])  # fmt: skip
def test_langfuse_2112_an_answer_out_of_a_cache_costs_nothing(said: dict[str, Any]) -> None:
    decoded = export(generation(**said))
    assert decoded.skipped == {Skip.CACHE_HIT: 1}
    assert decoded.items == []


def test_a_call_that_was_looked_up_is_none() -> None:
    assert export(generation(metadata={"gen_ai.operation.name": "fetch_response"})).skipped == {Skip.LOOKUP: 1}


# -------------------------------------------------------------------------------------------------------- batches


def test_create_and_update_of_one_body_are_one_call() -> None:
    decoded = batch(
        event("trace-create", "e0", id="t1", userId="ada", tags=["team:red"], metadata={"workflow": "faq"}, sessionId="s"),
        event("generation-create", "e1", id="g1", traceId="t1", startTime=AT, model="gpt-5", name="n", usageDetails={"input": 1, "output": 1}),
        event("generation-update", "e2", id="g1", endTime="2026-09-21T14:13:21.000Z", usageDetails={"input": 100, "output": 10}, costDetails=None),
    )  # fmt: skip
    (item,) = decoded.items
    assert item.place == "e2"
    assert item.fields == {
        "event_id": "g1", "source": "langfuse", "occurred_at": AT_MS + 1_000, "model": "gpt-5", "operation": "chat", "input_tokens": 100,
        "cache_read_tokens": 0, "cache_write_tokens": 0, "output_tokens": 10, "reasoning_tokens": 0, "status": "ok", "run_id": "t1",
        "actor": "ada", "team": "red", "workflow": "faq",
    }  # fmt: skip
    assert item.labels == {"name": "n", "session.id": "s", "tag.team": "red"}
    assert decoded.skipped == {Skip.IRRELEVANT: 1, Skip.REPEATED: 1}


def test_an_update_that_leaves_a_field_empty_takes_nothing_back() -> None:
    decoded = batch(
        event("generation-create", "e1", id="g1", traceId="t1", startTime=AT, model="gpt-5", usageDetails={"input": 100, "output": 10}),
        event("generation-update", "e2", id="g1", traceId="t1", endTime=AT, model=None, usageDetails={}, costDetails=None),
    )  # fmt: skip
    (call,) = calls(decoded)
    assert (call["model"], buckets(call)) == ("gpt-5", (100, 0, 0, 10, 0))


def test_create_and_update_of_two_bodies_count_once_in_either_order() -> None:
    create = event("generation-create", "e1", id="g1", traceId="t1", startTime=AT, model="gpt-5")
    update = event(
        "generation-update", "e2", id="g1", traceId="t1", endTime=AT, model="gpt-5", usage={"input": 100, "output": 10}
    )
    assert batch(create).skipped == {Skip.IRRELEVANT: 1}
    (call,) = calls(batch(update))
    assert (call["event_id"], buckets(call)) == ("g1", (100, 0, 0, 10, 0))
    # Usage told at the beginning: what only ends it adds nothing.
    early = event(
        "generation-create",
        "e1",
        id="g1",
        traceId="t1",
        startTime=AT,
        model="gpt-5",
        usage={"input": 100, "output": 10},
    )
    assert [call["event_id"] for call in calls(batch(early))] == ["g1"]
    assert batch(event("generation-update", "e3", id="g1", traceId="t1", endTime=AT)).skipped == {Skip.IRRELEVANT: 1}


def test_usage_told_after_all_is_not_lost_to_the_call_of_unknown_usage() -> None:
    begun_and_ended = event("generation-create", "e1", id="g1", traceId="t1", startTime=AT, endTime=AT, model="gpt-5")
    later = event(
        "generation-update", "e2", id="g1", traceId="t1", usageDetails={"input": 100, "output": 10}, endTime=AT
    )
    (untold,), (told,) = calls(batch(begun_and_ended)), calls(batch(later))
    assert (untold["event_id"], untold["attributes"]) == ("g1:untold", {"usage": "unknown"})
    assert told["event_id"] == "g1"


def test_a_failed_call_has_unknown_usage_and_no_cost() -> None:
    update = event("generation-update", "e2", id="g1", traceId="t1", endTime=AT, level="ERROR", model="gpt-5",
                   statusMessage="it broke", costDetails={"input": 0, "output": 0, "total": 0})  # fmt: skip
    (call,) = calls(batch(update))
    assert (call["status"], call["attributes"]) == ("error", {"usage": "unknown"})
    assert "cost_micro_usd" not in call


def test_kinds_of_events_are_told_apart_and_answered_for_one_by_one() -> None:
    events = [
        event("span-create", "e1", id="s1", startTime=AT),
        event("sdk-log", "e2", log="x"),
        event("session-create", "e3", id="x"),
        event("agent-create", "e4", id="a1", startTime=AT),
        event(
            "observation-create", "e5", id="o1", type="GENERATION", startTime=AT, usageDetails={"input": 1, "output": 2}
        ),
        event("observation-update", "e6", id="o1", endTime=AT),
        event("generation-create", "e7", id="g1", startTime=AT, usageDetails={"input": -1}),
        {"id": "e8", "type": "generation-create"},
        7,
        event("score-create", "e10", name="accepted", value=1, dataType="BOOLEAN", traceId="t1"),
    ]
    decoded = batch(*events)
    assert decoded.skipped == {Skip.IRRELEVANT: 3, Skip.UNKNOWN: 1, Skip.REPEATED: 1}
    assert [(refused.place, refused.reason) for refused in decoded.refused] == [
        ("e8", Reason.MISSING_FIELD), ("batch.8", Reason.MISSING_FIELD), ("e7", Reason.OUT_OF_RANGE)
    ]  # fmt: skip
    assert [(item.place, item.form) for item in decoded.items] == [("e10", "outcome"), ("e6", "usage")]
    assert outcomes(decoded)[0]["outcome_id"] == "e10"
    status, said = answer_batch(orjson.dumps({"batch": events}), decoded.refused)
    assert status == 207
    assert [one["id"] for one in said["successes"]] == ["e1", "e2", "e3", "e4", "e5", "e6", "e10"]
    assert [(one["id"], one["status"], one["error"]) for one in said["errors"]] == [
        ("e7", 400, "out_of_range"), ("e8", 400, "missing_field"), ("batch.8", 400, "missing_field")
    ]  # fmt: skip


# ---------------------------------------------------------------------------------------------------------- spans


def test_a_span_is_read_from_its_json_texts() -> None:
    attributes = observed(
        langfuse__observation__usage_details='{"input": 100, "output": 10}', langfuse__observation__cost_details='{"total": 0.5}',
        langfuse__observation__metadata__ls_provider='"openai"', langfuse__trace__metadata__workflow='"nightly"',
        langfuse__trace__tags=["assay.team:red", "team:blue"], user__id="ada", session__id="s1", langfuse__environment="test",
    )  # fmt: skip
    (item,) = traces(span(**attributes), service__name="shop").items
    assert item.fields == {
        "event_id": "00000000000000a1", "source": "langfuse", "occurred_at": AT_MS + 123, "model": "gpt-5", "operation": "chat",
        "input_tokens": 100, "cache_read_tokens": 0, "cache_write_tokens": 0, "output_tokens": 10, "reasoning_tokens": 0, "status": "ok",
        "cost_micro_usd": 500_000, "run_id": "0" * 31 + "1", "actor": "ada", "provider": "openai", "team": "red", "workflow": "nightly",
    }  # fmt: skip
    assert item.labels == {
        "name": "answer", "session.id": "s1", "environment": "test", "service.name": "shop", "tag.assay.team": "red", "tag.team": "blue"
    }  # fmt: skip


def test_a_span_whose_status_is_an_error_failed_without_a_level_too() -> None:
    failed = span(**observed()) | {"status": {"code": 2, "message": "it broke"}}
    assert [call["status"] for call in calls(traces(failed))] == ["error"]
    warned = span(**observed(langfuse__observation__level="WARNING")) | {"status": {"code": 2}}
    assert [call["status"] for call in calls(traces(warned))] == ["ok"]


def test_what_a_root_says_of_its_trace_holds_for_the_trace() -> None:
    # Version 3 without quotes, on the root alone.
    root = span(
        "00000000000000b1",
        **{"langfuse.observation.type": "span", "user.id": "ada", "langfuse.trace.metadata.team": "red"},
    )
    leaf = span(parent="00000000000000b1", **observed(langfuse__observation__usage_details='{"input": 1, "output": 1}'))
    (call,) = calls(traces(leaf, root))
    assert (call["team"], call["actor"]) == ("red", "ada")


def test_json_and_protobuf_of_one_request_say_the_same() -> None:
    request = ExportTraceServiceRequest()
    request.ParseFromString(payload("captured/langfuse/v5_traces.bin"))
    body = MessageToDict(request)
    one = decode(payload("captured/langfuse/v5_traces.bin"), SPANS._replace(content_type="application/x-protobuf"))
    other = decode(orjson.dumps(body), SPANS)
    assert one.items == other.items


def test_langfuse_14725_in_the_conventions_namespace_its_own_word_is_inside_too() -> None:
    chat = {
        "gen_ai.operation.name": "chat",
        "gen_ai.response.model": "gpt-5",
        "gen_ai.usage.input_tokens": 13_675,
        "gen_ai.usage.output_tokens": 100,
    }
    for name in ("gen_ai.usage.input_cached_tokens", "gen_ai.usage.cache_read.input_tokens"):
        (call,) = calls(traces(span(**chat, **{name: 9_216}), scope="other"))
        assert (call["source"], *buckets(call)) == ("opentelemetry", 4_459, 9_216, 0, 100, 0)


def test_an_observation_around_another_instrumentations_span_repeats_it() -> None:
    usage = '{"prompt_tokens": 100, "completion_tokens": 10}'
    outer = span("00000000000000a1", **observed(langfuse__observation__usage_details=usage))
    between = span("00000000000000a2", "00000000000000a1", **{"http.route": "/"})
    chat = {"gen_ai.operation.name": "chat", "gen_ai.response.model": "gpt-5", "gen_ai.usage.input_tokens": 100,
            "gen_ai.usage.output_tokens": 10, "gen_ai.response.id": "resp_1"}  # fmt: skip
    inner = span("00000000000000a3", "00000000000000a2", **chat)
    decoded = traces_of({"langfuse-sdk": [outer], "other": [between, inner]})
    (call,) = calls(decoded)
    assert (call["source"], call["request_id"], buckets(call)) == ("opentelemetry", "resp_1", (100, 0, 0, 10, 0))
    assert decoded.skipped == {Skip.PARENT: 1, Skip.IRRELEVANT: 1}
    # Without a call in it the observation counts.
    assert [call["source"] for call in calls(traces_of({"langfuse-sdk": [outer], "other": [between]}))] == ["langfuse"]


@pytest.mark.parametrize("said", ["", "[", "[]", "7", "null", '"x"'])
def test_texts_that_hold_no_usage_tell_none(said: str) -> None:
    (call,) = calls(traces(span(**observed(langfuse__observation__usage_details=said))))
    assert call["attributes"] == {"usage": "unknown"}


# --------------------------------------------------------------------------------------------------------- scores


def score(**said: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "id": "s1",
        "traceId": "t1",
        "name": "quality",
        "value": 0.75,
        "dataType": "NUMERIC",
        "timestamp": AT,
    }
    return fields | said


def judged(*rules: ScoreRule, **said: Any) -> str | None:
    decoded = decode(orjson.dumps(score(**said)), SCORED, rules)
    assert decoded.refused == []
    if not decoded.items:
        assert decoded.skipped == {Skip.UNJUDGED: 1}
        return None
    booked(decoded)
    (outcome,) = outcomes(decoded)
    assert {"eval_passed": "accepted", "eval_failed": "rejected"}[outcome["kind"]] == outcome["verdict"]
    return f"{outcome['kind'].removeprefix('eval_')} by {outcome['attributes']['judged_by']}"


@pytest.mark.parametrize(("said", "expected"), [
    ({"value": 1, "dataType": "BOOLEAN"}, "passed by boolean"),
    ({"value": 0, "dataType": "BOOLEAN"}, "failed by boolean"),
    ({"value": True, "dataType": None}, "passed by boolean"),
    ({"value": 1, "dataType": "BOOLEAN", "name": "is_toxic"}, "failed by boolean"),
    ({"value": 0.5}, "passed by half"),
    ({"value": 0.49}, "failed by half"),
    ({"value": 0.9, "name": "Hallucination"}, "failed by half"),
    ({"value": 0.1, "name": "toxicity"}, "passed by half"),
    ({"value": 0.9, "dataType": None}, "passed by half"),
    ({"value": "0.9"}, "passed by half"),
    ({"value": 4}, None),  # of five stars, or of ten?
    ({"value": -1}, None),
    ({"value": 0.2, "name": "latency_seconds"}, None),
    ({"value": 4, "metadata": {"assay.pass_at": 3}}, "passed by threshold"),
    ({"value": 0.2, "name": "latency_seconds", "metadata": {"assay.pass_below": "0.1"}}, "failed by threshold"),
    ({"value": "Accepted", "dataType": "CATEGORICAL"}, "passed by category"),
    ({"value": 2, "stringValue": "thumbs-down", "dataType": "CATEGORICAL"}, "failed by category"),
    ({"value": "kept", "dataType": "CATEGORICAL"}, None),
    ({"value": "kept", "dataType": None}, None),
])  # fmt: skip
def test_a_score_is_judged_by_a_written_rule_or_not_at_all(said: dict[str, Any], expected: str | None) -> None:
    assert judged(**said) == expected


def test_a_users_rules_come_first() -> None:
    rules = (
        ScoreRule("quality*", 4.5),
        ScoreRule("verdict", passing=frozenset({"kept"})),
        ScoreRule("risk", 0.2, lower_is_better=True),
    )
    assert judged(*rules, value=4.4) == "failed by rule"
    assert judged(*rules, value=5) == "passed by rule"
    assert judged(*rules, name="verdict", value="kept", dataType="CATEGORICAL") == "passed by rule"
    assert judged(*rules, name="verdict", value="accepted", dataType="CATEGORICAL") == "failed by rule"
    assert judged(*rules, name="risk", value=0.1) == "passed by rule"


def test_an_outcome_names_the_run_of_its_trace_and_whose_it_is() -> None:
    said = score(
        metadata={"team": "red", "workflow": "faq"},
        comment="merged",
        environment="test",
        source="API",
        authorUserId="ada",
    )
    (item,) = decode(orjson.dumps([said]), SCORED).items
    assert item.fields == {
        "outcome_id": "s1", "source": "langfuse", "occurred_at": AT_MS, "kind": "eval_passed", "verdict": "accepted",
        "attributes": {"judged_by": "half"}, "value": 0.75, "run_id": "t1", "team": "red", "workflow": "faq",
    }  # fmt: skip
    assert item.labels == {"score.name": "quality", "score.source": "API", "environment": "test"}
    (session,) = outcomes(decode(orjson.dumps(score(traceId=None, sessionId="s")), SCORED))
    assert session["run_id"] == "s"


def test_scores_are_answered_as_the_client_reads_it() -> None:
    body = orjson.dumps([score(), score(id="s2", value="high"), score(id="s3", name="")])
    decoded = decode(body, SCORED)
    assert [(refused.place, refused.reason) for refused in decoded.refused] == [
        ("1", Reason.WRONG_TYPE),
        ("2", Reason.MISSING_FIELD),
    ]
    status, said = answer_scores(body, decoded.refused)
    assert (status, said["accepted"], said["rejected"], len(said["errors"])) == (207, 1, 2, 2)
    assert "high" not in str(said)
    assert answer_scores(orjson.dumps([score()]), []) == (202, {"message": "Accepted"})
    assert answer_scores(orjson.dumps(score()), []) == (200, {"id": "s1"})
    assert answer_scores(orjson.dumps(score()), decoded.refused)[0] == 400


@pytest.mark.parametrize("kind", ["TEXT", "CORRECTION"])
def test_what_somebody_wrote_is_no_judgement(kind: str) -> None:
    assert decode(orjson.dumps(score(dataType=kind, value="well done")), SCORED).skipped == {Skip.IRRELEVANT: 1}


@pytest.mark.parametrize("value", [float("1e308"), "nan", "inf", "x" * 100, None, [], {}])
def test_a_value_that_is_no_number_is_refused(value: object) -> None:
    (refused,) = decode(orjson.dumps(score(value=value)), SCORED).refused
    assert refused.reason is Reason.WRONG_TYPE


def test_a_score_without_an_identity_is_refused() -> None:
    (refused,) = decode(orjson.dumps(score(id=None)), SCORED).refused
    assert refused.reason is Reason.MISSING_FIELD


# -------------------------------------------------------------------------------------------------------- exports


def test_rows_of_blob_storage_are_read_line_by_line() -> None:
    observation = {
        "id": "g1", "trace_id": "t1", "type": "GENERATION", "start_time": "2026-09-21 14:13:20.000000", "end_time": "2026-09-21 14:13:21.500000",
        "provided_model_name": "gpt-5", "usage_details": {"input": "100", "output": "10"}, "cost_details": {"total": 0.5}, "user_id": "ada",
        "session_id": "s", "trace_name": "nightly", "tags": ["team:red"], "level": "DEFAULT", "metadata": {}, "total_cost": 0.5,
    }  # fmt: skip
    scored = {
        "id": "s1",
        "trace_id": "t1",
        "name": "quality",
        "value": 0.75,
        "data_type": "NUMERIC",
        "timestamp": "2026-09-21 14:13:22.000000",
    }
    trace = {"id": "t1", "timestamp": "2026-09-21 14:13:20.000000", "name": "nightly", "user_id": "ada"}
    body = b"\n".join(orjson.dumps(row) for row in (observation, scored, trace)) + b"\nnonsense\n"
    decoded = decode(body, EXPORT)
    (call,), (outcome,) = calls(decoded), outcomes(decoded)
    assert (call["occurred_at"], call["actor"], call["team"], buckets(call), call["cost_micro_usd"]) == (
        AT_MS + 1_500, "ada", "red", (100, 0, 0, 10, 0), 500_000
    )  # fmt: skip
    assert (outcome["occurred_at"], outcome["run_id"]) == (AT_MS + 2_000, call["run_id"])
    assert [refused.place for refused in decoded.refused] == ["line 4"]
    assert decoded.skipped == {Skip.IRRELEVANT: 1}


@pytest.mark.parametrize(("metadata", "tags", "expected"), [
    ({"team": "red"}, ["team:blue"], "red"),
    ({"team": "red", "assay.team": "green"}, [], "green"),
    ({"team": "red"}, ["assay.team:green"], "green"),
    ('{"team": "\\"red\\""}', [], "red"),
    ({"attributes": {"assay.team": "red"}}, [], "red"),
    ({"team": 7}, '["team:blue", 7]', "blue"),
    ({"team": ""}, ["team", "team:"], None),
    ([], {}, None),
])  # fmt: skip
def test_a_team_is_told_by_metadata_or_tags(metadata: Any, tags: Any, expected: str | None) -> None:
    (call,) = calls(export(generation(metadata=metadata, tags=tags)))
    assert call.get("team") == expected


def test_pages_and_single_rows_are_read_too() -> None:
    assert len(calls(decode(orjson.dumps({"data": [generation()], "meta": {}}), EXPORT))) == 1
    assert len(calls(decode(orjson.dumps(generation()), EXPORT))) == 1
    assert export({"id": "x"}).skipped == {Skip.UNKNOWN: 1}


def test_one_call_has_one_identity_in_a_batch_a_span_and_an_export() -> None:
    usage = {"input": 1, "output": 1}
    told = {"id": "00000000000000a1", "traceId": "0" * 31 + "1"}
    ids = {
        call["event_id"]
        for decoded in (
            export(generation(**told, usageDetails=usage)),
            batch(event("generation-create", "e1", **told, startTime=AT, usageDetails=usage)),
            traces(span(**observed(langfuse__observation__usage_details='{"input": 1, "output": 1}'))),
        )
        for call in calls(decoded)
    }
    assert ids == {"00000000000000a1"}


@pytest.mark.parametrize(("body", "context", "reason"), [
    (b"", BATCH, Reason.EMPTY),
    (b"{", BATCH, Reason.INVALID_JSON),
    (b"[" * 100_000, BATCH, Reason.INVALID_JSON),
    (b"[]", BATCH, Reason.WRONG_TYPE),
    (b"{}", BATCH, Reason.WRONG_TYPE),
    (b"\xff", SCORED, Reason.INVALID_UTF8),
    (b"{}", EXPORT, Reason.MISSING_FIELD),
    (b"7", EXPORT, Reason.MISSING_FIELD),
    (b"nonsense", EXPORT, Reason.INVALID_JSON),
    (b"{}", SPANS._replace(content_type="text/plain"), Reason.UNKNOWN_VALUE),
    (b"\x00\x01", SPANS._replace(content_type="application/x-protobuf"), Reason.WRONG_TYPE),
])  # fmt: skip
def test_what_is_no_body_of_its_path_is_refused_as_a_whole(body: bytes, context: Context, reason: Reason) -> None:
    with pytest.raises(BadBody) as bad:
        decode(body, context)
    assert bad.value.reason is reason


@pytest.mark.parametrize(("said", "reason"), [
    ({"id": None}, Reason.MISSING_FIELD),
    ({"endTime": None, "startTime": None}, Reason.MISSING_FIELD),
    ({"endTime": "yesterday"}, Reason.INVALID_TIMESTAMP),
    ({"usageDetails": {"input": 1.5}}, Reason.WRONG_TYPE),
    ({"usageDetails": {"input": {"a": 1}}}, Reason.WRONG_TYPE),
    ({"usageDetails": {"input": -1}}, Reason.OUT_OF_RANGE),
    ({"costDetails": {"total": -0.1}}, Reason.OUT_OF_RANGE),
])  # fmt: skip
def test_a_bad_field_costs_its_own_observation_alone(said: dict[str, Any], reason: Reason) -> None:
    decoded = export(generation(**said), generation(id="good"), 7)
    assert [(refused.place, refused.reason) for refused in decoded.refused] == [("2", Reason.WRONG_TYPE), ("0", reason)]
    assert len(calls(decoded)) == 1


@pytest.mark.parametrize("said", [
    {"usageDetails": {"input": 1, f"input_{CANARY}": f"{CANARY}"}},
    {"usageDetails": {f"output_cache_{CANARY}": -1}},
    {"costDetails": {f"{CANARY}": f"{CANARY}"}},
    {"endTime": CANARY},
])  # fmt: skip
def test_a_refusal_repeats_nothing_of_what_was_sent(said: dict[str, Any]) -> None:
    (refused,) = export(generation(**said)).refused
    assert CANARY not in refused.detail


# -------------------------------------------------------------------------------------------------------- privacy

_DECLARED = {"event_id", "run_id", "model", "team", "workflow", "outcome_id"}
_KEPT = frozenset({"type", "dataType", "startTime", "endTime", "timestamp", "createdAt", "level"})


def test_no_text_of_a_batch_leaves_but_its_declared_fields() -> None:
    whole = orjson.loads(payload("captured/langfuse/v2_ingestion_openai.json"))
    whole["batch"][0]["body"] |= {
        "userId": "ada",
        "sessionId": "s",
        "tags": ["x", "team:t"],
        "metadata": {"a": "b", "team": "t"},
        "name": "n",
    }
    whole["batch"].append(
        event("score-create", "e", id="s", name="quality", value=1, dataType="NUMERIC", comment="c", traceId="t")
    )
    context = BATCH._replace(fingerprint=Fingerprints(b"k"))
    records = booked(decode(orjson.dumps(marked(whole, keep=_KEPT)), context))
    assert len(records) == 4
    assert canaries(records) <= _DECLARED


@pytest.mark.parametrize("name", ["v5_traces", "v5_langchain_traces"])
def test_no_text_of_spans_leaves_but_its_declared_fields(name: str) -> None:
    request = ExportTraceServiceRequest()
    request.ParseFromString(payload(f"captured/langfuse/{name}.bin"))
    for resource in request.resource_spans:
        for pair in resource.resource.attributes:
            pair.value.string_value = f"{CANARY} {pair.value.string_value}"
        for scoped in resource.scope_spans:
            for one in scoped.spans:
                one.name = f"{CANARY} {one.name}"
                one.status.message = CANARY
                for pair in one.attributes:
                    if pair.value.string_value and not pair.key.endswith(
                        (".type", ".usage_details", ".cost_details", ".level")
                    ):
                        pair.value.string_value = f"{CANARY} {pair.value.string_value}"
                    for inner in pair.value.array_value.values:
                        inner.string_value = f"{CANARY} {inner.string_value}"
    context = SPANS._replace(content_type="application/x-protobuf", fingerprint=Fingerprints(b"k"))
    records = booked(decode(request.SerializeToString(), context))
    assert len(records) >= 2
    assert canaries(records) <= {"model", "workflow"}


def test_no_text_of_an_export_leaves_but_its_declared_fields() -> None:
    for name in ("agno-2025-06-11", "claude-agent-2025-12-22", "langgraph-python-2025-08-22"):
        whole = marked(orjson.loads(payload(f"langfuse/{name}.trace.json")), keep=_KEPT)
        context = EXPORT._replace(fingerprint=Fingerprints(b"k"))
        records = booked(decode(orjson.dumps(whole), context))
        assert len(records) >= 2
        assert canaries(records) <= _DECLARED


def test_an_input_leaves_as_its_fingerprint_and_instructions_are_no_part_of_it() -> None:
    context = EXPORT._replace(fingerprint=Fingerprints(b"k"))
    asked = {"role": "user", "content": [{"type": "text", "text": "say hi"}]}
    forms: list[Any] = [
        [{"role": "system", "content": "be brief"}, asked],
        {"messages": [asked]},
        orjson.dumps([asked]).decode(),
        "say hi",
    ]
    found = {calls(export(generation(input=form), context=context))[0]["prompt_fingerprint"] for form in forms}
    assert len(found) == 1


# -------------------------------------------------------------------------------------------------------- fuzzing

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | st.text(max_size=8) | st.sampled_from(["GENERATION", AT, "ERROR"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
_NAMES = st.sampled_from([
    "id", "traceId", "trace_id", "type", "model", "usageDetails", "usage_details", "usage", "costDetails", "input", "output", "total", "level", "metadata",
    "startTime", "endTime", "timestamp", "parentObservationId", "value", "dataType", "name", "stringValue", "tags", "body", "prompt_tokens",
    "prompt_tokens_details", "cached_tokens", "input_cached_tokens", "output_reasoning", "attributes", "unit",
])  # fmt: skip
_ROWS = st.recursive(
    _JSON, lambda inner: st.dictionaries(_NAMES, inner, max_size=8) | st.lists(inner, max_size=3), max_leaves=25
)


def accounted(decoded: Decoded) -> int:
    book(decoded)
    for call in calls(decoded):
        assert min(buckets(call)) >= 0
        assert call["reasoning_tokens"] <= call["output_tokens"]
    return len(decoded.items) + len(decoded.refused) + sum(decoded.skipped.values())


@given(st.lists(_ROWS, max_size=4))
def test_each_record_is_in_exactly_one_of_three_whatever_it_holds(rows: list[Any]) -> None:
    changed = [generation(**row) if isinstance(row, dict) else row for row in rows]
    assert accounted(decode(orjson.dumps(changed), EXPORT)) == len(changed)
    assert accounted(
        decode(orjson.dumps([score(**row) if isinstance(row, dict) else row for row in rows]), SCORED)
    ) == len(rows)
    events = [
        event("generation-create", f"e{at}", **row) if isinstance(row, dict) else row for at, row in enumerate(rows)
    ]
    assert accounted(decode(orjson.dumps({"batch": events}), BATCH)) == len(rows)


@given(
    st.sampled_from([BATCH, SCORED, EXPORT, SPANS, SPANS._replace(content_type="application/x-protobuf")]),
    _ROWS,
    st.binary(max_size=60),
)
def test_any_document_and_any_bytes_are_decoded_or_refused(context: Context, document: Any, noise: bytes) -> None:
    for body in (orjson.dumps(document), orjson.dumps({"batch": document}), orjson.dumps({"data": document}), noise):
        with suppress(BadBody):
            decode(body, context)


@given(st.data())
def test_a_body_cut_or_changed_anywhere_is_decoded_or_refused(data: st.DataObject) -> None:
    whole = {"batch": [event("generation-create", "e", **generation()), event("score-create", "f", **score())]}
    spans = {
        "resourceSpans": [
            {
                "scopeSpans": [
                    {"spans": [span(**observed(langfuse__observation__usage_details='{"input": 1, "output": 1}'))]}
                ]
            }
        ]
    }
    document, context = data.draw(
        st.sampled_from([(whole, BATCH), ([generation(), score()], EXPORT), ([score()], SCORED), (spans, SPANS)])
    )
    body = bytearray(orjson.dumps(document))
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    with suppress(BadBody):
        accounted(decode(bytes(body[: data.draw(st.integers(1, len(body)))]), context))


def test_of_a_traces_tags_so_many_are_looked_at_however_many_observations_share_them() -> None:
    tagged = event("trace-create", "0", id="t", tags=["team:a", *(f"tag-{n}" for n in range(5_000))])
    decoded = batch(tagged, event("generation-create", "1", **generation(traceId="t")))
    (item,) = decoded.items
    assert item.fields["team"] == "a"
    assert sum(label.startswith("tag.") for label in item.labels) == 64


def test_a_wide_trace_is_not_copied_for_each_of_its_observations() -> None:
    trace = {
        "id": "t",
        "timestamp": "2026-09-21T14:13:20Z",
        "metadata": {"team": "a"},
        **{f"k{n}": 1 for n in range(2_000)},
    }
    rows = [generation(id=str(n), traceId="t") for n in range(1_000)]
    tracemalloc.start()
    try:
        decoded = export(trace, *rows)
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()
    assert {item.fields["team"] for item in decoded.items} == {"a"}


def test_a_traces_metadata_is_read_once_however_many_observations_share_it(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed = []

    def loads(text: str | bytes) -> Any:
        parsed.append(text)
        return orjson.loads(text)

    monkeypatch.setattr(
        "streams.sources.langfuse.usage.orjson", SimpleNamespace(loads=loads, JSONDecodeError=ValueError)
    )
    tracing = event("trace-create", "0", id="t", metadata='{"team": "a"}')
    calls = [event("generation-create", str(n), **generation(id=str(n), traceId="t")) for n in range(1, 20)]
    decoded = batch(tracing, *calls)
    assert {item.fields["team"] for item in decoded.items} == {"a"}
    assert len(parsed) == 1
