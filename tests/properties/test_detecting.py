"""The stage detect against its contract: cuts and crashes do not show, repetitions change nothing, people are forgotten."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs

from streams.core import keys
from streams.core.alerting import Reason
from streams.core.alerts import Alert
from streams.core.policy import DetectorPolicy, Policy, WorkflowPolicy
from streams.core.pseudonyms import iso_week
from tests.engine_runs import DAY, HOUR, MINUTE, MONDAY, EngineRun, usage
from tests.properties.detect_logs import (
    STATE,
    TEAM,
    Entry,
    burn,
    detectors,
    feed,
    in_order,
    later,
    loop,
    ordinary,
    policy_of,
    run_of,
    told,
    whole,
)  # fmt: skip

LOOP_AT, BURN_AT = MONDAY + 12 * DAY + 9 * HOUR, MONDAY + 13 * DAY + 14 * HOUR
LOG = in_order([*ordinary(16, priced=14), *loop(LOOP_AT), *burn(BURN_AT), *later(16)])


@pytest.fixture(scope="module")
def expected() -> EngineRun:
    """What the log comes to when nothing is in the way."""
    return whole(LOG)


def test_a_loop_a_burn_and_lost_prices_are_told_of_and_nothing_else_is(expected: EngineRun) -> None:
    first = {alert.detector: alert for alert in expected.alerts if alert.reason == "first"}
    assert set(first) == {"runaway", "budget_burn", "data_problems"}
    assert len([alert for alert in expected.alerts if alert.reason == "first"]) == 3
    assert (first["runaway"].workflow, first["budget_burn"].workflow) == ("review", None)
    assert LOOP_AT <= first["runaway"].opened_at <= LOOP_AT + 5 * MINUTE
    assert BURN_AT <= first["budget_burn"].opened_at <= BURN_AT + HOUR
    assert MONDAY + 14 * DAY <= first["data_problems"].opened_at <= MONDAY + 17 * DAY
    assert first["data_problems"].money_at_stake_micro_usd is None, "what has no price is not worth nothing"


def test_what_is_over_is_resolved_at_the_time_at_which_it_was(expected: EngineRun) -> None:
    resolved = {alert.detector: alert for alert in expected.alerts if alert.state == "resolved"}
    assert LOOP_AT + 6 * HOUR <= resolved["runaway"].updated_at <= LOOP_AT + 7 * HOUR
    assert resolved["budget_burn"].updated_at >= BURN_AT + 26 * HOUR


@pytest.mark.parametrize("hours", [7, 30, 80])
def test_how_far_one_event_moves_time_does_not_show(hours: int) -> None:
    """A shard that is silent for long comes to what one does on which others go on working."""
    silent = MONDAY + 13 * DAY + 9 * HOUR
    before = [entry for entry in ordinary(13) if entry[0] < silent]
    after = [entry for entry in ordinary(8, start=13) if entry[0] >= silent + hours * HOUR]
    planted = [*loop(silent - 20 * MINUTE), *burn(silent - 2 * HOUR)]
    log = in_order([*before, *planted, *after, *later(21)])
    others = [
        (at, "usage", usage(f"x{at}", at, team="search", input_tokens=1, cost_micro_usd=1))
        for at in range(silent, silent + hours * HOUR, 10 * MINUTE)
    ]  # fmt: skip
    alone, in_company = whole(log), whole(in_order([*log, *others]))
    assert {"runaway", "budget_burn"} <= detectors(alone)
    assert told(alone) == told(in_company)
    if hours > 7:
        over = next(alert for alert in alone.alerts if alert.detector == "runaway" and alert.state == "resolved")
        assert silent + 5 * HOUR < over.updated_at < silent + 7 * HOUR


CUTS = st.lists(
    st.tuples(st.integers(0, len(LOG)), st.sampled_from(["chunk", "commit", "commit", "crash"])), max_size=12
).map(sorted)  # fmt: skip


def cut_up(log: list[Entry], cuts: list[tuple[int, str]], run: EngineRun) -> EngineRun:
    """Read a log in pieces; after a crash whatever was not committed is read again."""
    committed = at = 0
    for end, action in [*cuts, (len(log), "commit")]:
        feed(run, log[at:end])
        at = end
        if action == "commit":
            run.commit()
            committed = at
        elif action == "crash":
            run.crash()
            at = committed
            feed(run, log[at:end])
            at = end
    run.finish()
    return run


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=CUTS)
def test_chunks_transactions_and_crashes_do_not_show(expected: EngineRun, cuts: list[tuple[int, str]]) -> None:
    """Ids, revisions, figures, and all that the stage goes on from."""
    run = cut_up(LOG, cuts, run_of())
    assert told(run) == told(expected)
    assert run.state(*STATE) == expected.state(*STATE)


@settings(max_examples=10, deadline=None)
@given(
    st.integers(0, 11 * 24 * 60), st.integers(25, 45), st.integers(400_000, 2_000_000), CUTS, st.integers(0, 14 * 24 * 60),
)  # fmt: skip
def test_wherever_a_loop_begins_it_is_told_of_alike(
    minute: int, calls: int, cost: int, cuts: list[tuple[int, str]], gap: int
) -> None:
    """And so it is where nothing comes in for hours, or days."""
    at = MONDAY + minute * MINUTE
    silent = range(MONDAY + gap * MINUTE, MONDAY + gap * MINUTE + 30 * HOUR)
    log = in_order([*(it for it in ordinary(13) if it[0] not in silent), *loop(at, calls, cost), *later(13)])
    one = whole(log)
    other = cut_up(log, [(min(end, len(log)), action) for end, action in cuts], run_of())
    assert told(one) == told(other)
    assert one.state(*STATE) == other.state(*STATE)
    if calls * cost >= 40_000_000:
        assert "runaway" in detectors(one)


def but_collisions(run: EngineRun) -> list[Alert]:
    """Every record without the evidence that counts repeated calls."""
    return [
        structs.replace(alert, evidence={name: it for name, it in alert.evidence.items() if name != "sign_collisions"})
        for alert in told(run)
    ]  # fmt: skip


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, len(LOG) - 1), st.integers(1, 60)), max_size=6))
def test_outcomes_and_calls_that_come_again_change_no_alert(expected: EngineRun, again: list[tuple[int, int]]) -> None:
    """But for the share of calls whose id was taken, which is what data problems look for."""
    log = list(LOG)
    for place, after in again:
        log.insert(min(len(log), place + after), LOG[place])
    run = whole(log)
    assert but_collisions(run) == but_collisions(expected)
    ignoring = (keys.WATCH, keys.HISTORY, keys.DETECT, keys.EPISODE)
    others = tuple(prefix for prefix in STATE if prefix not in ignoring)
    assert run.state(*others) == expected.state(*others)


# --------------------------------------------------------------------------------------------------------------- people


def stints(run: EngineRun) -> set[int]:
    """The weeks of which people are known, in the store and in memory alike."""
    detect = run.engine._detect
    assert detect is not None
    in_memory = {week for watch in detect.watches.values() for week, known in watch.stints.items() if known}
    in_store = {int.from_bytes(key[1:5], "big") for key in run.state(keys.STINT)}
    assert in_memory == in_store
    return in_store


@pytest.mark.parametrize("crash", [False, True])
def test_people_are_forgotten_once_their_week_and_its_grace_are_over(crash: bool) -> None:
    """On Tuesday of the next week, with a grace of a day; in the store and in memory."""
    run = run_of()
    week = iso_week(MONDAY)
    for day in range(16):
        feed(run, in_order([*ordinary(1, start=day), *later(day + 1)]))
        run.commit()
        if crash:
            run.crash()
        # The call of two in the morning has let the day before be judged, and is one of its own week itself.
        assert stints(run) == {week + day // 7, week + (day + 1) // 7}


def test_a_person_who_comes_late_is_forgotten_as_all_others_are() -> None:
    """Within the grace, after the week is over."""
    run = run_of()
    feed(run, in_order(ordinary(7)))
    run.commit()
    feed(run, later(7))
    sunday = MONDAY + 7 * DAY - HOUR
    feed(run, [(sunday, "usage", loop(sunday, 1, actor="late")[0][2])])
    run.commit()
    assert iso_week(MONDAY) in stints(run)
    feed(run, [*later(8), *later(9)])
    run.commit()
    assert stints(run) <= {iso_week(MONDAY) + 1}


def test_no_record_and_no_history_names_anybody() -> None:
    """People are in stints and nowhere else, and there under pseudonyms."""
    names = {f"someone-{number}" for number in range(6)}
    log = [(at, kind, value.replace(b'"actor": "p', b'"actor": "someone-')) for at, kind, value in LOG]
    run = whole(log)
    assert run.alerts
    said = repr(run.alerts).encode() + b"".join(key + value for key, value in run.state(*STATE).items())
    assert not any(name.encode() in said for name in names)
    pseudonyms = {key[13:21] for key in run.state(keys.STINT)} - {bytes(8)}
    assert pseudonyms
    others = b"".join(key + value for key, value in run.state(*(it for it in STATE if it != keys.STINT)).items())
    assert not any(it in others or str(int.from_bytes(it, "big")).encode() in others for it in pseudonyms)


# --------------------------------------------------------------------------------------------------------------- policy


def on(at: int) -> date:
    """The day of an instant."""
    return datetime.fromtimestamp(at / 1000, UTC).date()


@pytest.mark.parametrize(("policy", "silent"), [
    (policy_of(declared_schedule=True), {"runaway"}),
    (policy_of(snoozed_until=on(LOOP_AT) + timedelta(days=1)), {"runaway"}),
    (policy_of(snoozed_until=on(LOOP_AT)), set()),
    (policy_of({"runaway": DetectorPolicy(enabled=False)}), {"runaway"}),
    (policy_of({"budget_burn": DetectorPolicy(enabled=False), "data_problems": DetectorPolicy(enabled=False)}), {"budget_burn", "data_problems"}),
    (Policy(), {"budget_burn"}),
], ids=["declared", "snoozed", "snoozed no longer", "off", "others off", "no budget"])  # fmt: skip
def test_what_the_policy_says_is_kept_to(policy: Policy, silent: set[str]) -> None:
    """Of what is declared, nothing is looked at in days either."""
    found = detectors(whole(LOG, run_of(policy)))
    expected = {"runaway", "budget_burn", "data_problems"} - silent
    if policy.workflow("payments", "review").declared_schedule:
        expected -= {"data_problems"}
    assert found == expected


@pytest.mark.parametrize("said", [{"declared_schedule": True}, {"exploratory": True}])
def test_an_alert_about_what_is_declared_later_is_resolved(said: dict[str, bool]) -> None:
    """The policy is read at a restart: nobody looks at the workflow then, and its alert must not stay for ever."""
    spoilt = [
        (at, kind, value.replace(b'"review"', b'"second"') if kind == "usage" else value)
        for at, kind, value in ordinary(16, a_day=5)
    ]  # fmt: skip
    run = run_of()
    log = in_order([*clockwork(40), *spoilt, *later(40)])
    for entry_day in range(30):
        feed(run, [entry for entry in log if (entry[0] - MONDAY) // DAY == entry_day])
        run.commit()
    open_alerts = {alert.alert_id for alert in run.alerts if alert.workflow == "clock"}
    assert open_alerts
    policy = Policy(teams={"payments": TEAM}, workflows={("payments", "clock"): WorkflowPolicy(**said)})
    again = run_of(policy)
    again.store = run.store
    again.crash()
    for entry_day in range(30, 34):
        feed(again, [entry for entry in log if (entry[0] - MONDAY) // DAY == entry_day])
        again.commit()
    assert {alert.alert_id for alert in again.alerts if alert.state == "resolved"} >= open_alerts


def clockwork(days: int) -> list[Entry]:
    """Work that begins every half hour, of nobody, and comes to nothing."""
    log: list[Entry] = []
    for number in range(days * 48):
        at = MONDAY + number * 30 * MINUTE + 7 * MINUTE
        value = loop(
            at, 1, 500_000, run_id=f"c{number}", actor=None, workflow="clock", prompt_fingerprint=f"{number:016x}"
        )
        log.append((at, "usage", value[0][2]))
    return log


# --------------------------------------------------------------------------------------------------------------- groups


@pytest.mark.parametrize(("people", "figures"), [(6, True), (4, False), (1, False)])
def test_what_concerns_too_few_is_told_without_figures_or_not_at_all(people: int, figures: bool) -> None:
    """Of what the slow path finds. Runs that must be stopped, and budgets, are told of whoever is behind them."""
    log = in_order([*ordinary(16, people, priced=14), *later(16)])
    found = [alert for alert in whole(log).alerts if alert.detector == "data_problems"]
    assert bool(found) is figures


def test_a_finding_about_one_person_s_workflow_rises_to_the_team_without_figures() -> None:
    """Clockwork of one person, in a team of six."""
    personal = [(at, kind, value.replace(b'"actor": null', b'"actor": "p3"')) for at, kind, value in clockwork(12)]
    log = in_order([*ordinary(12, a_day=20), *personal, *later(12)])
    run = whole(log)
    alerts = [alert for alert in run.alerts if alert.detector == "busywork_automation"]
    assert alerts
    for alert in alerts:
        assert alert.workflow is None
        assert (alert.observed, alert.expected, alert.ratio, alert.money_at_stake_micro_usd) == (None, None, None, None)
        assert set(alert.evidence) == {"score"}
        assert alert.sample_size == alert.min_sample_size
        assert "clock" not in alert.summary.replace("by the clock", "")
    unfounded = whole(in_order([*ordinary(12, a_day=20), *clockwork(12), *later(12)]))
    assert {alert.workflow for alert in unfounded.alerts if alert.detector == "busywork_automation"} == {"clock"}


def test_what_is_snoozed_does_not_rise_either() -> None:
    personal = [(at, kind, value.replace(b'"actor": null', b'"actor": "p3"')) for at, kind, value in clockwork(12)]
    log = in_order([*ordinary(12, a_day=20), *personal, *later(12)])
    policy = Policy(
        teams={"payments": TEAM},
        workflows={("payments", "clock"): WorkflowPolicy(snoozed_until=on(MONDAY + 20 * DAY))},
    )
    run = whole(log, run_of(policy))
    assert "busywork_automation" not in detectors(run)
    assert sum(effects.verdicts["busywork_automation", Reason.SNOOZED] for effects in run.commits) > 0


def test_a_team_that_shrinks_is_told_nothing_more_of_an_alert_that_fires() -> None:
    """Of what began with enough people, news about too few would be theirs."""
    stays = whole(in_order([*ordinary(34, 6, priced=14), *later(34)]))
    shrinks = whole(in_order([*ordinary(16, 6, priced=14), *ordinary(18, 1, start=16, priced=14), *later(34)]))
    reasons = [
        [alert.reason for alert in run.alerts if alert.detector == "data_problems" and alert.state == "firing"]
        for run in (stays, shrinks)
    ]  # fmt: skip
    assert reasons == [["first", "still", "still"], ["first"]]
    assert sum(effects.verdicts["data_problems", Reason.GROUP_MINIMUM] for effects in shrinks.commits) > 7
