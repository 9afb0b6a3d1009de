"""The label guard bounds series that producers could otherwise grow without end."""

from streams.telemetry.cardinality import OTHER, LabelGuard, scope_sets


def test_the_first_sets_are_admitted_and_stay() -> None:
    guard = LabelGuard(2)
    assert guard.admit(("a", "x")) == ("a", "x")
    assert guard.admit(("b", "x")) == ("b", "x")
    assert guard.admit(("c", "x")) == (OTHER, OTHER)
    assert guard.admit(("a", "x")) == ("a", "x")
    assert guard.admit(("b", "x")) == ("b", "x")


def test_a_guard_without_room_collapses_everything() -> None:
    assert LabelGuard(0).admit(("a",)) == (OTHER,)


def test_a_budget_below_the_bounded_metrics_leaves_no_room_for_teams() -> None:
    assert scope_sets(10) == 0
