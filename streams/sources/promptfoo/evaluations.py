"""What a whole evaluation says of each of its results: its time, who ran it, whose it is, which models it set up."""

from collections.abc import Mapping
from itertools import islice
from typing import Any, Final, NamedTuple

from streams.core.reasons import Reason
from streams.sources.contract import BadBody
from streams.sources.readings import BadField, instant_ms

__all__ = ["Evaluation", "as_object", "evaluation_of"]

#: What an evaluation says stands on each of its results: it has to be short.
_MOST_TAGS: Final = 64
_MOST_IN_AN_ID: Final = 200


class Evaluation(NamedTuple):
    """An evaluation; of one that came as lines only the time of receipt is known.

    ``models`` are those of the configuration by the id or label of their provider, and ``grader`` is the provider that
    grades where a test names none.
    """

    at_ms: int
    id: str | None = None
    author: str | None = None
    tags: Mapping[str, Any] = {}
    labels: Mapping[str, str] = {}
    models: Mapping[str, str] = {}
    grader: Any = None


def evaluation_of(whole: Mapping[str, Any], received_at_ms: int) -> tuple[Evaluation, list[Any]]:
    """The evaluation of an ``out.json``, and its results. Raises BadBody."""
    results = whole["results"]
    rows = results.get("results") if isinstance(results, dict) else results
    if not isinstance(rows, list):
        raise BadBody(Reason.WRONG_TYPE, "field results.results is not a list: send out.json of promptfoo eval -o")
    metadata, config = as_object(whole.get("metadata")), as_object(whole.get("config"))
    try:
        at_ms = instant_ms(as_object(results).get("timestamp"), "results.timestamp") or instant_ms(
            metadata.get("evaluationCreatedAt"), "metadata.evaluationCreatedAt"
        )
    except BadField as bad:
        raise BadBody(bad.reason, str(bad)) from None
    said = {"eval.description": config.get("description")}
    said |= {f"tags.{key}": value for key, value in islice(as_object(config.get("tags")).items(), _MOST_TAGS)}
    evaluation = Evaluation(
        at_ms or received_at_ms,
        _id(whole.get("evalId")),
        _text(metadata.get("author")),
        {**as_object(config.get("metadata")), **as_object(config.get("tags"))},
        {key: value for key, value in said.items() if isinstance(value, str)},
        _models(config.get("providers")),
        as_object(as_object(config.get("defaultTest")).get("options")).get("provider"),
    )
    return evaluation, rows


def as_object(value: Any) -> dict[str, Any]:
    """An object as it is; anything else says nothing."""
    return value if isinstance(value, dict) else {}


def _models(providers: Any) -> dict[str, str]:
    found: dict[str, str] = {}
    for provider in providers if isinstance(providers, list) else []:
        config = as_object(as_object(provider).get("config"))
        model = _text(config.get("model")) or _text(as_object(config.get("body")).get("model"))
        for name in ("id", "label"):
            said = _text(as_object(provider).get(name))
            if model and said:
                # Two of one id with different models leave open which one was called.
                found[said] = model if found.get(said, model) == model else ""
    return found


def _id(value: Any) -> str | None:
    said = _text(value)
    return said if said is not None and len(said) <= _MOST_IN_AN_ID else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
