"""The engine by example: one test a rule of the correctness contract."""

from collections.abc import Callable
from typing import Any

import pytest

from streams.core import distinct, identity, keys
from streams.core.aggregate import Aggregate
from streams.core.distinct import Sealed
from streams.core.effects import SourcePair
from streams.core.engine import Chunk, Engine, EngineParams
from streams.core.kpis import Kpi
from streams.core.pseudonyms import Pseudonyms, iso_week
from streams.core.reasons import Reason
from streams.core.topics import OUTCOMES, USAGE
from streams.core.windows import Window
from streams.detectors import JUDGES
from streams.state.memory import MemoryStore
from tests.engine_runs import (
    DAY,
    DECODER,
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
    partition_for,
    place_of,
    usage,
)


def at_watermark(watermark: int, **params: Any) -> EngineRun:
    """A run whose watermark stands at a time, by one event of another team."""
    run = EngineRun(**params)
    run.feed(usage("mark", watermark + run.params.lateness_ms, team="marker"))
    assert run.engine.watermark.value_ms == watermark
    return run


def of(run: EngineRun, workflow: str | None, size: int, start: int, team: str = "payments") -> list[Kpi]:
    """Every revision of one window of one scope, in order of publication."""
    return [kpi for kpi in run.kpis if place_of(kpi) == (team, workflow, size, start)]


def revisions(run: EngineRun, workflow: str | None, size: int, start: int) -> list[tuple[int, int]]:
    """Revision and calls of every publication of one window."""
    return [(kpi.revision, kpi.calls) for kpi in of(run, workflow, size, start)]


# ------------------------------------------------------------------------------------------------ what is not applied


@pytest.mark.parametrize(("ahead", "refused"), [(0, False), (600_000, False), (600_001, True), (10**12, True)])
def test_an_event_further_ahead_of_the_clock_than_allowed_is_a_dead_letter(ahead: int, refused: bool) -> None:
    """``far_future_ms`` itself is still allowed."""
    run = EngineRun()
    run.feed(usage("a", MONDAY + ahead), now=MONDAY)
    assert [letter.reason for letter in run.dead_letters] == [Reason.FAR_FUTURE] * refused
    assert (run.counts.applied, run.counts.dead_lettered.total()) == (not refused, refused)


def test_an_event_of_the_far_future_does_not_drag_the_watermark() -> None:
    """Neither the watermark nor the newest time moves, so what comes next is not late."""
    run = EngineRun()
    run.feed(usage("now", MONDAY), now=MONDAY)
    before = run.engine.watermark.value_ms, run.engine.watermark.newest_ms
    run.feed(usage("far", MONDAY + 10 * DAY), usage("next", MONDAY + 1), now=MONDAY)
    assert (before[0] + 1, before[1] + 1) == (run.engine.watermark.value_ms, run.engine.watermark.newest_ms)
    assert run.counts.applied == 2


def test_an_event_of_the_far_future_is_not_remembered() -> None:
    """The same record is accepted once its time has come."""
    run = EngineRun()
    run.feed(usage("a", MONDAY + DAY), now=MONDAY)
    run.feed(usage("a", MONDAY + DAY), now=MONDAY + DAY)
    assert (run.counts.applied, run.counts.duplicate) == (1, 0)


_HOURS = 2 * HOUR


@pytest.mark.parametrize(
    ("grace", "past_border", "oldest"),
    [
        (HOUR, 0, MONDAY + HOUR),
        (HOUR, FIVE - 1, MONDAY + HOUR),
        (HOUR, FIVE, MONDAY + HOUR + FIVE),
        (7 * MINUTE, 0, MONDAY + _HOURS - 2 * FIVE),
        (7 * MINUTE, 2 * MINUTE, MONDAY + _HOURS - 2 * FIVE),
        (1, 0, MONDAY + _HOURS - FIVE),
        (0, 0, MONDAY + _HOURS),
        (0, FIVE - 1, MONDAY + _HOURS),
    ],
    ids=str,
)
def test_too_late_is_judged_by_whole_windows(grace: int, past_border: int, oldest: int) -> None:
    """A window takes events as long as any of it lies within the grace of the last 5-minute border passed."""
    run = at_watermark(MONDAY + _HOURS + past_border, grace_ms=grace)
    run.feed(usage("in", oldest), usage("out", oldest - 1))
    [letter] = run.dead_letters
    assert (letter.reason, letter.payload) == (Reason.TOO_LATE, usage("out", oldest - 1))
    assert letter.detail.startswith("occurred_at is 1 s older")
    assert (run.counts.applied, run.counts.late, run.counts.dead_lettered.total()) == (2, 1, 0)
    assert run.counts.holds


def test_an_event_that_is_too_late_is_not_remembered() -> None:
    """It is refused again, not called a duplicate of what never counted."""
    run = at_watermark(MONDAY + DAY, grace_ms=0)
    run.feed(usage("a", MONDAY), usage("a", MONDAY))
    assert (run.counts.late, run.counts.duplicate) == (2, 0)


def test_events_of_one_window_are_each_too_late() -> None:
    """The verdict is not remembered for the window's first event only."""
    run = at_watermark(MONDAY + DAY, grace_ms=0)
    run.feed(usage("a", MONDAY), usage("b", MONDAY + 1), usage("c", MONDAY + 2))
    assert [letter.offset for letter in run.dead_letters] == [1, 2, 3]


