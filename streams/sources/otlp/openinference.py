"""Dialect: OpenInference (Arize Phoenix): ``llm.token_count.*`` on spans of kind LLM or EMBEDDING.

The provider's response stands, texts and all, in ``output.value``; it is not looked at, so there is no response id. The
prompt's count includes what is cached, and the completion's what was reasoned.

Source: openinference-semantic-conventions 0.1.66, ``trace/__init__.py``.
"""

from typing import Final

from streams.sources.contract import Skip
from streams.sources.otlp import tokens
from streams.sources.otlp.calls import Call
from streams.sources.otlp.records import Span
from streams.sources.otlp.words import first_dollars, first_word

__all__ = ["NAMES", "read"]

_KIND: Final = "openinference.span.kind"
_OPERATIONS: Final = {"LLM": "chat", "EMBEDDING": "embedding"}
_MODEL: Final = ("llm.model_name", "embedding.model_name")
_PROVIDER: Final = ("llm.provider", "llm.system")
_COST: Final = ("llm.cost.total",)
_ERROR: Final = ("error.type",)
_TOKENS: Final = tokens.Names(
    input=("llm.token_count.prompt",),
    output=("llm.token_count.completion",),
    cache_read=("llm.token_count.prompt_details.cache_read", "llm.token_count.prompt_details.cache_input"),
    cache_write=("llm.token_count.prompt_details.cache_write",),
    reasoning=("llm.token_count.completion_details.reasoning",),
)
_TOKEN_NAMES: Final = frozenset((*_TOKENS.input, *_TOKENS.output))
NAMES: Final = frozenset((_KIND, *_MODEL, *_PROVIDER, *_COST, *_ERROR, *(name for names in _TOKENS for name in names)))


def read(span: Span) -> Call | Skip | None:
    """What the span tells; None where it is none of this dialect. Raises BadField where a number is none."""
    attributes = span.attributes
    kind = attributes.get(_KIND)
    if not isinstance(kind, str):
        return None
    operation = _OPERATIONS.get(kind.upper())
    if operation is None:
        return Skip.IRRELEVANT if _TOKEN_NAMES.isdisjoint(attributes) else Skip.PARENT
    return Call(
        model=first_word(attributes, _MODEL),
        operation=operation,
        provider=first_word(attributes, _PROVIDER),
        tokens=tokens.read(attributes, _TOKENS),
        cost=first_dollars(attributes, _COST),
        error=first_word(attributes, _ERROR),
    )
