"""From what LiteLLM hands to a callback to the little of it that makes a usage event.

What is kept is what :mod:`streams.sources.litellm` reads and nothing else: no messages, no response, no error text, no
header but the ids of the request; of the caller's metadata a few words by name. So prompts never leave the proxy.
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

import msgspec
import orjson

from streams.sources.litellm.owners import custom_headers, requester
from streams.sources.litellm.shapes import NOTHING, Event, Headers, Hidden, Metadata, Requester, Response
from streams.sources.litellm.words import name, program, prompt_text

__all__ = ["event_of", "line_of", "prompt_of"]

#: Everything that is read, but the response, of which only the usage is kept.
_KEPT: Final = tuple(field for field in Event.__struct_encode_fields__ if field not in ("response", "data"))
_EVENT: Final = msgspec.json.Decoder(Event)
_ENCODE: Final = msgspec.json.Encoder().encode
_MOST: Final = 256
_MOST_TAGS: Final = 64


def event_of(kwargs: Mapping[str, Any]) -> Event | None:
    """The event of a callback's arguments, copied out of them; None where LiteLLM made none."""
    payload = kwargs.get("standard_logging_object")
    if not isinstance(payload, Mapping):
        return None
    picked = {field: payload[field] for field in _KEPT if payload.get(field) is not None}
    metadata = picked.get("metadata")
    if not isinstance(metadata, Mapping) or not metadata.get("usage_object"):
        response = payload.get("response")
        if isinstance(response, Mapping) and response.get("usage"):
            picked["response"] = {"usage": response["usage"]}
    try:
        event = _EVENT.decode(_json(picked))
    except (msgspec.DecodeError, RecursionError, ValueError):
        event = _plain_parts(picked)
    _add_from_call(event, kwargs)
    return event


def prompt_of(kwargs: Mapping[str, Any]) -> str | None:
    """What was asked, for its fingerprint; cut off where a fingerprint looks no further."""
    payload = kwargs.get("standard_logging_object")
    return prompt_text(payload.get("messages")) if isinstance(payload, Mapping) else None


def line_of(event: Event, fingerprint: str | None) -> bytes:
    """The event as a line of JSON without what was not meant for us; changes it."""
    metadata = event.metadata if isinstance(event.metadata, Metadata) else Metadata()
    for said in ("requester_metadata", "spend_logs_metadata"):
        setattr(metadata, said, _words(requester(getattr(metadata, said))))
    session = name(custom_headers(metadata.requester_custom_headers).claude_code_session, _MOST)
    named = {"x-claude-code-session-id": session}
    metadata.requester_custom_headers = msgspec.Raw(_ENCODE(named)) if session else NOTHING
    agent = metadata.user_agent or event.user_agent
    metadata.user_agent = str(agent).partition("/")[0] if program(agent) else None
    metadata.user_api_key_end_user_id = name(metadata.user_api_key_end_user_id, _MOST)
    event.metadata = metadata
    event.user_agent = None
    event.cache_hit = event.cache_hit is True or None
    event.end_user = name(event.end_user, _MOST)
    event.trace_id = name(event.trace_id, _MOST)
    event.session_id = name(event.session_id, _MOST)
    event.model = event.model and event.model[: _MOST + 1]
    event.request_tags = _tags(event.request_tags)
    event.response = _usage_alone(event.response)
    event.prompt_fingerprint = fingerprint
    if event.hidden_params is not None and (headers := event.hidden_params.additional_headers) is not None:
        for field in headers.__struct_fields__:
            setattr(headers, field, name(getattr(headers, field), _MOST))
    if event.error_information is not None:
        event.error_information.error_code = name(event.error_information.error_code, len("404"))
    return _ENCODE(event)


def _plain_parts(picked: Mapping[str, Any]) -> Event:
    """Where something is of a type that nobody expects: what is plain, and says how much was used when."""
    event = Event()
    plain = {field: value for field, value in picked.items() if isinstance(value, str | int | float)}
    for field, value in orjson.loads(_json(plain)).items():
        with suppress(msgspec.ValidationError):
            setattr(event, field, getattr(msgspec.convert({field: value}, Event), field))
    return event


def _json(value: Any) -> bytes:
    try:
        return orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS)
    except (TypeError, ValueError):  # half a surrogate pair, an integer beyond 64 bits, something circular
        text = json.dumps(value, default=str, ensure_ascii=False, skipkeys=True)
        plain = json.loads(text, parse_constant=lambda _: None)
        return json.dumps(plain, ensure_ascii=False).encode(errors="replace")


def _add_from_call(event: Event, kwargs: Mapping[str, Any]) -> None:
    """What LiteLLM knows of a call and leaves out of its event: the session, and the provider's id of a stream."""
    if not event.session_id:
        of_call = kwargs.get("litellm_params")
        if isinstance(of_call, Mapping):
            event.session_id = of_call.get("litellm_session_id")
    answered = kwargs.get("response_headers")
    if not isinstance(answered, Mapping):
        return
    hidden = event.hidden_params = event.hidden_params or Hidden()
    headers = hidden.additional_headers = hidden.additional_headers or Headers()
    if not any(getattr(headers, field) for field in headers.__struct_fields__):
        headers.request, headers.x_request = answered.get("request-id"), answered.get("x-request-id")


def _words(said: Requester) -> msgspec.Raw:
    for field in said.__struct_fields__:
        setattr(said, field, name(getattr(said, field), _MOST))
    words = _ENCODE(said)
    return NOTHING if words == b"{}" else msgspec.Raw(words)


def _tags(said: Any) -> list[str] | None:
    if not isinstance(said, list):
        return None
    return [tag for tag in said[:_MOST_TAGS] if name(tag) and not tag.startswith("User-Agent: ")] or None


def _usage_alone(response: msgspec.Raw) -> msgspec.Raw:
    try:
        usage = msgspec.json.decode(response, type=Response).usage
    except msgspec.DecodeError:
        return NOTHING
    return NOTHING if usage is None else msgspec.Raw(_ENCODE(Response(usage)))
