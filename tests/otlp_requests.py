"""OTLP requests of our own making, in both encodings."""

import base64
import math
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from google.protobuf.json_format import ParseDict
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from streams.sources.contract import Context, Decoded
from streams.sources.otlp.decoding import decode

JSON = "application/json"
PROTOBUF = "application/x-protobuf"
PATHS = {"spans": "/v1/traces", "logRecords": "/v1/logs", "metrics": "/v1/metrics"}
AT_MS = 1_795_363_070_492
TRACE = "558dec794612e7bb2cf9767e99e5f5e6"

_HOLDERS = {
    "spans": ("resourceSpans", "scopeSpans", ExportTraceServiceRequest),
    "logRecords": ("resourceLogs", "scopeLogs", ExportLogsServiceRequest),
    "metrics": ("resourceMetrics", "scopeMetrics", ExportMetricsServiceRequest),
}
_IDS = {"traceId", "spanId", "parentSpanId"}


def any_value(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value if math.isfinite(value) else {"nan": "NaN", "inf": "Infinity"}[str(value)]}
    if isinstance(value, bytes):
        return {"bytesValue": base64.b64encode(value).decode()}
    if isinstance(value, list):
        return {"arrayValue": {"values": [any_value(item) for item in value]}}
    if isinstance(value, Mapping):
        return {"kvlistValue": {"values": pairs(value)}}
    return {} if value is None else {"stringValue": value}


def pairs(attributes: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": any_value(value)} for key, value in attributes.items()]


def span(number: int = 1, attributes: Mapping[str, Any] | None = None, **members: Any) -> dict[str, Any]:
    """A span that ended at AT_MS. Members are those of OTLP's JSON form."""
    return {
        "traceId": TRACE,
        "spanId": f"{number:016x}",
        "name": "chat",
        "startTimeUnixNano": str((AT_MS - 100) * 1_000_000),
        "endTimeUnixNano": str(AT_MS * 1_000_000),
        "attributes": pairs(attributes or {}),
        **members,
    }


def log_record(attributes: Mapping[str, Any], **members: Any) -> dict[str, Any]:
    return {"timeUnixNano": str(AT_MS * 1_000_000), "attributes": pairs(attributes), **members}


def request(
    records: Sequence[dict[str, Any]], *, resource: Mapping[str, Any] | None = None, scope: str = "test",
    kind: str = "spans",
) -> dict[str, Any]:  # fmt: skip
    """A request with one resource and one scope, in OTLP's JSON form."""
    resources, scopes, _ = _HOLDERS[kind]
    return {
        resources: [
            {
                "resource": {"attributes": pairs(resource or {})},
                scopes: [{"scope": {"name": scope}, kind: list(records)}],
            }
        ]
    }


def as_protobuf(found: dict[str, Any], kind: str = "spans") -> bytes:
    """The same request as protobuf. Its ids are hex in OTLP's JSON form and base64 in protobuf's own."""
    return ParseDict(_with_base64(found), _HOLDERS[kind][2]()).SerializeToString()  # type: ignore[no-any-return]


def _with_base64(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: base64.b64encode(bytes.fromhex(item)).decode() if key in _IDS else _with_base64(item)
            for key, item in value.items()
        }
    return [_with_base64(item) for item in value] if isinstance(value, list) else value


def decoded(
    records: Sequence[dict[str, Any]], *, resource: Mapping[str, Any] | None = None, scope: str = "test",
    kind: str = "spans", **context: Any,
) -> Decoded:  # fmt: skip
    """What the source makes of records, which both encodings must agree on."""
    found = request(records, resource=resource, scope=scope, kind=kind)
    from_json, from_protobuf = (
        decode(body, Context(AT_MS, PATHS[kind], content_type, **context))
        for body, content_type in ((orjson.dumps(found), JSON), (as_protobuf(found, kind), PROTOBUF))
    )
    assert from_json == from_protobuf
    return from_json


def tokens_of(fields: Mapping[str, Any]) -> tuple[int, int, int, int, int]:
    """Fresh, cache read, cache write, output, of it reasoning."""
    names = ("input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens")
    return tuple(fields[name] for name in names)  # type: ignore[return-value]
