"""What plain rules look at: spend by team and hour, and in how many records of a week a field says something."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from streams.simulation.labelled.labels import Labels
from streams.simulation.prices import MODELS
from tests.evaluate.rules import WEEK_MS

__all__ = ["FIELD_RULES", "HOUR_MS", "Facts", "gather"]

HOUR_MS: Final = 3_600_000
_MICRO: Final = 1_000_000
_ODD: Final = ("tmp", "loop", "test", "filler", "batch", "old")
_TOOLS: Final = ("claude-code", "codex", "cursor", "gemini-cli", "meshclaw", "langgraph", "gateway")

#: Tests of one usage event by one field; no statistics, no second signal.
_USAGE_FIELDS: Final[Mapping[str, Callable[[dict[str, Any]], bool]]] = {
    "status is not ok": lambda e: e.get("status", "ok") != "ok",
    "status is cancelled": lambda e: e.get("status") == "cancelled",
    "tried again": lambda e: "attributes" in e,
    "tried five times": lambda e: e.get("attributes", {}).get("attempt") == "5",
    "no run id": lambda e: "run_id" not in e,
    "no actor": lambda e: "actor" not in e,
    "no cost": lambda e: "cost_micro_usd" not in e,
    "no request id": lambda e: "request_id" not in e,
    "no fingerprint": lambda e: "prompt_fingerprint" not in e,
    "set off by schedule": lambda e: e["trigger"] == "schedule",
    "set off by ci": lambda e: e["trigger"] == "ci",
    "set off by an agent": lambda e: e["trigger"] == "agent",
    "set off by nobody knows": lambda e: e["trigger"] == "unknown",
    "model without a price": lambda e: e["model"] == "frontier-preview-exp",
    "dearest model": lambda e: e["model"] == "claude-opus-4-1",
    "very long prompt": lambda e: e["input_tokens"] + e["cache_read_tokens"] > 300_000,
    "tiny prompt": lambda e: e["input_tokens"] + e["cache_read_tokens"] < 3_000,
    "tiny answer": lambda e: e["output_tokens"] < 60,
    "odd name of a workflow": lambda e: any(word in e["workflow"] for word in _ODD),
    "service account": lambda e: e.get("actor", "").startswith("svc-"),
    "at night": lambda e: e["occurred_at"] // HOUR_MS % 24 < 5,
    "at the weekend": lambda e: (e["occurred_at"] // (24 * HOUR_MS) + 3) % 7 > 4,
    "on a Friday": lambda e: (e["occurred_at"] // (24 * HOUR_MS) + 3) % 7 == 4,
    **{f"tool is {tool}": lambda e, tool=tool: e["tool"] == tool for tool in _TOOLS},  # type: ignore[misc]
}
_OUTCOME_FIELDS: Final[Mapping[str, Callable[[dict[str, Any]], bool]]] = {
    "no reviews": lambda e: e.get("attributes", {}).get("reviews") == "0",
    "merged by its author": lambda e: e.get("attributes", {}).get("self_merged") == "true",
    "few lines": lambda e: "additions" in e.get("attributes", {}) and int(e["attributes"]["additions"]) < 5,
    "few cases": lambda e: "cases" in e.get("attributes", {}) and int(e["attributes"]["cases"]) < 5,
    "reopened": lambda e: e["kind"] == "ticket_reopened",
    "reverted": lambda e: e["kind"] == "change_reverted",
    "defect": lambda e: e["kind"] == "defect_reported",
    "incident": lambda e: e["kind"] == "incident_opened",
    "rejected": lambda e: e["verdict"] == "rejected",
    "evaluation": lambda e: e["kind"].startswith("eval_"),
    "outcome without run": lambda e: "run_id" not in e,
    "slow": lambda e: e.get("cycle_time_ms", 0) > 3 * 24 * HOUR_MS,
}
_SEEN: Final = (
    "fingerprint seen before", "fingerprint five times in a run", "token counts seen before", "event id seen before",
    "workflow not seen before",
)  # fmt: skip
_POLICY: Final = (
    "has a budget", "has a target of calls", "has a target of tokens", "has licences", "expects outcomes",
    "declares something",
)  # fmt: skip
FIELD_RULES: Final = (*_USAGE_FIELDS, *_OUTCOME_FIELDS, *_SEEN, *_POLICY)


@dataclass(slots=True)
class Facts:
    """Of one seed; money in dollars. ``shares`` are of the team's records of a week, by rule, team and week."""

    labels: Labels
    hourly: dict[str, list[float]]
    budgets: dict[str, float]
    shares: dict[str, dict[tuple[str, int], float]] = field(default_factory=dict)

    def spent(self, team: str, start_ms: int, end_ms: int) -> float:
        """Dollars of a team between two times, by whole hours."""
        first, last = (start_ms - self.labels.start_ms) // HOUR_MS, (end_ms - self.labels.start_ms) // HOUR_MS
        return sum(self.hourly[team][max(0, first) : max(0, last)])


