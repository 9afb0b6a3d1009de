"""``assay report``: a week's spend and what came of it, for a person."""

import json
import shutil
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

import click

from streams.cli.groups import command
from streams.cli.options import effective_settings, settings_options
from streams.cli.sinks import STDOUT, open_output, printable
from streams.core import topics
from streams.errors import DataError, DependencyError
from streams.report import page, text
from streams.report.contents import Report, report_of
from streams.report.document import document
from streams.report.names import shown
from streams.report.selection import Selection
from streams.report.weeks import Week

__all__ = ["report"]

#: Where nobody can tell how wide the reader's screen is.
_WIDTH: Final = 120
#: Names that an error lists.
_MOST_NAMES: Final = 5


class _WeekType(click.ParamType):
    """An ISO week, or a day in it."""

    name = "week"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Week:
        try:
            return Week.parse(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


@command(
    "report",
    examples=(
        "assay report --kpis kpis.jsonl",
        "assay report --kpis kpis.jsonl --week 2026-W02 --html report.html",
        "assay report --brokers 127.0.0.1:9092 --team payments",
        "assay replay --usage usage.jsonl --kpis - --settle 2>/dev/null | assay report --kpis - --json",
    ),
)
@click.option(
    "--kpis",
    type=click.Path(path_type=Path, exists=True, dir_okay=False, allow_dash=True),
    multiple=True,
    metavar="FILE|-",
    help="KPI records as lines of JSON; may be given again.  [default: the topic of KPIs]",
)
@click.option(
    "--week",
    type=_WeekType(),
    metavar="WEEK",
    help="A week, 2026-W02, or a day in it, 2026-01-05.  [default: the newest]",
)
@click.option("--team", metavar="NAME", help="Only this team.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of text.")
@click.option(
    "--html",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE|-",
    help="Write a page here that needs no other file.",
)
@settings_options("brokers", "topic_prefix", "schema_registry_url")
def report(kpis: Sequence[Path], week: Week | None, team: str | None, as_json: bool, html: Path | None) -> None:
    """Show what a week's spend came to.

    Spend, outcomes, cost per accepted outcome, spend that led to nothing, quality, and how much of it is known, for each
    team and workflow, beside the change on the week before. Reads KPI records, the highest revision of each window:
    from files, or else from the topic as far as it is written now. The newest week is the newest that has closed, if one
    has; of a week that has not, the days so far are added up. Text is as wide as the terminal, or as COLUMNS says.
    """
    if as_json and html == STDOUT:
        raise click.UsageError("--json and --html - both want standard output; give --html a file")
    selection = _from_files(kpis) if kpis else _from_topic()
    chosen = _chosen(selection, week, team)
    if html is not None:
        with open_output(html, whole=True) as output:
            output.write(page.render(chosen).encode())
        if html != STDOUT:
            click.echo(f"wrote {html}", err=True)
    if as_json:
        click.echo(json.dumps(document(chosen), indent=2))
    elif html is None:
        click.echo(printable(text.render(chosen, shutil.get_terminal_size((_WIDTH, 24)).columns)), nl=False)


def _from_files(paths: Sequence[Path]) -> Selection:
    # Imported late: Kafka's client is slow to import, and --help needs none.
    from streams.published import read_lines

    selection = Selection()
    for path in paths:
        with ExitStack() as stack:
            try:
                lines = sys.stdin.buffer if path == STDOUT else stack.enter_context(path.open("rb"))
                name = "standard input" if path == STDOUT else str(path)
                for record in read_lines(lines, name):
                    selection.add(record)
            except OSError as error:
                raise DependencyError(f"cannot read {path} ({error.strerror}); give a file that can be read") from error
    return selection


def _from_topic() -> Selection:
    from streams.published import read_kpis

    settings = effective_settings()
    selection = Selection()
    read = read_kpis(settings.brokers, settings.topic_prefix + topics.KPIS, selection.add, settings.schema_registry_url)
    if read.unreadable:
        fix = "" if settings.schema_registry_url else "; with a schema registry, set schema_registry_url"
        click.echo(f"left out {read.unreadable:,} of {read.records:,} records, which cannot be read{fix}", err=True)
    return selection


def _chosen(selection: Selection, week: Week | None, team: str | None) -> Report:
    """The report, once it is certain that it has something to say."""
    known = selection.weeks
    newest = selection.newest_week
    if newest is None:
        raise DataError(
            "there is no record of a day or a week in the input; wait until a day has closed, "
            "or let `assay replay --kpis` write some"
        )
    week = newest if week is None else week
    if week not in known:
        raise click.UsageError(f"there is no record of week {week.name}; there are {_some([it.name for it in known])}")
    found = report_of(selection, week, team)
    if not found.teams:
        names = sorted({place.team for place in selection.places(week)})
        near = get_close_matches(team or "", names, n=1, cutoff=0.5)
        hint = f"did you mean {shown(near[0])}?" if near else f"there are {_some(names)}"
        raise click.UsageError(f"there is no record of team {shown(team or '')} in week {week.name}; {hint}")
    return found


def _some(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMES
    return ", ".join(map(shown, names[-_MOST_NAMES:])) + (f" and {more} more" if more > 0 else "")
