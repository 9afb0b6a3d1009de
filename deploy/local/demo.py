"""``make demo``: Kafka, a worker, a producer and a gateway on this machine for a minute, and what comes of it.

A company's model calls are sent many times faster than they happened, with what real logs suffer from: copies, second
sources, disorder, garbage, records in the wrong partition, records that come too late; beside it a gateway posts its calls to ``assay ingest`` in
LiteLLM's form, some of them twice. Then three weeks of four small
teams at once: a target that is chased, an agent in a loop, a budget that burns, and a schedule that is meant to be. Shows
the figures as they move, reads back what was published, and ends with one line of JSON on standard output. Exit code 0 only
if all of it adds up, and alerts tell of the first three and not of the last.
"""

import json
import shutil
import signal
import sys
import uuid
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import click

from deploy.local.broker import LocalKafka
from deploy.local.demo_run import Demo, Plan, say
from deploy.local.demo_screen import screen
from deploy.local.distribution import KAFKA_VERSION
from streams.errors import AssayError

__all__ = ["main"]

_INTERRUPTED: Final = 130


@click.command(context_settings={"help_option_names": ["-h", "--help"]}, help=__doc__)
@click.option(
    "--events", type=click.IntRange(2_000), default=120_000, show_default=True, help="Records of the producer."
)
@click.option("--rate", type=click.FloatRange(100), default=6_000, show_default=True, help="Of them a second.")
@click.option(
    "--brokers",
    envvar="ASSAY_BROKERS",
    show_envvar=True,
    help="Use this Kafka, and leave the topics there, instead of starting one.",
)
@click.option("--topic-prefix", "prefix", help="Before every topic's name.  [default: one that no other run has]")
@click.option(
    "--dir", "directory", type=click.Path(file_okay=False, path_type=Path), default=Path("build/demo"),
    show_default=True, help="Where data and logs go meanwhile; emptied first. The logs stay if it fails.",
)  # fmt: skip
def demo(events: int, rate: float, brokers: str | None, prefix: str | None, directory: Path) -> None:
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    with ExitStack() as stack:
        stack.callback(_remove_data, directory)
        # A closed terminal and a cancelled build end it as Ctrl-C does: with everything it has started.
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda number, _: sys.exit(128 + number))
        try:
            with screen() as shown:
                brokers = brokers or _started_kafka(directory / "kafka", stack)
                prefix = prefix or f"demo-{uuid.uuid4().hex[:8]}."
                result = Demo(Plan(events, rate, prefix, directory), brokers, shown, stack).run()
        except KeyboardInterrupt:
            sys.exit(_INTERRUPTED)
        finally:
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
    click.echo(json.dumps(result))
    if not result["accounting_holds"]:
        say(f"error: the accounting does not hold; the worker's log is {directory / 'worker.log'}")
        sys.exit(1)
    if not result["alerts_as_planted"]:
        say(
            f"error: alerts do not tell of what was planted, or of what is innocent; the worker's log is {directory / 'worker.log'}"
        )
        sys.exit(1)
    shutil.rmtree(directory)


def _started_kafka(directory: Path, stack: ExitStack) -> str:
    """The address of a broker of our own; killed in the end, as nobody wants its data."""
    kafka = LocalKafka(directory)
    stack.callback(kafka.kill)
    say(f"starting Apache Kafka {KAFKA_VERSION} (the first time on a machine it is downloaded, 43 MB)")
    address = kafka.start()
    say(f"Kafka is at {address}")
    return address


def _remove_data(directory: Path) -> None:
    """Remove everything but logs."""
    for data in (directory / "state", directory / "ingest", directory / "kafka" / "data"):
        shutil.rmtree(data, ignore_errors=True)


def main() -> None:
    """Run it; an expected failure is one message and its exit code."""
    try:
        demo.main(prog_name="python -m deploy.local.demo")
    except AssayError as error:
        say(f"error: {error}")
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
