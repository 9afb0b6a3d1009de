"""Bodies of JSON, and members of objects as hostile senders fill them."""

import pytest

from streams.core.reasons import Reason
from streams.sources.contract import BadBody
from streams.sources.json_bodies import Document, documents, identity, member, members, require
from streams.sources.readings import BadField


def test_records_of_a_body_are_bounded() -> None:
    for body in (b"[" + b",".join([b"{}"] * 100_001) + b"]", b"{}\n" * 100_001):
        with pytest.raises(BadBody) as raised:
            documents(body)
        assert raised.value.reason is Reason.TOO_LARGE
    found, refused = documents(b"{}\n" * 100_000)
    assert (len(found), refused) == (100_000, [])


def test_records_have_the_place_where_they_stand() -> None:
    found, refused = documents(b'{"a": 1}\n\n[]\n{"b": 2}\n{"c": ')
    assert found == [Document("line 1", {"a": 1}), Document("line 4", {"b": 2})]
    assert [(it.place, it.reason) for it in refused] == [("line 3", Reason.WRONG_TYPE), ("line 5", Reason.INVALID_JSON)]
    assert documents(b'[{"a": 1}, {"b": 2}]')[0] == [Document("0", {"a": 1}), Document("1", {"b": 2})]


def test_members_are_what_they_should_be_or_nothing() -> None:
    holder = {"object": {"a": 1}, "list": [{"a": 1}, 7, None], "text": "x", "none": None}
    assert [member(holder, name) for name in ("object", "list", "missing")] == [{"a": 1}, {}, {}]
    assert [members(holder, name) for name in ("list", "object", "missing")] == [[{"a": 1}], [], []]
    assert require(holder, "object") == {"a": 1}
    for name, reason in (
        ("text", Reason.WRONG_TYPE),
        ("none", Reason.MISSING_FIELD),
        ("missing", Reason.MISSING_FIELD),
    ):
        with pytest.raises(BadField) as raised:
            require(holder, name)
        assert raised.value.reason is reason


@pytest.mark.parametrize(("value", "said"), [(7, "7"), ("u-1", "u-1"), (0, "0")])
def test_what_identifies_is_a_number_or_a_text(value: object, said: str) -> None:
    assert identity({"id": value}, "id", "issue.id") == said


@pytest.mark.parametrize(("value", "reason"), [
    (None, Reason.MISSING_FIELD), ("", Reason.MISSING_FIELD), (True, Reason.WRONG_TYPE), (-1, Reason.WRONG_TYPE), (1.5, Reason.WRONG_TYPE),
    ([], Reason.WRONG_TYPE),
])  # fmt: skip
def test_anything_else_identifies_nothing(value: object, reason: Reason) -> None:
    with pytest.raises(BadField, match=r"field issue\.id ") as raised:
        identity({"id": value}, "id", "issue.id")
    assert raised.value.reason is reason
