"""``assay import``: files of other systems as events; here traces and tables, all of a file or nothing of it."""

import json
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final, TypeVar

import click

from streams.cli.groups import CONTEXT_SETTINGS, AssayGroup, Lazy, command
from streams.cli.options import effective_settings, settings_options
from streams.cli.progress import progress
from streams.cli.sinks import OUTCOMES, STDOUT, USAGE, event_sink
from streams.cli.times import TimeMs
from streams.errors import DataError, DependencyError
from streams.imports import azure_trace as azure
from streams.imports import swebench as swe
from streams.imports.rows import BadRow

__all__ = ["azure_trace", "imports", "swebench"]

_BATCH: Final = 1_000
#: Bad rows shown; a file that is something else entirely has nothing but bad rows.
_SHOWN: Final = 10
#: A sound row, to find out whether the labels are acceptable before blaming the file's rows.
_PROBE: Final = (",".join(azure.COLUMNS), "2023-11-16 18:17:03.9799600,1,1")

_OUTPUT: Final = click.Path(path_type=Path, dir_okay=False)
#: A Monday: nothing in the table says when its runs were.
_SWEBENCH_START_MS: Final = 1_767_571_200_000
_T = TypeVar("_T")
#: The sources of the register that files can be had from; the register itself is slow to import.
_SOURCES: Final = {
    "litellm": "LiteLLM",
    "otlp": "OpenTelemetry, Claude Code, Codex CLI, Gemini CLI",
    "langfuse": "Langfuse",
    "promptfoo": "promptfoo",
    "github": "GitHub",
    "jira": "Jira",
    "pagerduty": "PagerDuty",
    "events": "events of your own, bare or as CloudEvents",
}


@click.group(
    "import",
    cls=AssayGroup,
    context_settings=CONTEXT_SETTINGS,
    examples=(
        "assay import litellm spend_logs.jsonl --dry-run",
        "assay import langfuse observations.jsonl scores.jsonl --brokers 127.0.0.1:9092 --pseudonym-key-file key",
        "assay import request body.json --path /v1/logs --header 'content-type: application/json'",
        "assay import swebench costs.csv --usage usage.jsonl --outcomes outcomes.jsonl",
    ),
    lazy={
        **{
            name: Lazy(f"streams.cli.import_sources:{name}", f"Import files of {title}.")
            for name, title in _SOURCES.items()
        },
        "request": Lazy("streams.cli.import_request:request", "Put one captured request through ingest's route."),
        "azure-trace": Lazy("streams.cli.imports:azure_trace", "Import a CSV of Azure's LLM inference traces."),
        "swebench": Lazy("streams.cli.imports:swebench", "Import a CSV of SWE-bench's costs and results."),
    },
)
def imports() -> None:
    """Turn files of other systems into events."""


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
    type=_OUTPUT,
    metavar="FILE|-",
    help="Write lines of JSON here instead of sending to Kafka; - is standard output.",
)
@click.option("--team", default=azure.Labels().team, show_default=True, help="Team the requests are booked to.")
@click.option("--workflow", default=azure.Labels().workflow, show_default=True, help="Workflow they are booked to.")
@click.option(
    "--model", default=azure.Labels().model, show_default=True, help="Model they went to; the trace does not say."
)
@click.option("--start", type=TimeMs(), help="Move the trace in time so that its first request is here.")
def azure_trace(file: Path, usage: Path | None, team: str, workflow: str, model: str, start: int | None) -> None:
    """Import a CSV of Azure's LLM inference traces.

    FILE has the columns TIMESTAMP (UTC unless it says otherwise), ContextTokens and GeneratedTokens. The whole file is
    checked first: if a row is bad, nothing is imported, the rows are named, and the exit code is 5. Importing a file
    again gives the same event ids, so that it counts once.
    """
    labels = azure.Labels(team, workflow, model)
    if isinstance(refused := next(azure.read_events(_PROBE, labels)), BadRow):
        raise click.UsageError(refused.problem)
    settings = effective_settings()
    read = partial(_rows, file, partial(azure.read_events, labels=labels, start_ms=start))
    with progress("checking", None) as done:
        count = _check(file, read(), done)
    with event_sink(USAGE, usage, settings, whole=True) as write, progress("importing", count) as done:
        events = (event for event in read() if isinstance(event, bytes))
        while batch := list(islice(events, _BATCH)):
            write(batch)
            done(len(batch))
    click.echo(json.dumps({"events": count}), err=usage == STDOUT)


