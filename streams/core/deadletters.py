"""The dead letter: a record that can never be processed, kept whole with the reason."""

from typing import Final

import msgspec

from streams.core.masking import masked

__all__ = ["MAX_PAYLOAD_BYTES", "DeadLetter", "payload_of"]

#: What of a record is kept. A record of gigabytes fits a topic when it is compressed; a dead letter must fit its own
#: topic as it is (5 MiB), in JSON's base64 too, or nobody could ever get past that record.
MAX_PAYLOAD_BYTES: Final = 3 << 20


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One refused record; ``schemas/dead_letter.avsc`` describes every field.

    ``reason`` is a value of :class:`streams.core.reasons.Reason`. ``payload`` is the value as it was read, but for the
    actor (:mod:`streams.core.masking`), empty for a tombstone, and cut where it is longer than :data:`MAX_PAYLOAD_BYTES`. ``received_at`` is integer milliseconds
    UTC.
    """

    topic: str
    partition: int
    offset: int
    reason: str
    detail: str
    payload: bytes
    received_at: int


def payload_of(value: bytes | None, detail: str) -> tuple[bytes, str]:
    """What a dead letter keeps of a record, its actor masked, and the detail, which says so where that is not all of it."""
    if value is None:
        return b"", detail
    value = masked(value)
    if len(value) <= MAX_PAYLOAD_BYTES:
        return value, detail
    said = f"{detail}; only its first {MAX_PAYLOAD_BYTES} of {len(value)} bytes are kept here, read it at its offset"
    return value[:MAX_PAYLOAD_BYTES], said
