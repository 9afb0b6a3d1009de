"""What was asked before: whether a call repeats one of its workflow of the same UTC day or of the day before.

A fingerprint of 16 hex digits is a SimHash: those of nearly the same text differ in few of its 64 bits, those of others in
about half. It is looked up as a whole, and by four bands that it is cut into: with three bits that differ at least one
band is the same, with five in three of four cases. Of each day one fingerprint is remembered a band. More than eight bits are another text,
whatever band they share; in a busy workflow many do. What repeats nothing of its own day is remembered under each of its
bands that is free. Other fingerprints are equal or not. Sources: Manku, Jain and Das Sarma, WWW 2007, for bands; eight
bits because prompts are short: one edited word in forty turns more than three bits in half of all cases.

What was asked is remembered by UTC day, not for a time, so that what counts as a repetition follows from the log alone, and
not from when a memory forgets. A slice of events is looked at as arrays, and only those events one by one that may repeat
something, or that share a band with another one of the slice.
"""

from typing import Final, cast

import numpy as np
import numpy.typing as npt
from xxhash import xxh3_64_intdigest

from streams.core.bloom import Hashes
from streams.core.dedupe_arrays import ArrayMemory
from streams.core.events import UsageEvent

__all__ = ["ASK", "MARKS", "NEAR_BITS", "NONE", "Asked", "bands", "marks", "numbers"]

#: Answers beside 0 and 1: the event has no fingerprint; it must be asked for.
NONE: Final = -1
ASK: Final = 2

#: What is looked up of a fingerprint: the whole and four bands.
MARKS: Final = 5
#: Bits in which fingerprints of one text may differ.
NEAR_BITS: Final = 8
Found = npt.NDArray[np.bool_]

_DAY_MS: Final = 86_400_000
_DIGITS: Final = 16
#: Workflows whose hashes are kept at hand.
_MOST_PLACES: Final = 100_000
#: Odd, and random.
_OF_WHOLE: Final = np.uint64(0xA0761D6478BD642F)
_OF_BAND: Final = np.uint64(0x9E3779B97F4A7C15)
_OF_DAY: Final = np.uint64(0xD1B54A32D192ED03)
_SHIFTS: Final = np.array([[48], [32], [16], [0]], np.uint64)
_BAND: Final = np.uint64(0xFFFF)
#: Tells equal digits of different bands apart, and a band of zeros from none.
_WHICH: Final = np.array([[1], [2], [3], [4]], np.uint64) << np.uint64(16)


def numbers(said: list[str]) -> tuple[Hashes, Hashes]:
    """Fingerprints as numbers, and for each whether it has bands, 1 or 0; one that has none stands for itself alone."""
    # Each of its own length first: what is joined must not be cut elsewhere than it was put together.
    found = _hex("".join(said), len(said)) if {*map(len, said)} <= {_DIGITS} else None
    if found is not None:
        return found, np.ones(len(said), np.uint64)
    found, banded = np.zeros(len(said), np.uint64), np.zeros(len(said), np.uint64)
    for place, text in enumerate(said):
        number = _hex(text, 1)
        if number is not None:
            found[place], banded[place] = number[0], 1
        else:
            found[place] = xxh3_64_intdigest(text.encode()) or 1
    return found, banded


def bands(said: Hashes, banded: Hashes) -> Hashes:
    """What is looked up of fingerprints, in five lines: the whole, then its bands, 0 for one that has none."""
    whole = (said * _OF_WHOLE) | np.uint64(1)
    return np.concatenate((whole[np.newaxis], (((said >> _SHIFTS) & _BAND) | _WHICH) * banded))


def marks(cut: Hashes, places: Hashes, days: Hashes) -> Hashes:
    """64-bit hashes of bands, by workflow and day; 0 where there is no band, and only there."""
    mixed = places + cut * _OF_BAND + days * _OF_DAY
    # The finalizer of MurmurHash3.
    mixed ^= mixed >> np.uint64(33)
    mixed *= np.uint64(0xFF51AFD7ED558CCD)
    mixed ^= mixed >> np.uint64(33)
    mixed *= np.uint64(0xC4CEB9FE1A85EC53)
    mixed ^= mixed >> np.uint64(33)
    found: Hashes = np.where(cut == 0, np.uint64(0), mixed | np.uint64(1))
    return found


