"""Geometry of the small charts."""

from typing import Any

from streams.report.charts import chart_of
from streams.report.contents import report_of
from streams.report.selection import Selection
from tests.unit.report.records import RESULTS, WEEK, day, kpi

NO_RECORD = "\N{EN DASH}"


def panels(*days: object) -> dict[str, Any]:
    selection = Selection([kpi(workflow="x"), *days])  # type: ignore[list-item]
    chart = chart_of(report_of(selection, WEEK).teams[0].workflows[0], WEEK)
    return {"chart": chart, **{panel.kind: panel for panel in chart.panels}}


def test_the_highest_day_is_as_high_as_the_panel_and_what_is_little_is_seen() -> None:
    spend = panels(day(0, workflow="x", spend_micro_usd=4_000_000), day(1, workflow="x", spend_micro_usd=1))["spend"]
    assert [round(mark.height, 1) for mark in spend.marks] == [44.0, 1.5, 0, 0, 0, 0, 0]
    assert spend.marks[0].y + spend.marks[0].height == spend.base
    assert spend.highest == "max $4.00"


def test_nothing_unknown_and_no_record_are_told_apart() -> None:
    found = panels(day(0, workflow="x"), day(1, workflow="x", accepted=0), day(2, workflow="x", accepted=5))
    assert [mark.sign for mark in found["accepted"].marks] == ["?", "0", "", *[NO_RECORD] * 4]
    assert [mark.sign for mark in found["cost"].marks][:4] == ["?", "?", "", NO_RECORD]
    assert panels()["spend"].highest == "unknown"


def test_the_line_breaks_where_a_day_has_no_figure() -> None:
    days = [day(number, workflow="x", **RESULTS) for number in (0, 1, 3)]
    line = panels(*days)["cost"].line
    assert [character for character in line if character in "ML"] == ["M", "L", "M"]


def test_a_day_that_is_partly_withheld_is_marked_and_said() -> None:
    found = panels(day(0, workflow="x", withheld="group_minimum"), day(1, workflow="x", **RESULTS))
    assert [mark.partial for mark in found["spend"].marks][:3] == [True, False, False]
    assert found["chart"].description.startswith(
        "Mon: spend $10.00, accepted unknown, each unknown, partly withheld; "
        "Tue: spend $10.00, accepted 8, each $1.25; Wed: no record;"
    )
