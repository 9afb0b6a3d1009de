"""What the state and the records know of people: attacks on them, each shown to succeed without its protection."""

from hashlib import blake2b

import pytest

from streams.core import keys, masking
from streams.core.aggregate import Aggregate
from streams.core.figures import rounded, rounded_count
from streams.core.outcomes import JoinResult
from streams.core.pseudonyms import Pseudonyms, iso_week
from streams.core.windows import Scope, Window
from tests.engine_runs import (
    DAY,
    FIVE,
    HOUR,
    KEY,
    MINUTE,
    MONDAY,
    NOW,
    SECOND,
    WEEK,
    EngineRun,
    outcome,
    place_of,
    usage,
)

PEOPLE = tuple(f"person-{number}@example.com" for number in range(7))


def hour_of(run: EngineRun, workflow: str | None = "review", at: int = MONDAY) -> int | None:
    """The spend that an hour tells; None if it is not published."""
    kpi = run.latest.get(("payments", workflow, HOUR, at))
    return None if kpi is None else kpi.spend_micro_usd


def worked(run: EngineRun, people: int, at: int = MONDAY, **fields: object) -> None:
    """Each of some people makes one call, a second apart, for a micro-dollar."""
    start = sum(effects.counts["assay.usage.v1"].received for effects in run.commits if effects.counts)
    run.feed(
        *(
            usage(f"{at}-{start}-{number}", at + number * SECOND, actor=PEOPLE[number], cost_micro_usd=1, **fields)
            for number in range(people)
        )
    )  # fmt: skip


@pytest.mark.parametrize(("people", "told"), [(1, None), (4, None), (5, 5), (7, 7)])
def test_a_window_tells_of_enough_people_or_of_none(people: int, told: int | None) -> None:
    """Five; one fewer is nobody."""
    run = EngineRun(min_actors=5)
    worked(run, people)
    run.finish()
    assert hour_of(run) == told
    assert hour_of(run, None) == told


def test_without_the_minimum_one_person_is_told_of() -> None:
    """The protection is what keeps the first figure of the test above back."""
    run = EngineRun(min_actors=0)
    worked(run, 1)
    run.finish()
    assert hour_of(run) == 1


def test_a_schedule_and_an_event_without_an_actor_concern_nobody() -> None:
    """Whoever owns the schedule, and whatever the policy calls one."""
    run = EngineRun(min_actors=5, scheduled=frozenset({("payments", "nightly")}))
    run.feed(
        usage("1", MONDAY, trigger="schedule", actor="svc", cost_micro_usd=1), usage("2", MONDAY, cost_micro_usd=1),
        usage("3", MONDAY, trigger="ci", actor="ada", cost_micro_usd=1),
        usage("4", MONDAY, workflow="nightly", actor="ada", cost_micro_usd=1),
    )  # fmt: skip
    run.finish()
    assert (hour_of(run), hour_of(run, "nightly")) == (3, 1)


def test_what_an_hour_holds_back_its_day_tells() -> None:
    """Three people before noon and two after: not by the hour, but together, and the metric once."""
    run = EngineRun(min_actors=5)
    worked(run, 3)
    run.feed(
        *(usage(f"late-{name}", MONDAY + 5 * HOUR, actor=name, cost_micro_usd=1) for name in PEOPLE[3:5])
    )  # fmt: skip
    run.finish()
    assert hour_of(run) is None
    assert run.latest["payments", "review", DAY, MONDAY].spend_micro_usd == 5
    assert run.told["payments", "review"][0] == 5


def test_the_difference_of_a_day_and_its_hours_is_no_persons() -> None:
    """One more person at night: the day is told without what that one did, and says so; the hour does not."""
    run = EngineRun(min_actors=5)
    worked(run, 5)
    run.feed(usage("night", MONDAY + 3 * HOUR, actor=PEOPLE[6], cost_micro_usd=100))
    run.finish()
    day = run.latest["payments", "review", DAY, MONDAY]
    assert (day.spend_micro_usd, day.withheld) == (5, "group_minimum")
    assert run.latest["payments", None, WEEK, MONDAY].spend_micro_usd == 5
    assert run.latest["payments", "review", HOUR, MONDAY].withheld is None
    assert ("payments", "review", HOUR, MONDAY + 3 * HOUR) not in run.latest
    assert run.engine.withheld_micro_usd == 100