def _dollars(event: dict[str, Any]) -> float:
    """What a call cost: as reported, else by the list, as the product does it with a price book."""
    if "cost_micro_usd" in event:
        return float(event["cost_micro_usd"]) / _MICRO
    model = MODELS.get(event["model"])
    if model is None:
        return 0.0
    listed: int = (
        event["input_tokens"] * model.input
        + event["cache_read_tokens"] * model.cache_read
        + event["cache_write_tokens"] * model.cache_write
        + event["output_tokens"] * model.output
    )
    return listed / _MICRO / _MICRO


def gather(labels: Labels, usage: Iterable[bytes], outcomes: Iterable[bytes], policy: dict[str, Any]) -> Facts:
    """Read the records of a scenario once."""
    hours, weeks = (labels.end_ms - labels.start_ms) // HOUR_MS, (labels.end_ms - labels.start_ms) // WEEK_MS
    hourly = {team: [0.0] * hours for team in labels.teams}
    calls: Counter[tuple[str, int]] = Counter()
    told: Counter[tuple[str, int]] = Counter()
    marks: defaultdict[str, Counter[tuple[str, int]]] = defaultdict(Counter)
    prompts: set[tuple[str, str]] = set()
    in_run: Counter[tuple[str, str]] = Counter()
    sizes: set[tuple[str, int, int]] = set()
    ids: set[str] = set()
    first_seen: dict[tuple[str, str], int] = {}
    for line in usage:
        event = orjson.loads(line)
        team, since_ms = event["team"], event["occurred_at"] - labels.start_ms
        key = (team, since_ms // WEEK_MS)
        calls[key] += 1
        hourly[team][since_ms // HOUR_MS] += _dollars(event)
        for name, says in _USAGE_FIELDS.items():
            if says(event):
                marks[name][key] += 1
        prompt = event.get("prompt_fingerprint")
        if prompt is not None:
            if (team, prompt) in prompts:
                marks["fingerprint seen before"][key] += 1
            prompts.add((team, prompt))
            if "run_id" in event:
                in_run[event["run_id"], prompt] += 1
                if in_run[event["run_id"], prompt] == 5:
                    marks["fingerprint five times in a run"][key] += 1
        size = (team, event["input_tokens"], event["output_tokens"])
        if size in sizes:
            marks["token counts seen before"][key] += 1
        sizes.add(size)
        if event["event_id"] in ids:
            marks["event id seen before"][key] += 1
        ids.add(event["event_id"])
        if first_seen.setdefault((team, event["workflow"]), key[1]) == key[1] > 0:
            marks["workflow not seen before"][key] += 1
    for line in outcomes:
        event = orjson.loads(line)
        key = (event["team"], (event["occurred_at"] - labels.start_ms) // WEEK_MS)
        told[key] += 1
        for name, says in _OUTCOME_FIELDS.items():
            if says(event):
                marks[name][key] += 1
    teams = policy.get("teams", {})
    facts = Facts(labels, hourly, {name: said["monthly_budget_usd"] for name, said in teams.items() if "monthly_budget_usd" in said})  # fmt: skip
    for name in (*_USAGE_FIELDS, *_SEEN, *_OUTCOME_FIELDS):
        base = told if name in _OUTCOME_FIELDS else calls
        facts.shares[name] = {key: count / base[key] for key, count in marks[name].items()}
    declaring = {name.split("/")[0] for name in policy.get("workflows", {})}
    said_by: dict[str, Callable[[str], bool]] = {
        "has a budget": lambda team: team in facts.budgets,
        "has a target of calls": lambda team: "weekly_actor_target_events" in teams.get(team, {}),
        "has a target of tokens": lambda team: "weekly_actor_target_tokens" in teams.get(team, {}),
        "has licences": lambda team: "actors" in teams.get(team, {}),
        "expects outcomes": lambda team: "outcomes_expected" in teams.get(team, {}),
        "declares something": lambda team: team in declaring,
    }
    for name, says_of in said_by.items():
        facts.shares[name] = {(team, weeks // 2): 1.0 for team in labels.teams if says_of(team)}
    return facts