def test_a_record_in_the_wrong_partition_is_sent_on_unchanged() -> None:
    """It is neither applied nor remembered, and does not move the watermark."""
    run = EngineRun()
    value = usage("a", MONDAY, team="foreign-team")
    run.feed(value, value)
    [first, second] = run.reroutes
    assert first == second == (USAGE, 7, b"foreign-team", value)
    assert (run.counts.rerouted, run.counts.duplicate, run.engine.watermark.newest_ms) == (2, 0, 0)
    assert run.counts.holds


def test_dead_letters_lie_in_the_order_of_the_log() -> None:
    """Whichever stage refused them, so that chunks do not show."""
    run = at_watermark(MONDAY + DAY, grace_ms=0)
    run.feed(usage("far", NOW + DAY), b"{", usage("late", MONDAY), None, usage("late too", MONDAY), b"[]")
    assert [(letter.offset, letter.reason) for letter in run.dead_letters] == [
        (1, Reason.FAR_FUTURE),
        (2, Reason.INVALID_JSON),
        (3, Reason.TOO_LATE),
        (4, Reason.TOMBSTONE),
        (5, Reason.TOO_LATE),
        (6, Reason.WRONG_TYPE),
    ]


def test_a_dead_letter_keeps_the_record_whole() -> None:
    """Topic, partition, offset, payload and the clock say where it came from; a tombstone's payload is empty."""
    run = EngineRun()
    run.feed(usage("a", MONDAY), b"{]", None, now=NOW + 5)
    places = [(letter.topic, letter.partition, letter.offset, letter.received_at) for letter in run.dead_letters]
    assert places == [(USAGE, 0, 1, NOW + 5), (USAGE, 0, 2, NOW + 5)]
    assert [letter.payload for letter in run.dead_letters] == [b"{]", b""]


def test_every_record_is_accounted_for_by_name() -> None:
    """Received is the sum of what became of the records."""
    run = at_watermark(MONDAY + DAY, grace_ms=HOUR)
    run.feed(
        usage("a", MONDAY + DAY), usage("a", MONDAY + DAY), usage("b", MONDAY), b"", usage("c", NOW + DAY),
        usage("d", MONDAY + DAY, team="foreign"),
    )  # fmt: skip
    counts = run.counts
    assert (counts.received, counts.applied, counts.duplicate, counts.late, counts.rerouted) == (7, 2, 1, 1, 1)
    assert dict(counts.dead_lettered) == {Reason.EMPTY: 1, Reason.FAR_FUTURE: 1}
    assert counts.holds


# ---------------------------------------------------------------------------------------------------------- duplicates


@pytest.mark.parametrize("between", ["nothing", "a chunk", "a transaction", "a restart"])
def test_a_record_seen_before_counts_once(between: str) -> None:
    """Wherever the second one lies, and whatever else it says."""
    run = EngineRun()
    run.step(usage("a", MONDAY, input_tokens=5), *([usage("a", MONDAY)] if between == "nothing" else []))
    if between in {"a transaction", "a restart"}:
        run.commit()
    if between == "a restart":
        run.crash()
    if between != "nothing":
        run.step(usage("a", MONDAY + 1, input_tokens=7, workflow="other"))
    run.commit()
    run.finish()
    assert (run.counts.applied, run.counts.duplicate) == (1, 1)
    assert {kpi.input_tokens for kpi in run.kpis} == {5}


def test_identity_is_of_source_and_event_id_together() -> None:
    """Two systems may use the same event id, and the border between the two names counts."""
    run = EngineRun()
    run.feed(usage("1", MONDAY), usage("1", MONDAY, source="other"), usage("er1", MONDAY, source="oth"))
    assert (run.counts.applied, run.counts.duplicate) == (3, 0)


def test_work_that_was_not_committed_is_not_remembered() -> None:
    """A crash before the transaction makes the record new again."""
    run = EngineRun()
    run.step(usage("a", MONDAY))
    run.crash()
    run.feed(usage("a", MONDAY))
    assert (run.counts.applied, run.counts.duplicate) == (1, 0)


# ------------------------------------------------------------------------------- one call seen by two sources


CALL: dict[str, Any] = {"request_id": "req", "input_tokens": 10, "cache_read_tokens": 90, "output_tokens": 7}


