"""Pages and their twins: what they say, what they refuse, and that names from the stream stay names."""

import json
import re
from typing import Any
from urllib.parse import quote

import pytest

from streams.console import service
from streams.console.gate import Gate
from streams.console.routing import PAGES
from streams.console.scrapes import Target, reading_of
from streams.console.service import State
from streams.core.windows import Window
from tests.bench import console as bench
from tests.unit.console.console_site import Console, alert
from tests.unit.report.records import MONDAY_MS, RESULTS, day, kpi

NEXT = MONDAY_MS + Window.WEEK
#: Markup, quotes, template syntax, a right-to-left override, an escape sequence, a slash, a unit separator's neighbour.
HOSTILE = "\"'><script>alert(1)</script>{{7*7}}{% raw %}\u202egnp\x1b[31m/../x\u2066&amp;"
LONG = "W" * 10_000


def company() -> Console:
    """Two teams over two weeks, an alert that fires and one that is over."""
    records = [
        kpi(team, workflow, start_ms=start, **{**RESULTS, "spend_micro_usd": spend, "unpriced_tokens": 0})
        for team, workflow, spends in (
            ("payments", None, (10_000_000, 30_000_000)), ("payments", "review", (10_000_000, 30_000_000)), ("web", None, (8_000_000, 8_000_000)),
        )
        for start, spend in zip((MONDAY_MS, NEXT), spends, strict=True)
    ]  # fmt: skip
    return Console(
        [*records, day(8, "payments", "review", withheld="group_minimum")],
        [alert(), alert("b-2", state="resolved", reason="resolved", team="web", workflow=None, severity="critical")],
    )


PATHS = [
    "/", "/workflows", "/teams", "/alerts", "/sources", "/policy", "/privacy", "/workflows/payments/review", "/teams/payments",
    "/alerts/a-1",
]  # fmt: skip


def test_the_paths_of_these_tests_are_all_pages() -> None:
    assert {company().service.answer("GET", path, "", {})[0] for path in PATHS} == {name for name, _ in PAGES.values()}


@pytest.mark.parametrize("path", PATHS)
def test_each_page_has_a_twin_that_it_names(path: str) -> None:
    console = company()
    page = console.page(path, "page=1")
    assert page.count('type="application/json" href="?page=1&amp;format=json"') == 1
    assert "This page as JSON" in page
    document = console.document(path, "page=1")
    assert document["format"] == 1
    assert document["as_of_ms"] == console.figures.as_of_ms


@pytest.mark.parametrize("path", PATHS)
def test_nothing_inline_that_the_policy_forbids(path: str) -> None:
    page = company().page(path)
    assert not re.search(r"<[^>]*\s(style|on\w+)=", page)
    assert "<style" not in page
    assert re.findall(r"<script[^>]*>", page) == re.findall(r'<script src="/static/console.js\?\w+" defer>', page)


@pytest.mark.parametrize("path", PATHS)
def test_an_empty_console_has_every_list_and_says_what_to_send(path: str) -> None:
    console = Console()
    found = console.answer(path)
    assert found.status == (404 if path.count("/") > 1 else 200)
    if path in ("/", "/workflows", "/teams", "/alerts"):
        assert b"assay.usage.v1" in found.body


def test_the_list_says_what_the_records_say_worst_first() -> None:
    page = company().page("/teams")
    assert page.index(">payments<") < page.index(">web<")
    assert "$3.75" in page
    assert "from $1.25" in page
    assert "+200.0%" in page
    assert page.count("got-worse") == 1
    row = company().document("/teams")["teams"][0]
    assert (row["team"], row["period"]["spend_micro_usd"], row["worse_by"]) == ("payments", 30_000_000, 2.0)


def test_a_fall_is_not_marked_as_worse() -> None:
    records = [kpi("t", start_ms=start, **{**RESULTS, "spend_micro_usd": spend, "cohort_orphan_spend_micro_usd": orphan})
               for start, spend, orphan in ((MONDAY_MS, 9_000_000, 1_000_000), (NEXT, 8_000_000, 5_000_000))]  # fmt: skip
    page = Console(records).page("/teams")
    assert page.count("got-worse") == 1
    assert 'class="n got-worse" data-title="Orphan share"' in page


def test_unknown_is_the_word_and_suppressed_has_its_reason() -> None:
    page = company().page("/workflows/payments/review")
    assert "partly: it concerns too few people" in page
    nothing = Console([kpi("t", "w", spend_micro_usd=None, priced_calls=0)]).page("/workflows/t/w")
    assert '<span class="unknown">unknown</span>' in nothing
    assert "no outcome source" in nothing
    assert "$0.00" not in nothing


