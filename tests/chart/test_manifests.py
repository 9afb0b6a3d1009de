"""What the chart makes is what Kubernetes takes, and what an operator expects, for every supported shape."""

import re
from functools import cache

import kubernetes_validate
import pytest
import yaml

from deploy.chart import CHART
from streams.shards.outputs import Names
from streams.topics_plan import desired_topics
from tests.chart.charts import CI, DASHBOARD, RULES, base, merged, one, pods, rendered, sdk, shape, text

OLDEST, NEWEST = "1.27", "1.37"
#: Kinds that are not Kubernetes' own. Their fields are asserted below.
FOREIGN = {
    ("monitoring.coreos.com/v1", "PodMonitor"),
    ("monitoring.coreos.com/v1", "PrometheusRule"),
    ("keda.sh/v1alpha1", "ScaledObject"),
    ("kafka.strimzi.io/v1", "KafkaTopic"),
    ("kafka.strimzi.io/v1", "KafkaUser"),
    ("kafka.strimzi.io/v1beta2", "KafkaTopic"),
    ("kafka.strimzi.io/v1beta2", "KafkaUser"),
}
EVERYTHING = shape("everything")


@pytest.fixture(scope="module", autouse=True)
def schemas_are_read_once():
    """The validator reads the same files for each object."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kubernetes_validate.utils, "schema_contents", cache(kubernetes_validate.utils.schema_contents))
        yield


def containers(pod):
    return pod["spec"].get("initContainers", []) + pod["spec"]["containers"]


def test_the_chart_declares_the_oldest_kubernetes_that_is_tested():
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())

    assert chart["apiVersion"] == "v2"
    assert chart["kubeVersion"] == f">={OLDEST}.0-0"
    assert re.match(r"\d+\.\d+", kubernetes_validate.latest_version())[0] == NEWEST


@pytest.mark.parametrize("name", CI)
def test_helm_finds_nothing_to_say(name):
    report = sdk.lint(CHART, shape(name), strict=True, kube_version=f"v{OLDEST}.0")

    assert report["errors"] == []
    assert [it for it in report["messages"] if it["severity"] > 1] == []


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("name", CI)
def test_kubernetes_takes_it_strictly(name, version):
    manifests = rendered(shape(name))

    assert manifests
    for manifest in manifests:
        # An unknown kind is an error here, unless it is known to be somebody else's.
        if (manifest["apiVersion"], manifest["kind"]) not in FOREIGN:
            kubernetes_validate.validate(manifest, version, strict=True)


def test_the_validation_bites():
    (manifest,) = [it for it in rendered(base()) if it["kind"] == "StatefulSet"]
    manifest["spec"]["template"]["spec"]["containers"][0]["livenessProb"] = {}

    with pytest.raises(kubernetes_validate.ValidationError, match="livenessProb"):
        kubernetes_validate.validate(manifest, NEWEST, strict=True)


@pytest.mark.parametrize("name", CI)
def test_names_are_unique_and_all_is_labelled(name):
    manifests = rendered(shape(name))
    keys = [(it["kind"], it["metadata"]["namespace"], it["metadata"]["name"]) for it in manifests]

    assert len(keys) == len(set(keys))
    for manifest in manifests:
        assert manifest["metadata"]["labels"].keys() >= {
            "app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/version",
            "app.kubernetes.io/managed-by", "helm.sh/chart",
        }  # fmt: skip
        assert len(manifest["metadata"]["name"]) <= 63 or manifest["kind"] in ("KafkaTopic", "KafkaUser")


@pytest.mark.parametrize("name", ["release", "a-release-whose-name-is-as-long-as-helm-takes-it-53-ch"])
def test_names_fit_with_a_release_of_any_name(name):
    values = merged(EVERYTHING, {"fullnameOverride": "", "nameOverride": ""})
    names = [it["metadata"]["name"] for it in rendered(values, name=name) if not it["kind"].startswith("Kafka")]

    # A StatefulSet's pods carry its name and eleven characters more in a label of 63.
    assert max(map(len, names)) <= 63
    assert max(len(it["metadata"]["name"]) for it in rendered(values, name=name) if it["kind"] == "StatefulSet") <= 52


@pytest.mark.parametrize("name", CI)
def test_selectors_have_nothing_that_an_upgrade_changes_and_find_their_pods(name):
    manifests = rendered(shape(name))
    labels = {pod_name: pod["metadata"]["labels"] for pod_name, pod in pods(manifests)}
    selectors = [
        it["spec"]["selector"].get("matchLabels", it["spec"]["selector"])
        for it in manifests
        if it["kind"] in ("StatefulSet", "Deployment", "Service", "PodDisruptionBudget")
    ]

    for selector in selectors:
        assert selector.keys() == {
            "app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/component",
        }  # fmt: skip
        assert len([it for it in labels.values() if selector.items() <= it.items()]) == 1
    for manifest in manifests:
        for claim in manifest["spec"].get("volumeClaimTemplates", []) if manifest["kind"] == "StatefulSet" else []:
            assert claim["metadata"]["labels"] == manifest["spec"]["selector"]["matchLabels"]


@pytest.mark.parametrize("name", CI)
def test_every_pod_keeps_the_restricted_level(name):
    for _, pod in pods(rendered(shape(name))):
        spec = pod["spec"]
        assert spec["automountServiceAccountToken"] is False
        assert spec["enableServiceLinks"] is False
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] > 0
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()
        assert {kind for volume in spec["volumes"] for kind in volume} <= {
            "name", "configMap", "secret", "projected", "emptyDir",
        }  # fmt: skip
        for container in containers(pod):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
            }  # fmt: skip
            assert not any("hostPort" in port for port in container.get("ports", []))
        for volume in spec["volumes"]:
            assert volume.get("emptyDir", {"sizeLimit": "-"})["sizeLimit"]


@pytest.mark.parametrize("name", CI)
def test_every_mount_has_its_volume_and_every_volume_is_mounted(name):
    manifests = rendered(shape(name))
    claims = {
        it["metadata"]["name"]: {claim["metadata"]["name"] for claim in it["spec"].get("volumeClaimTemplates", [])}
        for it in manifests
        if it["kind"] == "StatefulSet"
    }
    for owner, pod in pods(manifests):
        mounted = {mount["name"] for container in containers(pod) for mount in container.get("volumeMounts", [])}
        assert mounted == {volume["name"] for volume in pod["spec"]["volumes"]} | claims.get(owner, set())


def test_a_worker_is_a_statefulset_with_a_volume_each_or_a_bounded_directory():
    kept = one(rendered(shape("persistent")), "StatefulSet")["spec"]
    lost = one(rendered(shape("ephemeral")), "StatefulSet")["spec"]

    assert kept["podManagementPolicy"] == "Parallel"
    assert kept["persistentVolumeClaimRetentionPolicy"] == {"whenDeleted": "Retain", "whenScaled": "Delete"}
    (claim,) = kept["volumeClaimTemplates"]
    assert claim["spec"]["resources"]["requests"]["storage"] == "50Gi"
    assert "volumeClaimTemplates" not in lost
    assert {"name": "data", "emptyDir": {"sizeLimit": "4Gi"}} in lost["template"]["spec"]["volumes"]
    assert kept["template"]["spec"]["terminationGracePeriodSeconds"] > 20


def test_pods_begin_anew_when_what_they_read_changes():
    def annotations(**values):
        return one(rendered(base(**values)), "StatefulSet")["spec"]["template"]["metadata"]["annotations"]

    assert annotations() == annotations(monitoring={"podMonitor": {"enabled": True}})
    assert annotations() != annotations(config={"log_level": "debug"})
    assert annotations() != annotations(policy={"teams": {"payments": {"actors": 3}}})
    assert annotations() != annotations(prices={"book": "models: {}"})


def test_who_scales_sets_the_replicas_alone():
    keda, ingest = rendered(shape("keda")), rendered(shape("ingest"))

    assert one(keda, "ScaledObject")["spec"]["scaleTargetRef"]["name"] == one(keda, "StatefulSet")["metadata"]["name"]
    assert "replicas" not in one(keda, "StatefulSet")["spec"]
    assert "replicas" not in one(ingest, "StatefulSet", "-ingest")["spec"]
    assert one(ingest, "HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]["name"] == "assay-ingest"
    assert one(ingest, "StatefulSet", "-worker")["spec"]["replicas"] == 2


def test_keda_looks_at_the_group_and_the_topics_of_the_program():
    names = Names("prod.", "assay")
    triggers = one(rendered(shape("keda")), "ScaledObject")["spec"]["triggers"]

    assert {it["type"] for it in triggers} == {"kafka"}
    assert [it["metadata"]["topic"] for it in triggers] == [names.of("assay.usage.v1"), names.of("assay.outcomes.v1")]
    assert {it["metadata"]["consumerGroup"] for it in triggers} == {f"{names.prefix}{names.app_id}"}
    # KEDA takes text only.
    assert all(isinstance(value, str) for it in triggers for value in it["metadata"].values())
    assert triggers[0]["metadata"]["lagThreshold"] == "100000"
    assert {it["authenticationRef"]["name"] for it in triggers} == {"kafka-credentials"}


@pytest.mark.parametrize("replication_factor", [1, 2, 3])
def test_strimzis_topics_are_those_of_topics_plan(replication_factor):
    values = merged(shape("strimzi"), {"config": {"replication_factor": replication_factor}})
    found = {
        it["spec"]["topicName"]: (it["spec"]["partitions"], it["spec"]["replicas"], it["spec"]["config"])
        for it in rendered(values)
        if it["kind"] == "KafkaTopic"
    }
    plan = desired_topics(prefix="Prod_eu.", app_id="assay-eu", partitions=24, replication_factor=replication_factor)

    assert found == {it.name: (it.count, it.replication_factor, it.creation_config()) for it in plan}


def test_strimzis_objects_have_names_that_kubernetes_takes():
    for manifest in rendered(shape("strimzi")):
        if manifest["kind"].startswith("Kafka"):
            assert re.fullmatch(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?", manifest["metadata"]["name"])
            assert manifest["metadata"]["labels"]["strimzi.io/cluster"] == "main"
            assert manifest["metadata"]["namespace"] == "kafka"


def rights(values):
    user = one(rendered(values), "KafkaUser")["spec"]
    found = {}
    for acl in user["authorization"]["acls"]:
        resource = acl["resource"]
        key = (resource["type"], resource["name"], resource["patternType"])
        found[key] = found.get(key, set()) | set(acl["operations"])
    return found


def test_strimzis_user_may_do_what_the_readme_says_and_no_more():
    topic = {"Describe", "DescribeConfigs", "Write"}
    expected = {
        ("topic", "Prod_eu.assay.usage.v1", "literal"): topic | {"Read"},
        ("topic", "Prod_eu.assay.outcomes.v1", "literal"): topic | {"Read"},
        ("topic", "Prod_eu.assay-eu-state-changelog", "literal"): topic | {"Read"},
        ("topic", "Prod_eu.assay.kpis.v1", "literal"): topic,
        ("topic", "Prod_eu.assay.alerts.v1", "literal"): topic,
        ("topic", "Prod_eu.assay.dead-letters.v1", "literal"): topic,
        ("group", "Prod_eu.assay-eu", "literal"): {"Read", "Describe"},
        ("transactionalId", "Prod_eu.assay-eu-", "prefix"): {"Write", "Describe"},
    }
    assert rights(shape("strimzi")) == expected

    bridged = rights(merged(shape("strimzi"), {"forward": {"alertmanager": {"enabled": True, "urlSecret": "a"}}}))
    assert bridged == expected | {
        ("topic", "Prod_eu.assay.alerts.v1", "literal"): topic | {"Read"},
        ("group", "Prod_eu.assay-alertmanager", "literal"): {"Read", "Describe"},
    }


def test_the_consoles_part_is_to_read():
    watched = rights(merged(shape("strimzi"), {"console": {"enabled": True, "tokenSecret": "tokens"}}))
    topics = {key[1]: operations for key, operations in watched.items() if key[0] == "topic"}

    assert all("Read" in operations for operations in topics.values())
    assert {key for key in watched if key[0] == "group"} == {("group", "Prod_eu.assay-eu", "literal")}


def test_the_console_finds_workers_and_ingest_by_their_names():
    values = merged(shape("ingest"), {"console": {"enabled": True, "tokenSecret": "tokens"}})
    manifests = rendered(values)
    (container,) = one(manifests, "Deployment", "-console")["spec"]["template"]["spec"]["containers"]
    environment = {it["name"]: it.get("value") for it in container["env"]}
    services = {it["metadata"]["name"]: it["spec"] for it in manifests if it["kind"] == "Service"}

    for setting, port in (("ASSAY_CONSOLE__WORKERS", 6066), ("ASSAY_CONSOLE__INGESTS", 6069)):
        name, namespace, rest = environment[setting].removeprefix("http://").split(".")
        assert (namespace, rest) == ("streams", f"svc:{port}")
        assert services[name]["clusterIP"] == "None"


def test_a_network_policy_lets_in_who_is_named_and_out_to_what_is_needed():
    policy = one(rendered(EVERYTHING), "NetworkPolicy")["spec"]
    pages, people, bodies = policy["ingress"]

    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert {it["port"] for it in pages["ports"]} == {6066, 6067, 6069, 6071}
    own = {"app.kubernetes.io/name": "spend", "app.kubernetes.io/instance": "assay"}
    assert pages["from"] == [*EVERYTHING["networkPolicy"]["scrapers"], {"podSelector": {"matchLabels": own}}]
    assert people == {"ports": [{"port": 6070, "protocol": "TCP"}], "from": EVERYTHING["networkPolicy"]["clients"]}
    assert bodies == {"ports": [{"port": 6068, "protocol": "TCP"}], "from": EVERYTHING["networkPolicy"]["clients"]}
    assert [it["ports"][0]["port"] for it in policy["egress"]] == [53, 9093, 6066, 8081]
    assert one(rendered(base(networkPolicy={"enabled": True})), "NetworkPolicy")["spec"]["ingress"][0]["from"] == [
        {"podSelector": {}}
    ]


def test_prometheus_scrapes_every_pod_that_has_metrics():
    values = merged(
        EVERYTHING, {"forward": shape("forward")["forward"] | {"alertmanager": {"enabled": True, "urlSecret": "a"}}}
    )
    manifests = rendered(values)
    monitor = one(manifests, "PodMonitor")["spec"]
    (endpoint,) = monitor["podMetricsEndpoints"]
    scraped = [
        name
        for name, pod in pods(manifests)
        for port in pod["spec"]["containers"][0].get("ports", [])
        if port["name"] == endpoint["port"]
        and monitor["selector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
    ]

    assert scraped == [
        "spend-eu-console", "spend-eu-forward-alertmanager", "spend-eu-forward-webhook", "spend-eu-ingest", "spend-eu-worker",
    ]  # fmt: skip
    assert endpoint["path"] == "/metrics"


def test_rules_and_dashboards_are_the_files_as_they_lie_there():
    manifests = rendered(shape("monitoring"), files=True)
    rules = {it["metadata"]["name"]: it["spec"] for it in manifests if it["kind"] == "PrometheusRule"}
    boards = [it for it in manifests if it["kind"] == "ConfigMap" and "grafana_dashboard" in it["metadata"]["labels"]]

    assert rules["assay-example-rules"] == yaml.safe_load(RULES)
    assert [text for it in boards for text in it["data"].values() if "Example" in text] == [DASHBOARD]
    assert len(rules) == 1 + len([*(CHART / "files" / "rules").glob("*.yaml")])
    assert len(boards) == 1 + len([*(CHART / "files" / "dashboards").glob("*.json")])
    for path in (CHART / "files" / "rules").glob("*.yaml"):
        assert {"groups": yaml.safe_load(path.read_text())["groups"]} in rules.values()


def test_links_of_alerts_lead_to_where_the_operator_has_docs_and_dashboards():
    values = merged(
        shape("monitoring"),
        {"monitoring": {"docsUrl": "https://git.corp/assay/blob/main", "grafanaUrl": "https://g.corp"}},
    )
    made = yaml.safe_dump(rendered(values, files=True))

    assert "https://git.corp/assay/blob/main/docs/runbook.md#x" in made
    assert "https://g.corp/d/x" in made
    assert "example.com" not in made


def test_a_secret_is_in_a_secret_only():
    values = base(config={"insecure_dev_key": False}, pseudonymKey={"value": "sixteen-bytes-or-more"})
    manifests = rendered(values)

    assert "sixteen-bytes-or-more" not in yaml.safe_dump([it for it in manifests if it["kind"] != "Secret"])
    assert one(manifests, "Secret")["data"] == {"pseudonym-key": "c2l4dGVlbi1ieXRlcy1vci1tb3Jl"}


def test_notes_say_what_is_there_and_warn_of_what_is_open():
    def notes(values):
        return text(values)["assay/templates/NOTES.txt"]

    minimal, ingest, everything = notes(shape("minimal")), notes(shape("ingest")), notes(EVERYTHING)

    assert "statefulset/assay-worker" in minimal
    assert "WARNING: config.insecure_dev_key" in minimal
    assert "WARNING: networkPolicy.enabled is false" in minimal
    assert "https://assay.example.com/" in ingest
    assert "WARNING" not in everything
    assert "WARNING: worker.replicas (5) is more than config.partitions (4)" in notes(base(worker={"replicas": 5}))
    assert "run `assay topics apply`" in notes(base(topics={"apply": False}))
    assert "WARNING: ingest.persistence.enabled is false" in notes(shape("ingest-tls"))


def test_nobody_has_rights_in_the_cluster():
    kinds = {it["kind"] for name in CI for it in rendered(shape(name))}

    assert not kinds & {"Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"}
    assert one(rendered(base()), "ServiceAccount")["automountServiceAccountToken"] is False
