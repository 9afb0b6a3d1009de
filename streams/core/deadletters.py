"""The dead letter: a record that can never be processed, kept whole with the reason."""

import msgspec

__all__ = ["DeadLetter"]


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One refused record; ``schemas/dead_letter.avsc`` describes every field.

    ``reason`` is a value of :class:`streams.core.reasons.Reason`. ``payload`` is the value exactly as it was read, empty
    for a tombstone. ``received_at`` is integer milliseconds UTC.
    """

    topic: str
    partition: int
    offset: int
    reason: str
    detail: str
    payload: bytes
    received_at: int
