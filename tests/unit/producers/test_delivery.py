"""The account of what is under way: bounded, flushed by epoch, and no refusal is lost."""

import threading

import pytest

from streams.producers.delivery import Deliveries, Failure, Failures
from streams.producers.errors import BufferFull, DeliveryFailed, FlushTimeout

SOON = 5.0
NOW = 0.0


def test_room_is_bounded_and_a_caller_that_waits_in_vain_is_told() -> None:
    deliveries = Deliveries(100)
    deliveries.begin(60, NOW)
    with pytest.raises(BufferFull, match=r"60 bytes wait.*max_buffered_bytes"):
        deliveries.begin(60, NOW)


def test_a_caller_waits_until_there_is_room() -> None:
    deliveries = Deliveries(100)
    epoch = deliveries.begin(60, NOW)
    entered = threading.Event()

    def settle() -> None:
        entered.wait()
        deliveries.settle(epoch, 60)

    other = threading.Thread(target=settle)
    other.start()
    entered.set()
    deliveries.begin(60, SOON)
    other.join()


def test_an_event_larger_than_the_room_passes_alone() -> None:
    deliveries = Deliveries(100)
    epoch = deliveries.begin(500, NOW)
    with pytest.raises(BufferFull):
        deliveries.begin(1, NOW)
    deliveries.settle(epoch, 500)
    deliveries.begin(1, NOW)


def test_waiting_with_nothing_under_way_returns_at_once() -> None:
    deliveries = Deliveries(100)
    deliveries.wait(NOW)
    deliveries.wait(NOW)


def test_a_wait_ends_when_what_was_begun_before_it_is_settled() -> None:
    deliveries = Deliveries(100)
    before = deliveries.begin(10, NOW)
    with pytest.raises(FlushTimeout, match=r"still on their way after .*: 1 event$"):
        deliveries.wait(NOW)
    after = deliveries.begin(10, NOW)
    assert after != before
    deliveries.settle(before, 10)
    with pytest.raises(FlushTimeout):
        deliveries.wait(NOW)
    deliveries.settle(after, 10)
    deliveries.wait(NOW)


def test_a_wait_does_not_last_for_what_others_begin_meanwhile() -> None:
    deliveries = Deliveries(100)
    first = deliveries.begin(10, NOW)
    done = threading.Event()

    def wait() -> None:
        deliveries.wait(SOON)
        done.set()

    flusher = threading.Thread(target=wait)
    flusher.start()
    while deliveries.begin(0, NOW) == first:
        deliveries.settle(first, 0)
    deliveries.settle(first, 10)
    flusher.join(SOON)
    assert done.is_set()


def test_failures_surface_once_with_their_number_and_the_first_cause() -> None:
    failures = Failures(None)
    failures.surface()
    failures.add(Failure("a", TimeoutError("late")))
    failures.add(Failure("b", OSError("gone")))
    with pytest.raises(DeliveryFailed, match="did not take 2 events; a: TimeoutError: late") as failed:
        failures.surface()
    assert failed.value.count == 2
    assert isinstance(failed.value.__cause__, TimeoutError)
    failures.surface()


def test_every_failure_is_reported_even_if_the_report_raises(caplog: pytest.LogCaptureFixture) -> None:
    told: list[str] = []

    def on_error(failure: Failure) -> None:
        told.append(failure.event_id)
        raise RuntimeError("bug of the caller")

    failures = Failures(on_error)
    failures.add(Failure("a", OSError()))
    failures.add(Failure("b", OSError()))
    assert told == ["a", "b"]
    assert "on_error raised" in caplog.text
