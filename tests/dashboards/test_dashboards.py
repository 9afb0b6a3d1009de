"""The dashboards are what their code says, and keep the rules of Grafana's dashboard-linter."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from deploy.dashboards.__main__ import DASHBOARDS, FOLDER, text
from deploy.dashboards.panels import Dashboard
from tests.rules.test_rules import RECORDED, RULES, exposed

#: Grafana's names of units that are used.
UNITS = {"percentunit", "short", "eps", "s", "ops", "bytes", "reqps", "currencyUSD"}

each = pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda it: it.uid)


def panels(dashboard: Dashboard) -> Iterator[dict[str, Any]]:
    return (panel for panel in dashboard.json()["panels"] if panel["type"] != "row")


def queries(dashboard: Dashboard) -> list[str]:
    return [target["expr"] for panel in panels(dashboard) for target in panel["targets"]]


def test_the_files_are_those_of_the_code() -> None:
    files = {path.name: path.read_text() for path in FOLDER.glob("*.json")}
    assert files == {f"{it.uid}.json": text(it) for it in DASHBOARDS}, "run python -m deploy.dashboards"


def test_the_pages_that_alerts_link_to_exist() -> None:
    linked = {uid for path in RULES for uid in re.findall(r"grafana\.example\.com/d/([\w-]+)", path.read_text())}
    assert linked == {it.uid for it in DASHBOARDS}


@each
def test_every_panel_says_what_it_shows(dashboard: Dashboard) -> None:
    shown = list(panels(dashboard))
    assert len({panel["title"] for panel in shown}) == len(shown)
    for panel in shown:
        assert panel["title"]
        assert panel["description"].endswith(".")
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
        assert panel["datasource"] == {"type": "prometheus", "uid": "$datasource"}
        assert panel["type"] in {"timeseries", "stat", "table"}
        for target in panel["targets"]:
            assert target["datasource"] == panel["datasource"]
            assert target["legendFormat"]
        letters = [target["refId"] for target in panel["targets"]]
        assert letters == sorted(set(letters))


@each
def test_panels_do_not_lie_on_each_other(dashboard: Dashboard) -> None:
    taken: set[tuple[int, int]] = set()
    everything = dashboard.json()["panels"]
    assert len({panel["id"] for panel in everything}) == len(everything)
    for panel in everything:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24
        assert not cells & taken
        taken |= cells


@each
def test_data_source_job_and_instance_can_be_chosen(dashboard: Dashboard) -> None:
    document = dashboard.json()
    chosen = {it["name"]: it for it in document["templating"]["list"]}
    assert list(chosen)[:3] == ["datasource", "job", "instance"]
    assert all(it["multi"] and it["includeAll"] and it["allValue"] == ".+" for it in list(chosen.values())[1:])
    assert document["timezone"] == "utc"
    assert not document["editable"]


@each
def test_every_metric_exists(dashboard: Dashboard) -> None:
    for query in queries(dashboard):
        recorded = set(re.findall(r"job\w*:[\w:]+", query))
        assert recorded <= RECORDED
        assert set(re.findall(r"\bassay_[a-z_]+", re.sub(r"job\w*:[\w:]+", "", query))) <= exposed()


@each
def test_counters_are_read_as_rates_over_what_a_scrape_allows(dashboard: Dashboard) -> None:
    for query in queries(dashboard):
        for name in re.findall(r"\b(assay_[a-z_]+_(?:total|bucket|sum|count))\{?", query):
            assert re.search(rf"(?:rate|increase)\({name}\b", query), query
        assert set(re.findall(r"\[([^\]]+)\]", query)) <= {"$__rate_interval", "1h", "1d"}


@each
def test_nobody_is_ranked(dashboard: Dashboard) -> None:
    """Neither people, which no metric knows, nor teams or workflows by how much they use."""
    for query in queries(dashboard):
        assert not re.search(r"\b(topk|bottomk|sort|sort_desc)\b", query)
        assert not re.search(r"by \([^)]*\b(team|workflow|actor|user)\b", query)
    assert "table" not in {panel["type"] for panel in panels(dashboard)}


def test_a_document_is_json_of_one_shape() -> None:
    for dashboard in DASHBOARDS:
        assert json.loads(text(dashboard))["schemaVersion"] == 39
