"""What the chart starts, started as it says: commands, files and variables, and its probes asked, with a real Kafka."""

import os
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.local.child import spawn
from deploy.local.properties import free_ports
from tests.chart.charts import Manifest, merged, pods, rendered, shape
from tests.chart.containers import lay_out
from tests.integration.workers import ASSAY, eventually

#: By the port's name in a pod, the variable that moves it out of the way of other processes of this machine.
PORTS = {
    "worker": {"web": "ASSAY_WEB_PORT"},
    "ingest": {"web": "ASSAY_INGEST__WEB_PORT", "ingest": "ASSAY_INGEST__PORT"},
    "console": {"web": "ASSAY_CONSOLE__WEB_PORT", "console": "ASSAY_CONSOLE__PORT"},
    "forward-alertmanager": {"web": "ASSAY_FORWARD__METRICS_PORT"},
}


@pytest.fixture
def manifests(kafka: str, topic_prefix: str) -> list[Manifest]:
    values = merged(merged(shape("ingest"), shape("forward")), {
        "listenAddress": "127.0.0.1", "console": {"enabled": True, "tokenSecret": "tokens"},
        "config": {"brokers": kafka, "topic_prefix": topic_prefix, "partitions": 4, "replication_factor": 1},
    })  # fmt: skip
    return rendered(values)


@pytest.fixture
def running() -> Iterator[list[subprocess.Popen[bytes]]]:
    found: list[subprocess.Popen[bytes]] = []
    yield found
    for process in found:
        process.kill()
        process.wait()


def status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refusal:
        return refusal.code
    except OSError:
        return 0


def test_each_pod_starts_as_the_chart_says_and_answers_its_probes(
    manifests: list[Manifest], running: list[subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    by_component: dict[str, Any] = {
        pod["metadata"]["labels"]["app.kubernetes.io/component"]: pod for _, pod in pods(manifests)
    }
    for component, names in PORTS.items():
        pod, root = by_component[component], tmp_path / component
        (container,) = pod["spec"]["containers"]
        for before in pod["spec"].get("initContainers", []):
            environment = os.environ | lay_out(manifests, pod, before, root)
            subprocess.run([ASSAY, *before["args"]], env=environment, check=True, capture_output=True, timeout=120)
        ports = dict(zip(names, free_ports(len(names)), strict=True))
        moved = {names[name]: str(port) for name, port in ports.items()}
        variables = [f"{name}={value}" for name, value in (lay_out(manifests, pod, container, root) | moved).items()]
        with (root / "log").open("ab") as log:
            running.append(
                spawn(["/usr/bin/env", *variables, ASSAY, *container["args"]], log=log, dies_with_parent=True)
            )
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            if probe in container:
                asked = container[probe]["httpGet"]
                url = f"http://127.0.0.1:{ports[asked['port']]}{asked['path']}"
                eventually(f"{component}: {probe} {url}", lambda url=url: status(url), lambda seen: seen == 200)
        assert running[-1].poll() is None, (root / "log").read_text()[-2000:]