def test_small_workflows_are_told_by_the_week_of_their_team() -> None:
    """Of five people, each in a workflow of their own: as one sum, under no workflow's name."""
    run = EngineRun(min_actors=5)
    run.feed(
        *(usage(name, MONDAY, actor=name, workflow=f"w-{name}", cost_micro_usd=1) for name in PEOPLE[:5])
    )  # fmt: skip
    run.finish()
    assert {place[1:3] for place in run.latest} == {(None, WEEK)}
    assert run.latest["payments", None, WEEK, MONDAY].spend_micro_usd == 5
    assert run.told == {("payments", ""): (5, 0, 0, 0, 0)}


def test_a_late_event_of_one_person_corrects_no_window_that_has_closed() -> None:
    """The difference of the two revisions would be that person's; it rises instead."""
    run = EngineRun(min_actors=5, lateness_ms=0)
    worked(run, 5)
    run.feed(usage("next", MONDAY + 2 * HOUR))
    run.feed(usage("late", MONDAY + MINUTE, actor=PEOPLE[6], cost_micro_usd=100), usage("b", MONDAY + 3 * HOUR))
    run.feed(usage("free", MONDAY + MINUTE, cost_micro_usd=7), usage("c", MONDAY + 4 * HOUR))
    run.finish()
    hour = run.latest["payments", "review", HOUR, MONDAY]
    # An event that concerns nobody does correct it.
    assert (hour.spend_micro_usd, hour.revision) == (12, 2)
    assert run.latest["payments", "review", DAY, MONDAY].spend_micro_usd == 12


def team_week(run: EngineRun) -> tuple[int | None, int | None]:
    """Accepted and undone outcomes that the team's first week tells of."""
    kpi = run.latest["payments", None, WEEK, MONDAY]
    return kpi.accepted, kpi.reversed


def undone(name: str, at: int) -> bytes:
    return outcome(f"undo-{name}", at, kind="change_reverted", verdict="reversed", reverses=name)


def test_what_came_after_its_week_and_was_never_told_is_undone_nowhere() -> None:
    """One person's merge, given up when the week was final: no window had counted it."""
    run = EngineRun(min_actors=5, lateness_ms=0, outcomes_expected={"payments": True})
    worked(run, 6)
    run.feed(usage("n", MONDAY + WEEK + HOUR))
    run.feed_outcomes(outcome("1", MONDAY + HOUR, workflow="review", actor=PEOPLE[0]))
    run.feed(usage("n-2", MONDAY + WEEK + 3 * DAY))
    run.feed_outcomes(undone("1", MONDAY + WEEK + 3 * DAY))
    run.feed(usage("n-3", MONDAY + WEEK + 4 * DAY))
    assert team_week(run) == (0, 0)


def test_what_came_after_its_week_is_undone_where_it_was_told() -> None:
    """Though others are waiting by then: those are not told of, and nothing is taken from them."""
    run = EngineRun(min_actors=5, lateness_ms=0, outcomes_expected={"payments": True})
    worked(run, 6)
    run.feed(usage("n", MONDAY + WEEK + HOUR))
    run.feed_outcomes(*(outcome(name, MONDAY + HOUR, workflow="review", actor=name) for name in PEOPLE[:5]))
    run.feed(usage("n-2", MONDAY + WEEK + 2 * HOUR))
    assert team_week(run) == (5, 0)
    run.feed_outcomes(outcome("late", MONDAY + HOUR, workflow="review", actor=PEOPLE[5]))
    run.feed_outcomes(*(undone(name, MONDAY + WEEK + 2 * HOUR) for name in PEOPLE[:4]))
    run.feed(usage("n-3", MONDAY + WEEK + 3 * HOUR))
    assert team_week(run) == (1, 4)
    run.feed_outcomes(*(outcome(f"{name}-2", MONDAY + HOUR, workflow="review", actor=name) for name in PEOPLE[:4]))
    run.feed(usage("n-4", MONDAY + WEEK + 4 * HOUR))
    assert team_week(run) == (6, 4)


