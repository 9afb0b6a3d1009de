"""One row of figures: what a scope consumed in one window.

``zero / add / merge / encode / decode``. Merging is commutative and associative, so the order of events, chunks and
roll-ups does not matter to the totals. The first byte of an encoded row is the codec's version: earlier ones are
still read, since the changelog may hold them; an unknown one is refused, never misread.
"""

import struct
from typing import Final

from streams.core import distinct
from streams.core.distinct import Distinct
from streams.core.events import UsageEvent
from streams.core.keys import RowKey
from streams.core.results import MOST, Results
from streams.core.watches import Watch

__all__ = ["SOMEBODY", "VERSION", "Aggregate", "tried_in_vain"]

VERSION: Final = 4

#: Stands among those behind outcomes for whoever it was that had a part in an outcome's run; no pseudonym is 1 but by
#: a chance of 2**-64.
SOMEBODY: Final = 1

_FIXED: Final = struct.Struct("<B?21qIIII")
#: Rows of version 3 did not count what was asked again.
_FIXED_3: Final = struct.Struct("<B?19qIIII")
#: Rows of version 2 had neither results nor failed spend, and said what they had published last.
_FIXED_2: Final = struct.Struct("<B17qI5qI")
#: Rows of version 1 had no computed costs.
_FIXED_1: Final = struct.Struct("<B13qI5qI")


