"""LiteLLM: what its callbacks, our logger and its SpendLogs table tell, as usage events; docs/sources/litellm.md."""

from streams.sources.litellm.decoding import SOURCE, decode

__all__ = ["SOURCE", "decode"]
