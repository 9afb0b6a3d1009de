"""What Alertmanager has to be told: what is new, what has ended, and again and again what fires."""

from streams.core.alerts import Alert
from streams.subscribers.board import Board
from tests.unit.subscribers.alerts import alert


def board(most: int = 100) -> Board:
    return Board(resend_ms=1_000, most=most)


def take(them: Board, *alerts: Alert, news: bool = True) -> None:
    for it in alerts:
        them.take(it.alert_id.encode(), it, news=news)


def due(them: Board, now_ms: int = 0) -> list[tuple[str, str, int]]:
    return [(it.alert.alert_id, it.alert.state, it.alert.revision) for it in them.due(now_ms)]


def tell(them: Board, now_ms: int = 0) -> list[tuple[str, str, int]]:
    said = due(them, now_ms)
    them.told(them.due(now_ms), now_ms)
    return said


def test_what_fires_is_told_once_and_again_when_its_time_has_come() -> None:
    them = board()
    take(them, alert("a"))
    assert not them.settled
    assert tell(them, 10) == [("a", "firing", 1)]
    assert them.settled
    assert due(them, 1_009) == []
    assert tell(them, 1_010) == [("a", "firing", 1)]
    assert due(them, 1_011) == []


def test_an_end_is_told_once() -> None:
    them = board()
    take(them, alert("a"))
    tell(them)
    take(them, alert("a", 2, state="resolved"))
    assert not them.settled
    assert tell(them) == [("a", "resolved", 2)]
    assert (due(them, 99_999), them.firing, them.settled) == ([], 0, True)


def test_what_is_read_of_the_past_revives_nothing_and_ends_nothing_twice() -> None:
    them = board()
    take(them, alert("a"), alert("a", 2, state="resolved"), alert("b"), news=False)
    assert due(them) == [("b", "firing", 1)]


def test_an_end_that_nobody_was_told_of_is_told() -> None:
    them = board()
    take(them, alert("a"), news=False)
    take(them, alert("a", 2, state="resolved"), news=True)
    assert due(them) == [("a", "resolved", 2)]


def test_an_end_of_the_past_is_told_when_this_bridge_has_said_that_it_fires() -> None:
    them = board()
    take(them, alert("a"), news=False)
    tell(them)
    take(them, alert("a", 2, state="resolved"), news=False)
    assert due(them) == [("a", "resolved", 2)]


def test_a_repeated_or_an_earlier_revision_changes_nothing() -> None:
    them = board()
    take(them, alert("a", 2, state="resolved"))
    tell(them)
    take(them, alert("a", 2, state="resolved"), alert("a", 1))
    assert (due(them), them.firing) == ([], 0)


def test_it_may_fire_again_before_its_end_was_told() -> None:
    them = board()
    take(them, alert("a"))
    tell(them)
    take(them, alert("a", 2, state="resolved"), alert("a", 3))
    assert due(them) == [("a", "firing", 3)]


def test_other_labels_end_the_alert_that_had_the_old_ones() -> None:
    them = board()
    take(them, alert("a"))
    tell(them)
    take(them, alert("a", 2, severity="critical"))
    found = them.due(0)
    assert [(it.alert.state, it.alert.severity) for it in found] == [("resolved", "warning"), ("firing", "critical")]
    assert found[0].alert.updated_at == alert("a", 2).updated_at
    them.told(found, 0)
    take(them, alert("a", 3, severity="warning"))
    assert [(it.alert.state, it.alert.severity) for it in them.due(0)] == [
        ("resolved", "critical"),
        ("firing", "warning"),
    ]


def test_labels_that_nobody_has_seen_need_no_end() -> None:
    them = board()
    take(them, alert("a"), alert("a", 2, severity="critical"))
    assert due(them) == [("a", "firing", 2)]


def test_a_tombstone_ends_what_fires() -> None:
    them = board()
    take(them, alert("a"), alert("b"))
    them.told([it for it in them.due(0) if it.alert.alert_id == "a"], 0)
    them.gone(b"a", 7)
    them.gone(b"b", 7)
    them.gone(b"unheard of", 7)
    (found,) = them.due(0)
    assert (found.alert.alert_id, found.alert.state, found.alert.updated_at) == ("a", "resolved", 7)
    # The key is free for another alert.
    take(them, alert("b", 1))
    assert ("b", "firing", 1) in due(them)


def test_what_the_log_said_while_a_request_was_under_way_is_told_after_it() -> None:
    them = board()
    take(them, alert("a"))
    under_way = them.due(0)
    take(them, alert("a", 2))
    them.told(under_way, 0)
    assert due(them) == [("a", "firing", 2)]


def test_more_than_are_kept_fresh_are_told_once() -> None:
    them = board(most=1)
    take(them, alert("a"), alert("b"))
    assert them.overfull
    assert len(tell(them)) == 2
    assert due(them, 1_000) == [("a", "firing", 1)]
    take(them, alert("a", 2, state="resolved"))
    assert not them.overfull
