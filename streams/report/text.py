"""A report for a terminal: tables where they fit, blocks where they do not."""

import textwrap
from collections.abc import Iterator, Sequence
from typing import Final

from streams.report import words
from streams.report.contents import NO_RANKING, Entry, Report, Team
from streams.report.names import padded, shown, width_of
from streams.report.tables import TABLES, Cell, Table, cut_short, headline, people, remarks

__all__ = ["render"]

#: Columns that a name takes at most in a table.
_NAME_WIDTH: Final = 28
#: Columns that a header is wrapped to.
_HEADER_WIDTH: Final = 11
_GAP: Final = "  "
_NARROWEST: Final = 40


def render(report: Report, width: int) -> str:
    """The report as lines no wider than ``width`` columns, as far as a name or a figure fits at all; ends in a newline."""
    width = max(width, _NARROWEST)
    tables = [[_rows(team, table) for table in TABLES] for team in report.teams]
    fits = all(_width(rows) <= width for of_team in tables for rows in of_team)
    lines = [*_head(report, width)]
    for team, of_team in zip(report.teams, tables, strict=True):
        lines += ["", *_team_head(team, width)]
        lines += _as_tables(of_team) if fits else _as_blocks(team, width)
    lines += ["", *textwrap.wrap(NO_RANKING, width)]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _head(report: Report, width: int) -> Iterator[str]:
    week = report.week
    yield f"Spend and what came of it, week {week.name}"
    yield from textwrap.wrap(f"{words.day(week.days[0])} to {words.day(week.days[-1], with_year=True)}, UTC", width)
    yield f"as of {words.instant(report.newest_ms)}"
    if warning := cut_short(report):
        yield from textwrap.wrap(warning, width)
    yield ""
    yield "All teams, as far as it adds up" if len(report.teams) > 1 else "In all, as far as it adds up"
    said = headline(report)
    titles, figures = max(len(title) for title, _ in said), max(len(cell.text) for _, cell in said)
    for title, cell in said:
        line = f"  {title:<{titles}}  {cell.text:>{figures}}"
        whole = _with_note(line, cell, width)
        yield whole
        if cell.note and whole == line:
            # That a sum is not of all teams must be said, however narrow the terminal.
            yield f"    ({cell.note})"


def _with_note(line: str, cell: Cell, width: int) -> str:
    """A line, and what its figure is made of if there is room for it."""
    note = f"  ({cell.note})" if cell.note else ""
    return line + note if width_of(line + note) <= width else line


def _team_head(team: Team, width: int) -> Iterator[str]:
    name = f"TEAM {shown(team.entry.place.team)}"
    yield name
    yield "=" * min(width_of(name), width)
    yield from textwrap.wrap(people(team.entry.week), width)
    for entry in (team.entry, *team.workflows):
        if said := remarks(entry):
            yield from textwrap.wrap(f"{_name(entry)}: {'; '.join(said)}", width, subsequent_indent="  ")


def _name(entry: Entry) -> str:
    return "the team" if entry.place.workflow is None else shown(entry.place.workflow)


def _rows(team: Team, table: Table) -> list[list[str]]:
    """The lines of the header, then a line for each entry: its name, and its figures."""
    headers = [textwrap.wrap(column.title, _HEADER_WIDTH) for column in table.columns]
    height = max(map(len, headers))
    lines = zip(*([""] * (height - len(header)) + header for header in headers), strict=True)
    body = [
        [shown(_name(entry), _NAME_WIDTH), *(column.cell(entry).text for column in table.columns)]
        for entry in (team.entry, *team.workflows)
    ]
    return [["", *line] for line in lines] + body


def _width(rows: Sequence[Sequence[str]]) -> int:
    return sum(_widths(rows)) + len(_GAP) * (len(rows[0]) - 1)


def _widths(rows: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(width_of, column)) for column in zip(*rows, strict=True)]


def _as_tables(tables: Sequence[Sequence[Sequence[str]]]) -> Iterator[str]:
    # Names take one width in all of them, so that a workflow is found at one place.
    first = max(_widths(rows)[0] for rows in tables)
    for table, rows in zip(TABLES, tables, strict=True):
        yield ""
        yield table.title
        widths = _widths(rows)
        for name, *figures in rows:
            cells = [padded(figure, width, right=True) for figure, width in zip(figures, widths[1:], strict=True)]
            yield _GAP.join([padded(name, first), *cells])


def _as_blocks(team: Team, width: int) -> Iterator[str]:
    for entry in (team.entry, *team.workflows):
        name = shown(_name(entry), width)
        yield ""
        yield name
        yield "-" * width_of(name)
        for table in TABLES:
            yield from textwrap.wrap(table.title, width, initial_indent=" ", subsequent_indent=" ")
            titles = max(len(column.title) for column in table.columns)
            for column in table.columns:
                cell = column.cell(entry)
                yield _with_note(f"  {column.title:<{titles}}  {cell.text}", cell, width)
