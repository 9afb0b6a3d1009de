"""Batches to ``/api/public/ingestion``: all that version 2 of the SDKs sends, and the scores of version 3.

A generation comes as a create and updates. Those in one body are merged, later ones over earlier ones, as Langfuse does. Across
bodies only the record that tells usage becomes an event, under the observation's id; one that tells neither usage nor
an error becomes none, unless both its begin and its end are there.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from streams.core.reasons import Reason
from streams.sources.contract import BadBody, Context, Decoded, Refused, Skip
from streams.sources.langfuse.observations import Observation, read_observations
from streams.sources.langfuse.owners import of_all
from streams.sources.langfuse.scores import ScoreRule, take_score

__all__ = ["place_of", "read_batch"]

_CREATES: Final = frozenset({
    "generation", "span", "event", "agent", "tool", "chain", "retriever", "evaluator", "embedding", "guardrail", "observation",
})  # fmt: skip
_UPDATES: Final = frozenset({"generation", "span", "observation"})


def read_batch(batch: Any, context: Context, rules: Iterable[ScoreRule], decoded: Decoded) -> None:
    """The events of a batch; each is answered for under the id of its envelope. Raises BadBody."""
    if not isinstance(batch, list):
        raise BadBody(Reason.WRONG_TYPE, "field batch is not a list: send what the SDK sends, unchanged")
    merged: dict[str, tuple[str, str, dict[str, Any]]] = {}
    traces: dict[str, dict[str, Any]] = {}
    for at, envelope in enumerate(batch):
        place = place_of(at, envelope)
        kind = envelope.get("type") if isinstance(envelope, dict) else None
        body = envelope.get("body") if isinstance(envelope, dict) else None
        if not isinstance(kind, str) or not isinstance(body, dict):
            detail = "field type or body of the event is missing: send what the SDK sends, unchanged"
            decoded.refused.append(Refused(place, Reason.MISSING_FIELD, detail))
            continue
        noun, _, verb = kind.partition("-")
        if kind == "trace-create":
            traces.setdefault(str(body.get("id")), {}).update(_told(body))
            decoded.skipped[Skip.IRRELEVANT] += 1
        elif kind == "score-create":
            take_score(
                place, {"id": place, "timestamp": envelope.get("timestamp")} | _told(body), context, rules, decoded
            )
        elif (verb == "create" and noun in _CREATES) or (verb == "update" and noun in _UPDATES):
            said = {"timestamp": envelope.get("timestamp")} | _told(body)
            own_id = body.get("id")
            key = own_id if isinstance(own_id, str) else place
            type_ = str(said.get("type", "") if noun == "observation" else noun).upper()
            known = merged.pop(key, None)
            if known is not None:
                decoded.skipped[Skip.REPEATED] += 1
                type_ = known[1] if verb == "update" or not type_ else type_
                said = known[2] | said
            merged[key] = place, type_, said
        else:
            decoded.skipped[Skip.IRRELEVANT if kind == "sdk-log" else Skip.UNKNOWN] += 1
    shared = {name: of_all(trace) for name, trace in traces.items()}
    found = [
        Observation(place, type_, said, shared.get(str(said.get("traceId")), {}))
        for place, type_, said in merged.values()
    ]
    read_observations(found, context, decoded)


def place_of(at: int, envelope: Any) -> str:
    """What an event is answered for under: its envelope's id, or where it stands if it has none."""
    said = envelope.get("id") if isinstance(envelope, dict) else None
    return said if isinstance(said, str) and said else f"batch.{at}"


def _told(body: Mapping[str, Any]) -> dict[str, Any]:
    """What a record says: an update that leaves a field empty takes nothing back."""
    return {key: value for key, value in body.items() if value is not None and value != {}}
