"""LiteLLM, the proxy and the library: what ``generic_api``, our own logger and the SpendLogs table tell, as usage events.

One event a call. ``prompt_tokens`` includes what was read from and written to a cache, whichever the provider, and the
split is in ``usage_object``. A cost of 0 is unknown: LiteLLM says 0 for models that it has no price of, for failures, and by
mistake (its issues 37923 and 40100). docs/sources/litellm.md tells what is and is not counted.

Identity: ``litellm_call_id``, which every telling of a call shares; a call that failed first and then succeeded elsewhere
tells both under one id, so a failure has a mark of its own.
"""

import base64
import binascii
import re
from collections import Counter
from hashlib import blake2b
from typing import Any, Final

import msgspec

from streams.core.reasons import Reason
from streams.sources.contract import USAGE_UNKNOWN, Context, Decoded, Form, Item, Refused, Skip
from streams.sources.litellm.bodies import check_refusals, read_body
from streams.sources.litellm.owners import labels_of, owners_of
from streams.sources.litellm.shapes import Event, EventWithPrompt, Metadata, Response, Usage
from streams.sources.litellm.spend_logs import unpacked
from streams.sources.litellm.tokens import NOTHING_USED, buckets
from streams.sources.litellm.words import LOOKUPS, UNMETERED, bare, name, operation, program, prompt_text
from streams.sources.readings import BadField, dollars, instant_ms
from streams.sources.token_usage import Tokens

__all__ = ["SOURCE", "decode"]

SOURCE: Final = "litellm"

_MOST_IN_AN_ID: Final = 256
_FAILED: Final = "/failure"
_FINGERPRINT: Final = re.compile(r"[0-9a-f]{16}", re.ASCII)
_RESPONSE_ID: Final = re.compile(r";response_id:([\x21-\x7e]{1,200})\Z", re.ASCII)
_RESPONSE: Final = msgspec.json.Decoder(Response)
_NOBODY: Final = Metadata()


def decode(body: bytes, context: Context) -> Decoded:
    """Events of any of LiteLLM's forms; raises BadBody for what is none of them."""
    decoded = Decoded([], [], Counter())
    seen: set[str] = set()
    for index, event in enumerate(read_body(body, prompts=context.fingerprint is not None)):
        if isinstance(event, Refused):
            decoded.refused.append(event)
            continue
        try:
            found = _item(event, str(index), context)
        except BadField as error:
            decoded.refused.append(error.refused(str(index)))
            check_refusals(len(decoded.refused), index + 1 - len(decoded.refused))
            continue
        if isinstance(found, Skip):
            decoded.skipped[found] += 1
        elif (event_id := found.fields["event_id"]) in seen:
            decoded.skipped[Skip.REPEATED] += 1
        else:
            seen.add(event_id)
            decoded.items.append(found)
    return decoded


def _item(event: Event, place: str, context: Context) -> Item | Skip:
    row = event.request_id is not None and event.id is None
    if row:
        event = unpacked(event)
    word = bare(event.call_type or "")
    if word in LOOKUPS:
        return Skip.LOOKUP
    if word in UNMETERED:
        return Skip.IRRELEVANT
    if event.cache_hit is True:
        return Skip.CACHE_HIT
    metadata = event.metadata if isinstance(event.metadata, Metadata) else _NOBODY
    tokens = buckets(event, _usage(event, metadata))
    if word == "retrieve_batch" and tokens == NOTHING_USED:
        return Skip.LOOKUP
    failed = event.status == "failure"
    provider = event.custom_llm_provider or None
    fields: dict[str, Any] = {
        "event_id": _event_id(event, word, failed=failed),
        "source": SOURCE,
        "occurred_at": _occurred_at(event),
        "model": _model(event, provider, failed=failed),
        "operation": operation(word),
        **tokens.fields(),
        "status": "error" if failed else "ok",
        **owners_of(event, metadata, row=row),
    }
    if provider:
        fields["provider"] = provider
    if (cost := _cost(event)) is not None:
        fields["cost_micro_usd"] = cost
    if (request_id := _request_id(event, word, failed=failed)) is not None:
        fields["request_id"] = request_id
    if (tool := program(metadata.user_agent or event.user_agent)) is not None:
        fields["tool"] = tool
    if (fingerprint := _fingerprint(event, context)) is not None:
        fields["prompt_fingerprint"] = fingerprint
    if attributes := _attributes(event, tokens, failed=failed):
        fields["attributes"] = attributes
    return Item(place, Form.USAGE, fields, labels_of(event, metadata))


