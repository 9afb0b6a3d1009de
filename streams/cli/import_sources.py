"""``assay import SOURCE``: files of the systems that `assay ingest` receives from, to Kafka or to files."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Final

import click
import orjson

from streams.cli.groups import AssayCommand, command
from streams.cli.options import effective_settings, settings_options
from streams.cli.progress import progress
from streams.cli.sinks import OUTCOMES, STDOUT, USAGE, Destination, event_sink, open_output
from streams.cli.tables import show_table
from streams.cli.whose import file_key, whose_of, whose_options
from streams.clock import SystemClock
from streams.core.pseudonyms import Pseudonyms
from streams.errors import DataError, DependencyError
from streams.imports.bodies import opened
from streams.imports.ordering import InOrderOfTime
from streams.imports.source_files import Account, SourceFiles
from streams.settings import DEV_PSEUDONYM_KEY, Settings, pseudonym_key
from streams.sources.booking import Booker
from streams.sources.catalogue import SOURCES, Source
from streams.sources.contract import Context, Form, Refused
from streams.sources.fingerprints import Fingerprints

__all__ = ["events", "github", "jira", "langfuse", "litellm", "otlp", "pagerduty", "promptfoo"]

_OUTPUT: Final = click.Path(path_type=Path, dir_okay=False)
#: Refusals shown; a file that is something else entirely has nothing but refusals.
_SHOWN: Final = 10

_MANUAL: Final = """\
Import files of {title}.

    FILEs hold {forms}; plain or in gzip. Their events go to Kafka in order of time or, with --usage and --outcomes, to files that
    `assay replay` reads. Ids come from what the files hold, so that importing a file again, in whole or in part, or after an
    import that broke off, counts nothing twice. What can never be an event is refused: the first are shown, --rejected has all.
    The exit code is 5 if everything was refused or, with --strict, if anything was.
