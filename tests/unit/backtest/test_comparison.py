"""Alerts of two configurations beside each other."""

from streams.backtest.comparison import Change, Money, compared, money_sum
from streams.backtest.document import Backtest, document
from streams.backtest.text import render
from streams.core.alerts import Alert
from streams.explain.lives import lives
from tests.unit.subscribers.alerts import OPENED_MS, alert

_DAY = 86_400_000


def shifted(days: int) -> dict[str, int]:
    names = ("window_start", "window_end", "opened_at", "updated_at")
    return dict.fromkeys(names, OPENED_MS + days * _DAY)


def changes(new: list[Alert], old: list[Alert]) -> list[tuple[str, str | None, str | None]]:
    return [
        (it.change.value, it.new and it.new.alert_id, it.old and it.old.alert_id)
        for it in compared(lives(new), lives(old))
    ]


def test_an_id_that_fires_under_both_stays() -> None:
    assert changes([alert("a")], [alert("a")]) == [("stays", "a", "a")]


def test_what_fires_under_one_only_appears_or_vanishes() -> None:
    assert changes([alert("a")], []) == [("appears", "a", None)]
    assert changes([], [alert("a")]) == [("vanishes", None, "a")]


def test_another_episode_of_the_same_scope_and_time_stays_and_matches_once() -> None:
    assert changes([alert("b")], [alert("a")]) == [("stays", "b", "a")]
    assert sorted(changes([alert("b"), alert("c")], [alert("a")])) == [("appears", "c", None), ("stays", "b", "a")]


def test_another_scope_or_another_time_is_another_alert() -> None:
    for other in (
        alert("b", team="search"),
        alert("b", workflow=None),
        alert("b", detector="runaway"),
        alert("b", **shifted(40)),
    ):
        assert {it[0] for it in changes([other], [alert("a")])} == {"appears", "vanishes"}


def test_without_another_configuration_alerts_fire() -> None:
    (entry,) = compared(lives([alert("a")]), None)
    assert entry.change is Change.FIRES


def test_money_that_is_unknown_is_counted_and_is_not_zero() -> None:
    known = compared(lives([alert("a"), alert("b", team="search", money_at_stake_micro_usd=6)]), None)
    assert money_sum(known) == Money(1_234_567_896, 0)
    unknown = compared(lives([alert("a", money_at_stake_micro_usd=None)]), None)
    assert money_sum(unknown) == Money(None, 1)
    assert money_sum([*known, *unknown]) == Money(1_234_567_896, 1)
    assert money_sum([]) == Money(None, 0)


def backtest(new: list[Alert], old: list[Alert] | None) -> Backtest:
    entries = compared(lives(new), None if old is None else lives(old))
    return Backtest(entries=entries, as_of_ms=OPENED_MS, new="policy 2", old=None if old is None else "policy 1")


def test_the_document_sums_by_detector_and_in_all() -> None:
    found = document(
        backtest(
            [alert("a", money_at_stake_micro_usd=None)], [alert("b", detector="runaway", money_at_stake_micro_usd=5)]
        )
    )
    nothing = {"alerts": 0, "money_at_stake_micro_usd": None, "alerts_of_unknown_money": 0}
    appears = {"alerts": 1, "money_at_stake_micro_usd": None, "alerts_of_unknown_money": 1}
    vanishes = {"alerts": 1, "money_at_stake_micro_usd": 5, "alerts_of_unknown_money": 0}
    assert found["totals"] == {"appears": appears, "vanishes": vanishes, "stays": nothing}
    assert found["detectors"] == {
        "runaway": {"appears": nothing, "vanishes": vanishes, "stays": nothing},
        "spend_without_outcomes": {"appears": appears, "vanishes": nothing, "stays": nothing},
    }
    assert [it["change"] for it in found["alerts"]] == ["appears", "vanishes"]
    assert found["alerts"][0]["old"] is None


def test_the_table_says_unknown_and_what_was_renamed() -> None:
    text = render(backtest([alert("a", money_at_stake_micro_usd=None), alert("c", team="\x1b[2J")], [alert("b")]))
    assert "in all" in text
    assert "$1,234.57" in text
    assert "unknown" in text
    assert "a (was b)" in text
    assert "\x1b" not in text


def test_nothing_that_fires_is_said() -> None:
    assert "No alert would have fired." in render(backtest([], None))
