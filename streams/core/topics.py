"""Names of the public topics, once."""

from typing import Final

__all__ = ["ALERTS", "DEAD_LETTERS", "KPIS", "OUTCOMES", "USAGE"]

USAGE: Final = "assay.usage.v1"
OUTCOMES: Final = "assay.outcomes.v1"
ALERTS: Final = "assay.alerts.v1"
KPIS: Final = "assay.kpis.v1"
DEAD_LETTERS: Final = "assay.dead-letters.v1"
