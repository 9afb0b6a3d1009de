"""Panels of a dashboard, as Grafana's JSON has them; only what dashboards here need.

Source: https://grafana.com/docs/grafana/latest/dashboards/build-dashboards/view-dashboard-json-model/, and the rules of
Grafana's dashboard-linter: a title and a unit on every panel, ``$datasource``, job and instance to choose from.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

__all__ = ["Dashboard", "Panel", "Query", "Row"]

_WIDTH: Final = 24
_HEIGHT: Final = 8
_SCHEMA: Final = 39
#: What every query is limited to.
_SOURCE: Final = {"type": "prometheus", "uid": "$datasource"}


@dataclass(frozen=True, slots=True)
class Query:
    """PromQL and what its series are called; ``SELECTED`` in it stands for the job that was chosen."""

    expr: str
    legend: str = ""

    @property
    def promql(self) -> str:
        """The query as Prometheus gets it."""
        return self.expr.replace("SELECTED", 'job=~"$job", instance=~"$instance"')


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture. ``unit`` is a unit of Grafana's; ``why`` what one sees on it, shown on its (i)."""

    title: str
    why: str
    unit: str
    queries: Sequence[Query]
    kind: Literal["timeseries", "stat", "table"] = "timeseries"
    width: int = 8
    stacked: bool = False

    def json(self, number: int, x: int, y: int) -> dict[str, Any]:
        """The panel at a place of the grid."""
        custom: dict[str, Any] = {"fillOpacity": 20 if self.stacked else 0, "lineWidth": 1, "showPoints": "never"}
        if self.stacked:
            custom["stacking"] = {"group": "A", "mode": "normal"}
        options: dict[str, Any] = {"legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
                                   "tooltip": {"mode": "multi", "sort": "desc"}}  # fmt: skip
        if self.kind == "stat":
            options = {"colorMode": "none", "graphMode": "area", "reduceOptions": {"calcs": ["lastNotNull"]}}
        return {
            "id": number,
            "type": self.kind,
            "title": self.title,
            "description": self.why,
            "datasource": _SOURCE,
            "gridPos": {"h": _HEIGHT, "w": self.width, "x": x, "y": y},
            "fieldConfig": {"defaults": {"unit": self.unit, "custom": custom if self.kind == "timeseries" else {}}, "overrides": []},
            "options": options if self.kind != "table" else {},
            "targets": [
                {"datasource": _SOURCE, "expr": query.promql, "legendFormat": query.legend or "__auto", "refId": chr(65 + place)}
                for place, query in enumerate(self.queries)
            ],
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    """Panels that answer one question."""

    title: str
    panels: Sequence[Panel]


@dataclass(frozen=True, slots=True)
class Dashboard:
    """``uid`` is part of its address, which alerts link to. ``variables`` are labels to choose by, beside job and instance."""

    uid: str
    title: str
    about: str
    rows: Sequence[Row]
    seen_by: str
    variables: Sequence[tuple[str, str]] = field(default=())

    def json(self) -> dict[str, Any]:
        """The whole document."""
        panels: list[dict[str, Any]] = []
        number, y = 1, 0
        for row in self.rows:
            panels.append({"id": number, "type": "row", "title": row.title, "collapsed": False, "panels": [],
                           "gridPos": {"h": 1, "w": _WIDTH, "x": 0, "y": y}})  # fmt: skip
            number, x, y = number + 1, 0, y + 1
            for panel in row.panels:
                if x + panel.width > _WIDTH:
                    x, y = 0, y + _HEIGHT
                panels.append(panel.json(number, x, y))
                number, x = number + 1, x + panel.width
            y += _HEIGHT
        return {
            "uid": self.uid,
            "title": self.title,
            "description": self.about,
            "tags": ["assay"],
            "editable": False,
            "graphTooltip": 1,
            "refresh": "30s",
            "schemaVersion": _SCHEMA,
            "time": {"from": "now-6h", "to": "now"},
            "timezone": "utc",
            "links": [{"type": "dashboards", "tags": ["assay"], "title": "Assay", "asDropdown": True, "includeVars": True, "keepTime": True}],
            "templating": {"list": [_datasource(), *(_choice(*one, self.seen_by) for one in (("job", ""), ("instance", 'job=~"$job"'), *self.variables))]},
            "annotations": {"list": []},
            "panels": panels,
        }  # fmt: skip


def _datasource() -> dict[str, Any]:
    return {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", "hide": 0, "refresh": 1}  # fmt: skip


def _choice(label: str, within: str, metric: str) -> dict[str, Any]:
    selector = f"{{{within}}}" if within else ""
    return {
        "name": label, "label": label.capitalize(), "type": "query", "datasource": _SOURCE, "refresh": 2, "sort": 1,
        "query": f"label_values({metric}{selector}, {label})", "includeAll": True, "multi": True, "allValue": ".+",
        "current": {"text": "All", "value": "$__all"}, "hide": 0,
    }  # fmt: skip
