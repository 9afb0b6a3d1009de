"""Langfuse: generations as usage, scores as outcomes, from its SDKs 2.x to 5.x and from its exports.

There is no provider's request id in any of its forms, and so none in what is read. Field by field: docs/sources/langfuse.md.
"""

from collections import Counter
from collections.abc import Iterable, Iterator

import orjson

from streams.core.reasons import Reason
from streams.sources.bodies import document, lines
from streams.sources.contract import BadBody, Context, Decoded, Refused
from streams.sources.langfuse.answers import answer_batch, answer_scores
from streams.sources.langfuse.exports import read_rows, rows_of
from streams.sources.langfuse.ingestion import read_batch
from streams.sources.langfuse.observations import SOURCE
from streams.sources.langfuse.scores import ScoreRule
from streams.sources.langfuse.traces import decode_traces

__all__ = [
    "INGESTION",
    "SCORES",
    "SOURCE",
    "TRACES",
    "ScoreRule",
    "answer_batch",
    "answer_scores",
    "decode",
    "decode_export",
    "decode_traces",
]

INGESTION = "/api/public/ingestion"
SCORES = "/api/public/scores"
TRACES = "/api/public/otel/v1/traces"


def decode(body: bytes, context: Context, rules: Iterable[ScoreRule] = ()) -> Decoded:
    """A body by the path that it was sent to; without a path, a file of an export. Raises BadBody.

    ``rules`` say which scores pass, before the rules that hold for all.
    """
    if context.path.startswith(TRACES):
        return decode_traces(body, context)
    if not context.path.startswith((INGESTION, SCORES)):
        return decode_export(body, context, rules)
    decoded = Decoded([], [], Counter())
    found = document(body)
    if context.path.startswith(SCORES):
        scores = found if isinstance(found, list) else [found]
        rows = [
            (str(at), {"value": None, **score} if isinstance(score, dict) else score) for at, score in enumerate(scores)
        ]
        read_rows(rows, context, rules, decoded)
    elif isinstance(found, dict):
        read_batch(found.get("batch"), context, rules, decoded)
    else:
        raise BadBody(Reason.WRONG_TYPE, "the body is not an object with a batch: send what the SDK sends, unchanged")
    return decoded


def decode_export(body: bytes, context: Context, rules: Iterable[ScoreRule] = ()) -> Decoded:
    """A file of an export: one JSON document, or a row to a line. Raises BadBody."""
    decoded = Decoded([], [], Counter())
    try:
        rows = rows_of(orjson.loads(body))
    except orjson.JSONDecodeError:
        first, _, rest = body.lstrip().partition(b"\n")
        if not (rest.strip() and first.rstrip().endswith(b"}")):
            document(body)  # says what is wrong
        rows = list(_lines(body, decoded))
    if rows is None:
        raise BadBody(
            Reason.MISSING_FIELD, "the body is no export: send rows of observations or scores, or a trace as JSON"
        )
    read_rows(rows, context, rules, decoded)
    return decoded


def _lines(body: bytes, decoded: Decoded) -> Iterator[tuple[str, object]]:
    for number, row in lines(body):
        if isinstance(row, Refused):
            decoded.refused.append(row)
        else:
            yield f"line {number}", row
