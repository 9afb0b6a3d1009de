"""Dialect: OpenTelemetry's GenAI conventions, in both generations of names, and what follows them.

Read so are the instrumentations of OpenTelemetry, traceloop's (OpenLLMetry), pydantic-ai, the AI SDK from version 6 of
its own telemetry package on, and whatever else has ``gen_ai.operation.name``. Only leaves count: an agent's span
repeats what its calls used.

Sources: semantic-conventions v1.41 and semantic-conventions-genai, ``migration.md`` for the renamed attributes;
opentelemetry-semantic-conventions-ai 0.5.1; pydantic-ai 2.68, ``usage.py``.
"""

from typing import Final

from streams.sources.contract import Skip
from streams.sources.otlp import tokens
from streams.sources.otlp.calls import Call
from streams.sources.otlp.records import Attributes, Span
from streams.sources.otlp.words import first_dollars, first_word, one_of

__all__ = ["LEAVES", "NAMES", "read", "tells_usage"]

#: Calls of a model. ``completion``, ``embedding`` and ``rerank`` are traceloop's older words.
LEAVES: Final = frozenset(
    {"chat", "generate_content", "text_completion", "embeddings", "completion", "embedding", "rerank"}
)
#: The conventions' word, and that of the record.
_WORDS: Final = {"embeddings": "embedding"}
_PARENTS: Final = frozenset({"invoke_agent", "invoke_workflow", "agent_step"})
_OTHERS: Final = frozenset({"execute_tool", "create_agent", "plan", "retrieval"})

_OPERATION: Final = ("gen_ai.operation.name", "llm.request.type")
_MODEL: Final = ("gen_ai.response.model", "gen_ai.request.model")
_PROVIDER: Final = ("gen_ai.provider.name", "gen_ai.system")
_REQUEST_ID: Final = ("gen_ai.response.id",)
_COST: Final = ("operation.cost", "gen_ai.usage.cost")
_ERROR: Final = ("error.type",)
TOKENS: Final = tokens.Names(
    input=("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"),
    output=("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"),
    cache_read=(
        "gen_ai.usage.cache_read.input_tokens",
        "gen_ai.usage.cache_read_input_tokens",
        "gen_ai.usage.details.cache_read_tokens",
        "gen_ai.usage.cache_read_tokens",
        "gen_ai.usage.input_cached_tokens",  # Langfuse's own word, in the conventions' namespace (langfuse#14725)
    ),
    cache_write=(
        "gen_ai.usage.cache_write.input_tokens",
        "gen_ai.usage.cache_creation.input_tokens",
        "gen_ai.usage.cache_creation_input_tokens",
        "gen_ai.usage.details.cache_write_tokens",
        "gen_ai.usage.cache_write_tokens",
    ),
    reasoning=(
        "gen_ai.usage.reasoning.output_tokens",
        "gen_ai.usage.reasoning_tokens",
        "gen_ai.usage.details.reasoning_tokens",
        "llm.usage.reasoning_tokens",
    ),
)
_TIERS: Final = frozenset({"batch", "flex", "priority", "scale"})
_TIER: Final = ("openai.response.service_tier", "gen_ai.openai.response.service_tier")
_TOKEN_NAMES: Final = frozenset(name for names in TOKENS for name in names)
NAMES: Final = frozenset((*_OPERATION, *_MODEL, *_PROVIDER, *_REQUEST_ID, *_COST, *_ERROR, *_TIER)) | _TOKEN_NAMES


def read(span: Span) -> Call | Skip | None:
    """What the span tells; None where it is none of this dialect. Raises BadField where a number is none."""
    attributes = span.attributes
    operation = first_word(attributes, _OPERATION)
    if operation is None:
        # Whether a span with usage and no operation is a call or the sum of several, nobody knows.
        return Skip.UNKNOWN if tells_usage(attributes) else None
    if operation not in LEAVES:
        return _passed_over(operation, attributes)
    return Call(
        model=first_word(attributes, _MODEL),
        operation=_WORDS.get(operation, operation),
        provider=first_word(attributes, _PROVIDER),
        request_id=first_word(attributes, _REQUEST_ID),
        tokens=tokens.read(attributes, TOKENS),
        cost=first_dollars(attributes, _COST),
        error=first_word(attributes, _ERROR),
        attributes=_words(attributes),
    )


def tells_usage(attributes: Attributes) -> bool:
    """Whether there is a token count of this dialect."""
    return not _TOKEN_NAMES.isdisjoint(attributes)


def _passed_over(operation: str, attributes: Attributes) -> Skip:
    if operation == "fetch_response":
        return Skip.LOOKUP
    if operation in _PARENTS:
        return Skip.PARENT
    if operation in _OTHERS or operation.endswith("_memory"):
        return Skip.PARENT if tells_usage(attributes) else Skip.IRRELEVANT
    return Skip.UNKNOWN


def _words(attributes: Attributes) -> dict[str, str]:
    for name in _TIER:
        if name in attributes and (tier := one_of(attributes, name, _TIERS)):
            return {"service_tier": tier}
    return {}
