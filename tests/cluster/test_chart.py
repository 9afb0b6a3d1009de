"""The chart on a real Kubernetes API server, by a real Helm: ``make test-cluster``.

Nothing runs, as there is no kubelet; what the server decides is decided for real: validation, admission, rights.
"""

import copy
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.chart import CHART
from deploy.cluster.building import MISSING, installed
from deploy.cluster.running import Cluster, Refused, cluster
from tests.chart.charts import CI, Manifest, merged, pods, rendered, shape
from tests.cluster.crds import DEFINITIONS
from tests.integration.workers import eventually

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif("ASSAY_TEST_CLUSTER" not in os.environ, reason="`make test-cluster` runs this"),
]
BUILD = Path(__file__).parents[2] / "build"
#: What a release looked like before: other settings, another image, fewer workers.
BEFORE = {"image": {"tag": "0.0.9", "digest": ""}, "config": {"log_level": "debug"}, "commonLabels": {"before": "yes"}}


@pytest.fixture(scope="module")
def kubernetes() -> Iterator[Cluster]:
    assert installed(), MISSING
    with cluster(BUILD / f"test-cluster-{os.getpid()}") as found:
        definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        for definition in DEFINITIONS:
            found.ask("POST", definitions, definition)
        for definition in DEFINITIONS:
            group, version = definition["spec"]["group"], definition["spec"]["versions"][-1]["name"]
            eventually(
                f"{definition['metadata']['name']} is served",
                lambda at=f"/apis/{group}/{version}", plural=definition["spec"]["names"]["plural"]: (
                    plural in served(found, at)
                ),
            )
        yield found


def served(kubernetes: Cluster, path: str) -> list[str]:
    try:
        return [it["name"] for it in kubernetes.ask("GET", path)["resources"]]
    except Refused:
        return []


def namespace_of(kubernetes: Cluster, name: str) -> str:
    """A namespace that takes restricted pods only, and the accounts that a controller would make, or an operator."""
    labels = {
        "pod-security.kubernetes.io/enforce": "restricted",
        "pod-security.kubernetes.io/enforce-version": "latest",
    }
    kubernetes.ask("POST", "/api/v1/namespaces", {"metadata": {"name": name, "labels": labels}})
    for account in ("default", "spend"):
        kubernetes.ask("POST", f"/api/v1/namespaces/{name}/serviceaccounts", {"metadata": {"name": account}})
    return name


def make_accounts(kubernetes: Cluster, name: str, namespace: str) -> None:
    """The chart's own service account, without which no pod is admitted."""
    for manifest in rendered(shape(name), namespace=namespace):
        if manifest["kind"] == "ServiceAccount":
            kubernetes.ask("POST", kubernetes.path_of(manifest, namespace), manifest)


@pytest.fixture(scope="module", autouse=True)
def others(kubernetes: Cluster) -> None:
    kubernetes.ask("POST", "/api/v1/namespaces", {"metadata": {"name": "kafka"}})
    priority = {"metadata": {"name": "streaming"}, "value": 1000}
    kubernetes.ask("POST", "/apis/scheduling.k8s.io/v1/priorityclasses", priority)


def helm(kubernetes: Cluster, namespace: str) -> Any:
    from helm_python.config import Config

    return Config(
        kube_apiserver=kubernetes.url, kube_token=kubernetes.token, kube_insecure_skip_tls_verify=True, namespace=namespace,
        kubeconfig_content=kubeconfig(kubernetes),
    )  # fmt: skip


def kubeconfig(kubernetes: Cluster) -> str:
    return (
        "{apiVersion: v1, kind: Config, current-context: it, contexts: [{name: it, context: {cluster: it, user: it}}], "
        f"clusters: [{{name: it, cluster: {{server: '{kubernetes.url}', insecure-skip-tls-verify: true}}}}], "
        f"users: [{{name: it, user: {{token: {kubernetes.token}}}}}]}}"
    )


def live(kubernetes: Cluster, manifest: Manifest, namespace: str) -> Manifest | None:
    try:
        found: Manifest = kubernetes.ask(
            "GET", f"{kubernetes.path_of(manifest, namespace)}/{manifest['metadata']['name']}"
        )
    except Refused as refusal:
        if refusal.status == 404:
            return None
        raise
    return found


def kept(manifests: list[Manifest]) -> list[Manifest]:
    """Without what Helm runs as a hook."""
    return [it for it in manifests if "helm.sh/hook" not in it["metadata"].get("annotations", {})]


