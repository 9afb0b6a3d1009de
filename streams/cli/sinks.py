"""Where a command's records go: a file of lines, standard output, or Kafka."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple

import orjson

from streams.core import topics
from streams.errors import DataError, DependencyError
from streams.settings import Settings

__all__ = ["OUTCOMES", "STDOUT", "USAGE", "Destination", "event_sink", "open_output", "printable"]

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


def printable(text: str) -> str:
    """What the terminal's encoding can say of a text."""
    encoding = sys.stdout.encoding or "utf-8"
    return text.encode(encoding, errors="replace").decode(encoding)


class Destination(NamedTuple):
    """Where events of one kind go in Kafka: their topic, and their producer by name, as clients are slow to import."""

    topic: str
    producer: str


USAGE: Final = Destination(topics.USAGE, "UsageProducer")
OUTCOMES: Final = Destination(topics.OUTCOMES, "OutcomeProducer")


@contextmanager
def event_sink(
    destination: Destination, out: Path | None, settings: Settings, *, whole: bool, judged: bool = False
) -> Iterator[Callable[[Sequence[bytes]], object]]:
    """A function that takes batches of JSON records, to ``out`` or, where that is None, to Kafka.

    All records are written, or delivered, when the context ends. Records that the worker's decoder has taken already,
    ``judged``, are sent as they are. Raises as :func:`open_output`, and DataError where the contract forbids a record
    that was to be sent.
    """
    if out is None:
        with _topic(destination, settings) as producer:
            if judged:
                yield producer.send_judged
            else:
                yield lambda batch: producer.send_many([orjson.loads(record) for record in batch])
        return
    with open_output(out, whole=whole) as file:

        def write(batch: Sequence[bytes]) -> None:
            file.write(b"\n".join(batch) + b"\n")
            if not whole:
                file.flush()

        yield write


@contextmanager
def _topic(destination: Destination, settings: Settings) -> Iterator[Any]:
    # Imported late: Kafka's client is slow to import and not needed for files.
    from streams import producers

    try:
        with getattr(producers, destination.producer)(
            settings.brokers, topic=settings.topic_prefix + destination.topic
        ) as producer:
            yield producer
    except producers.InvalidEvent as error:
        raise DataError(str(error)) from error
    except producers.BrokerUnavailable as error:
        raise DependencyError(f"{error}; `assay topics plan` shows what is missing") from error
    except producers.ProducerError as error:
        raise DependencyError(str(error)) from error
