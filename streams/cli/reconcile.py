"""``assay reconcile``: recorded usage against what providers bill."""

import json
from collections.abc import Sequence
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import Any, Final

import click

from streams.cli.groups import command
from streams.cli.options import effective_settings, settings_options
from streams.cli.progress import progress
from streams.cli.sinks import STDOUT, open_output, printable
from streams.cli.times import TimeMs
from streams.clock import SystemClock
from streams.core import topics
from streams.core.events import UsageDecoder, UsageEvent
from streams.core.rejections import Rejection
from streams.core.schemas import SchemaCache
from streams.engine_params import engine_setup
from streams.errors import DataError, DependencyError
from streams.reconciliation import document, text
from streams.reconciliation.comparing import DEFAULT_TOLERANCE, Window, reconcile
from streams.reconciliation.ledger import Contradiction, Ledger
from streams.reconciliation.recorded import Recorded
from streams.reconciliation.verdicts import Tolerance
from streams.settings import Settings
from streams.sources.billing.formats import Format, read
from streams.sources.contract import BadBody

__all__ = ["reconcile_command"]

_INPUT: Final = click.Path(path_type=Path, exists=True, dir_okay=False)
_BATCH: Final = 1_000
#: Refused rows of a bill that are named.
_SHOWN: Final = 10
_AUTO: Final = "auto"
_PERCENT: Final = click.FloatRange(0, 100)


@command(
    "reconcile",
    examples=(
        "assay reconcile --usage usage.jsonl --billed usage_report.json --billed cost_report.json",
        "assay reconcile --brokers 127.0.0.1:9092 --billed focus.csv --as focus --cost effective",
        "assay reconcile --usage usage.jsonl --billed costs.json --metrics /var/lib/node_exporter/assay.prom",
    ),
)
@click.option(
    "--usage",
    type=_INPUT,
    multiple=True,
    metavar="FILE",
    help="Usage events as lines of JSON; may be given again.  [default: the topic of usage]",
)
@click.option(
    "--billed",
    type=_INPUT,
    multiple=True,
    required=True,
    metavar="FILE",
    help="A provider's report, as its API or export gave it; may be given again.",
)
@click.option(
    "--as",
    "form",
    type=click.Choice([_AUTO, *(it.value for it in Format)]),
    default=_AUTO,
    show_default=True,
    help="Whose report it is; auto tells each file's from what is in it.",
)
@click.option(
    "--cost",
    type=click.Choice(["billed", "effective"]),
    default="billed",
    show_default=True,
    help="Which cost of FOCUS is compared.",
)
@click.option("--since", type=TimeMs(), help="Usage was recorded from here on; days before it are not compared.")
@click.option("--until", type=TimeMs(), help="Usage was recorded up to here.")
@click.option(
    "--as-of", type=TimeMs(), help="What time it is: days that end less than an hour before are not compared."
)
@click.option(
    "--tokens-tolerance",
    type=_PERCENT,
    default=DEFAULT_TOLERANCE.tokens_permille / 10,
    show_default=True,
    help="Gap in tokens that is none, in percent of the larger side; up to 1,000 tokens never are one.",
)
@click.option(
    "--dollars-tolerance",
    type=_PERCENT,
    default=DEFAULT_TOLERANCE.dollars_permille / 10,
    show_default=True,
    help="The same for dollars; up to a cent never is one.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of text.")
