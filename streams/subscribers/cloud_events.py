"""Alerts as CloudEvents 1.0 over HTTP (cloudevents.io), in structured and in binary mode."""

from datetime import UTC, datetime
from typing import Final, NamedTuple
from urllib.parse import quote

import msgspec

from streams.core.alerts import Alert
from streams.core.avro import ALERT

__all__ = ["Message", "event_id", "message"]

_JSON: Final = "application/json"
_STRUCTURED: Final = "application/cloudevents+json; charset=utf-8"
#: What a header carries as it is: printable ASCII without space, double quote and percent (HTTP binding, 3.1.3.2).
_SAFE: Final = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"%')


class Message(NamedTuple):
    """One request: the event's id, its headers and its body."""

    identity: str
    headers: dict[str, str]
    body: bytes


def event_id(alert: Alert) -> str:
    """Unique with the source: one change of state of one alert, however often it is sent.

    It is a header too, and signed together with what follows it after a dot: it is plain ASCII and has no dot itself.
    """
    return f"{quote(alert.alert_id, safe=':').replace('.', '%2E')}/{alert.revision}"


def message(alert: Alert, topic: str, *, binary: bool) -> Message:
    """The event of one alert record: ``data`` is the record as JSON, with the names and units of ``alert.avsc``.

    Args:
        alert: The record.
        topic: Where it was published, which names the source.
        binary: Attributes in headers and the data alone in the body; otherwise all in one JSON object.
    """
    attributes = {
        "specversion": "1.0",
        "id": event_id(alert),
        "source": f"/assay/{topic}",
        "type": f"assay.v1.alert.{alert.state}",
        "subject": alert.team if alert.workflow is None else f"{alert.team}/{alert.workflow}",
        "time": _rfc3339(alert.updated_at),
    }
    data = ALERT.to_json(alert)
    if binary:
        headers = {f"ce-{name}": quote(value, safe=_SAFE) for name, value in attributes.items()}
        return Message(attributes["id"], {"content-type": _JSON, **headers}, data)
    body = msgspec.json.encode({**attributes, "datacontenttype": _JSON, "data": msgspec.Raw(data)})
    return Message(attributes["id"], {"content-type": _STRUCTURED}, body)


def _rfc3339(at_ms: int) -> str:
    at = datetime.fromtimestamp(at_ms // 1_000, UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at_ms % 1_000:03d}Z"
