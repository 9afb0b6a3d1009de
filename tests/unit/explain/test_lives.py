"""The records of an alert, put together."""

from streams.explain.lives import lives, nearest
from tests.unit.subscribers.alerts import OPENED_MS, alert


def test_records_are_told_by_id_and_in_the_order_of_their_revisions() -> None:
    first, second = alert("a", 1), alert("a", 2, reason="still")
    found = lives([second, alert("b"), first])
    assert list(found) == ["a", "b"]
    assert found["a"].records == (first, second)
    assert found["a"].current is second


def test_a_revision_that_comes_again_is_one_record() -> None:
    assert len(lives([alert("a", 1), alert("a", 1)])["a"].records) == 1


def test_revisions_that_compaction_took_are_counted() -> None:
    assert lives([alert("a", 3), alert("a", 4)])["a"].missing == 2
    assert lives([alert("a", 1), alert("a", 2)])["a"].missing == 0


def test_a_life_reaches_from_what_it_is_about_to_when_it_was_heard_of_last() -> None:
    life = lives([alert("a", 1), alert("a", 2, state="resolved", updated_at=OPENED_MS + 9_000_000)])["a"]
    assert (life.begins_ms, life.ends_ms) == (OPENED_MS - 3_600_000, OPENED_MS + 9_000_000)


def test_the_nearest_ids_begin_alike_and_are_few() -> None:
    known = ["runaway-aa11", "budget_burn-aa11", *(f"data_problems-{number}" for number in range(9))]
    assert nearest("runaway-aa12", known)[0] == "runaway-aa11"
    assert nearest("budget", known)[0] == "budget_burn-aa11"
    assert len(nearest("x", known)) == 5
