"""``python -m tests.faults.run``: every fault against the real worker on a real Kafka, judged by the oracle."""

import argparse
import os
import shutil
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from deploy.local.broker import LocalKafka
from tests.faults import report, stock
from tests.faults.arena import Arena
from tests.faults.scenarios import SCENARIOS, Scenario, Unavailable

__all__ = ["main", "play"]

_BUILD: Final = Path("build")


def play(
    scenario: Scenario, brokers: str, directory: Path, *, events: int, seed: int, broker: LocalKafka | None = None,
    seconds: float | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Run one scenario; gives its entry of the report."""
    began = time.monotonic()
    name = "".join(letter if letter.isalnum() else "-" for letter in scenario.name)
    with Arena(
        f"{name}-{seed}", brokers, directory, events=events, seconds=seconds or scenario.seconds, seed=seed,
        broker=broker, settings=scenario.settings,
    ) as arena:  # fmt: skip
        try:
            scenario.prepare(arena)
        except Unavailable as reason:
            return {"fault": scenario.name, "skipped": str(reason), "times": 0, "events": 0, "problems": []}
        arena.start()
        times = scenario.inflict(arena)
        outcome = arena.finish()
    return report.entry(scenario, outcome, times, time.monotonic() - began)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is asked for, write the report, print the table; 1 if anything is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.run", description=__doc__)
    parser.add_argument("--events", type=int, default=1_020_000, help="records of all scenarios together")
    parser.add_argument("--seed", type=int, default=1, help="names the load and the random times of the faults")
    parser.add_argument("--jobs", type=int, default=2, help="scenarios at once, those that strike the broker excepted")
    parser.add_argument("--only", default="", help="run only faults whose name contains this; comma separated")
    parser.add_argument("--no-stock", action="store_true", help="leave out the stock Faust worker")
    parser.add_argument("--out", type=Path, default=_BUILD / "faults.json", help="where the report goes")
    options = parser.parse_args(arguments)
    wanted = [part.strip() for part in options.only.split(",") if part.strip()]
    chosen = [s for s in SCENARIOS if not wanted or any(part in s.name for part in wanted)]
    directory = _own_directory(_BUILD / "faults")
    share = options.events // max(1, len(chosen)) + 1
    with LocalKafka(directory / "kafka") as broker, ThreadPoolExecutor(options.jobs) as pool:

        def run(scenario: Scenario) -> dict[str, Any]:
            fault = play(scenario, broker.bootstrap, directory, events=share, seed=options.seed, broker=broker)
            print(f"{fault['fault']}: {'; '.join(fault['problems']) or fault.get('skipped', 'ok')}", flush=True)
            return fault

        # Side by side while each has its own workers and topics, as much of a scenario is waiting for sessions to end.
        running = {scenario.name: pool.submit(run, scenario) for scenario in chosen if not scenario.needs_broker}
        control = None if options.no_stock else pool.submit(_stock, broker.bootstrap, directory, options.seed)
        done = {name: future.result() for name, future in running.items()}
        stock_result = control.result() if control else None
        # What happens to the broker happens to everyone.
        done |= {scenario.name: run(scenario) for scenario in chosen if scenario.needs_broker}
    faults = [done[scenario.name] for scenario in chosen]
    result: dict[str, Any] = {"seed": options.seed, "faults": faults, "stock_faust": stock_result}
    result["passed"] = report.passed(result)
    report.write(result, options.out)
    print(report.table(faults, stock_result))
    print(f"{'PASS' if result['passed'] else 'FAIL'}, seed {options.seed}, report in {options.out}")
    return 0 if result["passed"] else 1


def _stock(brokers: str, directory: Path, seed: int) -> dict[str, Any]:
    """The stock worker, killed; and, as ``unharmed``, with nothing done to it."""
    return {
        **stock.play(brokers, directory, seed=seed),
        "unharmed": stock.play(brokers, directory, seed=seed, events=stock.EVENTS // 4, kills=0),
    }


def _own_directory(parent: Path) -> Path:
    """A directory no other run uses; what earlier runs left behind is removed."""
    for left in parent.glob("run-*"):
        try:
            os.kill(int(left.name.removeprefix("run-")), 0)
        except ProcessLookupError:
            shutil.rmtree(left, ignore_errors=True)
    return parent / f"run-{os.getpid()}"


if __name__ == "__main__":
    sys.exit(main())
