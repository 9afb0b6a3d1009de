"""Compares what came out with what the oracle expects: the invariants of exactly once, one by one."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final, NamedTuple

from tests.faults.oracle import SIZES_MS, Expected, Place, Totals
from tests.faults.reading import LocalStore, Message
from tests.faults.watch import CommitSample

__all__ = ["INVARIANTS", "Judgement", "Meta", "Outputs", "judge", "metas_of"]

INVARIANTS: Final = {
    "I1": "totals equal the oracle's for every scope, window size and window",
    "I2": "every record is accounted for, per partition",
    "I3": "every revision and every dead letter exactly once, none missing",
    "I4": "committed offsets are those of the state, never ahead of it, and at the end those of the log",
    "I5": "every local store is byte-equal to the changelog up to its position",
    "I6": "a published window changes only by a new revision that adds calls",
    "I7": "watermark and applied offset never move backwards",
    "identity": "received = applied + duplicate + dead-lettered + late + rerouted at every scrape",
}
#: A sketch of distinct runs errs by 1.6 % (one sigma).
_SKETCH_ERROR: Final = 0.10
_META: Final = b"m"
_SHOWN: Final = 5
_SUMS: Final = (
    "calls", "errors", "input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens",
    "priced_calls", "unpriced_tokens", "first_event", "last_event",
)  # fmt: skip


class Meta(NamedTuple):
    """What one transaction's changelog says of itself, and where in the changelog it does."""

    offset: int
    applied: int
    watermark: tuple[int, int, int]


@dataclass(slots=True)
class Outputs:
    """All that a scenario left behind. ``kpis`` and ``dead_letters`` are decoded, in log order of their partition."""

    produced: Mapping[int, int]
    kpis: Sequence[tuple[int, dict[str, Any]]]
    dead_letters: Sequence[dict[str, Any]]
    values: Mapping[int, Mapping[int, bytes | None]]
    log_ends: Mapping[int, int]
    committed: Mapping[int, int]
    samples: Sequence[CommitSample]
    metas: Mapping[int, Sequence[Meta]]
    stores: Sequence[LocalStore]
    changelog: Mapping[int, Sequence[Message]]
    identity_violations: Sequence[str]


@dataclass(slots=True)
class Judgement:
    """Violations by invariant. ``lost`` and ``double_counted`` are calls, at the worst of all scopes and sizes."""

    lost: int = 0
    double_counted: int = 0
    violations: dict[str, list[str]] = field(default_factory=lambda: {name: [] for name in INVARIANTS})

    @property
    def holds(self) -> dict[str, bool]:
        """Whether each invariant holds."""
        return {name: not found for name, found in self.violations.items()}

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.lost or self.double_counted) and all(self.holds.values())

    def examples(self) -> list[str]:
        """A few violations of each invariant, for people."""
        shown = []
        for name, found in self.violations.items():
            shown += [f"{name}: {violation}" for violation in found[:_SHOWN]]
            if len(found) > _SHOWN:
                shown.append(f"{name}: ... and {len(found) - _SHOWN} more")
        return shown


def metas_of(messages: Iterable[Message], usage: str) -> list[Meta]:
    """The applied offset and the watermark of each transaction of one changelog partition."""
    metas = []
    for message in messages:
        if message.key == _META and message.value is not None:
            meta = json.loads(message.value)
            newest, value, closing = meta["watermark"]
            metas.append(Meta(message.offset, meta["applied"].get(usage, 0), (newest, value, closing)))
    return metas


def judge(expected: Mapping[int, Expected], outputs: Outputs, partition_for: Callable[[str], int]) -> Judgement:
    """All invariants."""
    judgement = Judgement()
    found = judgement.violations
    current = _revisions(outputs.kpis, partition_for, found)
    _totals(expected, current, judgement)
    _dead_letters(expected, outputs, found["I3"])
    _accounting(expected, outputs, current, partition_for, found["I2"])
    _offsets(outputs, found["I4"])
    _stores(outputs, found["I5"])
    _monotone(outputs.metas, found["I7"])
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
        if before and kpi["calls"] <= before["calls"]:
            found["I6"].append(f"{place}: revision {kpi['revision']} has {kpi['calls']} calls after {before['calls']}")
        if not before or kpi["revision"] > before["revision"]:
            current[place] = kpi
    return current


def _totals(expected: Mapping[int, Expected], current: Mapping[Place, dict[str, Any]], judgement: Judgement) -> None:
    wanted = {place: totals for partition in expected.values() for place, totals in partition.totals.items()}
    lost: Counter[tuple[int, bool]] = Counter()
    doubled: Counter[tuple[int, bool]] = Counter()
    for place in wanted.keys() | current.keys():
        totals, kpi = wanted.get(place, Totals()), current.get(place)
        calls = kpi["calls"] if kpi else 0
        group = (place.size_ms, place.workflow is None)
        lost[group] += max(0, totals.calls - calls)
        doubled[group] += max(0, calls - totals.calls)
        if kpi is None:
            judgement.violations["I1"].append(f"{place} was never published; {totals.calls} calls are missing")
        elif wrong := _differences(totals, kpi):
            judgement.violations["I1"].append(f"{place} revision {kpi['revision']}: {', '.join(wrong)}")
    judgement.lost = max(lost.values(), default=0)
    judgement.double_counted = max(doubled.values(), default=0)


