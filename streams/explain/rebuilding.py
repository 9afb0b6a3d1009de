"""Whether the log gives an alert again under a configuration, and if not, what kept it silent."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from streams.core.alerting import Reason
from streams.core.episodes import Judged, Place
from streams.core.findings import Detector, Finding, Insufficient
from streams.core.policy import Policy
from streams.core.snapshot import DAY_MS
from streams.explain.lives import Life
from streams.explain.words import REASONS, silenced_by_policy

__all__ = ["FIGURES", "Difference", "Outcome", "Rebuild", "Tallies", "Tally", "compare"]

#: What must come out alike; words may change with a release, and ``config_version`` with the configuration.
FIGURES: Final = (
    "state", "reason", "severity", "window_start", "window_end", "opened_at", "updated_at", "observed", "expected",
    "ratio", "sample_size", "min_sample_size", "money_at_stake_micro_usd", "evidence",
)  # fmt: skip


class Outcome(StrEnum):
    """How a rebuild ended; public, as a field of the JSON document."""

    SAME = "same"
    """The same alert comes out, with the same figures."""
    DIFFERENT = "different"
    """The same alert comes out, with other figures."""
    OTHER_EPISODE = "other_episode"
    """The detector alerts on the same scope at about that time, but of an episode that began at another instant."""
    SILENT = "silent"
    """No alert comes out."""
    ONLY_REBUILT = "only_rebuilt"
    """There is no record to compare with: everything that is said comes from the rebuild."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A figure of one revision that came out otherwise."""

    revision: int
    field: str
    recorded: Any
    rebuilt: Any


@dataclass(slots=True)
class Tally:
    """Decisions of one reason: how many, from when to when, and the best score among their findings.

    There is no score where the figures concern too few people: it would tell of them.

    ``n`` and ``need`` are the most observations there were of those needed, None where that was not the trouble.
    """

    reason: Reason
    count: int = 0
    first_ms: int = 0
    last_ms: int = 0
    score: float | None = None
    n: int | None = None
    need: int | None = None

    def add(self, judged: Judged) -> None:
        """Count a decision."""
        self.first_ms = self.first_ms if self.count else judged.at_ms
        self.last_ms = judged.at_ms
        self.count += 1
        verdict = judged.verdict
        if isinstance(verdict, Finding) and self.reason is not Reason.GROUP_MINIMUM:
            self.score = verdict.score if self.score is None else max(self.score, verdict.score)
        elif isinstance(verdict, Insufficient) and (self.n is None or verdict.n >= self.n):
            self.n, self.need = verdict.n, verdict.need


