"""What to do about an answer, or about none: a pure decision with its reason, and how long to wait before the next try."""

from enum import StrEnum
from typing import Final, NamedTuple

__all__ = ["Answer", "Decision", "Reason", "decide", "retry_after"]

#: Half a second at first, doubling up to a minute: an outage of hours costs a request a minute.
_FIRST_SECONDS: Final = 0.5
_LONGEST_SECONDS: Final = 60.0
#: A server may ask for more patience than that, but not for ever.
_MOST_PATIENT_SECONDS: Final = 300.0
_TIMEOUT, _TOO_MANY = 408, 429


class Reason(StrEnum):
    """Why a request is settled, tried again or given up; public, a label of metrics and a field of log lines."""

    DELIVERED = "delivered"
    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    THROTTLED = "throttled"
    SERVER_ERROR = "server_error"
    REFUSED = "refused"
    REDIRECTED = "redirected"

    @property
    def retried(self) -> bool:
        """Whether another try may succeed."""
        return self in _RETRIED


_RETRIED: Final = frozenset({Reason.UNREACHABLE, Reason.TIMEOUT, Reason.THROTTLED, Reason.SERVER_ERROR})


class Answer(NamedTuple):
    """What came back: a status, or None where nothing did.

    ``timed_out`` tells the two kinds of nothing apart; ``detail`` is what the server, or the system, said.
    """

    status: int | None
    detail: str = ""
    timed_out: bool = False
    retry_after_s: float | None = None


class Decision(NamedTuple):
    """``wait_seconds`` is the pause before the next try, 0 where there is none."""

    reason: Reason
    wait_seconds: float = 0.0


def decide(answer: Answer, attempt: int, jitter: float) -> Decision:
    """What to do after a try.

    Args:
        answer: What came back.
        attempt: How many tries there were, this one included.
        jitter: Evenly spread over [0, 1): bridges that lost one server do not come back to it all at once. The pause is
            between half of the full one and all of it.
    """
    reason = _reason(answer)
    if not reason.retried:
        return Decision(reason)
    full = min(_LONGEST_SECONDS, _FIRST_SECONDS * 2.0 ** min(attempt - 1, 30))
    wait = full * (0.5 + jitter / 2)
    if answer.retry_after_s is not None:
        wait = max(wait, min(answer.retry_after_s, _MOST_PATIENT_SECONDS))
    return Decision(reason, wait)


def retry_after(header: str | None) -> float | None:
    """The seconds of a ``Retry-After``; its other form, a date, is left to the ordinary pause (RFC 9110, 10.2.3)."""
    return float(header) if header is not None and header.isascii() and header.isdigit() else None


def _reason(answer: Answer) -> Reason:
    status = answer.status
    if status is None:
        return Reason.TIMEOUT if answer.timed_out else Reason.UNREACHABLE
    if 200 <= status < 300:
        return Reason.DELIVERED
    if status == _TOO_MANY:
        return Reason.THROTTLED
    # The one refusal that says nothing of what was sent: the connection was too slow.
    if status == _TIMEOUT:
        return Reason.TIMEOUT
    if status >= 500:
        return Reason.SERVER_ERROR
    return Reason.REDIRECTED if 300 <= status < 400 else Reason.REFUSED
