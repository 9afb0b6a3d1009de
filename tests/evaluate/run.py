"""``python -m tests.evaluate.run``: how well the detectors find what was planted, beside plain rules."""

import argparse
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Final

import orjson

from streams.simulation.labelled import SCENARIOS
from tests.evaluate.report import REPORT_SEEDS, aggregate, table
from tests.evaluate.seed import Impossible, can_alert, evaluate_seed

__all__ = ["main", "seeds_of"]

_BUILD: Final = Path("build")
_NO_ALERTS: Final = (
    "this version of assay replay has no --alerts, so there is nothing to judge; "
    "give --only rivals, or run a version with detectors"
)


def seeds_of(text: str) -> list[int]:
    """``10-12,20`` as numbers; raises ValueError on anything else."""
    seeds: list[int] = []
    for part in text.split(","):
        ends = part.split("-")
        if len(ends) > 2 or not all(end.strip().isdigit() for end in ends):
            raise ValueError(f"{text!r} are no seeds; give numbers and ranges, such as 10-29 or 3,5")
        seeds += range(int(ends[0]), int(ends[-1]) + 1)
    if not seeds or len(set(seeds)) < len(seeds):
        raise ValueError(f"{text!r} names no seed, or one of them twice")
    return seeds


def main(arguments: Sequence[str] | None = None) -> int:
    """Evaluate what is asked for, write the report, print the table; 2 if it cannot be done."""
    parser = argparse.ArgumentParser(prog="python -m tests.evaluate.run", description=__doc__)
    default = f"{REPORT_SEEDS.start}-{REPORT_SEEDS.stop - 1}"
    parser.add_argument("--seeds", default=default, help=f"such as 0-9 for tuning; default {default}, for reporting")
    parser.add_argument("--only", choices=("ours", "rivals"), help="judge only the detectors, or only the plain rules")
    parser.add_argument("--scenario", choices=SCENARIOS, default=SCENARIOS[0])
    parser.add_argument("--jobs", type=int, default=2, help="seeds at once")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep the files of each seed here, and use them again")
    parser.add_argument("--out", type=Path, default=_BUILD / "evaluate.json", help="where the report goes")
    options = parser.parse_args(arguments)
    try:
        seeds = seeds_of(options.seeds)
    except ValueError as error:
        parser.error(str(error))
    if options.only != "rivals" and not can_alert():
        print(_NO_ALERTS, file=sys.stderr)
        return 2
    with ProcessPoolExecutor(max(1, options.jobs)) as pool:
        asked = [
            pool.submit(evaluate_seed, seed, options.scenario, options.only or "all", options.keep) for seed in seeds
        ]
        results = []
        try:
            for number, future in enumerate(asked, 1):
                results.append(future.result())
                print(f"seed {results[-1]['seed']} judged, {number} of {len(seeds)}", file=sys.stderr)
        except Impossible as error:
            pool.shutdown(cancel_futures=True)
            print(error, file=sys.stderr)
            return 2
    report = aggregate(results)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_bytes(orjson.dumps(report, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    print(table(report))
    print(f"\nwritten to {options.out}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
