"""Runs: what each agent run or session cost so far, what it has come to, and whether it goes in circles."""

import struct
from enum import IntEnum
from typing import Final

from xxhash import xxh3_64_intdigest

from streams.core import keys
from streams.core.store import StateView, Writes

__all__ = ["MOST_LINKS", "NOT_BEGUN", "UNTOLD", "Pattern", "Run", "Runs", "run_hash"]

#: When a run begins of which no usage is known.
NOT_BEGUN: Final = 1 << 62

#: What a call was that says nothing of itself: neither what was asked nor how much of it.
UNTOLD: Final = (1 << 64) - 1

_HEAD: Final = struct.Struct("<BBqqqqqqqqH")
_LINKS: Final = struct.Struct("<IH")
#: Outcomes that a run itself remembers; those of an evaluation with thousands of cases have records of their own.
MOST_LINKS: Final = 64
_CIRCLES: Final = struct.Struct("<QQHqHqIqHqqq")
_VERSION: Final = 3
#: Calls of a pattern that are counted: what 16 bits hold.
_MOST_CALLS: Final = 65_535
#: Calls of which it is remembered whether they failed.
_RECENT: Final = (1 << 20) - 1
#: Runs kept in memory between transactions; all others are read back when an event names them.
_CACHE_BOUND: Final = 20_000


def run_hash(team: str, run_id: str, seed: int) -> int:
    """64 bits that stand for a run of a team, never 0; the NUL between them cannot occur in either."""
    return xxh3_64_intdigest(f"{team}\0{run_id}".encode(), seed) or 1


class Pattern(IntEnum):
    """How a run goes in circles; public, as a number in an alert's evidence."""

    NONE = 0
    REPEATED = 1
    """The same call, again and again."""
    PING_PONG = 2
    """Two calls in turns."""
    FAILING = 3
    """Half of the last calls failed."""
    GROWING = 4
    """Its input has grown to several times what it was, and does not shrink."""