@click.option(
    "--metrics",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE|-",
    help="Write gauges here, for Prometheus' textfile collector.",
)
@settings_options("brokers", "topic_prefix", "schema_registry_url")
def reconcile_command(
    usage: Sequence[Path], billed: Sequence[Path], form: str, cost: Any, since: int | None, until: int | None,
    as_of: int | None, tokens_tolerance: float, dollars_tolerance: float, as_json: bool, metrics: Path | None,
) -> None:  # fmt: skip
    """Compare recorded usage with what providers bill.

    By UTC day and model, tokens and dollars; a bill that is coarser is compared as it is. Bills are never added to
    usage. Exit code 1 when a gap is beyond the tolerance, 5 when a bill cannot be read whole: then nothing is compared.
    Costs are those that sources reported, or else the price book's.
    """
    if as_json and metrics == STDOUT:
        raise click.UsageError("--json and --metrics - both want standard output; give --metrics a file")
    settings = effective_settings()
    ledger = _ledger(billed, None if form == _AUTO else Format(form), cost)
    recorded = Recorded(engine_setup(settings).prices)
    rejected = _from_files(usage, settings, recorded) if usage else _from_topic(settings, recorded)
    now_ms = SystemClock().now_ms() if as_of is None else as_of
    tolerance = Tolerance(round(tokens_tolerance * 10), round(dollars_tolerance * 10))
    found = reconcile(recorded, ledger, Window(now_ms, since, until), tolerance)
    if metrics is not None:
        # Imported late: only this needs it.
        from streams.telemetry.reconciliation import render

        with open_output(metrics, whole=True) as output:
            output.write(render(found, now_ms))
    if as_json:
        said = document.document(found, ledger, recorded, tolerance, rejected=rejected, as_of_ms=now_ms)
        click.echo(json.dumps(said, indent=2))
    elif metrics != STDOUT:
        click.echo(printable(text.render(found, ledger, recorded, rejected=rejected)), nl=False)
    if found.findings:
        click.get_current_context().exit(1)


def _ledger(paths: Sequence[Path], form: Format | None, cost: Any) -> Ledger:
    """The bills, whole. Raises DataError."""
    ledger = Ledger()
    seen: dict[bytes, Path] = {}
    for path in paths:
        body = _bytes(path)
        same = seen.setdefault(blake2b(body, digest_size=16).digest(), path)
        if same is not path:
            raise DataError(f"{path} is the same file as {same}; give each bill once")
        try:
            bill = read(body, form, cost=cost)
        except BadBody as error:
            raise DataError(f"{path}: {error.detail}") from error
        if bill.refused:
            shown = [f"{it.place}: {it.detail}" for it in bill.refused[:_SHOWN]]
            more = len(bill.refused) - _SHOWN
            summary = f"{path}: {len(bill.refused):,} records are bad; nothing was compared, mend them or export again"
            raise DataError("\n".join([summary, *shown, *([f"and {more:,} more"] if more > 0 else [])]))
        try:
            ledger.add(bill)
        except Contradiction as error:
            raise DataError(f"{path}: {error}") from error
    if not ledger.billers:
        raise DataError("no bill has a row of usage or cost; give reports of AI services")
    return ledger


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DependencyError(f"cannot read {path} ({error.strerror}); give a file that can be read") from error


def _from_files(paths: Sequence[Path], settings: Settings, recorded: Recorded) -> int:
    """How many records were none."""
    decoder = UsageDecoder(max_record_bytes=settings.max_record_bytes)
    taken = rejected = 0
    for path in paths:
        try:
            with path.open("rb") as lines, progress("reading", None) as done:
                records = (line.rstrip(b"\r\n") for line in lines if not line.isspace())
                while batch := list(islice(records, _BATCH)):
                    decoded = decoder.decode(batch)
                    recorded.add(event for event in decoded.events if isinstance(event, UsageEvent))
                    taken += len(batch)
                    rejected += decoded.rejected
                    done(len(batch))
        except OSError as error:
            raise DependencyError(f"cannot read {path} ({error.strerror}); give a file that can be read") from error
    if taken == rejected:
        raise DataError("there is no usage event in the input; give files of `assay import` or of the topic of usage")
    return rejected


class _Events:
    """Usage events as their topic has them, one at a time."""

    def __init__(self, max_record_bytes: int) -> None:
        self._max_record_bytes = max_record_bytes
        self._decoder: UsageDecoder | None = None

    def decode(self, value: bytes, schemas: SchemaCache | None = None, /) -> UsageEvent:
        """Raises ValueError on what is none."""
        if self._decoder is None:
            self._decoder = UsageDecoder(schemas, max_record_bytes=self._max_record_bytes)
        (event,) = self._decoder.decode((value,)).events
        if isinstance(event, Rejection):
            raise ValueError(event.detail)
        return event


def _from_topic(settings: Settings, recorded: Recorded) -> int:
    # Imported late: Kafka's client is slow to import, and files need none.
    from streams.published import read_topic

    read_ = read_topic(
        settings.brokers, settings.topic_prefix + topics.USAGE, _Events(settings.max_record_bytes),
        lambda event: recorded.add((event,)), settings.schema_registry_url,
    )  # fmt: skip
    return read_.unreadable
