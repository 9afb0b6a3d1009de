"""``assay simulate --scenario``: four files and a price book, or a sentence."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from streams.cli import simulate as module
from streams.policy_file import load_policy
from streams.simulation.labelled import Labels, TenWeeks

Assay = Callable[..., Result]
_FILES = ("--out", "u.jsonl", "--outcomes", "o.jsonl", "--policy", "p.yaml", "--labels", "l.json")


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Ten weeks in which little happens."""

    def ten_weeks(seed: int, *, scenario: str, start_ms: int | None) -> TenWeeks:
        labels = Labels(scenario=scenario, seed=seed, start_ms=start_ms or 0, end_ms=1, teams=["payments"])
        return TenWeeks(
            usage=[b'{"a":1}', b'{"a":2}'],
            outcomes=[b'{"b":1}'],
            policy={"teams": {"payments": {"actors": 7}}},
            prices={"version": "1", "currency": "usd", "models": {"m": {"input": 1, "output": 2}}},
            labels=labels,
        )

    monkeypatch.setattr(module, "ten_weeks", ten_weeks)
    monkeypatch.chdir(tmp_path)


def test_a_scenario_is_four_files_and_a_price_book(assay: Assay, tmp_path: Path) -> None:
    result = assay("simulate", "--scenario", "ten-weeks", "--seed", "3", "--start", "2026-01-12", *_FILES)
    assert result.exit_code == 0, result.output
    said = json.loads(result.stdout)
    assert said == {"seed": 3, "scenario": "ten-weeks", "records": 2, "outcomes": 1, "episodes": 0, "benign": 0}
    assert (tmp_path / "u.jsonl").read_bytes() == b'{"a":1}\n{"a":2}\n'
    assert (tmp_path / "o.jsonl").read_bytes() == b'{"b":1}\n'
    policy = load_policy(tmp_path / "p.yaml")
    assert policy.team("payments").actors == 7
    assert policy.prices == str(tmp_path / "p.prices.yaml")
    labels = Labels.from_json((tmp_path / "l.json").read_bytes())
    assert (labels.seed, labels.start_ms) == (3, 1_768_176_000_000)


@pytest.mark.parametrize(("arguments", "sentence"), [
    (("--scenario", "ten-weeks", "--out", "u.jsonl"), "--scenario writes four files: give"),
    (("--scenario", "quiet", *_FILES[:-1], "u.jsonl"), "a name of its own"),
    (("--scenario", "quiet", "--out", "-", *_FILES[2:]), "a name of its own"),
    (("--scenario", "quiet", *_FILES, "--events", "5"), "--events does not go with --scenario"),
    (("--scenario", "quiet", *_FILES, "--rate", "5"), "--rate does not go with --scenario"),
    (("--scenario", "quiet", *_FILES, "--with-outcomes"), "--with-outcomes does not go with --scenario"),
    (("--scenario", "quiet", *_FILES, "--start", "2026-01-13"), "must be a Monday"),
    (("--scenario", "loud", *_FILES), "loud"),
    (("--out", "u.jsonl", "--labels", "l.json"), "--policy and --labels go with --scenario"),
])  # fmt: skip
def test_what_does_not_go_together_is_said_in_a_sentence(
    assay: Assay, tmp_path: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    result = assay("simulate", *arguments)
    assert result.exit_code == 2
    assert sentence in result.stderr
    assert list(tmp_path.iterdir()) == []
