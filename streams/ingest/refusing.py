"""Refusals of a request as a whole: the status, a reason for machines, and the fix for people."""

from collections.abc import Mapping
from typing import Final

__all__ = ["RETRY_AFTER_SECONDS", "HttpRefusal", "come_back"]

#: When to come back: Kafka is back or a spool has room again by then, or it is worth asking again.
RETRY_AFTER_SECONDS: Final = 5


class HttpRefusal(Exception):
    """The request is answered with this status and nothing was taken from it. The detail echoes nothing of it."""

    def __init__(self, status: int, reason: str, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.reason = reason
        self.detail = detail
        self.headers = dict(headers or {})


def come_back(why: str) -> HttpRefusal:
    """Nothing is wrong with the request, but it cannot be taken now."""
    return HttpRefusal(503, "busy", f"{why}: send the same body again later", {"Retry-After": str(RETRY_AFTER_SECONDS)})
