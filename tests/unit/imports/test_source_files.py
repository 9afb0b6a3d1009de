"""Files through their source's decoder: each record accounted for, and named by its place in the file."""

import io
import json
from collections import Counter
from typing import Any

import pytest

from streams.core.pseudonyms import Pseudonyms
from streams.core.reasons import Reason
from streams.imports.source_files import Record, SourceFiles
from streams.sources.booking import Binding, Booker
from streams.sources.catalogue import SOURCES, Source
from streams.sources.contract import Context, Decoded, Form, Refused, Skip
from tests.unit.sources.litellm_events import event

WRITTEN_MS = 1_795_400_000_000


def source_named(name: str) -> Source:
    return next(source for source in SOURCES if source.name == name)


def read(source: Source, text: bytes, **binding: Any) -> tuple[SourceFiles, list[Record], list[Refused]]:
    files = SourceFiles(
        source, Booker(Pseudonyms(b"k" * 32)), Binding(**binding), Context(0), max_bytes=1_000_000
    )  # fmt: skip
    found = list(files.read(io.BytesIO(text), WRITTEN_MS))
    return files, [it for it in found if isinstance(it, Record)], [it for it in found if isinstance(it, Refused)]


def lines_of(rows: list[Any]) -> bytes:
    return b"\n".join(row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows)


def calls(count: int) -> list[Any]:
    return [event(id=f"chatcmpl-{it}", litellm_call_id=f"call-{it}") for it in range(count)]


def test_lines_beyond_one_body_are_all_read_once() -> None:
    files, records, refused = read(source_named("litellm"), lines_of(calls(250)))
    assert (len(records), refused) == (250, [])
    assert len({json.loads(it.value)["event_id"] for it in records}) == 250
    assert files.account.forms == {Form.USAGE: 250, Form.OUTCOME: 0}


@pytest.mark.parametrize("bad", [0, 1, 7, 8])
@pytest.mark.parametrize("broken", [b'{"id": "x', b"\xff\xfe{}", b"[" * 3_000, b"nothing"])
def test_a_broken_line_costs_no_other_and_is_named_by_its_number(bad: int, broken: bytes) -> None:
    rows = calls(9)
    rows[bad] = broken
    if bad == 0:
        rows[0] = b'{"id": "x'
    _, records, refused = read(source_named("litellm"), b"\n" + lines_of(rows).replace(b"\n", b"\n\n"))
    assert len(records) == 8
    assert [it.place for it in refused] == [f"line {2 * bad + 2}"]


def test_what_a_file_does_not_date_is_as_old_as_the_file() -> None:
    row = {"promptIdx": 0, "id": "r-1", "provider": {"id": "openai:gpt-4o-mini"}, "success": True, "score": 1,
           "response": {"output": "x", "tokenUsage": {"total": 3, "prompt": 1, "completion": 2}}}  # fmt: skip
    first = read(source_named("promptfoo"), lines_of([row, {**row, "id": "r-2"}]))[1]
    assert {it.at_ms for it in first} == {WRITTEN_MS}
    assert [it.value for it in first] == [
        it.value for it in read(source_named("promptfoo"), lines_of([row, {**row, "id": "r-2"}]))[1]
    ]


def generation(number: int, parent: int | None, tokens: int) -> dict[str, Any]:
    return {
        "id": f"o-{number}", "traceId": "t-1", "parentObservationId": None if parent is None else f"o-{parent}",
        "type": "GENERATION", "name": "chat", "model": "gpt-4o-mini", "startTime": "2026-01-05T09:30:00Z",
        "endTime": "2026-01-05T09:30:01Z", "usageDetails": {"input": tokens, "output": 1, "total": tokens + 1},
    }  # fmt: skip


def test_a_generation_far_behind_the_one_that_holds_it_counts_alone() -> None:
    rows = [generation(0, None, 500), *(generation(it, None, 1) for it in range(1, 1_500)), generation(1_500, 0, 400)]
    files, records, refused = read(source_named("langfuse"), lines_of(rows))
    assert refused == []
    assert files.account.skipped == {Skip.PARENT: 1}
    assert sum(json.loads(it.value)["input_tokens"] for it in records) == 1_499 + 400
    # Cut where it may not be, it counts both the whole and its part.
    cut = read(source_named("langfuse")._replace(lines_together=1_000), lines_of(rows))[1]
    assert sum(json.loads(it.value)["input_tokens"] for it in cut) == 1_499 + 900


def test_each_line_of_a_collector_is_a_request_of_its_own() -> None:
    def request(number: int) -> dict[str, Any]:
        span = {
            "traceId": f"{number:032x}", "spanId": f"{number:016x}", "name": "chat", "startTimeUnixNano": "1795361502000000000",
            "endTimeUnixNano": "1795361503000000000",
            "attributes": [
                {"key": "gen_ai.operation.name", "value": {"stringValue": "chat"}},
                {"key": "gen_ai.request.model", "value": {"stringValue": "gpt-4o"}},
                {"key": "gen_ai.usage.input_tokens", "value": {"intValue": "7"}},
                {"key": "gen_ai.usage.output_tokens", "value": {"intValue": "2"}},
            ],
        }  # fmt: skip
        return {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}

    rows = [request(1), {"resourceLogs": []}, {"resourceMetrics": []}, request(2), {"other": 1}]
    files, records, refused = read(source_named("otlp"), lines_of(rows))
    assert [json.loads(it.value)["input_tokens"] for it in records] == [7, 7]
    assert [it.place for it in refused] == ["line 5"]
    assert files.account.refused == {refused[0].reason: 1}


def test_places_in_bodies_become_places_in_the_file() -> None:
    def decode(body: bytes, _context: Context) -> Decoded:
        places = ["0", "line 2", "1.response", "spans.3"] if b"\n" in body else ["0"]
        return Decoded([], [Refused(place, Reason.EMPTY, "x") for place in places], Counter())

    source = Source("made-up", "Made up", decode, lines_together=2)
    _, _, refused = read(source, b'{"a":1}\n\n{"a":2}\n{"a":3}\n')
    assert [it.place for it in refused] == ["line 1", "line 3", "line 3.response", "lines 1 to 3: spans.3", "line 4"]
