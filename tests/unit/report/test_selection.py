"""Which records a report is made of."""

import random

from streams.core.windows import Window
from streams.report.selection import Place, Selection
from tests.unit.report.records import MONDAY_MS, WEEK, day, kpi

TEAM = Place("payments", None)


def test_the_highest_revision_counts_in_whatever_order_they_come() -> None:
    records = [kpi(revision=revision, calls=revision) for revision in range(1, 12)]
    records += [day(2, revision=revision, calls=100 + revision) for revision in range(1, 12)]
    for seed in range(5):
        random.Random(seed).shuffle(records)
        selection = Selection(records)
        week = selection.week(WEEK, TEAM)
        assert week is not None
        assert week.calls == 11
        assert [None if it is None else it.calls for it in selection.days(WEEK, TEAM)] == [None, None, 111, *[None] * 4]


def test_the_first_of_equal_revisions_stays() -> None:
    week = Selection([kpi(calls=1), kpi(calls=2)]).week(WEEK, TEAM)
    assert week is not None
    assert week.calls == 1


def test_teams_and_workflows_and_weeks_are_kept_apart() -> None:
    selection = Selection(
        [kpi(), kpi(workflow="a"), kpi("search", "a"), kpi("payments", "a", start_ms=MONDAY_MS + Window.WEEK)]
    )
    assert selection.places(WEEK) == [TEAM, Place("payments", "a"), Place("search", "a")]
    assert [week.name for week in selection.weeks] == ["2026-W02", "2026-W03"]
    assert selection.places(WEEK.before) == []
    assert selection.week(WEEK.before, TEAM) is None


def test_the_newest_week_is_the_newest_with_a_weekly_record() -> None:
    next_week = [day(7), day(8, workflow="a")]
    assert Selection([kpi(), *next_week]).newest_week == WEEK
    assert Selection([day(0), *next_week]).newest_week == WEEK._replace(start_ms=WEEK.end_ms)
    assert Selection([]).newest_week is None


def test_finer_windows_tell_only_how_far_time_has_come() -> None:
    selection = Selection([kpi(last_event=MONDAY_MS + 5)])
    selection.add(kpi(size=Window.HOUR, start_ms=MONDAY_MS + Window.HOUR, last_event=MONDAY_MS + Window.HOUR + 7))
    selection.add(kpi(size=Window.FIVE_MINUTES, last_event=None))
    assert selection.newest_ms == MONDAY_MS + Window.HOUR + 7
    assert selection.places(WEEK) == [TEAM]
    assert Selection([kpi(size=Window.HOUR)]).weeks == []
