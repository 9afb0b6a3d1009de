"""The report's page in a real browser: nothing is asked for, nothing is wrong, everything can be read.

Leaves screenshots in ``build/``.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from playwright.sync_api import Browser, Error, Page, sync_playwright

from deploy.browser import MISSING, launch
from streams.cli import main
from streams.core.avro import KPI
from streams.core.windows import Window
from tests.unit.report.records import MONDAY_MS, RESULTS, kpi

pytestmark = pytest.mark.browser

BUILD = Path(__file__).parents[2] / "build"
HOSTILE = "<img src=//x.example/y onerror=alert(1)>\u202egnp\u2066 \x1b[31m" + "W" * 150
WIDTHS = {"wide": 1280, "narrow": 360}

#: Texts whose contrast with what is behind them is less than WCAG's 4.5 to 1.
FAINT = """() => {
  const parts = (color) => color.match(/[\\d.]+/g).map(Number);
  const light = (color) => {
    const [r, g, b] = parts(color).slice(0, 3).map((v) => v / 255)
      .map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = getComputedStyle(at).backgroundColor;
      if ((parts(color)[3] ?? 1) === 1) return color;
    }
    return "rgb(255, 255, 255)";
  };
  const faint = [];
  for (const element of document.body.querySelectorAll("*")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!own || ["title", "desc"].includes(element.tagName)) continue;
    const style = getComputedStyle(element);
    const [a, b] = [light(element.tagName === "text" ? style.fill : style.color), light(behind(element))].sort((x, y) => x - y);
    if ((b + 0.05) / (a + 0.05) < 4.5) faint.push(element.outerHTML.slice(0, 80));
  }
  return faint;
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium."""
    with sync_playwright() as playwright:
        try:
            chromium = launch(playwright)
        except Error as error:
            pytest.skip(f"{MISSING} ({error.message.splitlines()[0]})")
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a made-up company's second week, with a team that means harm."""
    directory = tmp_path_factory.mktemp("report")
    usage, outcomes, kpis, page = (directory / name for name in ("u.jsonl", "o.jsonl", "k.jsonl", "report.html"))

    def assay(*arguments: object) -> None:
        done = CliRunner(catch_exceptions=False).invoke(main, [str(argument) for argument in arguments])
        assert done.exit_code == 0, done.stderr

    assay(
        "simulate", "--seed", 7, "--events", 40_000, "--actors", 40, "--teams", 4, "--workflows", 12,
        "--span-hours", 330, "--out", usage, "--outcomes", outcomes,
    )  # fmt: skip
    assay("replay", "--usage", usage, "--outcomes", outcomes, "--kpis", kpis, "--settle")
    hostile = [kpi(HOSTILE, workflow, start_ms=MONDAY_MS + Window.WEEK, **RESULTS) for workflow in (None, HOSTILE)]
    with kpis.open("ab") as file:
        file.writelines(KPI.to_json(record) + b"\n" for record in hostile)
    assay("report", "--kpis", kpis, "--week", "2026-W03", "--html", page)
    return page


@pytest.mark.slow
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_asks_for_nothing_and_can_be_read(browser: Browser, page_file: Path, scheme: Any, width: str) -> None:
    context = browser.new_context(viewport={"width": WIDTHS[width], "height": 900}, color_scheme=scheme)
    page = context.new_page()
    requests, said = watched(page)
    page.goto(page_file.as_uri())
    page.evaluate("document.querySelectorAll('details').forEach((it) => { it.open = true })")
    page.screenshot(path=BUILD / f"report-{scheme}-{width}.png", full_page=True)
    assert requests == [page_file.as_uri()]
    assert said == []
    assert page.evaluate("document.documentElement.scrollWidth") <= WIDTHS[width]
    assert page.evaluate(FAINT) == []
    assert page.locator("svg:visible").count() > 10
    assert page.locator("img, script, iframe, object").count() == 0
    context.close()


@pytest.mark.slow
def test_a_script_that_got_in_would_not_run(browser: Browser, page_file: Path, tmp_path: Path) -> None:
    infected = tmp_path / "infected.html"
    source = page_file.read_text(encoding="utf-8")
    infected.write_text(
        source.replace("</main>", "<script>document.title='taken'</script><img src='https://x.example/y.png'></main>"),
        encoding="utf-8",
    )
    page = browser.new_page()
    _, said = watched(page)
    page.goto(infected.as_uri())
    assert page.title() == "Spend and outcomes, week 2026-W03"
    assert len([text for text in said if "Content Security Policy" in text]) == 2
    page.close()


@pytest.mark.slow
def test_on_paper_every_team_begins_on_a_page_of_its_own(browser: Browser, page_file: Path) -> None:
    page = browser.new_page(color_scheme="dark")
    page.goto(page_file.as_uri())
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate(FAINT) == []
    teams = page.locator("section.team").count()
    pages = page.pdf(path=BUILD / "report.pdf", prefer_css_page_size=True).count(b"/Type /Page\n")
    assert pages > teams
    page.close()


def watched(page: Page) -> tuple[list[str], list[str]]:
    """What the page asks for, and what it complains of, from now on."""
    requests: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    return requests, said
