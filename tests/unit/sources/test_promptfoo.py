"""promptfoo: what an evaluation spent and what passed, from both of its forms."""

from collections import Counter
from contextlib import suppress
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.reasons import Reason
from streams.sources.contract import BadBody, Context, Decoded, Form, Skip
from streams.sources.fingerprints import Fingerprints
from streams.sources.promptfoo import decode
from tests.unit.sources.judging import (
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

AT_MS = 1_790_000_000_000
CONTEXT = Context(RECEIVED_MS)


def result(**said: Any) -> dict[str, Any]:
    row: dict[str, Any] = {
        "id": "7d2f0d1c-0000-4000-8000-000000000001",
        "promptIdx": 0,
        "testIdx": 0,
        "provider": {"id": "openai:chat:gpt-4o-mini", "label": ""},
        "prompt": {"raw": "say hi", "label": "say hi"},
        "response": {"output": "hi", "cached": False, "tokenUsage": {"prompt": 100, "completion": 10, "total": 110}},
        "cost": 0.5,
        "success": True,
        "score": 1,
        "failureReason": 0,
        "gradingResult": {"pass": True, "score": 1, "tokensUsed": tokens(0, 0), "componentResults": []},
    }
    return row | said


def tokens(prompt: int, completion: int, **said: Any) -> dict[str, Any]:
    return {"prompt": prompt, "completion": completion, "total": prompt + completion, "cached": 0, **said}


def response(usage: dict[str, Any], **said: Any) -> dict[str, Any]:
    return {"output": "hi", "cached": False, "tokenUsage": usage, **said}


def evaluation(*rows: dict[str, Any], **said: Any) -> bytes:
    results = {"version": 3, "timestamp": "2026-09-21T14:13:20.000Z", "results": list(rows)}
    return orjson.dumps({"evalId": "eval-abc-2026", "results": results, "config": {}, "metadata": {}, **said})


def read(*rows: dict[str, Any], context: Context = CONTEXT, **said: Any) -> Decoded:
    decoded = decode(evaluation(*rows, **said), context)
    booked(decoded)
    return decoded


# ------------------------------------------------------------------------------------------------ real evaluations


@pytest.mark.parametrize("name", ["first.json", "first.jsonl"])
def test_a_captured_evaluation_is_the_truth_to_the_token(name: str) -> None:
    decoded = decode(payload(f"captured/promptfoo/{name}"), CONTEXT)
    expected = truth("promptfoo", name)["truth"]
    found = calls(decoded)
    assert len(found) == expected["calls"]
    assert sum(call.get("status") == "error" for call in found) == expected["errors"]
    assert total(found) == truth_buckets(expected)
    by_call = [
        (call["model"], tuple(call["usage"].values()))
        for call in truth("promptfoo", name)["calls"] if call["usage"]
    ]  # fmt: skip
    flat = [
        (call["model"], (*buckets(call)[:3], call["output_tokens"], call["reasoning_tokens"]))
        for call in found if call.get("status") != "error"
    ]  # fmt: skip
    assert Counter(flat) == Counter(by_call)
    assert decoded.refused == []
    assert decoded.skipped == {Skip.IRRELEVANT: 2}  # the provider "echo" asks nobody
    verdicts = Counter(outcome["verdict"] for outcome in outcomes(decoded))
    assert verdicts == {"accepted": 5, "rejected": 1, "neutral": 2}
    booked(decoded)


def test_both_forms_of_one_evaluation_have_the_same_identities() -> None:
    one = decode(payload("captured/promptfoo/first.json"), CONTEXT)
    other = decode(payload("captured/promptfoo/first.jsonl"), CONTEXT._replace(received_at_ms=RECEIVED_MS + 86_400_000))
    assert [call["event_id"] for call in calls(one)] == [call["event_id"] for call in calls(other)]
    assert [call["occurred_at"] for call in calls(one)] == [call["occurred_at"] for call in calls(other)]
    assert [outcome["outcome_id"] for outcome in outcomes(one)] == [
        outcome["outcome_id"] for outcome in outcomes(other)
    ]


def test_published_evaluations_are_read_to_hand_counted_tokens_and_cost() -> None:
    bedrock = calls(decode(payload("promptfoo/bedrock-working-test-results.json"), CONTEXT))
    assert [(call["provider"], call["model"], *buckets(call), call["cost_micro_usd"]) for call in bedrock] == [
        ("bedrock", "amazon.nova-micro-v1:0", 8, 0, 0, 1, 0, 0),
        ("bedrock", "amazon.nova-micro-v1:0", 8, 0, 0, 1, 0, 130),
        ("bedrock", "us.amazon.nova-micro-v1:0", 8, 0, 0, 1, 0, 0),
    ]
    decoded = decode(payload("promptfoo/sample-export.json"), CONTEXT)
    found = calls(decoded)
    tested = [call for call in found if "purpose" not in call.get("attributes", {})]
    graders = [call for call in found if "purpose" in call.get("attributes", {})]
    assert total(tested) == (156, 0, 0, 708, 576)  # its own results.stats.tokenUsage
    assert total(graders) == (848, 0, 0, 141, 0)  # and that of its assertions
    assert sum(call["cost_micro_usd"] for call in tested) == 499 + 2_086 + 324 + 1_071
    assert all("cost_micro_usd" not in call for call in graders)
    assert len(outcomes(decoded)) == 4
    assert {outcome["kind"] for outcome in outcomes(decoded)} == {"eval_failed"}
    booked(decoded)


# ------------------------------------------------------------------------------------------------------- the call


def test_a_call_is_told_with_its_run_model_cost_and_time() -> None:
    decoded = read(result(), metadata={"author": "ada@example.com"})
    (call,), (outcome,) = calls(decoded), outcomes(decoded)
    assert call == {
        "event_id": result()["id"], "source": "promptfoo", "occurred_at": AT_MS, "run_id": result()["id"], "tool": "promptfoo",
        "provider": "openai", "model": "gpt-4o-mini", "operation": "chat", "input_tokens": 100, "cache_read_tokens": 0,
        "cache_write_tokens": 0, "output_tokens": 10, "reasoning_tokens": 0, "cost_micro_usd": 500_000, "status": "ok",
        "actor": "ada@example.com",
    }  # fmt: skip
    assert outcome == {
        "outcome_id": result()["id"], "source": "promptfoo", "occurred_at": AT_MS, "run_id": result()["id"], "kind": "eval_passed",
        "verdict": "accepted", "value": 1.0, "ref": "eval-abc-2026#0/0",
    }  # fmt: skip


def test_what_the_provider_had_cached_is_inside_the_prompt() -> None:
    details = {"reasoning": 4, "cacheReadInputTokens": 60, "cacheCreationInputTokens": 30}
    (call,) = calls(read(result(response=response(tokens(100, 10, completionDetails=details)))))
    assert buckets(call) == (10, 60, 30, 10, 4)


@pytest.mark.parametrize(
    "said",
    [
        response({"cached": 2153, "total": 2153}, cached=True),  # the openai provider
        response({"cached": 2153, "total": 2153}),
        response(tokens(2102, 51), cached=True),  # the http provider repeats what was paid the first time
        {"output": "hi", "cached": True},
    ],
)
def test_a_hit_of_the_disk_cache_is_free(said: dict[str, Any]) -> None:
    decoded = read(result(response=said))
    assert calls(decoded) == []
    assert decoded.skipped == {Skip.CACHE_HIT: 1}
    assert len(outcomes(decoded)) == 1


def test_of_several_turns_only_those_are_paid_that_the_disk_cache_did_not_answer() -> None:
    (call,) = calls(read(result(response=response({"prompt": 100, "completion": 10, "cached": 500, "total": 610}))))
    assert buckets(call) == (100, 0, 0, 10, 0)


def test_promptfoo_7546_cached_tokens_of_codex_count_once() -> None:
    raw = orjson.dumps(
        {"finalResponse": "done", "usage": {"input_tokens": 10, "cached_input_tokens": 5, "output_tokens": 20}}
    ).decode()
    codex = {"id": "openai:codex-sdk"}
    # Up to 0.120.23 the cached tokens were added to the whole that they are a part of; later they are told as "cached".
    before = result(provider=codex, response=response({"prompt": 15, "completion": 20, "total": 35}, raw=raw))
    after = result(provider=codex, response=response({"prompt": 10, "completion": 20, "total": 30, "cached": 5}))
    for row in (before, after):
        (call,) = calls(
            read(row, config={"providers": [{"id": "openai:codex-sdk", "config": {"model": "gpt-5.1-codex"}}]})
        )
        assert (call["model"], *buckets(call)) == ("gpt-5.1-codex", 5, 5, 0, 20, 0)


def test_a_cost_of_nothing_with_tokens_is_unknown() -> None:
    (call,) = calls(read(result(cost=0, response=response(tokens(100, 10), cost=0))))
    assert "cost_micro_usd" not in call


def test_a_failed_call_is_told_with_unknown_tokens_and_says_nothing_of_the_work() -> None:
    row = result(
        response={"error": "API error: 500"}, tokenUsage=tokens(0, 0), success=False, score=0, failureReason=2, cost=0
    )
    decoded = read(row)
    (call,), (outcome,) = calls(decoded), outcomes(decoded)
    assert (call["status"], call["attributes"], buckets(call)) == ("error", {"usage": "unknown"}, (0, 0, 0, 0, 0))
    assert (outcome["kind"], outcome["verdict"], outcome["attributes"]) == (
        "eval_failed",
        "neutral",
        {"failure": "error"},
    )


@pytest.mark.parametrize(("provider", "expected"), [
    ("openai:chat:gpt-4o-mini", ("openai", "gpt-4o-mini", "chat")),
    ("openai:gpt-5", ("openai", "gpt-5", "chat")),
    ("openai:embeddings:text-embedding-3-small", ("openai", "text-embedding-3-small", "embedding")),
    ("anthropic:messages:claude-sonnet-4-5", ("anthropic", "claude-sonnet-4-5", "chat")),
    ("bedrock:us.amazon.nova-micro-v1:0", ("bedrock", "us.amazon.nova-micro-v1:0", "chat")),
    ("openrouter:anthropic/claude-sonnet-4.5", ("openrouter", "anthropic/claude-sonnet-4.5", "chat")),
    ("cloudflare-ai:chat:@cf/meta/llama-3", ("cloudflare-ai", "@cf/meta/llama-3", "chat")),
    ("https://models.example.com/v1/chat?key=secret", (None, "unknown", "chat")),
    ("file:///home/ada/provider.py", (None, "unknown", "chat")),
    ("python:provider.py", (None, "unknown", "chat")),
    ("exec:./ask.sh --key secret", (None, "unknown", "chat")),
    ("newkind:/home/ada/x", ("newkind", "unknown", "chat")),
    ("newkind:x.py", ("newkind", "unknown", "chat")),
    ("", (None, "unknown", "chat")),
])  # fmt: skip
def test_a_provider_names_a_model_and_nothing_else(provider: str, expected: tuple[str | None, str, str]) -> None:
    (call,) = calls(read(result(provider={"id": provider})))
    assert (call.get("provider"), call["model"], call["operation"]) == expected


def test_an_address_that_answers_as_a_model_does_is_read_to_the_model_and_its_cached_tokens() -> None:
    usage = {"prompt_tokens": 100, "completion_tokens": 10, "prompt_tokens_details": {"cached_tokens": 60}}
    raw = orjson.dumps({"id": "chatcmpl-12345", "model": "small-1", "usage": usage}).decode()
    row = result(provider={"id": "http://localhost/v1"}, response=response(tokens(100, 10), raw=raw))
    (call,) = calls(read(row))
    assert (call["model"], call["request_id"], *buckets(call)) == ("small-1", "chatcmpl-12345", 40, 60, 0, 10, 0)
    # What is counted by the transformation of the response holds where the two are of different calls.
    (other,) = calls(read(result(provider={"id": "http://localhost/v1"}, response=response(tokens(300, 30), raw=raw))))
    assert buckets(other) == (300, 0, 0, 30, 0)


def test_tokens_that_nobody_told_are_unknown() -> None:
    row = result(provider={"id": "python:x.py"}, response={"output": "hi"}, tokenUsage=tokens(0, 0), cost=0)
    (call,) = calls(read(row))
    assert call["attributes"] == {"usage": "unknown"}


# -------------------------------------------------------------------------------------------------------- graders


def graded(*components: dict[str, Any], declared: dict[str, Any] | None = None, **said: Any) -> dict[str, Any]:
    grading = {"pass": True, "score": 1, "componentResults": list(components)}
    return result(gradingResult=grading | ({} if declared is None else {"tokensUsed": declared}), **said)


def rubric(usage: dict[str, Any], **said: Any) -> dict[str, Any]:
    return {
        "pass": True,
        "assertion": {"type": "llm-rubric", "provider": "openai:gpt-5-mini"},
        "tokensUsed": usage,
        **said,
    }


def test_each_grader_is_a_call_of_its_own_in_the_run_of_its_result() -> None:
    details = {"reasoning": 3, "cacheReadInputTokens": 20}
    row = graded(
        rubric(tokens(50, 5, completionDetails=details)),
        {"pass": True, "assertion": {"type": "contains"}},
        rubric(tokens(70, 7), assertion={"type": "similar"}),
        declared=tokens(120, 12),
        testCase={"options": {"provider": {"id": "openai:gpt-5"}}},
    )
    tested, one, other = calls(read(row))
    assert "attributes" not in tested
    assert one["event_id"] == f"{row['id']}/assertion/0"
    assert one["run_id"] == other["run_id"] == tested["run_id"]
    assert one["attributes"] == other["attributes"] == {"purpose": "grading"}
    assert (one["model"], *buckets(one)) == ("gpt-5-mini", 30, 20, 0, 5, 3)
    assert (other["model"], other["operation"], *buckets(other)) == ("gpt-5", "embedding", 70, 0, 0, 7, 0)


def test_tokens_of_graders_that_no_assertion_accounts_for_are_not_lost() -> None:
    row = graded(rubric(tokens(50, 5)), declared=tokens(80, 9))
    _, _, rest = calls(read(row))
    assert (rest["event_id"], *buckets(rest)) == (f"{row['id']}/assertions", 30, 0, 0, 4, 0)
    # Where there is no grading result at all, the counts beside the call's own are all there is.
    row = result(gradingResult=None, tokenUsage=tokens(100, 10, assertions=tokens(40, 4)))
    _, rest = calls(read(row))
    assert buckets(rest) == (40, 0, 0, 4, 0)


def test_graders_told_at_two_places_count_once() -> None:
    row = graded(rubric(tokens(50, 5)), declared=tokens(50, 5), tokenUsage=tokens(100, 10, assertions=tokens(50, 5)))
    assert total(calls(read(row))) == (150, 0, 0, 15, 0)


def test_a_set_of_assertions_repeats_those_in_it() -> None:
    # promptfoo lists a set's assertions behind it once more.
    inner = [rubric(tokens(30, 3)), rubric(tokens(20, 2))]
    whole = {"pass": True, "assertion": {"type": "assert-set"}, "tokensUsed": tokens(50, 5), "componentResults": inner}
    decoded = read(graded(whole, *inner, declared=tokens(50, 5)))
    assert total(calls(decoded)) == (150, 0, 0, 15, 0)
    assert decoded.skipped == {Skip.PARENT: 1}


def test_a_grader_answered_by_the_disk_cache_is_free_and_one_of_unknown_split_is_told() -> None:
    decoded = read(graded(rubric({"total": 55, "cached": 55, "prompt": 0, "completion": 0}), rubric({"total": 60})))
    _, unknown = calls(decoded)
    assert decoded.skipped == {Skip.CACHE_HIT: 1}
    assert unknown["attributes"] == {"usage": "unknown", "purpose": "grading"}


# ------------------------------------------------------------------------------------------- identity, time, owners


def test_a_result_without_an_id_is_known_by_its_content() -> None:
    row = result()
    del row["id"]
    one, again, other = (calls(read(said)) for said in (row, row, {**row, "testIdx": 1}))
    assert one[0]["event_id"] == again[0]["event_id"] != other[0]["event_id"]


def test_lines_take_the_time_of_their_answer_or_else_of_their_receipt() -> None:
    headers = {"http": {"headers": {"date": "Mon, 21 Sep 2026 14:13:20 GMT", "request-id": "req_1234"}}}
    timed = result(id="a", response=response(tokens(1, 1), metadata=headers))
    wrong = result(
        id="b",
        response=response(tokens(1, 1), metadata={"http": {"headers": {"date": "Fri, 01 Jan 2038 00:00:00 GMT"}}}),
    )
    decoded = decode(b"\n".join(orjson.dumps(row) for row in (timed, result(id="c"), wrong)) + b"\n", CONTEXT)
    assert [call["occurred_at"] for call in calls(decoded)] == [AT_MS, RECEIVED_MS, RECEIVED_MS]
    assert calls(decoded)[0]["request_id"] == "req_1234"
    assert all("ref" not in outcome for outcome in outcomes(decoded))


def test_an_outcome_is_not_before_any_call_of_its_run() -> None:
    later = {"metadata": {"http": {"headers": {"date": "Mon, 21 Sep 2026 14:13:25 GMT"}}}}
    decoded = read(graded(rubric(tokens(50, 5), **later), declared=tokens(50, 5)))
    assert outcomes(decoded)[0]["occurred_at"] == AT_MS + 5_000 == calls(decoded)[1]["occurred_at"]


@pytest.mark.parametrize(("said", "config", "expected"), [
    ({"testCase": {"metadata": {"team": "payments", "workflow": "faq"}}}, {}, ("payments", "faq")),
    ({"testCase": {"metadata": {"team": "a", "assay.team": "payments"}}}, {"tags": {"team": "b", "workflow": "faq"}}, ("payments", "faq")),
    ({}, {"metadata": {"assay.team": "payments", "assay.workflow": "faq"}}, ("payments", "faq")),
    ({"testCase": {"metadata": {"team": 7}}}, {}, (None, None)),
])  # fmt: skip
def test_whose_a_result_is(
    said: dict[str, Any], config: dict[str, Any], expected: tuple[str | None, str | None]
) -> None:
    decoded = read(result(**said), config=config)
    for item in decoded.items:
        assert (item.fields.get("team"), item.fields.get("workflow")) == expected


def test_what_an_evaluation_says_of_each_of_its_results_is_short() -> None:
    tags = {"team": "a", **{f"tag-{n}": "x" for n in range(5_000)}}
    decoded = read(result(), config={"tags": tags}, evalId="x" * 100_000)
    (outcome,) = (item for item in decoded.items if item.form is Form.OUTCOME)
    assert outcome.fields["team"] == "a"
    assert "ref" not in outcome.fields
    assert sum(label.startswith("tags.") for label in outcome.labels) == 64


def test_what_rules_may_map_does_not_leave() -> None:
    config = {"description": "nightly", "tags": {"suite": "faq"}}
    (item, _) = decode(evaluation(result(provider={"id": "http://h", "label": "mine"}), config=config), CONTEXT).items
    assert item.labels == {
        "eval.description": "nightly", "tags.suite": "faq", "provider": "http://h", "provider.label": "mine"
    }  # fmt: skip


# -------------------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(("body", "reason"), [
    (b"", Reason.EMPTY),
    (b" \n ", Reason.EMPTY),
    (b"\xff\xfe", Reason.INVALID_UTF8),
    (b"{", Reason.INVALID_JSON),
    (b'{"results": {"results": [', Reason.INVALID_JSON),
    (b"[" * 100_000, Reason.INVALID_JSON),
    (b"[]", Reason.WRONG_TYPE),
    (b"{}", Reason.MISSING_FIELD),
    (b'{"results": 7}', Reason.WRONG_TYPE),
    (b'{"results": {"results": {}}}', Reason.WRONG_TYPE),
    (b'{"results": {"timestamp": "yesterday", "results": []}}', Reason.INVALID_TIMESTAMP),
    (b"{}}\n{}}", Reason.INVALID_JSON),
])  # fmt: skip
def test_what_is_no_evaluation_is_refused_as_a_whole(body: bytes, reason: Reason) -> None:
    with pytest.raises(BadBody) as bad:
        decode(body, CONTEXT)
    assert bad.value.reason is reason


