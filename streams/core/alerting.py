"""The life of an alert: a pure decision with a reason, from verdict to verdict.

An *episode* is one stretch of time in which one detector has something to say about one scope. Its alert fires once, fires
again when it gets worse or has lasted another week, and is resolved once; each of these is a record. What leads to none is
a decision with a reason all the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from hashlib import blake2b
from typing import Final

from streams.core.findings import CALM, Detector, Finding, Insufficient, Severity, Verdict
from streams.core.snapshot import DAY_MS

__all__ = [
    "MUTE",
    "PUBLISHED",
    "Circumstances",
    "Decision",
    "Episode",
    "Reason",
    "alert_id",
    "decide",
    "expire",
    "rare_enough",
]

#: A finding that has grown by half is news.
_WORSE: Final = 1.5
_AGAIN_MS: Final = 7 * DAY_MS
#: Verdicts in a row that are calm, before an alert is resolved.
_CALM_VERDICTS: Final = 2
_RANKS: Final[dict[Severity, int]] = {"info": 0, "warning": 1, "critical": 2}


class Reason(StrEnum):
    """Why a verdict led to a record, or to none; public, as the alert's field ``reason`` and as a metric's label."""

    FIRST = "first"
    """The episode begins to fire."""
    WORSE = "worse"
    """It fires already, and there is half as much again of it, or it is more severe."""
    STILL = "still"
    """It has gone on for another week."""
    RESOLVED = "resolved"
    """It is over."""
    OPEN = "open"
    """It fires, and there is no news."""
    QUIET = "quiet"
    """There is nothing to say."""
    PENDING = "pending"
    """It has not lasted long enough."""
    INSUFFICIENT = "insufficient"
    """There is too little to say anything."""
    SUPPRESSED_BY_PARENT = "suppressed_by_parent"
    """Another alert explains it."""
    DECLARED = "declared"
    """The policy says that it is meant to be so."""
    SNOOZED = "snoozed"
    """The policy says not to tell now."""
    GROUP_MINIMUM = "group_minimum"
    """It concerns too few people."""
    OVER_BUDGET = "over_budget"
    """The team has been told enough this week."""
    NOT_RARE = "not_rare"
    """Of so many scopes looked at, one or the other is like that by chance (Benjamini and Hochberg 1995)."""


#: Reasons that a record is published for.
PUBLISHED: Final = frozenset({Reason.FIRST, Reason.WORSE, Reason.STILL, Reason.RESOLVED})


#: Reasons after which a finding keeps no other one silent.
MUTE: Final = frozenset({Reason.NOT_RARE, Reason.SUPPRESSED_BY_PARENT, Reason.GROUP_MINIMUM, Reason.SNOOZED})


@dataclass(frozen=True, slots=True)
class Episode:
    """What is known of an episode; ``revision`` is 0 as long as nothing was published.

    ``hits`` has a bit for each of the last verdicts, the newest the lowest, 1 for a finding. ``calm`` counts verdicts in
    a row that were none. ``told_ms`` is when it was told of last, ``score`` what was told then, ``seen_ms`` when there was a finding last. ``mute`` says that the last finding was kept
    back for a reason by which nobody will be told of it as long as it holds: it must not keep others silent.
    """

    start_ms: int
    hits: int = 0
    calm: int = 0
    revision: int = 0
    opened_ms: int = 0
    told_ms: int = 0
    seen_ms: int = 0
    score: float = 0.0
    severity: Severity = "info"
    mute: bool = False

    @property
    def firing(self) -> bool:
        """Whether its alert fires."""
        return self.revision > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What else matters to a decision; ``now_ms`` is event time."""

    now_ms: int
    explained: bool = False
    declared: bool = False
    snoozed: bool = False
    enough_people: bool = True
    over_budget: bool = False
    rare: bool = True


@dataclass(frozen=True, slots=True)
class Decision:
    """The episode from now on, None once it is over, and why."""

    episode: Episode | None
    reason: Reason


def alert_id(detector: str, team: str, workflow: str | None, opened_ms: int) -> str:
    """The stable identity of an alert: the same after restarts, replays and rebalances.

    By when it began to fire and not by when what it tells of began: two episodes that follow each other can look back to
    one beginning, over a shorter and a longer stretch, and the later one's first revision would pass for an old one.
    """
    said = f"{detector}\0{team}\0{workflow or ''}\0{opened_ms}".encode()
    return f"{detector}-{blake2b(said, digest_size=8).hexdigest()}"


