"""Each alert is silent, at its boundary and firing when it must be; run by Prometheus' own promtool."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from streams.subscribers.bridge_metrics import BridgeMetrics
from streams.telemetry.catalogue import CATALOGUE
from streams.telemetry.ingest_catalogue import INGEST_CATALOGUE
from streams.telemetry.metric import Kind
from tests.prometheus import promtool
from tests.rules.cases import CASES, PAIRS, SLOS, Case, Slo

__all__ = ["promtool"]

ROOT = Path(__file__).parents[2]
RULES = sorted((ROOT / "deploy" / "helm" / "assay" / "files" / "rules").glob("*.yaml"))
GROUPS = [group for path in RULES for group in yaml.safe_load(path.read_text())["groups"]]
ALERTS = [rule for group in GROUPS for rule in group["rules"] if "alert" in rule]
RECORDED = {rule["record"] for group in GROUPS for rule in group["rules"] if "record" in rule}
#: Of the cluster, not of Assay.
FOREIGN = {"kubelet_volume_stats_available_bytes", "kubelet_volume_stats_capacity_bytes"}
LABELS = "job='assay',namespace='ns',instance='a:6066',pod='a'"


def labelled(series: str) -> str:
    """A series with the labels that a scrape puts on it."""
    name, _, labels = series.partition("{")
    return f"{name}{{{LABELS}{',' + labels[:-1] if labels else ''}}}"


def of_case(case: Case) -> dict[str, Any]:
    series = {"assay_build_info{version='1'}": "1x200", **case.series}
    expected = [{"labels": f'{{alertname="{case.alert}"}}', "value": 1}] if case.kind == "firing" else []
    return _test(f"{case.alert}, {case.kind}", series, case.minute, expected)


def of_slo(slo: Slo, share: float, minute: int, firing: int) -> dict[str, Any]:
    bad = round(1_000_000 * slo.budget * share)
    series = {"assay_build_info{version='1'}": "1x400", slo.good: "0+1000000x400"}
    if slo.bad:
        # A worker shows both from its start.
        series |= {slo.bad: f"0+{bad}x400", "assay_events_late_total{topic='assay.usage.v1'}": "0x400"}
    else:
        series["assay_event_delay_seconds_bucket{topic='assay.usage.v1',le='60.0'}"] = f"0+{1_000_000 - bad}x400"
    expected = [{"labels": f'{{alertname="{slo.alert}"}}', "value": firing}] if firing else []
    return _test(f"{slo.alert} at {share} times the budget", series, minute, expected)


def _test(name: str, series: dict[str, str], minute: int, expected: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "name": name,
        "interval": "1m",
        "input_series": [{"series": labelled(each), "values": values} for each, values in series.items()],
        # All that fires, and not only what is expected to.
        "promql_expr_test": [
            {
                "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
                "eval_time": f"{minute}m",
                "exp_samples": expected,
            }
        ],
    }


def run(promtool: str, directory: Path, tests: list[dict[str, Any]], every: str = "1m") -> str:
    """What promtool says of these tests, the rules evaluated so often; nothing if all pass."""
    file = directory / "test.yaml"
    document = {"rule_files": [str(path) for path in RULES], "evaluation_interval": every, "tests": tests}
    file.write_text(yaml.safe_dump(document))
    done = subprocess.run([promtool, "test", "rules", str(file)], capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def test_prometheus_takes_the_files(promtool: str) -> None:
    done = subprocess.run([promtool, "check", "rules", *map(str, RULES)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_alerts_are_silent_at_their_boundary_and_firing(promtool: str, tmp_path: Path) -> None:
    assert run(promtool, tmp_path, [of_case(case) for case in CASES]) == ""


def test_budgets_burn_at_four_speeds(promtool: str, tmp_path: Path) -> None:
    """A little more than a pair's rate, and that pair fires with all slower ones; a little less, and only those do."""
    tests = [of_slo(slo, 0.0, 240, 0) for slo in SLOS]
    for slo in SLOS:
        for place, (_, _, rate, _) in enumerate(PAIRS):
            tests.append(of_slo(slo, rate * 1.02, 240, len(PAIRS) - place))
            tests.append(of_slo(slo, rate * 0.98, 240, len(PAIRS) - place - 1))
    assert run(promtool, tmp_path, tests, "10m") == ""