def test_a_bad_line_costs_no_other_line() -> None:
    decoded = decode(orjson.dumps(result()) + b"\n{oops}\n\n7\n" + orjson.dumps(result(id="other")), CONTEXT)
    assert [(refused.place, refused.reason) for refused in decoded.refused] == [
        ("line 2", Reason.INVALID_JSON), ("line 4", Reason.WRONG_TYPE)
    ]  # fmt: skip
    assert len(calls(decoded)) == 2


def test_a_bad_count_costs_its_own_call_alone() -> None:
    decoded = read(result(response=response(tokens(-1, 5))), result(id="b", success="yes", gradingResult=None), 7)  # type: ignore[arg-type]
    assert [refused.place for refused in decoded.refused] == [
        "results.results.0.response",
        "results.results.1.success",
        "results.results.2",
    ]
    assert len(decoded.items) == 2
    assert all("-1" not in refused.detail for refused in decoded.refused)


# ---------------------------------------------------------------------------------------------------------- privacy


def test_no_text_of_an_evaluation_leaves_but_its_declared_fields() -> None:
    row = graded(
        rubric(tokens(50, 5), metadata={"renderedGradingPrompt": "judge", "http": {"headers": {"server": "host"}}}, reason="fine"),
        declared=tokens(90, 9),
        provider={"id": "http://host/path", "label": "mine"},
        error="it broke", vars={"name": "Ann"}, testCase={"vars": {"name": "Ann"}, "description": "d", "options": {"prefix": "p"}},
        namedScores={"mine": 1}, response=response(tokens(100, 10), raw="text", error="e", metadata={"a": "b"}),
        metadata={"conversation": "text"},
    )  # fmt: skip
    whole = orjson.loads(
        evaluation(
            row,
            config={"description": "d", "env": {"KEY": "k"}, "outputPath": ["/home/dev/x"]},
            metadata={"author": "ada"},
        )
    )
    body = orjson.dumps(marked(whole, keep=frozenset({"timestamp"})))
    decoded = decode(body, CONTEXT._replace(fingerprint=Fingerprints(b"k")))
    records = booked(decoded)
    assert len(records) == 4
    assert canaries(records) == {"event_id", "run_id", "outcome_id", "ref"}
    lined = decode(orjson.dumps(marked(row)), CONTEXT)
    assert canaries(booked(lined)) == {"event_id", "run_id", "outcome_id"}


