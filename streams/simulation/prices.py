"""A small price table for the simulation: what its providers would have charged. Not the product's price book."""

from typing import Final, NamedTuple

__all__ = ["MODELS", "Model"]


class Model(NamedTuple):
    """A model and its prices, in micro-dollars per million tokens; ``priced`` is False where nobody bills by token."""

    name: str
    provider: str
    input: int
    cache_read: int
    cache_write: int
    output: int
    reasons: bool
    priced: bool = True


_ALL: Final = (
    Model("claude-opus-4-1", "anthropic", 15_000_000, 1_500_000, 18_750_000, 75_000_000, reasons=True),
    Model("claude-sonnet-4-5", "anthropic", 3_000_000, 300_000, 3_750_000, 15_000_000, reasons=True),
    Model("claude-haiku-4-5", "aws.bedrock", 1_000_000, 100_000, 1_250_000, 5_000_000, reasons=False),
    Model("gpt-5", "openai", 1_250_000, 125_000, 1_250_000, 10_000_000, reasons=True),
    Model("gpt-5-mini", "azure.ai.openai", 250_000, 25_000, 250_000, 2_000_000, reasons=True),
    Model("gemini-2.5-pro", "gcp.vertex_ai", 1_250_000, 312_500, 1_250_000, 10_000_000, reasons=True),
    Model("gemini-2.5-flash", "gcp.vertex_ai", 300_000, 75_000, 300_000, 2_500_000, reasons=False),
    Model("text-embedding-3-small", "openai", 20_000, 20_000, 20_000, 0, reasons=False),
    Model("llama-3.3-70b-instruct", "vllm", 0, 0, 0, 0, reasons=False, priced=False),
)

#: Models by name.
MODELS: Final = {model.name: model for model in _ALL}
