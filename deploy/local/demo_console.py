"""``make demo-console``: Kafka, a worker and the console on this machine, with ten weeks of a made-up company behind them.

The ten weeks are simulated and put through the worker's own core once, which takes some minutes; what comes of it is kept in
``build/console-history`` and loaded at the next start. A producer goes on sending calls of another made-up company, so that the
pipeline moves. Prints ``console: http://127.0.0.1:PORT/`` on standard output when it is ready, and runs until Ctrl-C.
"""

import shutil
import signal
import sys
import threading
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click

from deploy.local.broker import LocalKafka
from deploy.local.commands import Command, Console, Worker
from deploy.local.demo_run import say
from deploy.local.distribution import KAFKA_VERSION
from deploy.local.history import load_files
from deploy.local.properties import free_ports
from streams import topics_admin
from streams.errors import AssayError

__all__ = ["history", "main", "running"]

_PREFIX: Final = "demo."
_PARTITIONS: Final = 4
_WEEK_SECONDS: Final = 7 * 86_400
_FIRST_MONDAY: Final = 4 * 86_400
_WEEKS: Final = 10
_RATE: Final = 50
_HISTORY: Final = Path("build/console-history")
_PATIENCE_SECONDS: Final = 1_800


@click.command(context_settings={"help_option_names": ["-h", "--help"]}, help=__doc__)
@click.option("--port", type=click.IntRange(0, 65_535), default=0, help="Port of the console.  [default: a free one]")
@click.option(
    "--dir", "directory", type=click.Path(file_okay=False, path_type=Path), default=Path("build/demo-console"),
    show_default=True, help="Where data and logs go meanwhile; emptied first.",
)  # fmt: skip
def demo(port: int, directory: Path) -> None:
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stopped.set())
    with ExitStack() as stack:
        url = running(stack, directory, port, stopped)
        if url is not None:
            print(f"console: {url}/", flush=True)
            say("Ctrl-C stops it")
            stopped.wait()
            say("stopping")
    shutil.rmtree(directory, ignore_errors=True)


def running(stack: ExitStack, directory: Path, port: int, stopped: threading.Event) -> str | None:
    """Start everything, and give the console's address; None if it was stopped meanwhile. Raises AssayError."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    found = history(stopped)
    if found is None:
        return None
    kafka = LocalKafka(directory / "kafka")
    stack.callback(kafka.kill)
    say(f"starting Apache Kafka {KAFKA_VERSION} (the first time on a machine it is downloaded, 43 MB)")
    brokers = kafka.start()
    topics_admin.apply(brokers, prefix=_PREFIX, app_id="assay", partitions=_PARTITIONS, replication_factor=1)
    number = load_files(brokers, _PREFIX, found / "kpis.jsonl", found / "alerts.jsonl")
    say(f"ten weeks are {number:,} records on the topics of KPIs and alerts")
    worker_port, free_port, web_port = free_ports(3)
    worker = Worker(
        brokers, _PREFIX, port=worker_port, data=directory / "state", log=directory / "worker.log",
        settings={"ASSAY_POLICY": str(found / "policy.yaml")},
    )  # fmt: skip
    stack.callback(worker.stop)
    console = Console(
        brokers, _PREFIX, ports=(port or free_port, web_port), workers=worker.url, log=directory / "console.log",
        settings={"ASSAY_POLICY": str(found / "policy.yaml")},
    )  # fmt: skip
    stack.callback(console.stop)
    worker.wait_until_ready()
    producer = Command(
        "simulate", "--brokers", brokers, "--topic-prefix", _PREFIX, "--rate", str(_RATE), "--with-outcomes",
        "--teams", "8", "--workflows", "40", "--actors", "480", "--duplicates", "0.02", log=directory / "producer.log",
    )  # fmt: skip
    stack.callback(producer.stop)
    console.wait_until_ready()
    return None if stopped.is_set() else console.pages


def history(stopped: threading.Event) -> Path | None:
    """Where the ten weeks lie that ended last Sunday, made if they are not there; None if it was stopped meanwhile."""
    now = int(time.time())
    start = (now - _FIRST_MONDAY) // _WEEK_SECONDS * _WEEK_SECONDS + _FIRST_MONDAY - _WEEKS * _WEEK_SECONDS
    first = datetime.fromtimestamp(start, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    directory = _HISTORY / first[:10]
    if (directory / "alerts.jsonl").exists():
        return directory
    shutil.rmtree(_HISTORY, ignore_errors=True)
    directory.mkdir(parents=True)
    usage, outcomes, policy = directory / "usage.jsonl", directory / "outcomes.jsonl", directory / "policy.yaml"
    say(f"simulating ten weeks of forty teams from {first[:10]} (once, some minutes)")
    simulated = _finished(Command(
        "simulate", "--scenario", "ten-weeks", "--seed", "3", "--start", first, "--out", str(usage),
        "--outcomes", str(outcomes), "--policy", str(policy), "--labels", str(directory / "labels.json"),
        log=directory / "simulate.log",
    ), stopped)  # fmt: skip
    say("putting them through the worker's core")
    replayed = simulated and _finished(Command(
        "replay", "--usage", str(usage), "--outcomes", str(outcomes), "--kpis", str(directory / "kpis.jsonl"),
        "--alerts", str(directory / "alerts.jsonl"), log=directory / "replay.log",
        settings={"ASSAY_POLICY": str(policy)},
    ), stopped)  # fmt: skip
    for path in (usage, outcomes):
        path.unlink(missing_ok=True)
    return directory if replayed else None


def _finished(command: Command, stopped: threading.Event) -> bool:
    """Wait for its end; whether it came before a stop. Raises DependencyError where it fails."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while command.ended is None and not stopped.wait(0.2):
        if time.monotonic() > deadline:
            command.stop()
            raise command.failure("does not end")
    if command.ended is None:
        command.stop()
        return False
    if command.ended:
        raise command.failure(f"ended with exit code {command.ended}")
    return True


def main() -> None:
    """Run it; an expected failure is one message and its exit code."""
    try:
        demo.main(prog_name="python -m deploy.local.demo_console")
    except AssayError as error:
        say(f"error: {error}")
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
