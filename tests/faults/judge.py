"""Compares what came out with what the oracle expects: the invariants of exactly once, one by one."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final, NamedTuple

from streams.core.topics import OUTCOMES, USAGE
from tests.faults.alert_records import violations
from tests.faults.differences import differences
from tests.faults.oracle import SIZES_MS, Fates, Place, Totals, parse_object
from tests.faults.outcome_oracle import VERDICTS, Expectation, Results
from tests.faults.reading import LocalStore, Message
from tests.faults.watch import CommitSample, Log

__all__ = ["INVARIANTS", "Judgement", "Meta", "Outputs", "judge", "metas_of"]

INVARIANTS: Final = {
    "I1": "totals equal the oracle's for every scope, window size and window",
    "I2": "every record of both topics is accounted for, per partition",
    "I3": "every revision and every dead letter exactly once, none missing",
    "I4": "committed offsets are those of the state, never ahead of it, and at the end those of the logs",
    "I5": "every local store is byte-equal to the changelog up to its position",
    "I6": "a published window changes only by a new revision, which takes no call and no acceptance away",
    "I7": "watermark and applied offsets never move backwards",
    "I8": "every alert of a run in circles is told, with its figures; every revision of every alert exactly once, in order",
    "identity": "received = applied + duplicate + dead-lettered + late + rerouted at every scrape",
}
_META: Final = b"m"
_SHOWN: Final = 5
#: Marks of binary records, and how much of such a record a dead letter keeps.
_BINARY: Final = ((b"\xc3\x01", 10), (b"\x00", 5))
_LETTER: Final = re.compile(rb"[0-9A-Za-z\x80-\xff]")


class Meta(NamedTuple):
    """What one transaction's changelog says of itself, and where in the changelog it does; ``applied`` is by topic."""

    offset: int
    applied: Mapping[str, int]
    watermark: tuple[int, int, int]


@dataclass(slots=True)
class Outputs:
    """All that a scenario left behind. ``kpis``, ``alerts`` and ``dead_letters`` are decoded, in log order of their partition.

    Topics have their public names, without a prefix, in dead letters too.
    """

    produced: Mapping[Log, int]
    kpis: Sequence[tuple[int, dict[str, Any]]]
    dead_letters: Sequence[dict[str, Any]]
    values: Mapping[Log, Mapping[int, bytes | None]]
    log_ends: Mapping[Log, int]
    committed: Mapping[Log, int]
    samples: Sequence[CommitSample]
    metas: Mapping[int, Sequence[Meta]]
    stores: Sequence[LocalStore]
    changelog: Mapping[int, Sequence[Message]]
    identity_violations: Sequence[str]
    alerts: Sequence[tuple[int, dict[str, Any]]] = ()


