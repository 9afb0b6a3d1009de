"""A real Prometheus, and its own checker, for tests of metrics, rules and dashboards."""

import fcntl
import json
import re
import shutil
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.local.child import spawn
from deploy.local.properties import free_ports
from tests.integration.workers import eventually

__all__ = ["Prometheus", "hurried", "program", "prometheus_program", "promtool", "running"]

UNPACKED = Path(__file__).parents[1] / "build" / "promtool"
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def program(name: str) -> str:
    """The path of ``prometheus`` or ``promtool``: the machine's, or Debian's, downloaded once and unpacked, not installed."""
    if found := shutil.which(name):
        return found
    unpacked = UNPACKED / "usr" / "bin" / name
    if not (shutil.which("apt-get") and shutil.which("dpkg")):
        pytest.skip(f"{name} is not installed, and this is not a Debian that could download it")
    UNPACKED.mkdir(parents=True, exist_ok=True)
    with (UNPACKED / "lock").open("w") as lock:
        # Processes that share the tests come here at once.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not unpacked.exists():
            fetched = subprocess.run(
                ["apt-get", "download", "prometheus"], cwd=UNPACKED, capture_output=True, text=True, check=False
            )
            packages = sorted(UNPACKED.glob("prometheus_*.deb"))
            if fetched.returncode or not packages:
                pytest.skip(
                    f"{name} is not installed and Debian's cannot be downloaded: {fetched.stderr.strip()[-200:]}"
                )
            subprocess.run(["dpkg", "-x", packages[-1].name, "."], cwd=UNPACKED, check=True)
            packages[-1].unlink()
    return str(unpacked)


@pytest.fixture(scope="module")
def promtool() -> str:
    """Checks metrics and rules."""
    return program("promtool")


@pytest.fixture(scope="module")
def prometheus_program() -> str:
    """Scrapes, records and fires."""
    return program("prometheus")


def hurried(rules: Path, times: int) -> dict[str, Any]:
    """A rule file in which everything lasts so many times less: ranges, offsets and ``for``; nothing else is changed."""

    def shorter(found: re.Match[str]) -> str:
        return f"{max(1, int(found[1]) * _SECONDS[found[2]] // times)}s"

    document: dict[str, Any] = yaml.safe_load(rules.read_text())
    for group in document["groups"]:
        for rule in group["rules"]:
            # A duration stands in brackets or after an offset; names of recorded series have some, too.
            rule["expr"] = re.sub(
                r"(?:(?<=\[)|(?<=offset ))(\d+)([smhd])\b", shorter, str(rule["expr"])
            )  # fmt: skip
            if "for" in rule:
                rule["for"] = re.sub(r"(\d+)([smhd])", shorter, rule["for"])
    return document


class Prometheus:
    """One that scrapes every second."""

    def __init__(self, url: str) -> None:
        self.url = url

    def query(self, promql: str) -> list[dict[str, Any]]:
        """The samples of an instant query; fails where Prometheus cannot read it."""
        return list(self._ask("query?" + urllib.parse.urlencode({"query": promql}))["result"])

    def firing(self) -> set[str]:
        """The names of alerts that fire."""
        return {it["labels"]["alertname"] for it in self._ask("alerts")["alerts"] if it["state"] == "firing"}

    def _ask(self, what: str) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.url}/api/v1/{what}", timeout=10) as answer:
            found = json.load(answer)
        assert found["status"] == "success", found
        return dict(found["data"])


@contextmanager
def running(
    program: str,
    directory: Path,
    targets: Sequence[str],
    rules: Sequence[dict[str, Any]],
    alertmanager: str | None = None,
) -> Iterator[Prometheus]:
    """A Prometheus with these scrape targets and rules, gone afterwards."""
    directory.mkdir(parents=True, exist_ok=True)
    files = []
    for number, document in enumerate(rules):
        file = directory / f"rules-{number}.yml"
        file.write_text(yaml.safe_dump(document))
        files.append(str(file))
    configuration = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": files,
        "scrape_configs": [{"job_name": "assay", "static_configs": [{"targets": list(targets)}]}],
    }
    if alertmanager is not None:
        configuration["alerting"] = {
            "alertmanagers": [{"static_configs": [{"targets": [alertmanager.removeprefix("http://")]}]}]
        }
    (directory / "prometheus.yml").write_text(yaml.safe_dump(configuration))
    (port,) = free_ports(1)
    command = [
        program, f"--config.file={directory / 'prometheus.yml'}", f"--storage.tsdb.path={directory / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn",
    ]  # fmt: skip
    log = directory / "prometheus.log"
    with log.open("ab") as output:
        process = spawn(command, log=output, dies_with_parent=True)
    found = Prometheus(f"http://127.0.0.1:{port}")

    def answers() -> bool:
        assert process.poll() is None, log.read_text()[-2_000:]
        try:
            with urllib.request.urlopen(f"{found.url}/-/ready", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    try:
        eventually("Prometheus answers", answers)
        yield found
    finally:
        process.kill()
        process.wait()
