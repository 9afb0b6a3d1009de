"""Pseudonyms: keyed, different each ISO week, the same within one."""

from datetime import UTC, datetime, timedelta

import pytest

from streams.core import pseudonyms
from streams.core.pseudonyms import MIN_KEY_BYTES, Pseudonyms, iso_week

KEY = b"0123456789abcdef"
#: Of "ada" in week 2,923 under the key: what running installations hold in their state.
ADA = 18_362_982_522_952_816_371


@pytest.mark.parametrize("size", [0, 1, MIN_KEY_BYTES - 1])
def test_a_short_key_is_refused(size: int) -> None:
    """A key that can be guessed protects nobody."""
    with pytest.raises(ValueError, match=f"has {size} bytes; give at least 16"):
        Pseudonyms(b"k" * size)


@pytest.mark.parametrize("size", [MIN_KEY_BYTES, 64, 65, 1_000])
def test_long_keys_are_taken_whole(size: int) -> None:
    """Also beyond the 64 bytes that BLAKE2b itself takes: the last byte counts."""
    key = b"k" * size
    assert Pseudonyms(key).pseudonym(1, "ada") != Pseudonyms(key[:-1] + b"x").pseudonym(1, "ada")


def test_a_pseudonym_is_the_same_within_key_and_week() -> None:
    """On every worker, in every process, before and after a restart."""
    assert Pseudonyms(KEY).pseudonym(2_923, "ada") == Pseudonyms(KEY).pseudonym(2_923, "ada") == ADA


@pytest.mark.parametrize(
    ("key", "week", "actor"),
    [(KEY + b"x", 1, "ada"), (KEY, 2, "ada"), (KEY, 1, "Ada"), (KEY, 1, "ad"), (KEY, 11, "ada")],
)
def test_a_pseudonym_depends_on_key_week_and_actor(key: bytes, week: int, actor: str) -> None:
    """Another of any gives another pseudonym."""
    assert Pseudonyms(key).pseudonym(week, actor) != Pseudonyms(KEY).pseudonym(1, "ada")


def test_pseudonyms_fit_64_bits_and_are_never_zero() -> None:
    """Zero stands for no actor."""
    names = Pseudonyms(KEY)
    found = {names.pseudonym(1, f"actor-{number}") for number in range(1_000)}
    assert len(found) == 1_000
    assert all(0 < pseudonym < 1 << 64 for pseudonym in found)


def test_weeks_are_those_of_the_iso_calendar() -> None:
    """Every week begins on Monday at midnight UTC, over years with 52 and 53 weeks alike."""
    start = datetime(2015, 1, 1, tzinfo=UTC)
    seen: dict[tuple[int, int], int] = {}
    for day in range(12 * 366):
        for moment in (start + timedelta(days=day), start + timedelta(days=day, hours=23, minutes=59, seconds=59.999)):
            year, week, _ = moment.isocalendar()
            number = iso_week(round(moment.timestamp() * 1000))
            assert seen.setdefault((year, week), number) == number
    assert sorted(seen.values()) == list(range(min(seen.values()), max(seen.values()) + 1))


def test_known_pseudonyms_are_the_ones_given_out() -> None:
    """The hot path reads the cache itself."""
    names = Pseudonyms(KEY)
    assert names.of_week(5) == {}
    found = names.pseudonym(5, "ada")
    assert names.of_week(5) == {"ada": found}


def test_at_most_two_weeks_are_remembered() -> None:
    """Raw names go when their weeks do, and come out the same when asked for again."""
    names = Pseudonyms(KEY)
    first = names.pseudonym(1, "ada")
    for week in range(2, 6):
        names.pseudonym(week, "ada")
        assert len(names._weeks) <= 2
    assert names.of_week(1) == {}
    assert names.pseudonym(1, "ada") == first


def test_the_memory_of_one_week_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Invented names cannot fill it; a dict once handed out stays the live one."""
    monkeypatch.setattr(pseudonyms, "_CACHE_BOUND", 10)
    names = Pseudonyms(KEY)
    known = names.of_week(1)
    found = [names.pseudonym(1, f"actor-{number}") for number in range(25)]
    assert len(known) <= 10
    assert known is names.of_week(1)
    assert [names.pseudonym(1, f"actor-{number}") for number in range(25)] == found


def test_a_sealed_pseudonym_is_taken_as_it_is() -> None:
    door, worker = Pseudonyms(KEY), Pseudonyms(KEY)
    sealed = door.sealed(2_900, "ada")
    assert sealed.startswith("pseudonym:")
    assert worker.pseudonym(2_900, sealed) == worker.pseudonym(2_900, "ada")
    assert worker.pseudonym(2_900, "pseudonym:0123") != 0x0123
    assert worker.pseudonym(2_900, "pseudonym:" + "0" * 16) == 1
