"""What must have come of the work, computed a second time from both raw topics: see :mod:`tests.faults.oracle`.

The rules, per partition and in log order:

* A record that is not a valid outcome event is dead-lettered; one whose team belongs to another partition is sent there.
* A second (team, source, outcome_id) is a duplicate. So is what another source says of the same thing: of the same team,
  kind, verdict and ref, within 900 s. Each source tells of each time that a thing happened once: of the times that it has
  not told of yet the nearest is meant, of two as near the earlier. It stands for that one, under its own identity. What
  undoes another is never the same as that one.
* An outcome is too late if it happened a horizon before the watermark. Which of the topics was read first decides that, so
  that such outcomes are judged as the dead letters say.

And of all of them together, whatever their order:

* An outcome belongs to the run that it names, unless it happened more than 900 s before the run's first usage: then, and
  if there is no such usage, to the workflow that it names, or to its team alone.
* What a standing outcome reverses does not stand. Accepted outcomes that do not stand are reversed; other verdicts that do
  not stand count as nothing, and neither do the reversals: they are nothing that came of a run.
* The runs of a window are those whose first usage lies in it. All are mature in the end, and count where their team's
  outcomes are expected.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from tests.faults.oracle import (
    CONTROL,
    SIZES_MS,
    Expected,
    Fates,
    Place,
    Rules,
    RunTotals,
    expect,
    parse_object,
    start_of,
)

__all__ = ["VERDICTS", "Expectation", "ExpectedOutcomes", "Results", "expect_both", "expect_outcomes", "parse_outcome"]

VERDICTS: Final = ("accepted", "rejected", "reversed", "neutral")
_AGREE_MS: Final = 900_000
_KINDS: Final = {
    "change_merged", "change_closed", "change_reverted", "ticket_resolved", "ticket_reopened", "deployment_succeeded",
    "deployment_failed", "incident_opened", "incident_resolved", "defect_reported", "customer_rating", "eval_passed",
    "eval_failed", "review_submitted",
}  # fmt: skip
_REQUIRED: Final = {"outcome_id": 256, "source": 256, "team": 200, "kind": 256}
_OPTIONAL: Final = {"workflow": 200, "run_id": 256, "actor": 256, "reverses": 256, "ref": 256}


@dataclass(slots=True)
class Results:
    """What one window must say; ``rating`` is in millionths, ``cycle_ms`` are the cycle times themselves."""

    accepted: int = 0
    rejected: int = 0
    reversed: int = 0
    neutral: int = 0
    outcomes_by_run: int = 0
    defects: int = 0
    incidents: int = 0
    ratings: int = 0
    rating: int = 0
    cycle_ms: list[int] = field(default_factory=list)
    cohort_runs: int = 0
    cohort_spend_micro_usd: int = 0
    cohort_orphan_runs: int = 0
    cohort_orphan_spend_micro_usd: int = 0
    cohort_runs_with_outcome: int = 0
    cohort_accepted: int = 0

    def add(self, figures: Mapping[str, int], cycle_ms: int | None) -> None:
        for name, amount in figures.items():
            setattr(self, name, getattr(self, name) + amount)
        if cycle_ms is not None:
            self.cycle_ms.append(cycle_ms)

    @property
    def outcomes(self) -> int:
        """Outcomes of any verdict."""
        return sum(getattr(self, verdict) for verdict in VERDICTS)


@dataclass(slots=True)
class ExpectedOutcomes(Fates):
    """What must have become of one partition's outcomes, and what they and its runs add up to.

    ``silent`` are those that were applied and that no verdict counts: undoings, and what was undone without having been
    accepted. ``undoings`` were applied, too.
    """

    results: dict[Place, Results] = field(default_factory=dict)
    silent: int = 0
    undoings: int = 0


class Expectation(NamedTuple):
    """Of all partitions. ``alerts`` are the first records of alerts that must be there."""

    usage: dict[int, Expected]
    outcomes: dict[int, ExpectedOutcomes]
    alerts: Sequence[Mapping[str, Any]] = ()


#: Pairs of offset and value of each partition.
Log = Mapping[int, Mapping[int, bytes | None]]
#: Reasons of dead letters by partition and offset.
Verdicts = Mapping[int, Mapping[int, str]]


def expect_both(
    usage: Log, outcomes: Log, partition_for: Callable[[str], int], rules: Rules, usage_verdicts: Verdicts | None = None,
    outcome_verdicts: Verdicts | None = None,
) -> Expectation:  # fmt: skip
    """What must have become of both topics. The dead letters are asked only where clocks or paces have a say."""
    used = {
        partition: expect(log.items(), partition, partition_for, rules, (usage_verdicts or {}).get(partition))
        for partition, log in usage.items()
    }
    came = {
        partition: expect_outcomes(
            log.items(), partition, partition_for, rules, used[partition], (outcome_verdicts or {}).get(partition)
        )
        for partition, log in outcomes.items()
    }
    return Expectation(used, came)


def parse_outcome(value: bytes | None, max_bytes: int = 1_048_576) -> dict[str, Any] | None:
    """A valid outcome event, with what it leaves out as None; None for anything else."""
    event = parse_object(value, max_bytes)
    if event is None:
        return None
    for name in (*_OPTIONAL, "value", "cycle_time_ms"):
        event.setdefault(name, None)
    event.setdefault("attributes", {})
    if not _is_valid(event):
        return None
    return {name: None if value == "" else value for name, value in event.items()}


def _is_valid(event: Mapping[str, Any]) -> bool:
    texts = [(event.get(name), 1, longest) for name, longest in _REQUIRED.items()]
    texts += [(event[name], 0, longest) for name, longest in _OPTIONAL.items() if event[name] is not None]
    attributes = event["attributes"]
    if not isinstance(attributes, dict) or len(attributes) > 64:
        return False
    texts += [(name, 1, 64) for name in attributes]
    for text, shortest, longest in texts:
        if not isinstance(text, str) or not shortest <= len(text) <= longest or CONTROL.search(text):
            return False
    for text in attributes.values():
        if not isinstance(text, str) or len(text) > 1024 or "\0" in text:
            return False
    numbers = [(event.get("occurred_at"), 1_420_070_400_000, 253_402_300_799_999)]
    if event["cycle_time_ms"] is not None:
        numbers.append((event["cycle_time_ms"], 0, 2**53))
    if any(type(number) is not int or not least <= number <= most for number, least, most in numbers):
        return False
    return event["kind"] in _KINDS and _means_something(event)


def _means_something(event: Mapping[str, Any]) -> bool:
    value, reverses = event["value"], event["reverses"]
    if value is not None and (type(value) not in (int, float) or abs(value) == float("inf")):
        return False
    if event["kind"] == "customer_rating" and (value is None or not 0 <= value <= 1):
        return False
    if event.get("verdict") not in VERDICTS or (reverses and event["verdict"] != "reversed"):
        return False
    return not reverses or reverses != event["outcome_id"]


#: Source and id of an outcome, and its team: what one team says undoes nothing of another's.
_Identity = tuple[str, str, str]


def expect_outcomes(
    records: Iterable[tuple[int, bytes | None]], partition: int, partition_for: Callable[[str], int], rules: Rules,
    usage: Expected, verdicts: Mapping[int, str] | None = None,
) -> ExpectedOutcomes:  # fmt: skip
    """What must have become of one partition's (offset, value) pairs, given in log order, and of its runs."""
    expected = ExpectedOutcomes()
    known: dict[_Identity, dict[str, Any]] = {}
    stands_for: dict[_Identity, _Identity] = {}
    happened: dict[tuple[str, str, str, str], dict[_Identity, set[str]]] = defaultdict(dict)
    for offset, value in records:
        expected.records += 1
        event = parse_outcome(value, rules.max_record_bytes)
        if event is None:
            expected.dead[offset] = "invalid"
            continue
        team, at = event["team"], event["occurred_at"]
        home = partition_for(team)
        if home != partition:
            expected.rerouted.append((home, value or b""))
            continue
        if at > rules.now_ms + rules.far_future_ms:
            expected.dead[offset] = "far_future"
            continue
        if at < usage.newest_ms - rules.lateness_ms - rules.horizon_ms + rules.clock_slack_ms:
            expected.by_clock += 1
            if (verdicts or {}).get(offset) == "too_late":
                expected.dead[offset] = "too_late"
                continue
        name = event["source"], event["outcome_id"], team
        if name in known or name in stands_for:
            expected.duplicates += 1
            continue
        if event["ref"]:
            times = happened[team, event["kind"], event["verdict"], event["ref"]]
            undone = _undone_by(event)
            meant = [
                ((abs(known[other]["occurred_at"] - at), known[other]["occurred_at"]), other)
                for other, sources in times.items()
                if name[0] not in sources
                and abs(known[other]["occurred_at"] - at) <= _AGREE_MS
                and other != stands_for.get(undone, undone)
                and _undone_by(known[other]) != name
            ]
            if meant:
                _, other = min(meant, key=lambda one: one[0])
                times[other].add(name[0])
                stands_for[name] = other
                expected.duplicates += 1
                continue
            times[name] = {name[0]}
        known[name] = event
    expected.applied = len(known)
    expected.undoings = sum(event["verdict"] == "reversed" for event in known.values())
    _add_up(known, _standing(known, stands_for), usage.runs, rules, expected)
    return expected