@pytest.mark.parametrize(
    ("source", "changes", "applied", "duplicates", "conflicts"),
    [
        ("agent", {}, 1, 1, 0),
        ("agent", {"input_tokens": 100, "cache_read_tokens": 0}, 1, 1, 0),
        ("agent", {"cache_read_tokens": 80, "cache_write_tokens": 10}, 1, 1, 0),
        ("agent", {"cost_micro_usd": 5, "model": "another", "workflow": "another"}, 1, 1, 0),
        ("agent", {"occurred_at": MONDAY + 900 * SECOND}, 1, 1, 0),
        ("agent", {"occurred_at": MONDAY - 900 * SECOND}, 1, 1, 0),
        ("agent", {"occurred_at": MONDAY + 901 * SECOND}, 2, 0, 1),
        ("agent", {"occurred_at": MONDAY - 901 * SECOND}, 2, 0, 1),
        ("agent", {"output_tokens": 8}, 2, 0, 1),
        ("agent", {"input_tokens": 11}, 2, 0, 1),
        ("agent", {"request_id": "another"}, 2, 0, 0),
        ("agent", {"request_id": None}, 2, 0, 0),
        ("agent", {"request_id": ""}, 2, 0, 0),
        ("gateway", {}, 2, 0, 0),
        ("gateway", {"output_tokens": 8}, 2, 0, 0),
    ],
)
@pytest.mark.parametrize("restart", [False, True], ids=["same engine", "after a restart"])
def test_a_call_that_two_sources_saw_counts_once_if_they_agree(
    restart: bool, source: str, changes: dict[str, Any], applied: int, duplicates: int, conflicts: int
) -> None:
    """Agreement is on prompt and output tokens and on time; a source never contradicts itself, it made two calls."""
    run = EngineRun()
    run.feed(usage("g1", MONDAY, source="gateway", **CALL))
    if restart:
        run.crash()
    effects = run.feed(usage("a1", **{"at": MONDAY, "source": source, **CALL, **_dated(changes)}))
    assert (run.counts.applied, run.counts.duplicate) == (applied, duplicates)
    pair = SourcePair("gateway", "agent")
    assert (effects.duplicate_requests[pair], effects.request_conflicts[pair]) == (duplicates, conflicts)


def _dated(changes: dict[str, Any]) -> dict[str, Any]:
    return {"at" if name == "occurred_at" else name: value for name, value in changes.items()}


def test_the_first_word_on_a_request_in_log_order_stands() -> None:
    """A conflicting source counts too, but a third is compared with the first, not with the second."""
    run = EngineRun()
    run.feed(usage("1", MONDAY, source="a", **CALL))
    run.feed(usage("2", MONDAY, source="b", **{**CALL, "output_tokens": 8}))
    effects = run.feed(usage("3", MONDAY, source="c", **{**CALL, "output_tokens": 8}))
    assert effects.request_conflicts == {SourcePair("a", "c"): 1}
    assert run.counts.applied == 3


def test_another_sources_copy_of_a_call_is_a_duplicate_every_time() -> None:
    """A resend of the copy is recognised by its request, as its own id was never applied."""
    run = EngineRun()
    copy = usage("2", MONDAY, source="b", **CALL)
    run.feed(usage("1", MONDAY, source="a", **CALL), copy, copy)
    assert (run.counts.applied, run.counts.duplicate) == (1, 2)


@pytest.mark.parametrize("restart", [False, True], ids=["same engine", "after a restart"])
def test_a_call_whose_witness_is_zero_is_remembered_too(restart: bool) -> None:
    """No tokens, the first source, and a second divisible by 2**24: all 64 bits are zero."""
    at = (1 << 24) * 106 * SECOND
    [event] = DECODER.decode([usage("1", at, request_id="r")]).events
    assert not isinstance(event, tuple)
    assert identity.witness(event.input_tokens, event.output_tokens, event.occurred_at, 0) == 0
    run = EngineRun()
    run.feed(usage("1", at, source="a", request_id="r"), now=at)
    if restart:
        run.crash()
    run.feed(usage("2", at, source="b", request_id="r"), now=at)
    assert (run.counts.applied, run.counts.duplicate) == (1, 1)


# ------------------------------------------------------------------------------------- closing, revisions, expiry


def test_a_window_is_published_when_the_watermark_passes_its_end() -> None:
    """Not one millisecond of event time earlier: lateness is waited for."""
    run = EngineRun(lateness_ms=60_000)
    run.feed(usage("a", MONDAY))
    run.feed(usage("b", MONDAY + FIVE + 59_999, team="marker"))
    assert run.kpis == []
    run.feed(usage("c", MONDAY + FIVE + 60_000, team="marker"))
    assert [place_of(kpi) for kpi in run.kpis] == [
        ("payments", "review", FIVE, MONDAY),
        ("payments", None, FIVE, MONDAY),
    ]


def test_a_late_event_within_grace_makes_a_second_revision() -> None:
    """Published when the watermark passes the next border, and once for all late events of that time."""
    run = EngineRun(lateness_ms=0)
    run.feed(usage("a", MONDAY), usage("b", MONDAY + FIVE))
    run.feed(usage("late", MONDAY + 1), usage("late too", MONDAY + 2))
    assert revisions(run, "review", FIVE, MONDAY) == [(1, 1)]
    run.feed(usage("c", MONDAY + 2 * FIVE))
    assert revisions(run, "review", FIVE, MONDAY) == revisions(run, None, FIVE, MONDAY) == [(1, 1), (2, 3)]
    run.feed(usage("later", MONDAY + 3), usage("d", MONDAY + 3 * FIVE))
    assert revisions(run, "review", FIVE, MONDAY) == [(1, 1), (2, 3), (3, 4)]


