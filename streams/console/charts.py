"""The geometry of the console's charts: a line for a list's row, and panels over weeks or days for one team or workflow."""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from streams.report import words
from streams.report.charts import Chart, Mark, Panel

__all__ = ["LEFT", "STRIP_WIDTH", "Series", "panels", "place_of", "sparkline"]

_SPARK_WIDTH: Final = 96
_SPARK_HEIGHT: Final = 24
_PAD: Final = 3
STRIP_WIDTH: Final = 760
#: Where columns begin; left of it are captions.
LEFT: Final = 132
#: Right of them, for the half of the last label that hangs over.
_RIGHT: Final = 16
_HEIGHT: Final = 64
_PITCH: Final = 92
_TOP: Final = 26
_FOOT: Final = 22
_LEAST: Final = 1.5


class Spark(NamedTuple):
    """A small line: an SVG path, broken where nothing is known, and its last point if that is known."""

    path: str
    last: tuple[float, float] | None
    dots: tuple[tuple[float, float], ...]
    width: int = _SPARK_WIDTH
    height: int = _SPARK_HEIGHT


class Series(NamedTuple):
    """One figure over columns: None is unknown; ``missing`` columns have no record, ``partial`` ones leave something out."""

    kind: str
    title: str
    values: Sequence[float | None]
    show: Callable[[float], str]
    missing: Sequence[bool]
    partial: Sequence[bool]
    #: A second figure that widens the first to a band, such as a higher percentile.
    upper: Sequence[float | None] = ()


def sparkline(values: Sequence[float | None]) -> Spark:
    """A line from zero up, each by its own scale: it shows how one went, and is no measure of one against another."""
    highest = max((it for it in values if it is not None), default=0.0)
    step = (_SPARK_WIDTH - 2 * _PAD) / max(1, len(values) - 1)
    points: list[tuple[float, float] | None] = [
        None if value is None else (round(_PAD + step * number, 1), _height(value, highest))
        for number, value in enumerate(values)
    ]
    path, dots, drawing = [], [], False
    for number, point in enumerate(points):
        if point is not None:
            path.append(f"{'L' if drawing else 'M'}{point[0]:g} {point[1]:g}")
            alone = not drawing and (number + 1 == len(points) or points[number + 1] is None)
            if alone:
                dots.append(point)
        drawing = point is not None
    return Spark("".join(path), points[-1] if points else None, tuple(dots))


def _height(value: float, highest: float) -> float:
    room = _SPARK_HEIGHT - 2 * _PAD
    return round(_SPARK_HEIGHT - _PAD - (room * value / highest if highest else 0.0), 1)


def place_of(number: float, columns: int) -> float:
    """The middle of a column, from 0; a fraction lies between columns."""
    step = (STRIP_WIDTH - LEFT - _RIGHT) / max(1, columns)
    return round(LEFT + step * (number + 0.5), 1)


def panels(series: Sequence[Series], labels: Sequence[str], description: str) -> Chart:
    """Panels below each other over the same columns; as many labels as fit."""
    columns = len(labels)
    every = max(1, -(-columns // 14))
    days = tuple(
        (place_of(number, columns), label) for number, label in enumerate(labels) if (columns - 1 - number) % every == 0
    )
    drawn = tuple(_panel(number, it) for number, it in enumerate(series))
    return Chart(description, drawn, days, STRIP_WIDTH, _TOP + _PITCH * len(series) + _FOOT - (_PITCH - _HEIGHT) + 8)


def _panel(number: int, it: Series) -> Panel:
    base = _TOP + _PITCH * number + _HEIGHT
    highest = max((value for value in (*it.values, *it.upper) if value is not None), default=None)
    columns = len(it.values)
    marks = []
    for place, value in enumerate(it.values):
        height = 0.0 if value is None or not highest else max(_HEIGHT * value / highest, _LEAST if value > 0 else 0.0)
        sign = "\N{EN DASH}" if it.missing[place] else "?" if value is None else "" if value else "0"
        marks.append(Mark(place_of(place, columns), round(base - height, 1), round(height, 1), sign, it.partial[place]))
    upper = []
    for place, value in enumerate(it.upper):
        if value is not None and highest:
            upper.append((place_of(place, columns), round(base - _HEIGHT * value / highest, 1)))
    line = _line([None if mark.sign else (mark.x, mark.y) for mark in marks]) if it.kind in ("cost", "band") else ""
    if upper:
        line += "".join(f"M{x - 5:g} {y:g}h10" for x, y in upper)
    caption = words.UNKNOWN if highest is None else f"max {it.show(highest)}"
    return Panel(it.kind, it.title, caption, base, tuple(marks), line)


def _line(points: Sequence[tuple[float, float] | None]) -> str:
    parts, drawing = [], False
    for point in points:
        if point is not None:
            parts.append(f"{'L' if drawing else 'M'}{point[0]:g} {point[1]:g}")
        drawing = point is not None
    return "".join(parts)
