"""The topics Assay needs, as data, and what a cluster lacks of them, as a plan: pure, and the only place that refuses."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from streams.core.topics import ALERTS, DEAD_LETTERS, KPIS, OUTCOMES, USAGE
from streams.errors import ConfigError

__all__ = [
    "ChangeKind",
    "ExistingTopic",
    "Partitions",
    "TopicChange",
    "TopicSpec",
    "changelog_topic",
    "desired_topics",
    "plan_changes",
]

_HOUR_MS: Final = 3_600_000
_DAY_MS: Final = 24 * _HOUR_MS
_MIB: Final = 1024 * 1024
# A record may be 1 MiB (max_record_bytes): room for one in a batch that is not empty, and for keys and headers.
_EVENT_BATCH_BYTES: Final = 2 * _MIB + 64 * 1024
# A dead letter is a whole record with its story around it; a changelog chunk holds the state of many keys.
_LARGE_BATCH_BYTES: Final = 5 * _MIB


class Partitions(StrEnum):
    """What a topic's partition count must be."""

    JOINED = "joined"
    """The same as of every other joined topic, and never changed: state lives in the partition its team hashes to."""
    KEYED = "keyed"
    """Never changed: compaction keeps the last record of a key per partition."""
    FREE = "free"
    """May grow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicSpec:
    """One topic as it should be.

    Attributes:
        name: Full name, prefix included.
        count: Partitions.
        partitions: What may become of that count.
        replication_factor: Used when the topic is created. Moving replicas of an existing topic copies its data, and is
            the cluster operator's business.
        cleanup_policy: ``delete`` or ``compact``; corrected on an existing topic, the guarantees rest on it.
        max_message_bytes: Raised on an existing topic when lower, never lowered.
        initial: Configuration given at creation only: an operator who keeps more than we ask for is not overruled.
    """

    name: str
    count: int
    partitions: Partitions
    replication_factor: int
    cleanup_policy: str
    max_message_bytes: int
    initial: Mapping[str, str]

    def creation_config(self) -> dict[str, str]:
        """The complete configuration of a new topic."""
        return {
            "cleanup.policy": self.cleanup_policy,
            "max.message.bytes": str(self.max_message_bytes),
            **self.initial,
        }


@dataclass(frozen=True, slots=True)
class ExistingTopic:
    """One topic as a cluster has it; ``config`` holds effective values, inherited ones included."""

    partitions: int
    config: Mapping[str, str]


class ChangeKind(StrEnum):
    """What a change does."""

    CREATE = "create"
    ADD_PARTITIONS = "add_partitions"
    ALTER_CONFIG = "alter_config"


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicChange:
    """One step of a plan; ``partitions`` and ``config`` are what the topic gets, empty where nothing is said."""

    kind: ChangeKind
    topic: str
    partitions: int | None = None
    replication_factor: int | None = None
    config: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        """One line for a person."""
        parts = [f"{name}={value}" for name, value in sorted(self.config.items())]
        if self.replication_factor is not None:
            parts.insert(0, f"replication_factor={self.replication_factor}")
        if self.partitions is not None:
            parts.insert(0, f"partitions={self.partitions}")
        return f"{self.kind.replace('_', ' ')} {self.topic}: {' '.join(parts)}"


def changelog_topic(*, prefix: str, app_id: str) -> str:
    """Name of the compacted topic that holds the worker's state."""
    return f"{prefix}{app_id}-state-changelog"


