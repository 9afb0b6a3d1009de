"""The slow path of the stage *detect*: one day of every scope of a shard.

Each workflow's day is added to its history, and a team's is the sum of its workflows'. All verdicts of a day are reached
first, then those that are rare enough among so many are told, those that explain others before the others.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import astuple, replace
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from streams.core import keys
from streams.core.alerting import MUTE, Circumstances, Reason, rare_enough
from streams.core.calendar import days_of_month
from streams.core.effects import Effects
from streams.core.episodes import Episodes, Place
from streams.core.findings import Clear, Detector, Finding, Insufficient, Judges, Verdict
from streams.core.history import Feature, History, total
from streams.core.pace import Pace
from streams.core.params import EngineParams
from streams.core.people import LEAST_GAPS, merged, regular, spread
from streams.core.pseudonyms import iso_week
from streams.core.snapshot import DAY_MS, Organisation, Regular, Snapshot, Week
from streams.core.store import StateView, Writes
from streams.core.watches import Watch

__all__ = ["Judging"]

#: The share of findings that may be chance.
_FALSE_SHARE: Final = 0.2
#: Weeks of shapes that are kept.
_WEEKS: Final = 12
#: Detectors whose findings explain no others.
_TOLD_APART: Final = frozenset({"budget_burn"})


class _Asked(NamedTuple):
    """A verdict, and on what."""

    detector: Detector
    place: Place
    snapshot: Snapshot
    verdict: Verdict


class _Explains(NamedTuple):
    """What another finding of a team may be explained by."""

    detector: str
    workflow: str | None
    firing: bool


class Judging:
    """Judges days. Shares the watches, paces and episodes of the stage."""

    def __init__(
        self, store: StateView, params: EngineParams, judges: Judges, watches: dict[tuple[str, str], Watch],
        paces: dict[str, Pace], episodes: Episodes, touch: Callable[[Watch], None],
    ) -> None:  # fmt: skip
        self._touch = touch
        self._store = store
        self._params = params
        self._policy = params.policy
        self._zone = ZoneInfo(params.policy.time_zone)
        self._slow = [it for it in judges.registry if it.detect is not None and params.policy.detector(it.name).enabled]
        self._judges = judges
        #: What explains more comes first.
        self._order = {detector.name: number for number, detector in enumerate(judges.registry)}
        self._watches = watches
        self._paces = paces
        self._episodes = episodes
        self._pending: Writes = {}
        self._weeks: dict[str, list[Week]] = {}
        decoder = msgspec.json.Decoder(list[Week])
        for key, data in store.range(*keys.all_of(keys.TEAM_WEEKS)):
            self._weeks[key[1:].decode()] = decoder.decode(data)

    def judge(self, day: int, effects: Effects) -> None:
        """Judge one day."""
        teams: dict[str, dict[str, Watch]] = defaultdict(dict)
        for (team, workflow), watch in sorted(self._watches.items()):
            teams[team][workflow] = watch
        ends_week = iso_week((day + 1) * DAY_MS) > iso_week(day * DAY_MS)
        histories = {team: self._histories(team, watches, day) for team, watches in teams.items()}
        wholes = {team: total(list(parts.values()), day) for team, parts in histories.items()}
        organisation = Organisation([wholes[team] for team in sorted(wholes)])
        scopes: list[Snapshot] = []
        for team in sorted(teams):
            if ends_week:
                self._end_week(team, teams[team], day)
            scopes += self._scopes(team, teams[team], histories[team], wholes[team], organisation, day, ends_week)
            self._forecast(team, wholes[team], day, effects)
        self.weigh(scopes, day, effects)
        self._mark(histories)
        for watches in teams.values():
            self._forget(watches, day)

    # ------------------------------------------------------------------------------------------------- what is known

    def _histories(self, team: str, watches: dict[str, Watch], day: int) -> dict[str, History]:
        found: dict[str, History] = {}
        for workflow, watch in list(watches.items()):
            key = keys.HISTORY + f"{team}\0{workflow}".encode()
            data = self._pending[key] if key in self._pending else self._store.get(key)
            history = History(day) if data is None else History.decode(data)
            history.advance(day)
            for at in sorted(it for it in watch.open if it <= day):
                counts = watch.forget_day(at)
                if at == day:
                    counts[Feature.PEOPLE] = self._at_work(watch, day)
                history.add(at, counts)
            if not history.days.any() and not watch.open:
                # Nothing for ten weeks: whatever it was, it is over.
                del watches[workflow], self._watches[team, workflow]
                watch.over = True
                self._touch(watch)
                self._pending[key] = None
                continue
            watch.typical_hour = _typical(history, Feature.BUSIEST_HOUR)
            watch.dearest_run = _typical(history, Feature.DEAREST_RUN)
            starts, spend = history.days[-28:, Feature.STARTS].sum(), history.days[-28:, Feature.SPEND].sum()
            watch.typical_run = int(spend / starts) if starts >= 20 else -1
            self._pending[key] = history.encode()
            self._touch(watch)
            found[workflow] = history
        return found

    @staticmethod
    def _at_work(watch: Watch, day: int) -> int:
        bit = 1 << (day + 3) % 7
        stints = watch.stints.get(iso_week(day * DAY_MS), {})
        return sum(1 for actor, stint in stints.items() if actor and stint.days & bit)

    def _end_week(self, team: str, watches: dict[str, Watch], day: int) -> None:
        week = iso_week(day * DAY_MS)
        known = self._policy.team(team)
        targets = known.weekly_actor_target_tokens, known.weekly_actor_target_events
        weeks = self._weeks.setdefault(team, [])
        stints = [watch.stints.get(week, {}) for watch in watches.values()]
        for watch, of_week in zip(watches.values(), stints, strict=True):
            watch.last_regular = astuple(regular(of_week))
        weeks.append(spread(week, merged(stints), targets))
        del weeks[:-_WEEKS]
        self._pending[keys.TEAM_WEEKS + team.encode()] = msgspec.json.encode(weeks)

    def _mark(self, histories: dict[str, dict[str, History]]) -> None:
        """Mark the day in the histories of what an alert is about: what it tells of is ordinary for nobody."""
        marked: dict[str, set[str | None]] = defaultdict(set)
        for place, episode in self._episodes:
            if episode.firing and place.detector not in _TOLD_APART:
                marked[place.team].add(place.workflow)
        for team, places in marked.items():
            for workflow, history in histories.get(team, {}).items():
                if None in places or workflow in places:
                    history.days[-1, Feature.MARKED] = 1
                    self._pending[keys.HISTORY + f"{team}\0{workflow}".encode()] = history.encode()

    # ------------------------------------------------------------------------------------------------- verdicts

    def _scopes(
        self, team: str, watches: dict[str, Watch], parts: dict[str, History], whole: History,
        organisation: Organisation, day: int, ends_week: bool,
    ) -> list[Snapshot]:  # fmt: skip
        """Every scope of a team that is looked at: its workflows, and the whole."""
        expected = self._params.outcomes_expected.get(team, bool(whole.days[:, Feature.OUTCOMES].any()))
        weeks = tuple(self._weeks.get(team, ())) if ends_week else ()
        declared = {name for name in parts if self._declared(team, name)}
        # What the policy declares is looked at by nobody, neither by itself nor in the sum, and what is snoozed not in the sum.
        left_out = declared | {name for name in parts if self._policy.workflow(team, name).snoozed_on(day)}
        looked_at = whole if not left_out else total([it for name, it in parts.items() if name not in left_out], day)
        now, before = iso_week(day * DAY_MS), iso_week(day * DAY_MS) - 1

        def people(names: Iterable[str]) -> int:
            counted = [
                len({actor for name in names for actor in watches[name].stints.get(week, {}) if actor})
                for week in (now, before)
            ]
            return max(counted)

        scopes: list[Snapshot] = []
        regulars = {name: self._regular(watches[name], now) for name in parts}
        for name, history in parts.items():
            if name and name not in declared:
                scopes.append(
                    Snapshot(
                        team, name, day, history, organisation, people([name]), (),
                        regulars[name], self._policy.team(team), self._policy.workflow(team, name),
                        expected, whole=looked_at,
                    )
                )  # fmt: skip
        names = [name for name in parts if name not in left_out]
        scopes.append(
            Snapshot(
                team, None, day, looked_at, organisation, people(names), weeks, _together([regulars[name] for name in names]),
                self._policy.team(team),
                outcomes_expected=expected,
            )
        )  # fmt: skip
        return scopes

    def weigh(self, scopes: list[Snapshot], day: int, effects: Effects) -> None:
        """Reach all verdicts of a day, and tell what there is to tell."""
        ends_week = iso_week((day + 1) * DAY_MS) > iso_week(day * DAY_MS)
        verdicts: list[_Asked] = []
        for scope in scopes:
            verdicts += [
                self._ask(detector, scope)
                for detector in self._slow
                if (detector.team if scope.workflow is None else detector.workflow)
                and (ends_week or not detector.weekly)
            ]
        self._tell(verdicts, (day + 1) * DAY_MS, effects)
        self._let_go({asked.place for asked in verdicts}, (day + 1) * DAY_MS, ends_week, effects)

    def _let_go(self, judged: set[Place], now_ms: int, ends_week: bool, effects: Effects) -> None:
        """Episodes of scopes that nobody looks at any more come to their end like all others.

        Such are workflows that the policy declares by now, teams that are gone, and detectors that were switched off.
        """
        for place, _ in self._episodes:
            detector = self._judges.detector(place.detector)
            if detector.detect is None or place in judged or (detector.weekly and not ends_week):
                continue
            self._episodes.judge(detector, place, Clear(), Circumstances(now_ms=now_ms), effects, coarse=True)

    def _ask(self, detector: Detector, scope: Snapshot) -> _Asked:
        place = Place(detector.name, scope.team, scope.workflow)
        if scope.history.age < detector.after_days:
            return _Asked(detector, place, scope, Insufficient(scope.history.age, detector.after_days))
        episode = self._episodes.find(place)
        if episode is not None:
            scope = replace(scope, frozen_from=episode.start_ms // DAY_MS, memory={})
        assert detector.detect is not None
        verdict = detector.detect(scope, self._policy.detector(detector.name))
        if isinstance(verdict, Finding) and not scope.recent(Feature.PRICED, max(1, verdict.days)):
            # A spend that nobody knows is none of zero.
            verdict = replace(verdict, money_micro_usd=None)
        return _Asked(detector, place, scope, verdict)

    def _regular(self, watch: Watch, week: int) -> Regular:
        """What begins by the clock, of this week or, as long as that is too short to tell, of the last one."""
        found = regular(watch.stints.get(week, {}))
        if found.streams or not watch.last_regular:
            return found
        known = sum(len(stint.gaps) for stint in watch.stints.get(week, {}).values())
        return found if known >= 2 * LEAST_GAPS else Regular(*watch.last_regular)

    def _declared(self, team: str, workflow: str) -> bool:
        known = self._policy.workflow(team, workflow)
        return known.declared_schedule or known.exploratory

    def _forecast(self, team: str, whole: History, day: int, effects: Effects) -> None:
        """Judge what the month of a team with a budget will come to."""
        pace = self._paces.get(team)
        budget = self._policy.team(team).monthly_budget_micro_usd
        if pace is None or not budget:
            return
        pace.learn(day)
        gone, left = days_of_month((day + 1) * DAY_MS, self._zone)
        spends = whole.days[:, Feature.SPEND]
        if whole.age < 28 or gone < 3:
            return
        week = spends[-7:]
        rest = float(week.mean()) * left
        faster = float(week.sum() * 3 / max(1.0, spends[-28:-7].sum()))
        error = float(week.std()) * (left + left * left / 7) ** 0.5
        verdict = self._judges.forecast(
            budget, float(spends[-gone:].sum()), rest, error, faster, int(whole.days[-7:, 0].sum())
        )
        detector = self._judges.detector("budget_burn")
        place = Place(detector.name, team, None)
        if isinstance(verdict, Finding) or self._episodes.find(place) is None:
            self._episodes.judge(
                detector, place, verdict, Circumstances(now_ms=(day + 1) * DAY_MS), effects, coarse=True
            )  # fmt: skip

    # ------------------------------------------------------------------------------------------------- telling

    def _tell(self, verdicts: list[_Asked], now_ms: int, effects: Effects) -> None:
        rare = self._rare(verdicts)
        explaining: dict[str, list[_Explains]] = defaultdict(list)
        for place, episode in self._episodes:
            if place.detector not in _TOLD_APART and (episode.firing or (episode.hits & 1 and not episode.mute)):
                explaining[place.team].append(_Explains(place.detector, place.workflow, episode.firing))
        for asked in self._risen(verdicts):
            detector, place, snapshot, verdict = asked
            if self._episodes.find(place) is None and not isinstance(verdict, Finding):
                reason = Reason.INSUFFICIENT if isinstance(verdict, Insufficient) else Reason.QUIET
                self._episodes.note(place, reason, verdict, now_ms, effects)
                continue
            concerns_people = bool(snapshot.recent(Feature.ATTRIBUTED, 7))
            around = Circumstances(
                now_ms=now_ms,
                explained=_explained(self._order, place, explaining[place.team]),
                snoozed=snapshot.place.snoozed_on(snapshot.day),
                enough_people=self._enough(detector, snapshot),
                over_budget=self._episodes.over_budget(place.team, now_ms),
                rare=not isinstance(verdict, Finding) or verdict.chance <= rare[detector.family],
            )
            decision = self._episodes.judge(detector, place, verdict, around, effects, coarse=concerns_people)
            if isinstance(verdict, Finding) and decision.reason not in MUTE:
                firing = decision.episode is not None and decision.episode.firing
                explaining[place.team].append(_Explains(place.detector, place.workflow, firing))

    @staticmethod
    def _rare(verdicts: list[_Asked]) -> dict[str, float]:
        """By family, the largest chance that is rare enough among all that were really judged."""
        judged: dict[str, int] = defaultdict(int)
        chances: dict[str, list[float]] = defaultdict(list)
        for detector, _, _, verdict in verdicts:
            if isinstance(verdict, Finding):
                chances[detector.family].append(verdict.chance)
            if not isinstance(verdict, Insufficient) and verdict.score > 0:
                judged[detector.family] += 1
        return {family: rare_enough(found, judged[family], _FALSE_SHARE) for family, found in chances.items()}

    def _enough(self, detector: Detector, snapshot: Snapshot) -> bool:
        """Whether a scope concerns nobody, or people enough for a detector."""
        least = max(detector.group, self._params.min_actors) if self._params.min_actors else 0
        return snapshot.people >= least or not snapshot.recent(Feature.ATTRIBUTED, 7)

    def _risen(self, verdicts: list[_Asked]) -> list[_Asked]:
        """Verdicts in the order in which they are told: what explains more first, workflows before their team.

        A finding about a workflow of too few people rises to its team, without any figure, where the team has nothing to
        say of its own.
        """
        whole = {place.team: snapshot for _, place, snapshot, _ in verdicts if place.workflow is None}
        found: dict[Place, _Asked] = {asked.place: asked for asked in verdicts}
        for detector, place, snapshot, verdict in verdicts:
            team = whole.get(place.team)
            if (
                place.workflow is None
                or team is None
                or not isinstance(verdict, Finding)
                or self._enough(detector, snapshot)
                or snapshot.place.snoozed_on(snapshot.day)
            ):
                continue
            del found[place]
            above = place._replace(workflow=None)
            known = found.get(above)
            if known is None or not isinstance(known.verdict, Finding):
                found[above] = _Asked(detector, above, team, _without_figures(detector, verdict))
        return sorted(
            found.values(),
            key=lambda it: (
                it.place.team,
                self._order[it.detector.name],
                it.place.workflow is None,
                it.place.workflow or "",
            ),
        )

    # ------------------------------------------------------------------------------------------------- forgetting

    def _forget(self, watches: dict[str, Watch], day: int) -> None:
        """Forget the people of weeks that no event can come to any more."""
        now_ms = (day + 1) * DAY_MS
        for watch in watches.values():
            for week in [it for it in watch.stints if iso_week(now_ms - self._params.grace_ms) > it]:
                place = keys.STINT + week.to_bytes(4, "big") + watch.number.to_bytes(8, "big")
                for actor in watch.stints.pop(week):
                    self._pending[place + actor.to_bytes(8, "big")] = None
                    watch.touched_stints.pop((week, actor), None)

    def drain(self, writes: Writes) -> None:
        """Write what changed."""
        writes.update(self._pending)
        self._pending = {}


def _together(parts: list[Regular]) -> Regular:
    """What begins by the clock in several workflows; how often and how regularly is that of the most regular."""
    most = max(parts, key=lambda it: it.permille, default=Regular())
    return Regular(
        sum(it.starts for it in parts), sum(it.streams for it in parts), sum(it.calls for it in parts),
        sum(it.spend for it in parts), sum(it.output for it in parts), most.gap_seconds, most.permille,
    )  # fmt: skip


def _typical(history: History, feature: Feature) -> int:
    """The most of a day in the last four weeks; -1 where there are too few days."""
    values = history.days[-28:, feature]
    return int(values.max()) if history.age >= 14 and (values > 0).sum() >= 8 else -1


def _explained(order: dict[str, int], place: Place, explaining: list[_Explains]) -> bool:
    """Whether another finding of the team explains one, of an overlapping scope.

    That of a detector that explains more does, whether it is told yet or not; the same detector's, of another scope, once
    it fires.
    """
    for detector, workflow, firing in explaining:
        overlaps = workflow is None or place.workflow is None or workflow == place.workflow
        if overlaps and order[detector] < order[place.detector]:
            return True
        if overlaps and firing and detector == place.detector and workflow != place.workflow:
            return True
    return False


def _without_figures(detector: Detector, finding: Finding) -> Finding:
    """What may be said of a finding that concerns too few people: that there is one."""
    return Finding(
        score=finding.score, chance=finding.chance, severity=finding.severity, days=finding.days, observed=None, expected=None,
        sample_size=detector.min_sample, money_micro_usd=None,
        summary=f"In a part of the team's work that is too small to show by itself: {detector.rule}.",
    )  # fmt: skip
