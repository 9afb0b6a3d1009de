"""``assay import``: recorded traces as usage events, all of a file or nothing of it."""

import json
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Final

import click

from streams.cli.groups import CONTEXT_SETTINGS, AssayGroup, Lazy, command
from streams.cli.options import effective_settings, settings_options
from streams.cli.progress import progress
from streams.cli.sinks import STDOUT, usage_sink
from streams.cli.times import TimeMs
from streams.errors import DataError, DependencyError
from streams.imports.azure_trace import COLUMNS, BadRow, Labels, read_events

__all__ = ["azure_trace", "imports"]

_BATCH: Final = 1_000
#: Bad rows shown; a file that is something else entirely has nothing but bad rows.
_SHOWN: Final = 10
#: A sound row, to find out whether the labels are acceptable before blaming the file's rows.
_PROBE: Final = (",".join(COLUMNS), "2023-11-16 18:17:03.9799600,1,1")


@click.group(
    "import",
    cls=AssayGroup,
    context_settings=CONTEXT_SETTINGS,
    examples=("assay import azure-trace AzureLLMInferenceTrace_code.csv --usage usage.jsonl",),
    lazy={"azure-trace": Lazy("streams.cli.imports:azure_trace", "Import a CSV of Azure's LLM inference traces.")},
)
def imports() -> None:
    """Turn recorded traces into usage events."""


@command(
    "azure-trace",
    examples=(
        "assay import azure-trace trace.csv --usage usage.jsonl",
        "assay import azure-trace trace.csv --team assistants --workflow completion --brokers 127.0.0.1:9092",
    ),
)
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@settings_options("brokers", "topic_prefix")
@click.option(
    "--usage",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE|-",
    help="Write lines of JSON here instead of sending to Kafka; - is standard output.",
)
@click.option("--team", default=Labels().team, show_default=True, help="Team the requests are booked to.")
@click.option("--workflow", default=Labels().workflow, show_default=True, help="Workflow they are booked to.")
@click.option("--model", default=Labels().model, show_default=True, help="Model they went to; the trace does not say.")
@click.option("--start", type=TimeMs(), help="Move the trace in time so that its first request is here.")
def azure_trace(file: Path, usage: Path | None, team: str, workflow: str, model: str, start: int | None) -> None:
    """Import a CSV of Azure's LLM inference traces.

    FILE has the columns TIMESTAMP (UTC unless it says otherwise), ContextTokens and GeneratedTokens. The whole file is
    checked first: if a row is bad, nothing is imported, the rows are named, and the exit code is 5. Importing a file
    again gives the same event ids, so that it counts once.
    """
    labels = Labels(team, workflow, model)
    if isinstance(refused := next(read_events(_PROBE, labels)), BadRow):
        raise click.UsageError(refused.problem)
    settings = effective_settings()
    with progress("checking", None) as done:
        count = _check(file, labels, start, done)
    with usage_sink(usage, settings, whole=True) as write, progress("importing", count) as done:
        events = (event for event in _events(file, labels, start) if isinstance(event, bytes))
        while batch := list(islice(events, _BATCH)):
            write(batch)
            done(len(batch))
    click.echo(json.dumps({"events": count}), err=usage == STDOUT)


def _events(file: Path, labels: Labels, start: int | None) -> Iterator[bytes | BadRow]:
    """One pass over the file; what is not text shows as a bad row with its number."""
    try:
        with file.open(encoding="utf-8-sig", errors="replace", newline="") as lines:
            yield from read_events(lines, labels, start_ms=start)
    except OSError as error:
        raise DependencyError(f"cannot read {file} ({error.strerror}); check the path and its permissions") from error
    except DataError as error:
        raise DataError(f"{file}, {error}") from error


def _check(file: Path, labels: Labels, start: int | None, done: Callable[[int], object]) -> int:
    """The number of events in the file. Raises DataError that names its bad rows."""
    good = bad = 0
    shown = []
    for event in _events(file, labels, start):
        if isinstance(event, BadRow):
            bad += 1
            if bad <= _SHOWN:
                shown.append(f"line {event.line}: {event.problem}")
        else:
            good += 1
            if not good % _BATCH:
                done(_BATCH)
    if bad:
        more = [f"and {bad - _SHOWN} more"] if bad > _SHOWN else []
        summary = f"{file}: {bad} of {good + bad} rows are bad; nothing was imported, mend or remove them"
        raise DataError("\n".join([summary, *shown, *more]))
    return good
