"""Records in order of time, however many: a worker takes a history only from its beginning to its end.

The records lie in a file without a name, and what is held of each in memory is some fifty bytes. Source: docs/records.md,
"Windows".
"""

import tempfile
from array import array
from collections.abc import Iterator
from itertools import pairwise
from types import TracebackType
from typing import Final, NamedTuple, Self

from streams.sources.contract import Form

__all__ = ["Batch", "InOrderOfTime"]

_BATCH: Final = 1_000


class Batch(NamedTuple):
    """Records that follow each other in time, by what they are."""

    usage: list[bytes]
    outcomes: list[bytes]


class InOrderOfTime:
    """Takes records in any order and gives them in that of their time; those of the same instant as they came.

    Use it as a context manager. Raises OSError where the disk has no room.
    """

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by __exit__
        self._times = array("q")
        self._ends = array("q", [0])
        self._outcomes = array("b")

    def __len__(self) -> int:
        return len(self._times)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, form: Form, at_ms: int, value: bytes) -> None:
        """Take one record."""
        self._file.write(value)
        self._times.append(at_ms)
        self._ends.append(self._ends[-1] + len(value))
        self._outcomes.append(form is Form.OUTCOME)

    def batches(self) -> Iterator[Batch]:
        """All that was taken, a thousand at a time."""
        order = sorted(range(len(self._times)), key=self._times.__getitem__)
        for begin, end in pairwise([*range(0, len(order), _BATCH), len(order)]):
            batch = Batch([], [])
            for at in order[begin:end]:
                self._file.seek(self._ends[at])
                value = self._file.read(self._ends[at + 1] - self._ends[at])
                (batch.outcomes if self._outcomes[at] else batch.usage).append(value)
            yield batch
