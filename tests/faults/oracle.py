"""What must have come out, computed a second time from the raw topic: by other code, from the documented rules alone.

Nothing of the engine is used: JSON by the standard library, partitions by another client's hash, one dict of totals.
The rules, per partition and in log order:

* A record that is not a valid usage event is dead-lettered; one whose team belongs to another partition is sent there
  unchanged, and counts where it lands.
* A second (source, event_id) is a duplicate. So is a second request id from another source, if both agree on prompt
  tokens, output tokens and, within 900 s, on the time; otherwise both count.
* A call repeats one that is remembered of its workflow, of its UTC day or the one before, if their fingerprints are equal,
  or if both are 16 hex digits, agree in four of them at the same place, the first, fifth, ninth or thirteenth on, and
  differ in eight bits at the most. A call that repeats none of its own day is remembered of it, as a whole and under each
  four digits under which no other is.
* The watermark is the newest event time less the lateness. An event is too late if its 5-minute window ended a grace
  before the last 5-minute border that the watermark has passed.

This module judges usage; :mod:`tests.faults.outcome_oracle` judges what came of it.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, NoReturn

__all__ = [
    "CONTROL",
    "DAY_MS",
    "SIZES_MS",
    "WEEK_MS",
    "Expected",
    "Fates",
    "Place",
    "Rules",
    "RunTotals",
    "Totals",
    "expect",
    "parse",
    "parse_object",
    "start_of",
]  # fmt: skip

DAY_MS: Final = 86_400_000
WEEK_MS: Final = 7 * DAY_MS
SIZES_MS: Final = (300_000, 3_600_000, DAY_MS, WEEK_MS)
_BASE_MS: Final = SIZES_MS[0]
#: Weeks begin on Mondays; the epoch was a Thursday.
_MONDAY_MS: Final = 4 * DAY_MS
_AGREE_S: Final = 900

CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f]")
_REQUIRED: Final = {"event_id": 256, "source": 256, "team": 200, "workflow": 200, "model": 256}
_SIMHASH: Final = re.compile("[0-9a-f]{16}")
_OPTIONAL: Final = ("actor", "run_id", "request_id", "tool", "provider", "prompt_fingerprint")
_BUCKETS: Final = ("input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens")
_STATUS: Final = {"ok", "error", "cancelled"}
_TRIGGER: Final = {"human", "agent", "schedule", "ci", "unknown"}


class Place(NamedTuple):
    """One window of one scope; ``workflow`` is None for a team's."""

    team: str
    workflow: str | None
    size_ms: int
    start_ms: int


class Rules(NamedTuple):
    """The settings that the rules depend on, in milliseconds; ``now_ms`` is a time at which all had been read.

    ``clock_slack_ms`` bounds how far an idle partition's clock may have moved the watermark on its own: as long as the
    run took. Events that this decides about are judged as the dead letters say. ``open_from_ms`` is where the watermark
    stands in the end: windows that end later have not been published. ``outcomes_expected`` are the teams whose runs count
    in cohorts: of others it is not known what their spend led to.
    """

    lateness_ms: int
    grace_ms: int
    now_ms: int
    open_from_ms: int = 1 << 62
    horizon_ms: int = 30 * DAY_MS
    outcomes_expected: frozenset[str] = frozenset()
    far_future_ms: int = 600_000
    clock_slack_ms: int = 0
    max_record_bytes: int = 1_048_576


