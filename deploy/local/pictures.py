"""``make screenshots``: the pictures of ``docs/console.md``, taken of ``make demo-console``'s pages by a headless Chromium."""

import json
import sys
import threading
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

from deploy.browser import launch
from deploy.local.demo_console import running
from deploy.local.demo_run import say
from streams.errors import AssayError, DependencyError

if TYPE_CHECKING:
    from playwright.sync_api import Browser

__all__ = ["main", "take"]

PICTURES: Final = Path("docs/pictures")
_SIZE: Final = {"width": 1180, "height": 780}
#: A rate takes two readings, five seconds apart.
_RATES_SECONDS: Final = 60.0


def take(browser: "Browser", url: str) -> None:
    """The four pictures."""
    with urllib.request.urlopen(f"{url}/alerts?state=firing&format=json", timeout=10) as answer:  # noqa: S310  (our own)
        alerts = json.load(answer)["alerts"]
    shown = next((it for it in alerts if it["workflow"] and it["observed"]), alerts[0])
    pages = {
        "status": ("/", "light"), "workflows": ("/workflows", "light"), "alert": (f"/alerts/{shown['alert_id']}", "dark"),
        "workflow": (f"/workflows/{shown['team']}/{shown['workflow']}" if shown["workflow"] else f"/teams/{shown['team']}", "light"),
    }  # fmt: skip
    PICTURES.mkdir(parents=True, exist_ok=True)
    for name, (path, scheme) in pages.items():
        page = browser.new_page(viewport=_SIZE, color_scheme=scheme)  # type: ignore[arg-type]
        page.goto(url + path)
        page.screenshot(path=PICTURES / f"{name}.png")
        page.close()


def main() -> int:
    """Start the demo, take the pictures, stop it."""
    from playwright.sync_api import sync_playwright

    try:
        with ExitStack() as stack:
            url = running(stack, Path("build/pictures"), 0, threading.Event())
            assert url is not None, "nobody stops it"
            _await_rates(url)
            with sync_playwright() as playwright:
                browser = launch(playwright)
                take(browser, url)
                browser.close()
    except AssayError as error:
        say(f"error: {error}")
        return error.exit_code
    say(f"wrote {PICTURES}")
    return 0


def _await_rates(url: str) -> None:
    deadline = time.monotonic() + _RATES_SECONDS
    while time.monotonic() < deadline:
        with urllib.request.urlopen(f"{url}/?format=json", timeout=10) as answer:  # noqa: S310  (our own)
            if json.load(answer)["stages"][3]["rate"]:
                return
        time.sleep(0.5)
    raise DependencyError("the worker tells no rate")


if __name__ == "__main__":
    sys.exit(main())
