"""What reading foreign bodies costs, as JSON: CPU of one core. Run: python -m tests.bench.bench_sources.

LiteLLM's and OpenTelemetry's bodies are full batches, of the size of real ones; of every other client there is one body of
a few records, which tells what a request costs.
"""

import json
import sys
from functools import partial
from typing import Any

from streams.sources.catalogue import SOURCES, routes
from streams.sources.contract import Context
from tests.bench import bench_litellm, bench_otlp
from tests.integration.canary_bodies import BODIES, Body

__all__ = ["measure"]

AT_MS = 1_795_361_503_000


def measure(*, quick: bool = False) -> dict[str, Any]:
    """``litellm`` and ``otlp`` by kind of body, ``requests`` by client; ``quick`` shows that it works and measures nothing."""
    rounds = 1 if quick else bench_litellm.ROUNDS
    return {
        "litellm": bench_litellm.measure(rounds, 3 if quick else bench_litellm.EVENTS),
        "otlp": bench_otlp.measure(rounds, 3 if quick else bench_otlp.RECORDS),
        "requests": {body.name: _request(body, 1 if quick else 300) for body in BODIES},
    }


def _request(body: Body, rounds: int) -> dict[str, float]:
    source, _ = routes(SOURCES)[body.path]
    read = partial(source.decode, body.content, Context(AT_MS, body.path, body.content_type))
    return {"bytes": len(body.content), "decode_cpu_us": round(bench_litellm.best(read, rounds) * 1e6, 1)}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure(), indent=2) + "\n")