@dataclass(slots=True)
class Totals:
    """What one window must say."""

    calls: int = 0
    errors: int = 0
    input_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    spend_micro_usd: int = 0
    priced_calls: int = 0
    unpriced_tokens: int = 0
    first_event: int = 1 << 62
    last_event: int = 0
    calls_with_fingerprint: int = 0
    repeated_calls: int = 0
    runs: set[str] = field(default_factory=set)

    def add(self, event: Mapping[str, Any], repeats: bool) -> None:
        self.calls += 1
        self.calls_with_fingerprint += bool(event["prompt_fingerprint"])
        self.repeated_calls += repeats
        self.errors += event["status"] == "error"
        self.input_tokens += event["input_tokens"]
        self.cache_read_tokens += event["cache_read_tokens"]
        self.cache_write_tokens += event["cache_write_tokens"]
        self.output_tokens += event["output_tokens"]
        self.reasoning_tokens += event["reasoning_tokens"]
        if event["cost_micro_usd"] is None:
            self.unpriced_tokens += sum(event[bucket] for bucket in _BUCKETS[:4])
        else:
            self.spend_micro_usd += event["cost_micro_usd"]
            self.priced_calls += 1
        self.first_event = min(self.first_event, event["occurred_at"])
        self.last_event = max(self.last_event, event["occurred_at"])
        if event["run_id"]:
            self.runs.add(event["run_id"])


@dataclass(slots=True)
class RunTotals:
    """What the usage of one run says: when and in which workflow it began, and what it cost."""

    began: tuple[int, str]
    spend_micro_usd: int = 0


@dataclass(slots=True)
class Fates:
    """What must have become of one partition's records. ``dead`` is ``invalid``, ``far_future`` or ``too_late``.

    ``by_clock`` counts those that were judged as the dead letters say.
    """

    records: int = 0
    applied: int = 0
    duplicates: int = 0
    rerouted: list[tuple[int, bytes]] = field(default_factory=list)
    dead: dict[int, str] = field(default_factory=dict)
    by_clock: int = 0


@dataclass(slots=True)
class Expected(Fates):
    """The same of usage, and what it adds up to. ``unpublished`` are calls in windows that are still open."""

    totals: dict[Place, Totals] = field(default_factory=dict)
    runs: dict[tuple[str, str], RunTotals] = field(default_factory=dict)
    unpublished: int = 0
    newest_ms: int = 0
    prompts: dict[tuple[str, str, int, int, str], str] = field(default_factory=dict)

    def apply(self, event: Mapping[str, Any], rules: Rules) -> None:
        """Count an event."""
        self.applied += 1
        repeats = self._repeats(event)
        team, at = event["team"], event["occurred_at"]
        self.unpublished += start_of(at, _BASE_MS) + _BASE_MS > rules.open_from_ms
        for workflow in (event["workflow"], None):
            for size in SIZES_MS:
                place = Place(team, workflow, size, start_of(at, size))
                if place.start_ms + size <= rules.open_from_ms:
                    self.totals.setdefault(place, Totals()).add(event, repeats)
        if event["run_id"]:
            began = at, event["workflow"]
            run = self.runs.setdefault((team, event["run_id"]), RunTotals(began))
            run.began = min(run.began, began)
            run.spend_micro_usd += event["cost_micro_usd"] or 0

    def _repeats(self, event: Mapping[str, Any]) -> bool:
        said = event["prompt_fingerprint"] or ""
        if not said:
            return False
        texts = [said] + ([said[at : at + 4] for at in (0, 4, 8, 12)] if _SIMHASH.fullmatch(said) else [])
        day = event["occurred_at"] // DAY_MS
        parts = [(event["team"], event["workflow"], day, place, text) for place, text in enumerate(texts)]
        if any(_near(self.prompts.get(part), said) for part in parts):
            return True
        yesterday = [(team, workflow, day - 1, place, text) for team, workflow, day, place, text in parts]
        repeats = any(_near(self.prompts.get(part), said) for part in yesterday)
        for part in parts:
            self.prompts.setdefault(part, said)
        return repeats


def _near(known: str | None, said: str) -> bool:
    return known is not None and (known == said or (int(known, 16) ^ int(said, 16)).bit_count() <= 8)


def start_of(at_ms: int, size_ms: int) -> int:
    """The first millisecond of the window that holds an instant."""
    offset = _MONDAY_MS if size_ms == WEEK_MS else 0
    return at_ms - (at_ms - offset) % size_ms


