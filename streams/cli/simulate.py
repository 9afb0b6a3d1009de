"""``assay simulate``: what a seeded, made-up company uses and gets, to files or to Kafka, at once or at a pace."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any, Final

import click
from click.core import ParameterSource

from streams.cli.groups import command
from streams.cli.options import effective_settings, settings_options
from streams.cli.progress import progress
from streams.cli.sinks import OUTCOMES, STDOUT, USAGE, event_sink, open_output
from streams.cli.times import TimeMs
from streams.clock import SystemClock
from streams.settings import Settings
from streams.simulation import DEFAULT_START_MS, Scenario, Simulation
from streams.simulation.labelled import SCENARIOS, ten_weeks

__all__ = ["simulate"]

_BATCH: Final = 1_000
#: With a pace and no number: more than anyone waits for.
_UNTIL_STOPPED: Final = 10**12
#: Calls of an average run where the number of records does not say.
_CALLS_A_RUN: Final = 40
#: How often a paced simulation looks at the clock.
_TICK_SECONDS: Final = 0.02

_SHARE = click.FloatRange(0, 0.95)
_FILE = click.Path(path_type=Path, dir_okay=False)
#: What goes with --scenario; it says everything else itself.
_OF_SCENARIO: Final = frozenset({"scenario", "seed", "start", "out", "outcomes", "policy", "labels"})
_DAY_MS: Final = 86_400_000
#: 1970-01-05 was a Monday.
_MONDAY_MS: Final = 4 * _DAY_MS


@command(
    "simulate",
    examples=(
        "assay simulate --seed 7 --events 1000000 --out usage.jsonl",
        "assay simulate --events 1000 --out - | head -3",
        "assay simulate --events 1000000 --out usage.jsonl --outcomes outcomes.jsonl",
        "assay simulate --rate 500 --with-outcomes --brokers 127.0.0.1:9092",
        "assay simulate --rate 500 --speed 60 --events 90000",
        "assay simulate --events 50000 --duplicates 0.02 --poison 0.001 --out dirty.jsonl",
        "assay simulate --scenario ten-weeks --seed 3 --out u.jsonl --outcomes o.jsonl --policy p.yaml --labels l.json",
    ),
)
@settings_options("brokers", "topic_prefix")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE|-",
    help="Write lines of JSON here instead of sending to Kafka; - is standard output.",
)
@click.option(
    "--outcomes",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE|-",
    help="With --out: write here what the runs came to, as lines of JSON.",
)
@click.option(
    "--scenario",
    type=click.Choice(SCENARIOS),
    help="Ten weeks of forty teams with labelled episodes, or the same company without any; needs the four files.",
)
@click.option(
    "--policy", type=_FILE, metavar="FILE", help="With --scenario: the policy; its price book goes beside it."
)
@click.option(
    "--labels", type=_FILE, metavar="FILE", help="With --scenario: what was planted, where and when, as JSON."
)
@click.option("--with-outcomes", is_flag=True, help="Without --out: send to Kafka what the runs came to, too.")
@click.option(
    "--seed", type=int, default=1, show_default=True, help="Names the company; the same seed gives the same bytes."
)
@click.option(
    "--events", type=click.IntRange(0), metavar="N", help="Records.  [default: 100000; with --rate: until stopped]"
)
@click.option(
    "--rate",
    type=click.FloatRange(0, min_open=True),
    metavar="X",
    help="Records a second, stamped as they are written.",
)
@click.option(
    "--speed",
    type=click.FloatRange(0, min_open=True),
    metavar="X",
    help="With --rate: let the company live X times as fast as the clock.  [default: 1]",
)
@click.option(
    "--start",
    type=TimeMs(),
    help="First event's time.  [default: 2026-01-05T00:00:00Z; with --rate: so that it ends now]",
)
@click.option(
    "--span-hours",
    type=click.FloatRange(0, min_open=True),
    metavar="X",
    help="Event time covered, without --rate.  [default: 24]",
)
@click.option("--teams", type=click.IntRange(1), default=40, show_default=True, metavar="N")
@click.option("--workflows", type=click.IntRange(1), default=400, show_default=True, metavar="N")
@click.option("--actors", type=click.IntRange(1), default=2_000, show_default=True, metavar="N")
@click.option(
    "--runs",
    type=click.IntRange(1),
    default=20_000,
    show_default=True,
    metavar="N",
    help="About how many runs the records belong to.",
)
@click.option("--duplicates", type=_SHARE, default=0.0, metavar="SHARE", help="Share of exact copies.")
@click.option(
    "--mirrored", type=_SHARE, default=0.0, metavar="SHARE", help="Share of calls seen again by a second source."
)
@click.option("--out-of-order", type=_SHARE, default=0.0, metavar="SHARE", help="Share of records that arrive late.")
@click.option(
    "--poison", type=_SHARE, default=0.0, metavar="SHARE", help="Share of records no decoder accepts; files only."
)
def simulate(
    out: Path | None, outcomes: Path | None, with_outcomes: bool, events: int | None, rate: float | None,
    speed: float | None, start: int | None, span_hours: float | None, duplicates: float, mirrored: float,
    out_of_order: float, poison: float, scenario: str | None, policy: Path | None, labels: Path | None, **sizes: Any,
) -> None:  # fmt: skip
    """Write the usage of a seeded, made-up company.

    People in working hours, agents in bursts, CI and nightly schedules; a few workflows make most of the spend. Sends to
    Kafka unless --out names a file. With outcomes, also what the runs came to within the time covered: changes merged
    and reverted, tickets, reviews, deployments, incidents and evaluations; the usage is the same with and without.
    Prints a JSON summary of what was written when done (on standard error where standard output has records).

    With --scenario: ten weeks of forty teams, in which a detector's answers can be checked (docs/evaluation.md).
    """
    if scenario is not None:
        _write_scenario(scenario, sizes["seed"], start, out, outcomes, policy, labels)
        return
    if policy is not None or labels is not None:
        raise click.UsageError("--policy and --labels go with --scenario: without one nothing is planted")
    if rate is None and speed is not None:
        raise click.UsageError("--speed needs --rate; without a pace the whole span is written at once")
    if rate is not None and span_hours is not None:
        raise click.UsageError("--span-hours and --rate exclude each other: a pace covers --events / --rate seconds")
    if out is None and poison:
        raise click.UsageError("--poison needs --out: a producer refuses what no worker can read")
    if outcomes is not None and (out is None or outcomes == out):
        raise click.UsageError("--outcomes goes with --out, to another output; to Kafka, use --with-outcomes")
    if with_outcomes and out is not None:
        raise click.UsageError("--with-outcomes is for Kafka; with --out, name a file: --outcomes FILE")
    settings = effective_settings()
    count = events if events is not None else 100_000 if rate is None else _UNTIL_STOPPED
    if count == _UNTIL_STOPPED:
        sizes["runs"] = count // _CALLS_A_RUN
        if start is None and speed is not None and speed > 1:
            raise click.UsageError("--speed above 1 needs --events or --start: it would soon write the future")
    try:
        wanted = Scenario(
            events=count,
            duplicate_share=duplicates,
            mirrored_share=mirrored,
            out_of_order_share=out_of_order,
            poison_share=poison,
            outcomes=with_outcomes or outcomes is not None,
            **_time(count, rate, speed or 1.0, start, span_hours),
            **sizes,
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    simulation = Simulation(wanted)
    records = (record for _, record in simulation)
    total = None if count == _UNTIL_STOPPED else count
    interrupted: KeyboardInterrupt | None = None
    try:
        with (
            event_sink(USAGE, out, settings, whole=False) as write,
            _outcome_sink(wanted, outcomes, settings) as write_outcomes,
            progress("simulating", total) as done,
        ):
            for batch in _batches(records) if rate is None else _paced(records, rate):
                write(batch)
                write_outcomes(_due(simulation, rate))
                done(len(batch))
    except KeyboardInterrupt as error:
        # The usual end of a paced simulation: what was written is still worth saying.
        interrupted = error
    said = {"seed": wanted.seed, **asdict(simulation.tally)}
    if wanted.outcomes:
        said |= asdict(simulation.outcome_tally)
    click.echo(json.dumps(said), err=STDOUT in (out, outcomes))
    if interrupted:
        raise interrupted


def _write_scenario(
    name: str, seed: int, start: int | None, out: Path | None, outcomes: Path | None, policy: Path | None,
    labels: Path | None,
) -> None:  # fmt: skip
    context = click.get_current_context()
    for option, source in ((key, context.get_parameter_source(key)) for key in context.params):
        if option not in _OF_SCENARIO and source is ParameterSource.COMMANDLINE:
            flag = option.replace("_", "-")
            raise click.UsageError(f"--{flag} does not go with --scenario, which says how much happens: leave it out")
    if out is None or outcomes is None or policy is None or labels is None:
        raise click.UsageError("--scenario writes four files: give --out, --outcomes, --policy and --labels")
    files = (out, outcomes, policy, labels)
    if STDOUT in files or len({path.absolute() for path in files}) < len(files):
        raise click.UsageError("--scenario writes four files: give each of them a name of its own, and none of them -")
    if start is not None and (start - _MONDAY_MS) % (7 * _DAY_MS):
        raise click.UsageError("--start of a scenario must be a Monday, 00:00 UTC, such as 2026-01-05")
    made = ten_weeks(seed, scenario=name, start_ms=start)
    prices = policy.with_name(f"{policy.stem}.prices.yaml")
    contents = (
        (out, b"\n".join(made.usage) + b"\n"),
        (outcomes, b"\n".join(made.outcomes) + b"\n"),
        (policy, made.policy_yaml(prices.name).encode()),
        (prices, made.prices_yaml().encode()),
        (labels, made.labels.to_json()),
    )
    for path, content in contents:
        with open_output(path, whole=True) as file:
            file.write(content)
    said = {"seed": seed, "scenario": name, "records": len(made.usage), "outcomes": len(made.outcomes)}
    click.echo(json.dumps({**said, "episodes": len(made.labels.episodes), "benign": len(made.labels.benign)}))


def _time(count: int, rate: float | None, speed: float, start: int | None, span_hours: float | None) -> dict[str, Any]:
    if rate is None:
        span_ms = max(1, round((span_hours or 24.0) * 3_600_000))
        return {"start_ms": DEFAULT_START_MS if start is None else start, "span_ms": span_ms}
    span_ms = max(1, round(count / rate * speed * 1000))
    if start is None:
        now_ms = SystemClock().now_ms()
        # A company that lives faster than the clock starts in the past, so that its last event is stamped when it is
        # written, and none in the future.
        start = now_ms - max(0, round(span_ms * (1 - 1 / speed)))
    return {"start_ms": start, "span_ms": span_ms, "steady": True}


@contextmanager
def _outcome_sink(
    scenario: Scenario, out: Path | None, settings: Settings
) -> Iterator[Callable[[Sequence[bytes]], object]]:
    """A function that takes batches of outcomes, empty ones too."""
    if not scenario.outcomes:
        yield len
        return
    with event_sink(OUTCOMES, out, settings, whole=False) as write:
        yield lambda batch: write(batch) if batch else None


def _due(simulation: Simulation, rate: float | None) -> list[bytes]:
    """The outcomes that go with what was written; at a pace none that is later than the last record."""
    scenario, written = simulation.scenario, simulation.tally.records
    paced_ms = scenario.start_ms + scenario.span_ms * max(0, written - 1) // max(1, scenario.events)
    return [outcome for _, outcome in simulation.take_outcomes(None if rate is None else paced_ms)]


def _batches(records: Iterator[bytes]) -> Iterator[list[bytes]]:
    while batch := list(islice(records, _BATCH)):
        yield batch


def _paced(records: Iterator[bytes], rate: float) -> Iterator[list[bytes]]:
    """Batches as they fall due; what a slow reader held up is caught up with."""
    began, written = time.monotonic(), 0
    while True:
        due = int((time.monotonic() - began) * rate) + 1 - written
        batch = list(islice(records, min(due, _BATCH)))
        if batch:
            written += len(batch)
            yield batch
        elif due > 0:
            return
        if due <= len(batch):
            time.sleep(max(_TICK_SECONDS, written / rate + began - time.monotonic()))
