"""The geometry of a workflow's small charts: seven days of spend, of accepted outcomes, and of the one over the other.

Each chart has its own scale: they show how a week went, and are no measure of one workflow against another.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from streams.core.kpis import Kpi
from streams.report import words
from streams.report.contents import Entry
from streams.report.ratios import cost_per_accepted, known_spend
from streams.report.weeks import Week

__all__ = ["Chart", "Mark", "Panel", "chart_of"]

WIDTH: Final = 320
#: Where the days' columns begin and how wide each is; what is left of them are the panels' captions.
_LEFT: Final = 76
_STEP: Final = (WIDTH - _LEFT) / 7
_BAR: Final = 22
#: Height of a panel's drawing, and from one panel's top to the next one's.
_HEIGHT: Final = 44
_PITCH: Final = 64
_TOP: Final = 18
#: What is not zero must be seen.
_LEAST: Final = 1.5


class Mark(NamedTuple):
    """One day of a panel: a bar or a dot whose top is at ``y``, or, if ``sign`` is not empty, that sign instead."""

    x: float
    y: float
    height: float
    sign: str
    partial: bool


@dataclass(frozen=True, slots=True)
class Panel:
    """One figure over the week. ``base`` is the height of its zero; ``line`` joins the dots of days that follow."""

    kind: str
    title: str
    highest: str
    base: float
    marks: tuple[Mark, ...]
    line: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A workflow's panels, and the same in words."""

    description: str
    panels: tuple[Panel, ...]
    days: tuple[tuple[float, str], ...]
    width: int
    height: float


def chart_of(entry: Entry, week: Week) -> Chart:
    """The charts of an entry's days."""
    panels = tuple(
        _panel(number, kind, title, figure, show, entry.days)
        for number, (kind, title, figure, show) in enumerate(_PANELS)
    )
    days = tuple((_center(number), words.day(day)[:3]) for number, day in enumerate(week.days))
    return Chart(_in_words(entry, week), panels, days, WIDTH, _TOP + _PITCH * len(panels))


def _accepted(kpi: Kpi) -> float | None:
    return kpi.accepted


_Figure = Callable[[Kpi], float | None]
_PANELS: Final[Sequence[tuple[str, str, _Figure, Callable[[float], str]]]] = (
    ("spend", "Spend", known_spend, words.short_money),
    ("accepted", "Accepted", _accepted, lambda value: f"{value:,.0f}"),
    ("cost", "Cost each", lambda kpi: cost_per_accepted(kpi).value, words.short_money),
)


def _panel(
    number: int, kind: str, title: str, figure: _Figure, show: Callable[[float], str], days: Sequence[Kpi | None]
) -> Panel:
    base = _TOP + _PITCH * number + _HEIGHT
    values = [None if day is None else figure(day) for day in days]
    highest = max((value for value in values if value is not None), default=None)
    marks = []
    for place, (day, value) in enumerate(zip(days, values, strict=True)):
        height = 0.0 if value is None or not highest else max(_HEIGHT * value / highest, _LEAST if value > 0 else 0.0)
        sign = "\N{EN DASH}" if day is None else "?" if value is None else "" if value else "0"
        marks.append(Mark(_center(place), base - height, height, sign, day is not None and day.withheld is not None))
    return Panel(
        kind, title, words.UNKNOWN if highest is None else f"max {show(highest)}", base, tuple(marks),
        _line(marks) if kind == "cost" else "",
    )  # fmt: skip


def _center(place: int) -> float:
    return round(_LEFT + _STEP * (place + 0.5), 1)


def _line(marks: Sequence[Mark]) -> str:
    """An SVG path through the days that have a figure; it breaks where one has none."""
    parts, drawing = [], False
    for mark in marks:
        if not mark.sign:
            parts.append(f"{'L' if drawing else 'M'}{mark.x:.1f} {mark.y:.1f}")
        drawing = not mark.sign
    return "".join(parts)


def _in_words(entry: Entry, week: Week) -> str:
    said = []
    for day, kpi in zip(week.days, entry.days, strict=True):
        name = words.day(day)[:3]
        if kpi is None:
            said.append(f"{name}: no record")
            continue
        cost = words.money(cost_per_accepted(kpi).value)
        part = ", partly withheld" if kpi.withheld else ""
        spend, accepted = words.money(known_spend(kpi)), words.count(kpi.accepted)
        said.append(f"{name}: spend {spend}, accepted {accepted}, each {cost}{part}")
    return "; ".join(said) + "."
