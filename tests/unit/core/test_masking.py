"""Masking: the actor is in no kept record, and everything else stays as it was."""

import json

import pytest

from streams.core.masking import masked
from tests.engine_runs import EngineRun, usage

NAME = "marked.person@example.com"


@pytest.mark.parametrize(
    "value",
    [
        json.dumps({"event_id": "1", "actor": NAME, "team": "t"}).encode(),
        json.dumps({"actor": NAME, "attributes": {"user": f"x {NAME} y"}}).encode(),
        b'{"actor" :  "' + NAME.encode() + b'"} trailing',
        b'{"event_id":"1","actor":"' + NAME.encode()[:-1],
        b'{"\\u0061ctor":"' + NAME.encode() + b'"}',
        b'{"\\u0061ctor":"' + NAME.encode() + b'"',
        json.dumps({"actor": [NAME]}).encode(),
        json.dumps({"actor": {"id": NAME}}).encode(),
        json.dumps({"event": {"Actor": NAME}, "note": NAME.upper()}).encode(),
        json.dumps({"actor": "jos\u00e9 marked", "note": "by JOS\u00c9 MARKED"}).encode(),
        str({"actor": NAME}).encode(),
        f"actor: {NAME}".encode(),
        json.dumps({"actor": NAME}).encode("utf-16"),
        b'{"actor":"a","actor":"' + NAME.encode() + b'"}',
        b"\xc3\x01" + b"12345678" + NAME.encode(),
        b"\x00\x00\x00\x00\x07" + NAME.encode(),
    ],
)
def test_the_name_is_gone(value: bytes) -> None:
    """From whole, broken, escaped, oddly typed and binary records."""
    assert b"marked" not in masked(value).lower()
    assert b"person" not in masked(value).lower()


def test_an_escaped_name_is_masked_too() -> None:
    """The record is written anew then."""
    assert json.loads(masked(b'{"actor":"mar\\u006bed.person","team":"t"}')) == {"actor": "***", "team": "t"}


def test_of_a_text_that_is_no_record_the_punctuation_is_left() -> None:
    """Nobody can tell where in it a name may stand."""
    assert masked(b'{"actor":"ada","team') == b'{"*****":"***","****'


@pytest.mark.parametrize(
    "value",
    [
        b"", b"[]", b'{"team":"t"}', b'{"actor":null,"team":"t"}', b'{"team":"t","cost":1e3}',
    ],
)  # fmt: skip
def test_records_without_an_actor_stay_as_they_are(value: bytes) -> None:
    """To the byte."""
    assert masked(value) == value


def test_a_name_within_a_word_is_not_meant() -> None:
    """Or the record could not be sent again."""
    value = b'{"event_id":"eve-1","actor":"eve","team":"eve"}'
    assert masked(value) == b'{"event_id":"***-1","actor":"***","team":"***"}'


def test_lengths_stay() -> None:
    """So that places in the record stay where a message says they are."""
    value = json.dumps({"actor": NAME, "team": "t"}).encode()
    assert len(masked(value)) == len(value)
    assert json.loads(masked(value)) == {"actor": "*" * len(NAME), "team": "t"}


def test_dead_letters_are_masked() -> None:
    """Whichever stage refuses the record."""
    run = EngineRun()
    run.feed(
        usage("1", 0, actor=NAME, cost_micro_usd=-1), usage("2", 10**15, actor=NAME), b'{"actor":"' + NAME.encode()
    )  # fmt: skip
    assert len(run.dead_letters) == 3
    assert not [letter for letter in run.dead_letters if NAME.encode() in letter.payload or NAME in letter.detail]
