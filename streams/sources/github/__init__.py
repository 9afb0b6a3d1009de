"""GitHub: webhooks, and pull requests and issues as its REST API lists them, to outcomes."""

from streams.sources.github.payloads import SOURCE, GitHub
from streams.sources.github.webhooks import decode

__all__ = ["SOURCE", "GitHub", "decode"]
