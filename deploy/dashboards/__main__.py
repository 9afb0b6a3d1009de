"""Writes the chart's dashboards."""

import json
import sys
from pathlib import Path
from typing import Final

from deploy.dashboards.detectors import DETECTORS
from deploy.dashboards.panels import Dashboard
from deploy.dashboards.service import SERVICE
from deploy.dashboards.spend import SPEND

__all__ = ["DASHBOARDS", "FOLDER", "main", "text"]

FOLDER: Final = Path(__file__).parents[1] / "helm" / "assay" / "files" / "dashboards"
DASHBOARDS: Final = (SERVICE, SPEND, DETECTORS)


def text(dashboard: Dashboard) -> str:
    """The file of a dashboard."""
    return json.dumps(dashboard.json(), indent=2) + "\n"


def main() -> int:
    """Write all of them."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for dashboard in DASHBOARDS:
        (FOLDER / f"{dashboard.uid}.json").write_text(text(dashboard))
    return 0


if __name__ == "__main__":
    sys.exit(main())
