"""One seed, start to end: simulate, replay through the real command, judge; what comes out is plain data."""

import hashlib
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any, Final

import yaml

from streams import simulation
from streams.simulation.labelled import Labels
from tests.evaluate.alerts import Fired, read_alerts
from tests.evaluate.facts import FIELD_RULES, Facts, gather
from tests.evaluate.rivals import RIVALS, field_alerts, rival_alerts
from tests.evaluate.score import Score, found_by_chance, score

__all__ = ["FIELD_THRESHOLDS", "Impossible", "can_alert", "evaluate_seed", "measure", "points"]

FIELD_THRESHOLDS: Final = (0.0001, 0.001, 0.003, 0.01, 0.03, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9)
_ASSAY: Final = Path(sys.executable).with_name("assay")


class Impossible(Exception):
    """The evaluation cannot be done; the text says what to do."""


def can_alert() -> bool:
    """Whether this version of ``assay replay`` writes alerts at all."""
    told = subprocess.run([_ASSAY, "replay", "--help"], capture_output=True, text=True, check=False)
    return "--alerts" in told.stdout


def evaluate_seed(seed: int, scenario: str, what: str, keep: Path | None) -> dict[str, Any]:
    """Simulate, replay and judge one seed; ``what`` is ``ours``, ``rivals`` or ``all``."""
    if keep is None:
        with tempfile.TemporaryDirectory(prefix=f"evaluate-{seed}-") as passing:
            return _evaluate(seed, scenario, what, Path(passing))
    directory = keep / f"{scenario}-{seed}"
    directory.mkdir(parents=True, exist_ok=True)
    return _evaluate(seed, scenario, what, directory)


def _evaluate(seed: int, scenario: str, what: str, directory: Path) -> dict[str, Any]:
    files = {name: directory / name for name in ("usage.jsonl", "outcomes.jsonl", "policy.yaml", "labels.json")}
    stamp, made_by = directory / "generator", _generator()
    if not stamp.is_file() or stamp.read_text() != made_by:
        _assay(
            "simulate", "--scenario", scenario, "--seed", str(seed), "--out", files["usage.jsonl"], "--outcomes",
            files["outcomes.jsonl"], "--policy", files["policy.yaml"], "--labels", files["labels.json"],
        )  # fmt: skip
        (directory / "assay.yaml").write_text(yaml.safe_dump({"policy": str(files["policy.yaml"].absolute())}))
        stamp.write_text(made_by)
    labels = Labels.from_json(files["labels.json"].read_bytes())
    result: dict[str, Any] = {"seed": seed, "scenario": scenario, "episodes": len(labels.episodes)}
    with files["usage.jsonl"].open("rb") as usage, files["outcomes.jsonl"].open("rb") as outcomes:
        facts = gather(labels, usage, outcomes, yaml.safe_load(files["policy.yaml"].read_text()))
    if what != "rivals":
        alerts = directory / "alerts.jsonl"
        _assay(
            "replay", "--usage", files["usage.jsonl"], "--outcomes", files["outcomes.jsonl"], "--alerts", alerts,
            "--kpis", directory / "kpis.jsonl", "--config", directory / "assay.yaml",
        )  # fmt: skip
        with alerts.open("rb") as lines:
            result["ours"] = measure(score(labels, read_alerts(lines)), facts)
    if what != "ours":
        result["rivals"] = {
            name: points(labels, {threshold: rival_alerts(name, threshold, facts) for threshold in thresholds})
            for name, (_, thresholds) in RIVALS.items()
        }
        result["fields"] = {
            name: points(labels, {threshold: field_alerts(name, threshold, facts) for threshold in FIELD_THRESHOLDS})
            for name in FIELD_RULES
        }
    return result


def measure(judged: Score, facts: Facts) -> dict[str, Any]:
    """All that is reported of one seed, as data that can be written down."""
    labels, episodes = judged.labels, []
    for episode in labels.episodes:
        alert = judged.found.get(episode.id)
        until_ms = min(episode.end_ms, alert.at_ms) if alert is not None else episode.end_ms
        episodes.append(
            {
                "behaviour": episode.behaviour,
                "strength": episode.strength,
                "variant": episode.variant,
                "found": alert is not None,
                "by": alert.detector if alert is not None else None,
                "delay_ms": alert.at_ms - episode.start_ms if alert is not None else None,
                "spent_usd": round(facts.spent(episode.team, episode.start_ms, until_ms), 2),
            }
        )
    worth: dict[str, Counter[str]] = {}
    for verdict in judged.verdicts:
        worth.setdefault(verdict.alert.detector, Counter())[verdict.worth] += 1
    false = [
        {
            "detector": each.alert.detector,
            "family": each.alert.family,
            "team": each.alert.team,
            "workflow": each.alert.workflow,
            "at_ms": each.alert.at_ms,
            "about": each.about,
            "why": each.why,
            "declared": each.declared,
        }
        for each in judged.false
    ]
    return {
        "episodes": episodes,
        "by_detector": {name: dict(sorted(counts.items())) for name, counts in sorted(worth.items())},
        "false": false,
        "found_by_chance": found_by_chance(labels, [each.alert for each in judged.verdicts], Random(labels.seed)),
        "clean_team_weeks": judged.clean_team_weeks,
        "look_alikes": sorted(each.kind for each in labels.benign),
    }


def points(labels: Labels, by_threshold: dict[float, list[Fired]]) -> list[dict[str, Any]]:
    """A rule's result at each of its thresholds, in short."""
    found = []
    for threshold, alerts in by_threshold.items():
        judged = score(labels, alerts)
        strengths = Counter(episode.strength for episode in labels.episodes if episode.id in judged.found)
        found.append(
            {
                "threshold": threshold,
                "found": dict(strengths),
                "false": len(judged.false),
                "delays_ms": [delay for _, delay in judged.delays_ms()],
                "clean_team_weeks": judged.clean_team_weeks,
            }
        )
    return found


def _assay(*arguments: str | Path) -> None:
    done = subprocess.run([_ASSAY, *map(str, arguments)], capture_output=True, text=True, check=False)
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["nothing"]
        raise Impossible(f"assay {arguments[0]} ended with {done.returncode} and said: {said[-1]}")


def _generator() -> str:
    """Changes when what writes the scenarios does, so that kept files are never those of another generator."""
    sources = sorted(Path(simulation.__path__[0]).rglob("*.py"))
    return hashlib.blake2b(b"".join(source.read_bytes() for source in sources), digest_size=8).hexdigest()
