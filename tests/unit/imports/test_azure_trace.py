"""Azure's traces: times, tokens, identities, and rows that are none."""

from pathlib import Path

import orjson
import pytest

from streams.core.events import UsageDecoder, UsageEvent
from streams.errors import DataError
from streams.imports.azure_trace import Labels, Row, read_events, read_rows, usage_event
from streams.imports.rows import BadRow

_HEADER = "TIMESTAMP,ContextTokens,GeneratedTokens"
_TRACE = Path(__file__).parents[4] / "shared" / "traces" / "AzureLLMInferenceTrace_code.csv"


def rows(*lines: str, header: str = _HEADER) -> list[Row | BadRow]:
    return list(read_rows([f"{line}\r\n" for line in (header, *lines)]))


def only(*lines: str) -> Row | BadRow:
    [row] = rows(*lines)
    return row


@pytest.mark.parametrize(
    ("timestamp", "occurred_at"),
    [
        ("2023-11-16 18:17:03.9799600", 1_700_158_623_979),
        ("2023-11-16 18:17:03.9999999", 1_700_158_623_999),
        ("2023-11-16 18:17:03", 1_700_158_623_000),
        ("2023-11-16 18:17:03.5", 1_700_158_623_500),
        ("2023-11-16 18:17:03.98+00:00", 1_700_158_623_980),
        ("2023-11-16 19:17:03.98+01:00", 1_700_158_623_980),
        ("2023-11-16T18:17:03.98Z", 1_700_158_623_980),
        ("2024-02-29 00:00:00", 1_709_164_800_000),
    ],
)
def test_times_are_utc_and_cut_to_milliseconds(timestamp: str, occurred_at: int) -> None:
    row = only(f"{timestamp},1,2")
    assert isinstance(row, Row)
    assert row.occurred_at == occurred_at


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("yesterday,1,2", "TIMESTAMP 'yesterday'"),
        ("2023-02-30 00:00:00,1,2", "TIMESTAMP"),
        ("2023-11-16 24:00:01,1,2", "TIMESTAMP"),
        ("1700158623,1,2", "TIMESTAMP"),
        ("2023-11-16 18:17:03,,2", "ContextTokens ''"),
        ("2023-11-16 18:17:03,1,-2", "GeneratedTokens '-2'"),
        ("2023-11-16 18:17:03,1,2.5", "GeneratedTokens '2.5'"),
        ("2023-11-16 18:17:03,1e3,2", "ContextTokens '1e3'"),
        ("2023-11-16 18:17:03,٣,2", "ContextTokens"),
        ("2023-11-16 18:17:03,1", "2 columns where 3 are needed"),
        ('"2023', "1 columns where 3 are needed"),
    ],
)
def test_a_row_that_is_no_request_is_named_with_its_line_and_column(line: str, told: str) -> None:
    good, bad = rows("2023-11-16 18:17:03,1,2", line)
    assert isinstance(good, Row)
    assert isinstance(bad, BadRow)
    assert bad.line == 3
    assert told in bad.problem


def test_a_problem_never_quotes_more_than_a_little() -> None:
    row = only("x" * 10_000 + ",1,2")
    assert isinstance(row, BadRow)
    assert len(row.problem) < 120


def test_blank_lines_are_passed_over_and_lines_still_counted() -> None:
    first, second = rows("2023-11-16 18:17:03,1,2", "", "2023-11-16 18:17:04,1,2")
    assert (first.line, second.line) == (2, 4)


def test_columns_are_found_by_name() -> None:
    [row] = rows("x,3,2023-11-16 18:17:03,1", header="Extra,GeneratedTokens,TIMESTAMP,ContextTokens")
    assert isinstance(row, Row)
    assert (row.context_tokens, row.generated_tokens) == (1, 3)


@pytest.mark.parametrize("header", ["", "TIMESTAMP,ContextTokens", "a,b,c"])
def test_a_file_with_another_header_is_no_trace(header: str) -> None:
    with pytest.raises(DataError, match=r"line 1: the header lacks .*GeneratedTokens"):
        rows(header=header)


def test_an_event_says_only_what_the_trace_says() -> None:
    row = Row(2, "text", 1_700_158_623_979, 4_808, 10)
    event = usage_event(row, Labels("team", "flow", "model"), shift_ms=1)
    assert event.pop("event_id").startswith("azure-")
    assert event == {
        "source": "azure-trace",
        "occurred_at": 1_700_158_623_980,
        "team": "team",
        "workflow": "flow",
        "provider": "azure.ai.openai",
        "model": "model",
        "input_tokens": 4_808,
        "output_tokens": 10,
    }


def ids(*lines: str, labels: Labels | None = None, start_ms: int | None = None) -> list[str]:
    events = read_events([_HEADER, *lines], labels or Labels(), start_ms=start_ms)
    return [orjson.loads(event)["event_id"] for event in events if isinstance(event, bytes)]


def test_ids_depend_on_place_and_content_and_on_where_the_row_is_put() -> None:
    same = "2023-11-16 18:17:03.9799600,4808,10"
    first, second = ids(f"{same}\r\n", f"{same}\r\n")
    assert first != second
    assert ids(f"{same}\n") == [first]
    moved = ids(f"{same}\n", start_ms=1_800_000_000_000)
    assert moved == ids(f"{same}\n", start_ms=1_800_000_000_000) != [first]
    labelled = [Labels(team="a"), Labels(workflow="a"), Labels(model="a")]
    assert len({first, *(ids(f"{same}\n", labels=labels)[0] for labels in labelled)}) == 4
    assert ids(same.replace("4808", "4809")) != [first]


def test_start_moves_every_row_by_as_much() -> None:
    lines = ["bad,1,1", "2023-11-16 18:17:03,1,2", "2023-11-16 18:17:05,1,2"]
    bad, *events = read_events([_HEADER, *lines], Labels(), start_ms=1_800_000_000_000)
    assert isinstance(bad, BadRow)
    times = [orjson.loads(event)["occurred_at"] for event in events if isinstance(event, bytes)]
    assert times == [1_800_000_000_000, 1_800_000_002_000]


def test_a_row_the_worker_would_refuse_is_a_bad_row() -> None:
    good, bad = read_events([_HEADER, "2023-11-16 18:17:03,1,2", "1999-11-16 18:17:03,1,2"], Labels())
    assert isinstance(good, bytes)
    assert isinstance(bad, BadRow)
    assert (bad.line, "occurred_at" in bad.problem) == (3, True)


def test_the_published_trace_is_imported_whole() -> None:
    if not _TRACE.exists():
        pytest.skip(f"the published trace is not beside this repository ({_TRACE.name})")
    with _TRACE.open(encoding="utf-8-sig", newline="") as lines:
        events = list(read_events(lines, Labels()))
    values = [event for event in events if isinstance(event, bytes)]
    assert len(values) == len(events) == 8_819
    decoded = UsageDecoder().decode(values).events
    accepted = [event for event in decoded if isinstance(event, UsageEvent)]
    assert len({event.event_id for event in accepted}) == 8_819
    # The sums of the columns, taken with awk.
    assert sum(event.input_tokens for event in accepted) == 18_059_974
    assert sum(event.output_tokens for event in accepted) == 245_896
    assert max(event.occurred_at for event in accepted) - min(event.occurred_at for event in accepted) < 3_600_000
