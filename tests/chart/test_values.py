"""Each value of the chart is explained, checked and used; what is wrong is refused with a sentence."""

import json
import re
from typing import Any

import jsonschema
import pytest

from deploy import chart
from deploy.chart import CHART, OWNED
from streams.settings_page import documented_keys
from tests.chart.charts import CI, base, merged, refused, sdk_errors, shape, text

VALUES = chart.values()
SCHEMA = json.loads((CHART / "values.schema.json").read_text())
#: Values whose other value cannot be made by rule.
OTHERS: dict[str, Any] = {
    "worker.startupSeconds": 600,
    "ingest.startupSeconds": 600,
    "extraEnv": [{"name": "ASSAY_LOG_LEVEL", "value": "debug"}],
    "extraVolumeMounts": [{"name": "tmp", "mountPath": "/further"}],
    "image.digest": "sha256:" + "1" * 64,
    "image.pullPolicy": "Never",
    "imagePullSecrets": [{"name": "other"}],
    "ingest.autoscaling.targetCPUUtilizationPercentage": 50,
    "ingest.ingress.path": "/other",
    "ingest.service.type": "NodePort",
    "ingest.sources": [{"name": "other", "kind": "otlp", "token_file": "other"}],
    "ingest.tolerations": [{"key": "other", "operator": "Exists"}],
    "monitoring.docsUrl": "https://other.example.com",
    "monitoring.grafanaUrl": "https://other.example.com",
    "monitoring.podMonitor.interval": "17s",
    "monitoring.podMonitor.scrapeTimeout": "7s",
    "networkPolicy.brokerPorts": [9999],
    "policy": {"teams": {"other": {"actors": 7}}},
    "prices.book": "models: {}",
    "pseudonymKey.value": "a-key-of-sixteen-bytes",
    "strimzi.apiVersion": "kafka.strimzi.io/v1beta2",
    "strimzi.user.authentication": "tls",
}


def nested(key: str, value: Any) -> dict[str, Any]:
    for part in reversed(key.split(".")):
        value = {part: value}
    return value


def other(key: str, value: Any) -> Any:
    """Another value of the same kind."""
    if key in OTHERS:
        return OTHERS[key]
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if key.endswith(("spread", "whenDeleted", "whenScaled")):
        return next(
            it for it in ("none", "soft", "Retain", "Delete") if it != value and it[0].isupper() == value[0].isupper()
        )
    if key.endswith(("ize", "SizeLimit")):
        return "77Gi"
    if key.endswith("processing_guarantee"):
        return "at_least_once"
    if key.endswith("accessModes"):
        return ["ReadWriteOncePod"]
    if isinstance(value, list):
        return [{"other": "thing"}]
    return {"other": "thing"} if isinstance(value, dict) else "other"


#: What is made of each shape as it is; where everything is on first, most values show there.
PLAIN = {name: text(shape(name)) for name in sorted(CI, key="everything".__ne__)}


@pytest.mark.parametrize("value", VALUES, ids=[it.key for it in VALUES])
def test_each_value_is_explained_and_changes_what_is_made(value):
    assert value.meaning, f"{value.key} has no comment above it"
    default = json.loads(value.default)
    # Of a switch both are tried: a shape may have turned it.
    changes = [
        nested(value.key, it) for it in ([True, False] if isinstance(default, bool) else [other(value.key, default)])
    ]
    tried = []
    for name, before in PLAIN.items():
        for changed in changes:
            try:
                after = text(merged(shape(name), changed))
            except sdk_errors() as error:  # This shape excludes it; another may take it.
                tried.append(f"{name}: {str(error).splitlines()[-1]}")
                continue
            if after != before:
                return

    raise AssertionError(f"{value.key} is used nowhere; {tried}")


def keys_of(schema: dict[str, Any], prefix: str = "") -> set[str]:
    schema = resolved(schema)
    found = set()
    for name, given in schema.get("properties", {}).items():
        key = f"{prefix}{name}"
        found |= keys_of(given, f"{key}.") if resolved(given).get("additionalProperties") is False else {key}
    return found


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    return SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema


