"""Dead letters keep a record whole, as long as they fit their topic."""

import pytest

from streams.core.deadletters import MAX_PAYLOAD_BYTES, payload_of


@pytest.mark.parametrize("value", [b"", b"{]", b"-" * MAX_PAYLOAD_BYTES])
def test_a_record_is_kept_whole(value: bytes) -> None:
    assert payload_of(value, "not JSON") == (value, "not JSON")


def test_a_tombstone_has_nothing_to_keep() -> None:
    assert payload_of(None, "no value") == (b"", "no value")


def test_what_would_not_fit_the_topic_is_cut_and_says_so() -> None:
    """A compressed record passes its topic's limit with far more bytes than a dead letter may have."""
    value = b"-" * (MAX_PAYLOAD_BYTES + 1)
    payload, detail = payload_of(value, "longer than 1048576 bytes")
    assert payload == value[:MAX_PAYLOAD_BYTES]
    assert detail == (
        "longer than 1048576 bytes; only its first 3145728 of 3145729 bytes are kept here, read it at its offset"
    )