def test_a_closed_window_without_events_begins_with_revision_one() -> None:
    """However many late events come before its first publication, on either side of a restart."""
    run = EngineRun(lateness_ms=0)
    run.feed(usage("a", MONDAY + FIVE))
    run.feed(usage("late", MONDAY, cost_micro_usd=3), usage("late too", MONDAY, cost_micro_usd=4))
    run.crash()
    run.feed(usage("latest", MONDAY, cost_micro_usd=5), usage("b", MONDAY + 2 * FIVE))
    [kpi] = of(run, "review", FIVE, MONDAY)
    assert (kpi.revision, kpi.calls, kpi.spend_micro_usd) == (1, 3, 12)
    assert run.told["payments", "review"][0] == 12


def test_effects_say_what_is_told_for_the_first_time() -> None:
    """Spend, input, cache read, cache write, output: of what closes and of what comes late, whatever windows repeat."""
    tokens = {"input_tokens": 1, "cache_read_tokens": 2, "cache_write_tokens": 3, "output_tokens": 4}
    run = EngineRun(lateness_ms=0)
    place = "payments", "review"
    assert run.feed(usage("a", MONDAY, cost_micro_usd=10, **tokens)).said == {}
    assert run.feed(usage("b", MONDAY + FIVE)).said == {place: (10, 1, 2, 3, 4)}
    effects = run.feed(usage("late", MONDAY, cost_micro_usd=5, **tokens), usage("c", MONDAY + 2 * FIVE))
    assert effects.said == {place: (5, 1, 2, 3, 4)}
    run.crash()
    assert run.feed(usage("later", MONDAY, output_tokens=7), usage("d", MONDAY + HOUR)).said == {place: (0, 0, 0, 0, 7)}
    run.feed(usage("latest", MONDAY, cost_micro_usd=1), usage("other", MONDAY + 8 * DAY, team="marker", input_tokens=9))
    run.finish()
    assert run.finish().said == {}
    assert run.told == {place: (16, 2, 4, 6, 15), ("marker", "review"): (0, 9, 0, 0, 0)}
    week = run.latest["payments", None, WEEK, MONDAY]
    assert (week.spend_micro_usd, week.input_tokens, week.output_tokens) == (16, 2, 15)


def test_a_late_event_corrects_every_closed_window_that_holds_it() -> None:
    """Windows that are still open take it in when they close, in their first revision."""
    run = EngineRun(lateness_ms=0)
    run.feed(usage("a", MONDAY), usage("b", MONDAY + HOUR))
    run.feed(usage("late", MONDAY + 1), usage("c", MONDAY + HOUR + FIVE))
    for workflow in ("review", None):
        assert revisions(run, workflow, FIVE, MONDAY) == [(1, 1), (2, 2)]
        assert revisions(run, workflow, HOUR, MONDAY) == [(1, 1), (2, 2)]
        assert revisions(run, workflow, DAY, MONDAY) == []
    run.finish()
    assert revisions(run, "review", DAY, MONDAY) == revisions(run, None, DAY, MONDAY) == [(1, 4)]


def test_a_correction_before_the_hour_closes_is_in_the_hours_first_revision() -> None:
    """The hour is the sum of its corrected rows."""
    run = EngineRun(lateness_ms=0)
    run.feed(usage("a", MONDAY), usage("b", MONDAY + FIVE))
    run.feed(usage("late", MONDAY), usage("c", MONDAY + HOUR))
    assert revisions(run, "review", HOUR, MONDAY) == [(1, 3)]
    assert revisions(run, "review", FIVE, MONDAY) == [(1, 1), (2, 2)]


@pytest.mark.parametrize("grace", [0, 1, 7 * MINUTE, HOUR, 90 * MINUTE, DAY, 2 * DAY])
@pytest.mark.parametrize("restarts", [False, True], ids=["one engine", "an engine an hour"])
def test_coarser_windows_are_whole_however_short_the_grace(restarts: bool, grace: int) -> None:
    """Finer rows are kept until the coarser window that is summed up from them has closed, then go."""
    run = EngineRun(lateness_ms=0, grace_ms=grace)
    for minute in range(0, 24 * 60, 5):
        run.feed(usage(f"{minute}", MONDAY + minute * MINUTE))
        if restarts and minute % 60 == 35:
            run.crash()
    run.feed(usage("end", MONDAY + DAY + grace + FIVE + HOUR))
    assert {kpi.calls for kpi in run.kpis if kpi.window_start < MONDAY + DAY and kpi.window_size_ms == HOUR} == {12}
    assert revisions(run, "review", DAY, MONDAY) == revisions(run, None, DAY, MONDAY) == [(1, 288)]


def kept(run: EngineRun) -> dict[Window, set[tuple[int, bool]]]:
    """The beginnings of the windows whose rows the state holds, and whether it still says who is in them."""
    found: dict[Window, set[tuple[int, bool]]] = {}
    for key, data in run.state(b"w").items():
        row = Aggregate.decode(keys.parse_row(key), data)
        known = not (isinstance(row.runs, Sealed) and isinstance(row.actors, Sealed))
        found.setdefault(row.place.window, set()).add((row.place.start_ms, known))
    return found


