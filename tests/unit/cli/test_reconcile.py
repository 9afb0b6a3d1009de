"""``assay reconcile``: from files to a table, a document and gauges, and the exit codes between them."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import Result

from streams import published
from streams.telemetry.reconciliation import RECONCILIATION_CATALOGUE
from tests.unit.reconciliation.recordings import event
from tests.unit.sources.billing.test_focus import ROW, table

Assay = Callable[..., Result]


@pytest.fixture
def usage(tmp_path: Path) -> Path:
    """A hundred calls: 100,000 tokens for a dollar, on 2025-08-01."""
    file = tmp_path / "usage.jsonl"
    file.write_bytes(b"\n".join(msgspec.json.encode(event(number)) for number in range(100)) + b"\n\n")
    return file


def report(to: Path, amount: str = "100.0", tokens: int = 60_000) -> Sequence[object]:
    """Options with a bill of so many cents and uncached tokens, 40,000 others beside them."""
    bucket = {"starting_at": "2025-08-01T00:00:00Z", "ending_at": "2025-08-02T00:00:00Z"}
    model = {"model": "claude-sonnet-4-20250514"}
    costs = {"data": [{**bucket, "results": [{**model, "amount": amount, "currency": "USD", "cost_type": "tokens"}]}]}
    used = {
        "uncached_input_tokens": tokens, "cache_read_input_tokens": 20_000, "output_tokens": 10_000,
        "cache_creation": {"ephemeral_5m_input_tokens": 10_000},
    }  # fmt: skip
    (to / "costs.json").write_text(json.dumps(costs))
    (to / "used.json").write_text(json.dumps({"data": [{**bucket, "results": [{**model, **used}]}]}))
    return ("--billed", to / "costs.json", "--billed", to / "used.json")


def test_what_agrees_is_a_table_and_exit_code_0(assay: Assay, usage: Path, tmp_path: Path) -> None:
    result = assay("reconcile", "--usage", usage, *report(tmp_path))
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines()[1].split() == [
        "2025-08-01", "anthropic", "claude-sonnet-4", "100,000", "100,000", "0.0%", "$1.00", "$1.00", "0.0%", "100.0%", "agree",
    ]  # fmt: skip
    assert "1 comparison: 1 agree." in result.stdout


def test_a_gap_beyond_the_tolerance_is_exit_code_1_and_said(assay: Assay, usage: Path, tmp_path: Path) -> None:
    options = report(tmp_path, amount="104.0", tokens=63_000)
    result = assay("reconcile", "--usage", usage, *options)
    assert result.exit_code == 1
    assert "-2.9%" in result.stdout
    assert "recorded_low" in result.stdout
    assert assay("reconcile", "--usage", usage, *options, "--tokens-tolerance", "3").exit_code == 0
    assert (
        assay("reconcile", "--usage", usage, *options, "--tokens-tolerance", "3", "--dollars-tolerance", "3").exit_code
        == 1
    )


def test_the_document_has_every_figure(assay: Assay, usage: Path, tmp_path: Path) -> None:
    result = assay("reconcile", "--usage", usage, *report(tmp_path, amount="200"), "--json", "--as-of", "2025-09-01")
    found = json.loads(result.stdout)
    (it,) = found["comparisons"]
    assert (result.exit_code, found["format"], found["verdicts"]["recorded_low"]) == (1, 1, 1)
    assert it["tokens"] == {
        "recorded": 100_000, "billed": 100_000, "gap": 0, "ratio": 1.0, "report": "anthropic_usage", "covered": 1.0,
    }  # fmt: skip
    assert (it["cost_micro_usd"]["gap"], it["cost_micro_usd"]["ratio"]) == (-1_000_000, 0.5)
    assert (it["day"], it["verdict"], it["calls"]) == ("2025-08-01", "recorded_low", {"recorded": 100, "billed": None})


def test_gauges_are_those_of_the_catalogue_and_of_the_page(assay: Assay, usage: Path, tmp_path: Path) -> None:
    to = tmp_path / "assay.prom"
    assert assay("reconcile", "--usage", usage, *report(tmp_path, amount="200"), "--metrics", to).exit_code == 1
    text = to.read_text()
    assert 'assay_reconciliation_gap_usd{model="claude-sonnet-4",provider="anthropic"} -1.0' in text
    assert 'assay_reconciliation_recorded_tokens{model="claude-sonnet-4",provider="anthropic"} 100000.0' in text
    assert 'assay_reconciliation_comparisons{verdict="recorded_low"} 1.0' in text
    names = [metric.name for metric in RECONCILIATION_CATALOGUE]
    assert [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")] == names
    page = (Path(__file__).parents[3] / "docs" / "reconciliation.md").read_text(encoding="utf-8")
    assert [line.split("`")[1] for line in page.splitlines() if line.startswith("| `assay_reconciliation")] == names
    both = assay("reconcile", "--usage", usage, *report(tmp_path), "--metrics", "-")
    assert both.stdout.startswith("# HELP")


def test_focus_is_told_by_itself_and_its_effective_cost_is_taken_where_asked(
    assay: Assay, usage: Path, tmp_path: Path
) -> None:
    file = tmp_path / "focus.csv"
    file.write_bytes(table(ROW | {"ConsumedQuantity": "100"}, ROW | {"ChargeCategory": "Tax", "BilledCost": "0.25"}))
    result = assay("reconcile", "--usage", usage, "--billed", file)
    assert result.exit_code == 1
    assert "Billed apart, and not compared: tax $0.2500." in result.stdout
    assert assay("reconcile", "--usage", usage, "--billed", file, "--cost", "effective").exit_code == 0


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [("bill.json", b'{"data": [{"starting_at": "2025', "the body is not JSON"),
     ("bill.json", b"{}", "name its format"),
     ("bill.csv", b"a,b\n", "the header lacks BillingCurrency"),
     ("bill.csv", table(ROW | {"BilledCost": "secret"}), "line 2: field BilledCost is not a number"),
     ("bill.csv", table(ROW | {"ServiceCategory": "Compute"}), "no bill has a row")],
)  # fmt: skip
def test_a_bill_that_cannot_be_read_whole_is_exit_code_5(
    assay: Assay, usage: Path, tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    result = assay("reconcile", "--usage", usage, "--billed", file)
    assert (result.exit_code, result.stdout) == (5, "")
    assert said in result.stderr
    assert "secret" not in result.stderr


def test_one_bill_twice_is_exit_code_5(assay: Assay, usage: Path, tmp_path: Path) -> None:
    options = report(tmp_path)
    assert "give each bill once" in assay("reconcile", "--usage", usage, *options, *options[:2]).stderr
    other = tmp_path / "other.json"
    other.write_text((tmp_path / "costs.json").read_text().replace("100.0", "99"))
    result = assay("reconcile", "--usage", usage, *options, "--billed", other)
    assert (result.exit_code, "with different figures" in result.stderr) == (5, True)


def test_usage_that_is_none_is_counted_or_if_all_of_it_is_bad_data(assay: Assay, usage: Path, tmp_path: Path) -> None:
    usage.write_bytes(usage.read_bytes() + b"nonsense\n" + msgspec.json.encode(event(0)) + b"\n")
    result = assay("reconcile", "--usage", usage, *report(tmp_path))
    assert "1 record of usage cannot be read" in result.stdout
    assert "1 event came again" in result.stdout
    usage.write_bytes(b"nonsense\n")
    assert assay("reconcile", "--usage", usage, *report(tmp_path)).exit_code == 5


def test_wrong_usage_is_exit_code_2(assay: Assay, usage: Path, tmp_path: Path) -> None:
    options = report(tmp_path)
    assert assay("reconcile", "--usage", usage).exit_code == 2
    assert assay("reconcile", "--usage", usage, *options, "--json", "--metrics", "-").exit_code == 2
    assert assay("reconcile", "--usage", usage, *options, "--as", "stripe").exit_code == 2


def test_without_files_the_topic_is_read(assay: Assay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_topic(brokers: str, topic: str, codec: Any, take: Any, registry: str | None) -> published.Read:
        for number in range(100):
            take(codec.decode(msgspec.json.encode(event(number)), None))
        with pytest.raises(ValueError, match="JSON"):
            codec.decode(b"nonsense", None)
        return published.Read(101, 1)

    monkeypatch.setattr(published, "read_topic", read_topic)
    result = assay("reconcile", "--brokers", "127.0.0.1:1", *report(tmp_path))
    assert (result.exit_code, "1 record of usage cannot be read" in result.stdout) == (0, True)
