"""Compiles the hot modules of the core with mypyc, in place: ``python -m deploy.kernel [--remove]``.

Optional: the sources are plain Python and run as they are; compiled, they do the same in less time. Python prefers a
compiled module to the source beside it. Where there is no C compiler this says so and leaves everything as it was.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Final

__all__ = ["HOT", "RECORD", "compiled", "main", "source_hash", "up_to_date"]

ROOT: Final = Path(__file__).parents[1]
#: Modules in which the time of an event or of a window goes, and whose types mypyc can make use of.
HOT: Final = (
    "aggregate",
    "asked",
    "closing",
    "costing",
    "distinct",
    "engine",
    "figures",
    "identity",
    "joining",
    "keys",
    "outcome_records",
    "overlay",
    "prices",
    "results",
    "rows",
    "runs",
    "settling",
    "starters",
    "teams",
    "varint",
    "watches",
    "windows",
)
_CORE: Final = ROOT / "streams" / "core"
_BUILD: Final = ROOT / "build" / "kernel"
_SUFFIX: Final = sysconfig.get_config_var("EXT_SUFFIX")
#: What was compiled, by interpreter: the hash of its sources.
RECORD: Final = ROOT / "build" / f"kernel-{sys.implementation.cache_tag}.json"


def source_hash() -> str:
    """The hash of the hot modules' sources."""
    digest = hashlib.sha256()
    for name in HOT:
        digest.update((_CORE / f"{name}.py").read_bytes())
    return digest.hexdigest()


def compiled() -> list[Path]:
    """The compiled modules of this interpreter that lie beside the sources."""
    found = [_CORE / f"{name}{_SUFFIX}" for name in HOT]
    return [path for path in [*found, *ROOT.glob(f"*__mypyc{_SUFFIX}")] if path.exists()]


def up_to_date() -> bool:
    """Whether what was compiled last are the sources of today."""
    return RECORD.exists() and bool(json.loads(RECORD.read_text())["sources"] == source_hash())


def _remove() -> None:
    for path in compiled():
        path.unlink()
    RECORD.unlink(missing_ok=True)


def _build() -> None:
    """Compile in a copy, so that an interrupted build leaves nothing half done beside the sources."""
    shutil.rmtree(_BUILD, ignore_errors=True)
    ignored = shutil.ignore_patterns("*.so", "__pycache__")
    shutil.copytree(ROOT / "streams", _BUILD / "streams", ignore=ignored)
    command = [sys.executable, "-m", "mypyc", "--ignore-missing-imports"]
    command += [f"streams/core/{name}.py" for name in HOT]
    environment = {**os.environ, "MYPYPATH": str(_BUILD), "PYTHONPATH": str(_BUILD)}
    done = subprocess.run(command, cwd=_BUILD, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"mypyc failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    _remove()
    for path in _BUILD.glob("*.so"):
        shutil.copy2(path, ROOT / path.name)
    for path in (_BUILD / "streams" / "core").glob("*.so"):
        shutil.copy2(path, _CORE / path.name)
    shutil.rmtree(_BUILD, ignore_errors=True)
    RECORD.write_text(json.dumps({"sources": source_hash()}))


def main(arguments: list[str]) -> int:
    """Compile unless it is done already; or remove what was compiled."""
    if "--remove" in arguments:
        _remove()
        return 0
    if shutil.which(os.environ.get("CC", "cc")) is None:
        _remove()
        print("no C compiler: the core runs as plain Python, with the same results", file=sys.stderr)
        return 0
    if compiled() and up_to_date():
        return 0
    RECORD.parent.mkdir(exist_ok=True)
    _build()
    print(f"compiled: {', '.join(HOT)}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
