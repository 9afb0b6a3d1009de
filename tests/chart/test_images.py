"""The image and the compose file, as far as they can be judged without a Docker engine."""

import fnmatch
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from deploy.chart import CHART
from deploy.local.distribution import KAFKA_VERSION
from streams.cli import main

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "deploy" / "docker" / "Dockerfile"
LOCAL = ROOT / "deploy" / "local"
COMPOSE = yaml.safe_load((LOCAL / "compose.yaml").read_text())
OURS = {name: service for name, service in COMPOSE["services"].items() if service["image"] == "assay:local"}


def instructions(word):
    joined = DOCKERFILE.read_text().replace("\\\n", " ")
    return [line.split(maxsplit=1)[1] for line in joined.splitlines() if line.startswith(f"{word} ")]


def test_hadolint_finds_nothing():
    hadolint = shutil.which("hadolint", path=str(Path(sys.executable).parent))
    if hadolint is None:
        pytest.skip("no hadolint for this platform")
    ran = subprocess.run([hadolint, DOCKERFILE], capture_output=True, text=True, check=False)

    assert (ran.returncode, ran.stdout) == (0, "")


def test_the_image_runs_as_the_user_that_the_chart_names():
    security = yaml.safe_load((CHART / "values.yaml").read_text())["podSecurityContext"]

    assert instructions("USER") == [f"{security['runAsUser']}:{security['runAsGroup']}"]
    assert instructions("ENTRYPOINT") == ['["assay"]']


def test_the_image_is_built_of_pinned_versions_only():
    installs = re.findall(r"install --no-cache-dir [^&]+", " ".join(instructions("RUN")))

    assert len(installs) == 2
    assert all("-c constraints.txt" in it for it in installs)


def test_what_is_copied_is_there_and_reaches_the_build():
    ignored = (ROOT / ".dockerignore").read_text().split("\n")
    sources = [path for it in instructions("COPY") if not it.startswith("--from") for path in it.split()[:-1]]

    def reaches(path):
        kept = True
        for rule in filter(None, ignored):
            pattern = rule.lstrip("!")
            if not rule.startswith("#") and (fnmatch.fnmatch(path, pattern) or path.startswith(f"{pattern}/")):
                kept = rule.startswith("!")
        return kept

    assert sources
    for path in sources:
        assert (ROOT / path).exists(), path
        assert reaches(path), path
    for path in ("deploy/helm", "tests", ".git", ".venv", "streams/core/engine.cpython-311-x86_64-linux-gnu.so"):
        assert not reaches(path), path


def test_compose_runs_commands_that_exist():
    for name, service in OURS.items():
        ran = CliRunner().invoke(main, [*service["command"], "--help"])
        assert ran.exit_code == 0, name


def test_compose_sets_what_the_program_reads(tmp_path):
    environment = dict(COMPOSE["x-assay"]["environment"])
    assert all(service["environment"] == environment for service in OURS.values())
    # The files of ingest, where its container has them.
    mounted = dict(it.removesuffix(":ro").split(":") for it in OURS["ingest"]["volumes"])
    for source, target in mounted.items():
        if source.startswith("."):
            shutil.copy(LOCAL / source, tmp_path / Path(target).name)
    environment["ASSAY_INGEST__SOURCES_FILE"] = str(tmp_path / Path(environment["ASSAY_INGEST__SOURCES_FILE"]).name)
    ran = CliRunner().invoke(main, ["check", "config"], env=environment)

    assert ran.exit_code == 0, ran.output
    assert "proxy: litellm" in ran.output


def test_compose_mounts_what_is_there():
    for service in COMPOSE["services"].values():
        for volume in service.get("volumes", []):
            source, target = volume.split(":")[:2]
            assert target.startswith("/")
            # What another part of the chart brings may be empty, and is a directory that Docker would make.
            assert (LOCAL / source).exists() if source.startswith(".") else source in COMPOSE["volumes"], volume


def test_compose_opens_ports_to_this_machine_only():
    ports = [port for service in COMPOSE["services"].values() for port in service.get("ports", [])]

    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_compose_pins_its_images_and_the_kafka_that_is_tested():
    images = {name: service["image"] for name, service in COMPOSE["services"].items() if name not in OURS}

    assert images["kafka"] == f"apache/kafka:{KAFKA_VERSION}"
    assert all(re.search(r":v?\d+\.\d+\.\d+$", image) for image in images.values())


def test_prometheus_scrapes_what_compose_starts():
    configuration = yaml.safe_load((LOCAL / "compose" / "prometheus.yaml").read_text())
    (job,) = configuration["scrape_configs"]
    targets = {target for part in job["static_configs"] for target in part["targets"]}

    assert targets == {"worker:6066", "ingest:6069", "forward:6067"}
    assert {it.split(":")[0] for it in targets} <= OURS.keys()
    assert configuration["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"] == ["alertmanager:9093"]
    dashboards = yaml.safe_load((LOCAL / "compose" / "grafana" / "dashboards.yaml").read_text())
    assert (
        f"../helm/assay/files/dashboards:{dashboards['providers'][0]['options']['path']}:ro"
        in COMPOSE["services"]["grafana"]["volumes"]
    )