def _usage(event: Event, metadata: Metadata) -> Usage | None:
    """The provider's usage; of old versions, which kept it nowhere else, that of the response."""
    if metadata.usage_object is not None:
        return metadata.usage_object
    if event.hidden_params is not None and event.hidden_params.usage_object is not None:
        return event.hidden_params.usage_object
    try:
        return _RESPONSE.decode(event.response).usage
    except msgspec.DecodeError:  # a text, or nothing
        return None


def _event_id(event: Event, word: str, *, failed: bool) -> str:
    # What a batch used is told again at each look at it; the id of the batch is what stays.
    of_batch = word == "retrieve_batch" and event.id
    said = event.id if of_batch else event.litellm_call_id or event.id
    if not said:
        why = "is missing, and so is id: without either, a call sent twice would count twice"
        raise BadField("litellm_call_id", Reason.MISSING_FIELD, why)
    event_id = said + _FAILED if failed else said
    if len(event_id) > _MOST_IN_AN_ID or not event_id.isprintable():
        return blake2b(event_id.encode(errors="replace"), digest_size=16).hexdigest()
    return event_id


def _occurred_at(event: Event) -> int:
    said, field = (event.startTime, "startTime") if event.startTime else (event.endTime, "endTime")
    at_ms = instant_ms(said, field)
    if at_ms is None:
        raise BadField("startTime", Reason.MISSING_FIELD, "is missing, and so is endTime: send when the call was made")
    return at_ms


def _model(event: Event, provider: str | None, *, failed: bool) -> str:
    """The model as its provider names it: without the provider, which LiteLLM puts before it."""
    model = event.model or event.model_group or ""
    if provider and model.startswith(provider + "/"):
        model = model[len(provider) + 1 :]
    if failed:
        # A caller may ask for anything; what no provider ever served need not be a name.
        return name(model) or "unknown"
    return model or "unknown"


def _cost(event: Event) -> int | None:
    """What LiteLLM worked out, in micro-dollars; where it says 0, the sum of the parts; where that is 0, unknown."""
    hidden = event.hidden_params.response_cost if event.hidden_params is not None else None
    total = event.cost_breakdown.total_cost if event.cost_breakdown is not None else None
    for said, field in (
        (event.response_cost, "response_cost"),
        (hidden, "hidden_params.response_cost"),
        (total, "cost_breakdown.total_cost"),
    ):
        if said and (cost := dollars(said, field)) is not None and float(said) > 0:
            return cost
    return None


def _request_id(event: Event, word: str, *, failed: bool) -> str | None:
    """The id under which others know the call.

    The answer's id as the caller saw it. For Anthropic's messages the id of the request, which Claude Code knows; likewise
    where LiteLLM put an id of its own in the place of the provider's (failures, embeddings).
    """
    headers = event.hidden_params.additional_headers if event.hidden_params is not None else None
    asked: str | None = None
    if headers is not None:
        asked = name(headers.llm_request or headers.request or headers.llm_x_request or headers.x_request)
    if asked is None and failed and event.error_information is not None:
        asked = name(event.error_information.error_provider_request_id)
    own = failed or not event.id or event.id == event.litellm_call_id or len(event.id) > _MOST_IN_AN_ID
    if own or (asked is not None and word == "anthropic_messages"):
        return asked
    return name(_unwrapped(event.id or ""), _MOST_IN_AN_ID)


def _unwrapped(response_id: str) -> str:
    """The provider's id in one of the forms in which LiteLLM hands out ids of responses; others are as they are."""
    if not response_id.startswith("resp_bGl0ZWxsbTp"):  # "litellm:" in base64
        return response_id
    try:
        wrapped = base64.b64decode(response_id[5:], validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return response_id
    found = _RESPONSE_ID.search(wrapped)
    return found[1] if found else response_id


def _fingerprint(event: Event, context: Context) -> str | None:
    """Made by our logger beside the proxy, or here of the prompt."""
    made = event.prompt_fingerprint
    if isinstance(made, str) and _FINGERPRINT.fullmatch(made):
        return made
    if context.fingerprint is None or not isinstance(event, EventWithPrompt):
        return None
    prompt = prompt_text(event.messages)
    return None if prompt is None else context.fingerprint(prompt)


def _attributes(event: Event, tokens: Tokens, *, failed: bool) -> dict[str, str]:
    code = event.error_information.error_code if failed and event.error_information is not None else None
    status = code if isinstance(code, str) and code.isascii() and code.isdigit() and len(code) == 3 else None
    attributes = {"http_status": status} if status else {}
    if tokens != NOTHING_USED:
        # A stream that broke off: LiteLLM counts the words that came, the provider bills what it made.
        return {**attributes, "usage": "estimated"} if failed else attributes
    if status is not None and status.startswith("4") and status not in ("408", "499"):
        return attributes  # refused before any model ran: nothing was used, and that is known
    return {**attributes, **USAGE_UNKNOWN}
