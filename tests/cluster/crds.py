"""Definitions of foreign kinds, of our own making: any field is taken, so that nothing is said about their fields."""

from typing import Any

__all__ = ["DEFINITIONS"]

_KINDS = (
    ("monitoring.coreos.com", "podmonitors", "PodMonitor", ("v1",)),
    ("monitoring.coreos.com", "prometheusrules", "PrometheusRule", ("v1",)),
    ("keda.sh", "scaledobjects", "ScaledObject", ("v1alpha1",)),
    ("kafka.strimzi.io", "kafkatopics", "KafkaTopic", ("v1", "v1beta2")),
    ("kafka.strimzi.io", "kafkausers", "KafkaUser", ("v1", "v1beta2")),
)


def _definition(group: str, plural: str, kind: str, versions: tuple[str, ...]) -> dict[str, Any]:
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "names": {"plural": plural, "singular": kind.lower(), "kind": kind},
            "scope": "Namespaced",
            "versions": [
                {"name": version, "served": True, "storage": version == versions[0], "schema": schema}
                for version in versions
            ],
        },
    }


DEFINITIONS = [_definition(*kind) for kind in _KINDS]
