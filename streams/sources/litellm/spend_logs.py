"""Rows of LiteLLM's table ``LiteLLM_SpendLogs``, and of the callbacks that send such rows, as events.

A row is a call that was already told by a callback, if one is configured; both name it by ``litellm_call_id`` (rows have it
in their metadata since 2026), so that it counts once. JSON stands in texts inside a row; the API gives it unpacked.
"""

from typing import Any, Final

import msgspec

from streams.core.reasons import Reason
from streams.sources.depth import nests_deeper
from streams.sources.litellm.shapes import Event, EventWithPrompt, Metadata
from streams.sources.readings import BadField

__all__ = ["unpacked"]

_METADATA: Final = msgspec.json.Decoder(Metadata)
_ANYTHING: Final[msgspec.json.Decoder[Any]] = msgspec.json.Decoder()


def unpacked(row: Event) -> Event:
    """The row with an event's fields filled in; changes it. Raises BadField where the metadata cannot be read."""
    metadata = _metadata(row.metadata)
    metadata.user_api_key_user_id = metadata.user_api_key_user_id or row.user
    metadata.user_api_key_team_id = metadata.user_api_key_team_id or row.team_id
    metadata.usage_object = metadata.usage_object or metadata.additional_usage_values
    row.metadata = metadata
    row.id = row.request_id
    row.litellm_call_id = row.litellm_call_id or metadata.litellm_call_id
    row.response_cost = row.spend
    row.cost_breakdown = row.cost_breakdown or metadata.cost_breakdown
    row.error_information = row.error_information or metadata.error_information
    row.status = row.status or metadata.status
    row.cache_hit = row.cache_hit in ("True", True)
    row.request_tags = _json_of(row.request_tags)
    if isinstance(row, EventWithPrompt):
        row.messages = _json_of(row.messages)
    return row


def _metadata(value: Metadata | str | None) -> Metadata:
    if isinstance(value, Metadata):
        return value
    if not value:
        return Metadata()
    text = value.encode(errors="replace")
    if nests_deeper(text):
        raise BadField("metadata", Reason.INVALID_JSON, "nests too deeply: send what LiteLLM stored")
    try:
        return _METADATA.decode(text)
    except (msgspec.DecodeError, RecursionError):
        raise BadField("metadata", Reason.INVALID_JSON, "is no JSON object of LiteLLM: send what it stored") from None


def _json_of(value: Any) -> Any:
    """What a JSON text holds; what is none stays as it is."""
    if not isinstance(value, str) or value[:1] not in ("[", "{"):
        return value
    text = value.encode(errors="replace")
    if nests_deeper(text):
        return None
    try:
        return _ANYTHING.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return value
