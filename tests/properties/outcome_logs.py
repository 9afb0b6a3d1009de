"""Histories of usage and outcomes, in the order of arrival, and what they must come to: added up all at once."""

import json
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import Any, Final

from hypothesis import strategies as st

from tests.engine_runs import DAY, HOUR, MINUTE, MONDAY, WEEK, Place

__all__ = ["Call", "Report", "figures", "histories"]


@dataclass(frozen=True, slots=True)
class Call:
    """A usage event."""

    event_id: str
    occurred_at: int
    team: str
    workflow: str
    run_id: str | None
    cost_micro_usd: int
    actor: str | None = None

    @property
    def value(self) -> bytes:
        """The record as it lies in the log."""
        return json.dumps({**_fields(self), "source": "gateway", "model": "m"}).encode()


@dataclass(frozen=True, slots=True)
class Report:
    """An outcome event."""

    outcome_id: str
    source: str
    occurred_at: int
    team: str
    workflow: str | None
    run_id: str | None
    kind: str
    verdict: str
    reverses: str | None = None
    value_: float | None = None
    cycle_time_ms: int | None = None
    ref: str | None = None
    actor: str | None = None

    @property
    def value(self) -> bytes:
        """The record as it lies in the log."""
        fields = _fields(self)
        return json.dumps({**fields, "value": fields.pop("value_")}).encode()


def _fields(record: Call | Report) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__slots__}


_KINDS: Final = [
    ("change_merged", "accepted"), ("change_merged", "accepted"), ("change_merged", "accepted"),
    ("ticket_resolved", "accepted"), ("change_closed", "rejected"), ("eval_failed", "rejected"),
    ("defect_reported", "neutral"), ("incident_opened", "neutral"), ("customer_rating", "neutral"),
]  # fmt: skip
_teams: Final = st.sampled_from(["red", "red", "blue"])
_runs: Final = st.sampled_from([None, "r1", "r2", "r3", "r4"])
_times: Final = st.sampled_from([0, 0, MINUTE, 16 * MINUTE, HOUR, 5 * HOUR, 30 * HOUR, 4 * DAY])
_calls: Final = st.builds(
    Call, event_id=st.just(""), occurred_at=_times, team=_teams, workflow=st.sampled_from(["x", "y"]), run_id=_runs,
    cost_micro_usd=st.sampled_from([0, 7, 1_000_001]),
)  # fmt: skip
_reports: Final = st.builds(
    lambda kind, **fields: Report(
        kind=kind[0], verdict=kind[1], value_=0.25 if kind[0] == "customer_rating" else None, **fields
    ),
    kind=st.sampled_from(_KINDS), outcome_id=st.just(""), source=st.sampled_from(["github", "jira"]), occurred_at=_times,
    team=_teams, workflow=st.sampled_from([None, "x", "y", "z"]), run_id=_runs,
    cycle_time_ms=st.sampled_from([None, None, HOUR, 3 * DAY]),
)  # fmt: skip
#: What a record is: usage, an outcome, or something about an earlier outcome: a copy of it, the same thing said by another
#: system, the same happening again, its undoing.
_sorts: Final = st.sampled_from(
    ["call"] * 4 + ["report"] * 4 + ["copy", "mirror", "mirror", "again", "undo", "undo", "undo"]
)
_drafts: Final = st.tuples(_sorts, _calls, _reports, st.integers(0, 30), st.integers(0, 400))


