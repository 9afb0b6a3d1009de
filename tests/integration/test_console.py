"""The console in a real browser, over real topics: each page says what the topics say, to everyone who can look.

Leaves screenshots in ``build/console``.
"""

import socket
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import axe_playwright_python
import pytest
from click.testing import CliRunner
from playwright.sync_api import Browser, Error, Page, sync_playwright

from deploy.browser import MISSING, launch
from deploy.local.history import load_records
from streams import topics_admin
from streams.cli import main
from streams.core.alerts import Alert
from streams.core.avro import ALERT, KPI
from streams.core.kpis import Kpi
from streams.core.topics import ALERTS, KPIS
from streams.core.windows import Window
from streams.published import read_topic
from streams.report import words
from streams.report.ratios import cost_per_accepted, known_spend
from tests.integration.consoles import Console
from tests.integration.workers import eventually
from tests.unit.console.console_site import alert
from tests.unit.report.records import MONDAY_MS, RESULTS, kpi

pytestmark = [pytest.mark.browser, pytest.mark.slow]

BUILD = Path(__file__).parents[2] / "build" / "console"
AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
HOSTILE = "<img src=//x.example/y onerror=alert(1)>\u202egnp\u2066 {{7*7}}" + "W" * 100
PREFIX = f"console-{uuid.uuid4().hex[:8]}."
PATHS = {
    "status": "/", "workflows": "/workflows", "teams": "/teams", "alerts": "/alerts", "sources": "/sources", "policy": "/policy",
    "privacy": "/privacy", "workflow": f"/workflows/{quote(HOSTILE, safe='')}/{quote(HOSTILE, safe='')}", "team": "/teams/payments",
    "alert": "/alerts/redundant_work-1",
}  # fmt: skip


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
def console(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    """A made-up company's two weeks, a team that means harm, and alerts."""
    directory = tmp_path_factory.mktemp("console")
    usage, outcomes, kpis = (directory / name for name in ("u.jsonl", "o.jsonl", "k.jsonl"))

    def assay(*arguments: object) -> None:
        done = CliRunner(catch_exceptions=False).invoke(main, [str(argument) for argument in arguments])
        assert done.exit_code == 0, done.stderr

    assay(
        "simulate", "--seed", 7, "--events", 12_000, "--actors", 40, "--teams", 4, "--workflows", 12,
        "--span-hours", 330, "--out", usage, "--outcomes", outcomes,
    )  # fmt: skip
    assay("replay", "--usage", usage, "--outcomes", outcomes, "--kpis", kpis, "--settle")
    records = [KPI.decode(line) for line in kpis.read_bytes().splitlines()]
    for start, spend in ((MONDAY_MS, 10_000_000), (MONDAY_MS + Window.WEEK, 30_000_000)):
        for team, workflow in (("payments", None), ("payments", "review"), (HOSTILE, None), (HOSTILE, HOSTILE)):
            records.append(
                kpi(team, workflow, start_ms=start, **{**RESULTS, "spend_micro_usd": spend, "unpriced_tokens": 0})
            )
    opened = MONDAY_MS + 9 * Window.DAY
    alerts = [
        alert(
            "redundant_work-1",
            revision=number,
            reason=reason,
            opened_at=opened,
            updated_at=opened + number * Window.DAY,
        )
        for number, reason in ((1, "first"), (2, "still"))
    ]
    alerts.append(alert("hostile-1", team=HOSTILE, workflow=HOSTILE, severity="critical", family="runaway", detector="runaway",
                        opened_at=opened, updated_at=opened, summary=HOSTILE * 3, state="resolved", reason="resolved"))  # fmt: skip
    topics_admin.apply(kafka, prefix=PREFIX, app_id="assay", partitions=4, replication_factor=1)
    load_records(kafka, PREFIX, records, alerts)
    with Console(kafka, PREFIX, directory / "console") as running:
        yield running.ready()


class Held(NamedTuple):
    """What the topics say: of each window and alert the highest revision."""

    kpis: dict[tuple[str, str | None, int, int], Kpi]
    alerts: dict[str, Alert]


@pytest.fixture(scope="module")
def held(console: Console, kafka: str) -> Held:
    """Read in a thread of its own: the browser's driver has a loop in this one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(_held, kafka).result()


def _held(kafka: str) -> Held:
    found = Held({}, {})

    def keep(it: Kpi) -> None:
        key = it.team, it.workflow, it.window_size_ms, it.window_start
        if key not in found.kpis or it.revision > found.kpis[key].revision:
            found.kpis[key] = it

    def note(it: Alert) -> None:
        if it.alert_id not in found.alerts or it.revision > found.alerts[it.alert_id].revision:
            found.alerts[it.alert_id] = it

    read_topic(kafka, PREFIX + KPIS, KPI, keep)
    read_topic(kafka, PREFIX + ALERTS, ALERT, note)
    return found


def watched(page: Page) -> list[str]:
    """What the page complains of, from now on."""
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("requestfailed", lambda request: said.append(f"failed: {request.url}"))
    return said


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 360)])
def test_every_page_can_be_read_by_everyone(browser: Browser, console: Console, scheme: Any, width: int) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    said = watched(page)
    requested: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    for name, path in PATHS.items():
        page.goto(console.url + path)
        page.screenshot(path=BUILD / f"{name}-{scheme}-{width}.png", full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        page.evaluate(AXE)
        found = page.evaluate("axe.run().then((it) => it.violations)")
        grave = [
            (it["id"], [node["html"][:200] for node in it["nodes"]])
            for it in found
            if it["impact"] in ("serious", "critical")
        ]
        assert grave == [], name
    assert said == []
    assert [url for url in requested if not url.startswith(console.url)] == []
    assert context.cookies() == []
    context.close()


def test_figures_on_pages_are_those_of_the_topic(browser: Browser, console: Console, held: Held) -> None:
    page = browser.new_page()
    page.goto(f"{console.url}/teams")
    week = MONDAY_MS + Window.WEEK
    topic = {team: it for (team, workflow, size, start), it in held.kpis.items()
             if workflow is None and size == Window.WEEK and start == week}  # fmt: skip
    assert len(topic) >= 5
    rows = page.locator("tbody tr")
    seen = set()
    for number in range(rows.count()):
        row = rows.nth(number)
        team = row.locator("th bdi").first.inner_text()
        record = topic[HOSTILE if team.startswith("<img") else team]
        seen.add(record.team)
        assert row.locator("[data-title=Spend] .figure").inner_text() == words.money(known_spend(record))
        assert row.locator("[data-title=Accepted] .figure").inner_text() == words.count(record.accepted)
        assert row.locator("[data-title='Cost per accepted'] .figure").inner_text() == words.money(
            cost_per_accepted(record).value
        )
    assert seen == set(topic)
    page.close()


def test_an_alert_on_its_page_is_that_of_the_topic(browser: Browser, console: Console, held: Held) -> None:
    record = held.alerts["redundant_work-1"]
    page = browser.new_page()
    page.goto(f"{console.url}/alerts")
    page.get_by_role("link", name="redundant_work").click()
    text = page.locator("main").inner_text()
    for said in (record.summary, record.next_step, words.money(record.money_at_stake_micro_usd), *record.benign_causes):
        assert said in text
    assert page.locator(".timeline li").count() == 2
    page.get_by_role("link", name="review").click()
    assert page.locator(".alert-mark").count() == 1
    page.close()


def test_every_link_leads_somewhere(console: Console) -> None:
    found = console.everything()
    assert len(found) > 40
    assert {path.partition("?")[0] for path in found} >= set(PATHS.values())


def test_filters_survive_a_reload_and_work_without_javascript(browser: Browser, console: Console) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{console.url}/alerts")
    page.get_by_label("State").select_option("firing")
    page.get_by_role("button", name="Filter").click()
    page.reload()
    assert "state=firing" in page.url
    assert page.get_by_label("State").input_value() == "firing"
    assert page.locator("tbody tr").count() == 1
    page.get_by_label("Name").fill("nobody")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert "No alert matches the filter" in page.locator("main").inner_text()
    context.close()


def test_a_keyboard_comes_to_the_content_first_and_times_have_the_local_one(browser: Browser, console: Console) -> None:
    context = browser.new_context(timezone_id="Asia/Tokyo", locale="en-GB")
    page = context.new_page()
    page.goto(f"{console.url}/alerts/redundant_work-1")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    at = page.locator(".timeline time").first
    assert at.inner_text().endswith("UTC")
    assert "09:00 local" in (at.get_attribute("title") or "")
    context.close()


def test_on_paper_it_is_black_on_white_without_controls(browser: Browser, console: Console) -> None:
    page = browser.new_page(color_scheme="dark")
    page.goto(f"{console.url}/workflows")
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.locator("nav:visible, form:visible").count() == 0
    assert page.pdf(path=BUILD / "workflows.pdf", prefer_css_page_size=True).startswith(b"%PDF")
    page.close()


def test_a_script_that_got_in_would_not_run(browser: Browser, console: Console) -> None:
    page = browser.new_page()
    said = watched(page)
    page.goto(f"{console.url}/teams")
    page.evaluate(
        "document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"document.title=1\"><p style=\"color:red\">x</p>')"
    )
    page.evaluate("new Promise((done) => setTimeout(done, 0))")
    eventually(
        "the policy has spoken", lambda: [it for it in said if "Content Security Policy" in it], lambda it: len(it) >= 2
    )
    assert page.title().startswith("Teams")
    page.close()


def test_over_the_wire_only_reading_is_allowed(console: Console) -> None:
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        status, body, headers = console.get("/", method=method)
        assert (status, headers["Allow"]) == (405, "GET, HEAD")
        assert b"Traceback" not in body
    status, body, headers = console.get("/teams", method="HEAD")
    assert (status, body) == (200, b"")
    assert headers["Content-Security-Policy"].startswith("default-src 'self'")
    assert "Set-Cookie" not in headers
    host, port = console.url.removeprefix("http://").split(":")
    for sent in (b"\x16\x03\x01 nonsense\r\n\r\n", b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n"):
        with socket.create_connection((host, int(port)), timeout=30) as connection:
            connection.sendall(sent)
            answer = connection.recv(65_536)
        assert b" 400 " in answer.splitlines()[0]
        assert b"Traceback" not in answer


def test_it_says_while_it_is_not_ready_and_follows_what_comes(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    with Console(kafka, topic_prefix, tmp_path) as early:
        status, body, headers = eventually(
            "it says what is missing", lambda: early.get("/"), lambda it: b"there is no topic" in it[1]
        )
        assert (status, "Retry-After" in headers) == (503, True)
        assert b"assay topics apply" in body
        topics_admin.apply(kafka, prefix=topic_prefix, app_id="assay", partitions=4, replication_factor=1)
        early.ready()
        assert b"There are no figures yet" in early.get("/teams")[1]
        load_records(kafka, topic_prefix, [kpi("late")], [])
        eventually(
            "the team is there",
            lambda: [it["team"] for it in early.document("/teams")["teams"]],
            lambda it: it == ["late"],
        )
        assert early.stop() == 0
        assert "Traceback" not in early.log
