"""The pure core over files: what a worker would have published, with no Kafka and the same bytes every time."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

import msgspec

from streams.core.alerts import Alert
from streams.core.effects import Effects
from streams.core.engine import Chunk, Engine, EngineParams
from streams.core.episodes import Listener
from streams.core.events import UsageDecoder, UsageEvent
from streams.core.findings import Judges
from streams.core.outcomes import OutcomeDecoder, OutcomeEvent
from streams.core.prices import PriceBook
from streams.core.pseudonyms import Pseudonyms
from streams.core.topics import OUTCOMES, USAGE
from streams.core.windows import Window
from streams.state.memory import MemoryStore

__all__ = ["Source", "Summary", "newest_until", "replay"]

#: Where records come from: a file of JSON lines, or records as Kafka has them, which can be gone through again.
Source = Path | Iterable[bytes]

#: Records a chunk, as the worker's transport has it; results do not depend on it.
_CHUNK: Final = 1_000
#: Read at once, about.
_READ_BYTES: Final = 1 << 20
#: Chunks between two drains, so that the state is written about as often as a worker writes it.
_CHUNKS_A_DRAIN: Final = 10


@dataclass(slots=True)
class Summary:
    """What became of the records: ``received = applied + duplicates + dead_lettered + late + rerouted``.

    ``windows`` counts windows published, ``kpis`` their publications with every revision. ``dead_lettered`` leaves out
    what came too late, which is dead-lettered too but counted as ``late``. ``joins`` counts what outcomes were joined to,
    ``withheld_micro_usd`` the spend that concerns too few people to be told in any window. ``alerts`` counts records of
    alerts, ``verdicts`` decisions by detector and reason.
    """

    received: int = 0
    applied: int = 0
    duplicates: int = 0
    dead_lettered: int = 0
    late: int = 0
    rerouted: int = 0
    windows: int = 0
    kpis: int = 0
    withheld_micro_usd: int = 0
    alerts: int = 0
    verdicts: dict[str, dict[str, int]] = field(default_factory=dict)
    joins: dict[str, int] = field(default_factory=dict)
    reasons: dict[str, int] = field(default_factory=dict)

    @property
    def holds(self) -> bool:
        """Whether every record received is accounted for."""
        return self.received == self.applied + self.duplicates + self.dead_lettered + self.late + self.rerouted


class _Lines(NamedTuple):
    """Records with their place among all lines of all files, blank ones included."""

    offsets: list[int]
    values: list[bytes]
    size: int


def replay(
    usage_paths: Sequence[Source],
    outcome_paths: Sequence[Source] = (),
    *,
    params: EngineParams,
    decoder: UsageDecoder,
    pseudonyms: Pseudonyms,
    now_ms: int,
    outcomes: OutcomeDecoder | None = None,
    settle: bool = False,
    prices: PriceBook | None = None,
    judges: Judges | None = None,
    kpis_out: BinaryIO | None = None,
    alerts_out: BinaryIO | None = None,
    dead_letters_out: BinaryIO | None = None,
    take_alert: Callable[[Alert], object] | None = None,
    listener: Listener | None = None,
    partition: int = 0,
    partition_for: Callable[[str], int] = lambda _: 0,
    advance: Callable[[int], object] = lambda _: None,
) -> Summary:
    """Run the engine over one partition's records, such as files of JSON lines, and close every window at their end.

    Outcomes are read in the order of their files, each before the first usage that lies in a later hour than itself:
    when a day is judged, what came of it is there, however few records the day has.

    Equal files and parameters give equal bytes. Both outputs are JSON lines: KPIs in the order they are published in,
    dead letters in that of the log. A dead letter's ``offset`` is its line, counted from 0 through all files, and its
    payload is base64.

    Args:
        usage_paths: Files in the order they are read in; blank lines are passed over.
        params: What the engine is told once.
        decoder: Decodes the lines.
        pseudonyms: Of actors; nothing published depends on its key where actors are few enough to be counted exactly.
        outcome_paths: Files of outcomes, likewise.
        outcomes: Decodes outcomes.
        settle: Count every run as mature at the end.
        now_ms: The clock, which stands still: by it the future is told, and dead letters are dated. See
            :func:`newest_until`.
        prices: What tokens cost.
        judges: All detectors, None for no alerts.
        kpis_out: Takes the KPIs.
        alerts_out: Takes the alerts, in the order they are published in.
        dead_letters_out: Takes the dead letters.
        take_alert: Told of each alert record, in the same order.
        listener: Told of every decision on an alert, those that no record comes of included.
        partition: The partition that the records lie in; those of teams that belong to another are left out.
        partition_for: Which partition a team belongs to.
        advance: Told the bytes read since it was last told.

    Raises:
        OSError: a file cannot be read.
    """
    store = MemoryStore()
    outcomes = outcomes or OutcomeDecoder()
    engine = Engine(
        params, store, decoder, pseudonyms, partition, partition_for, prices=prices, outcomes=outcomes, judges=judges,
        listener=listener,
    )  # fmt: skip
    waiting = _Waiting(outcome_paths, outcomes)
    summary = Summary()
    encode = msgspec.json.Encoder().encode

    def write_down() -> None:
        effects = engine.drain()
        store.write(effects.writes)
        _count(effects, summary)
        if kpis_out is not None:
            kpis_out.writelines(encode(kpi) + b"\n" for kpi in effects.publications)
        if alerts_out is not None:
            alerts_out.writelines(encode(alert) + b"\n" for alert in effects.alerts)
        if take_alert is not None:
            for alert in effects.alerts:
                take_alert(alert)
        if dead_letters_out is not None:
            # The engine refuses a chunk's unreadable records before its unacceptable ones; lines know no chunks.
            letters = sorted(effects.dead_letters, key=lambda letter: (letter.topic, letter.offset))
            dead_letters_out.writelines(encode(letter) + b"\n" for letter in letters)

    def step_outcomes(due: _Lines | None) -> None:
        if due is not None:
            end = due.offsets[-1] + 1
            engine.step(Chunk(OUTCOMES, partition, due.offsets, due.values, end, due.offsets[0]), now_ms)

    pace = _Pace(decoder, now_ms + params.far_future_ms)
    for number, lines in enumerate(_chunks(usage_paths), start=1):
        for part, until_ms in pace.parts(lines, waiting):
            if part.offsets:
                end = part.offsets[-1] + 1
                engine.step(Chunk(USAGE, partition, part.offsets, part.values, end, part.offsets[0]), now_ms)
            step_outcomes(waiting.until(until_ms))
        if number % _CHUNKS_A_DRAIN == 0:
            write_down()
        advance(lines.size)
    write_down()
    for due in waiting.rest():
        step_outcomes(due)
        write_down()
    engine.finish(settle=settle)
    write_down()
    summary.withheld_micro_usd = engine.withheld_micro_usd
    return summary


class _Waiting:
    """Outcomes of files in their order, each with its time; those without one are due at once."""

    def __init__(self, paths: Sequence[Source], decoder: OutcomeDecoder) -> None:
        self._lines = self._read(paths, decoder)
        self._next = next(self._lines, None)

    @property
    def next_ms(self) -> int | None:
        """When the next one is due; None if there is none."""
        return None if self._next is None else self._next[0]

    @staticmethod
    def _read(paths: Sequence[Source], decoder: OutcomeDecoder) -> Iterator[tuple[int, int, bytes]]:
        for lines in _chunks(paths):
            events = decoder.decode(lines.values).events
            for offset, value, event in zip(lines.offsets, lines.values, events, strict=True):
                yield (event.occurred_at if isinstance(event, OutcomeEvent) else 0), offset, value

    def until(self, end_ms: int) -> "_Lines | None":
        """The outcomes up to the first that does not lie before an event time; None if there are none."""
        offsets: list[int] = []
        values: list[bytes] = []
        while self._next is not None and self._next[0] < end_ms:
            offsets.append(self._next[1])
            values.append(self._next[2])
            self._next = next(self._lines, None)
        return _Lines(offsets, values, 0) if offsets else None

    def rest(self) -> "Iterator[_Lines]":
        """All that are left, a chunk at a time."""
        while self._next is not None:
            batch = [self._next, *islice(self._lines, _CHUNK - 1)]
            self._next = next(self._lines, None)
            yield _Lines([offset for _, offset, _ in batch], [value for _, _, value in batch], 0)


class _Pace:
    """Cuts chunks of usage where outcomes are due: by the hour, as smaller pieces cost a third more.

    ``latest_ms`` is the latest event that is no mistake.
    """

    def __init__(self, decoder: UsageDecoder, latest_ms: int) -> None:
        self._decoder = decoder
        self._latest_ms = latest_ms
        self._newest_ms = 0

    def parts(self, lines: _Lines, waiting: _Waiting) -> Iterator[tuple[_Lines, int]]:
        """Parts of a chunk, the first perhaps empty, and until which time outcomes are due after each.

        To be asked for the next part only when those have been taken.
        """
        due_ms = waiting.next_ms
        if due_ms is None:
            yield lines, 0
            return
        start = 0
        for place, at_ms in enumerate(_times(lines.values, self._decoder)):
            if self._newest_ms < at_ms <= self._latest_ms:
                now_ms = at_ms // Window.HOUR * Window.HOUR
                if now_ms > self._newest_ms and not _time(lines.values[place], self._decoder):
                    continue
                self._newest_ms = at_ms
                if due_ms is not None and due_ms < now_ms:
                    yield _Lines(lines.offsets[start:place], lines.values[start:place], 0), now_ms
                    start, due_ms = place, waiting.next_ms
        yield _Lines(lines.offsets[start:], lines.values[start:], 0), 0


class _Timed(msgspec.Struct, gc=False):
    """Of an event the time alone."""

    occurred_at: int


_TIMES: Final[msgspec.json.Decoder[_Timed]] = msgspec.json.Decoder(_Timed)


def _times(values: Sequence[bytes], decoder: UsageDecoder) -> list[int]:
    """When events happened, 0 for what is certainly none; whether the others are events is not looked at.

    A third of the time of decoding them. Where a chunk holds anything but JSON objects with a number for a time, they are
    decoded after all.
    """
    if all(value[:1] == b"{" and value[-1:] == b"}" for value in values):
        try:
            found = _TIMES.decode_lines(b"\n".join(values))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            found = []
        if len(found) == len(values):
            return [each.occurred_at for each in found]
    events = decoder.decode(values).events
    return [event.occurred_at if isinstance(event, UsageEvent) else 0 for event in events]


def _time(value: bytes, decoder: UsageDecoder) -> int:
    """When an event happened, 0 if it is none."""
    (event,) = decoder.decode((value,)).events
    return event.occurred_at if isinstance(event, UsageEvent) else 0


def newest_until(
    usage_paths: Sequence[Source],
    *,
    decoder: UsageDecoder,
    until_ms: int,
    advance: Callable[[int], object] = lambda _: None,
) -> int:
    """The newest valid event's time that is not after ``until_ms``; ``until_ms`` itself when there is none.

    A replay's clock: it belongs to the files, not to the moment of the replay, and still lets events of the far future
    be told. Reads the files once. Raises OSError.
    """
    newest_ms = 0
    for lines in _chunks(usage_paths):
        later = [(at, place) for place, at in enumerate(_times(lines.values, decoder)) if newest_ms < at <= until_ms]
        for _, place in sorted(later, reverse=True):
            if found := _time(lines.values[place], decoder):
                newest_ms = found
                break
        advance(lines.size)
    return newest_ms or until_ms


def _chunks(sources: Iterable[Source]) -> Iterator[_Lines]:
    """The sources' records, a chunk at a time; never an empty chunk."""
    numbered = enumerate(_records(sources))
    while raw := list(islice(numbered, _CHUNK)):
        kept = [(offset, value) for offset, (value, _) in raw if value]
        if kept:
            offsets, values = zip(*kept, strict=True)
            yield _Lines(list(offsets), list(values), sum(size for _, (_, size) in raw))


