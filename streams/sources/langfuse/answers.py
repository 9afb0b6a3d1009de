"""What Langfuse's clients expect to be answered: 207 with an entry for each event of a batch, three forms for scores.

A client drops what is named as an error, repeats the whole on 5xx and 429, and knows nothing in between.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from streams.sources.contract import Refused
from streams.sources.langfuse.ingestion import place_of

__all__ = ["answer_batch", "answer_scores"]


def answer_batch(body: bytes, refused: Iterable[Refused]) -> tuple[int, dict[str, Any]]:
    """Status and body of the answer to a batch that could be read: each event is a success or an error, under its id."""
    bad: Mapping[str, Refused] = {one.place: one for one in refused}
    successes, errors = [], []
    for at, envelope in enumerate(orjson.loads(body)["batch"]):
        place = place_of(at, envelope)
        if place in bad:
            errors.append({"id": place, "status": 400, "message": bad[place].detail, "error": str(bad[place].reason)})
        else:
            successes.append({"id": place, "status": 201})
    return 207, {"successes": successes, "errors": errors}


def answer_scores(body: bytes, refused: Iterable[Refused]) -> tuple[int, dict[str, Any]]:
    """Status and body of the answer to scores that could be read: of one its id, of a list whether all were taken."""
    scores = orjson.loads(body)
    errors = [{"message": f"score {one.place}: {one.detail}"} for one in refused]
    if isinstance(scores, list):
        if not errors:
            return 202, {"message": "Accepted"}
        return 207, {"accepted": len(scores) - len(errors), "rejected": len(errors), "errors": errors}
    if errors:
        return 400, errors[0]
    return 200, {"id": scores.get("id")}