def test_rows_past_grace_are_deleted_or_sealed() -> None:
    """Deletions are among the writes; members stay where an event can still come, and figures until the horizon."""
    run = EngineRun(lateness_ms=0, grace_ms=2 * HOUR, horizon_ms=20 * DAY)
    run.feed(usage("a", MONDAY, actor="ada", run_id="r"))
    [row] = run.state(b"w")
    run.feed(usage("b", MONDAY + 2 * HOUR + FIVE - 1))
    assert row in run.store.data
    effects = run.feed(usage("c", MONDAY + 2 * HOUR + FIVE))
    assert effects.writes[row] is None
    assert kept(run)[Window.HOUR] == {(MONDAY, True)}
    run.feed(usage("d", MONDAY + 3 * DAY))
    assert kept(run) == {
        FIVE: {(MONDAY + 3 * DAY, True)},
        HOUR: {(MONDAY, False), (MONDAY + 2 * HOUR, False)},
        # Its week has not closed, and is the union of its days.
        DAY: {(MONDAY, True)},
    }
    run.feed(usage("e", MONDAY + 10 * DAY))
    days = {(MONDAY, False), (MONDAY + 3 * DAY, False)}
    hours = {(MONDAY, False), (MONDAY + 2 * HOUR, False), (MONDAY + 3 * DAY, False)}
    assert kept(run) == {FIVE: {(MONDAY + 10 * DAY, True)}, HOUR: hours, DAY: days, WEEK: {(MONDAY, False)}}
    run.feed(usage("f", MONDAY + 20 * DAY + HOUR))
    late = MONDAY + 10 * DAY
    assert kept(run) == {
        FIVE: {(MONDAY + 20 * DAY + HOUR, True)},
        HOUR: hours - {(MONDAY, False)} | {(late, False)},
        DAY: days | {(late, False)},
        WEEK: {(MONDAY, False), (MONDAY + WEEK, False)},
    }
    run.feed(usage("g", MONDAY + 70 * DAY))
    assert {start for rows in kept(run).values() for start, _ in rows} == {MONDAY + 70 * DAY}


def test_a_sealed_row_is_published_as_it_was() -> None:
    """An outcome of long ago corrects its windows, which still know how many people and runs there were."""
    run = EngineRun(lateness_ms=0, grace_ms=0)
    run.feed(*(usage(f"{number}", MONDAY, actor=f"a{number}", run_id=f"r{number}") for number in range(6)))
    run.feed(usage("later", MONDAY + 20 * DAY, team="marker"))
    assert kept(run)[Window.WEEK] == {(MONDAY, False)}
    run.feed_outcomes(outcome("1", MONDAY, workflow="review"))
    run.feed(usage("latest", MONDAY + 21 * DAY, team="marker"))
    for size in (HOUR, DAY, WEEK):
        for workflow in ("review", None):
            first, *_, last = of(run, workflow, size, MONDAY)
            assert (first.runs, first.runs_exact, first.active_actors) == (6, True, "5-9")
            assert (last.runs, last.runs_exact, last.active_actors) == (6, True, "5-9")
            assert (last.calls, last.accepted) == (6, 1)


def test_expiry_and_sealing_go_on_after_a_restart() -> None:
    """A new engine deletes and seals the rest, wherever the last one stopped."""
    run = EngineRun(lateness_ms=0, grace_ms=0)
    run.feed(usage("a", MONDAY, actor="ada"), usage("b", MONDAY + HOUR, actor="ada"))
    run.crash()
    run.feed(usage("c", MONDAY + 2 * DAY))
    assert kept(run) == {
        FIVE: {(MONDAY + 2 * DAY, True)}, HOUR: {(MONDAY, False), (MONDAY + HOUR, False)}, DAY: {(MONDAY, True)},
    }  # fmt: skip
    run.crash()
    run.feed(usage("d", MONDAY + 7 * DAY))
    assert kept(run)[Window.DAY] == {(MONDAY, False), (MONDAY + 2 * DAY, False)}
    run.crash()
    run.feed(usage("e", MONDAY + 60 * DAY))
    assert {start for rows in kept(run).values() for start, _ in rows} == {MONDAY + 60 * DAY}


def test_rows_made_and_expired_within_one_transaction_are_never_written() -> None:
    """They leave publications, and nothing in the state."""
    run = EngineRun(lateness_ms=0, grace_ms=0, horizon_ms=0)
    run.feed(usage("a", MONDAY), usage("b", MONDAY + 9 * DAY))
    assert revisions(run, "review", DAY, MONDAY) == revisions(run, None, WEEK, MONDAY) == [(1, 1)]
    assert {keys.parse_row(key).start_ms for key in run.state(b"w")} == {MONDAY + 9 * DAY}


def test_corrections_waiting_at_a_restart_are_published_after_it() -> None:
    """The mark on a changed row is part of the state."""
    run = EngineRun(lateness_ms=0)
    run.feed(usage("a", MONDAY), usage("b", MONDAY + FIVE))
    run.feed(usage("late", MONDAY))
    run.crash()
    run.feed(usage("c", MONDAY + 2 * FIVE))
    assert revisions(run, "review", FIVE, MONDAY) == [(1, 1), (2, 2)]
    assert run.state(keys.DIRTY) == {}


