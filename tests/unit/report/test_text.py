"""The report on a terminal."""

import pytest

from streams.report import text
from streams.report.contents import NO_RANKING, Report, report_of
from streams.report.names import width_of
from streams.report.selection import Selection
from streams.report.tables import TABLES
from tests.unit.report.records import RESULTS, WEEK, day, kpi


def report(*records: object) -> Report:
    return report_of(Selection(records), WEEK)  # type: ignore[arg-type]


FULL = report(
    kpi(**RESULTS, active_actors="5-9", adoption="40-60%", licensed_actors=12, depth="10-99"),
    kpi(workflow="refund-bot", **RESULTS, withheld="group_minimum"),
    kpi(workflow="research"),
    day(1, "search", "index"),
    kpi("search", spend_micro_usd=None),
)


def test_wide_terminals_get_a_table_a_view_with_a_line_for_each_workflow() -> None:
    lines = text.render(FULL, 130).splitlines()
    assert [lines.count(table.title) for table in TABLES] == [2, 2, 2, 2]
    line = next(line for line in lines if line.startswith("refund-bot "))
    assert line.split() == ["refund-bot", "$10.00", "8", "1", "1", "80.0%", "11.1%", "unknown", "unknown"]
    assert sum(line.startswith("refund-bot ") for line in lines) == len(TABLES)
    assert max(map(width_of, lines)) <= 130


@pytest.mark.parametrize("width", [1, 40, 60, 80])
def test_narrow_terminals_get_a_block_for_each_workflow(width: int) -> None:
    lines = text.render(FULL, width).splitlines()
    assert lines.count("refund-bot") == 1
    assert any("known of 1 of 2 teams" in line for line in lines)
    assert any("spend partly withheld" in line for line in lines) or width < 60
    assert all(width_of(line) <= max(width, 45) for line in lines)
    assert sum(line.strip().startswith("Cost per accepted") for line in lines) == 5


def test_no_line_has_blanks_at_its_end() -> None:
    for width in (40, 200):
        assert all(line == line.rstrip() for line in text.render(FULL, width).splitlines())


def test_what_is_not_known_is_the_word_for_it() -> None:
    line = next(line for line in text.render(FULL, 130).splitlines() if line.startswith("research "))
    assert line.split() == ["research", "$10.00", *["unknown"] * 7]
    assert "$0" not in text.render(report(kpi(spend_micro_usd=None)), 130)


def test_what_to_know_of_an_entry_is_said_before_its_figures() -> None:
    shown = text.render(FULL, 130)
    assert "refund-bot: partly withheld: too few people" in shown
    assert "index: week not closed yet" in shown
    assert "Active people 5-9, adoption 40-60% of 12, depth 10-99 calls each" in shown
    assert "known of 1 of 2 teams" in shown


def test_the_last_sentence_says_why_nothing_is_ranked() -> None:
    assert " ".join(text.render(FULL, 50).split()).endswith(NO_RANKING)


def test_hostile_names_stay_within_their_place() -> None:
    hostile = "\x1b[2J\u202eevil\nTEAM other " + "名" * 300
    for width in (60, 200):
        shown = text.render(report(kpi(hostile), kpi(hostile, hostile)), width)
        assert "\x1b" not in shown
        assert "\u202e" not in shown
        assert sum(line.startswith("TEAM") for line in shown.splitlines()) == 1
        assert "\ufffd[2J\ufffdevil TEAM other" in shown


def test_a_short_input_is_said() -> None:
    assert "before the end of the week" in text.render(report(kpi(last_event=WEEK.start_ms)), 130)
    assert "before the end of the week" not in text.render(FULL, 130)
