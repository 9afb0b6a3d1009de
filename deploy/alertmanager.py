"""An Alertmanager for the tests of the bridge: ``python -m deploy.alertmanager`` installs Debian's where that is possible.

Looked for are ``ASSAY_ALERTMANAGER``, then the names it has on the path. Debian's finds its templates in ``/usr`` only, so
that it cannot be unpacked just anywhere; and its package starts a service, so that it is installed in containers only,
where nothing would start it. Without one those tests are skipped, and nothing else is missing.
"""

import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from deploy.local.child import spawn
from deploy.local.properties import free_ports
from streams.errors import DependencyError

__all__ = ["MISSING", "Alertmanager", "installed", "main", "running"]

MISSING: Final = (
    "no Alertmanager: run `make alertmanager`, or install one (Debian: apt-get install prometheus-alertmanager) "
    "and name it in ASSAY_ALERTMANAGER"
)
_PACKAGE: Final = "prometheus-alertmanager"
_NAMES: Final = (_PACKAGE, "alertmanager")
#: There where systemd runs.
_SYSTEMD: Final = Path("/run/systemd/system")
_START_SECONDS: Final = 30.0
#: Nobody is notified: what it shows is what is tested.
_CONFIGURATION: Final = "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n"


def installed() -> str | None:
    """The path of its program, None without one."""
    return os.environ.get("ASSAY_ALERTMANAGER") or next(filter(None, map(shutil.which, _NAMES)), None)


class Alertmanager:
    """A real one at an address of its own, which it keeps when it is stopped and started again; what it knew it forgets."""

    def __init__(self, directory: Path) -> None:
        program = installed()
        if program is None:
            raise DependencyError(MISSING)
        self._directory = directory
        (port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{port}"
        configuration = directory / "alertmanager.yml"
        configuration.write_text(_CONFIGURATION)
        self._command = [
            program, f"--config.file={configuration}", f"--storage.path={directory / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address=",
        ]  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Return once it answers. Raises DependencyError when it does not in time."""
        with (self._directory / "alertmanager.log").open("ab") as output:
            self._process = spawn(self._command, log=output, dies_with_parent=True)
        deadline = time.monotonic() + _START_SECONDS
        while not self._answers():
            if time.monotonic() > deadline or self._process.poll() is not None:
                log = (self._directory / "alertmanager.log").read_text(errors="replace")
                raise DependencyError(f"Alertmanager did not start; its log ends with:\n{log[-2_000:]}")
            time.sleep(0.1)

    def stop(self) -> None:
        """Kill it; safe to call twice."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=2) as answer:  # noqa: S310  (our own address)
                return bool(answer.status == 200)
        except OSError:
            return False


@contextmanager
def running(directory: Path) -> Iterator[Alertmanager]:
    """One that is gone afterwards. Raises DependencyError without a program."""
    found = Alertmanager(directory)
    try:
        found.start()
        yield found
    finally:
        found.stop()


def main() -> int:
    """Install it unless there is one, as root of a Debian without services."""
    if installed() is None and os.geteuid() == 0 and shutil.which("apt-get") and not _SYSTEMD.exists():
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (["update"], ["install", "-y", "--no-install-recommends", _PACKAGE]):
            subprocess.run(["apt-get", "-qq", *command], capture_output=True, env=environment, check=False)
    if (found := installed()) is None:
        print(f"{MISSING}; until then the tests of the bridge to it are skipped", file=sys.stderr)
    else:
        print(f"an Alertmanager for tests: {found}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