def test_an_outcome_of_a_person_stays_one_when_it_is_joined_to_a_run_of_nobodys() -> None:
    """Usage comes in after it, and moves it to another workflow: alone there, it would be told of."""
    run = EngineRun(min_actors=5, lateness_ms=0, outcomes_expected={"payments": True})
    run.feed_outcomes(outcome("1", MONDAY + HOUR, workflow="review", run_id="r", actor=PEOPLE[0]))
    run.feed(usage("ci", MONDAY + MINUTE, workflow="ci", run_id="r", trigger="ci"))
    run.feed(usage("n", MONDAY + WEEK + HOUR))
    assert run.joins[JoinResult.RUN_LATER] == 1
    assert not any(kpi.accepted for kpi in run.kpis)


def test_of_a_final_week_nobody_is_told_of_any_more() -> None:
    """Who was counted in it is forgotten: four who waited, and one of them once more, would count as five."""
    run = EngineRun(min_actors=5, lateness_ms=0, outcomes_expected={"payments": True})
    worked(run, 6)
    run.feed(usage("n", MONDAY + WEEK + HOUR))
    run.feed_outcomes(*(outcome(name, MONDAY + HOUR, workflow="review", actor=name) for name in PEOPLE[:4]))
    run.feed(usage("n-2", MONDAY + WEEK + 3 * DAY))
    run.feed_outcomes(*(outcome(f"{name}-2", MONDAY + HOUR, workflow="review", actor=name) for name in PEOPLE[:4]))
    run.feed(usage("n-3", MONDAY + WEEK + 4 * DAY))
    assert team_week(run) == (0, 0)


# ------------------------------------------------------------------------------------------------- what the state knows


def test_pseudonyms_are_gone_once_their_week_and_its_grace_are_over() -> None:
    """From every row of every kind; 5-minute rows are gone altogether. Before that they are there."""
    run = EngineRun(min_actors=5, lateness_ms=0)
    week = iso_week(MONDAY)
    marks = [Pseudonyms(KEY).pseudonym(week, name).to_bytes(8, "little") for name in PEOPLE]
    worked(run, 7)
    worked(run, 2, MONDAY + 30 * HOUR, workflow="other")
    assert [mark for mark in marks if any(mark in data for data in run.state(keys.ROW).values())]
    run.feed(usage("next", MONDAY + WEEK + DAY + HOUR, team="other"))
    left = [(key, mark) for key, data in run.store.data.items() for mark in marks if mark in data]
    assert left == []
    rows = [keys.parse_row(key) for key in run.state(keys.ROW) if keys.parse_row(key).team == "payments"]
    assert {row.window for row in rows} == {Window.HOUR, Window.DAY, Window.WEEK}
    assert {row.scope for row in rows} == {Scope.WORKFLOW, Scope.TEAM, Scope.HELD, Scope.POOLED}


def test_without_sealing_they_would_stay() -> None:
    """The protection of the test above, switched off."""
    from streams.core.distinct import encode

    run = EngineRun(min_actors=5, lateness_ms=0)
    worked(run, 7)
    row = next(
        Aggregate.decode(keys.parse_row(key), data) for key, data in run.state(keys.ROW).items()
    )  # fmt: skip
    mark = Pseudonyms(KEY).pseudonym(iso_week(MONDAY), PEOPLE[0]).to_bytes(8, "little")
    assert mark in encode(row.actors)
    row.seal()
    assert mark not in row.encode()


def test_no_raw_actor_is_in_any_state_or_record() -> None:
    """Of usage and of outcomes, accepted and refused."""
    run = EngineRun(min_actors=0)
    name = "marked.person@example.com"
    run.feed(usage("1", MONDAY, actor=name, run_id="r"), usage("2", MONDAY, actor=name, cost_micro_usd=-1))
    run.feed_outcomes(outcome("1", MONDAY, actor=name), outcome("2", MONDAY, actor=name, kind="unheard_of"))
    run.finish()
    said = [*run.store.data.values(), *run.store.data.keys(), *(letter.payload for letter in run.dead_letters)]
    said += [repr(it).encode() for it in (*run.kpis, *run.dead_letters)]
    assert len(run.dead_letters) == 2
    assert not [it for it in said if b"marked" in it]