class Run:
    """One run; mutable, owned by one shard.

    ``workflow`` is that of its earliest usage (of two at once the lesser name), so that it does not depend on the order
    of arrival. ``spend`` is in micro-dollars as far as it is known. ``personal`` once any of its usage concerns a
    person. ``outcomes`` are those joined to it, ``accepted`` those of them that were accepted and not undone, ``linked``
    all that name it, of which ``links`` are the first ones' identities. ``settled`` once it is mature: what its cohort then counted is ``told``, its spend, accepted and
    outcomes. ``in_cohort`` if any window tells of it then.
    """

    __slots__ = (
        "accepted", "alternating", "alternating_from", "before_call", "began_ms", "calls", "fails", "fails_from",
        "first_input", "growing", "growing_from", "hash", "in_cohort", "last_call", "last_input", "linked", "links",
        "outcomes", "personal", "repeated", "repeated_from", "settled", "spend", "team", "told", "touched",
        "workflow",
    )  # fmt: skip

    def __init__(self, number: int, team: str) -> None:
        self.hash = number
        self.team = team
        self.workflow = ""
        self.began_ms = NOT_BEGUN
        self.calls = 0
        self.spend = 0
        self.personal = False
        self.outcomes = 0
        self.accepted = 0
        self.linked = 0
        self.links: list[int] = []
        self.settled = False
        self.in_cohort = False
        self.told = (0, 0, 0)
        self.touched = False
        # Counts of calls in a pattern, and what had been spent when it began.
        self.last_call = 0
        self.before_call = 0
        self.repeated = 0
        self.repeated_from = 0
        self.alternating = 0
        self.alternating_from = 0
        self.fails = 0
        self.fails_from = 0
        self.growing = 0
        self.growing_from = 0
        self.first_input = 0
        self.last_input = 0

    def use(self, at_ms: int, workflow: str, spend: int, personal: bool) -> bool:
        """Count one call; True if that is news beyond its sums.

        It began earlier than was known, concerns a person for the first time, or is settled.
        ``spend`` is -1 where nobody knows it.
        """
        self.calls += 1
        if spend > 0:
            self.spend = min(self.spend + spend, NOT_BEGUN)
        return (
            self.settled or at_ms < self.began_ms or (personal and not self.personal)
            or (at_ms == self.began_ms and workflow < self.workflow)
        )  # fmt: skip

    def follow(self, call: int, in_vain: bool, prompt: int, spend: int) -> int:
        """Follow the run's calls, in the order of the log: the :class:`Pattern` that it shows by now, 0 for none.

        ``call`` says what the call was, so that equal ones are equal, or is UNTOLD, which equals nothing; ``prompt`` are its tokens of input. To be told
        after :meth:`use`; ``spend`` is the same as there.
        """
        before = self.spend - (max(0, spend))
        pattern = 0
        if call == self.last_call and call != UNTOLD:
            self.repeated += 1
            self.alternating = 0
            if self.repeated >= 5:
                pattern = 1
        else:
            if call == self.before_call and call != UNTOLD:
                if not self.alternating:
                    self.alternating_from = before
                self.alternating += 1
                if self.alternating >= 6:
                    pattern = 2
            else:
                self.alternating = 0
            self.repeated = 1
            self.repeated_from = before
            self.before_call = self.last_call
            self.last_call = call
        if in_vain or self.fails:
            fails = (self.fails << 1 | (1 if in_vain else 0)) & _RECENT
            if not self.fails:
                self.fails_from = before
            self.fails = fails
            if in_vain and fails.bit_count() >= 10:
                pattern = 3
        if prompt < self.last_input - self.last_input // 10:
            self.growing = 0
        elif self.growing:
            # A context that has grown to the model's limit stays there: the run goes on all the same.
            self.growing += 1
            if self.growing >= 10 and prompt >= 4 * self.first_input:
                pattern = 4
        elif prompt > self.last_input + self.last_input // 50:
            self.growing_from, self.first_input, self.growing = before, prompt, 1
        self.last_input = prompt
        return pattern

    def circle(self, pattern: Pattern) -> tuple[int, int]:
        """Calls and spend of a pattern that it shows; calls are at most what the state keeps, so that restarts do not show."""
        if pattern is Pattern.REPEATED:
            calls, spend = self.repeated, self.spend - self.repeated_from
        elif pattern is Pattern.PING_PONG:
            calls, spend = self.alternating, self.spend - self.alternating_from
        elif pattern is Pattern.FAILING:
            calls, spend = self.fails.bit_count(), self.spend - self.fails_from
        else:
            calls, spend = self.growing, self.spend - self.growing_from
        return min(calls, _MOST_CALLS), spend

    def encode(self) -> bytes:
        """The run as bytes."""
        team = self.team.encode()
        flags = self.personal | self.settled << 1 | self.in_cohort << 2
        spend, accepted, outcomes = self.told
        return (
            _HEAD.pack(
                _VERSION, flags, self.began_ms, self.calls, min(self.spend, NOT_BEGUN), self.outcomes, self.accepted,
                min(spend, NOT_BEGUN), accepted, outcomes, len(team),
            )
            + (b"\0" if not self.last_call else b"\1" + _CIRCLES.pack(
                self.last_call, self.before_call, min(self.repeated, _MOST_CALLS), self.repeated_from,
                min(self.alternating, _MOST_CALLS), self.alternating_from, self.fails, self.fails_from,
                min(self.growing, _MOST_CALLS), self.growing_from, self.first_input, self.last_input,
            ))
            + team + _LINKS.pack(self.linked, len(self.links))
            + b"".join([link.to_bytes(8, "little") for link in self.links]) + self.workflow.encode()
        )  # fmt: skip

    @classmethod
    def decode(cls, number: int, data: bytes) -> "Run":
        """The inverse of :meth:`encode`. Raises ValueError on an unknown version."""
        (
            version, flags, began_ms, calls, spend, outcomes, accepted, told_spend, told_accepted, told_outcomes, size,
        ) = _HEAD.unpack_from(data)  # fmt: skip
        if version != _VERSION:
            raise ValueError(f"run codec version {version}, expected {_VERSION}")
        run = cls(number, "")
        start = _HEAD.size + 1
        if data[_HEAD.size]:
            (
                run.last_call, run.before_call, run.repeated, run.repeated_from, run.alternating, run.alternating_from,
                run.fails, run.fails_from, run.growing, run.growing_from, run.first_input, run.last_input,
            ) = _CIRCLES.unpack_from(data, start)  # fmt: skip
            start += _CIRCLES.size
        run.team = data[start : start + size].decode()
        start += size
        run.linked, count = _LINKS.unpack_from(data, start)
        start += _LINKS.size
        run.links = [int.from_bytes(data[start + 8 * n : start + 8 * n + 8], "little") for n in range(count)]
        run.workflow = data[start + 8 * count :].decode()
        run.began_ms, run.calls, run.spend, run.outcomes, run.accepted = began_ms, calls, spend, outcomes, accepted
        run.personal, run.settled = bool(flags & 1), bool(flags & 2)
        run.in_cohort = bool(flags & 4)
        run.told = (told_spend, told_accepted, told_outcomes)
        return run


