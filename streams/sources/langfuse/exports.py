"""Exports: rows of observations, scores and traces from blob storage, pages of the API, and single traces as JSON.

Rows of blob storage have the API's names in snake case; rows of the enriched form have their trace's fields with them.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from streams.core.reasons import Reason
from streams.sources.contract import Context, Decoded, Refused, Skip
from streams.sources.langfuse.observations import Observation, read_observations
from streams.sources.langfuse.owners import of_all
from streams.sources.langfuse.scores import ScoreRule, take_score

__all__ = ["read_rows", "rows_of"]

_LISTS: Final = ("observations", "scores", "corrections")
_TRACE_FIELDS: Final = ("tags", "release", "sessionId", "userId", "environment")


def rows_of(document: Any) -> list[tuple[str, Any]] | None:
    """The rows of a document with their places: a list, a page (``data``), a trace with its observations and scores.

    None where it is nothing of this kind.
    """
    if isinstance(document, list):
        return [(str(at), row) for at, row in enumerate(document)]
    if not isinstance(document, dict):
        return None
    if isinstance(document.get("data"), list):
        return [(f"data.{at}", row) for at, row in enumerate(document["data"])]
    inner = document.get("trace")
    trace: dict[str, Any] = inner if isinstance(inner, dict) else document
    if isinstance(document.get("observations", trace.get("observations")), list):
        rows: list[tuple[str, Any]] = [("trace", {key: value for key, value in trace.items() if key not in _LISTS})]
        for name in _LISTS:
            found = document.get(name, trace.get(name))
            rows += [(f"{name}.{at}", row) for at, row in enumerate(found if isinstance(found, list) else [])]
        return rows
    return [("0", document)] if "id" in document or "name" in document else None


def read_rows(rows: Iterable[tuple[str, Any]], context: Context, rules: Iterable[ScoreRule], decoded: Decoded) -> None:
    """Add what rows become to what was decoded so far."""
    observations: list[tuple[str, dict[str, Any]]] = []
    traces: dict[str, dict[str, Any]] = {}
    for place, row in rows:
        if not isinstance(row, dict):
            decoded.refused.append(Refused(place, Reason.WRONG_TYPE, "the row is not an object"))
            continue
        fields = {_camel(key): value for key, value in row.items()}
        if isinstance(fields.get("type"), str) and ("traceId" in fields or "startTime" in fields):
            observations.append((place, fields))
        elif "value" in fields or "dataType" in fields or "stringValue" in fields:
            take_score(place, fields, context, rules, decoded)
        elif "timestamp" in fields or place == "trace":
            traces[str(fields.get("id"))] = fields
            decoded.skipped[Skip.IRRELEVANT] += 1
        else:
            decoded.skipped[Skip.UNKNOWN] += 1
    shared = {name: of_all(trace) for name, trace in traces.items()}
    found = [
        Observation(place, fields["type"].upper(), fields, _trace_of(fields, shared)) for place, fields in observations
    ]
    read_observations(found, context, decoded)


def _trace_of(fields: Mapping[str, Any], traces: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    own = {name: value for name in _TRACE_FIELDS if (value := fields.get(name))}
    return {**traces.get(str(fields.get("traceId")), {}), **own}


def _camel(name: str) -> str:
    if "_" not in name:
        return name
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)
