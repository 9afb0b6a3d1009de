"""Whose an observation or a score is: what its metadata, its trace's and its trace's tags say."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import orjson

from streams.sources.langfuse.usage import as_object

__all__ = ["METADATA_KEYS", "of_all", "owners_of", "tags_of", "word"]

#: What is read of metadata; whatever else a program puts there stays unread.
METADATA_KEYS: Final = (
    "assay.team", "team", "assay.workflow", "workflow", "assay.run_id", "cache_hit", "ls_provider", "gen_ai.operation.name",
)  # fmt: skip


_TRACE_FIELDS: Final = ("name", "userId", "sessionId", "environment", "release", "projectId", "service.name")
#: Tags of a trace stand on each of its observations: so many are looked at.
_MOST_TAGS: Final = 64


def owners_of(metadata: Iterable[Mapping[str, Any]], tags: Iterable[str]) -> dict[str, str]:
    """``team``, ``workflow`` and ``run_id`` as far as they are told: in the first of the metadata that tells, else in a tag.

    A tag is ``team:payments``; the name with ``assay.`` before it comes first everywhere.
    """
    told = [*metadata, tagged(tags)]
    found = {}
    for field, names in (
        ("team", ("assay.team", "team")), ("workflow", ("assay.workflow", "workflow")), ("run_id", ("assay.run_id",))
    ):  # fmt: skip
        value = next((value for name in names for one in told if (value := word(one.get(name)))), None)
        if value:
            found[field] = value
    return found


def of_all(trace: Mapping[str, Any]) -> dict[str, Any]:
    """What observations look for in their trace, read once: whatever else it has is not copied or parsed for each."""
    found = {name: trace[name] for name in _TRACE_FIELDS if name in trace}
    metadata = metadata_of(trace.get("metadata"))
    found["metadata"] = {key: metadata[key] for key in METADATA_KEYS if key in metadata}
    found["tags"] = tags_of(trace.get("tags"))
    return found


def tagged(tags: Iterable[str]) -> dict[str, str]:
    """Tags of the form ``key:value``."""
    return {key: value for key, colon, value in (tag.partition(":") for tag in tags) if colon}


def tags_of(value: Any) -> list[str]:
    """Tags from a list of texts, or from such a list as JSON: the first 64."""
    if isinstance(value, str) and value[:1] == "[":
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            return []
    return [tag for tag in value[:_MOST_TAGS] if isinstance(tag, str)] if isinstance(value, list) else []


def word(value: Any) -> str | None:
    """A text, without the quotes that version 5 of the SDK puts around texts in metadata; None for anything else."""
    if isinstance(value, str) and len(value) > 1 and value[0] == value[-1] == '"':
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            return None
    return value if isinstance(value, str) and value else None


def metadata_of(value: Any) -> dict[str, Any]:
    """Metadata as one level of keys; what OpenTelemetry put below ``attributes`` is taken along."""
    found = as_object(value)
    attributes = as_object(found.get("attributes"))
    return {**{key: attributes[key] for key in METADATA_KEYS if key in attributes}, **found} if attributes else found