@command(
    "swebench",
    examples=(
        "assay import swebench costs.csv --usage usage.jsonl --outcomes outcomes.jsonl",
        "assay import swebench costs.csv --start 2026-11-02T09:00:00Z --brokers 127.0.0.1:9092",
    ),
)
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@settings_options("brokers", "topic_prefix")
@click.option(
    "--usage", type=_OUTPUT, metavar="FILE|-", help="Write usage events here, as lines of JSON, not to Kafka."
)
@click.option("--outcomes", type=_OUTPUT, metavar="FILE|-", help="Write outcome events here; goes with --usage.")
@click.option("--start", type=TimeMs(), help="When each model's first task begins.  [default: 2026-01-05T00:00:00Z]")
def swebench(file: Path, usage: Path | None, outcomes: Path | None, start: int | None) -> None:
    """Import a CSV of SWE-bench's costs and results.

    FILE has the columns model, task, api_calls, cost_usd and resolved. A model becomes a team, a task a run of it, with
    its calls and an evaluation that passed or failed. The whole file is checked first: if a row is bad, nothing is
    imported, the rows are named, and the exit code is 5. Importing a file again gives the same ids, so that it counts
    once.
    """
    if (usage is None) != (outcomes is None) or (usage is not None and usage == outcomes):
        raise click.UsageError(
            "--usage and --outcomes go together, to an output each; without both, events go to Kafka"
        )
    settings = effective_settings()
    read = partial(_rows, file, partial(swe.read_events, start_ms=_SWEBENCH_START_MS if start is None else start))
    with progress("checking", None) as done:
        # A row makes one outcome, and as many calls as it says.
        count = _check(file, read(), done, ends_row=lambda event: isinstance(event, swe.Event) and event.is_outcome)
    outcome_count = 0
    with (
        event_sink(USAGE, usage, settings, whole=True) as write_usage,
        event_sink(OUTCOMES, outcomes, settings, whole=True) as write_outcomes,
        progress("importing", count) as done,
    ):
        events = (event for event in read() if isinstance(event, swe.Event))
        while batch := list(islice(events, _BATCH)):
            results = [event.value for event in batch if event.is_outcome]
            for write, values in (
                (write_usage, [event.value for event in batch if not event.is_outcome]), (write_outcomes, results)
            ):  # fmt: skip
                if values:
                    write(values)
            outcome_count += len(results)
            done(len(batch))
    said = {"events": count - outcome_count, "outcomes": outcome_count}
    click.echo(json.dumps(said), err=STDOUT in (usage, outcomes))


def _rows(file: Path, read: Callable[[Iterable[str]], Iterator[_T | BadRow]]) -> Iterator[_T | BadRow]:
    """One pass over the file; what is not text shows as a bad row with its number."""
    try:
        with file.open(encoding="utf-8-sig", errors="replace", newline="") as lines:
            yield from read(lines)
    except OSError as error:
        raise DependencyError(f"cannot read {file} ({error.strerror}); check the path and its permissions") from error
    except DataError as error:
        raise DataError(f"{file}, {error}") from error


def _check(
    file: Path, rows: Iterable[object], done: Callable[[int], object], *,
    ends_row: Callable[[object], bool] = lambda event: True,
) -> int:  # fmt: skip
    """The number of events that the file makes; ``ends_row`` holds for one event of each row.

    Raises DataError that names the bad rows.
    """
    good = good_rows = bad = 0
    shown = []
    for row in rows:
        if isinstance(row, BadRow):
            bad += 1
            if bad <= _SHOWN:
                shown.append(f"line {row.line}: {row.problem}")
        else:
            good += 1
            good_rows += ends_row(row)
            if not good % _BATCH:
                done(_BATCH)
    if bad:
        more = [f"and {bad - _SHOWN} more"] if bad > _SHOWN else []
        summary = f"{file}: {bad} of {good_rows + bad} rows are bad; nothing was imported, mend or remove them"
        raise DataError("\n".join([summary, *shown, *more]))
    return good
