"""The compiled core and its sources do the same: one log, through either, gives the same bytes."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from deploy import kernel

_PROGRAM = """
import sys
sys.path.insert(0, sys.argv.pop(1))
import streams.core.engine
print(streams.core.engine.__file__)
from streams.cli import main
sys.exit(main())
"""


def replayed(sources: Path, log: Path, directory: Path) -> tuple[str, bytes, bytes]:
    """The file of the engine that a replay ran, and what it wrote."""
    directory.mkdir()
    kpis, dead = directory / "kpis.jsonl", directory / "dead.jsonl"
    arguments = ["replay", "--usage", str(log), "--as-of", "2026-06-01T00:00:00Z", "--kpis", str(kpis)]
    done = subprocess.run(
        [sys.executable, "-P", "-c", _PROGRAM, str(sources), *arguments, "--dead-letters", str(dead)],
        capture_output=True, text=True, check=True, cwd=directory, env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    return done.stdout.splitlines()[0], kpis.read_bytes(), dead.read_bytes()


@pytest.mark.slow
def test_the_compiled_core_does_what_its_sources_say(tmp_path: Path) -> None:
    if not kernel.compiled():
        pytest.skip("the core is not compiled here: there is no C compiler, or `make kernel` was not run")
    log = tmp_path / "usage.jsonl"
    options = ["--duplicates", "0.05", "--out-of-order", "0.05", "--mirrored", "0.02", "--poison", "0.01"]
    simulate = ["simulate", "--events", "20000", "--start", "2026-03-02T00:00:00Z", "--seed", "11", "--out", str(log)]
    subprocess.run([str(Path(sys.executable).parent / "assay"), *simulate, *options], check=True, capture_output=True)
    plain = tmp_path / "plain"
    ignored = shutil.ignore_patterns("*.so", "__pycache__")
    shutil.copytree(kernel.ROOT / "streams", plain / "streams", ignore=ignored)
    shutil.copytree(kernel.ROOT / "schemas", plain / "schemas")
    ours = replayed(kernel.ROOT, log, tmp_path / "a")
    theirs = replayed(plain, log, tmp_path / "b")
    assert ours[0].endswith(".so")
    assert theirs[0] == str(plain / "streams/core/engine.py")
    assert ours[1:] == theirs[1:]
    assert len(ours[1].splitlines()) > 1_000
    assert ours[2]