def test_finishing_closes_everything_once() -> None:
    """Every window of every scope, and nothing more when asked again."""
    run = EngineRun()
    run.feed(usage("a", MONDAY), usage("b", MONDAY, workflow="triage"), usage("late", MONDAY - 3 * HOUR))
    run.finish()
    assert len(run.finish().publications) == 0
    sizes = [(kpi.scope, kpi.window_size_ms) for kpi in run.kpis if kpi.window_end > MONDAY]
    assert sorted(sizes) == sorted(
        [("team", size) for size in (FIVE, HOUR, DAY, WEEK)]
        + [("workflow", size) for size in (FIVE, HOUR, DAY, WEEK)] * 2
    )
    assert {kpi.revision for kpi in run.kpis} == {1}


def test_publications_name_the_configuration() -> None:
    """So that a figure can be explained later."""
    run = EngineRun(config_version="2026-01")
    run.feed(usage("a", MONDAY))
    run.finish()
    assert {kpi.config_version for kpi in run.kpis} == {"2026-01"}


# -------------------------------------------------------------------------------------------------------- idle time


def test_an_idle_partition_closes_its_windows() -> None:
    """Time that passes stands in for the events that do not come, from ``idle_ms`` on and not before."""
    run = EngineRun(lateness_ms=60_000, idle_ms=30_000)
    run.feed(usage("a", MONDAY + 4 * MINUTE), now=MONDAY + 4 * MINUTE)
    run.idle(MONDAY + 4 * MINUTE + 29_999)
    assert run.engine.watermark.value_ms == MONDAY + 3 * MINUTE
    run.idle(MONDAY + 6 * MINUTE - 1)
    assert run.kpis == []
    run.idle(MONDAY + 6 * MINUTE)
    assert revisions(run, "review", FIVE, MONDAY) == [(1, 1)]


def test_a_partition_without_any_record_has_nothing_to_commit_however_long_it_is_idle() -> None:
    """There is no offset that a transaction could commit with it."""
    run = EngineRun(idle_ms=30_000, judges=JUDGES)
    for seconds in (0, 31, 400, 90_000):
        assert not run.idle(MONDAY + seconds * 1_000).writes


def test_what_idle_time_closed_is_committed() -> None:
    """The publications come with the state that says so: a restart repeats nothing and loses nothing."""
    run = EngineRun()
    run.feed(usage("a", MONDAY), now=MONDAY)
    effects = run.idle(MONDAY + 2 * HOUR)
    assert len(effects.publications) == 4
    assert effects.writes[keys.META] is not None
    run.crash()
    run.finish()
    assert len(run.publications) == 8


def test_idle_time_without_consequence_writes_nothing() -> None:
    """A tick a second must not be a transaction a second."""
    run = EngineRun()
    run.feed(usage("a", MONDAY), now=MONDAY)
    for second in range(0, 240, 20):
        assert run.idle(MONDAY + second * SECOND).writes == {}
    assert EngineRun().idle(NOW).writes == {}


def test_a_late_event_after_idle_closing_is_a_revision() -> None:
    """Closing early is harmless: the event is not too late, and idle time publishes the correction too."""
    run = EngineRun(grace_ms=0)
    run.feed(usage("a", MONDAY), now=MONDAY + 30 * DAY)
    run.idle(MONDAY + 30 * DAY + MINUTE)
    run.feed(usage("b", MONDAY + 1), now=MONDAY + 30 * DAY + 2 * MINUTE)
    run.idle(MONDAY + 30 * DAY + 4 * MINUTE)
    assert run.dead_letters == []
    for size in (FIVE, HOUR, DAY, WEEK):
        assert revisions(run, "review", size, MONDAY) == revisions(run, None, size, MONDAY) == [(1, 1), (2, 2)]


def test_a_history_goes_on_where_it_was_after_idle_closing() -> None:
    """Events that follow the closed ones are published as corrections when the watermark passes borders."""
    run = EngineRun(lateness_ms=0, grace_ms=0)
    run.feed(usage("a", MONDAY), now=NOW)
    run.idle(NOW + MINUTE)
    run.feed(usage("b", MONDAY + 1), usage("c", MONDAY + FIVE), usage("too late", MONDAY + 2), now=NOW + 2 * MINUTE)
    assert revisions(run, "review", FIVE, MONDAY) == [(1, 1), (2, 2)]
    assert [letter.reason for letter in run.dead_letters] == [Reason.TOO_LATE]


def test_idle_time_alone_makes_old_events_too_late() -> None:
    """The watermark moves by the time that passed since the last record, no further than the clock."""
    run = EngineRun(lateness_ms=0, grace_ms=0)
    run.feed(usage("a", MONDAY), now=MONDAY)
    run.idle(MONDAY + FIVE)
    run.feed(usage("b", MONDAY + 1), now=MONDAY + FIVE)
    assert [letter.reason for letter in run.dead_letters] == [Reason.TOO_LATE]


def test_idle_time_forgets_rows_past_grace() -> None:
    """An idle shard knows of nobody for longer than a busy one, and keeps no figures longer."""
    run = EngineRun(lateness_ms=0, grace_ms=HOUR, horizon_ms=20 * DAY)
    run.feed(usage("a", MONDAY, actor="ada"), now=MONDAY)
    # By size: the hours after which the row is there, is sealed, and is deleted.
    times = {
        FIVE: (0, 2, 2),
        HOUR: (1, 24, 20 * 24 + 1),
        DAY: (24, 7 * 24, 21 * 24),
        WEEK: (7 * 24, 7 * 24 + 1, 27 * 24),
    }
    for hour in range(1, 28 * 24):
        run.idle(MONDAY + hour * HOUR)
        expected = {
            size: {(MONDAY, hour < sealed)} for size, (made, sealed, deleted) in times.items() if made <= hour < deleted
        }
        assert kept(run) == expected, hour
    assert run.state(b"w") == {}


