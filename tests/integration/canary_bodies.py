"""A body of each client's, of our own making, with a mark in every text that could be anybody's.

A mark says in which body and where it stood. Words by which a record is known for what it is stay as they are, and so do
times and numbers: with marks in them nothing would be read, and nothing be shown.
"""

import re
import time
from collections.abc import Collection, Mapping
from typing import Any, Final, NamedTuple

import orjson

from tests.otlp_requests import JSON, PROTOBUF, as_protobuf, log_record, pairs, request, span
from tests.unit.sources.forge_payloads import merged
from tests.unit.sources.litellm_events import event, failure

__all__ = ["BODIES", "MARK", "Body"]

#: As harmless as a name can be, so that nothing drops it for the letters that it has.
MARK: Final = re.compile(r"canary\.([a-z_]+)\.([\w.-]*?)\.end")
_NOW_S: Final = int(time.time()) - 300
_AT: Final = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(_NOW_S))


class Body(NamedTuple):
    """``events`` is how many records come of it. ``declared`` are, by field of a record, the places whose text it may hold."""

    name: str
    path: str
    content: bytes
    events: int
    declared: Mapping[str, Collection[str]]
    content_type: str = JSON


def _marked(value: Any, name: str, keep: Collection[str], path: str = "") -> Any:
    if isinstance(value, dict):
        return {
            key: inner if key in keep else _marked(inner, name, keep, f"{path}.{key}" if path else key)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [_marked(inner, name, keep, path) for inner in value]
    return f"{value}canary.{name}.{path}.end" if isinstance(value, str) else value


def _json(
    name: str, path: str, document: Any, events: int, declared: Mapping[str, Collection[str]], keep: Collection[str] = ()
) -> Body:  # fmt: skip
    return Body(name, path, orjson.dumps(_marked(document, name, keep)), events, declared)


# ------------------------------------------------------------------------------------------------------------- LiteLLM

_METADATA: Final = {
    "user_api_key_user_email": "ada@example.com", "user_api_key_hash": "88dc", "user_api_key_team_alias": "red",
    "user_api_key_end_user_id": "bob", "user_api_key_org_alias": "org", "spend_logs_metadata": {"note": "n"},
    "requester_metadata": {"workflow": "w", "run_id": "r", "note": "n", "headers": {"authorization": "Bearer x"}},
    "requester_custom_headers": {"x-secret": "y"}, "requester_ip_address": "10.0.0.1",
}  # fmt: skip
_LITELLM: Final = [
    event(
        api_base="https://host/v1", requester_ip_address="10.0.0.1", end_user="bob", request_tags=["tag", "User-Agent: curl"],
        model_parameters={"user": "bob", "tools": [{"function": {"name": "f", "description": "d"}}]}, error_str="e",
        hidden_params={"api_base": "https://host", "additional_headers": {"llm_provider-request-id": "r", "x-y": "z"}},
        metadata=_METADATA,
    ),
    failure("500", metadata=_METADATA),
]  # fmt: skip

# ------------------------------------------------------------------------------------------------------- OpenTelemetry

_MESSAGES: Final = '[{"role": "user", "parts": [{"type": "text", "content": "prompt"}]}]'
_RESOURCE: Final = {
    "service.name": "svc", "host.name": "host", "process.command_args": ["gemini", "-p", "prompt"], "process.owner": "me",
    "process.executable.path": "/home/me/bin", "user.email": "me@example.com", "team": "red", "environment": "ci",
}  # fmt: skip
_SECRETS: Final = {
    "gen_ai.input.messages": _MESSAGES, "gen_ai.output.messages": _MESSAGES, "gen_ai.system_instructions": "s",
    "gen_ai.prompt.0.content": "s", "gen_ai.prompt": _MESSAGES, "input.value": "s", "output.value": "s", "user.id": "ada",
    "llm.input_messages.0.message.content": "s", "ai.prompt": "s", "ai.response.text": "s", "ai.toolCall.args": "s",
    "gen_ai.headers": "authorization", "url.full": "https://host/", "exception.message": "s", "server.address": "host",
    "exception.stacktrace": "/home/me/app.py", "error.type": "my.Error", "session.id": "s", "gen_ai.agent.name": "a",
    "openai.response.service_tier": "s", "tool_parameters": "s", "prompt": "s", "arguments": "s", "output": "s",
    "error": "s", "error.message": "s", "effort": "s", "speed": "s", "query_source": "s", "auth_type": "s",
    "tool_name": "s", "function_name": "s", "function_args": "s", "user.account_uuid": "u", "prompt_id": "p",
}  # fmt: skip
_CALLS: Final = {
    "genai": {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m", "gen_ai.provider.name": "p", "gen_ai.response.id": "r"},
    "openinference": {"openinference.span.kind": "LLM", "llm.model_name": "m", "llm.system": "p"},
    "vercel": {"ai.operationId": "ai.generateText.doGenerate", "ai.model.id": "m", "ai.model.provider": "p.chat"},
}  # fmt: skip
_WORDS: Final = frozenset({
    "gen_ai.operation.name", "openinference.span.kind", "ai.operationId", "event.name", "event.kind", "event.timestamp",
    "input_token_count", "output_token_count", "langfuse.observation.type", "langfuse.observation.usage_details",
})  # fmt: skip
_EVENT: Final = {
    "timeUnixNano": str(_NOW_S * 1_000_000_000), "name": "exception",
    "attributes": [{"key": "exception.message", "value": {"stringValue": "canary.otlp.exception.end"}}],
}  # fmt: skip


def _spans(
    name: str, attributes: Mapping[str, Any], declared: Mapping[str, Collection[str]], scope: str = "test"
) -> Body:
    said = _marked({**_SECRETS, **attributes}, name, _WORDS)
    at = {"startTimeUnixNano": f"{_NOW_S}000000000", "endTimeUnixNano": f"{_NOW_S + 1}000000000"}
    made = span(
        1, said, **at, name=f"canary.{name}.name.end", status={"code": 2, "message": f"canary.{name}.status.end"},
        traceState=f"a=canary.{name}.state.end", events=[_EVENT],
    )  # fmt: skip
    found = request([made], resource=_marked(_RESOURCE, name, ()), scope=scope)
    return Body(name, "/v1/traces", as_protobuf(found), 1, declared, PROTOBUF)


def _log(
    name: str, kind: str, attributes: Mapping[str, Any], declared: Mapping[str, Collection[str]], scope: str = "test"
) -> Body:  # fmt: skip
    said = {"event.name": kind, "model": "m", "request_id": "r", "conversation.id": "c", "event.timestamp": _AT}
    said = _marked({**_SECRETS, **said, **attributes}, name, _WORDS)
    made = log_record(
        said, timeUnixNano=f"{_NOW_S}000000000", body={"stringValue": f"canary.{name}.body.end"}
    )  # fmt: skip
    found = request([made], resource=_marked(_RESOURCE, name, ()), kind="logRecords", scope=scope)
    return Body(name, "/v1/logs", orjson.dumps(found), 1, declared)


def _metrics() -> Body:
    said = pairs(_marked({**_SECRETS, "model": "m"}, "metrics", ()))
    point = {"asInt": "3", "timeUnixNano": f"{_NOW_S}000000000", "attributes": said}
    told = {
        "name": "claude_code.token.usage", "unit": "canary.metrics.unit.end",
        "sum": {"aggregationTemporality": 1, "isMonotonic": True, "dataPoints": [point]},
    }  # fmt: skip
    found = request(
        [told], resource=_marked(_RESOURCE, "metrics", ()), kind="metrics", scope="com.anthropic.claude_code"
    )
    return Body("metrics", "/v1/metrics", orjson.dumps(found), 0, {})


# ------------------------------------------------------------------------------------------------------------ Langfuse

_TRACE: Final = {
    "id": "t1", "userId": "ada", "sessionId": "s", "tags": ["x", "team:red"], "metadata": {"workflow": "w", "note": "n"},
    "name": "n", "input": "q", "output": "a", "release": "v1",
}  # fmt: skip
_GENERATION: Final = {
    "id": "g1", "traceId": "t1", "name": "answer", "model": "m", "startTime": _AT, "endTime": _AT, "level": "DEFAULT",
    "usageDetails": {"input": 100, "output": 10}, "input": [{"role": "user", "content": "q"}], "output": "a",
    "metadata": {"note": "n"}, "modelParameters": {"stop": "x"}, "statusMessage": "s", "promptName": "p",
}  # fmt: skip
_SCORE: Final = {
    "id": "s1", "traceId": "t1", "name": "quality", "value": 1, "dataType": "BOOLEAN", "comment": "c", "stringValue": "v",
    "timestamp": _AT, "metadata": {"note": "n"},
}  # fmt: skip
_BATCH: Final = {"metadata": {"sdk_name": "python", "public_key": "pk"}, "batch": [
    {"id": str(number), "type": kind, "timestamp": _AT, "body": body}
    for number, (kind, body) in enumerate(
        (("trace-create", _TRACE), ("generation-create", _GENERATION), ("score-create", _SCORE))
    )
]}  # fmt: skip
_LANGFUSE_WORDS: Final = frozenset({"type", "dataType", "startTime", "endTime", "timestamp", "level", "traceId"})
#: The trace is told apart from what is in it, and found by its id.
_JOINED: Final = _LANGFUSE_WORDS | {"id"}
_OBSERVED: Final = {
    "langfuse.observation.type": "generation", "langfuse.observation.model.name": "m",
    "langfuse.observation.usage_details": '{"input": 7, "output": 2}', "langfuse.observation.input": "q",
    "langfuse.observation.output": "a", "langfuse.observation.metadata.note": "n", "langfuse.trace.name": "n",
    "langfuse.trace.tags": ["x", "team:red"], "langfuse.observation.status_message": "s",
}  # fmt: skip

# ----------------------------------------------------------------------------------------------------------- promptfoo

_USED: Final = {"prompt": 100, "completion": 10, "total": 110, "cached": 0}
_ROW: Final = {
    "id": "7d2f", "promptIdx": 0, "testIdx": 0, "provider": {"id": "openai:chat:m", "label": "l"},
    "prompt": {"raw": "q", "label": "q"}, "vars": {"name": "Ann"}, "error": "e", "metadata": {"conversation": "text"},
    "response": {"output": "a", "cached": False, "tokenUsage": _USED, "raw": "x", "metadata": {"http": {"headers": {"server": "h"}}}},
    "cost": 0.5, "success": True, "score": 1, "failureReason": 0, "namedScores": {"mine": 1},
    "testCase": {"vars": {"name": "Ann"}, "description": "d", "options": {"prefix": "p"}},
    "gradingResult": {"pass": True, "score": 1, "reason": "r", "componentResults": [
        {"pass": True, "reason": "r", "assertion": {"type": "llm-rubric", "value": "v"}, "tokensUsed": _USED},
    ]},
}  # fmt: skip
_EVALUATION: Final = {
    "evalId": "eval-abc", "results": {"version": 3, "timestamp": _AT, "results": [_ROW]},
    "config": {"description": "d", "env": {"KEY": "k"}, "outputPath": ["/home/dev/x"], "tags": {"a": "b"}},
    "metadata": {"author": "ada", "hostname": "h"}, "shareableUrl": "https://x",
}  # fmt: skip

# ---------------------------------------------------------------------------------------------------------- webhooks

_ADA: Final = {"login": "ada", "id": 1, "type": "User", "email": "a@x", "avatar_url": "https://x"}
_MERGE: Final = {
    "user": _ADA, "milestone": {"title": "m"}, "title": "t", "body": "It charges once.\n\nAssay-Run: run-1",
    "labels": [{"name": "l", "description": "d"}], "head": {"ref": "b", "sha": "0123", "label": "ada:b"},
}  # fmt: skip
_TIMES: Final = frozenset({
    "created_at", "updated_at", "closed_at", "merged_at", "createdAt", "updatedAt", "completedAt", "occurred_at", "created",
    "resolutiondate", "time", "timestamp",
})  # fmt: skip
_JIRA: Final = {
    "timestamp": _NOW_S * 1000, "webhookEvent": "jira:issue_updated",
    "user": {"accountId": "bob", "displayName": "Bob", "emailAddress": "b@x"},
    "changelog": {"items": [{"field": "resolution", "fieldId": "resolution", "from": None, "to": "1", "toString": "Done"}]},
    "issue": {"id": "1", "key": "SHOP-1", "self": "https://x", "fields": {
        "summary": "s", "description": "d", "environment": "e", "labels": ["l"], "created": _AT, "resolutiondate": _AT,
        "issuetype": {"name": "Task"}, "status": {"name": "Done", "statusCategory": {"key": "done"}},
        "resolution": {"name": "Done"}, "assignee": {"accountId": "ada", "displayName": "Ada", "emailAddress": "a@x"},
        "project": {"key": "SHOP", "name": "n"}, "comment": {"comments": [{"body": "b"}]},
    }},
}  # fmt: skip
_LINEAR: Final = {
    "type": "Issue", "action": "update", "webhookTimestamp": _NOW_S * 1000, "createdAt": _AT, "url": "https://x",
    "actor": {"id": "bob", "name": "Bob", "email": "b@x", "type": "user"}, "updatedFrom": {"completedAt": None},
    "data": {
        "id": "u", "identifier": "SHOP-1", "title": "t", "description": "d", "createdAt": _AT, "completedAt": _AT,
        "state": {"type": "completed", "name": "n"}, "team": {"key": "SHOP", "name": "Shop"}, "labels": [{"name": "l"}],
        "url": "https://x", "assignee": {"id": "ada", "name": "Ada", "email": "a@x"}, "branchName": "ada/shop-1",
    },
}  # fmt: skip
_PAGERDUTY: Final = {"event": {
    "id": "e", "event_type": "incident.resolved", "occurred_at": _AT, "client": {"name": "n"},
    "agent": {"id": "PADA", "type": "user_reference", "summary": "Ada"},
    "data": {
        "id": "P1", "type": "incident", "title": "t", "summary": "s", "description": "d", "created_at": _AT,
        "status": "resolved", "body": {"details": "d"}, "service": {"id": "PS", "summary": "checkout"},
        "teams": [{"summary": "Payments"}], "assignments": [{"assignee": {"summary": "Ada"}}], "incident_key": "k",
        "html_url": "https://x", "urgency": "high",
    },
}}  # fmt: skip
_NATIVE: Final = {
    "specversion": "1.0", "id": "1", "source": "/s", "type": "assay.usage.v1", "time": _AT, "subject": "x",
    "data": {
        "event_id": "e", "source": "s", "occurred_at": _AT, "team": "red", "workflow": "w", "model": "m", "actor": "ada",
        "run_id": "r", "attributes": {"a": "b"},
    },
}  # fmt: skip


def _agent(**more: Collection[str]) -> Mapping[str, Collection[str]]:
    """What coding agents' events may hold."""
    return {"model": ["model"], "run_id": ["session.id"], "team": ["team"], **more}


#: What may be found again is what docs/sources says: ids, whose a call is, and the names of model and provider.
BODIES: Final = (
    _json("litellm", "/litellm", _LITELLM, 2, {
        "event_id": ["litellm_call_id"], "request_id": ["id"], "model": ["model"], "team": ["metadata.user_api_key_team_alias"],
        "workflow": ["metadata.requester_metadata.workflow"], "run_id": ["metadata.requester_metadata.run_id"],
    }, {"status", "call_type", "error_code", "custom_llm_provider"}),
    _spans("genai", _CALLS["genai"], {
        "model": ["gen_ai.request.model"], "provider": ["gen_ai.provider.name"], "request_id": ["gen_ai.response.id"],
        "run_id": ["session.id"], "team": ["team"],
    }),
    _spans("openinference", _CALLS["openinference"], {
        "model": ["llm.model_name"], "provider": ["llm.system"], "run_id": ["session.id"], "team": ["team"],
    }),
    _spans("vercel", _CALLS["vercel"], {"model": ["ai.model.id"], "run_id": ["session.id"], "team": ["team"]}),
    _spans("langfuse_spans", _OBSERVED, {
        "model": ["langfuse.observation.model.name"], "team": ["langfuse.trace.tags"],
    }, "langfuse-sdk"),
    _log("claude_code", "api_request", {"input_tokens": 3, "cost_usd_micros": 5}, _agent(request_id=["request_id"]),
         "com.anthropic.claude_code.events"),
    _log("codex", "codex.sse_event", {"event.kind": "response.completed", "input_token_count": "3"}, _agent(), ""),
    _log("gemini", "gemini_cli.api_response", {"input_token_count": "3"}, _agent(), "gemini-cli"),
    _metrics(),
    _json("langfuse", "/api/public/ingestion", _BATCH, 2, {
        "model": ["batch.body.model"], "team": ["batch.body.tags"], "workflow": ["batch.body.metadata.workflow"],
    }, _JOINED),
    _json("langfuse_score", "/api/public/scores", _SCORE, 1, {"outcome_id": ["id"]}, _LANGFUSE_WORDS),
    _json("promptfoo", "/promptfoo", _EVALUATION, 3, {
        "event_id": ["results.results.id"], "outcome_id": ["results.results.id"], "run_id": ["results.results.id"],
        "ref": ["evalId"], "model": ["results.results.provider.id"],
    }, _TIMES),
    _json("github", "/github", orjson.loads(merged(at=_AT, **_MERGE)), 1, {
        "outcome_id": ["repository.full_name"], "ref": ["repository.full_name"], "run_id": ["pull_request.body"],
    }, _TIMES | {"action", "state", "type", "default_branch", "base"}),
    _json("jira", "/jira", _JIRA, 1, {"outcome_id": ["issue.key"], "ref": ["issue.key"]},
          _TIMES | {"webhookEvent", "field", "fieldId", "to", "resolution", "statusCategory"}),
    _json("linear", "/linear", _LINEAR, 1, {
        "outcome_id": ["data.id"], "ref": ["data.identifier"], "team": ["data.team.name"],
    }, _TIMES | {"type", "action"}),
    _json("pagerduty", "/pagerduty", _PAGERDUTY, 1, {
        "outcome_id": ["event.data.id"], "ref": ["event.data.id"], "team": ["event.data.teams.summary"],
    }, _TIMES | {"event_type", "type", "status"}),
    _json("events", "/events", _NATIVE, 1, {
        name: [f"data.{name}"] for name in ("event_id", "source", "team", "workflow", "model", "run_id")
    } | {"attributes": ["data.attributes.a"]}, _TIMES | {"specversion", "type"}),
)  # fmt: skip