@pytest.mark.parametrize("name", CI)
def test_helm_installs_upgrades_rolls_back_and_uninstalls(kubernetes, name):
    namespace = namespace_of(kubernetes, f"release-{name}")
    values = shape(name)
    previous = merged(values, BEFORE)
    before, after = (kept(rendered(it, namespace=namespace)) for it in (previous, values))
    (worker,) = [it for it in after if it["kind"] == "StatefulSet" and it["metadata"]["name"].endswith("-worker")]

    def image() -> str:
        found = live(kubernetes, worker, namespace)
        assert found is not None
        return str(found["spec"]["template"]["spec"]["containers"][0]["image"])

    with helm(kubernetes, namespace) as release:
        release.install(CHART, "assay", previous, namespace=namespace)
        assert image().endswith(":0.0.9")
        assert all(live(kubernetes, it, namespace) for it in before)
        assert live(kubernetes, worker, namespace)["metadata"]["labels"]["before"] == "yes"

        release.upgrade(CHART, "assay", values, namespace=namespace)
        assert not image().endswith(":0.0.9")
        assert all(live(kubernetes, it, namespace) for it in after)
        assert "before" not in live(kubernetes, worker, namespace)["metadata"]["labels"]

        release.rollback("assay", version=1)
        assert image().endswith(":0.0.9")

        release.uninstall("assay")
    left = [
        it
        for it in after
        if live(kubernetes, it, namespace) and not live(kubernetes, it, namespace)["metadata"].get("deletionTimestamp")
    ]
    # Topics hold what cannot be computed again.
    assert {it["kind"] for it in left} <= {"KafkaTopic"}
    for topic in left:
        kubernetes.ask("DELETE", f"{kubernetes.path_of(topic, namespace)}/{topic['metadata']['name']}")


@pytest.mark.parametrize("name", CI)
def test_the_server_takes_every_object_strictly(kubernetes, name):
    namespace = namespace_of(kubernetes, f"strict-{name}")
    make_accounts(kubernetes, name, namespace)

    for manifest in rendered(shape(name), namespace=namespace):
        kubernetes.strictly(manifest, namespace)


def test_strictly_bites(kubernetes):
    namespace = namespace_of(kubernetes, "strict-bites")
    (manifest,) = [it for it in rendered(shape("minimal"), namespace=namespace) if it["kind"] == "StatefulSet"]
    manifest["spec"]["template"]["spec"]["containers"][0]["livenessProb"] = {}

    with pytest.raises(Refused, match="livenessProb"):
        kubernetes.strictly(manifest, namespace)


def pod_of(owner: str, template: Manifest, claims: list[Manifest]) -> Manifest:
    """The pod that a controller would make of a template, with the volumes of a StatefulSet's claims."""
    spec = copy.deepcopy(template["spec"])
    spec["volumes"] = spec.get("volumes", []) + [
        {"name": it["metadata"]["name"], "persistentVolumeClaim": {"claimName": f"{it['metadata']['name']}-{owner}-0"}}
        for it in claims
    ]
    metadata = {"name": f"{owner}-0", "labels": template["metadata"]["labels"]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def pods_of(name: str, namespace: str) -> list[Manifest]:
    manifests = rendered(shape(name), namespace=namespace)
    claims = {
        it["metadata"]["name"]: it["spec"].get("volumeClaimTemplates", [])
        for it in manifests
        if it["kind"] == "StatefulSet"
    }
    return [pod_of(owner, template, claims.get(owner, [])) for owner, template in pods(manifests)]


@pytest.mark.parametrize("name", CI)
def test_a_namespace_that_is_restricted_admits_every_pod(kubernetes, name):
    namespace = namespace_of(kubernetes, f"pods-{name}")
    make_accounts(kubernetes, name, namespace)

    for pod in pods_of(name, namespace):
        made = kubernetes.ask("POST", f"/api/v1/namespaces/{namespace}/pods?fieldValidation=Strict", pod)
        # The token of the account is in no pod: nothing was mounted at admission.
        assert not [it for it in made["spec"]["volumes"] if it["name"].startswith("kube-api-access")]


def test_the_admission_bites(kubernetes):
    namespace = namespace_of(kubernetes, "pods-bite")
    pod = next(it for it in pods_of("minimal", namespace) if it["metadata"]["name"].endswith("-worker-0"))
    pod["spec"]["serviceAccountName"] = "default"
    pod["spec"]["containers"][0]["securityContext"].pop("capabilities")

    with pytest.raises(Refused, match=re.escape('violates PodSecurity "restricted:latest": unrestricted capabilities')):
        kubernetes.ask("POST", f"/api/v1/namespaces/{namespace}/pods", pod)


@pytest.mark.parametrize("name", ["minimal", "everything"])
def test_the_service_account_may_do_nothing_that_any_account_may_not(kubernetes, name):
    namespace = namespace_of(kubernetes, f"rights-{name}")
    with helm(kubernetes, namespace) as release:
        release.install(CHART, "assay", shape(name), namespace=namespace)
    (account,) = {pod["spec"]["serviceAccountName"] for pod in pods_of(name, namespace)}

    def rights(user: str) -> list[Any]:
        asked = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectRulesReview",
            "spec": {"namespace": namespace},
        }
        status = kubernetes.ask("POST", "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", asked, user=user)[
            "status"
        ]
        assert not status["incomplete"]
        return sorted([*status["resourceRules"], *status["nonResourceRules"]], key=repr)

    def may(verb: str, resource: str) -> bool:
        attributes = {"namespace": namespace, "verb": verb, "resource": resource}
        asked = {
            "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }  # fmt: skip
        user = f"system:serviceaccount:{namespace}:{account}"
        answer = kubernetes.ask("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", asked, user=user)
        return bool(answer["status"]["allowed"])

    assert rights(f"system:serviceaccount:{namespace}:{account}") == rights(
        f"system:serviceaccount:{namespace}:stranger"
    )
    for resource in ("pods", "secrets", "configmaps", "persistentvolumeclaims", "endpoints", "serviceaccounts"):
        assert not [verb for verb in ("get", "list", "watch", "create", "update", "delete") if may(verb, resource)], (
            resource
        )
