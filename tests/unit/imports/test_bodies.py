"""From a file to bodies: nothing of it left out, nothing read twice, and memory bounded by the longest body."""

import gzip
import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.reasons import Reason
from streams.imports.bodies import FileBody, bodies, opened
from streams.sources.contract import Refused


def cut(text: bytes, *, together: int | None = 2, most: int = 1_000) -> list[FileBody | Refused]:
    return list(bodies(io.BytesIO(text), max_bytes=most, lines_together=together))


def test_lines_are_cut_and_keep_their_numbers() -> None:
    assert cut(b'{"a":1}\n\n{"a":2}\r\n  \n{"a":3}') == [
        FileBody(b'{"a":1}\n{"a":2}', (1, 3)), FileBody(b'{"a":3}', (5,)),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        b'{"a":1}', b"[1,\n2]\n", b'{\n  "a": 1\n}\n', b'[{"a":1},\n{"a":2}]\n', b'{"data": [\n{"a":1}\n]}\n', b"a,b\n1,2\n",
        b'{"a":\n{"b":1}\n}\n', b"", b"\n \n",
    ],
)  # fmt: skip
def test_a_document_is_one_body(text: bytes) -> None:
    (body,) = cut(text)
    assert isinstance(body, FileBody)
    assert body.lines == ()
    assert body.content.strip() == text.strip()


def test_lines_whose_first_is_cut_off_are_lines() -> None:
    assert cut(b'{"a":1,"b":"x\n{"a":2}\n') == [FileBody(b'{"a":1,"b":"x\n{"a":2}', (1, 2))]


def test_the_mark_that_some_programs_put_first_is_no_part_of_the_text() -> None:
    assert cut(b'\xef\xbb\xbf{"a":1}\n{"a":2}\n', together=1)[0] == FileBody(b'{"a":1}', (1,))


def test_lines_that_belong_together_stay_together_or_are_refused_as_one() -> None:
    text = b'{"a":1}\n' * 50
    (body,) = cut(text, together=None)
    assert isinstance(body, FileBody)
    assert body.lines == tuple(range(1, 51))
    (refused,) = cut(text, together=None, most=300)
    assert isinstance(refused, Refused)
    assert (refused.place, refused.reason) == ("file", Reason.TOO_LARGE)
    assert "ingest.max_inflated_bytes" in refused.detail


@pytest.mark.parametrize("text", [b"[" + b"1," * 200 + b"1]", b"[\n" + b"1,\n" * 200 + b"1]"])
def test_a_document_beyond_the_bound_is_refused_with_the_fix(text: bytes) -> None:
    (refused,) = cut(text, most=100)
    assert isinstance(refused, Refused)
    assert refused.reason is Reason.TOO_LARGE
    assert "as lines" in refused.detail


@pytest.mark.parametrize("at", [1, 2])
def test_a_line_beyond_the_bound_costs_no_other(at: int) -> None:
    lines = [b'{"a":%d}' % number for number in range(4)]
    lines[at] = b'{"a":"' + b"x" * 500 + b'"}'
    found = cut(b"\n".join(lines), together=10, most=100)
    assert [each.place for each in found if isinstance(each, Refused)] == [f"line {at + 1}"]
    read = [number for each in found if isinstance(each, FileBody) for number in each.lines]
    assert read == [number for number in (1, 2, 3, 4) if number != at + 1]


def test_bodies_of_lines_are_bounded_in_bytes_too() -> None:
    found = cut(b'{"a":"%s"}\n' % (b"x" * 40) * 10, together=1_000, most=150)
    assert all(isinstance(each, FileBody) and len(each.content) <= 150 for each in found)
    assert sum(len(each.lines) for each in found if isinstance(each, FileBody)) == 10


def test_gzip_is_read_and_where_it_breaks_off_is_said(tmp_path: Path) -> None:
    lines = b"".join(b'{"a":"%064x"}\n' % (number * 0x9E3779B97F4A7C15) for number in range(3_000))
    file = tmp_path / "lines.jsonl.gz"
    file.write_bytes(gzip.compress(lines))
    content, raw = opened(file)
    with raw:
        found = list(bodies(content, max_bytes=1_000_000, lines_together=100))
        assert raw.tell() == file.stat().st_size
    assert b"".join(each.content + b"\n" for each in found if isinstance(each, FileBody)) == lines
    file.write_bytes(file.read_bytes()[:-3_000])
    content, raw = opened(file)
    with raw:
        *whole, refused = bodies(content, max_bytes=1_000_000, lines_together=100)
    assert isinstance(refused, Refused)
    assert refused.place.startswith("behind line ")
    assert len(whole) > 5


def test_a_bomb_is_not_held(tmp_path: Path) -> None:
    file = tmp_path / "bomb.gz"
    file.write_bytes(gzip.compress(b'{"a":"' + b"x" * 50_000_000))
    content, raw = opened(file)
    with raw:
        (refused,) = bodies(content, max_bytes=100_000, lines_together=100)
    assert isinstance(refused, Refused)
    assert refused.reason is Reason.TOO_LARGE


@given(
    st.lists(st.one_of(st.just(b""), st.just(b"  "), st.integers(0, 10**60).map(lambda it: json.dumps({"a": it}).encode())),
             min_size=2, max_size=40),
    st.integers(1, 7), st.integers(80, 300),
)  # fmt: skip
def test_each_line_is_in_exactly_one_body(lines: list[bytes], together: int, most: int) -> None:
    found = cut(b"\n".join(lines), together=together, most=most)
    assert all(isinstance(each, FileBody) for each in found)
    records = [(number, line) for number, line in enumerate(lines, 1) if line.strip()]
    if len(records) < 2:
        assert b"".join(each.content for each in found if isinstance(each, FileBody)) == b"".join(
            it for _, it in records
        )
        return
    read: list[tuple[int, bytes]] = []
    for each in found:
        assert isinstance(each, FileBody)
        assert len(each.lines) <= together
        assert len(each.content) <= most
        read += zip(each.lines, each.content.split(b"\n"), strict=True)
    assert read == records