def test_an_alert_has_all_that_it_is_based_on() -> None:
    page = company().page("/alerts/a-1")
    for said in (
        "Much is repeated.", "share of calls that repeat", "verdicts must be findings", "$43.00", "a retry", "Look at the prompts.",
        "assay explain a-1 --brokers kafka:9092 --rebuild", "detectors.redundant_work.enabled: false", "The episode begins to fire.",
        "of 100 needed", "fires at 1", "1,100",
    ):  # fmt: skip
        assert said in page, said


def test_filters_choose_and_stay_in_the_form() -> None:
    console = company()
    assert [it["alert_id"] for it in console.document("/alerts", "state=firing")["alerts"]] == ["a-1"]
    assert [it["alert_id"] for it in console.document("/alerts")["alerts"]] == ["a-1", "b-2"]
    assert "<option selected>firing</option>" in console.page("/alerts", "state=firing")
    assert [it["team"] for it in console.document("/teams", "q=WEB")["teams"]] == ["web"]
    assert 'value="WEB"' in console.page("/teams", "q=WEB")
    assert [it["team"] for it in console.document("/workflows", "alerts=firing")["workflows"]] == ["payments"]
    assert "Show all" in console.page("/teams", "q=nobody")


@pytest.mark.parametrize(
    "query",
    ["page=0", "page=9", "page=x", "page=%FF", "page=1e3", f"page={'9' * 400}", f"q={'x' * 300}", "alerts=all", "format=xml",
     "&".join(f"a{n}=1" for n in range(50))],
)  # fmt: skip
def test_a_bad_filter_is_a_clean_page(query: str) -> None:
    found = company().answer("/workflows", query)
    assert found.status == 400
    assert b"The filter cannot be understood" in found.body
    assert b"Traceback" not in found.body


@pytest.mark.parametrize(
    "path",
    ["/nothing", "/workflows/payments", "/workflows/payments/none", "/teams/none", "/alerts/none", "/alerts/%00%FF", "/teams//",
     "/workflows/a/b/c", f"/alerts/{'x' * 4_000}", "/static/../service.py", "/teams/%2e%2e", "/" + quote(HOSTILE, safe="")],
)  # fmt: skip
def test_what_is_not_there_is_404(path: str) -> None:
    found = company().answer(path)
    assert found.status == 404
    assert b"<script>alert" not in found.body
    assert b"Traceback" not in found.body


@pytest.mark.parametrize(
    "name",
    [
        HOSTILE,
        LONG,
        "a.json",
        "ünïcode 漢字",
        " ",
        "..",
        "\ud800".encode("utf-16", "surrogatepass").decode("utf-16", "replace"),
    ],
)
def test_hostile_names_are_names_on_every_page(name: str) -> None:
    hostile = alert(
        quote(name, safe="")[:100], team=name, workflow=name, detector=name, summary=name * 2, next_step=name, reason=name[:50],
        config_version=name, benign_causes=[name], evidence={name: 1.0},
    )  # fmt: skip
    console = Console([kpi(name, **RESULTS), kpi(name, name, **RESULTS)], [hostile])
    quoted = quote(name, safe="")
    paths = [
        "/",
        "/workflows",
        "/teams",
        "/alerts",
        f"/teams/{quoted}",
        f"/workflows/{quoted}/{quoted}",
        f"/alerts/{quote(hostile.alert_id, safe='')}",
    ]
    for path in paths:
        page = console.page(path)
        assert not re.search("<script>alert|\u202e|\u2066|\x1b", page)
        assert name != HOSTILE or "{{7*7}}" in page
        assert "W" * 1_001 not in re.sub(r'href="[^"]*"', "", page)
        assert len(page) < 150_000
        json.dumps(console.document(path))
        for href in re.findall(r'href="(/(?:workflows|teams|alerts)/[^"?]+)"', page):
            assert console.answer(href).status == 200, href


def test_only_reading_is_allowed() -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
        found = company().answer("/", method=method)
        assert found.status == 405
        assert found.headers["Allow"] == "GET, HEAD"
    assert company().answer("/", method="HEAD").status == 200


def test_it_says_that_it_is_not_ready() -> None:
    console = company()
    console.state = State(False, "It reads.")
    found = console.answer("/teams")
    assert found.status == 503
    assert int(found.headers["Retry-After"]) > 0
    assert b"It reads." in found.body
    assert console.answer("/static/console.css").status == 200


