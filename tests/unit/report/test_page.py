"""The report as a page: whole, escaped, and readable without eyes."""

import re
from html.parser import HTMLParser

import pytest

from streams.report import page
from streams.report.contents import NO_RANKING, report_of
from streams.report.selection import Selection
from tests.unit.report.records import RESULTS, WEEK, day, kpi

HOSTILE = "<script>alert(1)</script>\"'><img src=https://x.example/y onerror=z>\u202e\x00"
_EMPTY = {"meta", "link", "img", "br", "hr", "input"}


class Reader(HTMLParser):
    """Elements with their attributes, text, and whether what is opened is closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in _EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def read(*records: object) -> Reader:
    reader = Reader()
    reader.feed(page.render(report_of(Selection(records), WEEK)))  # type: ignore[arg-type]
    assert reader.open == []
    return reader


@pytest.fixture(scope="module")
def full() -> Reader:
    return read(
        kpi(**RESULTS), kpi(workflow="refund-bot", **RESULTS), kpi(workflow=HOSTILE, withheld="group_minimum"),
        day(0, workflow="refund-bot", **RESULTS), day(1, "search", "index"), kpi(HOSTILE, spend_micro_usd=None),
    )  # fmt: skip


def test_it_needs_nothing_else(full: Reader) -> None:
    assert {tag for tag, _ in full.elements} <= {
        "html", "head", "meta", "title", "style", "body", "header", "main", "footer", "nav", "section", "h1", "h2", "h3",
        "p", "ul", "li", "a", "dl", "div", "dt", "dd", "small", "span", "br", "bdi", "table", "caption", "thead", "tbody",
        "tr", "th", "td", "figure", "figcaption", "svg", "desc", "text", "path", "rect", "circle", "details", "summary",
    }  # fmt: skip
    for tag, attributes in full.elements:
        assert not {"src", "srcset", "style", "action", "data"} & attributes.keys(), tag
        assert not any(name.startswith("on") for name in attributes), tag
        assert (attributes.get("href") or "#").startswith("#"), tag
    source = page.render(report_of(Selection([kpi(**RESULTS)]), WEEK))
    assert not re.search(r"https?://|url\(|@import", source)


def test_its_policy_forbids_what_it_does_not_need(full: Reader) -> None:
    policies = [it["content"] for it in full.all("meta") if it.get("http-equiv") == "Content-Security-Policy"]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'"]


def test_names_are_text_and_nothing_else(full: Reader) -> None:
    assert "<script>alert(1)</script>" in full.text
    assert not full.all("script")
    assert not full.all("img")
    source = page.render(report_of(Selection([kpi(HOSTILE), kpi(HOSTILE, HOSTILE)]), WEEK))
    assert "\u202e" not in source
    assert "\x00" not in source
    assert "<script" not in source


def test_tables_can_be_heard(full: Reader) -> None:
    assert all(it.get("scope") in ("col", "row", "rowgroup") for it in full.all("th"))
    assert len(full.all("caption")) == len([it for it in full.all("table") if it.get("class") == "figures"]) == 12
    assert full.all("html") == [{"lang": "en"}]


def test_charts_can_be_heard(full: Reader) -> None:
    identities = [attributes["id"] for _, attributes in full.elements if "id" in attributes]
    assert len(identities) == len(set(identities))
    charts = full.all("svg")
    assert len(charts) == 3
    for chart in charts:
        assert chart["role"] == "img"
        assert set((chart["aria-labelledby"] or "").split()) <= set(identities)
    assert "Mon: spend $10.00, accepted 8, each $1.25" in full.text


def test_it_says_what_is_not_known_what_is_withheld_and_what_is_open(full: Reader) -> None:
    text = " ".join(full.text.split())
    for said in ("unknown", "partly withheld: too few people", "week not closed yet", NO_RANKING, "As of unknown"):
        assert said in text


def test_a_page_of_one_team_without_workflows() -> None:
    found = read(kpi())
    assert not found.all("svg")
    assert not found.all("nav")
    assert "In all, as far as it adds up" in found.text
