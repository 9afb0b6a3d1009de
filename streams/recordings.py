"""What was recorded, to be judged anew: the usage and outcomes of files, or of the topics' history, partition by partition."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO, Final

from streams.core import topics
from streams.core.alerts import Alert
from streams.core.episodes import Listener
from streams.core.events import UsageDecoder
from streams.core.findings import Judges
from streams.core.outcomes import OutcomeDecoder
from streams.core.pseudonyms import Pseudonyms
from streams.core.schemas import SchemaCache
from streams.engine_params import EngineSetup
from streams.errors import DependencyError
from streams.replay import Source, newest_until, replay
from streams.settings import Settings

__all__ = ["Log", "Recording", "Spool", "of_files", "of_topics"]

_SIZE_BYTES: Final = 4


class Spool:
    """Records in the order they came in, in a temporary file: history may not fit into memory.

    Can be gone through again and again, once all have been added.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.size_bytes = 0

    def add(self, values: Iterable[bytes]) -> None:
        """Append records."""
        for value in values:
            self._file.write(len(value).to_bytes(_SIZE_BYTES, "big") + value)
            self.size_bytes += len(value)

    def __iter__(self) -> Iterator[bytes]:
        self._file.seek(0)
        while size := self._file.read(_SIZE_BYTES):
            yield self._file.read(int.from_bytes(size, "big"))


@dataclass(frozen=True, slots=True)
class Log:
    """One partition's records."""

    usage: Sequence[Source]
    outcomes: Sequence[Source] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """All logs by partition; ``size_bytes`` are those of usage, None where nobody knows before it is read."""

    logs: dict[int, Log]
    size_bytes: int | None
    partition_for: Callable[[str], int] = lambda _: 0
    usage_schemas: SchemaCache | None = field(default=None, repr=False)
    outcome_schemas: SchemaCache | None = field(default=None, repr=False)

    def newest_until(
        self, settings: Settings, until_ms: int, advance: Callable[[int], object] = lambda _: None
    ) -> int:  # fmt: skip
        """The newest valid event's time that is not after ``until_ms``; that itself when there is none. Raises OSError."""
        decoder = UsageDecoder(self.usage_schemas, max_record_bytes=settings.max_record_bytes)
        found = [
            newest_until(log.usage, decoder=decoder, until_ms=until_ms, advance=advance) for log in self.logs.values()
        ]
        # A partition without an event says nothing.
        return max([it for it in found if it != until_ms], default=until_ms)

    def judge(
        self, settings: Settings, setup: EngineSetup, judges: Judges, *, pseudonym_key: bytes, now_ms: int,
        listener: Listener | None = None, advance: Callable[[int], object] = lambda _: None,
    ) -> list[Alert]:  # fmt: skip
        """Every alert record that a worker would have published of it, by time.

        ``now_ms`` is where the clock stands. Raises OSError.
        """
        found: list[Alert] = []
        for partition, log in sorted(self.logs.items()):
            replay(
                log.usage, log.outcomes, params=setup.params, prices=setup.prices,
                decoder=UsageDecoder(self.usage_schemas, max_record_bytes=settings.max_record_bytes),
                outcomes=OutcomeDecoder(self.outcome_schemas, max_record_bytes=settings.max_record_bytes),
                pseudonyms=Pseudonyms(pseudonym_key), now_ms=now_ms, judges=judges, take_alert=found.append,
                listener=listener, partition=partition, partition_for=self.partition_for, advance=advance,
            )  # fmt: skip
        return sorted(found, key=lambda alert: alert.updated_at)


def of_files(usage: Sequence[Path], outcomes: Sequence[Path]) -> Recording:
    """Files of JSON lines, as the log of one partition. Raises OSError."""
    return Recording(logs={0: Log(usage, outcomes)}, size_bytes=sum(path.stat().st_size for path in usage))


@contextmanager
def of_topics(settings: Settings) -> Iterator[Recording]:
    """All that the topics of usage and outcomes hold by now, set down in temporary files as long as the context lasts.

    Raises:
        DependencyError: Kafka, the registry or the disk is not available, or a topic is missing.
    """
    # Imported late: Kafka's client is slow to import, and files need none.
    from aiokafka.partitioner import murmur2

    from streams.published import read_values

    with ExitStack() as stack:
        spools: dict[tuple[str, int], Spool] = {}

        def spool(topic: str, partition: int) -> Spool:
            found = spools.get((topic, partition))
            if found is None:
                found = spools[topic, partition] = Spool(stack.enter_context(TemporaryFile()))
            return found

        def read(topic: str) -> tuple[int, SchemaCache | None]:
            return read_values(
                settings.brokers, settings.topic_prefix + topic,
                lambda partition, values: spool(topic, partition).add(values), settings.schema_registry_url,
            )  # fmt: skip

        try:
            partitions, usage_schemas = read(topics.USAGE)
            _, outcome_schemas = read(topics.OUTCOMES)
        except OSError as error:
            raise DependencyError(
                f"cannot set the history down in a temporary file ({error.strerror}); make room, or set TMPDIR"
            ) from error
        logs = {
            number: Log([spool(topics.USAGE, number)], [spool(topics.OUTCOMES, number)]) for number in range(partitions)
        }
        yield Recording(
            logs=logs,
            size_bytes=sum(it.size_bytes for (topic, _), it in spools.items() if topic == topics.USAGE),
            partition_for=lambda team: (murmur2(team.encode()) & 0x7FFFFFFF) % partitions,
            usage_schemas=usage_schemas,
            outcome_schemas=outcome_schemas,
        )
