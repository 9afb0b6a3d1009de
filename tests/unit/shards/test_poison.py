"""The guard against a bad deploy upstream: a share of dead letters among the last records stops the shard."""

import pytest

from streams.errors import DataError
from streams.shards.poison import PoisonGuard


def judged(guard: PoisonGuard, *transactions: tuple[int, int]) -> int:
    """How many of the transactions (received, dead-lettered) pass."""
    for passed, (received, dead_lettered) in enumerate(transactions):
        try:
            guard.judge(received, dead_lettered, "wrong_type: field team must be str, not int")
        except DataError:
            return passed
    return len(transactions)


@pytest.mark.parametrize(
    ("transactions", "passed"),
    [
        pytest.param([(100, 0)] * 20, 20, id="nothing is wrong"),
        pytest.param([(100, 50)] * 20, 20, id="exactly the share passes"),
        pytest.param([(100, 51)] * 20, 9, id="more than the share stops once the window is full"),
        pytest.param([(999, 999)], 1, id="one record short of the window"),
        pytest.param([(1_000, 501)], 0, id="a whole window in one transaction"),
        pytest.param([(1, 1)] * 999 + [(1, 0)], 999, id="a window of single records"),
        pytest.param([(5_000, 0), (999, 999)], 2, id="good records before are forgotten only with a full window"),
        pytest.param([(5_000, 0), (1_000, 501)], 1, id="good records before do not excuse a bad window"),
        pytest.param([(100, 100)] * 4 + [(100, 0)] * 20, 24, id="a burst that ends"),
        pytest.param([(100, 0)] * 20 + [(100, 100)] * 20, 25, id="half a window of bad records after good ones"),
        pytest.param([(0, 0)] * 50 + [(1_000, 0)], 51, id="transactions without records"),
    ],
)
def test_a_shard_stops_when_too_many_of_the_last_records_are_invalid(
    transactions: list[tuple[int, int]], passed: int
) -> None:
    """More than half of the last thousand, here."""
    assert judged(PoisonGuard(0.5, 1_000), *transactions) == passed


@pytest.mark.parametrize(("max_share", "passed"), [(0.0, 0), (0.009, 0), (0.01, 1), (1.0, 1)])
def test_the_share_is_a_setting(max_share: float, passed: int) -> None:
    """One in a hundred is bad; a share of one lets everything through."""
    assert judged(PoisonGuard(max_share, 100), (100, 1)) == passed


def test_a_new_guard_goes_on_where_the_last_one_stopped() -> None:
    """However often a supervisor starts the worker again, no further window is dead-lettered."""
    first = PoisonGuard(0.5, 1_000)
    assert judged(first, *[(100, 100)] * 20) == 9
    assert judged(PoisonGuard(0.5, 1_000, (900, 900)), (100, 100)) == 0
    assert judged(PoisonGuard(0.5, 1_000, (900, 900)), *[(100, 0)] * 20) == 20


def test_everything_may_be_bad_where_everything_may_pass() -> None:
    """A share of one never stops."""
    assert judged(PoisonGuard(1.0, 10), *[(10, 10)] * 100) == 100


def test_the_error_says_what_is_wrong_and_what_to_do() -> None:
    """Numbers, an example, the setting; exit code 5."""
    with pytest.raises(DataError) as caught:
        PoisonGuard(0.5, 10).judge(20, 15, "empty: field team is empty")
    text = str(caught.value)
    assert "15 of the last 20 records" in text
    assert "more than 50%" in text
    assert "empty: field team is empty" in text
    assert "dead_letters.max_share" in text
    assert caught.value.exit_code == 5