def histories(most: int = 40) -> st.SearchStrategy[list[Call | Report]]:
    """Records in an order of arrival that has nothing to do with their times."""
    least = st.sampled_from([1, most // 3, most // 2])
    drafts = least.flatmap(lambda size: st.lists(_drafts, min_size=size, max_size=most))
    return st.tuples(drafts, st.randoms(use_true_random=False)).map(lambda it: _history(*it))


def _history(drafts: list[Any], chance: Any) -> list[Call | Report]:
    records: list[Call | Report] = []
    reports: list[Report] = []
    front = MONDAY + DAY
    for number, (sort, call, report, which, back) in enumerate(drafts):
        front += call.occurred_at if sort == "call" else report.occurred_at
        at = front - back * MINUTE
        if sort == "call":
            records.append(replace(call, event_id=str(number), occurred_at=at))
            continue
        made = replace(report, outcome_id=f"o{number}", occurred_at=at, ref=f"r#{number}")
        if sort != "report" and reports:
            old = reports[which % len(reports)]
            if sort == "copy":
                made = old
            elif sort == "mirror":
                made = _mirrored(old, made, number, chance)
            elif sort == "again":
                later = old.occurred_at + chance.choice([0, MINUTE, 3 * MINUTE])
                made = replace(old, outcome_id=f"o{number}", occurred_at=later, reverses=None)
            else:
                made = replace(
                    made, verdict="reversed", reverses=old.outcome_id, source=old.source, cycle_time_ms=None,
                    kind=made.kind if made.kind in ("incident_opened", "defect_reported") else "change_reverted",
                    value_=None,
                )  # fmt: skip
        records.append(made)
        reports.append(made)
    chance.shuffle(records)
    return records


def _mirrored(old: Report, other: Report, number: int, chance: Any) -> Report:
    """What another system says of an outcome: it may know less, or more."""
    run_id = chance.choice([old.run_id, None]) if old.run_id else other.run_id
    workflow = chance.choice([old.workflow, None]) if old.workflow else other.workflow
    return replace(
        old, outcome_id=f"o{number}", source="mirror", reverses=None, run_id=run_id, workflow=workflow,
        occurred_at=old.occurred_at + chance.choice([0, 0, -5, 5]) * MINUTE,
        cycle_time_ms=old.cycle_time_ms if old.verdict != "accepted" else chance.choice([old.cycle_time_ms, None]),
    )  # fmt: skip


def figures(history: list[Call | Report], *, mature_at: int | None) -> dict[Place, dict[str, Any]]:
    """What each window of each scope must say in the end of outcomes and cohorts; windows of which all is zero too.

    ``mature_at`` is the end of the hour until which runs that began are mature.
    """
    runs: dict[tuple[str, str], list[Call]] = defaultdict(list)
    for record in history:
        if isinstance(record, Call) and record.run_id is not None:
            runs[record.team, record.run_id].append(record)
    began = {run: min((call.occurred_at, call.workflow) for call in calls) for run, calls in runs.items()}

    known, stands_for = _told_apart([record for record in history if isinstance(record, Report)])
    undone_by: dict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    for name, report in known.items():
        if report.reverses is not None:
            target = tuple(report.reverses.split("/"))
            target = stands_for.get(target, target)
            if target in known and known[target].team == report.team:
                undone_by[target].append(name)

    def stands(name: tuple[str, str]) -> bool:
        return not any(stands(other) for other in undone_by[name])

    found: dict[Place, dict[str, Any]] = defaultdict(lambda: defaultdict(int))

    def count(team: str, workflow: str, at: int, **figures: int) -> None:
        for size in (HOUR, DAY, WEEK):
            for scope in {workflow or None, None}:
                place = found[team, scope, size, MONDAY + (at - MONDAY) // size * size]
                for field, amount in figures.items():
                    place[field] += amount

    joined: dict[tuple[str, str], list[bool]] = defaultdict(list)
    for name, report in known.items():
        run = (report.team, report.run_id or "")
        by_run = run in began and report.occurred_at >= began[run][0] - 15 * MINUTE
        workflow = began[run][1] if by_run else report.workflow or ""
        accepted = report.verdict == "accepted"
        if by_run and report.verdict != "reversed":
            joined[run].append(accepted and stands(name))
        told: dict[str, int] = {}
        if accepted and not stands(name):
            told = {"reversed": 1, "outcomes_by_run": int(by_run)}
        elif stands(name):
            if report.verdict != "reversed":
                told = {report.verdict: 1, "outcomes_by_run": int(by_run)}
            if accepted and report.cycle_time_ms is not None:
                told["cycle_times"] = 1
            told["defects"] = int(report.kind == "defect_reported")
            told["incidents"] = int(report.kind == "incident_opened")
            told["ratings"] = int(report.kind == "customer_rating")
        count(report.team, workflow, report.occurred_at, **told)
    for run, (at, workflow) in began.items():
        if mature_at is None or at // HOUR * HOUR < mature_at:
            spend = sum(call.cost_micro_usd for call in runs[run])
            orphan = not any(joined[run])
            count(
                run[0], workflow, at, cohort_runs=1, cohort_spend_micro_usd=spend, cohort_orphan_runs=int(orphan),
                cohort_orphan_spend_micro_usd=spend * orphan, cohort_runs_with_outcome=int(bool(joined[run])),
                cohort_accepted=sum(joined[run]),
            )  # fmt: skip
    return found


_Name = tuple[str, str]


def _told_apart(reports: list[Report]) -> tuple[dict[_Name, Report], dict[_Name, _Name]]:
    """One outcome for all records that say the same: copies, and what other systems say of it, with what they add.

    ``reverses`` of these outcomes names the source, too. And which names stand for others. In the order of arrival, since
    which of several near ones are the same depends on that: everything else here sees all records at once.
    """
    known: dict[_Name, Report] = {}
    stands_for: dict[_Name, _Name] = {}
    sources: dict[_Name, set[str]] = {}
    for report in reports:
        name = report.source, report.outcome_id
        if name in known or name in stands_for:
            continue
        target = None if report.reverses is None else f"{report.source}/{report.reverses}"
        alike = [
            (abs(other.occurred_at - report.occurred_at), other.occurred_at, place, it) for place, (it, other) in enumerate(known.items())
            if (other.team, other.kind, other.verdict, other.ref) == (report.team, report.kind, report.verdict, report.ref)
            and report.source not in sources[it] and abs(other.occurred_at - report.occurred_at) <= 15 * MINUTE
        ]  # fmt: skip
        if not alike:
            known[name], sources[name] = replace(report, reverses=target), {report.source}
            continue
        same = min(alike)[3]
        stands_for[name] = same
        sources[same].add(report.source)
        said = known[same]
        cycle_time_ms = report.cycle_time_ms if said.cycle_time_ms is None else said.cycle_time_ms
        known[same] = replace(
            said, run_id=said.run_id or report.run_id, workflow=said.workflow or report.workflow,
            cycle_time_ms=cycle_time_ms, reverses=said.reverses or target,
        )  # fmt: skip
    return known, stands_for
