"""A Chromium for the tests of pages: ``python -m deploy.browser`` installs one where that is possible.

Looked for are ``ASSAY_CHROMIUM``, then Debian's and Google's names on the path, then what playwright has downloaded.
Without one those tests are skipped, and nothing else is missing.
"""

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Playwright

__all__ = ["MISSING", "installed", "launch", "main"]

MISSING: Final = (
    "no Chromium: run `make browser`, or install one (Debian: apt-get install chromium) and name it in ASSAY_CHROMIUM"
)
_NAMES: Final = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
#: Nothing of the browser's own may look like a request of the page, or wait for a network that is not there.
_QUIET: Final = (
    "--disable-background-networking", "--disable-component-update", "--disable-quic", "--disable-sync",
    "--no-first-run",
)  # fmt: skip


def installed() -> str | None:
    """The path of a browser of this machine; None leaves it to playwright, which may have one of its own."""
    return os.environ.get("ASSAY_CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)


def launch(playwright: "Playwright") -> "Browser":
    """Start it, headless. Raises playwright's Error where there is none, or where it does not start."""
    return playwright.chromium.launch(executable_path=installed(), args=list(_QUIET))


def _starts() -> bool:
    from playwright.sync_api import Error, sync_playwright

    with sync_playwright() as playwright:
        try:
            launch(playwright).close()
        except Error:
            return False
    return True


def main() -> int:
    """Install one unless there is one: playwright's, or, as root of a Debian, the distribution's."""
    if _starts():
        return 0
    attempts = [[[sys.executable, "-m", "playwright", "install", "chromium"]]]
    if os.geteuid() == 0 and shutil.which("apt-get"):
        attempts.append(
            [["apt-get", "-qq", "update"], ["apt-get", "-qq", "install", "-y", "--no-install-recommends", "chromium"]]
        )
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for commands in attempts:
        for command in commands:
            subprocess.run(command, capture_output=True, env=environment, check=False)
        if _starts():
            print(f"a Chromium for tests: {installed() or 'of playwright'}", file=sys.stderr)
            return 0
    print(f"{MISSING}; until then the tests of pages in a browser are skipped", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
