"""What explain and backtest judge anew: options for files, and the topics' history where there are none."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from streams.cli.progress import progress
from streams.cli.times import TimeMs
from streams.clock import SystemClock
from streams.core.alerts import Alert
from streams.core.episodes import Listener
from streams.detectors import JUDGES
from streams.engine_params import EngineSetup
from streams.errors import DependencyError
from streams.recordings import Recording, of_files, of_topics
from streams.settings import DEV_PSEUDONYM_KEY, Settings, pseudonym_key

__all__ = ["clock_of", "judged", "recorded", "recording_options"]

_F = TypeVar("_F", bound=Callable[..., Any])
_INPUT = click.Path(path_type=Path, exists=True, dir_okay=False)


def recording_options(function: _F) -> _F:
    """Decorator: ``--usage``, ``--outcomes`` and ``--as-of``."""
    for option in (
        click.option(
            "--as-of", type=TimeMs(), help="Where the clock stands.  [default: at the newest event not in the future]"
        ),
        click.option(
            "--outcomes", type=_INPUT, multiple=True, metavar="FILE", help="Outcome events of that log; may be repeated."
        ),
        click.option(
            "--usage", type=_INPUT, multiple=True, metavar="FILE", help="Usage events as lines of JSON; may be repeated."
        ),
    ):  # fmt: skip
        function = option(function)
    return function


@contextmanager
def recorded(settings: Settings, usage: Sequence[Path], outcomes: Sequence[Path]) -> Iterator[Recording]:
    """The files, or the history of the topics where no files of usage are given. Raises DependencyError."""
    if outcomes and not usage:
        raise click.UsageError("--outcomes is read beside --usage; give both, or neither for the topics' history")
    for path in (*usage, *outcomes):
        if not path.is_file():
            raise click.UsageError(f"{path} can be read once only; give a file, which is read several times")
    try:
        if usage:
            yield of_files(usage, outcomes)
        else:
            with of_topics(settings) as found:
                yield found
    except OSError as error:
        raise DependencyError(
            f"cannot read {error.filename} ({error.strerror}); give a file that can be read"
        ) from error


def clock_of(recording: Recording, settings: Settings, as_of: int | None) -> int:
    """Where the clock stands: as asked, or at the newest event that is not in the future."""
    if as_of is not None:
        return as_of
    with progress("reading", recording.size_bytes) as done:
        return recording.newest_until(settings, SystemClock().now_ms(), done)


def judged(
    recording: Recording, settings: Settings, setup: EngineSetup, now_ms: int, label: str, listener: Listener | None = None
) -> list[Alert]:  # fmt: skip
    """All alert records of a recording under a configuration, with a bar on a terminal."""
    with progress(label, recording.size_bytes) as done:
        return recording.judge(
            settings, setup, JUDGES, pseudonym_key=_key(settings), now_ms=now_ms, listener=listener, advance=done
        )  # fmt: skip


def _key(settings: Settings) -> bytes:
    """The configured key, or the published one: the pseudonyms of a replay never leave its memory."""
    if settings.pseudonym_key is None and settings.pseudonym_key_file is None:
        return DEV_PSEUDONYM_KEY
    return pseudonym_key(settings)
