"""``assay report``: from files to text, JSON and a page."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from streams.cli import main
from streams.core.avro import KPI
from streams.core.windows import Window
from tests.unit.report.records import MONDAY_MS, RESULTS, day, kpi

Assay = Callable[..., Result]


@pytest.fixture
def kpis(tmp_path: Path) -> Path:
    """Two weeks of two teams, the newer one open."""
    file = tmp_path / "kpis.jsonl"
    records = [
        kpi(**RESULTS),
        kpi(workflow="refund-bot", **RESULTS),
        kpi("search"),
        day(7),
        day(7, workflow="refund-bot"),
    ]
    file.write_bytes(b"\n".join(map(KPI.to_json, records)) + b"\n\n")
    return file


def test_text_of_the_newest_week_that_has_closed(assay: Assay, kpis: Path) -> None:
    result = assay("report", "--kpis", kpis)
    assert result.exit_code == 0
    assert result.stdout.startswith("Spend and what came of it, week 2026-W02\n")
    assert "TEAM payments" in result.stdout
    assert "TEAM search" in result.stdout
    assert result.stderr == ""


def test_text_is_as_wide_as_the_terminal(assay: Assay, kpis: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "70")
    assert max(map(len, assay("report", "--kpis", kpis).stdout.splitlines())) <= 70
    monkeypatch.setenv("COLUMNS", "140")
    assert "refund-bot   " in assay("report", "--kpis", kpis).stdout


def test_a_week_and_a_team_are_chosen(assay: Assay, kpis: Path) -> None:
    result = assay("report", "--kpis", kpis, "--week", "2026-01-14", "--team", "payments", "--json")
    found = json.loads(result.stdout)
    assert (found["week"]["name"], [team["team"] for team in found["teams"]]) == ("2026-W03", ["payments"])
    assert found["teams"][0]["closed"] is False


def test_what_is_not_there_is_wrong_usage_and_what_is_there_is_said(assay: Assay, kpis: Path) -> None:
    for arguments, said in (
        (["--week", "2026-W30"], "there are 2026-W02, 2026-W03"),
        (["--week", "soon"], "write for example 2026-W02"),
        (["--team", "serch"], "did you mean search?"),
        (["--team", "qqq"], "there are payments, search"),
        (["--json", "--html", "-"], "give --html a file"),
        (["--kpis", "nowhere"], "does not exist"),
    ):
        result = assay("report", "--kpis", kpis, *arguments)
        assert (result.exit_code, result.stdout) == (2, "")
        assert said in result.stderr


def test_standard_input_and_files_are_one_input(kpis: Path) -> None:
    later = KPI.to_json(kpi("search", revision=2, calls=7))
    result = CliRunner(catch_exceptions=False).invoke(
        main, ["report", "--kpis", str(kpis), "--kpis", "-", "--json"], input=later + b"\n"
    )
    assert [team["period"]["calls"] for team in json.loads(result.stdout)["teams"]] == [100, 7]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"nonsense", "line 6"),
        (b'{"team": "a"}', "scope"),
        (KPI.to_json(kpi(start_ms=10**17)), "window_start"),
        (KPI.to_json(kpi(last_event=-5)), "last_event"),
    ],
    ids=["no JSON", "no KPI", "no window", "no time"],
)
def test_a_line_that_is_no_record_is_named(assay: Assay, kpis: Path, line: bytes, said: str) -> None:
    kpis.write_bytes(kpis.read_bytes().rstrip() + b"\n" + line + b"\n")
    result = assay("report", "--kpis", kpis)
    assert result.exit_code == 5
    assert "kpis.jsonl, line 6: " in result.stderr
    assert said in result.stderr


def test_an_input_without_days_or_weeks_is_no_report(assay: Assay, tmp_path: Path) -> None:
    file = tmp_path / "kpis.jsonl"
    for content in (b"", KPI.to_json(kpi(size=Window.HOUR, start_ms=MONDAY_MS))):
        file.write_bytes(content)
        result = assay("report", "--kpis", file)
        assert result.exit_code == 5
        assert "wait until a day has closed" in result.stderr


def test_a_page_goes_to_a_file_or_to_standard_output(assay: Assay, kpis: Path, tmp_path: Path) -> None:
    to = tmp_path / "report.html"
    result = assay("report", "--kpis", kpis, "--html", to)
    assert (result.exit_code, result.stdout) == (0, "")
    assert "wrote" in result.stderr
    assert assay("report", "--kpis", kpis, "--html", "-").stdout == to.read_text(encoding="utf-8")
    with_json = assay("report", "--kpis", kpis, "--html", to, "--json")
    assert json.loads(with_json.stdout)["format"] == 1
    assert assay("report", "--kpis", kpis, "--html", tmp_path / "no" / "such").exit_code == 4


def test_a_name_that_is_no_text_is_still_a_page(assay: Assay, kpis: Path, tmp_path: Path) -> None:
    line = KPI.to_json(kpi("x")).replace(b'"team":"x"', b'"team":"\\u202e\\u0000<b>"')
    kpis.write_bytes(kpis.read_bytes() + line + b"\n")
    assert assay("report", "--kpis", kpis, "--html", tmp_path / "report.html").exit_code == 0
    assert assay("report", "--kpis", kpis).exit_code == 0


def test_a_broker_that_is_not_there_is_said(assay: Assay) -> None:
    result = assay("report", "--brokers", "127.0.0.1:9")
    assert result.exit_code == 4
    assert "127.0.0.1:9 does not answer" in result.stderr
