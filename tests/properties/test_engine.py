"""The engine against its contract: chunks do not show, crashes do not show, and figures are what they must be."""

from collections import Counter, defaultdict
from dataclasses import asdict
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.core import keys
from streams.core.effects import Amounts
from streams.core.engine import EngineParams
from streams.core.kpis import Kpi
from streams.core.windows import SIZES, Watermark, Window
from tests.engine_runs import DAY, FIVE, MINUTE, MONDAY, NOW, EngineRun, Place, place_of
from tests.properties import oracle
from tests.properties.usage_logs import Cut, Record, cuts, logs, params, pieces

#: The state but for the memories of ids and requests, whose packing may follow transactions (their content may not).
STATE = (b"w", keys.META, keys.SOURCES, keys.DIRTY, keys.RUN, keys.BEGAN, keys.TEAM)


def run_of(params: EngineParams) -> EngineRun:
    """A run under given parameters."""
    return EngineRun(**asdict(params))


def values(records: list[Record]) -> list[bytes | None]:
    """Records as they lie in the log."""
    return [record.value for record in records]


def assert_same(run: EngineRun, expected: EngineRun) -> None:
    """Everything that can be seen of two runs, and everything that they go on from."""
    assert run.publications == expected.publications
    assert run.told == expected.told
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
    assert [letter.payload for letter in run.dead_letters] == [oracle.kept(log[offset]) for offset, _ in dead]

    expected = oracle.figures(verdicts.accepted)
    assert set(run.latest) == set(expected)
    for place, kpi in run.latest.items():
        assert {name: getattr(kpi, name) for name in expected[place]} == expected[place], place
    assert run.told == oracle.told(verdicts.accepted)
    assert run.engine.withheld_micro_usd == 0


@settings(max_examples=80)
@given(logs(), params)
def test_revisions_count_up_and_each_says_something_new(log: list[Record], params: EngineParams) -> None:
    """Of each window from one, without a gap; what is told for the first time sums to what the last ones say."""
    run = run_of(params)
    for record in log:
        run.feed(record.value)
    run.finish()
    revisions: dict[Place, list[Kpi]] = defaultdict(list)
    for kpi in run.publications:
        revisions[place_of(kpi)].append(kpi)
    totals: dict[int, dict[tuple[str, str], list[Amounts]]] = defaultdict(lambda: defaultdict(list))
    for place, said in revisions.items():
        assert [kpi.revision for kpi in said] == list(range(1, len(said) + 1))
        for earlier, later in pairwise(said):
            assert earlier.calls <= later.calls
            assert figures(earlier) != figures(later), place
        assert run.latest[place] is said[-1]
        if place[1] is not None:
            totals[place[2]][place[0], place[1]].append(amounts_of(said[-1]))
    for size in SIZES:
        assert {name: tuple(map(sum, zip(*parts, strict=True))) for name, parts in totals[size].items()} == run.told


@settings(max_examples=80)
@given(logs(), params)
def test_coarser_windows_and_scopes_are_sums_of_finer_ones(log: list[Record], params: EngineParams) -> None:
    """Workflows sum to their team, 5 minutes to the hour, hours to the day, days to the week: calls, tokens and money."""
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
        coarser = Window(size).coarser
        if coarser is not None:
            of_finer[team, workflow, coarser, coarser.start_of(coarser.bucket_of(start))].append(sums)
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
    clock = clock_of_all = longest_idle = 0
    for move in moves:
        before = (mark.newest_ms, mark.value_ms, mark.closing_ms)
        if len(move) == 1:
            mark.observe(move[0])
        else:
            mark.idle(*move)
            clock_of_all = max(clock_of_all, move[1])
            if mark.newest_ms:
                clock, longest_idle = max(clock, move[1]), max(longest_idle, move[0])
        after = (mark.newest_ms, mark.value_ms, mark.closing_ms)
        assert all(now >= then for now, then in zip(after, before, strict=True))
        assert mark.value_ms <= mark.closing_ms
        if mark.newest_ms:
            assert mark.newest_ms - lateness <= mark.value_ms <= mark.newest_ms + longest_idle - lateness
            assert mark.value_ms <= max(mark.newest_ms, clock) - lateness
        else:
            assert mark.value_ms == 0
        assert mark.closing_ms <= max(0, max(mark.newest_ms, clock_of_all) - lateness)


@settings(max_examples=50)
@given(logs(), params, st.lists(st.integers(0, 39), max_size=5))
def test_closing_early_makes_no_event_too_late(log: list[Record], params: EngineParams, pauses: list[int]) -> None:
    """A history that is idle for a second here and there has the verdicts and the figures of one that is not."""
    quick = EngineParams(lateness_ms=params.lateness_ms, grace_ms=params.grace_ms, idle_ms=0, min_actors=0)
    smooth, paused = run_of(quick), run_of(quick)
    for place, record in enumerate(log):
        smooth.feed(record.value)
        paused.feed(record.value)
        if place in pauses:
            paused.idle(NOW)
    # Closing is what runs are settled by: those of which one history has not said yet what they came to are, too.
    smooth.finish(settle=True)
    paused.finish(settle=True)
    assert paused.told == smooth.told
    assert paused.counts == smooth.counts
    assert paused.dead_letters == smooth.dead_letters
    assert {place: figures(run) for place, run in paused.latest.items()} == {
        place: figures(run) for place, run in smooth.latest.items()
    }


def figures(kpi: Kpi) -> dict[str, object]:
    """All of a KPI but its revision."""
    return {name: getattr(kpi, name) for name in kpi.__struct_fields__ if name != "revision"}


def amounts_of(kpi: Kpi) -> Amounts:
    """Spend and tokens, as what is told for the first time is told; no prices are known here."""
    return (
        kpi.spend_micro_usd or 0, kpi.input_tokens, kpi.cache_read_tokens, kpi.cache_write_tokens, kpi.output_tokens,
    )  # fmt: skip