def parse_object(value: bytes | None, max_bytes: int = 1_048_576) -> dict[str, Any] | None:
    """The one JSON object that a record holds; None for anything else."""
    if not value or len(value) > max_bytes:
        return None
    try:
        event = json.loads(value.decode(), parse_constant=_refuse, parse_float=_finite)
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) else None


def parse(value: bytes | None, max_bytes: int = 1_048_576) -> dict[str, Any] | None:
    """A valid usage event with all defaults filled in; None for anything else."""
    event = parse_object(value, max_bytes)
    if event is None:
        return None
    for name in _BUCKETS:
        event.setdefault(name, 0)
    for name in ("cost_micro_usd", *_OPTIONAL):
        event.setdefault(name, None)
    event.setdefault("status", "ok")
    event.setdefault("trigger", "unknown")
    return event if _is_valid(event) else None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def _finite(number: str) -> float:
    value = float(number)
    return value if abs(value) < float("inf") else _refuse(number)


def _is_valid(event: Mapping[str, Any]) -> bool:
    texts = [(event.get(name), 1, longest) for name, longest in _REQUIRED.items()]
    texts += [(event[name], 0, 256) for name in _OPTIONAL if event[name] is not None]
    for text, shortest, longest in texts:
        if not isinstance(text, str) or not shortest <= len(text) <= longest or CONTROL.search(text):
            return False
    numbers = [(event[bucket], 0, 2**40) for bucket in _BUCKETS]
    numbers.append((event.get("occurred_at"), 1_420_070_400_000, 253_402_300_799_999))
    if event["cost_micro_usd"] is not None:
        numbers.append((event["cost_micro_usd"], 0, 2**53))
    if any(type(number) is not int or not least <= number <= most for number, least, most in numbers):
        return False
    if event["status"] not in _STATUS or event["trigger"] not in _TRIGGER:
        return False
    return bool(event["reasoning_tokens"] <= event["output_tokens"])


def expect(
    records: Iterable[tuple[int, bytes | None]], partition: int, partition_for: Callable[[str], int], rules: Rules,
    verdicts: Mapping[int, str] | None = None,
) -> Expected:  # fmt: skip
    """What must have become of one partition's (offset, value) pairs, given in log order.

    ``verdicts`` are the reasons of the dead letters by offset, asked only where the clock has a say.
    """
    expected = Expected()
    seen: set[tuple[str, str]] = set()
    requests: dict[str, tuple[str, int, int, int]] = {}
    newest = 0
    for offset, value in records:
        expected.records += 1
        event = parse(value, rules.max_record_bytes)
        if event is None:
            expected.dead[offset] = "invalid"
            continue
        home = partition_for(event["team"])
        if home != partition:
            expected.rerouted.append((home, value or b""))
            continue
        identity, at = (event["source"], event["event_id"]), event["occurred_at"]
        if identity in seen:
            expected.duplicates += 1
            continue
        if at > newest:
            if at > rules.now_ms + rules.far_future_ms:
                expected.dead[offset] = "far_future"
                continue
            newest = at
        if _is_too_late(at, newest, rules):
            expected.dead[offset] = "too_late"
            continue
        if _is_too_late(at, newest + rules.clock_slack_ms, rules):
            expected.by_clock += 1
            if (verdicts or {}).get(offset) == "too_late":
                expected.dead[offset] = "too_late"
                continue
        if event["request_id"]:
            prompt = event["input_tokens"] + event["cache_read_tokens"] + event["cache_write_tokens"]
            told = (event["source"], prompt, event["output_tokens"], at // 1000)
            first = requests.setdefault(event["request_id"], told)
            if first[0] != told[0] and first[1:3] == told[1:3] and abs(first[3] - told[3]) <= _AGREE_S:
                expected.duplicates += 1
                continue
        seen.add(identity)
        expected.apply(event, rules)
    expected.newest_ms = newest
    return expected


def _is_too_late(at: int, newest: int, rules: Rules) -> bool:
    border = (newest - rules.lateness_ms) // _BASE_MS * _BASE_MS
    return at // _BASE_MS < (border - rules.grace_ms) // _BASE_MS
