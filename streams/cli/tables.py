"""Tables for people: drawn on a terminal that has rich, in plain columns elsewhere."""

import sys
from collections.abc import Sequence

import click

__all__ = ["show_table"]


def show_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print to standard output; columns whose cells are numbers are aligned to the right."""
    right = [
        all(cell.replace(",", "").rstrip("%").isdecimal() for cell in cells if cell)
        for cells in zip(*rows, strict=True)
    ]
    if sys.stdout.isatty() and _drawn(columns, rows, right):
        return
    widths = [max(map(len, cells)) for cells in zip(columns, *rows, strict=True)]
    for row in (columns, *rows):
        cells = [
            cell.rjust(width) if is_right else cell.ljust(width)
            for cell, width, is_right in zip(row, widths, right or [False] * len(widths), strict=True)
        ]
        click.echo("  ".join(cells).rstrip())


def _drawn(columns: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[bool]) -> bool:
    """Whether rich is there, and did it. rich itself respects NO_COLOR."""
    try:
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text
    except ImportError:
        return False
    table = Table()
    for column, is_right in zip(columns, right or [False] * len(columns), strict=True):
        table.add_column(column, justify="right" if is_right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    Console().print(table)
    return True
