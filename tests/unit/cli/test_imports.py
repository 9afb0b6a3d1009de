"""``assay import``: all of a file or nothing of it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Assay = Callable[..., Result]

_HEADER = b"TIMESTAMP,ContextTokens,GeneratedTokens\r\n"


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    file = tmp_path / "trace.csv"
    file.write_bytes(_HEADER + b"2024-01-02 03:04:05.6789012,100,7\r\n2024-01-02 03:04:06.0000000,0,1\r\n")
    return file


def test_a_trace_becomes_lines_of_usage_events(assay: Assay, trace: Path, tmp_path: Path) -> None:
    out = tmp_path / "usage.jsonl"
    result = assay("import", "azure-trace", trace, "--usage", out, "--team", "assistants", "--model", "gpt-4")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {"events": 2}
    first, second = (json.loads(line) for line in out.read_text().splitlines())
    assert (first["team"], first["workflow"], first["model"]) == ("assistants", "code", "gpt-4")
    assert (first["occurred_at"], first["input_tokens"], first["output_tokens"]) == (1_704_164_645_678, 100, 7)
    assert (second["occurred_at"], second["input_tokens"]) == (1_704_164_646_000, 0)


def test_start_moves_the_trace_in_time(assay: Assay, trace: Path) -> None:
    lines = assay("import", "azure-trace", trace, "--usage", "-", "--start", "2026-01-05").stdout.splitlines()
    assert [json.loads(line)["occurred_at"] - 1_767_571_200_000 for line in lines] == [0, 322]


def test_a_bad_row_stops_the_whole_import_with_5_and_its_line(assay: Assay, trace: Path, tmp_path: Path) -> None:
    trace.write_bytes(trace.read_bytes() + b"2024-01-02 03:04:07,many,1\r\n" + b"x,1,1\r\n" * 30)
    out = tmp_path / "usage.jsonl"
    result = assay("import", "azure-trace", trace, "--usage", out)
    assert result.exit_code == 5
    assert result.stdout == ""
    assert "31 of 33 rows are bad; nothing was imported" in result.stderr
    assert "line 4: ContextTokens 'many' is not a number of tokens" in result.stderr
    assert "line 5: TIMESTAMP 'x'" in result.stderr
    assert "and 21 more" in result.stderr
    assert not out.exists()


def test_another_file_altogether_ends_with_5(assay: Assay, trace: Path) -> None:
    trace.write_bytes(b"a,b,c\n1,2,3\n")
    result = assay("import", "azure-trace", trace, "--usage", "-")
    assert result.exit_code == 5
    assert "the header lacks TIMESTAMP" in result.stderr


def test_labels_the_contract_forbids_are_wrong_usage(assay: Assay, trace: Path) -> None:
    result = assay("import", "azure-trace", trace, "--usage", "-", "--team", "")
    assert result.exit_code == 2
    assert "team" in result.stderr


def test_nothing_is_sent_before_the_file_is_checked(assay: Assay, trace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from streams.producers import usage

    def must_not(*_: object, **__: object) -> None:
        raise AssertionError("connected to Kafka for a bad file")

    monkeypatch.setattr(usage, "UsageProducer", must_not)
    trace.write_bytes(_HEADER + b"x,1,1\r\n")
    assert assay("import", "azure-trace", trace).exit_code == 5


def test_a_missing_file_is_wrong_usage(assay: Assay, tmp_path: Path) -> None:
    assert assay("import", "azure-trace", tmp_path / "none.csv", "--usage", "-").exit_code == 2


TABLE = """\
model,task,api_calls,cost_usd,resolved
GPT-5 (2025-08-07),django-1,2,0.25,1
GPT-5 (2025-08-07),django-2,1,0.5,0
o4-mini,django-1,3,0.01,0
"""


def test_a_table_becomes_two_files(assay: Assay, tmp_path: Path) -> None:
    table, usage, outcomes = tmp_path / "costs.csv", tmp_path / "usage.jsonl", tmp_path / "outcomes.jsonl"
    table.write_text(TABLE)
    result = assay("import", "swebench", table, "--usage", usage, "--outcomes", outcomes)
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {"events": 6, "outcomes": 3}
    calls = [json.loads(line) for line in usage.read_text().splitlines()]
    assert sum(call["cost_micro_usd"] for call in calls) == 760_000
    assert [json.loads(line)["kind"] for line in outcomes.read_text().splitlines()] == [
        "eval_passed", "eval_failed", "eval_failed",
    ]  # fmt: skip
    first = usage.read_bytes(), outcomes.read_bytes()
    assert assay("import", "swebench", table, "--usage", usage, "--outcomes", outcomes).exit_code == 0
    assert (usage.read_bytes(), outcomes.read_bytes()) == first


def test_nothing_of_a_table_with_a_bad_row_is_written(assay: Assay, tmp_path: Path) -> None:
    table, usage, outcomes = tmp_path / "costs.csv", tmp_path / "usage.jsonl", tmp_path / "outcomes.jsonl"
    table.write_text(TABLE + "o4-mini,django-2,three,0.01,0\n")
    result = assay("import", "swebench", table, "--usage", usage, "--outcomes", outcomes)
    assert result.exit_code == 5
    assert "1 of 4 rows are bad; nothing was imported" in result.stderr
    assert "line 5: api_calls 'three' is not a number of calls" in result.stderr
    assert not usage.exists()
    assert not outcomes.exists()


@pytest.mark.parametrize("options", [["--usage", "u"], ["--outcomes", "o"], ["--usage", "-", "--outcomes", "-"]])
def test_usage_and_outcomes_go_together(assay: Assay, tmp_path: Path, options: list[str]) -> None:
    table = tmp_path / "costs.csv"
    table.write_text(TABLE)
    result = assay("import", "swebench", table, *options)
    assert result.exit_code == 2
    assert "--usage and --outcomes go together" in result.stderr