def test_a_prompt_leaves_as_its_fingerprint_alone() -> None:
    (call,) = calls(read(result(), context=CONTEXT._replace(fingerprint=Fingerprints(b"k"))))
    assert len(call["prompt_fingerprint"]) == 16


@pytest.mark.parametrize("name", ["captured/promptfoo/first.json", "promptfoo/sample-export.json"])
def test_no_text_of_a_real_evaluation_leaves_but_its_declared_fields(name: str) -> None:
    whole = marked(
        orjson.loads(payload(name)), keep=frozenset({"timestamp", "evaluationCreatedAt", "id", "date", "provider"})
    )
    records = booked(decode(orjson.dumps(whole), CONTEXT))
    assert len(records) > 4
    assert canaries(records) <= {"ref", "request_id"}


# -------------------------------------------------------------------------------------------------------- fuzzing

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_NAMES = st.sampled_from([
    "id", "provider", "response", "tokenUsage", "prompt", "completion", "cached", "total", "completionDetails", "gradingResult", "tokensUsed",
    "componentResults", "assertion", "assertions", "metadata", "http", "headers", "date", "raw", "usage", "cost", "success", "score", "testCase",
    "options", "cacheReadInputTokens", "reasoning", "type", "config", "tags", "label", "error", "failureReason",
])  # fmt: skip
_ROWS = st.recursive(
    _JSON,
    lambda inner: st.dictionaries(_NAMES, inner, max_size=8) | st.lists(inner, max_size=3),
    max_leaves=30,
)


