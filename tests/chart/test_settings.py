"""What the chart sets is what the program reads: each container's files and variables, laid out and given to ``assay check``."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from streams.cli import main
from tests.chart.charts import CI, base, merged, one, pods, rendered, shape
from tests.chart.containers import lay_out


def checked(values: dict[str, Any], component: str, root: Path) -> dict[str, Any]:
    """What ``assay check config --json`` says in this component's container."""
    manifests = rendered(values)
    ((_, pod),) = [
        it for it in pods(manifests) if it[1]["metadata"]["labels"]["app.kubernetes.io/component"] == component
    ]
    environment = lay_out(manifests, pod, pod["spec"]["containers"][0], root)
    ran = CliRunner(catch_exceptions=False).invoke(main, ["check", "config", "--json"], env=environment)
    assert ran.exit_code == 0, f"{ran.stdout}{ran.stderr}"
    # On standard error it would say that there is no key.
    assert ran.stderr == ""
    document: dict[str, Any] = json.loads(ran.stdout)
    return document


COMPONENTS = [
    (name, pod["metadata"]["labels"]["app.kubernetes.io/component"])
    for name in CI
    for _, pod in pods(rendered(shape(name)))
    if pod["metadata"]["labels"]["app.kubernetes.io/component"] != "test"
]


@pytest.mark.parametrize(("name", "component"), [it for it in COMPONENTS if it != ("ingest-tls", "ingest")])
def test_the_program_reads_all_of_it(name, component, tmp_path):
    found = checked(shape(name), component, tmp_path)

    given = flat(shape(name).get("config", {}))
    settings = flat(found["settings"])
    assert given.items() <= settings.items()
    assert settings["data_dir"] == f"{tmp_path}/var/lib/assay"


def test_the_files_of_tls_are_where_the_program_looks(tmp_path):
    with pytest.raises(AssertionError, match=r"ingest\.tls_certificate_file.*are no certificate and its key"):
        checked(shape("ingest-tls"), "ingest", tmp_path)


def test_a_file_that_is_not_mounted_is_found_out(tmp_path):
    values = shape("persistent")
    manifests = rendered(values)
    ((_, pod),) = [it for it in pods(manifests) if it[0].endswith("-worker")]
    container = pod["spec"]["containers"][0]
    container["volumeMounts"] = [it for it in container["volumeMounts"] if it["name"] != "key"]
    environment = lay_out(manifests, pod, container, tmp_path)

    assert CliRunner().invoke(main, ["check", "config"], env=environment).exit_code == 3


def test_a_url_of_a_secret_reaches_the_bridge(tmp_path):
    webhook = checked(shape("forward"), "forward-webhook", tmp_path)

    assert webhook["settings"]["webhook"]["url"].endswith("@receiver.example.com/")
    assert webhook["origins"]["webhook.url"] == {"kind": "env", "name": "ASSAY_WEBHOOK__URL"}


def test_the_policy_the_prices_and_who_may_post_are_in_force(tmp_path):
    policy = checked(shape("persistent"), "worker", tmp_path / "worker")["policy"]
    assert "payments" in json.dumps(policy)

    manifests = rendered(shape("ingest"))
    sources = yaml.safe_load(one(manifests, "ConfigMap")["data"]["sources.yaml"])
    assert sources == {"sources": shape("ingest")["ingest"]["sources"], "linking": shape("ingest")["ingest"]["linking"]}


def test_a_worker_is_a_member_of_its_group_by_the_name_of_its_pod(tmp_path):
    static = checked(base(), "worker", tmp_path / "static")
    fleeting = checked(merged(base(), {"worker": {"staticMembership": False}}), "worker", tmp_path / "fleeting")

    assert static["settings"]["instance_id"] == "streams.assay-worker-0"
    assert static["settings"]["session_timeout_seconds"] == 45
    assert fleeting["settings"]["instance_id"] == ""


def test_large_numbers_stay_whole(tmp_path):
    found = checked(merged(base(), {"config": {"dedupe": {"max_ids_per_partition": 2**32}}}), "worker", tmp_path)

    assert found["settings"]["dedupe"]["max_ids_per_partition"] == 2**32


@pytest.mark.parametrize("name", CI)
def test_ports_are_those_that_the_settings_say(name):
    manifests = rendered(shape(name))
    settings = yaml.safe_load(
        one([it for it in manifests if "assay.yaml" in it.get("data", {})], "ConfigMap")["data"]["assay.yaml"]
    )
    expected = {
        "worker": {"web": settings["web_port"]},
        "ingest": {"ingest": settings["ingest"]["port"], "web": settings["ingest"]["web_port"]},
        "console": {"console": settings["console"]["port"], "web": settings["console"]["web_port"]},
        "forward-alertmanager": {"web": settings["forward"]["metrics_port"]},
        "forward-webhook": {"web": settings["forward"]["metrics_port"]},
    }
    for _, pod in pods(manifests):
        component = pod["metadata"]["labels"]["app.kubernetes.io/component"]
        if component != "test":
            ports = {it["name"]: it["containerPort"] for it in pod["spec"]["containers"][0]["ports"]}
            assert ports == expected[component]


def flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return found
