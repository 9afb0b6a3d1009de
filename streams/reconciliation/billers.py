"""Who bills a call: one word for what sources, gateways and invoices call a provider.

The same model is billed by its maker, or by the cloud that serves it; a call of one is not on the other's bill.
"""

import re
from typing import Final

from streams.core.prices import family

__all__ = ["UNKNOWN", "biller_of"]

#: Of a call whose provider nobody names and whose model no maker is known of.
UNKNOWN: Final = "unknown"

#: The first word of a provider's name, without what is no letter or digit.
_BILLERS: Final = {
    "anthropic": "anthropic",
    "openai": "openai",
    "azure": "azure",
    "microsoft": "azure",
    "aws": "aws",
    "amazon": "aws",
    "bedrock": "aws",
    "sagemaker": "aws",
    "gcp": "google",
    "google": "google",
    "vertex": "google",
    "gemini": "google",
    "github": "github",
    "copilot": "github",
    "mistral": "mistral",
    "mistralai": "mistral",
    "cohere": "cohere",
    "deepseek": "deepseek",
    "groq": "groq",
    "xai": "xai",
}
_MAKERS: Final = (
    (re.compile(r"claude"), "anthropic"),
    (re.compile(r"gpt-|o\d|chatgpt|text-embedding-|davinci|whisper|dall-e|codex"), "openai"),
    (re.compile(r"gemini"), "google"),
)
_WORD: Final = re.compile(r"[a-z0-9]+")


def biller_of(provider: str | None, model: str | None = None) -> str:
    """The biller by the provider's name, else by what stands before the model's, else by who makes the model.

    A provider that is not known bills under its own name.
    """
    if provider:
        return _named(provider) or provider.lower()
    name = (model or "").lower()
    before, slash, _ = name.partition("/")
    if slash and (found := _named(before)) is not None:
        return found
    # Bedrock's names of models: region, vendor, model.
    if re.match(r"(?:(?:us|eu|apac|global|jp|au|us-gov)\.)?(?:anthropic|amazon|meta|cohere|ai21|mistral)\.", name):
        return "aws"
    plain = family(name)
    return next((biller for pattern, biller in _MAKERS if pattern.match(plain)), UNKNOWN)


def _named(provider: str) -> str | None:
    words = _WORD.findall(provider.lower())
    return next((_BILLERS[word] for word in words if word in _BILLERS), None)