# -------------------------------------------------------------------------------------------- figures and unknowns


def last(run: EngineRun, workflow: str | None = "review", size: int = DAY) -> Kpi:
    """The current figures of a scope after every window has closed."""
    run.finish()
    return of(run, workflow, size, MONDAY)[-1]


@pytest.mark.parametrize(
    ("costs", "spend", "priced", "unpriced_tokens"),
    [
        ([None, None], None, 0, 22),
        ([0, None], 0, 1, 11),
        ([0, 0], 0, 2, 0),
        ([5, None], 5, 1, 11),
        ([5, 7], 12, 2, 0),
    ],
)
def test_unpriced_is_not_free(costs: list[int | None], spend: int | None, priced: int, unpriced_tokens: int) -> None:
    """Spend is unknown when no call carried a cost, zero when one was free; tokens without a price are counted."""
    tokens = {
        "input_tokens": 1,
        "cache_read_tokens": 2,
        "cache_write_tokens": 3,
        "output_tokens": 5,
        "reasoning_tokens": 4,
    }
    run = EngineRun()
    run.feed(*(usage(f"{place}", MONDAY, cost_micro_usd=cost, **tokens) for place, cost in enumerate(costs)))
    for workflow in ("review", None):
        for size in (FIVE, HOUR, DAY):
            kpi = last(run, workflow, size)
            assert (kpi.spend_micro_usd, kpi.priced_calls, kpi.unpriced_tokens) == (spend, priced, unpriced_tokens)