def test_a_token_or_an_identity_is_asked_for_where_it_is_configured() -> None:
    guarded = Console(gate=Gate(lambda: (b"one-secret", b"other-secret"), "X-User"))
    assert guarded.answer("/", Authorization="Bearer other-secret", X_User="ada").status == 200
    for headers in (
        {}, {"X_User": "ada"}, {"Authorization": "Bearer other-secret"}, {"Authorization": "Bearer wrong", "X_User": "ada"},
        {"Authorization": "other-secret", "X_User": "ada"}, {"Authorization": "Bearer ", "X_User": "ada"},
        {"Authorization": "Bearer other-secret", "X_User": " "}, {"Authorization": "Bearer \udcff", "X_User": "ada"},
    ):  # fmt: skip
        found = guarded.answer("/", **headers)
        assert found.status == 401
        assert b"secret" not in found.body


def test_requests_beyond_the_rate_come_back_later() -> None:
    console = Console(per_second=2)
    assert [console.answer("/").status for _ in range(3)] == [200, 200, 429]
    console.now = 1.0
    assert console.answer("/").status == 200


def test_below_a_base_path_every_link_is() -> None:
    console = company()
    console.service = service.Service(
        lambda: console.site,
        lambda: console.state,
        Gate(None, None),
        console.service._pace,
        console.service._metrics,
        base="/assay",
    )
    for path in ("/assay", "/assay/", "/assay/teams", "/teams"):
        page = console.page(path)
        links = re.findall(r'(?:href|src|action)="(/[^"]*)"', page)
        assert links
        assert [it for it in links if not it.startswith("/assay/")] == []


def test_a_bug_is_a_page_without_a_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    console = company()

    def broken(*_: Any) -> Any:
        raise RuntimeError("the secret of payments")

    monkeypatch.setattr(console.figures, "ranks", broken)
    found = console.answer("/teams")
    assert found.status == 500
    assert b"RuntimeError" not in found.body
    assert b"secret" not in found.body
    assert console.answer("/alerts").status == 200


def test_pages_of_rows_hold_all_once() -> None:
    console = Console([kpi("t", f"w{number:03}") for number in range(60)])
    seen = [
        row["workflow"]
        for page in (1, 2, 3)
        for row in console.document("/workflows", f"page={page}&q=t%2F")["workflows"]
    ]
    assert seen == [f"w{number:03}" for number in range(60)]
    assert 'href="/workflows?q=t%2F&amp;page=3"' in console.page("/workflows", "q=t/&page=2")


def test_the_strip_has_rates_lag_and_discards_or_says_unknown() -> None:
    def metrics(received: int) -> str:
        return "\n".join([
            f'assay_events_received_total{{topic="u"}} {received}', 'assay_events_dead_lettered_total{topic="u",reason="empty"} 3',
            'assay_event_lag_seconds{topic="u",partition="0"} 7', 'assay_event_lag_seconds{topic="u",partition="1"} 900',
            'assay_shards{role="active"} 2', 'assay_detector_decisions_total{detector="runaway",reason="quiet"} 5',
            'assay_detector_decisions_total{detector="runaway",reason="snoozed"} 2', 'assay_spend_usd_total{team="x",workflow="y"} 1',
        ])  # fmt: skip

    target = Target("http://w:1")
    target.note(reading_of(metrics(100), 10.0))
    console = Console(workers=(target,))
    assert console.document("/")["stages"][1]["rate"] is None
    target.note(reading_of(metrics(150), 20.0))
    ingest, decode, _, aggregate, _, detect, _ = console.document("/")["stages"]
    assert (ingest["rate"], ingest["discards"]) == (None, None)
    assert (decode["rate"], decode["discards"]) == (5.0, [["empty", 3.0]])
    assert aggregate["lag_seconds"] == 900
    assert detect["discards"] == [["snoozed", 2.0]]
    assert console.document("/")["workers"][0]["partitions"] == ["0", "1"]
    target.note(reading_of(metrics(20), 30.0))
    assert console.document("/")["stages"][1]["rate"] is None
    target.fail("does not answer")
    assert "1 worker of 1 does not answer." in console.page("/")


@pytest.mark.slow
def test_no_page_is_heavy_however_much_there_is() -> None:
    alerts = [alert(f"a-{number}", team=f"team-{number}", workflow=f"workflow-{number}") for number in range(60)]
    console = Console(bench.company(30, 600), alerts)
    for path in bench.PAGES:
        for query in ("", "format=json"):
            assert len(console.answer(path, query).body) < 150_000, (path, query)