def test_values_and_schema_have_the_same_keys():
    of_schema = {it for it in keys_of(SCHEMA) if not it.startswith("config.")} - {"global"}

    assert of_schema == {it.key for it in VALUES if not it.key.startswith("config.")}


def test_the_schema_is_itself_valid_and_strict():
    jsonschema.Draft7Validator.check_schema(SCHEMA)

    def check(schema: Any, at: str) -> None:
        if isinstance(schema, dict):
            if "properties" in schema and at.rpartition(".")[2] != "items":
                assert schema.get("additionalProperties") is False, at
            for name, part in schema.items():
                check(part, f"{at}.{name}")

    check(SCHEMA, "")


def test_the_schema_of_the_settings_is_that_of_the_program():
    assert (CHART / "values.schema.json").read_text() == chart.schema(), "run `python -m deploy.chart`"


def test_the_table_of_values_is_that_of_the_file():
    assert (CHART / "README.md").read_text() == chart.readme(), "run `python -m deploy.chart`"


def test_every_setting_is_a_value_or_the_charts_own():
    taken = {it.removeprefix("config.") for it in keys_of(SCHEMA) if it.startswith("config.")}

    assert taken | set(OWNED) == set(documented_keys())
    assert not taken & set(OWNED)


WRONG = {
    "an unknown value": ({"workers": {}}, "workers"),
    "image": ({"image": {"digest": "latest"}}, "/image/digest"),
    "imagePullSecrets": ({"imagePullSecrets": ["registry"]}, "/imagePullSecrets/0"),
    "a setting that is none": ({"config": {"windows": {"latenes_seconds": 1}}}, "latenes_seconds"),
    "a setting out of range": ({"config": {"partitions": 0}}, "/config/partitions"),
    "a setting that the chart sets": ({"config": {"data_dir": "/data"}}, "data_dir"),
    "no brokers": ({"config": {"brokers": ""}}, "config.brokers is not set: give Kafka's bootstrap servers"),
    "no key": ({"config": {"insecure_dev_key": False}}, "there is no key for the pseudonyms of people: make a Secret"),
    "two keys": ({"pseudonymKey": {"existingSecret": "a"}}, "exclude each other: keep exactly one of them"),
    "a short key": ({"pseudonymKey": {"value": "short"}}, "/pseudonymKey/value"),
    "two price books": (
        {"prices": {"book": "a", "existingConfigMap": "b"}}, "prices.book and prices.existingConfigMap exclude each other",
    ),
    "a price book that is nowhere": ({"policy": {"prices": "prices.yaml"}}, "policy.prices names a file"),
    "policy": ({"policy": "file.yaml"}, "/policy"),
    "topics": ({"topics": {"apply": "yes"}}, "/topics/apply"),
    "two who make topics": ({"strimzi": {"cluster": "a", "topics": {"enabled": True}}}, "set topics.apply to false"),
    "no cluster": ({"strimzi": {"user": {"enabled": True}}}, "strimzi.cluster is not set"),
    "serviceAccount": ({"serviceAccount": {"token": True}}, "token"),
    "worker": ({"worker": {"replicas": 0}}, "/worker/replicas"),
    "a shared volume": ({"worker": {"persistence": {"accessModes": ["ReadWriteMany"]}}}, "/worker/persistence/accessModes/0"),
    "a pod that is killed before it has ended": (
        {"worker": {"terminationGracePeriodSeconds": 10}}, "/worker/terminationGracePeriodSeconds",
    ),
    "a size": ({"worker": {"persistence": {"size": "10 GB"}}}, "/worker/persistence/size"),
    "ingest without sources": ({"ingest": {"enabled": True}}, "nobody may post: give ingest.sources"),
    "ingest without secrets": (
        {"ingest": {"enabled": True, "sources": [{"name": "a", "kind": "otlp", "token_file": "a"}]}},
        "ingest.sources names files of secrets, and there are none",
    ),
    "a key of a source": ({"ingest": {"sources": [{"name": "a", "kind": "otlp", "tokenFile": "a"}]}}, "tokenFile"),
    "linking that is read nowhere": (
        {"ingest": {"enabled": True, "credentials": {"existingSecret": "a"}, "linking": {"branches": ["x"]}}},
        "ingest.linking stands in the file of sources",
    ),
    "autoscaling without a request": (
        {"ingest": {"enabled": True, "credentials": {"existingSecret": "a"}, "autoscaling": {"enabled": True}}},
        "set ingest.resources.requests.cpu",
    ),
    "autoscaling the wrong way": (
        {"ingest": {"enabled": True, "credentials": {"existingSecret": "a"}, "autoscaling": {"enabled": True, "minReplicas": 9}}},
        "ingest.autoscaling.minReplicas is more than",
    ),
    "an ingress without a host": (
        {"ingest": {"enabled": True, "credentials": {"existingSecret": "a"}, "ingress": {"enabled": True}}},
        "ingest.ingress.host is not set",
    ),
    "an ingress to nothing": ({"ingest": {"ingress": {"enabled": True}}}, "there would be nothing behind it"),
    "a console for everybody": ({"console": {"enabled": True}}, "nobody says who may look at the console"),
    "a console without a host": (
        {"console": {"enabled": True, "tokenSecret": "a", "ingress": {"enabled": True}}}, "console.ingress.host is not set",
    ),
    "an ingress to no console": (
        {"console": {"ingress": {"enabled": True}}}, "console.ingress.enabled without console.enabled",
    ),
    "a bridge to nowhere": ({"forward": {"alertmanager": {"enabled": True}}}, "forward.alertmanager.enabled without a URL"),
    "a bridge to two places": (
        {"forward": {"alertmanager": {"enabled": True, "urlSecret": "a"}}, "config": {"alertmanager": {"url": "http://a"}}},
        "config.alertmanager.url and forward.alertmanager.urlSecret exclude each other",
    ),
    "a webhook without a signature": (
        {"forward": {"webhook": {"enabled": True, "urlSecret": "a"}}}, "forward.webhook.signingSecret is not set",
    ),
    "more workers than partitions": (
        {"keda": {"enabled": True, "maxReplicas": 5}}, "keda.maxReplicas (5) is more than config.partitions (4)",
    ),
    "fewer than the least": ({"keda": {"enabled": True, "minReplicas": 4, "maxReplicas": 3}}, "keda.minReplicas is more than"),
    "no worker at all": ({"keda": {"minReplicas": 0}}, "/keda/minReplicas"),
    "lag that nobody sees": (
        {"keda": {"enabled": True, "maxReplicas": 4}, "config": {"processing_guarantee": "at_least_once"}},
        "keda.enabled needs config.processing_guarantee: exactly_once",
    ),
    "strimzi": ({"strimzi": {"user": {"authentication": "plain"}}}, "/strimzi/user/authentication"),
    "networkPolicy": ({"networkPolicy": {"brokerPorts": []}}, "/networkPolicy/brokerPorts"),
    "a registry that is shut off": (
        {"networkPolicy": {"enabled": True}, "config": {"schema_registry_url": "http://registry:8081"}},
        "open it in networkPolicy.extraEgress",
    ),
    "monitoring": ({"monitoring": {"podMonitor": {"interval": "soon"}}}, "/monitoring/podMonitor/interval"),
}  # fmt: skip


@pytest.mark.parametrize(("values", "sentence"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_refused_with_a_sentence(values, sentence):
    assert sentence in refused(base(**values))


def test_every_sentence_of_the_templates_has_its_case():
    checks = (CHART / "templates" / "_checks.tpl").read_text()
    told = re.findall(r'fail \(?(?:printf )?"([^"]+)"', checks)
    expected = [re.sub(r"%[sd]", ".+", re.escape(it)) for it in told]
    answers = [refused(base(**values)) for values, _ in WRONG.values()]

    assert len(told) == checks.count("fail ")
    for sentence in expected:
        assert any(re.search(sentence, answer) for answer in answers), f"no test gives: {sentence}"


def test_a_shape_says_what_it_is():
    for name in CI:
        assert (CHART / "ci" / f"{name}-values.yaml").read_text().startswith("# "), name