@pytest.mark.parametrize(
    ("actors", "band"),
    [
        ([None], None),
        ([None, None], None),
        ([""], None),
        (["ada"], "1-4"),
        (["ada", None], "1-4"),
        (["ada", "ada"], "1-4"),
        ([f"actor-{number}" for number in range(4)], "1-4"),
        ([f"actor-{number}" for number in range(5)], "5-9"),
        ([f"actor-{number}" for number in range(100)], "100+"),
        ([f"actor-{number}" for number in range(400)], "100+"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_actors_are_published_as_a_band_or_as_unknown(actors: list[str | None], band: str | None) -> None:
    """No event with an actor means unknown, not nobody."""
    run = EngineRun()
    run.feed(*(usage(f"{place}", MONDAY, actor=actor) for place, actor in enumerate(actors)))
    assert last(run).active_actors == band


def test_an_actor_of_two_weeks_cannot_be_linked() -> None:
    """The pseudonym changes with the ISO week, so that not one of the row's members is the same."""
    run = EngineRun()
    run.feed(usage("a", MONDAY - 1, actor="ada"), usage("b", MONDAY, actor="ada"))
    rows = [Aggregate.decode(keys.parse_row(key), data) for key, data in run.state(b"w").items()]
    sunday, monday = (row.actors for row in rows)
    assert distinct.count(sunday) == distinct.count(monday) == 1
    assert distinct.count(distinct.merge(sunday, monday)) == 2
    run.finish()
    assert {kpi.active_actors for kpi in run.kpis} == {"1-4"}


def test_raw_actors_are_in_no_state_and_in_no_publication() -> None:
    """What is written or published of an event never holds the actor's name."""
    run = EngineRun()
    run.feed(*(usage(f"{number}", MONDAY + number * HOUR, actor="ada@example.org") for number in range(30)))
    run.finish()
    assert not any(b"ada@" in key + value for key, value in run.state().items())
    assert "ada@" not in repr(run.publications)


def test_both_weeks_stay_known_while_one_passes_into_the_other() -> None:
    """Late events of last week would otherwise cost a new pseudonym for every actor, chunk by chunk."""
    run = EngineRun()
    for second in range(3):
        run.feed(
            usage(f"b{second}", MONDAY + second, actor="ada"), usage(f"a{second}", MONDAY - 1 - second, actor="ada")
        )
    run.feed(None)
    weeks = run.engine._pseudonyms._weeks
    assert {week: list(known) for week, known in weeks.items()} == {
        iso_week(MONDAY - 1): ["ada"],
        iso_week(MONDAY): ["ada"],
    }


def test_runs_are_counted_once_across_windows_and_workflows() -> None:
    """A run in two windows or two workflows is one run of the day and of the team."""
    run = EngineRun()
    run.feed(
        usage("1", MONDAY, run_id="r1"), usage("2", MONDAY + HOUR, run_id="r1"),
        usage("3", MONDAY, run_id="r1", workflow="triage"), usage("4", MONDAY, run_id="r2"), usage("5", MONDAY),
    )  # fmt: skip
    assert (last(run).runs, last(run, "triage").runs, last(run, None).runs) == (2, 1, 2)
    assert last(run, None).runs_exact


def test_many_runs_are_estimated_and_said_to_be() -> None:
    """Beyond the bound the count is no longer exact, and within five per cent."""
    run = EngineRun()
    for part in range(10):
        run.feed(*(usage(f"{part}-{number}", MONDAY, run_id=f"{part}-{number}") for number in range(100)))
    kpi = last(run)
    assert not kpi.runs_exact
    assert kpi.runs == pytest.approx(1_000, rel=0.05)


@pytest.mark.parametrize("size", [1, 7, 100, 450])
def test_estimates_do_not_depend_on_how_the_log_is_cut(size: int) -> None:
    """Rows that outgrow exact counting say the same, and are the same bytes, after any drains and restarts."""
    log = [
        usage(f"{n}", MONDAY + n * SECOND, run_id=f"r{n}", actor=f"a{n % 400}", workflow="xy"[n % 2])
        for n in range(900)
    ]
    whole, parts = EngineRun(), EngineRun()
    whole.feed(*log)
    for start in range(0, len(log), size):
        parts.feed(*log[start : start + size])
        if start % 3 == 0:
            parts.crash()
    whole.finish()
    parts.finish()
    assert parts.publications == whole.publications
    assert parts.state(b"w") == whole.state(b"w")
    assert not last(whole, None).runs_exact


def test_the_kpi_tells_errors_and_the_first_and_last_event() -> None:
    """A cancelled call is no error; times are those of events, not of windows."""
    run = EngineRun()
    run.feed(
        usage("1", MONDAY + 7, status="error"), usage("2", MONDAY + 9, status="cancelled"), usage("3", MONDAY + 8)
    )  # fmt: skip
    kpi = last(run)
    assert (kpi.calls, kpi.errors, kpi.first_event, kpi.last_event) == (3, 1, MONDAY + 7, MONDAY + 9)
    assert (kpi.window_start, kpi.window_end) == (MONDAY, MONDAY + DAY)


# ------------------------------------------------------------------------------------------- offsets and draining


def test_the_applied_offset_is_in_the_state() -> None:
    """The state itself says how far it is, and a new engine reads it there."""
    run = EngineRun()
    effects = run.feed(usage("a", MONDAY), b"nonsense")
    assert effects.applied == {USAGE: 2}
    run.crash()
    assert run.engine.applied == {USAGE: 2}
    assert run.engine.watermark.value_ms == MONDAY - run.params.lateness_ms


def test_a_chunk_without_records_moves_the_offset() -> None:
    """Transaction markers take offsets too."""
    run = EngineRun()
    run.engine.step(Chunk(USAGE, 0, [], [], 17, 0), NOW)
    effects = run.commit()
    assert effects.applied == {USAGE: 17}
    run.crash()
    assert run.engine.applied == {USAGE: 17}


def test_draining_twice_gives_nothing_the_second_time() -> None:
    """Every effect is given out once."""
    run = EngineRun()
    run.feed(usage("a", MONDAY), usage("b", MONDAY + HOUR), b"nonsense")
    effects = run.commit()
    assert (effects.writes, effects.publications, effects.dead_letters, effects.counts) == ({}, [], [], {})
    assert effects.applied == {USAGE: 3}


def test_topics_are_counted_apart() -> None:
    """Counts and offsets belong to the topic a chunk came from."""
    run = EngineRun()
    run.engine.step(Chunk("one", 0, [0], [usage("a", MONDAY)], 1, 0), NOW)
    run.engine.step(Chunk("two", 0, [4, 5], [usage("a", MONDAY), None], 6, 4), NOW)
    effects = run.commit()
    assert effects.applied == {"one": 1, "two": 6}
    assert (effects.counts["one"].applied, effects.counts["two"].duplicate) == (1, 1)
    assert effects.counts["two"].dead_lettered == {Reason.TOMBSTONE: 1}


def test_effects_say_how_far_event_time_has_come() -> None:
    """For the figures of lag and lateness: usage alone moves the watermark, and each topic has a newest time."""
    run = EngineRun(lateness_ms=5)
    effects = run.feed(usage("a", MONDAY), usage("b", MONDAY - 1))
    assert (effects.newest_ms, effects.watermark_ms, effects.newest) == (MONDAY, MONDAY - 5, {USAGE: MONDAY})
    effects = run.feed_outcomes(outcome("1", MONDAY + DAY), outcome("2", MONDAY))
    assert (effects.newest_ms, effects.watermark_ms) == (MONDAY, MONDAY - 5)
    assert effects.newest == {USAGE: MONDAY, OUTCOMES: MONDAY + DAY}


def test_stages_are_reported_by_name() -> None:
    """The stopwatch is told of each stage that ends, and of nothing else."""
    stages: list[str] = []
    tell: Callable[[str], None] = stages.append
    engine = Engine(EngineParams(), MemoryStore(), DECODER, Pseudonyms(KEY), 0, partition_for, tell)
    engine.step(Chunk(USAGE, 0, [0], [usage("a", MONDAY)], 1, 0), NOW)
    engine.drain()
    assert set(stages) == {"decode", "dedupe", "aggregate", "close"}
    stages.clear()
    engine.step(Chunk(OUTCOMES, 0, [0], [outcome("1", MONDAY)], 1, 0), NOW)
    engine.drain()
    assert set(stages) == {"join", "close"}
