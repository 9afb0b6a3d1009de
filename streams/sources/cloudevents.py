"""Events of one's own making: native records, bare or as CloudEvents 1.0 over HTTP or in Kafka.

Fields are those of the records (schemas/), as they are. An event that its type does not tell is told by what identifies
it: ``event_id`` is a call's, ``outcome_id`` an outcome's. What the event itself leaves out its envelope fills in: ``id``,
``source`` and ``time`` are what identifies it, who sent it and when it happened.

Sources: cloudevents.io, "CloudEvents" 1.0.2, its JSON event format, and its HTTP and Kafka protocol bindings.
"""

import base64
import binascii
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

import orjson

from streams.core.events import UsageEvent
from streams.core.outcomes import OutcomeEvent
from streams.core.reasons import Reason
from streams.core.unknown_fields import unknown_field
from streams.sources.bodies import document
from streams.sources.contract import Context, Decoded, Form, Item, Refused, Skip
from streams.sources.json_bodies import Document, documents
from streams.sources.linking import Link
from streams.sources.outcome_items import labelled
from streams.sources.readings import BadField, instant_ms

__all__ = ["OUTCOME_TYPE", "USAGE_TYPE", "decode"]

#: The types of CloudEvents that hold our records; also the names of the topics that the records go to.
USAGE_TYPE: Final = "assay.usage.v1"
OUTCOME_TYPE: Final = "assay.outcome.v1"

_STRUCTURED: Final = "application/cloudevents+json"
_BATCH: Final = "application/cloudevents-batch+json"
_VERSION: Final = re.compile(r"1\.\d{1,4}")
_JSON: Final = re.compile(r"\s*(application/json|text/json|[\w.-]+/[\w.-]+\+json)\s*(;.*)?", re.IGNORECASE | re.DOTALL)
#: A name that may be told back to whoever sent it.
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")
#: Refusals of one body that look for the field that was meant: the search is slow, and more help nobody.
_MOST_HINTS: Final = 20


class _Kind(NamedTuple):
    form: Form
    name: str
    identity: str
    fields: frozenset[str]


_USAGE: Final = _Kind(Form.USAGE, "a usage event", "event_id", frozenset(UsageEvent.__struct_fields__))
_OUTCOME: Final = _Kind(Form.OUTCOME, "an outcome event", "outcome_id", frozenset(OutcomeEvent.__struct_fields__))
_TYPES: Final = {USAGE_TYPE: _USAGE, OUTCOME_TYPE: _OUTCOME}


def decode(body: bytes, context: Context) -> Decoded:
    """Native events (one, an array, or one a line) and CloudEvents: structured, binary and batched.

    The content type tells structured and batched ones, the attribute ``specversion`` in a header (``ce-`` over HTTP,
    ``ce_`` in Kafka) binary ones; an object with ``specversion`` in an array or on a line of native events is one, too.
    """
    content_type = context.content_type.partition(";")[0].strip().lower()
    attributes = _attributes(context.headers)
    is_enveloped = content_type in (_STRUCTURED, _BATCH)
    if not is_enveloped and "specversion" in attributes:
        envelope = {**attributes, "datacontenttype": context.content_type or "application/json", "data": document(body)}
        found, refused = [Document("0", envelope)], list[Refused]()
    else:
        found, refused = documents(body)
    result = Decoded([], refused, Counter())
    links: Counter[str] = Counter()
    for place, value in found:
        hints = len(result.refused) < _MOST_HINTS
        try:
            item = _item(place, value, is_enveloped=is_enveloped or "specversion" in value, hints=hints)
        except BadField as error:
            result.refused.append(error.refused(place))
            continue
        if isinstance(item, Skip):
            result.skipped[item] += 1
            continue
        result.items.append(item)
        if item.form is Form.OUTCOME:
            run, workflow = item.fields.get("run_id"), item.fields.get("workflow")
            links[Link.FIELD if run else Link.WORKFLOW if workflow else Link.UNNAMED] += 1
    return result._replace(links=links)


def _attributes(headers: Mapping[str, str]) -> dict[str, str]:
    """The attributes of an event in binary mode; HTTP cannot carry every character and quotes some."""
    found = {name[3:]: unquote(value) for name, value in headers.items() if name.startswith("ce-")}
    return found | {name[3:]: value for name, value in headers.items() if name.startswith("ce_")}


