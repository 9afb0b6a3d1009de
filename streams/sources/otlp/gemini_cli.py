"""Gemini CLI: ``gemini_cli.api_response`` has all tokens; its ``gen_ai`` records, metrics and traces tell less of the same.

Input includes what is cached; output does not include thoughts. Tokens of tool results that the model was given are
input, too, and stand beside it. There is no id of the response.

Sources: Gemini CLI 0.61.0 run offline; its docs/cli/telemetry.md; "Token counting" of the Gemini API for the total.
"""

from typing import Final

from streams.sources.contract import Item, Skip
from streams.sources.otlp import genai, tokens
from streams.sources.otlp.calls import Call
from streams.sources.otlp.log_items import decision_item, usage_item
from streams.sources.otlp.records import Attributes, LogRecord, Span
from streams.sources.otlp.words import first_count, first_word, one_of

__all__ = ["NAMES", "SOURCE", "owns_log", "owns_span", "read_log", "read_span"]

SOURCE: Final = "gemini-cli"

_PREFIX: Final = "gemini_cli."
_SCOPE: Final = "gemini-cli"
_SESSION: Final = ("session.id",)
_INPUT: Final = ("input_token_count",)
_OUTPUT: Final = ("output_token_count",)
_CACHED: Final = ("cached_content_token_count",)
_THOUGHTS: Final = ("thoughts_token_count",)
_TOOLS: Final = ("tool_token_count",)
_TOTAL: Final = ("total_token_count",)
_STATUS: Final = ("status_code", "http.status_code")
_PROVIDERS: Final = {
    "gemini-api-key": "gcp.gemini",
    "oauth-personal": "gcp.gemini",
    "vertex-ai": "gcp.vertex_ai",
}
_EDITS: Final = frozenset({"replace", "write_file", "edit"})
_DECISIONS: Final = {"accept": True, "modify": True, "reject": False}
NAMES: Final = frozenset(
    (
        *_SESSION,
        *_INPUT,
        *_OUTPUT,
        *_CACHED,
        *_THOUGHTS,
        *_TOOLS,
        *_TOTAL,
        *_STATUS,
        "event.name",
        "event.timestamp",
        "prompt_id",
        "model",
        "auth_type",
        "function_name",
        "decision",
    )
)


def owns_log(record: LogRecord) -> bool:
    """Whether Gemini CLI wrote it."""
    return record.scope.name == _SCOPE or record.name.startswith(_PREFIX)


def owns_span(span: Span) -> bool:
    """Whether Gemini CLI wrote it."""
    return span.scope.name == _SCOPE


def read_span(span: Span) -> Skip:
    """Its traces repeat the usage of its events, as far as they have any."""
    return Skip.REPEATED if genai.tells_usage(span.attributes) else Skip.IRRELEVANT


def read_log(record: LogRecord) -> Item | Skip:
    """What an event tells. Raises BadField where a number or time is none."""
    attributes = record.attributes
    name = record.name
    session = first_word(attributes, _SESSION) or first_word(record.resource, _SESSION)
    if name == "gemini_cli.api_response":
        return usage_item(record, _call(attributes, _tokens(attributes), _error(attributes)), SOURCE, session=session)
    if name == "gemini_cli.api_error":
        return usage_item(record, _call(attributes, None, "error"), SOURCE, session=session)
    if name == "gemini_cli.tool_call":
        decision = _DECISIONS.get(first_word(attributes, ("decision",)) or "")
        if decision is None or one_of(attributes, "function_name", _EDITS) is None:
            return Skip.IRRELEVANT
        return decision_item(record, SOURCE, session, accepted=decision)
    if name in {"gemini_cli.api_request", "gen_ai.client.inference.operation.details"}:
        return Skip.REPEATED
    return Skip.UNKNOWN if first_word(attributes, _INPUT) else Skip.IRRELEVANT


def _tokens(attributes: Attributes) -> dict[str, int] | None:
    given = first_count(attributes, _INPUT)
    answered = first_count(attributes, _OUTPUT)
    if given is None and answered is None:
        return None
    thoughts = first_count(attributes, _THOUGHTS) or 0
    of_tools = first_count(attributes, _TOOLS) or 0
    if first_count(attributes, _TOTAL) == (given or 0) + (answered or 0) + thoughts:
        of_tools = 0  # the total has no room for them: they are in the input already
    cached = first_count(attributes, _CACHED) or 0
    return tokens.buckets((given or 0) + of_tools, (answered or 0) + thoughts, cached, 0, thoughts)


def _error(attributes: Attributes) -> str | None:
    status = first_count(attributes, _STATUS)
    return "error" if status is not None and status >= 400 else None


def _call(attributes: Attributes, used: dict[str, int] | None, error: str | None) -> Call:
    return Call(
        model=first_word(attributes, ("model",)),
        operation="generate_content",
        provider=_PROVIDERS.get(first_word(attributes, ("auth_type",)) or ""),
        tokens=used,
        error=error,
    )