def test_without_masking_a_dead_letter_would_name_the_actor(monkeypatch: pytest.MonkeyPatch) -> None:
    """The protection of the test above, switched off."""
    monkeypatch.setattr("streams.core.deadletters.masked", lambda value: value)
    run = EngineRun()
    run.feed(usage("2", MONDAY, actor="marked.person@example.com", cost_micro_usd=-1))
    assert b"marked" in run.dead_letters[0].payload
    assert b"marked" not in masking.masked(run.dead_letters[0].payload)


def test_one_person_of_two_weeks_is_two() -> None:
    """Pseudonyms of one week tell nothing about the next; with one key for all weeks they would."""
    pseudonyms = Pseudonyms(KEY)
    week = iso_week(MONDAY)
    linked = {pseudonyms.pseudonym(week, name) for name in PEOPLE} & {
        pseudonyms.pseudonym(week + 1, name) for name in PEOPLE
    }
    assert linked == set()
    assert {pseudonyms.pseudonym(week, name) for name in PEOPLE} == {
        Pseudonyms(KEY).pseudonym(week, name) for name in PEOPLE
    }


def test_a_list_of_everybody_finds_nobody_without_the_key() -> None:
    """A dictionary attack: with the key, or on a hash without one, it would find all."""
    week = iso_week(MONDAY)
    stored = {Pseudonyms(KEY).pseudonym(week, name) for name in PEOPLE}
    guesses = [b"", b"0" * 16, b"assay-development-key-protects-nobody"]
    attempts = {Pseudonyms(key).pseudonym(week, name) for key in guesses[1:] for name in PEOPLE}
    attempts |= {int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big") for name in PEOPLE}
    assert not stored & attempts
    assert stored == {Pseudonyms(KEY).pseudonym(week, name) for name in PEOPLE}


def test_money_of_cohorts_is_rounded_where_people_had_a_part() -> None:
    """Else a window's spend less that of its cohort would be what the few spent that are in no cohort."""
    run = EngineRun(min_actors=5)
    run.feed_outcomes(outcome("o", MONDAY))
    run.feed(
        *(usage(name, MONDAY, actor=name, run_id=name, cost_micro_usd=12_345) for name in PEOPLE[:5]),
        *(usage(f"free-{it}", MONDAY, workflow="free", run_id=f"free-{it}", cost_micro_usd=12_345) for it in range(5)),
    )  # fmt: skip
    run.finish(settle=True)
    week, free = (run.latest["payments", workflow, WEEK, MONDAY] for workflow in ("review", "free"))
    assert (week.spend_micro_usd, week.cohort_spend_micro_usd, week.cohort_orphan_spend_micro_usd) == (
        61_725,
        62_000,
        62_000,
    )
    assert (free.spend_micro_usd, free.cohort_spend_micro_usd) == (61_725, 61_725)


@pytest.mark.parametrize(
    ("amount", "told"), [(0, 0), (7, 7), (99, 99), (994, 990), (995, 1_000), (61_725, 62_000), (10**15 + 1, 10**15)]
)
def test_two_digits_are_told(amount: int, told: int) -> None:
    """Halves go up."""
    assert rounded(amount) == told


def test_news_of_a_settled_run_is_told_only_where_it_concerns_nobody() -> None:
    """An outcome after maturity: the difference of two revisions would be one person's run."""
    run = EngineRun(min_actors=5, lateness_ms=0, outcomes_expected={"payments": True})
    run.feed(
        *(usage(f"their-{it}", MONDAY, actor=name, run_id=f"their-{it}") for it, name in enumerate(PEOPLE[:5])),
    )
    run.feed(usage("free", MONDAY, workflow="free", run_id="nobodys", cost_micro_usd=1))
    run.feed(usage("next", MONDAY + 8 * DAY, team="other"))
    for name, workflow in (("their-0", "review"), ("nobodys", "free")):
        run.feed_outcomes(outcome(name, MONDAY + 7 * DAY, run_id=name, workflow=workflow))
    run.feed(usage("later", MONDAY + 9 * DAY, team="other"))
    run.finish()
    orphans = {
        workflow: [kpi.cohort_orphan_runs for kpi in run.kpis if place_of(kpi) == ("payments", workflow, HOUR, MONDAY)]
        for workflow in ("review", "free")
    }
    assert orphans == {"review": [None, 5], "free": [None, 1, 0]}


def test_counts_of_cohorts_are_rounded_where_people_had_a_part() -> None:
    """Else a window's runs less those of its cohort would be how many a few people went on with from before."""
    run = EngineRun(min_actors=5)
    names = [*PEOPLE[:5], PEOPLE[0], PEOPLE[0]]
    run.feed_outcomes(*(outcome(f"{it}", MONDAY, run_id=f"{it}") for it in range(3)))
    run.feed(*(usage(f"{it}", MONDAY, actor=name, run_id=f"{it}") for it, name in enumerate(names)))
    run.finish(settle=True)
    week = run.latest["payments", "review", WEEK, MONDAY]
    cohort = (week.cohort_runs, week.cohort_orphan_runs, week.cohort_runs_with_outcome, week.cohort_accepted)
    assert (week.runs, week.accepted, cohort, week.outcome_coverage) == (7, 3, (5, 5, 5, 5), 1.0)


@pytest.mark.parametrize(
    ("number", "told"), [(0, 0), (2, 0), (3, 5), (7, 5), (99, 100), (123, 120), (994, 990), (1_234, 1_200)]
)
def test_counts_are_told_in_fives_and_two_digits(number: int, told: int) -> None:
    """Halves go up."""
    assert rounded_count(number) == told


@pytest.mark.parametrize("maturity", [2 * HOUR, 4 * DAY])
def test_runs_that_rise_to_their_day_are_told_of_all_at_once(maturity: int) -> None:
    """However soon they are mature, and whatever order that is in: once nobody can join them any more."""
    run = EngineRun(min_actors=5, lateness_ms=0, maturity_ms=maturity, outcomes_expected={"payments": True})
    for number, name in enumerate(PEOPLE[:5]):
        run.feed(usage(name, MONDAY + number * 2 * HOUR, actor=name, run_id=name, cost_micro_usd=1_000))
    for hour in range(24, 7 * 24):
        run.feed(usage(f"free-{hour}", MONDAY + hour * HOUR, team="other"))
    run.finish()
    told = [
        (kpi.window_size_ms, kpi.window_start, kpi.cohort_runs, kpi.cohort_spend_micro_usd)
        for kpi in run.kpis if kpi.cohort_runs and kpi.workflow
    ]  # fmt: skip
    assert told == [(DAY, MONDAY, 5, 5_000), (WEEK, MONDAY, 5, 5_000)]


@pytest.mark.parametrize("grows", [False, True])
def test_runs_that_wait_are_told_of_though_the_teams_maturity_grows_meanwhile(grows: bool) -> None:
    """A first outcome of a kind that takes longer, when some of a week's runs were due and none was told of yet."""
    run = EngineRun(
        min_actors=5, lateness_ms=0, maturity_by_kind_ms={"change_merged": 2 * HOUR}, outcomes_expected={"payments": True}
    )  # fmt: skip
    run.feed(usage("quick", MONDAY - DAY, run_id="quick", workflow="ci"))
    run.feed_outcomes(outcome("quick", MONDAY - DAY + HOUR, run_id="quick"))
    for number, name in enumerate(PEOPLE[:5]):
        run.feed(usage(name, MONDAY + number * DAY, actor=name, run_id=name, cost_micro_usd=1_000))
    run.feed(usage("n", MONDAY + 7 * DAY + 4 * HOUR, team="other"))
    if grows:
        run.feed(usage("slow", MONDAY + 7 * DAY, run_id="slow", workflow="ci"))
        run.feed_outcomes(outcome("slow", MONDAY + 7 * DAY + HOUR, run_id="slow", kind="ticket_resolved"))
    for hour in range(5, 20 * 24, 6):
        run.feed(usage(f"n-{hour}", MONDAY + 7 * DAY + hour * HOUR, team="other"))
    week = run.latest["payments", "review", WEEK, MONDAY]
    assert (week.cohort_runs, week.cohort_spend_micro_usd) == (5, 5_000)


@pytest.mark.parametrize(
    ("maturity", "horizon", "grace"), [(7, 30, 1), (24, 30, 1), (29, 30, 1), (7, 8, 1), (7, 8, 7), (1, 8, 7)]
)
def test_runs_of_people_outlive_the_horizon_until_their_week_is_told_of(
    maturity: int, horizon: int, grace: int
) -> None:
    """Or else those that began first would be gone when the last are mature; all are forgotten after that."""
    run = EngineRun(
        min_actors=5, lateness_ms=0, maturity_ms=maturity * DAY, horizon_ms=horizon * DAY, grace_ms=grace * DAY,
        outcomes_expected={"payments": True},
    )  # fmt: skip
    for number, name in enumerate(PEOPLE[:5]):
        run.feed(usage(name, MONDAY + number * 36 * HOUR, actor=name, run_id=name, cost_micro_usd=1_000))
    for hour in range(7 * 24, 60 * 24, 2):
        run.feed(usage(f"n-{hour}", MONDAY + hour * HOUR, team="other"))
    week = run.latest["payments", "review", WEEK, MONDAY]
    assert (week.cohort_runs, week.cohort_spend_micro_usd) == (5, 5_000)
    assert not run.state(keys.RUN, keys.BEGAN, keys.WAITING)


@pytest.mark.parametrize("person", [True, False])
@pytest.mark.parametrize("pauses", [True, False])
def test_runs_of_people_are_mature_by_event_time(person: bool, pauses: bool) -> None:
    """An import of a year ago that pauses: by the clock all would be mature, and no outcome could save one any more."""
    run = EngineRun(min_actors=5, outcomes_expected={"payments": True})
    now = MONDAY + 300 * DAY
    pause = [now + 5 * MINUTE + second * SECOND for second in range(40)] if pauses else []
    for number, name in enumerate(PEOPLE[:5]):
        run.step(usage(name, MONDAY + number * MINUTE, actor=name if person else None, run_id=name), now=now)
    for at in pause:
        run.idle(at)
    early = [kpi.cohort_runs for place, kpi in run.latest.items() if place[1:3] == ("review", WEEK)]
    assert early == ([None if person else 5] if pauses else [])
    run.feed(*(usage(f"d-{day}", MONDAY + day * DAY, team="other") for day in range(1, 6)), now=now)
    for at in pause:
        run.idle(at + HOUR)
    run.feed_outcomes(*(outcome(name, MONDAY + 5 * DAY, run_id=name) for name in PEOPLE[:5]), now=now)
    run.feed(*(usage(f"h-{hour}", MONDAY + 5 * DAY + hour * HOUR, team="other") for hour in range(24 * 7)), now=now)
    week, team = (run.latest["payments", workflow, WEEK, MONDAY] for workflow in ("review", None))
    assert (week.cohort_runs, week.cohort_orphan_runs, week.cohort_accepted) == (5, 0, 5)
    # That they are of somebody's runs lets the week of the team alone tell of those that came after it had closed.
    assert (week.accepted, team.accepted) == (0 if person and pauses else 5, 5)


def test_of_five_at_work_one_alone_who_names_runs_has_no_cohort() -> None:
    """Whoever is behind a cohort is counted, not whoever was at work."""
    run = EngineRun(min_actors=5, outcomes_expected={"payments": True})
    worked(run, 5)
    run.feed(usage("run", MONDAY, actor=PEOPLE[0], run_id="r", cost_micro_usd=1_000))
    run.finish(settle=True)
    week = run.latest["payments", "review", WEEK, MONDAY]
    assert (week.calls, week.calls_with_run) == (6, 1)
    assert not any(kpi.cohort_runs for kpi in run.kpis)


def cohorts_told(run: EngineRun) -> dict[tuple[str | None, int], int | None]:
    """The spend of every cohort that is told, by workflow and size."""
    return {place[1:3]: kpi.cohort_spend_micro_usd for place, kpi in run.latest.items() if kpi.cohort_runs is not None}


def test_whoever_goes_on_with_a_run_that_is_settled_is_behind_no_cohort() -> None:
    """Four go on with what CI began: the run that one more person began would be told of alone."""
    run = EngineRun(min_actors=5, lateness_ms=0, maturity_ms=2 * HOUR, outcomes_expected={"payments": True})
    run.feed(*(usage(f"ci-{it}", MONDAY, run_id=f"{it}", trigger="ci", cost_micro_usd=0) for it in range(4)))
    run.feed(usage("alone", MONDAY + MINUTE, actor=PEOPLE[4], run_id="alone", cost_micro_usd=770_000))
    run.feed(usage("next", MONDAY + 4 * HOUR, team="other"))
    run.feed(
        *(usage(name, MONDAY + 5 * HOUR, actor=name, run_id=f"{it}", cost_micro_usd=1) for it, name in enumerate(PEOPLE[:4]))
    )  # fmt: skip
    for hour in range(6, 9 * 24):
        run.feed(usage(f"n-{hour}", MONDAY + hour * HOUR, team="other"))
    run.finish(settle=True)
    assert set(cohorts_told(run).values()) == {0}
    assert run.latest["payments", "review", WEEK, MONDAY].spend_micro_usd == 770_004


def test_a_settled_run_of_nobodys_stays_where_it_was_told_of() -> None:
    """If somebody's earlier call moved it, the hour of that call would show. One that concerns nobody does move it."""
    run = EngineRun(min_actors=5, lateness_ms=0, maturity_ms=2 * HOUR, outcomes_expected={"payments": True})
    run.feed(usage("ci", MONDAY + 12 * HOUR, run_id="theirs", trigger="ci"))
    run.feed(usage("ci-2", MONDAY + 12 * HOUR, run_id="nobodys", trigger="ci"))
    run.feed(usage("n", MONDAY + 15 * HOUR, team="other"))
    run.feed(usage("late", MONDAY + 3 * HOUR, actor=PEOPLE[0], run_id="theirs"))
    run.feed(usage("late-2", MONDAY + 6 * HOUR, trigger="ci", run_id="nobodys"))
    run.feed(usage("n-2", MONDAY + 16 * HOUR, team="other"))
    hours = {
        place[3]: kpi.cohort_runs for place, kpi in run.latest.items() if place[:3] == ("payments", "review", HOUR)
    }
    assert hours == {MONDAY + 12 * HOUR: 1, MONDAY + 6 * HOUR: 1}


def test_whoever_began_exploratory_runs_alone_is_behind_no_cohort() -> None:
    """Those are in none: what the team's week told of would be the run of the one who did other work."""
    run = EngineRun(min_actors=5, outcomes_expected={"payments": True}, exploratory=frozenset({("payments", "play")}))
    run.feed(usage("alone", MONDAY, actor=PEOPLE[4], run_id="alone", cost_micro_usd=770_000))
    run.feed(*(usage(name, MONDAY, workflow="play", actor=name, run_id=name, cost_micro_usd=1) for name in PEOPLE[:4]))
    run.finish(settle=True)
    assert cohorts_told(run) == {}


def test_a_first_outcome_halves_no_group() -> None:
    """It comes in when some of a week's runs are mature, and not told of yet: all are, or none is."""
    run = EngineRun(min_actors=5, lateness_ms=0, maturity_ms=9 * DAY)
    run.feed(*(usage(name, MONDAY, actor=name, run_id=name, cost_micro_usd=1_000) for name in PEOPLE[:4]))
    run.feed(usage("alone", MONDAY + 2 * DAY, actor=PEOPLE[4], run_id="alone", cost_micro_usd=70_000))
    run.feed(usage("n", MONDAY + 10 * DAY, team="other"))
    run.feed_outcomes(outcome("o", MONDAY + 10 * DAY))
    for hour in range(0, 24 * 10, 2):
        run.feed(usage(f"n-{hour}", MONDAY + 10 * DAY + hour * HOUR, team="other"))
    assert cohorts_told(run) == {("review", WEEK): 74_000, (None, WEEK): 74_000}


def test_the_first_event_of_a_day_is_not_the_hour_of_the_one_who_was_early() -> None:
    """One at night and four by day are told by the day, of which neither end says when that was; nobody's calls do."""
    run = EngineRun(min_actors=5, lateness_ms=0)
    run.feed(usage("night", MONDAY + 3 * HOUR + 12 * MINUTE, actor=PEOPLE[5]))
    worked(run, 4, MONDAY + 10 * HOUR)
    run.feed(usage("ci", MONDAY + 11 * HOUR + 1, workflow="ci", trigger="ci"))
    worked(run, 5, MONDAY + 30 * HOUR + MINUTE)
    run.finish()
    ends = {place[1:3]: (kpi.first_event, kpi.last_event) for place, kpi in run.latest.items()}
    hour = MONDAY + 30 * HOUR
    assert ends["review", FIVE] == ends["review", HOUR] == (hour, hour + FIVE)
    assert run.latest["payments", "review", DAY, MONDAY].first_event == MONDAY
    assert ends["ci", DAY] == (MONDAY + 11 * HOUR + 1, MONDAY + 11 * HOUR + 1)
    assert ends[None, WEEK] == (MONDAY, hour + FIVE)


def test_a_restart_does_not_move_the_first_and_the_last_event() -> None:
    """Not to the ends of windows that tell of them again."""
    run = EngineRun(min_actors=5, lateness_ms=0)
    worked(run, 5, MONDAY + 30 * HOUR + 7 * MINUTE)
    run.feed(usage("n", MONDAY + 32 * HOUR, workflow="other"))
    run.crash()
    run.feed(usage("n-2", MONDAY + 3 * DAY, workflow="other"))
    day = run.latest["payments", "review", DAY, MONDAY + DAY]
    assert (day.first_event, day.last_event) == (MONDAY + 30 * HOUR + FIVE, MONDAY + 30 * HOUR + 2 * FIVE)


def test_hours_of_one_person_show_nowhere() -> None:
    """A team of six of whom one works at night: no record and no mark of any window shorter than a day tells of it."""
    quiet, busy = EngineRun(min_actors=5), EngineRun(min_actors=5)
    for run in (quiet, busy):
        worked(run, 5)
    busy.feed(usage("night", MONDAY + 3 * HOUR, actor=PEOPLE[6], cost_micro_usd=100, run_id="r"))
    busy.feed_outcomes(outcome("1", MONDAY + 3 * HOUR, workflow="review", actor=PEOPLE[6], run_id="r"))
    for run in (quiet, busy):
        run.finish(settle=True)
    short = {FIVE, HOUR}
    assert [kpi for kpi in busy.kpis if kpi.window_size_ms in short] == [
        kpi for kpi in quiet.kpis if kpi.window_size_ms in short
    ]  # fmt: skip


def test_an_idle_partition_forgets_people_too_however_often_it_is_restarted() -> None:
    """Silence is measured from the last record, not from the last start."""
    run = EngineRun(min_actors=5, lateness_ms=0)
    worked(run, 7)
    mark = Pseudonyms(KEY).pseudonym(iso_week(MONDAY), PEOPLE[0]).to_bytes(8, "little")
    assert any(mark in data for data in run.store.data.values())
    for day in range(12):
        run.crash()
        for second in range(3):
            run.idle(NOW + day * DAY + second * SECOND)
    assert not [key for key, data in run.store.data.items() if mark in data]


def test_a_partition_with_outcomes_alone_forgets_people_too() -> None:
    """By the clock: no usage moves event time there. Usage that comes after all is neither late nor refused."""
    run = EngineRun(min_actors=5, lateness_ms=0)
    mark = Pseudonyms(KEY).pseudonym(iso_week(MONDAY), PEOPLE[0]).to_bytes(8, "little")
    run.feed_outcomes(outcome("o", MONDAY, actor=PEOPLE[0], workflow="review"))
    assert any(mark in data for data in run.store.data.values())
    for day in range(20):
        run.idle(NOW - 90 * DAY + day * DAY)
    assert not [key for key, data in run.store.data.items() if mark in data]
    run.feed(usage("1", MONDAY, cost_micro_usd=1), usage("2", MONDAY + HOUR))
    run.finish()
    assert (run.counts.applied, run.told["payments", "review"][0]) == (3, 1)


def test_the_merges_of_others_do_not_hide_one_persons_money() -> None:
    """One who spends and six who merge are seven people, and the money is that of one."""
    run = EngineRun(min_actors=5)
    worked(run, 1)
    run.feed_outcomes(*(outcome(name, MONDAY, workflow="review", actor=name) for name in PEOPLE[1:]))
    run.finish()
    assert run.told == {}
    assert run.engine.withheld_micro_usd == 1
