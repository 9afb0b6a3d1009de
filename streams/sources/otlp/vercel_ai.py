"""Dialect: the Vercel AI SDK's own spans (``ai.*``, its versions 3 to 6): the ``do…`` spans are the calls.

``ai.generateText`` repeats what its ``ai.generateText.doGenerate`` children used. Up to version 5 the input of
Anthropic's models leaves cached tokens out, and those of the others do not; from version 6 on none does, and there are
details that say so. What version 5 has no attributes for stands in the provider's metadata, of which the counts of cached
and reasoned tokens are read. The newer telemetry package (``@ai-sdk/otel``) follows :mod:`streams.sources.otlp.genai`
instead.

Sources: versions 5.0.277 and 6.0.326, run against a model of our own.
"""

from typing import Any, Final

import orjson

from streams.sources.contract import Skip
from streams.sources.otlp import tokens
from streams.sources.otlp.calls import Call
from streams.sources.otlp.records import Attributes, Span
from streams.sources.otlp.words import first_word

__all__ = ["NAMES", "read"]

_OPERATION: Final = "ai.operationId"
_OPERATIONS: Final = {
    "ai.generateText.doGenerate": "chat",
    "ai.streamText.doStream": "chat",
    "ai.generateObject.doGenerate": "chat",
    "ai.streamObject.doStream": "chat",
    "ai.embed.doEmbed": "embedding",
    "ai.embedMany.doEmbed": "embedding",
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
_METADATA: Final = "ai.response.providerMetadata"
_MOST_METADATA: Final = 65_536
#: Where providers have their counts in it: of Anthropic as its API names them, or under the names of version 4.
_IN_METADATA: Final = (
    (("anthropic", "usage", "cache_read_input_tokens"), _TOKENS.cache_read[0]),
    (("anthropic", "cacheReadInputTokens"), _TOKENS.cache_read[0]),
    (("anthropic", "usage", "cache_creation_input_tokens"), _TOKENS.cache_write[0]),
    (("anthropic", "cacheCreationInputTokens"), _TOKENS.cache_write[0]),
    (("openai", "cachedPromptTokens"), _TOKENS.cache_read[0]),
    (("openai", "reasoningTokens"), _TOKENS.reasoning[0]),
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
        _METADATA,
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
    attributes = _with_metadata(attributes)
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


def _with_metadata(attributes: Attributes) -> Attributes:
    """The attributes, and the counts that stand in the provider's metadata alone; nothing else of that is kept."""
    said = attributes.get(_METADATA)
    if _FRESH in attributes or not isinstance(said, str) or len(said) > _MOST_METADATA:
        return attributes
    try:
        metadata: Any = orjson.loads(said)
    except orjson.JSONDecodeError:
        return attributes
    found: dict[str, Any] = {}
    for path, name in _IN_METADATA:
        value = metadata
        for member in path:
            value = value.get(member) if isinstance(value, dict) else None
        if type(value) is int and name not in found:
            found[name] = value
    return {**found, **attributes}
