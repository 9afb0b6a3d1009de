"""The open episodes of one shard: verdicts go in, records of alerts come out."""

import re
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

import msgspec
import orjson

from streams.core import keys
from streams.core.alerting import PUBLISHED, Circumstances, Decision, Episode, Reason, alert_id, decide
from streams.core.alerts import Alert
from streams.core.effects import Effects
from streams.core.findings import Detector, Finding, Verdict
from streams.core.pseudonyms import iso_week
from streams.core.snapshot import DAY_MS
from streams.core.store import StateView, Writes

__all__ = ["Episodes", "Judged", "Listener", "Place"]

#: Alerts that a team is told of in a week, beyond those that cannot wait: more are read by nobody.
_A_WEEK: Final = 4


_NUMBER: Final = re.compile(r"\d[\d,]*(?:\.\d+)?(?<!,)")


class Place(NamedTuple):
    """Where an episode is: a detector, and the scope that it looks at; no workflow stands for the whole team."""

    detector: str
    team: str
    workflow: str | None


class Judged(NamedTuple):
    """One verdict on one place at one event time, and why it led to a record or to none.

    ``verdict`` is None where an episode is over because there was none for a while.
    """

    place: Place
    at_ms: int
    reason: Reason
    verdict: Verdict | None


#: Told of every decision, whether a record comes of it or not.
Listener = Callable[[Judged], object]


class _State(msgspec.Struct):
    """An episode as it is kept, with the record that was published of it last."""

    episode: Episode
    alert: Alert | None = None


