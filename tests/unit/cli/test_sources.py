"""``assay sources`` lists the register, and what a running ingest has had of each."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from click.testing import Result
from prometheus_client import generate_latest

from streams.cli.tables import show_table
from streams.core.reasons import Reason
from streams.sources.booking import Attribution
from streams.sources.catalogue import SOURCES
from streams.sources.contract import Form, Skip
from streams.sources.linking import Link
from streams.telemetry.ingest import IngestTelemetry, TakenCounts

Assay = Callable[..., Result]

ROOT = Path(__file__).parents[3]


@pytest.fixture
def served() -> Iterator[tuple[str, list[bytes]]]:
    """A URL, and the page that it gives."""
    page = [b""]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if page[0] else 500)
            self.end_headers()
            self.wfile.write(page[0])

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/metrics", page
    server.shutdown()
    thread.join()
    server.server_close()


def page() -> bytes:
    telemetry = IngestTelemetry([source.name for source in SOURCES], version="1")
    attributed = {Attribution.CREDENTIAL: 5, Attribution.RULE: 1, Attribution.DEFAULT: 2}
    telemetry.took(
        "litellm", TakenCounts({Form.USAGE: 8}, {Reason.TOO_LONG: 1}, {Skip.CACHE_HIT: 4}, attributed, {}, None)
    )
    linked = {Link.TRAILER: 1, Link.UNNAMED: 1, Link.WORKFLOW: 2}
    telemetry.took("github", TakenCounts({Form.OUTCOME: 4}, {}, {}, {Attribution.PAYLOAD: 4}, linked, None))
    return generate_latest(telemetry.registry)


def test_every_source_is_listed_with_its_routes_files_scheme_and_pages(assay: Assay) -> None:
    found = json.loads(assay("sources", "--json").stdout)
    assert [it["name"] for it in found] == [source.name for source in SOURCES]
    signed = {it["name"]: it["signature"] for it in found}
    assert signed == {
        "litellm": None, "otlp": None, "langfuse": None, "promptfoo": None, "github": "github", "jira": "jira",
        "linear": "linear", "pagerduty": "pagerduty", "events": "standard",
    }  # fmt: skip
    shown = assay("sources").stdout.splitlines()
    assert len(shown) == len(SOURCES) + 1
    for line, it in zip(shown[1:], found, strict=True):
        assert line.split()[0] == it["name"]
        for text in (it["title"], *it["routes"], *it["files"], *it["pages"]):
            assert text in line


def test_every_page_is_there_and_every_page_of_a_source_is_some_sources() -> None:
    pages = [page for source in SOURCES for page in source.pages]
    assert all(source.pages for source in SOURCES)
    there = {file.stem for file in (ROOT / "docs" / "sources").glob("*.md")}
    assert set(pages) <= there


def test_coverage_is_that_of_the_metrics(assay: Assay, served: tuple[str, list[bytes]]) -> None:
    url, content = served
    content[0] = page()
    shown = [line.split() for line in assay("sources", "--metrics", url).stdout.splitlines()]
    rows = {row[0]: row[1:] for row in shown}
    assert rows["litellm"] == ["8", "0", "1", "4", "75%"]
    assert rows["github"] == ["0", "4", "0", "0", "100%", "25%"]
    assert rows["jira"] == ["0", "0", "0", "0"]
    found = {it["name"]: it["coverage"] for it in json.loads(assay("sources", "--json", "--metrics", url).stdout)}
    assert found["litellm"] == {
        "accepted": {"usage": 8}, "refused": {"too_long": 1}, "skipped": {"cache_hit": 4}, "linked": {},
        "attributed": {"credential": 5, "rule": 1, "default": 2}, "attributed_share": 0.75,
    }  # fmt: skip
    assert found["jira"]["attributed_share"] is None


@pytest.mark.parametrize(
    ("content", "code", "said"),
    [
        (b"up 1\n", 5, "no metrics of `assay ingest`"),
        (b"<html>{</html>\n", 5, "no page of metrics"),
        (b"", 4, "is `assay ingest` there"),
    ],
)
def test_another_page_is_told_apart(
    assay: Assay, served: tuple[str, list[bytes]], content: bytes, code: int, said: str
) -> None:
    served[1][0] = content
    done = assay("sources", "--metrics", served[0])
    assert (done.exit_code, said in done.stderr) == (code, True)


def test_nobody_there_and_no_url(assay: Assay) -> None:
    assert assay("sources", "--metrics", "http://127.0.0.1:1/metrics").exit_code == 4
    assert assay("sources", "--metrics", "file:///etc/hosts").exit_code == 2


def test_a_terminal_gets_a_drawn_table(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    show_table(("what", "records"), [("[sent]", "1,000"), ("skipped", "7")])
    drawn = capsys.readouterr().out
    assert "[sent]" in drawn
    assert any(corner in drawn for corner in "┏+")
    monkeypatch.setattr("sys.stdout.isatty", lambda: False)
    show_table(("what", "records"), [("[sent]", "1,000"), ("skipped", "7")])
    assert capsys.readouterr().out == "what     records\n[sent]     1,000\nskipped        7\n"
    show_table(("what", "records"), [])
    assert capsys.readouterr().out == "what  records\n"
