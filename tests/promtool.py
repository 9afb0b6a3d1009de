"""Prometheus' own checker, for tests of metrics and of rules."""

import shutil
import subprocess
from pathlib import Path

import pytest

__all__ = ["promtool"]

UNPACKED = Path(__file__).parents[1] / "build" / "promtool"


@pytest.fixture(scope="module")
def promtool() -> str:
    """The promtool of the machine, or Debian's, downloaded once and unpacked without being installed."""
    if found := shutil.which("promtool"):
        return found
    unpacked = UNPACKED / "usr" / "bin" / "promtool"
    if not unpacked.exists():
        if not (shutil.which("apt-get") and shutil.which("dpkg")):
            pytest.skip("promtool is not installed, and this is not a Debian that could download it")
        UNPACKED.mkdir(parents=True, exist_ok=True)
        fetched = subprocess.run(
            ["apt-get", "download", "prometheus"], cwd=UNPACKED, capture_output=True, text=True, check=False
        )
        packages = sorted(UNPACKED.glob("prometheus_*.deb"))
        if fetched.returncode or not packages:
            pytest.skip(f"promtool is not installed and Debian's cannot be downloaded: {fetched.stderr.strip()[-200:]}")
        subprocess.run(["dpkg", "-x", packages[-1].name, "."], cwd=UNPACKED, check=True)
        packages[-1].unlink()
    return str(unpacked)