@dataclass(slots=True)
class Judgement:
    """Violations by invariant. What is lost and double counted is so at the worst of all scopes and sizes.

    ``lost`` and ``double_counted`` are calls. Of outcomes each verdict counts: an undoing that was lost is an outcome that
    was not ``reversed``, hence lost, and that is still ``accepted``, hence one too many.
    """

    lost: int = 0
    double_counted: int = 0
    lost_outcomes: int = 0
    double_counted_outcomes: int = 0
    violations: dict[str, list[str]] = field(default_factory=lambda: {name: [] for name in INVARIANTS})

    @property
    def holds(self) -> dict[str, bool]:
        """Whether each invariant holds."""
        return {name: not found for name, found in self.violations.items()}

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong."""
        wrong = self.lost, self.double_counted, self.lost_outcomes, self.double_counted_outcomes
        return not any(wrong) and all(self.holds.values())

    def examples(self) -> list[str]:
        """A few violations of each invariant, for people."""
        shown = []
        for name, found in self.violations.items():
            shown += [f"{name}: {violation}" for violation in found[:_SHOWN]]
            if len(found) > _SHOWN:
                shown.append(f"{name}: ... and {len(found) - _SHOWN} more")
        return shown


def metas_of(messages: Iterable[Message], names: Mapping[str, str]) -> list[Meta]:
    """The applied offsets and the watermark of each transaction of one changelog partition.

    ``names`` are the topics' public names by their full ones.
    """
    metas = []
    for message in messages:
        if message.key == _META and message.value is not None:
            meta = json.loads(message.value)
            newest, value, closing = meta["watermark"]
            applied = {names[topic]: offset for topic, offset in meta["applied"].items()}
            metas.append(Meta(message.offset, applied, (newest, value, closing)))
    return metas


def judge(expected: Expectation, outputs: Outputs, partition_for: Callable[[str], int]) -> Judgement:
    """All invariants."""
    judgement = Judgement()
    found = judgement.violations
    logs: dict[Log, Fates] = {Log(USAGE, partition): wants for partition, wants in expected.usage.items()}
    logs |= {Log(OUTCOMES, partition): wants for partition, wants in expected.outcomes.items()}
    current = _revisions(outputs.kpis, partition_for, found)
    _totals(expected, current, judgement)
    _dead_letters(logs, outputs, found["I3"])
    _accounting(logs, _published(expected, current, partition_for), outputs, found["I2"])
    _offsets(outputs, found["I4"])
    _stores(outputs, found["I5"])
    _monotone(outputs.metas, found["I7"])
    found["I8"] += violations(expected.alerts, outputs.alerts, partition_for)
    found["identity"] += outputs.identity_violations
    return judgement


def _place(kpi: Mapping[str, Any]) -> Place:
    return Place(kpi["team"], kpi["workflow"], kpi["window_size_ms"], kpi["window_start"])


def _revisions(
    kpis: Iterable[tuple[int, dict[str, Any]]], partition_for: Callable[[str], int], found: dict[str, list[str]]
) -> dict[Place, dict[str, Any]]:
    """The current result of each window; notes revisions that are not 1, 2, 3, ... in log order, or change nothing."""
    current: dict[Place, dict[str, Any]] = {}
    for partition, kpi in kpis:
        place = _place(kpi)
        if partition != partition_for(kpi["team"]):
            found["I3"].append(f"{place} was published in partition {partition}")
        before = current.get(place)
        if kpi["revision"] != (before["revision"] if before else 0) + 1:
            found["I3"].append(f"{place}: revision {kpi['revision']} after {before['revision'] if before else 'none'}")
        if before and kpi["calls"] < before["calls"]:
            found["I6"].append(f"{place}: revision {kpi['revision']} has {kpi['calls']} calls after {before['calls']}")
        # Of a workflow they may: an outcome moves when its run turns out to be another one's.
        if before and place.workflow is None and _ever_accepted(kpi) < _ever_accepted(before):
            found["I6"].append(f"{place}: revision {kpi['revision']} has fewer outcomes that were ever accepted")
        if not before or kpi["revision"] > before["revision"]:
            current[place] = kpi
    return current


def _ever_accepted(kpi: Mapping[str, Any]) -> int:
    return (kpi["accepted"] or 0) + (kpi["reversed"] or 0)


def _totals(expected: Expectation, current: Mapping[Place, dict[str, Any]], judgement: Judgement) -> None:
    wanted = {place: totals for one in expected.usage.values() for place, totals in one.totals.items()}
    results = {place: results for one in expected.outcomes.values() for place, results in one.results.items()}
    off: dict[str, Counter[tuple[int, bool]]] = defaultdict(Counter)
    for place in wanted.keys() | results.keys() | current.keys():
        totals, came, kpi = wanted.get(place, Totals()), results.get(place, Results()), current.get(place)
        group = (place.size_ms, place.workflow is None)
        missing = totals.calls - (kpi["calls"] if kpi else 0)
        off["lost"][group] += max(0, missing)
        off["double_counted"][group] += max(0, -missing)
        for verdict in VERDICTS:
            missing = getattr(came, verdict) - ((kpi[verdict] or 0) if kpi else 0)
            off["lost_outcomes"][group] += max(0, missing)
            off["double_counted_outcomes"][group] += max(0, -missing)
        if kpi is None:
            lacking = f"{totals.calls} calls and {came.outcomes} outcomes are missing"
            judgement.violations["I1"].append(f"{place} was never published; {lacking}")
        elif wrong := differences(totals, came, kpi):
            judgement.violations["I1"].append(f"{place} revision {kpi['revision']}: {', '.join(wrong)}")
    for name, groups in off.items():
        setattr(judgement, name, max(groups.values(), default=0))


def _dead_letters(logs: Mapping[Log, Fates], outputs: Outputs, found: list[str]) -> None:
    seen: Counter[tuple[Log, int]] = Counter()
    for letter in outputs.dead_letters:
        log, offset = Log(letter["topic"], letter["partition"]), letter["offset"]
        seen[log, offset] += 1
        reason = letter["reason"] if letter["reason"] in ("too_late", "far_future") else "invalid"
        wanted = logs[log].dead.get(offset)
        if reason != wanted:
            found.append(f"{log}/{offset} is dead-lettered as {letter['reason']}, expected {wanted}")
        if letter["payload"] != _kept(outputs.values[log].get(offset)):
            found.append(f"{log}/{offset}: the dead letter's payload is not the record")
    found += [f"{log}/{offset} was dead-lettered {count} times" for (log, offset), count in seen.items() if count > 1]
    for log, wants in logs.items():
        missing = [offset for offset in wants.dead if not seen[log, offset]]
        found += [f"{log}/{offset} ({wants.dead[offset]}) has no dead letter" for offset in missing]


def _kept(value: bytes | None) -> bytes:
    """What a dead letter keeps of a record that names no actor: all of it if it can be searched for one.

    Of a binary record that is its header, of a text that is no JSON object its punctuation.
    """
    value = value or b""
    for mark, size in _BINARY:
        if value.startswith(mark):
            return value[:size] + b"*" * (len(value) - size)
    return value if parse_object(value, len(value)) is not None else _LETTER.sub(b"*", value)


def _published(
    expected: Expectation, current: Mapping[Place, dict[str, Any]], partition_for: Callable[[str], int]
) -> Counter[Log]:
    """Applied records by what was published: calls of 5 minutes, outcomes of hours, and what no figure says."""
    found: Counter[Log] = Counter()
    for place, kpi in current.items():
        if place.workflow is None and place.size_ms == SIZES_MS[0]:
            found[Log(USAGE, partition_for(place.team))] += kpi["calls"]
        if place.workflow is None and place.size_ms == SIZES_MS[1]:
            found[Log(OUTCOMES, partition_for(place.team))] += sum(kpi[verdict] or 0 for verdict in VERDICTS)
    for partition, usage in expected.usage.items():
        found[Log(USAGE, partition)] += usage.unpublished
    for partition, outcomes in expected.outcomes.items():
        found[Log(OUTCOMES, partition)] += outcomes.silent
    return found


def _accounting(logs: Mapping[Log, Fates], published: Counter[Log], outputs: Outputs, found: list[str]) -> None:
    """Records = published ones + dead letters + duplicates + re-routed; and each re-routed one arrived once."""
    letters = Counter(Log(letter["topic"], letter["partition"]) for letter in outputs.dead_letters)
    arrivals: Counter[Log] = Counter()
    copies: dict[Log, Counter[bytes]] = defaultdict(Counter)
    for log, wants in logs.items():
        for home, value in wants.rerouted:
            arrivals[Log(log.topic, home)] += 1
            copies[Log(log.topic, home)][value] += 1
    for log, wants in logs.items():
        accounted = published[log] + letters[log] + wants.duplicates + len(wants.rerouted)
        if accounted != wants.records:
            found.append(f"{log}: {accounted} of {wants.records} records are accounted for")
        sent = outputs.produced.get(log, 0)
        if sent + arrivals[log] != wants.records:
            found.append(
                f"{log} has {wants.records} records; {sent} were produced and {arrivals[log]} sent there from other "
                "partitions"
            )
        present = Counter(value for value in outputs.values[log].values() if value and value in copies[log])
        missing = (copies[log] - present).total()
        if missing:
            found.append(f"{log}: {missing} re-routed records never arrived")


def _offsets(outputs: Outputs, found: list[str]) -> None:
    for log, end in outputs.log_ends.items():
        metas = [(meta.offset, meta.applied.get(log.topic, 0)) for meta in outputs.metas[log.partition]]
        applied = metas[-1][1] if metas else 0
        committed = outputs.committed.get(log, 0)
        if not end == applied == committed:
            found.append(f"{log}: log end {end}, applied {applied}, committed {committed}")
        known = {offset for _, offset in metas} | {0}
        for sample in outputs.samples:
            if sample.log != log:
                continue
            if sample.committed not in known:
                found.append(f"{log}: offset {sample.committed} was committed by no transaction")
            behind = max((offset for at, offset in metas if at < sample.changelog_end), default=0)
            if sample.committed > behind:
                found.append(f"{log}: offset {sample.committed} was committed, applied was {behind}")


def _stores(outputs: Outputs, found: list[str]) -> None:
    """Each store equals the changelog folded up to its position; someone holds each shard up to the end."""
    for partition, messages in outputs.changelog.items():
        stores = sorted((s for s in outputs.stores if s.partition == partition), key=lambda store: store.position)
        state: dict[bytes, bytes] = {}
        position = 0
        for store in stores:
            while position < len(messages) and messages[position].offset < store.position:
                _, _, key, value = messages[position]
                position += 1
                assert key is not None
                if value is None:
                    state.pop(key, None)
                else:
                    state[key] = value
            if state != store.data:
                differing = sum(state.get(key) != store.data.get(key) for key in state.keys() | store.data.keys())
                found.append(
                    f"shard {partition} on {store.worker}: {differing} of {len(state)} keys differ from the changelog "
                    f"up to {store.position}"
                )
        if position < len(messages):
            found.append(f"shard {partition}: no local store holds the last {len(messages) - position} records")


def _monotone(metas: Mapping[int, Sequence[Meta]], found: list[str]) -> None:
    for partition, said in metas.items():
        for before, after in pairwise(said):
            if any(new < old for old, new in zip(before.watermark, after.watermark, strict=True)):
                found.append(f"partition {partition}: watermark {before.watermark}, then {after.watermark}")
            if any(after.applied.get(topic, 0) < offset for topic, offset in before.applied.items()):
                found.append(f"partition {partition}: applied {before.applied}, then {after.applied}")