def decide(detector: Detector, episode: Episode | None, verdict: Verdict, around: Circumstances) -> Decision:
    """What one verdict means for the episode of one scope."""
    hit = isinstance(verdict, Finding)
    needed, among = detector.persistence
    hits = ((episode.hits if episode else 0) << 1 | hit) & ((1 << among) - 1)
    if isinstance(verdict, Finding):
        if episode is None:
            episode = Episode(around.now_ms - max(1, verdict.days) * DAY_MS if verdict.days else around.now_ms)
        episode = replace(episode, hits=hits, calm=0, seen_ms=around.now_ms)
        return _hit(detector, episode, verdict, around, needed)
    if episode is None:
        return Decision(None, Reason.INSUFFICIENT if isinstance(verdict, Insufficient) else Reason.QUIET)
    if isinstance(verdict, Insufficient):
        # Too little to judge by is no sign that it is over, but an alert must not stay for ever either.
        calm = episode.calm + 1
    else:
        calm = 0 if episode.firing and verdict.score >= CALM else episode.calm + 1
    episode = replace(episode, hits=hits, calm=calm)
    if episode.firing:
        if calm >= _CALM_VERDICTS:
            return Decision(None, Reason.RESOLVED)
        return Decision(episode, Reason.OPEN)
    return Decision(episode if hits else None, Reason.PENDING if hits else Reason.QUIET)


def _hit(detector: Detector, episode: Episode, finding: Finding, around: Circumstances, needed: int) -> Decision:
    kept_back = _kept_back(around)
    if episode.firing:
        # It goes on; what may not be told to begin with may not be told as news either.
        if kept_back is not None:
            return Decision(episode, kept_back)
        graver = _RANKS[finding.severity] > _RANKS[episode.severity]
        if graver or (finding.score >= _WORSE * episode.score and around.now_ms - episode.told_ms >= DAY_MS):
            return Decision(_told(episode, finding, around.now_ms), Reason.WORSE)
        if around.now_ms - episode.told_ms >= _AGAIN_MS:
            return Decision(_told(episode, finding, around.now_ms), Reason.STILL)
        return Decision(episode, Reason.OPEN)
    for holds, reason in (
        (around.declared, Reason.DECLARED),
        (around.snoozed, Reason.SNOOZED),
        (not around.rare, Reason.NOT_RARE),
        (episode.hits.bit_count() < needed, Reason.PENDING),
        (around.explained, Reason.SUPPRESSED_BY_PARENT),
        (not around.enough_people, Reason.GROUP_MINIMUM),
        (around.over_budget, Reason.OVER_BUDGET),
    ):
        if holds:
            return Decision(replace(episode, mute=reason in MUTE), reason)
    return Decision(replace(_told(episode, finding, around.now_ms), opened_ms=around.now_ms), Reason.FIRST)


def _kept_back(around: Circumstances) -> Reason | None:
    """Why nothing may be told of an alert that fires already."""
    if around.declared:
        return Reason.DECLARED
    if around.snoozed:
        return Reason.SNOOZED
    return None if around.enough_people else Reason.GROUP_MINIMUM


def expire(episode: Episode, now_ms: int, after_ms: int) -> Decision:
    """What it means for an episode that there was no finding for a while."""
    if now_ms - episode.seen_ms < after_ms:
        return Decision(episode, Reason.OPEN if episode.firing else Reason.PENDING)
    return Decision(None, Reason.RESOLVED if episode.firing else Reason.QUIET)


def rare_enough(chances: Sequence[float], tests: int, rate: float) -> float:
    """The largest chance that is rare enough among so many tests, so that of all that are told ``rate`` at most are chance.

    Source: Benjamini and Hochberg, "Controlling the false discovery rate", JRSS B 57(1), 1995.
    """
    best = 0.0
    for rank, chance in enumerate(sorted(chances), start=1):
        if chance <= rate * rank / max(tests, 1):
            best = chance
    return best


def _told(episode: Episode, finding: Finding, now_ms: int) -> Episode:
    return replace(
        episode, mute=False, revision=episode.revision + 1, told_ms=now_ms, score=max(float(finding.score), episode.score),
        severity=finding.severity,
    )  # fmt: skip
