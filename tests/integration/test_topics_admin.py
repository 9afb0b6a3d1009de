"""Topics are planned and applied against a real cluster."""

import pytest
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient

from deploy.local.properties import free_ports
from streams.core.topics import DEAD_LETTERS, KPIS, OUTCOMES, USAGE
from streams.errors import ConfigError, DependencyError
from streams.topics_admin import apply, plan
from streams.topics_plan import ChangeKind, changelog_topic


def test_a_plan_is_applied_once_and_then_there_is_nothing_to_do(kafka: str, topic_prefix: str) -> None:
    wanted = {"prefix": topic_prefix, "app_id": "assay", "partitions": 3, "replication_factor": 1}
    planned = plan(kafka, **wanted)
    assert {change.kind for change in planned} == {ChangeKind.CREATE}
    assert apply(kafka, **wanted) == planned
    assert plan(kafka, **wanted) == []
    assert apply(kafka, **wanted) == []
    with KafkaAdminClient(bootstrap_servers=kafka) as admin:
        topics = {topic["name"]: len(topic["partitions"]) for topic in admin.describe_topics()}
        changelog = changelog_topic(prefix=topic_prefix, app_id="assay")
        resource = ConfigResource(ConfigResourceType.TOPIC, changelog)
        config = admin.describe_configs([resource])["topic"][changelog]
    for name in (USAGE, OUTCOMES, KPIS, DEAD_LETTERS):
        assert topics[topic_prefix + name] == 3
    assert {name: config[name]["value"] for name in ("cleanup.policy", "min.cleanable.dirty.ratio")} == {
        "cleanup.policy": "compact",
        "min.cleanable.dirty.ratio": "0.1",
    }


def test_an_existing_topic_is_corrected_and_grown(kafka: str, topic_prefix: str) -> None:
    dead_letters, usage = topic_prefix + DEAD_LETTERS, topic_prefix + USAGE
    with KafkaAdminClient(bootstrap_servers=kafka) as admin:
        admin.create_topics(
            {
                dead_letters: {"num_partitions": 1, "replication_factor": 1},
                usage: {"num_partitions": 2, "replication_factor": 1, "configs": {"cleanup.policy": "compact"}},
            },
            wait_for_metadata=True,
        )
    wanted = {"prefix": topic_prefix, "app_id": "assay", "partitions": 2, "replication_factor": 1}
    kinds = {(change.kind, change.topic) for change in apply(kafka, **wanted)}
    assert {(ChangeKind.ADD_PARTITIONS, dead_letters), (ChangeKind.ALTER_CONFIG, usage)} <= kinds
    assert plan(kafka, **wanted) == []
    with KafkaAdminClient(bootstrap_servers=kafka) as admin:
        (topic,) = admin.describe_topics([dead_letters])
        resource = ConfigResource(ConfigResourceType.TOPIC, usage)
        config = admin.describe_configs([resource])["topic"][usage]
    assert len(topic["partitions"]) == 2
    assert config["cleanup.policy"]["value"] == "delete"


def test_another_partition_count_is_refused_and_nothing_is_touched(kafka: str, topic_prefix: str) -> None:
    with KafkaAdminClient(bootstrap_servers=kafka) as admin:
        admin.create_topics(
            {topic_prefix + USAGE: {"num_partitions": 2, "replication_factor": 1}}, wait_for_metadata=True
        )
        with pytest.raises(ConfigError, match="set partitions to 2"):
            apply(kafka, prefix=topic_prefix, app_id="assay", partitions=4, replication_factor=1)
        names = [name for name in admin.list_topics() if name.startswith(topic_prefix)]
    assert names == [topic_prefix + USAGE]


def test_a_replication_factor_the_cluster_cannot_give_is_a_configuration_error(kafka: str, topic_prefix: str) -> None:
    with pytest.raises(ConfigError, match="Kafka refused to create"):
        apply(kafka, prefix=topic_prefix, app_id="assay", partitions=1, replication_factor=99)


def test_a_cluster_that_does_not_answer_is_a_dependency_error(monkeypatch: pytest.MonkeyPatch) -> None:
    # The client waits half a minute for a cluster to appear; one refused connection says the same.
    monkeypatch.setitem(KafkaAdminClient.DEFAULT_CONFIG, "bootstrap_timeout_ms", 500)
    (port,) = free_ports(1)
    with pytest.raises(DependencyError, match="does not answer"):
        plan(f"127.0.0.1:{port}", prefix="", app_id="assay", partitions=1, replication_factor=1)
