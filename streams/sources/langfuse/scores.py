"""Scores as outcomes of evaluations, by rules that are written down: a score says how much, not whether that is good.

What no rule judges is left out and counted, and what is judged says by which rule (attribute ``judged_by``).
"""

import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any, Final, NamedTuple

from streams.core.outcomes import OutcomeKind
from streams.core.reasons import Reason
from streams.sources.contract import Context, Decoded, Form, Item, Skip
from streams.sources.langfuse.observations import SOURCE
from streams.sources.langfuse.owners import metadata_of, owners_of
from streams.sources.readings import BadField, instant_ms

__all__ = ["ScoreRule", "take_score"]


class ScoreRule(NamedTuple):
    """A user's word on scores of a name (a shell pattern): from ``passes_at`` on they pass, or below it if lower is better.

    Of categories, those in ``passing`` pass and all others fail.
    """

    name: str
    passes_at: float = 0.5
    lower_is_better: bool = False
    passing: frozenset[str] = frozenset()


class _Verdict(NamedTuple):
    passed: bool
    rule: str


#: Words in names of scores that are better the lower they are, Langfuse's own evaluators among them.
_LOWER: Final = frozenset({
    "hallucination", "hallucinations", "toxicity", "toxic", "bias", "biased", "error", "errors", "harmful", "harmfulness", "risk",
    "violation", "violations",
})  # fmt: skip
#: Words in names of measures, which are neither good nor bad.
_MEASURES: Final = frozenset({
    "latency", "duration", "time", "ms", "seconds", "cost", "price", "usd", "tokens", "token", "count", "length", "size", "words",
})  # fmt: skip
_PASSING: Final = frozenset({
    "pass", "passed", "passing", "accept", "accepted", "approve", "approved", "correct", "yes", "true", "good", "success", "successful",
    "positive", "thumbs_up", "helpful",
})  # fmt: skip
_FAILING: Final = frozenset({
    "fail", "failed", "failing", "reject", "rejected", "incorrect", "wrong", "no", "false", "bad", "failure", "negative", "thumbs_down",
    "unhelpful",
})  # fmt: skip
_WORD: Final = re.compile(r"[a-z]+")
_TYPES: Final = frozenset({"NUMERIC", "BOOLEAN", "CATEGORICAL"})
#: Text that somebody wrote: no judgement that a program could read.
_TEXTS: Final = frozenset({"TEXT", "CORRECTION"})


def take_score(
    place: str, fields: Mapping[str, Any], context: Context, rules: Iterable[ScoreRule], decoded: Decoded
) -> None:  # fmt: skip
    """Read a score into what is decoded: as an outcome, as refused, or as passed over."""
    try:
        read = _read_score(place, fields, context.received_at_ms, rules)
    except BadField as bad:
        decoded.refused.append(bad.refused(place))
        return
    if isinstance(read, Item):
        decoded.items.append(read)
    else:
        decoded.skipped[read] += 1


def _read_score(
    place: str, fields: Mapping[str, Any], received_at_ms: int, rules: Iterable[ScoreRule]
) -> Item | Skip:  # fmt: skip
    """The outcome that a score is, under the API's names. Raises BadField."""
    name, value = fields.get("name"), fields.get("value")
    if not isinstance(name, str) or not name:
        raise BadField("name", Reason.MISSING_FIELD, "is missing: a score needs a name")
    kind = _type(fields)
    if kind in _TEXTS:
        return Skip.IRRELEVANT
    if kind not in _TYPES:
        return Skip.UNKNOWN
    own_id = fields.get("id")
    if not isinstance(own_id, str) or not own_id:
        raise BadField(
            "id", Reason.MISSING_FIELD, "is missing: a score needs its identity, or it counts again when sent again"
        )
    metadata = metadata_of(fields.get("metadata"))
    number = None if kind == "CATEGORICAL" else _number(value)
    category = fields.get("stringValue") or value if kind == "CATEGORICAL" else None
    verdict = _judged(name, kind, number, category, metadata, rules)
    if verdict is None:
        return Skip.UNJUDGED
    at_ms = next((at for key in ("timestamp", "createdAt") if (at := instant_ms(fields.get(key), key))), received_at_ms)
    outcome: dict[str, Any] = {
        "outcome_id": own_id,
        "source": SOURCE,
        "occurred_at": at_ms,
        "kind": OutcomeKind.EVAL_PASSED if verdict.passed else OutcomeKind.EVAL_FAILED,
        "verdict": "accepted" if verdict.passed else "rejected",
        "attributes": {"judged_by": verdict.rule},
    }
    if number is not None:
        outcome["value"] = number
    run_id = fields.get("traceId") or fields.get("sessionId") or fields.get("datasetRunId")
    if isinstance(run_id, str):
        outcome["run_id"] = run_id
    outcome |= owners_of((metadata,), ())
    said = {"score.name": name, "score.source": fields.get("source"), "environment": fields.get("environment")}
    return Item(
        place, Form.OUTCOME, outcome, {key: text for key, text in said.items() if isinstance(text, str) and text}
    )


def _type(fields: Mapping[str, Any]) -> str:
    """The type that is said, or else the one that Langfuse infers."""
    said, value = fields.get("dataType"), fields.get("value")
    if isinstance(said, str) and said:
        return said.upper()
    if isinstance(value, bool):
        return "BOOLEAN"
    return "NUMERIC" if isinstance(value, int | float) else "CATEGORICAL"


def _number(value: Any) -> float:
    try:
        number = float(value) if isinstance(value, int | float | str) and len(str(value)) <= 32 else None
    except (ValueError, OverflowError):
        number = None
    if number is None or not abs(number) < 1e300:  # NaN is not less either
        raise BadField("value", Reason.WRONG_TYPE, "is not a number: send one, or dataType CATEGORICAL")
    return number


def _judged(
    name: str, kind: str, number: float | None, category: Any, metadata: Mapping[str, Any], rules: Iterable[ScoreRule]
) -> _Verdict | None:  # fmt: skip
    rule = next((rule for rule in rules if fnmatchcase(name, rule.name)), None)
    words = set(_WORD.findall(name.lower()))
    lower = bool(words & _LOWER)
    if number is None:
        said = category.strip().lower().replace(" ", "_").replace("-", "_") if isinstance(category, str) else ""
        if rule is not None and rule.passing:
            return _Verdict(category in rule.passing, "rule")
        if said in _PASSING or said in _FAILING:
            return _Verdict((said in _PASSING) != lower, "category")
        return None
    if rule is not None:
        return _Verdict((number < rule.passes_at) if rule.lower_is_better else (number >= rule.passes_at), "rule")
    at, below = metadata.get("assay.pass_at"), metadata.get("assay.pass_below")
    if at is not None:
        return _Verdict(number >= _number(at), "threshold")
    if below is not None:
        return _Verdict(number < _number(below), "threshold")
    if kind == "BOOLEAN":
        if number not in (0, 1):
            raise BadField("value", Reason.OUT_OF_RANGE, "of a BOOLEAN is neither 0 nor 1")
        return _Verdict((number == 1) != lower, "boolean")
    if not 0 <= number <= 1 or words & _MEASURES:
        return None
    return _Verdict(number < 0.5 if lower else number >= 0.5, "half")