def test_a_budget_must_burn_for_as_long_as_its_pair_says(promtool: str, tmp_path: Path) -> None:
    tests = [of_slo(slo, 20, minutes - 1, place) for slo in SLOS for place, (*_, minutes) in enumerate(PAIRS)]
    assert run(promtool, tmp_path, tests) == ""


def test_a_wrong_expectation_is_noticed(promtool: str, tmp_path: Path) -> None:
    silent = next(case for case in CASES if case.kind == "silent")
    assert "FAILED" in run(promtool, tmp_path, [of_case(silent._replace(kind="firing"))])


def test_every_alert_has_its_three_cases() -> None:
    shown = {(case.alert, case.kind) for case in CASES}
    named = {rule["alert"] for rule in ALERTS} - {slo.alert for slo in SLOS}
    assert shown == {(name, kind) for name in named for kind in ("silent", "boundary", "firing")}
    windows = {
        (rule["alert"], rule["labels"]["long"], rule["labels"]["short"]) for rule in ALERTS if "long" in rule["labels"]
    }
    assert windows == {(slo.alert, long, short) for slo in SLOS for long, short, *_ in PAIRS}


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_an_alert_says_what_is_wrong_and_where_to_look(rule: dict[str, Any]) -> None:
    said = rule["annotations"]
    assert said.keys() == {"summary", "description", "runbook_url", "dashboard_url"}
    assert "{{" not in said["summary"], "one sentence, whatever the figures are: notifications are grouped by it"
    assert said["summary"].endswith(".")
    assert said["runbook_url"] == f"https://assay.example.com/docs/runbook.md#{rule['alert'].lower()}"
    assert re.fullmatch(r"https://grafana\.example\.com/d/assay-(service|spend|detectors)", said["dashboard_url"])
    assert rule["alert"].startswith("Assay")
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}


def test_what_is_measured_pages_nobody() -> None:
    (product,) = [group for group in GROUPS if group["name"] == "assay.product"]
    assert {rule["labels"]["severity"] for rule in product["rules"]} <= {"warning", "info"}


def exposed() -> set[str]:
    """Every name that can be scraped."""
    names = set(FOREIGN)
    for metric in (*CATALOGUE, *INGEST_CATALOGUE):
        suffixes = ("_bucket", "_sum", "_count") if metric.kind is Kind.HISTOGRAM else ("",)
        names |= {metric.name + suffix for suffix in suffixes}
    bridge = BridgeMetrics()
    bridge.show_lag(0)
    bridge.show_firing(0)
    return names | {sample.name for family in bridge.registry.collect() for sample in family.samples}


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.stem)
def test_every_metric_exists(path: Path) -> None:
    used = set(
        re.findall(r"\b(?:assay_[a-z_]+|kubelet_[a-z_]+)\b(?!:)", re.sub(r"job\w*:[\w:]+", "", _expressions(path)))
    )
    assert used <= exposed()
    assert set(re.findall(r"job\w*:[\w:]+", _expressions(path))) <= RECORDED


def _expressions(path: Path) -> str:
    rules = [rule for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]]
    return "\n".join(str(rule["expr"]) for rule in rules)


def test_every_alert_has_a_section_in_the_runbook() -> None:
    text = (ROOT / "docs" / "runbook.md").read_text()
    sections = dict(re.findall(r"^## (Assay\w+)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))
    assert sections.keys() == {rule["alert"] for rule in ALERTS}
    for name, section in sections.items():
        parts = re.findall(r"^\*\*(\w+)\.\*\*", section, re.MULTILINE)
        assert parts == ["Meaning", "Impact", "Diagnosis", "Mitigation"], name