class Runs:
    """The runs of one shard, read when they are named and written once a transaction.

    ``known`` are those in memory, by the id that events name them by: the hot path looks here first, and must compare
    the team, since two teams may use one id.
    """

    def __init__(self, store: StateView, seed: int) -> None:
        self.known: dict[str, Run] = {}
        self.changed: list[Run] = []
        self._store = store
        self._seed = seed
        self._by_hash: dict[int, Run] = {}
        #: The ids by which they are known, by hash.
        self._ids: dict[int, str] = {}
        #: Forgotten, but still in the store.
        self._gone: set[int] = set()

    def of(self, team: str, run_id: str) -> Run:
        """The run that events of a team name; a new one that has not begun if there is none."""
        run = self.known.get(run_id)
        if run is None or run.team != team:
            number = run_hash(team, run_id, self._seed)
            run = self.find(number) or Run(number, team)
            self._by_hash[number] = run
            self.known[run_id] = run
            self._ids[number] = run_id
        return run

    def find(self, number: int) -> Run | None:
        """A run by its hash."""
        run = self._by_hash.get(number)
        if run is None and number not in self._gone:
            data = self._store.get(keys.RUN + number.to_bytes(8, "big"))
            run = None if data is None else Run.decode(number, data)
            if run is not None:
                self._by_hash[number] = run
        return run

    def touch(self, run: Run) -> None:
        """Mark a run as changed."""
        if not run.touched:
            run.touched = True
            self.changed.append(run)

    @property
    def pending(self) -> bool:
        """Whether anything waits to be written."""
        return bool(self.changed or self._gone)

    def forget(self, numbers: set[int]) -> None:
        """Delete runs that nothing can reach any more; what names one of them from now on begins a new one."""
        gone = {number for number in numbers if self._by_hash.pop(number, None) is not None}
        if gone:
            # In place: whoever goes through events holds both.
            self.changed[:] = [run for run in self.changed if run.hash not in gone]
            for number in gone:
                run_id = self._ids.pop(number, None)
                # Another team's run may be known by it.
                if run_id is not None and run_id in self.known and self.known[run_id].hash == number:
                    del self.known[run_id]
        self._gone |= numbers

    def drain(self, writes: Writes) -> None:
        """Write all changed runs, and make room."""
        for number in self._gone:
            writes[keys.RUN + number.to_bytes(8, "big")] = None
        self._gone = set()
        for run in self.changed:
            run.touched = False
            writes[keys.RUN + run.hash.to_bytes(8, "big")] = run.encode()
        self.changed = []
        if len(self._by_hash) > _CACHE_BOUND:
            self._by_hash.clear()
            self._ids.clear()
            self.known.clear()
