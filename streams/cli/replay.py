"""``assay replay``: the pure core over files, without Kafka."""

import json
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

import click

from streams.cli.groups import command
from streams.cli.options import effective_settings, settings_options
from streams.cli.progress import progress
from streams.cli.sinks import STDOUT, open_output
from streams.cli.times import TimeMs
from streams.clock import SystemClock
from streams.core.events import UsageDecoder
from streams.core.outcomes import OutcomeDecoder
from streams.core.pseudonyms import Pseudonyms
from streams.detectors import JUDGES
from streams.engine_params import engine_setup
from streams.errors import DependencyError
from streams.replay import newest_until
from streams.replay import replay as replay_files
from streams.settings import DEV_PSEUDONYM_KEY, Settings, pseudonym_key

__all__ = ["replay"]

_INPUT = click.Path(path_type=Path, exists=True, dir_okay=False)
_OUTPUT = click.Path(path_type=Path, dir_okay=False)


@command(
    "replay",
    examples=(
        "assay replay --usage usage.jsonl --kpis kpis.jsonl --dead-letters dead.jsonl",
        "assay replay --usage monday.jsonl --usage tuesday.jsonl --kpis - | jq 'select(.scope == \"team\")'",
        "assay replay --usage usage.jsonl --outcomes outcomes.jsonl --kpis kpis.jsonl --settle",
        "assay replay --usage usage.jsonl --kpis kpis.jsonl --config assay.yaml",
    ),
)
@click.option(
    "--usage",
    type=_INPUT,
    multiple=True,
    required=True,
    metavar="FILE",
    help="Usage events as lines of JSON; may be given again.",
)
@click.option(
    "--outcomes",
    type=_INPUT,
    multiple=True,
    metavar="FILE",
    help="Outcome events as lines of JSON; may be given again.",
)
@click.option(
    "--kpis", type=_OUTPUT, metavar="FILE|-", help="Where KPIs go, as lines of JSON in the order they are published."
)
@click.option(
    "--alerts",
    type=_OUTPUT,
    metavar="FILE|-",
    help="Where alerts go, as lines of JSON in the order they are published.",
)
@click.option("--dead-letters", type=_OUTPUT, metavar="FILE|-", help="Where records go that cannot be processed.")
@click.option(
    "--as-of", type=TimeMs(), help="Where the clock stands.  [default: at the newest event that is not in the future]"
)
@click.option(
    "--settle",
    is_flag=True,
    help="Count every run as mature at the end, for files that nothing will follow.",
)
@settings_options()
def replay(
    usage: Sequence[Path], outcomes: Sequence[Path], kpis: Path | None, alerts: Path | None, dead_letters: Path | None,
    as_of: int | None, settle: bool,
) -> None:  # fmt: skip
    """Run the pure core over files, without Kafka.

    Publishes what a worker would have published from a log of one partition that ends with the files. The same files,
    settings and --as-of give the same bytes; without --as-of, as long as no event lies in the future. Prints a JSON
    summary (on standard error where - is an output); records that cannot be processed are counted there and do not
    change the exit code.
    """
    given = [path for path in (kpis, alerts, dead_letters) if path is not None]
    if len(set(given)) < len(given):
        raise click.UsageError("--kpis, --alerts and --dead-letters need an output each")
    pipes = [path for path in usage if not path.is_file()]
    if pipes and as_of is None:
        raise click.UsageError(
            f"{pipes[0]} can be read once only, and its newest event is not known then: give --as-of"
        )
    settings = effective_settings()
    setup = engine_setup(settings)
    decoder = UsageDecoder(max_record_bytes=settings.max_record_bytes)
    size = None if pipes else sum(path.stat().st_size for path in usage)
    with ExitStack() as stack:
        outputs = [
            stack.enter_context(open_output(path, whole=True)) if path else None
            for path in (kpis, alerts, dead_letters)
        ]
        try:
            if as_of is None:
                with progress("reading", size) as done:
                    as_of = newest_until(usage, decoder=decoder, until_ms=SystemClock().now_ms(), advance=done)
            with progress("replaying", size) as done:
                summary = replay_files(
                    usage,
                    outcomes,
                    params=setup.params,
                    prices=setup.prices,
                    decoder=decoder,
                    pseudonyms=Pseudonyms(_key(settings)),
                    outcomes=OutcomeDecoder(max_record_bytes=settings.max_record_bytes),
                    settle=settle,
                    now_ms=as_of,
                    judges=JUDGES,
                    kpis_out=outputs[0],
                    alerts_out=outputs[1],
                    dead_letters_out=outputs[2],
                    advance=done,
                )
        except OSError as error:
            raise DependencyError(f"cannot read {error.filename} or write an output ({error.strerror})") from error
    click.echo(json.dumps({"as_of_ms": as_of, **asdict(summary)}), err=STDOUT in given)


def _key(settings: Settings) -> bytes:
    """The configured key, or the published one: the pseudonyms of a replay never leave its memory."""
    if settings.pseudonym_key is None and settings.pseudonym_key_file is None:
        return DEV_PSEUDONYM_KEY
    return pseudonym_key(settings)
