"""The topics of a cluster: what `streams.topics_plan` would change, and the changes carried out."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient
from kafka.errors import (
    KafkaError,
    NoError,
    TopicAlreadyExistsError,
    UnknownTopicOrPartitionError,
    for_code,
)

from streams.errors import ConfigError, DependencyError
from streams.topics_plan import ChangeKind, ExistingTopic, TopicChange, TopicSpec, desired_topics, plan_changes

__all__ = ["apply", "plan"]


def plan(brokers: str, *, prefix: str, app_id: str, partitions: int, replication_factor: int) -> list[TopicChange]:
    """What `apply` would do to this cluster.

    Raises:
        ConfigError: the cluster's topics and these parameters exclude each other, see `plan_changes`.
        DependencyError: the cluster does not answer.
    """
    desired = desired_topics(prefix=prefix, app_id=app_id, partitions=partitions, replication_factor=replication_factor)
    with _admin(brokers) as admin:
        return plan_changes(desired, _existing(admin, desired))


def apply(brokers: str, *, prefix: str, app_id: str, partitions: int, replication_factor: int) -> list[TopicChange]:
    """Make the cluster have the topics, and return what was changed; nothing when it had them.

    Safe to run from several places at once: a topic somebody else creates in between is taken as it is, and checked.

    Raises:
        ConfigError: as `plan`; or the cluster refuses a change (too few brokers for the replication factor, a policy).
        DependencyError: the cluster does not answer.
    """
    desired = desired_topics(prefix=prefix, app_id=app_id, partitions=partitions, replication_factor=replication_factor)
    with _admin(brokers) as admin:
        changes = plan_changes(desired, _existing(admin, desired))
        for change in changes:
            _execute(admin, change)
        if changes:
            admin.wait_for_topics([spec.name for spec in desired])
            plan_changes(desired, _existing(admin, desired))
    return changes


@contextmanager
def _admin(brokers: str) -> Iterator[Any]:
    """An admin client; what it raises becomes ours."""
    try:
        with KafkaAdminClient(bootstrap_servers=brokers.split(","), client_id="assay-topics") as admin:
            yield admin
    except KafkaError as error:
        raise DependencyError(f"Kafka at {brokers} does not answer: {error!r}; is it up, and may we use it?") from error


def _existing(admin: Any, desired: Sequence[TopicSpec]) -> dict[str, ExistingTopic]:
    counts: dict[str, int] = {}
    for topic in admin.describe_topics([spec.name for spec in desired]):
        error = for_code(topic["error_code"])
        if error is NoError:
            counts[topic["name"]] = len(topic["partitions"])
        elif error is not UnknownTopicOrPartitionError:
            raise error(topic["name"])
    if not counts:
        return {}
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in counts]
    described = admin.describe_configs(resources, config_filter="all")["topic"]
    return {
        name: ExistingTopic(count, {key: entry["value"] for key, entry in described[name].items()})
        for name, count in counts.items()
    }


def _execute(admin: Any, change: TopicChange) -> None:
    match change.kind:
        case ChangeKind.CREATE:
            topic = {
                "num_partitions": change.partitions,
                "replication_factor": change.replication_factor,
                "configs": dict(change.config),
            }
            result = admin.create_topics({change.topic: topic}, raise_errors=False)["topics"][0]
            error = for_code(result["error_code"])
            if error not in (NoError, TopicAlreadyExistsError):
                raise ConfigError(f"Kafka refused to {change}: {result['error_message'] or error.__name__}")
        case ChangeKind.ADD_PARTITIONS:
            result = admin.create_partitions({change.topic: change.partitions}, raise_errors=False).results[0]
            if result.error_code:
                refusal = result.error_message or for_code(result.error_code).__name__
                raise ConfigError(f"Kafka refused to {change}: {refusal}")
        case ChangeKind.ALTER_CONFIG:
            resource = ConfigResource(ConfigResourceType.TOPIC, change.topic, dict(change.config))
            outcome = admin.alter_configs([resource])["topic"][change.topic]
            if outcome != "OK":
                raise ConfigError(f"Kafka refused to {change}: {outcome}")
