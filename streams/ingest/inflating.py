"""Bodies out of their compression, without more memory than they are allowed."""

import zlib
from typing import Final, Protocol

from backports.zstd import DecompressionParameter, ZstdDecompressor, ZstdError

__all__ = ["ENCODINGS", "BadEncoding", "TooMuch", "inflated"]

#: The values of Content-Encoding that are understood.
ENCODINGS: Final = ("identity", "gzip", "deflate", "zstd")
#: RFC 8878 asks decoders for windows of 8 MB, and lets them refuse larger ones: a frame may ask for gigabytes.
_ZSTD_WINDOW_LOG: Final = 23
#: What comes out of a real body is some thirty times what went in, and its ids alone keep it below this. Short bodies may
#: be more even: a megabyte is no danger.
_MOST_RATIO: Final = 200
_SHORT_BYTES: Final = 1024 * 1024
#: Of one body; the rest is copied at the end of each, and a million empty ones fit into the longest body. Tools that pack in
#: blocks make one of every 64 kB and more.
_MOST_MEMBERS: Final = 256
_GZIP_BITS: Final = 16 + zlib.MAX_WBITS


class BadEncoding(Exception):
    """The body is not what its Content-Encoding says, or ends early."""


class TooMuch(Exception):
    """More comes out of the body than is allowed."""


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...


def inflated(body: bytes, encoding: str, max_bytes: int) -> bytes:
    """The body as it was before compression.

    Several members or frames, one behind the other, are one body, as RFC 1952 and RFC 8878 say, up to 256 of them. Raises
    BadEncoding and TooMuch.
    """
    if encoding == "identity":
        return body
    most = min(max_bytes, max(_SHORT_BYTES, _MOST_RATIO * len(body)))
    parts: list[bytes] = []
    room = most
    rest = body
    while rest or not parts:
        if len(parts) == _MOST_MEMBERS:
            raise BadEncoding(f"the body has more than {_MOST_MEMBERS} {encoding} members: pack it as one")
        try:
            part, rest = _member(rest, encoding, room + 1)
        except (zlib.error, ZstdError) as error:
            raise BadEncoding(f"the body is not {encoding}: send it as Content-Encoding says") from error
        room -= len(part)
        if room < 0:
            raise TooMuch
        parts.append(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _member(body: bytes, encoding: str, max_length: int) -> tuple[bytes, bytes]:
    """The first member, up to so many bytes of it, and what follows it."""
    if encoding == "zstd":
        zstd = ZstdDecompressor(options={DecompressionParameter.window_log_max: _ZSTD_WINDOW_LOG})
        part = zstd.decompress(body, max_length)
        return part, _rest(zstd, len(part) >= max_length, encoding)
    if encoding == "gzip":
        bits = _GZIP_BITS
    else:
        # "deflate" is zlib's format by the standard, and the bare one by what some clients send.
        bits = zlib.MAX_WBITS if body[:1] and body[0] & 0x0F == 8 and int.from_bytes(body[:2]) % 31 == 0 else -15
    stream = zlib.decompressobj(bits)
    part = stream.decompress(body, max_length)
    return part, _rest(stream, len(part) >= max_length, encoding)


def _rest(stream: _Decompressor, full: bool, encoding: str) -> bytes:
    if stream.eof:
        return stream.unused_data
    if full:
        return b""
    raise BadEncoding(f"the body ends in the middle of its {encoding}: send all of it")
