"""Dialect: the Vercel AI SDK's own spans (``ai.*``, its versions 3 to 6): the ``do…`` spans are the calls.

``ai.generateText`` repeats what its ``ai.generateText.doGenerate`` children used. Up to version 5 the input of
Anthropic's models leaves cached tokens out, and those of the others do not; from version 6 on none does, and there are
details that say so. The newer telemetry package (``@ai-sdk/otel``) follows :mod:`streams.sources.otlp.genai` instead.
"""

from typing import Final

from streams.sources.contract import Skip
from streams.sources.otlp import tokens
from streams.sources.otlp.calls import Call
from streams.sources.otlp.records import Span
from streams.sources.otlp.words import first_word

__all__ = ["NAMES", "read"]

_OPERATION: Final = "ai.operationId"
_OPERATIONS: Final = {
    "ai.generateText.doGenerate": "chat",
    "ai.streamText.doStream": "chat",
    "ai.generateObject.doGenerate": "chat",
    "ai.streamObject.doStream": "chat",
    "ai.embed.doEmbed": "embeddings",
    "ai.embedMany.doEmbed": "embeddings",
}
_PARENTS: Final = frozenset(operation.rpartition(".")[0] for operation in _OPERATIONS)
_MODEL: Final = ("ai.response.model", "gen_ai.response.model", "ai.model.id", "gen_ai.request.model")
_PROVIDER: Final = ("ai.model.provider", "gen_ai.system")
_REQUEST_ID: Final = ("ai.response.id", "gen_ai.response.id")
_ERROR: Final = ("error.type",)
_TOKENS: Final = tokens.Names(
    input=(
        "ai.usage.inputTokens",
        "ai.usage.promptTokens",
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.prompt_tokens",
        "ai.usage.tokens",
    ),
    output=(
        "ai.usage.outputTokens",
        "ai.usage.completionTokens",
        "gen_ai.usage.output_tokens",
        "gen_ai.usage.completion_tokens",
    ),
    cache_read=("ai.usage.inputTokenDetails.cacheReadTokens", "ai.usage.cachedInputTokens"),
    cache_write=("ai.usage.inputTokenDetails.cacheWriteTokens",),
    reasoning=("ai.usage.outputTokenDetails.reasoningTokens", "ai.usage.reasoningTokens"),
)
_FRESH: Final = "ai.usage.inputTokenDetails.noCacheTokens"
NAMES: Final = frozenset(
    (
        _OPERATION,
        *_MODEL,
        *_PROVIDER,
        *_REQUEST_ID,
        *_ERROR,
        *(name for names in _TOKENS for name in names),
        _FRESH,
    )
)


def read(span: Span) -> Call | Skip | None:
    """What the span tells; None where it is none of this dialect. Raises BadField where a number is none."""
    attributes = span.attributes
    named = attributes.get(_OPERATION)
    if not isinstance(named, str):
        return None
    operation = _OPERATIONS.get(named)
    if operation is None:
        return Skip.PARENT if named in _PARENTS else Skip.IRRELEVANT
    # ``openai.chat`` and ``anthropic.messages`` say the interface, too.
    provider = (first_word(attributes, _PROVIDER) or "").partition(".")[0]
    return Call(
        model=first_word(attributes, _MODEL),
        operation=operation,
        provider=provider or None,
        request_id=first_word(attributes, _REQUEST_ID),
        tokens=tokens.read(
            attributes, _TOKENS, cached_apart=provider == "anthropic" and attributes.get(_FRESH) is None
        ),
        error=first_word(attributes, _ERROR),
    )