class Tallies:
    """Listens to all decisions, and keeps those on the scopes of some alerts, in the time that each is about."""

    def __init__(self, asked: Iterable[Life]) -> None:
        self._asked: dict[Place, list[Life]] = {}
        self._found: dict[str, dict[Reason, Tally]] = {}
        for life in asked:
            current = life.current
            place = Place(current.detector, current.team, current.workflow)
            self._asked.setdefault(place, []).append(life)

    def __call__(self, judged: Judged) -> None:
        """Take one decision."""
        for life in self._asked.get(judged.place, ()):
            # A day more: verdicts on a day are reached when it is over.
            if life.begins_ms <= judged.at_ms <= life.ends_ms + DAY_MS:
                by_reason = self._found.setdefault(life.alert_id, {})
                by_reason.setdefault(judged.reason, Tally(judged.reason)).add(judged)

    def of(self, alert_id: str) -> tuple[Tally, ...]:
        """The decisions on an alert's scope by reason, in the order of the reasons."""
        found = self._found.get(alert_id, {})
        return tuple(found[reason] for reason in Reason if reason in found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuild:
    """What became of an alert when its log was replayed. ``why`` is a sentence; ``rebuilt`` is what came out, if anything.

    ``later`` counts records that came out beyond the last that is there.
    """

    outcome: Outcome
    why: str
    rebuilt: Life | None
    config_version: str
    differences: tuple[Difference, ...] = ()
    later: int = 0
    decisions: tuple[Tally, ...] = field(default_factory=tuple)


def compare(
    life: Life, rebuilt: Mapping[str, Life], decisions: tuple[Tally, ...], detector: Detector | None, policy: Policy,
    config_version: str,
) -> Rebuild:  # fmt: skip
    """Compare an alert with what a replay gave."""
    again = rebuilt.get(life.alert_id)
    if again is not None:
        differences = tuple(_differences(life, again))
        later = sum(record.revision > life.current.revision for record in again.records)
        if differences:
            outcome, why = Outcome.DIFFERENT, f"The same alert comes out, but {_count(differences)}."
            if life.current.config_version != config_version:
                why += " It was raised under another configuration."
        else:
            outcome, why = Outcome.SAME, f"The same alert comes out, with the same figures in {_records(life)}."
        return Rebuild(
            outcome=outcome, why=why, rebuilt=again, config_version=config_version, differences=differences,
            later=later, decisions=decisions,
        )  # fmt: skip
    other = _other(life, rebuilt.values())
    if other is not None:
        return Rebuild(
            outcome=Outcome.OTHER_EPISODE, rebuilt=other, config_version=config_version, decisions=decisions,
            why=f"The detector alerts on the same scope at that time, but the episode begins at another instant: {other.alert_id}.",
        )  # fmt: skip
    return Rebuild(
        outcome=Outcome.SILENT, why=_silence(life, decisions, detector, policy), rebuilt=None,
        config_version=config_version, decisions=decisions,
    )  # fmt: skip


def _differences(life: Life, again: Life) -> Iterable[Difference]:
    by_revision = {record.revision: record for record in again.records}
    for record in life.records:
        other = by_revision.get(record.revision)
        if other is None:
            yield Difference(record.revision, "revision", record.revision, None)
            continue
        for name in FIGURES:
            said, found = getattr(record, name), getattr(other, name)
            if said != found:
                yield Difference(record.revision, name, said, found)


def _other(life: Life, found: Iterable[Life]) -> Life | None:
    current = life.current
    for other in found:
        it = other.current
        same = (it.detector, it.team, it.workflow) == (current.detector, current.team, current.workflow)
        if same and other.begins_ms <= life.ends_ms and life.begins_ms <= other.ends_ms:
            return other
    return None


def _silence(life: Life, decisions: tuple[Tally, ...], detector: Detector | None, policy: Policy) -> str:
    """Why nothing came out: the policy, the reason of the best finding, or that there was none."""
    current = life.current
    if detector is None:
        return f"No alert comes out: this release has no detector {current.detector}."
    said = silenced_by_policy(policy, detector, current.team, current.workflow)
    if said is not None:
        return f"No alert comes out: {said}."
    kept = [it for it in decisions if it.score is not None or it.reason is Reason.GROUP_MINIMUM]
    if kept:
        best = max(kept, key=lambda it: (it.score or 0.0, it.count))
        score = "" if best.score is None else f" of score {best.score:.2g}"
        return (
            f"No alert comes out: there was a finding{score}, and it was kept silent ({best.reason.value}). "
            f"{REASONS[best.reason]}"
        )
    short = next((it for it in decisions if it.reason is Reason.INSUFFICIENT), None)
    if short is not None:
        return (
            f"No alert comes out: there was too little to judge by, {short.n} of {short.need} that are needed at most."
        )
    if decisions:
        return "No alert comes out: nothing reached the threshold in that time."
    if detector.detect is None:
        return (
            "No alert comes out: nothing reached the threshold in that time; does the log hold the team's usage then?"
        )
    return "No alert comes out: its scope was not judged in that time; does the log hold the team's usage then?"


def _count(differences: tuple[Difference, ...]) -> str:
    return "1 figure differs" if len(differences) == 1 else f"{len(differences)} figures differ"


def _records(life: Life) -> str:
    return "its record" if len(life.records) == 1 else f"all {len(life.records)} records"