def desired_topics(*, prefix: str, app_id: str, partitions: int, replication_factor: int) -> tuple[TopicSpec, ...]:
    """Every topic Assay reads or writes, in the order an operator should read them."""
    # With three replicas one may be down without a write being lost; with fewer, asking for two would stop writes.
    durability = {"min.insync.replicas": "2" if replication_factor >= 3 else "1"}
    compacted = {**durability, "segment.ms": str(_DAY_MS)}

    def spec(
        name: str,
        rule: Partitions,
        cleanup_policy: str,
        initial: Mapping[str, str],
        *,
        max_message_bytes: int = _EVENT_BATCH_BYTES,
    ) -> TopicSpec:
        return TopicSpec(
            name=name,
            count=partitions,
            partitions=rule,
            replication_factor=replication_factor,
            cleanup_policy=cleanup_policy,
            max_message_bytes=max_message_bytes,
            initial=initial,
        )

    def kept(days: int) -> dict[str, str]:
        return {**durability, "retention.ms": str(days * _DAY_MS)}

    return (
        spec(prefix + USAGE, Partitions.JOINED, "delete", kept(30)),
        spec(prefix + OUTCOMES, Partitions.JOINED, "delete", kept(30)),
        spec(prefix + KPIS, Partitions.JOINED, "compact", compacted),
        spec(prefix + ALERTS, Partitions.KEYED, "compact", compacted),
        spec(
            prefix + DEAD_LETTERS,
            Partitions.FREE,
            "delete",
            kept(90),
            max_message_bytes=_LARGE_BATCH_BYTES,
        ),
        spec(
            changelog_topic(prefix=prefix, app_id=app_id),
            Partitions.JOINED,
            "compact",
            # A take-over reads this topic to its end: compact early, and close segments often enough to be compacted.
            {**durability, "min.cleanable.dirty.ratio": "0.1", "segment.ms": str(_HOUR_MS)},
            max_message_bytes=_LARGE_BATCH_BYTES,
        ),
    )


def plan_changes(desired: Sequence[TopicSpec], existing: Mapping[str, ExistingTopic]) -> list[TopicChange]:
    """What to do to get from ``existing`` to ``desired``; empty when nothing is to be done.

    Raises:
        ConfigError: a topic that carries state has another partition count than asked for. Changing it would send a
            team's records to a partition that does not hold the team's state, so nothing is changed at all.
    """
    _refuse_moved_keys(desired, existing)
    changes: list[TopicChange] = []
    for spec in desired:
        found = existing.get(spec.name)
        if found is None:
            changes.append(
                TopicChange(
                    kind=ChangeKind.CREATE,
                    topic=spec.name,
                    partitions=spec.count,
                    replication_factor=spec.replication_factor,
                    config=spec.creation_config(),
                )
            )
            continue
        if found.partitions < spec.count:
            changes.append(TopicChange(kind=ChangeKind.ADD_PARTITIONS, topic=spec.name, partitions=spec.count))
        config = _corrections(spec, found.config)
        if config:
            changes.append(TopicChange(kind=ChangeKind.ALTER_CONFIG, topic=spec.name, config=config))
    return changes


def _refuse_moved_keys(desired: Sequence[TopicSpec], existing: Mapping[str, ExistingTopic]) -> None:
    present = {spec.name: existing[spec.name].partitions for spec in desired if spec.name in existing}
    wrong = [
        spec
        for spec in desired
        if spec.partitions is not Partitions.FREE and present.get(spec.name, spec.count) != spec.count
    ]
    if not wrong:
        return
    asked = wrong[0].count
    counts = {present[spec.name] for spec in desired if spec.partitions is not Partitions.FREE and spec.name in present}
    names = ", ".join(f"{spec.name} has {present[spec.name]}" for spec in wrong)
    if len(counts) == 1:
        (count,) = counts
        fix = (
            f"set partitions to {count}; for another count start afresh under another topic_prefix and app_id "
            "and import the history there"
        )
    else:
        fix = (
            "topics that are joined must have the same count: delete those that hold nothing and apply again, "
            "or start afresh under another topic_prefix and app_id"
        )
    raise ConfigError(
        f"{asked} partitions are asked for, but {names}; the partitions of a topic that carries state cannot be "
        f"changed, its keys would move away from their state: {fix}"
    )


def _corrections(spec: TopicSpec, config: Mapping[str, str]) -> dict[str, str]:
    corrections: dict[str, str] = {}
    if config.get("cleanup.policy") != spec.cleanup_policy:
        corrections["cleanup.policy"] = spec.cleanup_policy
    if int(config.get("max.message.bytes", 0)) < spec.max_message_bytes:
        corrections["max.message.bytes"] = str(spec.max_message_bytes)
    return corrections
