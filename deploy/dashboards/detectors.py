"""Dashboard *Detectors*: what detectors say, and what keeps them silent. The alerts themselves are on their topic."""

from typing import Final

from deploy.dashboards.panels import Dashboard, Panel, Query, Row

__all__ = ["DETECTORS"]

DETECTORS: Final = Dashboard(
    uid="assay-detectors",
    title="Assay / Detectors",
    about="How often each detector raises an alert, and why it mostly does not.",
    seen_by="assay_build_info",
    variables=(("detector", ""),),
    rows=(
        Row("Alerts", (
            Panel("Raised in a day", "Alerts that began to fire, by detector.", "short", (
                Query("sum by (detector) (increase(assay_alerts_total{SELECTED, detector=~\"$detector\", reason=\"first\"}[1d]))", "{{detector}}"),), width=12),
            Panel("Resolved in a day", "Alerts that are over, by detector.", "short", (
                Query("sum by (detector) (increase(assay_alerts_total{SELECTED, detector=~\"$detector\", reason=\"resolved\"}[1d]))", "{{detector}}"),), width=12),
            Panel("Told", "Alerts that bridges have delivered, by state.", "short", (
                Query("sum by (state) (increase(assay_forward_alerts_total[1h]))", "{{state}}"),), width=12),
            Panel("Waiting to be told", "Age of the oldest alert that a bridge cannot deliver.", "s", (
                Query("max by (instance) (assay_forward_waiting_seconds)", "{{instance}}"),), width=12),
        )),
        Row("Verdicts", (
            Panel("What became of verdicts", "By reason, of a day; quiet ones left out.", "short", (
                Query("sum by (reason) (increase(assay_detector_decisions_total{SELECTED, detector=~\"$detector\", reason!=\"quiet\"}[1d]))", "{{reason}}"),), width=12, stacked=True),
            Panel("Too little to judge by", "Of a detector's verdicts of a day, those that lacked data.", "percentunit", (
                Query("sum by (detector) (increase(assay_detector_decisions_total{SELECTED, detector=~\"$detector\", reason=\"insufficient\"}[1d])) / sum by (detector) (increase(assay_detector_decisions_total{SELECTED, detector=~\"$detector\"}[1d]))", "{{detector}}"),), width=12),
            Panel("Kept back", "Findings that were not told, and why.", "short", (
                Query("sum by (detector, reason) (increase(assay_detector_decisions_total{SELECTED, detector=~\"$detector\", reason=~\"suppressed_by_parent|declared|snoozed|group_minimum|over_budget|not_rare\"}[1d])) > 0", "{{detector}}: {{reason}}"),), width=24),
        )),
    ),
)  # fmt: skip
