"""Near-duplicates have near-equal fingerprints, and only under one key."""

from streams.sources.fingerprints import Fingerprints

KEY = b"a key of a tenant"
PROMPT = " ".join(f"word{number} is part of a long enough question" for number in range(60))


def apart(one: str, other: str) -> int:
    return (int(one, 16) ^ int(other, 16)).bit_count()


def test_sixteen_digits_that_depend_on_nothing_but_key_and_words() -> None:
    one, other = Fingerprints(KEY), Fingerprints(KEY)
    other("something asked before")
    assert one(PROMPT) == other(PROMPT.upper())
    assert len(one(PROMPT)) == 16


def test_nearly_the_same_words_are_near_and_others_far() -> None:
    make = Fingerprints(KEY)
    assert apart(make(PROMPT), make(PROMPT + " please")) <= 4
    assert apart(make(PROMPT), make("Summarise the minutes of the meeting on Thursday in five points")) >= 12


def test_another_key_gives_another_fingerprint() -> None:
    assert apart(Fingerprints(KEY)(PROMPT), Fingerprints(b"another tenant's key")(PROMPT)) >= 10


def test_texts_without_words_are_told_apart() -> None:
    make = Fingerprints(KEY)
    assert make("") != make("?!") != make("...")


def test_lone_surrogates_do_not_stop_it() -> None:
    assert len(Fingerprints(KEY)("a \ud800 b")) == 16
