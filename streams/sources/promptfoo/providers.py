"""promptfoo's provider ids: which name a model, which a program or address that may call one, which neither.

Only a model's name may leave: a URL, a path or a command line is somebody's host, file or secret.
"""

import re
from typing import Any, Final, NamedTuple

from streams.sources.promptfoo.evaluations import as_object

__all__ = ["UNKNOWN_MODEL", "Named", "model_name", "provider_id", "read_provider"]

#: The model of a call whose source does not tell: it cannot be priced, and its tokens count as unpriced.
UNKNOWN_MODEL: Final = "unknown"

_LOCAL: Final = frozenset({"echo", "sequence", "promptfoo:manual-input", "promptfoo:manual", "manual"})
#: Followed by a program, a file or an address, not by a model.
_PROGRAMS: Final = frozenset({
    "http", "https", "ws", "wss", "webhook", "file", "exec", "python", "javascript", "golang", "ruby", "package", "browser",
    "mcp", "promptfoo", "sequence", "slack", "opencode", "agentic", "custom",
})  # fmt: skip
#: What kind of call, between a provider and its model.
_KINDS: Final = frozenset({
    "chat", "completion", "completions", "messages", "responses", "embedding", "embeddings", "converse", "realtime", "image",
    "moderation", "text-generation", "text-classification", "feature-extraction", "live", "transcription", "speech",
})  # fmt: skip
_EMBEDDINGS: Final = frozenset({"embedding", "embeddings", "feature-extraction"})
#: Agents, whose model stands in their configuration.
_AGENTS: Final = frozenset({"codex-sdk", "codex", "claude-agent-sdk", "claude-code", "codex-app-server", "agents"})
_MODEL: Final = re.compile(r"[A-Za-z0-9@~][A-Za-z0-9._:@/+-]{0,199}")
_SCRIPT: Final = re.compile(r"\.(?:[cm]?[jt]sx?|py|rb|go|sh|ya?ml|json)$|//|\\|\.\.")


class Named(NamedTuple):
    """What a provider's id says. ``local`` answers without asking anybody; ``model`` is None where the id has none."""

    provider: str | None = None
    model: str | None = None
    operation: str = "chat"
    local: bool = False


def model_name(said: Any) -> str | None:
    """A text that can be a model's name; None for whatever has a space, or is a path, an address or a script."""
    return said if isinstance(said, str) and _MODEL.fullmatch(said) and not _SCRIPT.search(said) else None


def provider_id(provider: Any) -> str:
    """The id of a provider, which is a text or an object that has one; empty if there is none."""
    found = provider.get("id") if isinstance(provider, dict) else provider
    if found is None and isinstance(provider, dict):  # by the kind of model: {"text": {...}, "embedding": {...}}
        found = as_object(provider.get("text")).get("id") or provider.get("text")
    return found if isinstance(found, str) else ""


def read_provider(name: str) -> Named:
    """What an id such as ``openai:chat:gpt-4o-mini`` names."""
    if name in _LOCAL or name.startswith("sequence:"):
        return Named(local=True)
    provider, _, rest = name.partition(":")
    if provider in _PROGRAMS or not re.fullmatch(r"[a-z][a-z0-9_-]{0,39}", provider) or not rest:
        return Named()
    kind, colon, model = rest.partition(":")
    if not colon or kind not in _KINDS:
        kind, model = "", rest
    operation = "embedding" if kind in _EMBEDDINGS else "chat"
    if model.partition(":")[0] in _AGENTS:
        return Named(provider, operation=operation)
    return Named(provider, model_name(model), operation)
