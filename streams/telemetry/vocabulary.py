"""The closed sets of label values that telemetry itself defines; public, like the metrics' names."""

from enum import StrEnum

__all__ = ["Direction", "RecoverySource", "Role", "Stage", "StatePart", "TransactionResult"]


class Stage(StrEnum):
    """A step of the pipeline, timed once per chunk or transaction; the words of ARCHITECTURE and of the packages."""

    DECODE = "decode"
    DEDUPE = "dedupe"
    AGGREGATE = "aggregate"
    JOIN = "join"
    CLOSE = "close"
    DETECT = "detect"
    COMMIT = "commit"
    STORE = "store"


class TransactionResult(StrEnum):
    """How a transaction ended; ``fenced`` means another worker owns the shard now."""

    COMMITTED = "committed"
    ABORTED = "aborted"
    FENCED = "fenced"


class RecoverySource(StrEnum):
    """Where a shard's state came from: its own store, a warm standby, or the changelog from its beginning."""

    LOCAL = "local"
    CHANGELOG = "changelog"
    STANDBY = "standby"


class Role(StrEnum):
    """What a worker does with a shard."""

    ACTIVE = "active"
    STANDBY = "standby"


class StatePart(StrEnum):
    """What the memory of the state is held in."""

    BLOCK_CACHE = "block_cache"
    MEMTABLES = "memtables"
    FILTERS = "filters"


class Direction(StrEnum):
    """The disjoint token buckets; reasoning is a part of output."""

    INPUT = "input"
    CACHE_READ = "cache_read"
    CACHE_WRITE = "cache_write"
    OUTPUT = "output"