def _differences(totals: Totals, kpi: Mapping[str, Any]) -> list[str]:
    wrong = [
        f"{name} is {kpi[name]}, expected {getattr(totals, name)}"
        for name in _SUMS
        if kpi[name] != getattr(totals, name)
    ]
    spend = totals.spend_micro_usd if totals.priced_calls else None
    if kpi["spend_micro_usd"] != spend:
        wrong.append(f"spend_micro_usd is {kpi['spend_micro_usd']}, expected {spend}")
    runs = len(totals.runs)
    if kpi["runs"] != runs and (kpi["runs_exact"] or abs(kpi["runs"] - runs) > runs * _SKETCH_ERROR):
        wrong.append(f"runs is {kpi['runs']}, expected {runs}")
    return wrong


def _dead_letters(expected: Mapping[int, Expected], outputs: Outputs, found: list[str]) -> None:
    seen: Counter[tuple[int, int]] = Counter()
    for letter in outputs.dead_letters:
        partition, offset = letter["partition"], letter["offset"]
        seen[partition, offset] += 1
        reason = letter["reason"] if letter["reason"] in ("too_late", "far_future") else "invalid"
        wanted = expected[partition].dead.get(offset)
        if reason != wanted:
            found.append(f"{partition}/{offset} is dead-lettered as {letter['reason']}, expected {wanted}")
        if letter["payload"] != (outputs.values[partition].get(offset) or b""):
            found.append(f"{partition}/{offset}: the dead letter's payload is not the record")
    found += [f"{place[0]}/{place[1]} was dead-lettered {count} times" for place, count in seen.items() if count > 1]
    for partition, wants in expected.items():
        missing = [offset for offset in wants.dead if not seen[partition, offset]]
        found += [f"{partition}/{offset} ({wants.dead[offset]}) has no dead letter" for offset in missing]


def _accounting(
    expected: Mapping[int, Expected], outputs: Outputs, current: Mapping[Place, dict[str, Any]],
    partition_for: Callable[[str], int], found: list[str],
) -> None:  # fmt: skip
    """Records = published calls + dead letters + duplicates + re-routed; and each re-routed one arrived once."""
    calls: Counter[int] = Counter()
    for place, kpi in current.items():
        if place.workflow is None and place.size_ms == SIZES_MS[0]:
            calls[partition_for(place.team)] += kpi["calls"]
    letters = Counter(letter["partition"] for letter in outputs.dead_letters)
    arrivals: Counter[int] = Counter()
    copies: dict[int, Counter[bytes]] = defaultdict(Counter)
    for wants in expected.values():
        for home, value in wants.rerouted:
            arrivals[home] += 1
            copies[home][value] += 1
    for partition, wants in expected.items():
        accounted = calls[partition] + letters[partition] + wants.duplicates + len(wants.rerouted)
        if accounted != wants.records:
            found.append(f"partition {partition}: {accounted} of {wants.records} records are accounted for")
        there = outputs.produced.get(partition, 0) + arrivals[partition]
        if there != wants.records:
            found.append(
                f"partition {partition} has {wants.records} records; {outputs.produced.get(partition, 0)} were "
                f"produced and {arrivals[partition]} sent there from other partitions"
            )
        present = Counter(value for value in outputs.values[partition].values() if value and value in copies[partition])
        missing = (copies[partition] - present).total()
        if missing:
            found.append(f"partition {partition}: {missing} re-routed records never arrived")


def _offsets(outputs: Outputs, found: list[str]) -> None:
    for partition, end in outputs.log_ends.items():
        metas = outputs.metas[partition]
        applied = metas[-1].applied if metas else 0
        committed = outputs.committed.get(partition, 0)
        if not end == applied == committed:
            found.append(f"partition {partition}: log end {end}, applied {applied}, committed {committed}")
        known = {meta.applied for meta in metas} | {0}
        for sample in outputs.samples:
            if sample.partition != partition:
                continue
            if sample.committed not in known:
                found.append(f"partition {partition}: offset {sample.committed} was committed by no transaction")
            behind = max((meta.applied for meta in metas if meta.offset < sample.changelog_end), default=0)
            if sample.committed > behind:
                found.append(f"partition {partition}: offset {sample.committed} was committed, applied was {behind}")


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
            if after.applied < before.applied:
                found.append(f"partition {partition}: applied {before.applied}, then {after.applied}")