class Aggregate:
    """Sums, extremes and distinct counts of usage events; mutable, owned by one shard.

    ``cost`` sums what sources reported, over ``priced`` calls. ``computed`` sums what the price book says, over
    ``computed_calls``; the part of it that belongs to calls without a reported cost is ``filled``, over ``filled_calls``.
    ``unpriced_tokens`` are tokens of calls that have neither. ``failed`` is the part of the spend, as far as it is
    known, that went on calls which failed, were cancelled, or tried again what had failed. ``with_run`` counts calls that
    name a run. ``asked`` counts calls with a fingerprint of their prompt, and ``repeats`` those of them whose prompt, or
    nearly the same, had been sent in the workflow shortly before. ``actors`` are those of the calls, ``others`` those of outcomes. ``results`` are what came of the work, None for nothing. ``partial`` says that the window's figures leave
    something out (:mod:`streams.core.closing`). ``revision`` counts publications; in a row of what came after its week,
    how often what waited there was told. A closed row that was never corrected may still say revision 0: closing alone
    does not write it, see :meth:`published_once`. ``touched`` marks unwritten changes. ``watch`` is the workflow's watch, at hand
    while the row is open.
    """

    __slots__ = (
        "actors", "asked", "cache_read", "cache_write", "calls", "computed", "computed_calls", "cost", "errors", "failed", "filled",
        "filled_calls", "first_ms", "input", "last_ms", "others", "output", "partial", "place", "priced", "reasoning", "repeats", "results",
        "revision", "runs", "touched", "unattributed", "unpriced_tokens", "watch", "with_run",
    )  # fmt: skip

    def __init__(self, place: RowKey) -> None:
        self.place = place
        self.calls = 0
        self.errors = 0
        self.input = 0
        self.cache_read = 0
        self.cache_write = 0
        self.output = 0
        self.reasoning = 0
        self.cost = 0
        self.priced = 0
        self.unpriced_tokens = 0
        self.computed = 0
        self.computed_calls = 0
        self.filled = 0
        self.filled_calls = 0
        self.unattributed = 0
        self.failed = 0
        self.with_run = 0
        self.asked = 0
        self.repeats = 0
        self.first_ms = 1 << 62
        self.last_ms = 0
        self.runs: Distinct = set()
        self.actors: Distinct = set()
        self.others: Distinct = set()
        self.results: Results | None = None
        self.partial = False
        self.revision = 0
        self.touched = False
        self.watch: Watch | None = None

    def add(self, event: UsageEvent, run: int, actor: int, computed: int = -1, repeat: int = -1) -> None:
        """Count one event; ``run`` and ``actor`` are 64-bit hashes, 0 where the event carries none.

        ``repeat`` is -1 without a fingerprint, 1 for a prompt that was there before, else 0.

        ``computed`` is its cost by the price book, in micro-dollars, -1 where that has none.
        """
        self.count(
            event.occurred_at, event.input_tokens, event.cache_read_tokens, event.cache_write_tokens,
            event.output_tokens, event.reasoning_tokens, event.cost_micro_usd, event.status == "error",
            tried_in_vain(event.status, event.attributes), run, actor, computed, repeat,
        )  # fmt: skip

    def count(
        self, at: int, fresh: int, read: int, write: int, output: int, reasoning: int, cost: int | None, error: bool,
        in_vain: bool, run: int, actor: int, computed: int, repeat: int = -1,
    ) -> None:  # fmt: skip
        """The same as :meth:`add`, of an event that has been taken apart: compiled, that costs a third."""
        self.calls += 1
        self.input += fresh
        self.output += output
        if read:
            self.cache_read += read
        if write:
            self.cache_write += write
        if reasoning:
            self.reasoning += reasoning
        if computed >= 0:
            self.computed += computed
            self.computed_calls += 1
        if cost is not None:
            self.cost += cost
            self.priced += 1
        elif computed >= 0:
            self.filled += computed
            self.filled_calls += 1
        else:
            self.unpriced_tokens += fresh + read + write + output
        if error:
            self.errors += 1
        if in_vain:
            self.failed += computed if cost is None and computed > 0 else cost or 0
        if at < self.first_ms:
            self.first_ms = at
        if at > self.last_ms:
            self.last_ms = at
        if repeat >= 0:
            self.asked += 1
            self.repeats += repeat
        if run:
            self.runs.add(run)
            self.with_run += 1
        if actor:
            self.actors.add(actor)
        else:
            self.unattributed += 1

    def merge(self, other: "Aggregate") -> None:
        """Take in another row's figures; its publication state stays its own."""
        self.calls += other.calls
        self.errors += other.errors
        self.input += other.input
        self.cache_read += other.cache_read
        self.cache_write += other.cache_write
        self.output += other.output
        self.reasoning += other.reasoning
        self.cost += other.cost
        self.priced += other.priced
        self.unpriced_tokens += other.unpriced_tokens
        self.computed += other.computed
        self.computed_calls += other.computed_calls
        self.filled += other.filled
        self.filled_calls += other.filled_calls
        self.unattributed += other.unattributed
        self.failed += other.failed
        self.with_run += other.with_run
        self.asked += other.asked
        self.repeats += other.repeats
        self.first_ms = min(self.first_ms, other.first_ms)
        self.last_ms = max(self.last_ms, other.last_ms)
        self.runs = distinct.merge(self.runs, other.runs)
        self.actors = distinct.merge(self.actors, other.actors)
        if other.results is not None:
            self.others = distinct.merge(self.others, other.others)
            self.add_results(other.results)

    def add_results(self, results: Results, sign: int = 1) -> None:
        """Count what came of the work, or take it back."""
        if self.results is None:
            self.results = Results()
        self.results.add(results, sign)

    def seal(self) -> None:
        """Forget who and which runs they were, and keep how many: no event can come to the row any more."""
        self.runs = distinct.sealed(self.runs)
        self.actors = distinct.sealed(self.actors)
        self.others = distinct.sealed(self.others)

    @property
    def concerned(self) -> int:
        """How many people the row concerns."""
        if type(self.others) is set and not self.others:
            return distinct.count(self.actors)
        people = distinct.count(distinct.merge(distinct.merge(set(), self.actors), self.others))
        # Somebody may be any of the others, and is somebody if there are none.
        return max(people - 1, 1) if isinstance(self.others, set) and SOMEBODY in self.others else people

    @property
    def concerns_somebody_alone(self) -> bool:
        """Whether all that is known of whom it concerns is that outcomes are somebody's."""
        return self.others == {SOMEBODY} and not distinct.count(self.actors)

    @property
    def empty(self) -> bool:
        """Whether nothing was counted."""
        return not self.calls and (self.results is None or self.results.empty)

    @property
    def totals(self) -> tuple[int, int, int, int, int]:
        """Spend as far as it is known, input, cache read, cache write and output."""
        return (min(self.cost + self.filled, MOST), self.input, self.cache_read, self.cache_write, self.output)

    def published_once(self) -> None:
        """Make explicit, before the first correction, that the row was published as it stands when it closed."""
        if not self.revision:
            self.revision = 1

    def saturate(self) -> None:
        """Hold every sum within 64 bits: absurd figures from a producer must not stop the rows of all others."""
        sums = (self.cost, self.input, self.cache_read, self.cache_write, self.output, self.unpriced_tokens)
        if max(*sums, self.computed, self.failed) > MOST:
            self.cost = min(self.cost, MOST)
            self.input = min(self.input, MOST)
            self.cache_read = min(self.cache_read, MOST)
            self.cache_write = min(self.cache_write, MOST)
            self.output = min(self.output, MOST)
            self.reasoning = min(self.reasoning, MOST)
            self.unpriced_tokens = min(self.unpriced_tokens, MOST)
            self.computed = min(self.computed, MOST)
            self.filled = min(self.filled, MOST)
            self.failed = min(self.failed, MOST)

    def encode(self) -> bytes:
        """The row as bytes; equal rows give equal bytes."""
        self.saturate()
        runs = distinct.encode(self.runs)
        actors = distinct.encode(self.actors)
        nobody = isinstance(self.others, set) and not self.others
        others = b"" if nobody and (self.results is None or self.results.empty) else distinct.encode(self.others)
        return (
            _FIXED.pack(
                VERSION, self.partial, self.calls, self.errors, self.input, self.cache_read, self.cache_write, self.output,
                self.reasoning, self.cost, self.priced, self.unpriced_tokens, self.unattributed, self.first_ms,
                self.last_ms, self.computed, self.computed_calls, self.filled, self.filled_calls, self.failed,
                self.with_run, self.asked, self.repeats, self.revision, len(runs), len(actors), len(others),
            )
            + runs
            + actors
            + others
            + (b"" if self.results is None else self.results.encode())
        )  # fmt: skip

    @classmethod
    def decode(cls, place: RowKey, data: bytes) -> "Aggregate":
        """The inverse of :meth:`encode`, and of that of earlier versions; raises ValueError on an unknown one."""
        row = cls(place)
        if data[0] == VERSION:
            start = _FIXED.size
            (
                _, row.partial, row.calls, row.errors, row.input, row.cache_read, row.cache_write, row.output,
                row.reasoning, row.cost, row.priced, row.unpriced_tokens, row.unattributed, row.first_ms, row.last_ms,
                row.computed, row.computed_calls, row.filled, row.filled_calls, row.failed, row.with_run, row.asked,
                row.repeats, row.revision, size, actors_size, others_size,
            ) = _FIXED.unpack_from(data)  # fmt: skip
        elif data[0] == 3:
            start = _FIXED_3.size
            (
                _, row.partial, row.calls, row.errors, row.input, row.cache_read, row.cache_write, row.output,
                row.reasoning, row.cost, row.priced, row.unpriced_tokens, row.unattributed, row.first_ms, row.last_ms,
                row.computed, row.computed_calls, row.filled, row.filled_calls, row.failed, row.with_run, row.revision,
                size, actors_size, others_size,
            ) = _FIXED_3.unpack_from(data)  # fmt: skip
        elif data[0] == 2:
            start = _FIXED_2.size
            (
                _, row.calls, row.errors, row.input, row.cache_read, row.cache_write, row.output, row.reasoning,
                row.cost, row.priced, row.unpriced_tokens, row.unattributed, row.first_ms, row.last_ms, row.computed,
                row.computed_calls, row.filled, row.filled_calls, row.revision, _, _, _, _, _, size,
            ) = _FIXED_2.unpack_from(data)  # fmt: skip
            actors_size, others_size = len(data) - start - size, 0
        elif data[0] == 1:
            start = _FIXED_1.size
            (
                _, row.calls, row.errors, row.input, row.cache_read, row.cache_write, row.output, row.reasoning,
                row.cost, row.priced, row.unpriced_tokens, row.unattributed, row.first_ms, row.last_ms, row.revision,
                _, _, _, _, _, size,
            ) = _FIXED_1.unpack_from(data)  # fmt: skip
            actors_size, others_size = len(data) - start - size, 0
        else:
            raise ValueError(f"row codec version {data[0]}, expected {VERSION} or an earlier one")
        middle = start + size
        end = middle + actors_size
        row.runs = distinct.decode(data[start:middle])
        row.actors = distinct.decode(data[middle:end])
        if others_size:
            row.others = distinct.decode(data[end : end + others_size])
            row.results = Results.decode(data[end + others_size :])
        return row


def tried_in_vain(status: str, attributes: dict[str, str] | None) -> bool:
    """Whether a call failed, was cancelled, or tried again what had failed (attribute ``attempt``, from 1 on)."""
    if status != "ok":
        return True
    return attributes is not None and attributes.get("attempt", "1") not in ("", "0", "1")
