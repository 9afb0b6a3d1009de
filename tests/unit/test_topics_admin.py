"""The plan of topics: what is missing is created, what carries state is never moved, what is ours is corrected."""

from dataclasses import replace

import pytest

from streams.core.topics import ALERTS, DEAD_LETTERS, KPIS, OUTCOMES, USAGE
from streams.errors import ConfigError
from streams.topics_plan import (
    ChangeKind,
    ExistingTopic,
    Partitions,
    TopicChange,
    changelog_topic,
    desired_topics,
    plan_changes,
)

_DESIRED = desired_topics(prefix="x.", app_id="assay", partitions=4, replication_factor=3)
_CHANGELOG = "x.assay-state-changelog"


def existing(**partitions: int) -> dict[str, ExistingTopic]:
    """The cluster right after the plan was applied, with other partition counts where given (by constant's name)."""
    names = {
        "usage": USAGE,
        "outcomes": OUTCOMES,
        "kpis": KPIS,
        "alerts": ALERTS,
        "dead_letters": DEAD_LETTERS,
        "changelog": _CHANGELOG.removeprefix("x."),
    }
    counts = {f"x.{names[key]}": count for key, count in partitions.items()}
    return {spec.name: ExistingTopic(counts.get(spec.name, 4), spec.creation_config()) for spec in _DESIRED}


def with_config(topic: str, **config: str) -> dict[str, ExistingTopic]:
    topics = existing()
    overrides = {name.replace("_", "."): value for name, value in config.items()}
    topics[topic] = replace(topics[topic], config={**topics[topic].config, **overrides})
    return topics


def test_names_carry_the_prefix_and_the_changelog_the_application() -> None:
    assert {spec.name for spec in _DESIRED} == {
        f"x.{name}" for name in (USAGE, OUTCOMES, KPIS, ALERTS, DEAD_LETTERS)
    } | {_CHANGELOG}
    assert changelog_topic(prefix="", app_id="two") == "two-state-changelog"


@pytest.mark.parametrize(
    ("topic", "policy", "retention_days", "bytes_at_least"),
    [
        (f"x.{USAGE}", "delete", 30, 2 * 1024**2),
        (f"x.{OUTCOMES}", "delete", 30, 2 * 1024**2),
        (f"x.{KPIS}", "compact", None, 1024**2),
        (f"x.{ALERTS}", "compact", None, 1024**2),
        (f"x.{DEAD_LETTERS}", "delete", 90, 5 * 1024**2),
        (_CHANGELOG, "compact", None, 5 * 1024**2),
    ],
)
def test_each_topic_is_kept_as_its_readers_need_it(
    topic: str, policy: str, retention_days: int | None, bytes_at_least: int
) -> None:
    config = next(spec for spec in _DESIRED if spec.name == topic).creation_config()
    assert config["cleanup.policy"] == policy
    assert config.get("retention.ms") == (None if retention_days is None else str(retention_days * 86_400_000))
    assert int(config["max.message.bytes"]) >= bytes_at_least


def test_whatever_is_keyed_by_team_has_one_partition_count() -> None:
    joined = {spec.name for spec in _DESIRED if spec.partitions is Partitions.JOINED}
    assert joined == {f"x.{USAGE}", f"x.{OUTCOMES}", f"x.{KPIS}", _CHANGELOG}
    assert {spec.count for spec in _DESIRED if spec.name in joined} == {4}


@pytest.mark.parametrize(("replication_factor", "in_sync"), [(1, "1"), (2, "1"), (3, "2"), (5, "2")])
def test_one_replica_may_be_down_where_there_are_three(replication_factor: int, in_sync: str) -> None:
    specs = desired_topics(prefix="", app_id="assay", partitions=1, replication_factor=replication_factor)
    assert {spec.creation_config()["min.insync.replicas"] for spec in specs} == {in_sync}


def test_an_empty_cluster_gets_every_topic() -> None:
    changes = plan_changes(_DESIRED, {})
    assert [change.topic for change in changes] == [spec.name for spec in _DESIRED]
    assert {change.kind for change in changes} == {ChangeKind.CREATE}
    assert {(change.partitions, change.replication_factor) for change in changes} == {(4, 3)}


def test_a_cluster_that_has_them_gets_nothing() -> None:
    assert plan_changes(_DESIRED, existing()) == []


def test_only_what_is_missing_is_created() -> None:
    topics = existing()
    del topics[f"x.{KPIS}"]
    assert [(change.kind, change.topic) for change in plan_changes(_DESIRED, topics)] == [
        (ChangeKind.CREATE, f"x.{KPIS}")
    ]


def test_all_joined_topics_with_another_count_are_refused_and_the_setting_is_the_fix() -> None:
    topics = existing(usage=8, outcomes=8, kpis=8, alerts=8, changelog=8)
    with pytest.raises(ConfigError, match="set partitions to 8") as caught:
        plan_changes(_DESIRED, topics)
    for name in (USAGE, OUTCOMES, KPIS, ALERTS):
        assert f"x.{name} has 8" in str(caught.value)
    assert f"{_CHANGELOG} has 8" in str(caught.value)


@pytest.mark.parametrize("odd", ["usage", "outcomes", "kpis", "changelog", "alerts"])
@pytest.mark.parametrize("count", [1, 8])
def test_one_topic_out_of_line_is_refused_by_name(odd: str, count: int) -> None:
    with pytest.raises(ConfigError, match=rf"{odd}\S* has {count};") as caught:
        plan_changes(_DESIRED, existing(**{odd: count}))
    assert "topics that are joined must have the same count" in str(caught.value)


def test_a_lone_source_topic_with_another_count_is_refused_before_anything_is_created() -> None:
    """A platform team often creates the source topics first, with its own idea of partitions."""
    topics = {name: topic for name, topic in existing(usage=12).items() if name == f"x.{USAGE}"}
    with pytest.raises(ConfigError, match="set partitions to 12"):
        plan_changes(_DESIRED, topics)


def test_dead_letters_may_grow_and_are_never_shrunk() -> None:
    assert plan_changes(_DESIRED, existing(dead_letters=1)) == [
        TopicChange(kind=ChangeKind.ADD_PARTITIONS, topic=f"x.{DEAD_LETTERS}", partitions=4)
    ]
    assert plan_changes(_DESIRED, existing(dead_letters=9)) == []


def test_a_changelog_that_would_be_deleted_with_age_is_made_compact() -> None:
    assert plan_changes(_DESIRED, with_config(_CHANGELOG, cleanup_policy="delete")) == [
        TopicChange(kind=ChangeKind.ALTER_CONFIG, topic=_CHANGELOG, config={"cleanup.policy": "compact"})
    ]


def test_a_size_limit_is_raised_and_never_lowered() -> None:
    (change,) = plan_changes(_DESIRED, with_config(f"x.{USAGE}", max_message_bytes="1048588"))
    assert int(change.config["max.message.bytes"]) > 2 * 1024**2
    assert plan_changes(_DESIRED, with_config(f"x.{USAGE}", max_message_bytes="10485760")) == []


def test_an_operators_longer_retention_is_left_alone() -> None:
    assert plan_changes(_DESIRED, with_config(f"x.{USAGE}", retention_ms="-1")) == []


def test_a_change_reads_as_one_line() -> None:
    (change,) = plan_changes(_DESIRED, existing(dead_letters=1))
    assert str(change) == f"add partitions x.{DEAD_LETTERS}: partitions=4"
    assert str(plan_changes(_DESIRED, {})[0]).startswith(
        f"create x.{USAGE}: partitions=4 replication_factor=3 cleanup.policy=delete max.message.bytes="
    )
