"""Times as text."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

import msgspec

__all__ = ["parse_rfc3339"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_ZONED: Final = Annotated[datetime, msgspec.Meta(tz=True)]


def parse_rfc3339(text: str) -> int | None:
    """Milliseconds since 1970 UTC of an RFC 3339 time with a zone; None for anything else. Rounds down."""
    try:
        time: datetime = msgspec.convert(text, _ZONED)
        return (time - _EPOCH) // _MILLISECOND
    except (msgspec.ValidationError, OverflowError):
        return None
