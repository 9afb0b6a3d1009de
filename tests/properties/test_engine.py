"""The engine against its contract: chunks do not show, crashes do not show, and figures are what they must be."""

from collections import Counter, defaultdict
from dataclasses import asdict

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.core import keys
from streams.core.engine import EngineParams
from streams.core.windows import Watermark
from tests.engine_runs import DAY, FIVE, HOUR, MINUTE, MONDAY, NOW, EngineRun, Place, place_of
from tests.properties import oracle
from tests.properties.usage_logs import Cut, Record, cuts, logs, params, pieces

#: The state but for the memories of ids and requests, whose packing may follow transactions (their content may not).
STATE = (b"w", keys.META, keys.SOURCES, keys.DIRTY)


def run_of(params: EngineParams) -> EngineRun:
    """A run under given parameters."""
    return EngineRun(**asdict(params))


def values(records: list[Record]) -> list[bytes | None]:
    """Records as they lie in the log."""
    return [record.value for record in records]


def assert_same(run: EngineRun, expected: EngineRun) -> None:
    """Everything that can be seen of two runs, and everything that they go on from."""
    assert run.publications == expected.publications
    assert run.dead_letters == expected.dead_letters
    assert run.reroutes == expected.reroutes
    assert run.counts == expected.counts
    assert pairs(run) == pairs(expected)
    assert run.state(*STATE) == expected.state(*STATE)


def pairs(run: EngineRun) -> tuple[Counter[object], Counter[object]]:
    """Calls that two sources saw, agreed and disputed, by pair of sources."""
    agreed, disputed = Counter[object](), Counter[object]()
    for effects in run.commits:
        agreed.update(effects.duplicate_requests)
        disputed.update(effects.request_conflicts)
    return agreed, disputed


# ---------------------------------------------------------------------------------------------------- chunks and drains


@settings(max_examples=120)
@given(logs(), params, cuts("", "commit"))
def test_the_same_log_has_the_same_effects_however_it_is_cut(
    log: list[Record], params: EngineParams, cut: list[Cut]
) -> None:
    """Publications in the same order with the same revisions, the same dead letters, the same state to the byte."""
    whole, parts = run_of(params), run_of(params)
    whole.feed(*values(log))
    for piece, then in pieces(log, cut):
        parts.step(*values(piece))
        if then == "commit":
            parts.commit()
    parts.commit()
    assert_same(parts, whole)
    whole.finish()
    parts.finish()
    assert_same(parts, whole)


@settings(max_examples=60)
@given(
    st.lists(st.tuples(logs(16), st.sampled_from([1, 31_000, 20 * MINUTE, 2 * DAY])), max_size=5),
    params,
    cuts("", "commit"),
)
def test_cuts_do_not_show_where_idle_time_lies_between(
    days: list[tuple[list[Record], int]], params: EngineParams, cut: list[Cut]
) -> None:
    """Windows that close because time passes close at the same place in the log."""
    whole, parts = run_of(params), run_of(params)
    now = NOW
    for log, pause in days:
        whole.feed(*values(log), now=now)
        for piece, then in pieces(log, cut):
            parts.step(*values(piece), now=now)
            if then == "commit":
                parts.commit()
        parts.commit()
        now += pause
        whole.idle(now)
        parts.idle(now)
    whole.finish()
    parts.finish()
    assert_same(parts, whole)


# ------------------------------------------------------------------------------------------------------------ the oracle


@settings(max_examples=120)
@given(logs(), params, cuts("", "commit", "crash"))
def test_figures_are_those_of_all_accepted_events(log: list[Record], params: EngineParams, cut: list[Cut]) -> None:
    """For every window of every scope, the highest revision says what adding up everything at once says."""
    run = run_of(params)
    for piece, then in pieces(log, cut):
        run.step(*values(piece))
        if then:
            run.commit()
        if then == "crash":
            run.crash()
    run.commit()
    run.finish()

    verdicts = oracle.judge(
        log, lateness=params.lateness_ms, grace=params.grace_ms, far_future=params.far_future_ms
    )  # fmt: skip
    counts = run.counts
    assert counts.holds
    assert counts.received == len(log)
    assert (counts.applied, counts.duplicate, counts.late, counts.rerouted, counts.dead_lettered.total()) == tuple(
        verdicts.counts[name] for name in ("applied", "duplicate", "late", "rerouted", "dead")
    )
    known = {"far_future", "too_late"}
    dead = [(letter.offset, letter.reason if letter.reason in known else "broken") for letter in run.dead_letters]
    assert dead == verdicts.dead
    assert [letter.payload for letter in run.dead_letters] == [log[offset].value or b"" for offset, _ in dead]

    expected = oracle.figures(verdicts.accepted)
    assert set(run.latest) == set(expected)
    for place, kpi in run.latest.items():
        assert {name: getattr(kpi, name) for name in expected[place]} == expected[place], place


@settings(max_examples=80)
@given(logs(), params)
def test_revisions_count_up_and_say_what_they_add(log: list[Record], params: EngineParams) -> None:
    """Of each window from one, without a gap; what they add sums to what the last one says."""
    run = run_of(params)
    for record in log:
        run.feed(record.value)
    run.finish()
    revisions: dict[Place, list[int]] = defaultdict(list)
    calls: dict[Place, list[int]] = defaultdict(list)
    added: dict[Place, list[tuple[int, ...]]] = defaultdict(list)
    for kpi, more in run.publications:
        revisions[place_of(kpi)].append(kpi.revision)
        calls[place_of(kpi)].append(kpi.calls)
        added[place_of(kpi)].append(more)
    for place, kpi in run.latest.items():
        assert revisions[place] == list(range(1, len(revisions[place]) + 1))
        assert calls[place] == sorted(set(calls[place]))
        total = (
            kpi.spend_micro_usd or 0,
            kpi.input_tokens,
            kpi.cache_read_tokens,
            kpi.cache_write_tokens,
            kpi.output_tokens,
        )
        assert tuple(map(sum, zip(*added[place], strict=True))) == total


