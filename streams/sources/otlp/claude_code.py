"""Claude Code: its events are the one source of tokens; its metrics and traces tell the same again.

``input_tokens`` is what came from no cache, as Anthropic counts. Of requests that were tried several times only the last
failure is told, with how many attempts there were; a stream that broke and was asked again is one event of two calls.
Numbers come as integers or as texts.

Sources: Claude Code 2.1.197 run offline; its monitoring documentation.
"""

from typing import Any, Final

import orjson

from streams.core.outcomes import OutcomeKind
from streams.sources.contract import Item, Skip
from streams.sources.otlp import tokens
from streams.sources.otlp.calls import Call
from streams.sources.otlp.log_items import decision_item, outcome_item, usage_item
from streams.sources.otlp.records import Attributes, LogRecord, Span
from streams.sources.otlp.words import first_count, first_dollars, first_word, one_of

__all__ = ["NAMES", "SOURCE", "owns_log", "owns_span", "read_log", "read_span"]

SOURCE: Final = "claude-code"

_SCOPE: Final = "com.anthropic.claude_code"
_PREFIX: Final = "claude_code."
_TOKENS: Final = tokens.Names(
    input=("input_tokens",),
    output=("output_tokens",),
    cache_read=("cache_read_tokens",),
    cache_write=("cache_creation_tokens",),
)
_REPEATING: Final = frozenset({"api_retries_exhausted", "api_request_body", "api_response_body"})
_EFFORTS: Final = frozenset({"low", "medium", "high", "xhigh", "max"})
_SPEEDS: Final = frozenset({"fast"})
#: Tools whose decisions are about a change; those of others are permissions. As in its metric code_edit_tool.decision.
_EDITS: Final = frozenset({"Edit", "MultiEdit", "Write", "NotebookEdit"})
_DECISIONS: Final = {"accept": True, "reject": False}
#: Longest text of ``tool_parameters`` that is searched for a commit: it holds the command as well.
_MOST_PARAMETERS: Final = 65_536
_TRIGGERS: Final = {"repl_main_thread": "human", "subagent": "agent"}
_REFERENCE: Final = frozenset("0123456789abcdef")
NAMES: Final = frozenset(
    (
        *(name for names in _TOKENS for name in names),
        "session.id",
        "event.name",
        "event.sequence",
        "event.timestamp",
        "prompt.id",
        "request_id",
        "model",
        "cost_usd",
        "cost_usd_micros",
        "attempt",
        "effort",
        "speed",
        "query_source",
        "tool_name",
        "tool_use_id",
        "tool_parameters",
        "decision",
        "source",
        "success",
    )
)


def owns_log(record: LogRecord) -> bool:
    """Whether Claude Code wrote it."""
    return record.scope.name.startswith(_SCOPE) or record.name.startswith(_PREFIX)


def owns_span(span: Span) -> bool:
    """Whether Claude Code wrote it."""
    return span.name.startswith(_PREFIX) or span.scope.name.startswith(_SCOPE)


def read_span(span: Span) -> Skip:
    """Its traces repeat its events, with the id of the request as the response's."""
    return Skip.REPEATED if span.name == "claude_code.llm_request" else Skip.IRRELEVANT


def read_log(record: LogRecord) -> Item | Skip:
    """What an event tells. Raises BadField where a number or time is none."""
    attributes = record.attributes
    name = record.name.removeprefix(_PREFIX)
    session = first_word(attributes, ("session.id",))
    if name in {"api_request", "api_error"}:
        item = usage_item(record, _call(attributes, failed=name == "api_error"), SOURCE, session=session)
        if trigger := _TRIGGERS.get(first_word(attributes, ("query_source",)) or ""):
            item.fields["trigger"] = trigger
        return item
    if name == "tool_decision":
        decision = _DECISIONS.get(first_word(attributes, ("decision",)) or "")
        # What the configuration or a hook let through nobody looked at.
        by_person = (first_word(attributes, ("source",)) or "").startswith("user_")
        if decision is None or not by_person or one_of(attributes, "tool_name", _EDITS) is None:
            return Skip.IRRELEVANT
        return decision_item(record, SOURCE, session, accepted=decision)
    if name == "tool_result":
        commit = _commit(attributes)
        if commit is None:
            return Skip.IRRELEVANT
        kind = OutcomeKind.REVIEW_SUBMITTED.value
        return outcome_item(
            record, SOURCE, session, kind=kind, verdict="neutral", ref=commit, attributes={"submitted": "commit"}
        )
    if name in _REPEATING:
        return Skip.REPEATED
    return Skip.UNKNOWN if "input_tokens" in attributes else Skip.IRRELEVANT


def _call(attributes: Attributes, *, failed: bool) -> Call:
    model = first_word(attributes, ("model",))
    words = {}
    if effort := one_of(attributes, "effort", _EFFORTS):
        words["effort"] = effort
    if speed := one_of(attributes, "speed", _SPEEDS):
        words["speed"] = speed
    if attempt := first_count(attributes, ("attempt",)):
        words["attempt"] = str(attempt)
    micros = first_count(attributes, ("cost_usd_micros",))
    return Call(
        model=model,
        provider="anthropic" if model is not None and model.startswith("claude-") else None,
        request_id=first_word(attributes, ("request_id",)),
        tokens=tokens.read(attributes, _TOKENS, cached_apart=True),
        cost=micros if micros is not None else first_dollars(attributes, ("cost_usd",)),
        error="error" if failed else None,
        attributes=words,
    )


def _commit(attributes: Attributes) -> str | None:
    """The commit that a command made, where OTEL_LOG_TOOL_DETAILS has it told; the command itself is dropped here."""
    said = attributes.get("tool_parameters")
    if not isinstance(said, str) or len(said) > _MOST_PARAMETERS or "git_commit_id" not in said:
        return None
    try:
        parameters: Any = orjson.loads(said)
    except orjson.JSONDecodeError:
        return None
    commit = parameters.get("git_commit_id") if isinstance(parameters, dict) else None
    told = isinstance(commit, str) and 7 <= len(commit) <= 64 and _REFERENCE.issuperset(commit)
    return commit if told else None
