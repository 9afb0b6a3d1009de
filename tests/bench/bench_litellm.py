"""What reading LiteLLM's events costs, as JSON: CPU of one core, the best of many rounds.

Run: python -m tests.bench.bench_litellm. The events are as large as real ones, most of it the price table of the model.
"""

import json
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from streams.core.pseudonyms import Pseudonyms
from streams.producers.litellm.slimming import event_of, line_of
from streams.sources.booking import Binding, Booker, Rule
from streams.sources.contract import Context
from streams.sources.litellm import decode
from tests.unit.sources.litellm_events import event, row

__all__ = ["EVENTS", "ROUNDS", "best", "measure"]

ROUNDS = 10
#: A full batch of LiteLLM's generic callback.
EVENTS = 512
CONTEXT = Context(received_at_ms=1_795_361_503_000)
PRICES = {f"input_cost_per_token_above_{number}k_tokens_priority": None for number in range(170)}
TEXT = "say what happened last night, " * 20


def whole(number: int) -> dict[str, Any]:
    """An event as LiteLLM's callbacks send it."""
    return event(
        litellm_call_id=f"call-{number}", messages=[{"role": "user", "content": TEXT}], request_tags=["team:red", "urgent"],
        model_map_information={"model_map_key": "gpt-4o-mini", "model_map_value": PRICES},
        response={"choices": [{"message": {"content": TEXT}}]},
    )  # fmt: skip


def measure(rounds: int = ROUNDS, events: int = EVENTS) -> dict[str, dict[str, float]]:
    """Figures for LiteLLM's whole events, for those that our logger sends, for rows, and of the logger itself."""
    made = [whole(number) for number in range(events)]
    rows = [row(request_id=f"r-{number}", metadata="{}") for number in range(events)]
    slim = [_slim(each) for each in made]
    return {
        "events": _read(json.dumps(made).encode(), rounds, events),
        "events_of_our_logger": _read(b"[" + b",".join(slim) + b"]", rounds, events),
        "spend_logs_rows": _read(json.dumps(rows).encode(), rounds, events),
        "logger": _figures(len(b"".join(slim)), "slim", best(lambda: [_slim(each) for each in made], rounds), events),
    }


def _slim(payload: dict[str, Any]) -> bytes:
    made = event_of({"standard_logging_object": payload})
    assert made is not None
    return line_of(made, None)


def _read(body: bytes, rounds: int, events: int) -> dict[str, float]:
    booker, binding = (
        Booker(Pseudonyms(b"sixteen bytes or more")),
        Binding(rules=(Rule("tag.team", "red", "payments"),)),
    )
    assert len(booker.book(decode(body, CONTEXT).items, binding).usage) == events
    decoding = best(partial(decode, body, CONTEXT), rounds)
    booking = best(lambda: booker.book(decode(body, CONTEXT).items, binding), rounds)
    return _figures(len(body), "decode", decoding, events) | _figures(len(body), "decode_and_book", booking, events)


def _figures(size: int, name: str, seconds: float, events: int) -> dict[str, float]:
    return {
        "bytes_per_event": round(size / events),
        f"{name}_cpu_us": round(seconds / events * 1e6, 2),
        f"{name}_events_per_second_per_core": round(events / seconds),
    }


def best(work: Callable[[], object], rounds: int) -> float:
    """CPU seconds of the quickest round."""
    found = float("inf")
    for _ in range(rounds):
        begin = time.process_time()
        work()
        found = min(found, time.process_time() - begin)
    return found


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure(), indent=2) + "\n")