class Asked:
    """What one shard was asked, looked up slice by slice: :meth:`look`, then :meth:`repeats` of some events, then :meth:`keep`.

    Of the slice looked at, ``first`` is a number for each event by which calls of one run are compared: its first band, 0
    without a fingerprint. ``answers`` says of each whether it repeats something: NONE without a fingerprint, 1 for what
    repeats something of its day, 0 for what repeats nothing and is to be kept if it is counted, else ASK.
    """

    def __init__(self, memory: ArrayMemory, seed: int) -> None:
        self.memory = memory
        self.first: list[int] = []
        self.answers: list[int] = []
        self._seed = seed
        self._places: dict[tuple[str, str], int] = {}
        #: Of those events of the slice that have fingerprints: which line of the arrays is theirs, and the arrays.
        self._line: list[int] = []
        self._said: Hashes = np.zeros(0, np.uint64)
        self._marks: Hashes = np.zeros((2 * MARKS, 0), np.uint64)
        self._known: Found = np.zeros((2 * MARKS, 0), np.bool_)
        self._yesterday: Found = np.zeros(0, np.bool_)
        self._here: dict[int, int] = {}

    def look(self, events: list[UsageEvent]) -> None:
        """Look up a slice."""
        texts: list[str] = []
        places: list[int] = []
        days: list[int] = []
        lines: list[int] = []
        known_places = self._places
        for event in events:
            text = event.prompt_fingerprint
            if text is None:
                lines.append(-1)
                continue
            lines.append(len(texts))
            texts.append(text)
            days.append(event.occurred_at // _DAY_MS)
            place = known_places.get((event.team, event.workflow))
            places.append(self._place(event.team, event.workflow) if place is None else place)
        self._line, self._here = lines, {}
        self._said, banded = numbers(texts)
        cut = bands(self._said, banded)
        of_places, of_days = np.array(places, np.uint64), np.array(days, np.uint64)
        self._marks = np.concatenate((marks(cut, of_places, of_days), marks(cut, of_places, of_days - np.uint64(1))))
        known, words = self.memory.known(self._marks.ravel())
        self._known = known.reshape(self._marks.shape)
        near = self._known & (np.bitwise_count(words.reshape(self._marks.shape) ^ self._said) <= NEAR_BITS)
        self._yesterday = near[MARKS:].any(axis=0)
        ask = _shared(self._marks) | self._yesterday
        answers = np.where(near[:MARKS].any(axis=0), 1, np.where(ask, ASK, 0)).tolist()
        first = np.where(banded == 1, cut[1], cut[0]).tolist()
        self.answers = [NONE if line < 0 else answers[line] for line in lines]
        self.first = [0 if line < 0 else first[line] for line in lines]

    def repeats(self, place: int) -> int:
        """Whether an event that is counted repeats something, 1 or 0: something before it in the slice, or of the day before."""
        line, here = self._line[place], self._here
        said: int = self._said[line].item()
        marks: list[int] = self._marks[:, line].tolist()
        for mark in marks[:MARKS]:
            word = here.get(mark)
            if word is not None and (word ^ said).bit_count() <= NEAR_BITS:
                return 1
        for mark, known in zip(marks[:MARKS], self._known[:MARKS, line].tolist(), strict=True):
            if mark and not known:
                here.setdefault(mark, said)
        if self._yesterday[line]:
            return 1
        for mark in marks[MARKS:]:
            word = here.get(mark)
            if word is not None and (word ^ said).bit_count() <= NEAR_BITS:
                return 1
        return 0

    def keep(self, counted: list[int]) -> None:
        """Remember what was asked for the first time on its day.

        By events that were counted: those of :meth:`repeats`, and those of the given places, which were answered 0.
        """
        lines = [self._line[place] for place in counted]
        marks = self._marks[:MARKS, lines]
        new = ~self._known[:MARKS, lines] & (marks != 0)
        words = np.broadcast_to(self._said[lines], marks.shape)
        if not self._here:
            self.memory.add(marks[new], words[new])
            return
        here = np.array([*self._here], np.uint64), np.array([*self._here.values()], np.uint64)
        self.memory.add(np.concatenate((marks[new], here[0])), np.concatenate((words[new], here[1])))

    def _place(self, team: str, workflow: str) -> int:
        if len(self._places) >= _MOST_PLACES:
            self._places.clear()
        found: int = xxh3_64_intdigest(f"{team}\0{workflow}".encode(), self._seed)
        self._places[team, workflow] = found
        return found


def _shared(marks: Hashes) -> Found:
    """For each column, whether another one has a mark of its own."""
    each = marks.ravel()
    order = np.argsort(each)
    ordered = each[order]
    same = np.flatnonzero((ordered[1:] == ordered[:-1]) & (ordered[1:] != 0))
    found = np.zeros(len(each), np.bool_)
    found[order[same]] = True
    found[order[same + 1]] = True
    return cast(Found, found.reshape(marks.shape).any(axis=0))


def _hex(text: str, count: int) -> Hashes | None:
    """So many numbers of 16 lower-case hex digits each, None if the text is anything else."""
    if len(text) != _DIGITS * count or not text.isascii() or text.lower() != text:
        return None
    try:
        data = bytes.fromhex(text)
    except ValueError:
        return None
    # It passes over spaces.
    return np.frombuffer(data, ">u8").astype(np.uint64) if len(data) == 8 * count else None
