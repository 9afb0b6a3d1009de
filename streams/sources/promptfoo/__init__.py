"""promptfoo: what an evaluation spent, on the model under test and on graders, and what passed.

Takes ``out.json`` and ``out.jsonl`` of ``promptfoo eval -o``, as a file or posted. Field by field: docs/sources/promptfoo.md.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import orjson

from streams.core.reasons import Reason
from streams.sources.bodies import document, lines
from streams.sources.contract import BadBody, Context, Decoded, Refused
from streams.sources.promptfoo.evaluations import Evaluation, evaluation_of
from streams.sources.promptfoo.results import SOURCE, read_result

__all__ = ["SOURCE", "decode"]


def decode(body: bytes, context: Context) -> Decoded:
    """The results of one evaluation: each is up to one call, its graders' calls and one outcome. Raises BadBody.

    A result's identity is its own ``id``, which both forms of a file hold, so that sending both counts once.
    """
    decoded = Decoded([], [], Counter())
    whole = _whole(body)
    if whole is None:
        unknown = Evaluation(context.received_at_ms)
        for number, row in lines(body):
            if isinstance(row, Refused):
                decoded.refused.append(row)
            else:
                read_result(f"line {number}", row, unknown, context, decoded)
        return decoded
    evaluation, rows = evaluation_of(whole, context.received_at_ms)
    for number, row in enumerate(rows):
        place = f"results.results.{number}"
        if isinstance(row, dict):
            read_result(place, row, evaluation, context, decoded)
        else:
            decoded.refused.append(Refused(place, Reason.WRONG_TYPE, "field results holds something that is no object"))
    return decoded


def _whole(body: bytes) -> Mapping[str, Any] | None:
    """The document that a body is as a whole; None if it has one result to a line."""
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        first, _, rest = body.lstrip().partition(b"\n")
        if rest.strip() and first.rstrip().endswith(b"}"):
            return None
        document(body)  # says what is wrong
        raise AssertionError from None  # it was no JSON a moment ago
    if not isinstance(found, dict):
        raise BadBody(Reason.WRONG_TYPE, "the body is not an object: send out.json or out.jsonl of promptfoo eval -o")
    if "results" in found:
        return found
    if "promptIdx" in found or "gradingResult" in found:
        return None
    raise BadBody(Reason.MISSING_FIELD, "field results is missing: send out.json or out.jsonl of promptfoo eval -o")
