"""What the demo shows while it runs: a table that changes on a terminal with rich, plain lines everywhere else."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, Protocol

from deploy.local.demo_figures import Figures

__all__ = ["Screen", "screen"]

_TEAMS: Final = 6
#: Seconds between two plain lines.
_LINE_SECONDS: Final = 2.0


class Screen(Protocol):
    """Where the figures go."""

    def show(self, seconds: float, rate: float, figures: Figures) -> None:
        """The figures at one moment; ``rate`` is events a second lately."""


@contextmanager
def screen() -> Iterator[Screen]:
    """The best there is, on standard error."""
    live = _live() if sys.stderr.isatty() else None
    if live is None:
        yield _Lines()
        return
    with live:
        yield _Table(live)


def _live() -> Any:
    """rich's live display, None where rich is not installed."""
    try:
        from rich.console import Console
        from rich.live import Live
    except ImportError:
        return None
    return Live(console=Console(stderr=True), refresh_per_second=8)


class _Lines:
    def __init__(self) -> None:
        self._next = 0.0

    def show(self, seconds: float, rate: float, figures: Figures) -> None:
        if seconds < self._next:
            return
        self._next = seconds + _LINE_SECONDS
        fates = " ".join(f"{name} {count:,}" for name, count in _fates(figures))
        spend = " ".join(f"{team} ${dollars:,.2f}" for team, dollars in _first(figures)[:3])
        line = f"{seconds:5.1f} s  {fates}  {rate:,.0f}/s  windows {figures.windows:,}+{figures.revisions:,}  {spend}"
        print(line.rstrip(), file=sys.stderr, flush=True)


class _Table:
    def __init__(self, live: Any) -> None:
        self._live = live

    def show(self, seconds: float, rate: float, figures: Figures) -> None:
        from rich.columns import Columns
        from rich.table import Table

        records = Table(title=f"{seconds:.0f} s", min_width=34)
        records.add_column("records")
        records.add_column("", justify="right")
        for name, count in _fates(figures):
            records.add_row(name, f"{count:,}")
        records.add_section()
        records.add_row("events a second", f"{rate:,.0f}")
        records.add_row("windows published", f"{figures.windows:,}")
        records.add_row("revisions of them", f"{figures.revisions:,}")
        teams = Table(title="spend so far", min_width=34)
        teams.add_column("team")
        teams.add_column("$", justify="right")
        for team, dollars in _first(figures):
            teams.add_row(team, f"{dollars:,.2f}")
        teams.add_section()
        teams.add_row(f"all {len(figures.spend)} teams", f"{sum(figures.spend.values()):,.2f}")
        self._live.update(Columns([records, teams]))


def _fates(figures: Figures) -> list[tuple[str, int]]:
    return [(name.replace("_", " "), getattr(figures, name)) for name in Figures._fields[:6]]


def _first(figures: Figures) -> list[tuple[str, float]]:
    """Some teams, by name: whoever spends most leads no table here."""
    return sorted(figures.spend.items())[:_TEAMS]