def _records(sources: Iterable[Source]) -> Iterator[tuple[bytes, int]]:
    """Each record with its size in the source; a blank line is an empty one."""
    for source in sources:
        if not isinstance(source, Path):
            # As they are: a record in Avro may end with what ends a line.
            yield from ((value, len(value)) for value in source)
            continue
        with source.open("rb") as file:
            while several := file.readlines(_READ_BYTES):
                for line in several:
                    value = line.rstrip(b"\r\n")
                    yield (b"" if value.isspace() else value), len(line)


def _count(effects: Effects, summary: Summary) -> None:
    for counts in effects.counts.values():
        summary.received += counts.received
        summary.applied += counts.applied
        summary.duplicates += counts.duplicate
        summary.dead_lettered += counts.dead_lettered.total()
        summary.late += counts.late
        summary.rerouted += counts.rerouted
    summary.kpis += len(effects.publications)
    summary.windows += sum(kpi.revision == 1 for kpi in effects.publications)
    summary.alerts += len(effects.alerts)
    for (detector, reason), count in effects.verdicts.items():
        reasons = summary.verdicts.setdefault(detector, {})
        reasons[reason] = reasons.get(reason, 0) + count
    for result, count in effects.joins.items():
        summary.joins[result] = summary.joins.get(result, 0) + count
    for letter in effects.dead_letters:
        summary.reasons[letter.reason] = summary.reasons.get(letter.reason, 0) + 1
