"""Progress of long work: a bar on a terminal that has rich, nothing elsewhere."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["progress"]


@contextmanager
def progress(label: str, total: int | None) -> Iterator[Callable[[int], object]]:
    """A function that takes how much more is done, in the unit of ``total``; None is a length not known.

    Drawn on standard error, so that it never mixes with data.
    """
    bar = _bar(total) if sys.stderr.isatty() else None
    if bar is None:
        yield lambda _: None
        return
    with bar:
        task = bar.add_task(label, total=total)
        yield lambda advance: bar.advance(task, advance)


def _bar(total: int | None) -> Any:
    """A rich progress bar; None where rich is not installed. rich itself respects NO_COLOR."""
    try:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
    except ImportError:
        return None
    columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()]
    return Progress(*columns, console=Console(stderr=True), transient=True)
