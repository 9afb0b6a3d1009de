"""What is kept of KPIs: the highest revision, recent windows, in an order that follows what got worse."""

from streams.console.figures import DAYS_KEPT, Figures, Key
from streams.core.kpis import Kpi
from streams.core.windows import Window
from streams.report.selection import Place
from streams.report.weeks import Week
from streams.shards.outputs import kpi_key
from tests.unit.report.records import MONDAY_MS, RESULTS, day, kpi

NEXT = MONDAY_MS + Window.WEEK


def figures(*records: Kpi, weeks: int = 3, most: int = 100) -> Figures:
    found = Figures(weeks=weeks, max_places=most)
    for record in records:
        found.take(record)
    while not found.work(7):
        pass
    return found


def order(found: Figures, *, teams: bool = False) -> list[str]:
    return [it.place.team if teams else f"{it.place.team}/{it.place.workflow}" for it in found.ranks(teams=teams)]


def test_the_highest_revision_holds_whichever_comes_last() -> None:
    found = figures(kpi(revision=2, calls=7), kpi(revision=1, calls=5))
    entry = found.entry(Place("payments", None))
    assert entry is not None
    assert entry.week.calls == 7


def test_a_record_comes_back_as_it_was() -> None:
    record = kpi(workflow="review", **RESULTS)
    (kept,) = figures(record).weeks_of(Place("payments", "review")).values()
    assert {name: getattr(kept, name) for name in record.__struct_fields__} == {
        name: getattr(record, name) for name in record.__struct_fields__
    }


def test_what_got_worse_comes_first_and_what_is_unknown_last_however_much_it_costs() -> None:
    def two_weeks(name: str, before: int, now: int, **figures: int) -> list[Kpi]:
        return [
            kpi("t", name, start_ms=start, **{**RESULTS, "spend_micro_usd": spend, "unpriced_tokens": 0, **figures})
            for start, spend in ((MONDAY_MS, before), (NEXT, now))
        ]

    found = figures(
        *two_weeks("rich", 9_000_000_000, 9_000_000_000), *two_weeks("better", 2_000_000, 1_000_000),
        *two_weeks("worse", 1_000_000, 3_000_000), *two_weeks("a-little", 1_000_000, 1_100_000),
        kpi("t", "new", start_ms=NEXT),
    )  # fmt: skip
    assert order(found) == ["t/worse", "t/a-little", "t/better", "t/rich", "t/new"]


def test_orphan_share_counts_as_much_as_cost() -> None:
    records = [
        kpi("t", "w", start_ms=start, **{**RESULTS, "cohort_orphan_spend_micro_usd": orphan})
        for start, orphan in ((MONDAY_MS, 2_000_000), (NEXT, 6_000_000))
    ]
    assert figures(*records).ranks(teams=False)[0].worse == 0.5


def test_a_week_that_has_not_closed_is_the_sum_of_its_days() -> None:
    found = figures(kpi("t"), day(7, "t", calls=3), day(8, "t", calls=4))
    assert found.week == Week(MONDAY_MS)
    entry = found.entry(Place("t", None), Week(NEXT))
    assert entry is not None
    assert entry.week.calls == 7
    assert not entry.closed


def test_old_windows_go_and_places_with_them() -> None:
    found = figures(
        kpi("old"), day(0, "old"), kpi("new"), *(kpi("new", start_ms=MONDAY_MS + n * Window.WEEK) for n in range(1, 9))
    )
    assert Place("old", None) not in found
    assert len(found.weeks_of(Place("new", None))) == 3
    found.take(kpi("old"))
    assert Place("old", None) not in found
    days = figures(*(day(number, "t") for number in range(90)), weeks=13).days_of(Place("t", None))
    assert DAYS_KEPT <= len(days) <= DAYS_KEPT + 7


def test_places_are_bounded_and_what_is_left_out_is_counted_once() -> None:
    found = figures(*(kpi(f"t{number}") for number in (0, 1, 2, 3, 2, 3)), most=2)
    assert len(found) == 2
    assert found.left_out == 2
    assert order(found, teams=True) == ["t0", "t1"]


def test_a_tombstone_takes_a_window_away() -> None:
    found = figures(kpi(), kpi(workflow="w"))
    key = Key.parse(kpi_key(kpi(workflow="w")))
    assert key is not None
    found.forget(key)
    while not found.work(10):
        pass
    assert order(found) == []
    assert found.workflows_of("payments") == []


def test_keys_say_what_they_are_the_keys_of() -> None:
    assert Key.parse(kpi_key(kpi(workflow="w"))) == Key(Place("payments", "w"), Window.WEEK, MONDAY_MS)
    assert Key.parse(kpi_key(kpi())) == Key(Place("payments", None), Window.WEEK, MONDAY_MS)
    for strange in (
        b"",
        b"\xff",
        b"a\x1fb",
        b"team\x1fa\x1f\x1fx\x1f1",
        b"team\x1fa\x1f\x1f300000\x1f99999999999999999999",
    ):
        assert Key.parse(strange) is None


def test_shares_are_over_all_teams_that_know_them() -> None:
    found = figures(
        kpi("a", calls=100, priced_calls=90), kpi("b", calls=300, priced_calls=10), kpi("a", "w", priced_calls=0)
    )
    assert found.share("price_coverage") == (100, 400)
    assert found.share("outcome_coverage").value is None
