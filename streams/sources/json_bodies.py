"""Bodies that hold one object, an array of them or one a line, and members of objects as hostile senders may fill them."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl

from streams.core.reasons import Reason
from streams.sources.bodies import document, lines
from streams.sources.contract import BadBody, Refused
from streams.sources.readings import BadField

__all__ = ["Document", "documents", "form_payload", "identity", "member", "members", "require"]

#: Parameters of a form: a webhook's has one, and each more is work for the parser.
_MOST_PARAMETERS: Final = 8
#: Records of one body: more than fit into the largest body that is taken, if each were an event. An empty object is small,
#: and the refusal of it is not.
_MOST_DOCUMENTS: Final = 100_000
#: Some programs begin a file with it; JSON has none.
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


class Document(NamedTuple):
    """One record of a body: a JSON object, and where it stands: its number from 0, or ``line N`` from 1."""

    place: str
    value: dict[str, Any]


def documents(body: bytes) -> tuple[list[Document], list[Refused]]:
    """The objects of a body, and what stands in their places and is none.

    A body is one object, an array, or lines of JSON; a line that cannot be read, such as one that was cut off, costs
    nobody else's. Raises BadBody if nothing of it can be read, or it holds more than 100,000 records.
    """
    body = body.removeprefix(_BYTE_ORDER_MARK)
    found: list[Document] = []
    refused: list[Refused] = []
    for place, value in _records(body):
        if len(found) + len(refused) == _MOST_DOCUMENTS:
            raise BadBody(Reason.TOO_LARGE, f"the body holds more than {_MOST_DOCUMENTS:,} records: send fewer at once")
        if isinstance(value, dict):
            found.append(Document(place, value))
        elif isinstance(value, Refused):
            refused.append(value)
        else:
            refused.append(Refused(place, Reason.WRONG_TYPE, "the record must be a JSON object"))
    return found, refused


def _records(body: bytes) -> Iterator[tuple[str, Any]]:
    try:
        whole = document(body)
    except BadBody:
        if b"\n" not in body.strip():
            raise
        yield from ((f"line {number}", value) for number, value in lines(body))
    else:
        yield from ((str(number), value) for number, value in enumerate(whole if isinstance(whole, list) else [whole]))


def form_payload(body: bytes) -> bytes:
    """The parameter ``payload`` of a form, in which some webhooks wrap their JSON. Raises BadBody."""
    try:
        parameters = dict(parse_qsl(body.decode(), max_num_fields=_MOST_PARAMETERS))
    except ValueError:
        raise BadBody(Reason.WRONG_TYPE, "the body is not a form: send content type application/json") from None
    if not parameters.get("payload"):
        raise BadBody(Reason.MISSING_FIELD, "the form has no parameter payload: send content type application/json")
    return parameters["payload"].encode(errors="replace")


def require(holder: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A member that is an object and must be there. Raises BadField."""
    value = holder.get(name)
    if isinstance(value, dict):
        return value
    if value is None:
        raise BadField(name, Reason.MISSING_FIELD, "is missing: send the webhook's body as it came")
    raise BadField(name, Reason.WRONG_TYPE, "is not an object")


def member(holder: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A member that is an object, if it is; else an empty one."""
    value = holder.get(name)
    return value if isinstance(value, dict) else {}


def members(holder: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """The objects in a member that is a list of them."""
    value = holder.get(name)
    return [it for it in value if isinstance(it, dict)] if isinstance(value, list) else []


def identity(holder: Mapping[str, Any], name: str, field: str) -> str:
    """What identifies something, number or text, as text. Raises BadField."""
    value = holder.get(name)
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return str(value)
    if isinstance(value, str) and value:
        return value
    if value is None or value == "":
        raise BadField(field, Reason.MISSING_FIELD, "is missing: send the webhook's body as it came")
    raise BadField(field, Reason.WRONG_TYPE, "is neither a number nor a text")
