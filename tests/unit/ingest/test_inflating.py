"""Bodies come out of their compression whole, or not at all; and no more of them than is allowed."""

import gzip
import tracemalloc
import zlib
from contextlib import suppress

import pytest
from backports import zstd
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.ingest.inflating import BadEncoding, TooMuch, inflated

MIB = 1024 * 1024


def bare_deflate(body: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-15)
    return stream.compress(body) + stream.flush()


PACKED = {
    "identity": bytes,
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "bare deflate": bare_deflate,
    "zstd": zstd.compress,
}
packings = pytest.mark.parametrize("packing", PACKED)


@packings
@settings(max_examples=50)
@given(body=st.binary(max_size=5_000))
def test_what_was_packed_comes_out(packing: str, body: bytes) -> None:
    assert inflated(PACKED[packing](body), packing.rsplit(maxsplit=1)[-1], 10_000) == body


@pytest.mark.parametrize("packing", ["gzip", "zstd"])
def test_several_members_are_one_body(packing: str) -> None:
    pack = PACKED[packing]
    assert inflated(pack(b"one, ") + pack(b"") + pack(b"two"), packing, 10_000) == b"one, two"


@packings
@settings(max_examples=50)
@given(data=st.data())
def test_what_ends_early_is_refused(packing: str, data: st.DataObject) -> None:
    if packing == "identity":
        return
    packed = PACKED[packing](b"some text that is long enough to be packed " * 3)
    cut = data.draw(st.integers(0, len(packed) - 1))
    with pytest.raises(BadEncoding):
        inflated(packed[:cut], packing.rsplit(maxsplit=1)[-1], 10_000)


@packings
@settings(max_examples=100)
@given(junk=st.binary(max_size=300))
def test_junk_is_refused_or_taken_and_never_anything_else(packing: str, junk: bytes) -> None:
    with suppress(BadEncoding, TooMuch):
        assert len(inflated(junk, packing.rsplit(maxsplit=1)[-1], 10_000)) <= 10_000


@packings
def test_a_body_may_be_as_long_as_is_allowed_and_not_longer(packing: str) -> None:
    encoding, packed = packing.rsplit(maxsplit=1)[-1], PACKED[packing](bytes(1_000))
    assert len(inflated(packed, encoding, 1_000)) == 1_000
    if packing != "identity":
        with pytest.raises(TooMuch):
            inflated(packed, encoding, 999)


@pytest.mark.parametrize("packing", ["gzip", "deflate", "bare deflate", "zstd"])
def test_a_bomb_takes_no_more_memory_than_is_allowed(packing: str) -> None:
    bomb = PACKED[packing](bytes(200 * MIB))
    tracemalloc.start()
    try:
        with pytest.raises(TooMuch):
            inflated(bomb, packing.rsplit(maxsplit=1)[-1], 8 * MIB)
        assert tracemalloc.get_traced_memory()[1] < 20 * MIB
    finally:
        tracemalloc.stop()


def test_a_short_body_may_be_even_and_a_long_one_may_not() -> None:
    assert len(inflated(gzip.compress(bytes(MIB)), "gzip", 64 * MIB)) == MIB
    with pytest.raises(TooMuch):
        inflated(gzip.compress(bytes(8 * MIB)), "gzip", 64 * MIB)


def test_many_small_bombs_in_a_row_are_one() -> None:
    with pytest.raises(TooMuch):
        inflated(gzip.compress(bytes(MIB)) * 100, "gzip", 8 * MIB)


@pytest.mark.parametrize("packing", ["gzip", "zstd"])
def test_many_members_of_nothing_in_a_row_are_refused(packing: str) -> None:
    pack = PACKED[packing]
    assert inflated(pack(b"") * 255 + pack(b"last"), packing, 10_000) == b"last"
    with pytest.raises(BadEncoding, match="more than 256"):
        inflated(pack(b"") * 257, packing, 10_000)


def test_a_frame_that_asks_for_a_huge_window_is_refused() -> None:
    options = {zstd.CompressionParameter.window_log: 27, zstd.CompressionParameter.enable_long_distance_matching: 1}
    packer = zstd.ZstdCompressor(options=options)
    packed = packer.compress(bytes(1_000)) + packer.flush()
    with pytest.raises(BadEncoding):
        inflated(packed, "zstd", 10_000)
