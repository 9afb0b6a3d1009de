"""A source for tests of the receiving side, so that no foreign format is in the way; runs as a process, too.

A body is JSON: an object or a list of objects, each the fields of a usage event (or of an outcome, where it has an
``outcome_id``). ``refuse`` and ``skip`` make it one of these, ``label_...`` are labels, and ``{"bad": true}`` is no body.
"""

import hashlib
import hmac
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import orjson

from streams.core.reasons import Reason
from streams.sources.catalogue import Answer, Route, Source
from streams.sources.contract import BadBody, Context, Decoded, Form, Item, Refused, Skip

__all__ = ["SOURCES", "event", "main"]

#: Some minutes ago, whenever the tests run.
NOW_MS: Final = time.time_ns() // 1_000_000 - 300_000


def event(identity: str, **fields: Any) -> dict[str, Any]:
    """A sound usage event."""
    return {
        "event_id": identity, "source": "test", "occurred_at": NOW_MS, "team": "payments", "workflow": "review",
        "model": "m-1", "input_tokens": 100, "output_tokens": 10, **fields,
    }  # fmt: skip


def decode(body: bytes, context: Context) -> Decoded:
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise BadBody(Reason.INVALID_JSON, "the body is no JSON: send an object or a list of objects") from None
    decoded = Decoded([], [], Counter())
    for place, fields in enumerate(said if isinstance(said, list) else [said]):
        if fields.pop("crash", None):
            raise RuntimeError(f"a bug that tells {fields}")
        if fields.pop("bad", None):
            raise BadBody(Reason.WRONG_TYPE, "field bad is true: leave it out")
        if fields.pop("refuse", None):
            decoded.refused.append(Refused(str(place), Reason.EMPTY, "field refuse is set: leave it out"))
        elif fields.pop("skip", None):
            decoded.skipped[Skip.IRRELEVANT] += 1
        else:
            labels = {key[6:]: fields.pop(key) for key in list(fields) if key.startswith("label_")}
            prompt = fields.pop("prompt", None)
            if prompt and context.fingerprint:
                fields["prompt_fingerprint"] = context.fingerprint(prompt)
            form = Form.OUTCOME if "outcome_id" in fields else Form.USAGE
            decoded.items.append(Item(fields.get("event_id", str(place)), form, fields, labels))
    return decoded


def verify(body: bytes, headers: Mapping[str, str], secrets: Sequence[bytes], now_ms: int) -> str | None:
    given = headers.get("x-signature", "")
    if any(hmac.compare_digest(hmac.new(key, body, hashlib.sha256).hexdigest(), given) for key in secrets):
        return None
    return "the signature in x-signature is not of this secret: check the secret"


def reply(body: bytes, refused: Sequence[Refused]) -> tuple[int, Mapping[str, Any]]:
    bad = {one.place: one.detail for one in refused}
    return 207, {"sent": len(orjson.loads(body)), "errors": bad}


SOURCES: Final = (
    Source("test", "Test", decode, (Route("/test"), Route("/test/quiet", Answer.ALWAYS_OK))),
    Source("hooks", "Test hooks", decode, (Route("/hooks"),), verify=verify),
    Source(
        "otlp", "Test of OTLP", decode,
        tuple(Route(f"/v1/{name}", Answer.OTLP, ("application/x-protobuf", "application/json"))
              for name in ("traces", "logs", "metrics")),
    ),
    Source("own", "Test of answers of one's own", decode, (Route("/own", Answer.OWN, reply=reply),)),
)  # fmt: skip


def main() -> None:
    """``python -m tests.ingest_source CONFIG``: ``assay ingest`` with these sources."""
    from streams.ingest.running import run_ingest
    from streams.settings import load_settings

    run_ingest(load_settings(Path(sys.argv[1])), SOURCES)


if __name__ == "__main__":
    main()
