"""One seed through the harness, with a command that writes hand-made files in place of the real one."""

from pathlib import Path

import orjson
import pytest

from tests.evaluate import seed
from tests.evaluate.rules import DAY_MS
from tests.evaluate.run import main
from tests.evaluate.test_score import _episode, _labels

_MONDAY = 1_767_571_200_000


class _Command:
    """Simulates one loop, and finds it half a day later."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []

    def __call__(self, *arguments: str | Path) -> None:
        words = [str(argument) for argument in arguments]
        self.calls.append(words)
        at = dict(zip(words[1::2], words[2::2], strict=True))
        if words[0] == "simulate":
            labels = _labels(_episode(day=24))
            usage = {
                "event_id": "1", "source": "native", "occurred_at": _MONDAY + 24 * DAY_MS, "team": "payments",
                "workflow": "w", "tool": "gateway", "model": "claude-haiku-4-5", "input_tokens": 1_000_000,
                "cache_read_tokens": 0, "cache_write_tokens": 0, "output_tokens": 0, "trigger": "agent",
            }  # fmt: skip
            outcome = {
                "occurred_at": _MONDAY, "team": "search", "kind": "change_merged", "verdict": "accepted",
                "attributes": {"reviews": "0", "additions": "3"},
            }  # fmt: skip
            Path(at["--labels"]).write_bytes(labels.to_json())
            Path(at["--out"]).write_bytes(orjson.dumps(usage) + b"\n")
            Path(at["--outcomes"]).write_bytes(orjson.dumps(outcome) + b"\n")
            Path(at["--policy"]).write_text("teams: {payments: {monthly_budget_usd: 100}}\n")
        else:
            at_ms = _MONDAY + 24 * DAY_MS + DAY_MS // 2
            alert = {
                "alert_id": "a", "revision": 1, "state": "firing", "detector": "runaway", "family": "runaway",
                "team": "payments", "window_start": at_ms - DAY_MS, "window_end": at_ms, "opened_at": at_ms,
                "updated_at": at_ms,
            }  # fmt: skip
            Path(at["--alerts"]).write_bytes(orjson.dumps(alert) + b"\n")
            assert Path(at["--config"]).read_text().startswith("policy: /")


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> _Command:
    written = _Command()
    monkeypatch.setattr(seed, "_assay", written)
    return written


def test_a_seed_is_simulated_replayed_and_judged(command: _Command, tmp_path: Path) -> None:
    result = seed.evaluate_seed(5, "ten-weeks", "all", tmp_path)
    (episode,) = result["ours"]["episodes"]
    assert (episode["found"], episode["delay_ms"], episode["spent_usd"]) == (True, DAY_MS // 2, 1.0)
    assert result["ours"]["clean_team_weeks"] == 39
    assert {"every team once", "z-score"} <= set(result["rivals"])
    assert [point["false"] for point in result["fields"]["no reviews"]] == [1] * len(seed.FIELD_THRESHOLDS)
    assert [words[0] for words in command.calls] == ["simulate", "replay"]


def test_kept_files_are_used_again_as_long_as_they_are_of_this_generator(command: _Command, tmp_path: Path) -> None:
    seed.evaluate_seed(5, "ten-weeks", "ours", tmp_path)
    seed.evaluate_seed(5, "ten-weeks", "ours", tmp_path)
    assert [words[0] for words in command.calls] == ["simulate", "replay", "replay"]
    (tmp_path / "ten-weeks-5" / "generator").write_text("another")
    seed.evaluate_seed(5, "ten-weeks", "rivals", tmp_path)
    assert [words[0] for words in command.calls][3:] == ["simulate"]


def test_a_command_that_fails_is_said_to_have_failed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    failing = tmp_path / "assay"
    failing.write_text("#!/bin/sh\necho 'Error: no room' >&2\nexit 4\n")
    failing.chmod(0o755)
    monkeypatch.setattr(seed, "_ASSAY", failing)
    with pytest.raises(seed.Impossible, match="assay simulate ended with 4 and said: Error: no room"):
        seed.evaluate_seed(1, "ten-weeks", "ours", tmp_path)
    assert not seed.can_alert()


def test_the_command_line_refuses_what_are_no_seeds(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--seeds", "many"])
    assert "are no seeds" in capsys.readouterr().err