@given(st.lists(_ROWS, max_size=3), st.dictionaries(_NAMES, _ROWS, max_size=4))
def test_whatever_an_evaluation_holds_each_record_is_accounted_for_or_the_body_refused(
    rows: list[Any], config: Any
) -> None:
    whole = {
        "evalId": "e",
        "results": {"results": [result(**row) if isinstance(row, dict) else row for row in rows]},
        "config": config,
    }
    try:
        body = orjson.dumps(whole)
    except (TypeError, orjson.JSONEncodeError):
        return
    decoded = decode(body, CONTEXT)
    book(decoded)
    assert len(decoded.items) + len(decoded.refused) + sum(decoded.skipped.values()) >= len(rows)
    for call in calls(decoded):
        assert min(buckets(call)) >= 0
        assert call["reasoning_tokens"] <= call["output_tokens"]


@given(st.binary(max_size=200))
def test_bytes_are_decoded_or_refused(body: bytes) -> None:
    with suppress(BadBody):
        decode(body, CONTEXT)


@given(st.data())
def test_a_body_cut_or_changed_anywhere_is_decoded_or_refused(data: st.DataObject) -> None:
    body = bytearray(evaluation(graded(rubric(tokens(50, 5)), declared=tokens(60, 6)), result(id="b")))
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    with suppress(BadBody):
        decode(bytes(body[: data.draw(st.integers(1, len(body)))]), CONTEXT)
