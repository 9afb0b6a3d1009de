"""A week that is not closed yet is summed from its days: once it has closed, the sum is what the week says."""

import io
import json
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.core.avro import KPI
from streams.core.events import UsageDecoder
from streams.core.kpis import Kpi
from streams.core.params import EngineParams
from streams.core.pseudonyms import Pseudonyms
from streams.replay import replay
from streams.report.ratios import known_spend
from streams.report.selection import Place, Selection
from streams.report.sums import COUNTS, KNOWN, sum_of
from streams.report.weeks import Week
from streams.simulation import DEFAULT_START_MS, Scenario, Simulation

_HOUR_MS = 3_600_000
#: What is not rounded where people had a part in it.
EXACT = [name for name in COUNTS if name != "failed_micro_usd"]


def published(seed: int, events: int, hours: int, min_actors: int = 0) -> list[Kpi]:
    """What a company's life is told as; if nobody says otherwise, of everyone."""
    span_ms = hours * _HOUR_MS
    simulation = Simulation(
        Scenario(
            seed=seed, events=events, span_ms=span_ms, teams=3, workflows=9, actors=30, runs=max(1, events // 10),
            outcomes=True, out_of_order_share=0.05,
        )
    )  # fmt: skip
    kpis = io.BytesIO()
    with TemporaryDirectory() as directory:
        usage, outcomes = Path(directory, "usage"), Path(directory, "outcomes")
        usage.write_bytes(b"".join(record + b"\n" for _, record in simulation))
        outcomes.write_bytes(b"".join(of_nobody(record) + b"\n" for _, record in simulation.take_outcomes(None)))
        replay(
            [usage], [outcomes], params=EngineParams(min_actors=min_actors), decoder=UsageDecoder(),
            pseudonyms=Pseudonyms(b"k" * 16), now_ms=DEFAULT_START_MS + span_ms, kpis_out=kpis, settle=True,
        )  # fmt: skip
    return [KPI.decode(line) for line in kpis.getvalue().splitlines()]


def of_nobody(record: bytes) -> bytes:
    """An outcome without its actor: one that concerns somebody counts in no window that had closed when it came."""
    outcome = json.loads(record)
    outcome.pop("actor", None)
    return json.dumps(outcome).encode()


@settings(max_examples=12)
@given(seed=st.integers(0, 1_000_000), events=st.integers(1, 1_500), hours=st.integers(1, 400))
def test_the_sum_of_the_days_is_the_week(seed: int, events: int, hours: int) -> None:
    selection = Selection(published(seed, events, hours))
    compared = 0
    for week in selection.weeks:
        for place in selection.places(week):
            told = selection.week(week, place)
            assert told is not None
            total = sum_of([day for day in selection.days(week, place) if day is not None], week, place)
            assert {name: getattr(total, name) for name in COUNTS} == {name: getattr(told, name) for name in COUNTS}
            for name in KNOWN:
                assert (getattr(total, name) or 0) == (getattr(told, name) or 0), name
            assert (total.first_event, total.last_event) == (told.first_event, told.last_event)
            compared += 1
    assert compared


@settings(max_examples=8)
@given(seed=st.integers(0, 1_000_000), events=st.integers(500, 1_500), hours=st.integers(1, 400))
def test_where_too_few_people_are_held_back_the_days_never_say_more_than_the_week(
    seed: int, events: int, hours: int
) -> None:
    selection = Selection(published(seed, events, hours, min_actors=5))
    for week in selection.weeks:
        for place in selection.places(week):
            told = selection.week(week, place)
            assert told is not None
            total = sum_of([day for day in selection.days(week, place) if day is not None], week, place)
            for name in EXACT:
                assert getattr(total, name) <= getattr(told, name), name
            assert (known_spend(total) or 0) <= (known_spend(told) or 0)


_kpis = st.builds(
    Kpi,
    scope=st.just("team"), team=st.just("t"), window_size_ms=st.just(86_400_000), window_start=st.just(0),
    window_end=st.just(86_400_000), revision=st.just(1), runs_exact=st.booleans(),
    **{name: st.integers(0, 2**50) for name in (*COUNTS, "runs")},
    **{name: st.none() | st.integers(0, 2**50) for name in KNOWN if name != "rating_sum"},
    withheld=st.none() | st.just("group_minimum"),
)  # fmt: skip


@given(st.lists(_kpis, min_size=1, max_size=7), st.randoms(use_true_random=False))
def test_a_sum_depends_neither_on_order_nor_on_grouping(records: list[Kpi], random: Random) -> None:
    week, place = Week.parse("2026-W02"), Place("t", None)
    shuffled = list(records)
    random.shuffle(shuffled)
    half = len(records) // 2
    grouped = [sum_of(part, week, place) for part in (records[:half], records[half:]) if part]
    whole = sum_of(records, week, place)
    for other in (sum_of(shuffled, week, place), sum_of(grouped, week, place)):
        assert other == whole