def _item(place: str, value: dict[str, Any], *, is_enveloped: bool, hints: bool) -> Item | Skip:
    envelope: Mapping[str, Any] = {}
    if is_enveloped:
        envelope, value = value, _unwrapped(value)
    kind = _kind(envelope.get("type"), value)
    if kind is None:
        return Skip.UNKNOWN
    if unknown := value.keys() - kind.fields:
        raise _unknown(min(unknown), kind, hints=hints)
    fields = {name: it for name, it in value.items() if it is not None}
    for name, attribute in ((kind.identity, "id"), ("source", "source"), ("occurred_at", "time")):
        if name not in fields and isinstance(said := envelope.get(attribute), str):
            fields[name] = said
    if isinstance(fields.get("occurred_at"), str):
        # As a number, by which the actor's week is known.
        fields["occurred_at"] = instant_ms(fields["occurred_at"], "occurred_at")
    more = fields.get("attributes", {})
    nested = next((name for name, it in fields.items() if isinstance(it, dict | list) and name != "attributes"), None)
    if nested is not None or not isinstance(more, dict) or not all(isinstance(it, str) for it in more.values()):
        raise BadField(
            nested or "attributes", Reason.WRONG_TYPE, "is not of its type: attributes are texts, all else is plain"
        )
    labels = labelled(
        **{**more, "source": fields.get("source"), "subject": envelope.get("subject"), "type": envelope.get("type")}
    )
    return Item(place, kind.form, fields, labels)


def _unwrapped(envelope: Mapping[str, Any]) -> dict[str, Any]:
    """The data of a CloudEvent. Raises BadField where it is none of version 1, or holds something else than an object."""
    for name in ("id", "source", "type", "specversion"):
        if not isinstance(envelope.get(name), str) or not envelope[name]:
            raise BadField(name, Reason.MISSING_FIELD, "is missing, or no text: every CloudEvent has it")
    if not _VERSION.fullmatch(envelope["specversion"]):
        raise BadField("specversion", Reason.UNKNOWN_VALUE, "is not 1.0: send CloudEvents 1.0")
    content = envelope.get("datacontenttype")
    if content is not None and not (isinstance(content, str) and _JSON.fullmatch(content)):
        raise BadField("datacontenttype", Reason.UNKNOWN_VALUE, "is not JSON: send application/json")
    data = envelope.get("data")
    if data is None and isinstance(encoded := envelope.get("data_base64"), str):
        try:
            data = orjson.loads(base64.b64decode(encoded, validate=True))
        except (binascii.Error, ValueError):
            raise BadField("data_base64", Reason.INVALID_JSON, "is not JSON in base64") from None
    if not isinstance(data, dict):
        raise BadField("data", Reason.WRONG_TYPE, "is not an object with the fields of a record")
    return data


def _kind(declared: Any, value: Mapping[str, Any]) -> _Kind | None:
    """Usage or outcome: by type, or else by what identifies it; None for a CloudEvent of another kind."""
    if isinstance(declared, str) and declared in _TYPES:
        return _TYPES[declared]
    if _USAGE.identity in value and _OUTCOME.identity in value:
        raise BadField("outcome_id", Reason.INCONSISTENT, "stands beside event_id: a record is a call or an outcome")
    if _USAGE.identity in value:
        return _USAGE
    if _OUTCOME.identity in value:
        return _OUTCOME
    if declared is None:
        detail = "is missing: a usage event has event_id, an outcome event outcome_id"
        raise BadField("event_id", Reason.MISSING_FIELD, detail)
    return None


def _unknown(name: str, kind: _Kind, *, hints: bool) -> BadField:
    if not _NAME.fullmatch(name):
        return BadField(
            "names", Reason.UNKNOWN_VALUE, f"of {kind.name} have one that is no name of a field: see the schema"
        )
    if not hints:
        return BadField(name, Reason.UNKNOWN_VALUE, f"is not one of {kind.name}: see the schema")
    return BadField(name, Reason.UNKNOWN_VALUE, unknown_field(name, kind.name, sorted(kind.fields)))
