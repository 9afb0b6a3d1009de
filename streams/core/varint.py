"""Zigzag variable-length integers, Avro's int and long, many in one call."""

from typing import Final

__all__ = ["read_longs", "write_long", "write_longs", "write_optional_longs"]

# A variable-length integer is written 14 bits a step: two table look-ups for a count, three for a timestamp.
_ONE: Final = [bytes([low]) for low in range(128)]
_LAST: Final = _ONE + [bytes([low | 128, high]) for high in range(1, 128) for low in range(128)]
_MORE: Final = [bytes([low | 128, high | 128]) for high in range(128) for low in range(128)]
_14_BITS: Final = (1 << 14) - 1
#: The natural numbers that two bytes hold, zigzag-encoded: most counts.
_SMALL: Final = [_LAST[number << 1] for number in range(1 << 13)]


def write_long(value: int) -> bytes:
    """A zigzag variable-length integer: Avro's int and long.

    Raises:
        OverflowError: The value does not fit 64 bits.
    """
    zigzag = (value << 1) ^ (value >> 63)
    if zigzag < 1 << 14:
        return _LAST[zigzag]
    if zigzag < 1 << 28:
        return _MORE[zigzag & _14_BITS] + _LAST[zigzag >> 14]
    if zigzag < 1 << 42:
        return _MORE[zigzag & _14_BITS] + _MORE[zigzag >> 14 & _14_BITS] + _LAST[zigzag >> 28]
    if not -(1 << 63) <= value < 1 << 63:
        msg = "an Avro long holds 64 bits"
        raise OverflowError(msg)
    return (
        _MORE[zigzag & _14_BITS] + _MORE[zigzag >> 14 & _14_BITS] + _MORE[zigzag >> 28 & _14_BITS] + _rest(zigzag >> 42)
    )


def _rest(bits: int) -> bytes:
    return _LAST[bits] if bits < 1 << 14 else _MORE[bits & _14_BITS] + _LAST[bits >> 14]


def write_longs(values: tuple[int, ...]) -> bytes:
    """Integers one after the other."""
    return b"".join([_SMALL[value] if 0 <= value < 8192 else write_long(value) for value in values])


def write_optional_longs(values: tuple[int | None, ...]) -> bytes:
    """Unions of null and an integer, one after the other."""
    return b"".join([b"\x00" if value is None else b"\x02" + write_long(value) for value in values])


def read_longs(data: bytes) -> list[int]:
    """The inverse of :func:`write_longs`. Raises ValueError on bytes that end within a number."""
    numbers: list[int] = []
    zigzag = shift = 0
    for byte in data:
        zigzag |= (byte & 127) << shift
        if byte & 128:
            shift += 7
        else:
            numbers.append((zigzag >> 1) ^ -(zigzag & 1))
            zigzag = shift = 0
    if shift:
        msg = "the bytes end within a number"
        raise ValueError(msg)
    return numbers
