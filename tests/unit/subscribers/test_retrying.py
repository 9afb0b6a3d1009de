"""What an answer leads to: one table, and the pauses."""

import pytest

from streams.subscribers.retrying import Answer, Decision, Reason, decide, retry_after

FULL = 1.0


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Answer(200), Reason.DELIVERED),
        (Answer(204), Reason.DELIVERED),
        (Answer(301), Reason.REDIRECTED),
        (Answer(400), Reason.REFUSED),
        (Answer(401), Reason.REFUSED),
        (Answer(404), Reason.REFUSED),
        (Answer(408), Reason.TIMEOUT),
        (Answer(410), Reason.REFUSED),
        (Answer(429), Reason.THROTTLED),
        (Answer(500), Reason.SERVER_ERROR),
        (Answer(503), Reason.SERVER_ERROR),
        (Answer(599), Reason.SERVER_ERROR),
        (Answer(100), Reason.REFUSED),
        (Answer(None), Reason.UNREACHABLE),
        (Answer(None, timed_out=True), Reason.TIMEOUT),
    ],
)
def test_an_answer_has_one_reason(answer: Answer, reason: Reason) -> None:
    assert decide(answer, 1, 0.0).reason is reason


def test_only_what_may_succeed_later_is_tried_again() -> None:
    retried = {reason.value for reason in Reason if reason.retried}
    assert retried == {"unreachable", "timeout", "throttled", "server_error"}
    assert decide(Answer(400), 1, 0.5) == Decision(Reason.REFUSED, 0.0)


def test_pauses_double_up_to_a_minute() -> None:
    pauses = [decide(Answer(503), attempt, FULL).wait_seconds for attempt in range(1, 10)]
    assert pauses == [0.5, 1, 2, 4, 8, 16, 32, 60, 60]
    assert decide(Answer(503), 10_000, FULL).wait_seconds == 60


@pytest.mark.parametrize("jitter", [0.0, 0.25, 0.999])
def test_a_pause_is_spread_over_its_upper_half(jitter: float) -> None:
    assert decide(Answer(503), 8, jitter).wait_seconds == pytest.approx(30 + 30 * jitter)


@pytest.mark.parametrize(("asked", "waited"), [(None, 0.5), (0.1, 0.5), (7.0, 7.0), (86_400.0, 300.0)])
def test_a_server_may_ask_for_patience_within_bounds(asked: float | None, waited: float) -> None:
    assert decide(Answer(429, retry_after_s=asked), 1, FULL).wait_seconds == waited


@pytest.mark.parametrize(
    ("header", "seconds"),
    [(None, None), ("120", 120.0), ("0", 0.0), ("-1", None), ("Wed, 21 Oct 2026 07:28:00 GMT", None), ("", None)],
)
def test_a_date_to_come_back_at_is_left_to_the_ordinary_pause(header: str | None, seconds: float | None) -> None:
    assert retry_after(header) == seconds