class Episodes:
    """Decides, publishes and remembers. ``config_version`` names what the verdicts were reached under."""

    def __init__(self, store: StateView, config_version: str, listener: Listener | None = None) -> None:
        self._version = config_version
        self._listener = listener
        self._states: dict[Place, _State] = {}
        self._changed: set[Place] = set()
        self._told: dict[str, dict[int, int]] = {}
        self._told_changed: set[str] = set()
        decoder = msgspec.json.Decoder(_State)
        for key, data in store.range(*keys.all_of(keys.EPISODE)):
            detector, team, workflow = key[2:].decode().split("\0")
            if key[1:2] == b"t":
                self._told[team] = {int(week): n for week, n in orjson.loads(data).items()}
            else:
                self._states[Place(detector, team, workflow or None)] = decoder.decode(data)

    def __iter__(self) -> Iterator[tuple[Place, Episode]]:
        # In order, as a restart reads them back in order.
        return iter(sorted(((place, it.episode) for place, it in self._states.items()), key=_in_order))

    def find(self, place: Place) -> Episode | None:
        """The episode of a place, if one goes on."""
        state = self._states.get(place)
        return None if state is None else state.episode

    def note(self, place: Place, reason: Reason, verdict: Verdict | None, now_ms: int, effects: Effects) -> None:
        """Count a decision, and tell whoever listens."""
        effects.verdicts[place.detector, reason] += 1
        if self._listener is not None:
            self._listener(Judged(place, now_ms, reason, verdict))

    def over_budget(self, team: str, now_ms: int) -> bool:
        """Whether a team has been told enough this week."""
        return self._told.get(team, {}).get(iso_week(now_ms), 0) >= _A_WEEK

    def judge(
        self, detector: Detector, place: Place, verdict: Verdict, around: Circumstances, effects: Effects, *, coarse: bool
    ) -> Decision:  # fmt: skip
        """Decide on a verdict; publish what there is to publish. ``coarse`` figures are rounded, as they are of people."""
        state = self._states.get(place)
        decision = decide(detector, None if state is None else state.episode, verdict, around)
        self.apply(detector, place, decision, verdict, around.now_ms, effects, coarse=coarse)
        return decision

    def apply(
        self, detector: Detector, place: Place, decision: Decision, verdict: Verdict | None, now_ms: int, effects: Effects,
        *, coarse: bool = True,
    ) -> None:  # fmt: skip
        """Make a decision come true."""
        self.note(place, decision.reason, verdict, now_ms, effects)
        state = self._states.get(place)
        alert = None if state is None else state.alert
        if decision.reason in PUBLISHED:
            if isinstance(verdict, Finding) and decision.episode is not None:
                named = None if alert is None else alert.alert_id
                alert = self._alert(detector, place, decision, verdict, coarse, named)
                if decision.reason is Reason.FIRST and verdict.severity != "critical":
                    weeks = self._told.setdefault(place.team, {})
                    week = iso_week(now_ms)
                    self._told[place.team] = {week: weeks.get(week, 0) + 1}
                    self._told_changed.add(place.team)
            elif alert is not None:
                alert = msgspec.structs.replace(
                    alert,
                    state="resolved",
                    reason=decision.reason.value,
                    revision=alert.revision + 1,
                    updated_at=now_ms,
                )
            if alert is not None:
                effects.alerts.append(alert)
        if decision.episode is None:
            if self._states.pop(place, None) is not None:
                self._changed.add(place)
        elif state is None or state.episode != decision.episode:
            self._states[place] = _State(decision.episode, alert)
            self._changed.add(place)

    def _alert(
        self, detector: Detector, place: Place, decision: Decision, finding: Finding, coarse: bool, named: str | None
    ) -> Alert:  # fmt: skip
        """The record of a finding; ``named`` is what the alert is called already, None of one that begins to fire."""
        episode = decision.episode
        assert episode is not None
        number = _coarse if coarse else _exact
        ratio = None
        if finding.observed is not None and finding.expected:
            ratio = number(finding.observed / finding.expected)
        end_ms = episode.told_ms
        money = finding.money_micro_usd
        return Alert(
            alert_id=named or alert_id(place.detector, place.team, place.workflow, episode.opened_ms),
            revision=episode.revision, state="firing", reason=decision.reason.value, detector=place.detector,
            family=detector.family, severity=finding.severity, team=place.team, workflow=place.workflow,
            window_start=end_ms - finding.days * DAY_MS if finding.days else min(episode.start_ms, end_ms),
            window_end=end_ms + (0 if finding.days else 1), opened_at=episode.opened_ms, updated_at=episode.told_ms,
            observed=None if finding.observed is None else number(finding.observed),
            expected=None if finding.expected is None else number(finding.expected), ratio=ratio,
            sample_size=int(number(finding.sample_size)), min_sample_size=detector.min_sample,
            money_at_stake_micro_usd=None if money is None else int(number(money)),
            evidence={name: number(value) for name, value in sorted(finding.evidence.items())} | {"score": _coarse(finding.score)},
            summary=_coarse_words(finding.summary) if coarse else finding.summary, benign_causes=list(detector.benign_causes), next_step=detector.next_step,
            config_version=self._version,
        )  # fmt: skip

    @property
    def pending(self) -> bool:
        """Whether anything waits to be written."""
        return bool(self._changed or self._told_changed)

    def drain(self, writes: Writes) -> None:
        """Write what changed."""
        for place in self._changed:
            key = keys.EPISODE + f"e{place.detector}\0{place.team}\0{place.workflow or ''}".encode()
            state = self._states.get(place)
            writes[key] = None if state is None else msgspec.json.encode(state)
        self._changed = set()
        for team in self._told_changed:
            writes[keys.EPISODE + f"t\0{team}\0".encode()] = orjson.dumps(
                {str(it): n for it, n in self._told[team].items()}
            )
        self._told_changed = set()


def _in_order(found: tuple[Place, Episode]) -> tuple[str, str, str]:
    place = found[0]
    return place.detector, place.team, place.workflow or ""


def _coarse(value: float) -> float:
    """A number to two significant digits."""
    return float(f"{value:.2g}")


def _coarse_words(text: str) -> str:
    """A sentence whose numbers have two significant digits at most: what fields may not tell, words may not either."""
    return _NUMBER.sub(_coarse_number, text)


def _coarse_number(found: re.Match[str]) -> str:
    said = found.group()
    if len(said.replace(",", "").replace(".", "").strip("0")) <= 2:
        return said
    value = _coarse(float(said.replace(",", "")))
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def _exact(value: float) -> float:
    return float(value)
