"""What LiteLLM's words mean here: kinds of calls, programs, and texts that its callers may choose freely."""

import re
from collections.abc import Iterable
from typing import Any, Final

__all__ = ["LOOKUPS", "UNMETERED", "bare", "claude_code_session", "name", "operation", "program", "prompt_text"]

#: Calls that fetch, list, stop or remove something stored (``NON_INFERENCE_CALL_TYPES`` and the like), without their "a".
LOOKUPS: Final = frozenset({
    "get_responses", "delete_responses", "cancel_responses", "list_input_items", "get_assistants", "delete_assistant",
    "get_thread", "get_messages", "file_retrieve", "file_list", "file_content", "file_delete", "cancel_batch",
    "cancel_fine_tuning_job", "list_fine_tuning_jobs", "retrieve_fine_tuning_job", "video_retrieve", "video_list",
    "video_content", "video_delete", "video_retrieve_job", "video_get_character", "vector_store_retrieve",
    "vector_store_list", "vector_store_delete", "vector_store_file_list", "vector_store_file_retrieve",
    "vector_store_file_content", "vector_store_file_delete", "list_containers", "retrieve_container",
    "delete_container", "list_container_files", "delete_sandbox", "list_mcp_tools",
})  # fmt: skip

#: Calls in which no model is asked; what they prepare is counted when it runs.
UNMETERED: Final = frozenset({
    "create_assistants", "create_thread", "add_message", "create_file", "create_batch", "create_fine_tuning_job",
    "vector_store_create", "vector_store_update", "vector_store_file_create", "vector_store_file_update",
    "create_container", "upload_container_file", "create_sandbox", "run_code", "code_interpreter_tool",
    "call_mcp_tool", "create_skill",
})  # fmt: skip

_OPERATIONS: Final = {
    "completion": "chat",
    "responses": "chat",
    "anthropic_messages": "chat",
    "generate_content": "chat",
    "generate_content_stream": "chat",
}
#: Names of LiteLLM that begin with an "a" of their own.
_NO_ASYNC: Final = frozenset({"add_message", "anthropic_messages"})
#: First words of user agents, of programs that have sources of their own.
_PROGRAMS: Final = {
    "claude-cli": "claude-code",
    "codex_cli_rs": "codex",
    "codex_exec": "codex",
    "codex-tui": "codex",
    "GeminiCLI": "gemini-cli",
}
_MOST_IN_A_NAME: Final = 200
_SESSION: Final = re.compile(r"_session_([0-9a-f-]{36})\Z")
_REDACTED: Final = "redacted-by-litellm"
#: As many characters as a fingerprint looks at.
_MOST_OF_A_PROMPT: Final = 20_000
_MOST_PARTS: Final = 4_096

_known: dict[str, str] = {}


def bare(call_type: str) -> str:
    """A kind of call without the marks of asynchronous ones: ``aget_responses`` and ``_arealtime`` lose theirs."""
    word = _known.get(call_type)
    if word is None:
        word = call_type.removeprefix("_").removeprefix("a_")
        if word.startswith("a") and word not in _NO_ASYNC:
            word = word[1:]
        if len(_known) < 1_000:
            _known[call_type] = word
    return word


def operation(word: str) -> str:
    """The kind of a call in our terms."""
    return _OPERATIONS.get(word, word) or "chat"


def program(user_agent: Any) -> str | None:
    """The program behind a user agent, where it is one that we know; never the agent itself, which may hold anything."""
    return _PROGRAMS.get(user_agent.partition("/")[0]) if isinstance(user_agent, str) else None


def name(value: Any, most: int = _MOST_IN_A_NAME) -> str | None:
    """A text that can be a name or an id here; None for everything else, so that no caller can have a call refused."""
    if isinstance(value, str) and (value := value.strip()) and len(value) <= most and value.isprintable():
        return value
    return None


def claude_code_session(end_user: Any) -> str | None:
    """The session in the user id that Claude Code sends: ``user_..._session_UUID``."""
    if isinstance(end_user, str) and (found := _SESSION.search(end_user[-64:])):
        return found[1]
    return None


def prompt_text(messages: Any) -> str | None:
    """All texts of a prompt, in order: a text, or messages whose content is a text or parts that have one."""
    if isinstance(messages, str):
        return messages[:_MOST_OF_A_PROMPT] if messages and messages != _REDACTED else None
    if not isinstance(messages, list):
        return None
    texts, length = [], 0
    for text in _texts(messages[:_MOST_PARTS]):
        texts.append(text)
        length += len(text)
        if length >= _MOST_OF_A_PROMPT:
            break
    if texts == [_REDACTED]:
        return None
    return "\n".join(texts)[:_MOST_OF_A_PROMPT] or None


def _texts(messages: list[Any]) -> Iterable[str]:
    for message in messages:
        content = message.get("content") if isinstance(message, dict) else message
        if isinstance(content, str):
            yield content
        elif isinstance(content, list):
            for part in content[:_MOST_PARTS]:
                text = part.get("text") if isinstance(part, dict) else None
                if isinstance(text, str):
                    yield text
