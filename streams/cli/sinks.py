"""Where a command's records go: a file of lines, standard output, or Kafka."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import orjson

from streams.core.topics import USAGE
from streams.errors import DataError, DependencyError
from streams.settings import Settings

if TYPE_CHECKING:
    from streams.producers.drafts import UsageFields

__all__ = ["STDOUT", "open_output", "usage_sink"]

#: The path that means standard output.
STDOUT = Path("-")


@contextmanager
def open_output(path: Path, *, whole: bool) -> Iterator[BinaryIO]:
    """A file opened for writing, or standard output for ``-``.

    ``whole`` output appears under its name only when it is complete: what a failed command leaves behind cannot be
    mistaken for a result. Otherwise it is there from the start, for readers that follow it. Raises DependencyError.
    """
    if path == STDOUT:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    # A pipe or a device cannot be replaced by a file.
    beside = path.with_name(f"{path.name}.partial") if whole and (path.is_file() or not path.exists()) else path
    try:
        with beside.open("wb") as file:
            yield file
        if beside != path:
            beside.replace(path)
    except OSError as error:
        raise DependencyError(
            f"cannot write {path} ({error.strerror or error}); give a path that can be written"
        ) from error
    finally:
        if beside != path:
            beside.unlink(missing_ok=True)


@contextmanager
def usage_sink(out: Path | None, settings: Settings, *, whole: bool) -> Iterator[Callable[[Sequence[bytes]], object]]:
    """A function that takes batches of JSON records, to ``out`` or, where that is None, to Kafka.

    All records are written, or delivered, when the context ends. Raises as :func:`open_output`, and DataError where the
    contract forbids a record that was to be sent.
    """
    if out is None:
        with _usage_topic(settings) as send:
            yield lambda batch: send([orjson.loads(record) for record in batch])
        return
    with open_output(out, whole=whole) as file:

        def write(batch: Sequence[bytes]) -> None:
            file.write(b"\n".join(batch) + b"\n")
            if not whole:
                file.flush()

        yield write


@contextmanager
def _usage_topic(settings: Settings) -> Iterator[Callable[[list["UsageFields"]], int]]:
    # Imported late: Kafka's client is slow to import and not needed for files.
    from streams.producers.errors import BrokerUnavailable, InvalidEvent, ProducerError
    from streams.producers.usage import UsageProducer

    topic = settings.topic_prefix + USAGE
    try:
        with UsageProducer(settings.brokers, topic=topic) as producer:
            yield producer.send_many
    except InvalidEvent as error:
        raise DataError(str(error)) from error
    except BrokerUnavailable as error:
        raise DependencyError(f"{error}; `assay topics plan` shows what is missing") from error
    except ProducerError as error:
        raise DependencyError(str(error)) from error