def _undone_by(event: Mapping[str, Any]) -> _Identity:
    """What an outcome undoes; nobody's identity if nothing."""
    return event["attributes"].get("reverses_source") or event["source"], event["reverses"] or "", event["team"]


def _standing(
    known: Mapping[_Identity, Mapping[str, Any]], stands_for: Mapping[_Identity, _Identity]
) -> dict[_Identity, bool]:
    """Which outcomes nothing that stands has reversed."""
    undone_by: dict[_Identity, list[_Identity]] = defaultdict(list)
    for name, event in known.items():
        if event["reverses"]:
            target = _undone_by(event)
            undone_by[stands_for.get(target, target)].append(name)
    standing: dict[_Identity, bool] = {}

    def stands(name: _Identity) -> bool:
        if name not in standing:
            standing[name] = not any(stands(other) for other in undone_by[name])
        return standing[name]

    return {name: stands(name) for name in known}


def _add_up(
    known: Mapping[_Identity, Mapping[str, Any]], standing: Mapping[_Identity, bool],
    runs: Mapping[tuple[str, str], RunTotals], rules: Rules, expected: ExpectedOutcomes,
) -> None:  # fmt: skip
    joined: dict[tuple[str, str], list[bool]] = defaultdict(list)

    def count(team: str, workflow: str | None, at: int, figures: dict[str, int], cycle_ms: int | None = None) -> None:
        for scope in {workflow, None}:
            for size in SIZES_MS[1:]:
                place = Place(team, scope, size, start_of(at, size))
                if place.start_ms + size <= rules.open_from_ms:
                    expected.results.setdefault(place, Results()).add(figures, cycle_ms)

    for name, event in known.items():
        stands, verdict = standing[name], event["verdict"]
        run = runs.get((event["team"], event["run_id"] or ""))
        workflow = event["workflow"]
        by_run = run is not None and event["occurred_at"] >= run.began[0] - _AGREE_MS
        if run is not None and by_run:
            workflow = run.began[1]
            if verdict != "reversed":
                joined[event["team"], event["run_id"]].append(verdict == "accepted" and stands)
        figures = {}
        if verdict == "accepted" and not stands:
            figures = {"reversed": 1}
        elif verdict != "reversed" and stands:
            figures = {verdict: 1}
        expected.silent += not figures
        if figures and by_run:
            figures["outcomes_by_run"] = 1
        if stands:
            figures |= _by_kind(event)
        if figures:
            cycle_ms = event["cycle_time_ms"] if verdict == "accepted" and stands else None
            count(event["team"], workflow, event["occurred_at"], figures, cycle_ms)
    for name_of_run, run in runs.items():
        if name_of_run[0] not in rules.outcomes_expected:
            continue
        accepted, orphan = sum(joined[name_of_run]), not any(joined[name_of_run])
        figures = {
            "cohort_runs": 1, "cohort_spend_micro_usd": run.spend_micro_usd, "cohort_orphan_runs": int(orphan),
            "cohort_orphan_spend_micro_usd": run.spend_micro_usd * orphan,
            "cohort_runs_with_outcome": int(bool(joined[name_of_run])), "cohort_accepted": accepted,
        }  # fmt: skip
        count(name_of_run[0], run.began[1], run.began[0], figures)


def _by_kind(event: Mapping[str, Any]) -> dict[str, int]:
    kind = event["kind"]
    if kind == "defect_reported":
        return {"defects": 1}
    if kind == "incident_opened":
        return {"incidents": 1}
    if kind == "customer_rating":
        return {"ratings": 1, "rating": round(event["value"] * 1_000_000)}
    return {}
