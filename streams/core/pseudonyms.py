"""Keyed pseudonyms of actors: the only form in which a person exists in state and results.

Keyed BLAKE2b, with a key derived per ISO week: a pseudonym cannot be recomputed without the key (no dictionary
attack) and differs from week to week (no linkage). Source: EDPB guidelines 01/2025; RFC 7693 for keyed BLAKE2.
"""

import re
from hashlib import blake2b
from typing import Final

__all__ = ["MIN_KEY_BYTES", "Pseudonyms", "iso_week"]

MIN_KEY_BYTES: Final = 16
#: A pseudonym made at the door: whoever receives events from elsewhere puts this in the place of the actor.
_SEALED: Final = re.compile(r"pseudonym:([0-9a-f]{16})", re.ASCII)
_WEEK_MS: Final = 7 * 86_400_000
#: 1970-01-01 was a Thursday; ISO weeks begin on Monday.
_MONDAY_OFFSET_MS: Final = 3 * 86_400_000
#: Bound on remembered actors, so that invented actor names cannot fill the memory.
_CACHE_BOUND: Final = 100_000


def iso_week(at_ms: int) -> int:
    """The number of the ISO week (Monday to Sunday, UTC) since the epoch."""
    return (at_ms + _MONDAY_OFFSET_MS) // _WEEK_MS


class Pseudonyms:
    """Turns raw actors into 64-bit pseudonyms under one tenant's key.

    Raises ValueError on a key shorter than 16 bytes. Raw actors are cached in memory for speed, for at most two weeks
    of event time at once, and nothing here gives them away.
    """

    def __init__(self, key: bytes) -> None:
        if len(key) < MIN_KEY_BYTES:
            raise ValueError(f"the pseudonym key has {len(key)} bytes; give at least {MIN_KEY_BYTES}")
        self._key = blake2b(key, digest_size=32, person=b"assay-actor").digest()
        self._weeks: dict[int, dict[str, int]] = {}

    def of_week(self, week: int) -> dict[str, int]:
        """The known pseudonyms of one week, by raw actor; the hot path looks here first."""
        known = self._weeks.get(week)
        if known is None:
            if len(self._weeks) >= 2:
                del self._weeks[min(self._weeks)]
            known = self._weeks[week] = {}
        return known

    def pseudonym(self, week: int, actor: str) -> int:
        """The actor's pseudonym in one week: 64 bits, never 0. One that was sealed at the door is taken as it is."""
        known = self.of_week(week)
        found = known.get(actor)
        if found is None:
            if len(known) >= _CACHE_BOUND:
                known.clear()
            if sealed := _SEALED.fullmatch(actor):
                digest = bytes.fromhex(sealed[1])
            else:
                week_key = blake2b(b"%d" % week, key=self._key, digest_size=32).digest()
                digest = blake2b(actor.encode(), key=week_key, digest_size=8).digest()
            found = known[actor] = int.from_bytes(digest, "big") or 1
        return found

    def sealed(self, week: int, actor: str) -> str:
        """The actor's pseudonym as a text that :meth:`pseudonym` of the same key takes for the same actor.

        For those who receive raw actors and must not pass them on, so that one person is one actor whichever door their
        events came by.
        """
        return f"pseudonym:{self.pseudonym(week, actor):016x}"
