"""A backtest as a person reads it on a terminal."""

from collections.abc import Iterator, Sequence
from typing import Final

from streams.backtest.comparison import Change, Entry, Money, by_change, by_detector, money_of, money_sum
from streams.backtest.document import Backtest
from streams.report.names import padded, shown, width_of
from streams.report.words import UNKNOWN, count, instant, money, plural

__all__ = ["render"]

_GAP: Final = "  "
_SCOPE_WIDTH: Final = 40
_NOTHING: Final = "-"


def render(backtest: Backtest) -> str:
    """A table of sums by detector, then one line an alert; ends in a newline."""
    return "\n".join(line.rstrip() for line in _lines(backtest)) + "\n"


def _lines(backtest: Backtest) -> Iterator[str]:
    yield f"Alerts that would have fired, as of {instant(backtest.as_of_ms)}"
    yield f"under    {_name(backtest.new)}"
    if backtest.old is not None:
        yield f"against  {_name(backtest.old)}"
    if backtest.alike:
        yield "The two configurations come to the same: nothing can differ."
    yield ""
    changes = backtest.changes
    header = ["detector"]
    for change in changes:
        header += [change.value, "at stake"]
    rows = [
        [shown(name), *_sums(entries, changes)] for name, entries in by_detector(backtest.entries).items()
    ]  # fmt: skip
    yield from _table([header, *rows, ["in all", *_sums(backtest.entries, changes)]], numbers_from=1)
    if not backtest.entries:
        yield ""
        yield "No alert would have fired."
        return
    yield ""
    listed = [["", "opened", "detector", "team / workflow", "severity", "at stake", "alert"]]
    # What changes first: the rest is as it was.
    for change, entries in by_change(backtest.entries, changes).items():
        listed += [_listed(change, entry) for entry in entries]
    yield from _table(listed, numbers_from=len(listed[0]))


def _name(version: str) -> str:
    return shown(version) if version else "the defaults"


def _sums(entries: Sequence[Entry], changes: Sequence[Change]) -> list[str]:
    cells: list[str] = []
    for some in by_change(entries, changes).values():
        cells += [count(len(some)), _sum(money_sum(some)) if some else _NOTHING]
    return cells


def _sum(total: Money) -> str:
    if total.micro_usd is None:
        return UNKNOWN
    return money(total.micro_usd) + (f" + {total.unknown:,} {UNKNOWN}" if total.unknown else "")


def _listed(change: Change, entry: Entry) -> list[str]:
    now = entry.life.current
    scope = now.team if now.workflow is None else f"{now.team} / {now.workflow}"
    renamed = ""
    if entry.new is not None and entry.old is not None and entry.new.alert_id != entry.old.alert_id:
        renamed = f" (was {entry.old.alert_id})"
    return [
        change.value, instant(entry.life.records[0].opened_at), shown(now.detector), shown(scope, _SCOPE_WIDTH),
        now.severity, money(money_of(entry.life).micro_usd),
        f"{shown(entry.life.alert_id)}{renamed}, {plural(len(entry.life.records), 'record')}",
    ]  # fmt: skip


def _table(rows: Sequence[Sequence[str]], *, numbers_from: int) -> Iterator[str]:
    widths = [max(width_of(row[at]) for row in rows) for at in range(len(rows[0]))]
    for row in rows:
        yield _GAP.join(
            padded(cell, width, right=at >= numbers_from)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
