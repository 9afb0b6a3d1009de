"""Spans of versions 3 to 5 of Langfuse's SDKs: observations as attributes, objects in them as JSON texts.

What a trace says (user, tags, metadata) stands on any of its spans, in version 3 often on the root's alone: the spans of one
body share it.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from streams.sources.contract import Context, Decoded
from streams.sources.langfuse.observations import Observation, read_observations
from streams.sources.langfuse.owners import METADATA_KEYS, tags_of, word
from streams.sources.langfuse.usage import as_object
from streams.sources.otlp.records import Attributes, Span

__all__ = ["INPUT", "NAMES", "owns", "read_spans"]

INPUT: Final = "langfuse.observation.input"
_TYPE: Final = "langfuse.observation.type"
_FIELDS: Final = {
    "model": "langfuse.observation.model.name",
    "usageDetails": "langfuse.observation.usage_details",
    "costDetails": "langfuse.observation.cost_details",
    "level": "langfuse.observation.level",
    "input": INPUT,
}
_TRACE: Final = {
    "userId": ("user.id", "langfuse.user.id"),
    "sessionId": ("session.id", "langfuse.session.id"),
    "name": ("langfuse.trace.name",),
    "environment": ("langfuse.environment", "deployment.environment.name", "deployment.environment"),
    "release": ("langfuse.release",),
    "service.name": ("service.name",),
}
_TAGS: Final = "langfuse.trace.tags"
_OBSERVED: Final = "langfuse.observation.metadata"
_TRACED: Final = "langfuse.trace.metadata"
#: All that is read of a span.
NAMES: Final = frozenset((
    _TYPE, _TAGS, _OBSERVED, _TRACED, *(f"{prefix}.{key}" for prefix in (_OBSERVED, _TRACED) for key in METADATA_KEYS),
    *(name for name in _FIELDS.values() if name != INPUT), *(name for names in _TRACE.values() for name in names),
))  # fmt: skip


def owns(span: Span) -> bool:
    """Whether a span is an observation in Langfuse's own words."""
    return _TYPE in span.attributes or span.scope.name.startswith("langfuse-sdk")


def read_spans(
    spans: Iterable[Span], context: Context, decoded: Decoded, others: Iterable[Span] = (), calls: Iterable[Span] = ()
) -> None:  # fmt: skip
    """Add what the observations of one body become to what was decoded so far.

    ``others`` are the body's other spans, and ``calls`` those of them that were counted as calls: an observation
    around one repeats it.
    """
    traces: dict[str, dict[str, Any]] = {}
    found = []
    for span in spans:
        own = _trace_of(span)
        known = traces.setdefault(span.trace_id, {})
        for key, value in own.items():
            known.setdefault(key, value)
        found.append((span, own))
    observations = [
        Observation(span.place, _type_of(span.attributes), _fields_of(span), traces[span.trace_id] | own)
        for span, own in found
    ]
    around = {(span.trace_id, span.span_id): (span.trace_id, span.parent_span_id) for span in others}
    leaves = [(span.trace_id, span.span_id) for span in calls]
    read_observations(observations, context, decoded, around, leaves)


def _type_of(attributes: Attributes) -> str:
    said = attributes.get(_TYPE)
    return said.upper() if isinstance(said, str) else "SPAN"


def _fields_of(span: Span) -> dict[str, Any]:
    attributes = span.attributes
    fields: dict[str, Any] = {name: attributes.get(key) for name, key in _FIELDS.items()}
    fields |= {
        "id": span.span_id,
        "traceId": span.trace_id,
        "parentObservationId": span.parent_span_id,
        "name": span.name,
        "startTime": _seconds(span.start_nanos),
        "endTime": _seconds(span.end_nanos),
        "metadata": _metadata(attributes, _OBSERVED),
    }
    if span.failed and not fields["level"]:
        fields["level"] = "ERROR"
    return fields


def _seconds(nanos: int) -> float | None:
    """Epoch seconds, cut off to milliseconds before they become a float, which holds those exactly enough; None is unknown."""
    return nanos // 1_000_000 / 1000 if nanos else None


def _trace_of(span: Span) -> dict[str, Any]:
    attributes, resource = span.attributes, span.resource
    found: dict[str, Any] = {}
    for key, names in _TRACE.items():
        value = next((value for name in names if (value := attributes.get(name) or resource.get(name))), None)
        if isinstance(value, str):
            found[key] = value
    if tags := tags_of(attributes.get(_TAGS)):
        found["tags"] = tags
    if metadata := _metadata(attributes, _TRACED):
        found["metadata"] = metadata
    return found


def _metadata(attributes: Attributes, prefix: str) -> dict[str, Any]:
    """Metadata by key, from an attribute a key, or one for all."""
    found: dict[str, Any] = {}
    whole: Mapping[str, Any] = as_object(attributes.get(prefix))
    for key in METADATA_KEYS:
        value = attributes.get(f"{prefix}.{key}", whole.get(key))
        if value is not None:
            found[key] = word(value) if isinstance(value, str) else value
    return found
