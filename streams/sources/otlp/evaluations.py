"""The conventions' evaluation results (``gen_ai.evaluation.result``), as log records or as events of spans.

What was judged good is an accepted outcome, what was judged bad a rejected one, by the label or, where there is none, a
score of exactly 1 or 0. Where a score begins to be good is not told, so others are passed over; the explanation is not read.
"""

import math
from typing import Any, Final

from streams.core.outcomes import OutcomeKind
from streams.core.reasons import Reason
from streams.sources.contract import Form, Item, Skip
from streams.sources.otlp.attribution import attribute
from streams.sources.otlp.calls import SOURCE
from streams.sources.otlp.records import Attributes
from streams.sources.otlp.words import content_id, first_word
from streams.sources.readings import BadField

__all__ = ["EVENT", "NAMES", "read"]

EVENT: Final = "gen_ai.evaluation.result"

_NAME: Final = "gen_ai.evaluation.name"
_LABEL: Final = "gen_ai.evaluation.score.label"
_SCORE: Final = "gen_ai.evaluation.score.value"
_RESPONSE: Final = "gen_ai.response.id"
NAMES: Final = frozenset((_NAME, _LABEL, _SCORE, _RESPONSE))

_GOOD: Final = frozenset({"pass", "passed", "true", "yes", "correct", "relevant", "good", "success"})
_BAD: Final = frozenset(
    {"fail", "failed", "false", "no", "incorrect", "irrelevant", "not_relevant", "bad", "failure", "hallucination"}
)
_LONGEST_NAME: Final = 64


def read(
    place: str,
    attributes: Attributes,
    resource: Attributes,
    trace_id: str,
    span_id: str,
    at_ms: int,
) -> Item | Skip:
    """The outcome that a result is. Raises BadField where the score is no number, or nothing says what was judged."""
    score = attributes.get(_SCORE)
    if score is not None and (
        isinstance(score, bool) or not isinstance(score, int | float) or not math.isfinite(score)
    ):
        raise BadField(_SCORE, Reason.WRONG_TYPE, "is not a finite number")
    passed = _passed(first_word(attributes, (_LABEL,)), score)
    if passed is None:
        return Skip.UNKNOWN
    name = first_word(attributes, (_NAME,))
    response = first_word(attributes, (_RESPONSE,))
    fields: dict[str, Any] = {
        "outcome_id": content_id(trace_id, span_id, name, response, at_ms, score, passed),
        "source": SOURCE,
        "occurred_at": at_ms,
        "kind": (OutcomeKind.EVAL_PASSED if passed else OutcomeKind.EVAL_FAILED).value,
        "verdict": "accepted" if passed else "rejected",
    }
    if score is not None:
        fields["value"] = float(score)
    if name:
        fields["attributes"] = {"evaluation": name[:_LONGEST_NAME]}
    labels = attribute(fields, attributes, resource)
    if "run_id" not in fields and trace_id:
        fields["run_id"] = trace_id
    return Item(place, Form.OUTCOME, fields, labels)


def _passed(label: str | None, score: float | None) -> bool | None:
    if label is not None:
        word = label.strip().lower().replace(" ", "_")
        return True if word in _GOOD else False if word in _BAD else None
    return None if score is None else True if score == 1 else False if score == 0 else None