"""


def _command(name: str, example: str) -> AssayCommand:
    """The command of one source of the register."""
    source = next(source for source in SOURCES if source.name == name)

    def run(
        files: Sequence[Path], usage: Path | None, outcomes: Path | None, rejected: Path | None, team: str | None,
        workflow: str | None, entry: str | None, dry_run: bool, strict: bool,
    ) -> None:  # fmt: skip
        _import(
            _Run(source, files, _Outputs(usage, outcomes, rejected), dry_run), (team, workflow, entry), strict=strict
        )

    run.__doc__ = _MANUAL.format(title=source.title, forms="; ".join(source.files))
    for option in (
        click.option("--strict", is_flag=True, help="Exit with 5 if anything was refused; the rest is imported."),
        click.option("--dry-run", is_flag=True, help="Send and write nothing; show a table of what would be."),
        whose_options,
        click.option("--rejected", type=_OUTPUT, metavar="FILE", help="Write refusals here, as lines of JSON."),
        click.option("--outcomes", type=_OUTPUT, metavar="FILE|-", help="Write outcome events here, not to Kafka."),
        click.option(
            "--usage", type=_OUTPUT, metavar="FILE|-", help="Write usage events here, as lines of JSON, not to Kafka."
        ),
        settings_options(
            "brokers", "topic_prefix", "pseudonym_key_file", "insecure_dev_key", "ingest.sources_file",
            "ingest.max_inflated_bytes",
        ),
        click.argument(
            "files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False), metavar="FILE..."
        ),
    ):  # fmt: skip
        run = option(run)
    return command(
        name,
        examples=(
            f"assay import {name} {example} --dry-run",
            f"assay import {name} {example} --brokers 127.0.0.1:9092 --pseudonym-key-file key",
            f"assay import {name} {example} --usage usage.jsonl --outcomes outcomes.jsonl --rejected rejected.jsonl",
        ),
    )(run)


class _Outputs:
    """Where records go, opened when the first is there: files if one is given, else topics."""

    def __init__(self, usage: Path | None, outcomes: Path | None, rejected: Path | None) -> None:
        self.given = [path for path in (usage, outcomes, rejected) if path is not None]
        if len(set(self.given)) < len(self.given):
            raise click.UsageError("--usage, --outcomes and --rejected need an output each")
        self.to_files = usage is not None or outcomes is not None
        self.rejected = rejected
        self.paths = {Form.USAGE: usage, Form.OUTCOME: outcomes}

    def check(self, account: Account) -> None:
        """Raises UsageError where records have no place to go."""
        for form, path in self.paths.items():
            if self.to_files and path is None and account.forms[form]:
                raise click.UsageError(
                    f"the files hold {account.forms[form]:,} {_NAMES[form]}: give --{_NAMES[form]}, too; nothing was written"
                )


_NAMES: Final = {Form.USAGE: "usage", Form.OUTCOME: "outcomes"}
_DESTINATIONS: Final[dict[Form, Destination]] = {Form.USAGE: USAGE, Form.OUTCOME: OUTCOMES}


class _Run:
    """One import."""

    def __init__(self, source: Source, files: Sequence[Path], outputs: _Outputs, dry_run: bool) -> None:
        self.source = source
        self.files = files
        self.outputs = outputs
        self.dry_run = dry_run


def _import(run: _Run, whose: tuple[str | None, str | None, str | None], *, strict: bool) -> None:
    settings = effective_settings()
    binding, linking = whose_of(settings, run.source, *whose)
    # To Kafka only under the workers' own key; what is not sent, or goes to a file, is as `assay replay` has it.
    key = file_key(settings) if run.dry_run or run.outputs.to_files else pseudonym_key(settings)
    fingerprint = Fingerprints(key) if settings.ingest.prompt_fingerprints else None
    reader = SourceFiles(
        run.source, Booker(Pseudonyms(key)), binding, Context(0, fingerprint=fingerprint, linking=linking),
        max_bytes=settings.ingest.max_inflated_bytes,
    )  # fmt: skip
    shown: list[str] = []
    with ExitStack() as stack:
        note = _refusals(run, stack, shown)
        try:
            records = stack.enter_context(InOrderOfTime())
            _read(run.files, reader, records, note)
        except OSError as error:
            raise DependencyError(
                f"cannot read {error.filename or 'a file'} or set records aside ({error.strerror}); nothing was imported"
            ) from error
        run.outputs.check(reader.account)
        if not run.dry_run:
            _send(run.outputs, records, settings)
    _say(run, reader.account, shown)
    if run.outputs.to_files and not run.dry_run and key == DEV_PSEUDONYM_KEY:
        click.echo("people stand in these files under a published key: keep them as you keep names", err=True)
    refused, sent = reader.account.refused.total(), reader.account.forms.total()
    if refused and (strict or not (sent or reader.account.skipped)):
        raise DataError(f"{refused:,} refused, {sent:,} taken; what is wrong, and the fix, stands above")


def _refusals(run: _Run, stack: ExitStack, shown: list[str]) -> Callable[[Path, Refused], None]:
    """What notes a refusal: the first of them to show, all of them in the file."""
    path = run.outputs.rejected
    out = None if path is None or run.dry_run else stack.enter_context(open_output(path, whole=True))

    def note(file: Path, refused: Refused) -> None:
        if len(shown) < _SHOWN:
            shown.append(f"{file}, {refused.place}: {refused.reason}: {refused.detail}")
        if out is not None:
            out.write(orjson.dumps({"source": run.source.name, "file": str(file), **refused._asdict()}) + b"\n")

    return note


def _read(
    files: Sequence[Path], reader: SourceFiles, records: InOrderOfTime, note: Callable[[Path, Refused], None]
) -> None:  # fmt: skip
    now_ms = SystemClock().now_ms()
    size = sum(path.stat().st_size for path in files) if all(path.is_file() for path in files) else None
    with progress("reading", size) as done:
        for path in files:
            # What a file does not date is as old as the file, however often it is read.
            written_at_ms = min(now_ms, path.stat().st_mtime_ns // 1_000_000)
            content, raw = opened(path)
            with raw:
                advance = partial(_advance, raw, done, Counter[str]()) if size is not None else _nothing
                for found in reader.read(content, written_at_ms, advance):
                    if isinstance(found, Refused):
                        note(path, found)
                    else:
                        records.add(*found)


def _advance(raw: BinaryIO, done: Callable[[int], object], told: Counter[str]) -> None:
    """Tell how much further a file has been read, as it lies on the disk."""
    at = raw.tell()
    done(at - told["bytes"])
    told["bytes"] = at


def _nothing() -> None:
    """The length of a pipe is not known."""


def _send(outputs: _Outputs, records: InOrderOfTime, settings: Settings) -> None:
    with ExitStack() as stack, progress("importing", len(records)) as done:
        writes: dict[Form, Callable[[Sequence[bytes]], object]] = {}

        def open_form(form: Form) -> Callable[[Sequence[bytes]], object]:
            if form not in writes:
                writes[form] = stack.enter_context(
                    event_sink(_DESTINATIONS[form], outputs.paths[form], settings, whole=True, judged=True)
                )
            return writes[form]

        for form, path in outputs.paths.items():
            if path is not None:
                open_form(form)
        for batch in records.batches():
            for form, values in ((Form.USAGE, batch.usage), (Form.OUTCOME, batch.outcomes)):
                if values:
                    open_form(form)(values)
            done(len(batch.usage) + len(batch.outcomes))


def _say(run: _Run, account: Account, shown: Sequence[str]) -> None:
    for line in shown:
        click.echo(line, err=True)
    if (more := account.refused.total() - len(shown)) > 0:
        click.echo(f"and {more:,} more refused; --rejected FILE has them all", err=True)
    if run.dry_run:
        show_table(("would be", "what", "records"), _rows(account))
    else:
        click.echo(json.dumps(_summary(account)), err=STDOUT in run.outputs.given)


def _summary(account: Account) -> dict[str, Any]:
    return {
        "usage": account.forms[Form.USAGE], "outcomes": account.forms[Form.OUTCOME], "refused": _counts(account.refused),
        "skipped": _counts(account.skipped), "attributed": _counts(account.attributed), "links": _counts(account.links),
    }  # fmt: skip


def _counts(counter: Counter[Any]) -> dict[str, int]:
    return {str(name): count for name, count in sorted(counter.items()) if count}


def _rows(account: Account) -> list[tuple[str, str, str]]:
    groups = {
        "sent": {"usage": account.forms[Form.USAGE], "outcomes": account.forms[Form.OUTCOME]},
        "refused": _counts(account.refused),
        "skipped": _counts(account.skipped),
        "team from": _counts(account.attributed),
        "run from": _counts(account.links),
    }
    return [(group, name, f"{count:,}") for group, counts in groups.items() for name, count in counts.items()]


litellm = _command("litellm", "spend_logs.jsonl")
otlp = _command("otlp", "collector.jsonl")
langfuse = _command("langfuse", "observations.jsonl scores.jsonl")
promptfoo = _command("promptfoo", "out.json")
github = _command("github", "pulls.json issues.json")
jira = _command("jira", "issues.json")
pagerduty = _command("pagerduty", "incidents.json")
events = _command("events", "events.jsonl")
