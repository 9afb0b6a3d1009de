"""What decoding and encoding cost, as JSON: microseconds of the best of many rounds. Run: python -m tests.bench.bench_decode."""

import json
import random
import sys
import time
from collections.abc import Callable, Sequence

import msgspec

from streams.core.avro import KPI, USAGE_EVENT, encode
from streams.core.events import UsageDecoder, UsageEvent
from streams.core.kpis import Kpi

ROUNDS = 50
CHUNK = 1_000


def events(count: int, seed: int = 1) -> list[UsageEvent]:
    """Realistic events of about 450 bytes as JSON."""
    rng = random.Random(seed)

    def token(length: int) -> str:
        return "".join(rng.choices("0123456789abcdef", k=length))

    return [
        UsageEvent(
            event_id=f"evt_{token(24)}",
            source=rng.choice(["litellm", "claude-code", "native"]),
            occurred_at=1_767_225_600_000 + index * 37,
            team=rng.choice(["payments", "search", "growth", "platform"]),
            workflow=rng.choice(["pr-review", "nightly-evals", "triage", "codegen"]),
            actor=f"u-{token(12)}",
            run_id=f"run_{token(16)}",
            request_id=f"req_{token(22)}",
            provider="anthropic",
            model=rng.choice(["claude-sonnet-4-5", "gpt-5-mini"]),
            input_tokens=rng.randrange(20_000),
            cache_read_tokens=rng.randrange(90_000),
            output_tokens=rng.randrange(500, 3_000),
            reasoning_tokens=rng.randrange(400),
            cost_micro_usd=rng.randrange(90_000),
            trigger="human",
            attributes={"region": "eu-west-1"} if index % 2 else {},
        )
        for index in range(count)
    ]


def as_producers_write(event: UsageEvent) -> bytes:
    """Without the fields that are unknown."""
    return msgspec.json.encode(
        {name: value for name, value in msgspec.structs.asdict(event).items() if value is not None}
    )


def microseconds(work: Callable[[], object], per: int = 1) -> float:
    best = float("inf")
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - begin)
    return round(best * 1e6 / per, 3)


def decode(values: Sequence[bytes | None], decoder: UsageDecoder, rejected: int = 0) -> float:
    assert decoder.decode(values).rejected == rejected
    return microseconds(lambda: decoder.decode(values), len(values))


def main() -> None:
    chunk = events(CHUNK)
    values = [as_producers_write(event) for event in chunk]
    decoder = UsageDecoder({7: USAGE_EVENT.schema})
    kpi = Kpi(
        scope="workflow",
        team="payments",
        workflow="pr-review",
        window_size_ms=3_600_000,
        window_start=1_767_225_600_000,
        window_end=1_767_229_200_000,
        revision=1,
        calls=1_234,
        errors=3,
        input_tokens=12_345_678,
        cache_read_tokens=99_999_999,
        cache_write_tokens=123,
        output_tokens=4_567_890,
        reasoning_tokens=12_345,
        spend_micro_usd=123_456_789,
        priced_calls=1_200,
        unpriced_tokens=1_234,
        runs=99,
        runs_exact=True,
        active_actors="5-9",
        first_event=1_767_225_600_123,
        last_event=1_767_229_199_999,
        accepted=3,
        cost_per_accepted_micro_usd=41_152_263,
        orphan_spend_ratio=0.25,
    )
    written = KPI.to_avro(kpi)
    one_bad: list[bytes | None] = [*values[:-1], b"{"]
    figures = {
        "mean_json_bytes": sum(map(len, values)) / CHUNK,
        "decode_json_us_per_event": {str(size): decode(values[:size], decoder) for size in (1, 10, 100, CHUNK)},
        "decode_json_escaped_us": decode([value.replace(b"payments", b"pay\\/ments") for value in values], decoder),
        "decode_json_non_ascii_us": decode(
            [value.replace(b"payments", "zählung".encode()) for value in values], decoder
        ),
        "decode_json_one_bad_of_1000_us": decode(one_bad, decoder, rejected=1),
        "decode_avro_us": decode([encode(event, "avro") for event in chunk], decoder),
        "decode_confluent_us": decode([encode(event, "avro", 7) for event in chunk], decoder),
        "encode_kpi_avro_us": microseconds(lambda: [encode(kpi, "avro") for _ in range(100)], 100),
        "encode_kpi_json_us": microseconds(lambda: [encode(kpi, "json") for _ in range(100)], 100),
        "decode_kpi_avro_us": microseconds(lambda: [KPI.decode(written) for _ in range(100)], 100),
    }
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
