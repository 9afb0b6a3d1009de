"""The benchmark works; what it measures is not judged here."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_FIGURES = {"events_per_second", "cpu_us_per_event", "peak_rss_mb"}


@pytest.mark.slow
def test_a_quick_run_measures_every_section(kafka: str, tmp_path: Path) -> None:
    out = tmp_path / "bench.json"
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.run", "--quick", "--out", str(out)],
        cwd=_ROOT, env={**os.environ, "ASSAY_BROKERS": kafka}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    results = json.loads(out.read_text())
    assert results["pipeline"].keys() >= {*_FIGURES, "stages_us", "events_per_second_per_core"}
    assert {"decode", "dedupe", "aggregate", "close", "store", "fetch_and_rest"} <= results["pipeline"][
        "stages_us"
    ].keys()
    assert results["stock_faust"].keys() >= _FIGURES
    assert results["core_only"].keys() >= {*_FIGURES, "stages_us"}
    assert results["decode_only"]["events"] == results["events"] == results["pipeline"]["events"]
    assert results["ingest"].keys() >= {*_FIGURES, "p99_ms", "large_p50_ms"}
    assert results["sources"].keys() == {"litellm", "otlp", "requests"}
    assert {"github", "promptfoo", "langfuse", "events"} <= results["sources"]["requests"].keys()
    assert [point.keys() for point in results["growth"]] == [{*_FIGURES, "partitions", "workflows"}]
    assert results["pipeline_over_stock_faust"] > 0
    # Stock Faust once, in the middle of the pipeline's runs.
    assert [len(results[section]["cpu_us_per_event_runs"]) for section in ("pipeline", "stock_faust")] == [2, 1]
    assert "Targets:" in done.stdout