@settings(max_examples=80)
@given(logs(), params)
def test_coarser_windows_and_scopes_are_sums_of_finer_ones(log: list[Record], params: EngineParams) -> None:
    """Workflows sum to their team, 5 minutes to the hour, hours to the day, in calls, tokens and money."""
    run = run_of(params)
    run.feed(*values(log))
    run.finish()
    figures = {
        place: (
            kpi.calls,
            kpi.errors,
            kpi.spend_micro_usd or 0,
            kpi.priced_calls,
            kpi.unpriced_tokens,
            kpi.input_tokens,
        )
        for place, kpi in run.latest.items()
    }
    of_workflows: dict[Place, list[tuple[int, ...]]] = defaultdict(list)
    of_finer: dict[Place, list[tuple[int, ...]]] = defaultdict(list)
    for (team, workflow, size, start), sums in figures.items():
        if workflow is not None:
            of_workflows[team, None, size, start].append(sums)
        for finer, coarser in ((FIVE, HOUR), (HOUR, DAY)):
            if size == finer:
                of_finer[team, workflow, coarser, start // coarser * coarser].append(sums)
    for parts in (of_workflows, of_finer):
        for place, sums_of_parts in parts.items():
            assert tuple(map(sum, zip(*sums_of_parts, strict=True))) == figures[place]
    assert set(of_workflows) == {place for place in figures if place[1] is None}
    assert set(of_finer) == {place for place in figures if place[2] != FIVE}


# --------------------------------------------------------------------------------------------------------------- crashes


@settings(max_examples=120)
@given(logs(), params, cuts("", "", "commit", "crash"))
def test_a_crash_leaves_no_trace(log: list[Record], params: EngineParams, cut: list[Cut]) -> None:
    """Work that was not committed is done again from the applied offset: nothing twice, nothing missing."""
    smooth, crashed = run_of(params), run_of(params)
    smooth.feed(*values(log))
    crashes = 0
    while crashed.end < len(log):
        for piece, then in pieces(log[crashed.end :], cut[crashes % len(cut) :] + cut[: crashes % len(cut)]):
            crashed.step(*values(piece))
            if then == "commit":
                crashed.commit()
            if then == "crash" and crashes < 10:
                crashes += 1
                crashed.crash()
                break
    crashed.commit()
    assert_same(crashed, smooth)
    crashed.crash()
    smooth.finish()
    crashed.finish()
    assert_same(crashed, smooth)


# ------------------------------------------------------------------------------------------------------------- watermark


_times = st.integers(MONDAY - DAY, MONDAY + DAY)


@given(
    st.sampled_from([0, 1, MINUTE]),
    st.lists(st.one_of(st.tuples(_times), st.tuples(st.integers(0, DAY), _times | st.just(NOW))), max_size=30),
)
def test_a_watermark_never_goes_back_and_never_ahead_of_its_reasons(
    lateness: int, moves: list[tuple[int] | tuple[int, int]]
) -> None:
    """Too late is judged by events and by the time that passed since; closing alone may follow the wall clock."""
    mark = Watermark(lateness)
    clock = longest_idle = 0
    for move in moves:
        before = (mark.newest_ms, mark.value_ms, mark.closing_ms)
        if len(move) == 1:
            mark.observe(move[0])
        else:
            mark.idle(*move)
            if mark.newest_ms:
                clock, longest_idle = max(clock, move[1]), max(longest_idle, move[0])
        after = (mark.newest_ms, mark.value_ms, mark.closing_ms)
        assert all(now >= then for now, then in zip(after, before, strict=True))
        assert mark.value_ms <= mark.closing_ms
        if mark.newest_ms:
            assert mark.newest_ms - lateness <= mark.value_ms <= mark.newest_ms + longest_idle - lateness
            assert mark.value_ms <= max(mark.newest_ms, clock) - lateness
            assert mark.closing_ms <= max(mark.newest_ms, clock) - lateness


@settings(max_examples=50)
@given(logs(), params, st.lists(st.integers(0, 39), max_size=5))
def test_closing_early_makes_no_event_too_late(log: list[Record], params: EngineParams, pauses: list[int]) -> None:
    """A history that is idle for a second here and there has the verdicts and the figures of one that is not."""
    quick = EngineParams(lateness_ms=params.lateness_ms, grace_ms=params.grace_ms, idle_ms=0)
    smooth, paused = run_of(quick), run_of(quick)
    for place, record in enumerate(log):
        smooth.feed(record.value)
        paused.feed(record.value)
        if place in pauses:
            paused.idle(NOW)
    smooth.finish()
    paused.finish()
    assert paused.counts == smooth.counts
    assert paused.dead_letters == smooth.dead_letters
    assert {place: figures(run) for place, run in paused.latest.items()} == {
        place: figures(run) for place, run in smooth.latest.items()
    }


def figures(kpi: object) -> dict[str, object]:
    """All of a KPI but its revision."""
    return {name: getattr(kpi, name) for name in kpi.__struct_fields__ if name != "revision"}  # type: ignore[attr-defined]
