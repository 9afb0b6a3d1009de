"""Dashboard *Spend and outcome*: what is spent, and how much of it is known. Sums over the organisation; nobody is ranked."""

from typing import Final

from deploy.dashboards.panels import Dashboard, Panel, Query, Row

__all__ = ["SPEND"]

SPEND: Final = Dashboard(
    uid="assay-spend",
    title="Assay / Spend and outcome",
    about="Spend beside what is known of it. What a workflow's spend bought is on the console and in assay report.",
    seen_by="assay_build_info",
    variables=(("team", ""),),
    rows=(
        Row("Spend", (
            Panel("Spend an hour", "Of published windows, of the teams that were chosen.", "currencyUSD", (
                Query("sum(rate(assay_spend_usd_total{SELECTED, team=~\"$team\"}[1h])) * 3600", "spend"),), width=12),
            Panel("Tokens an hour", "By bucket; reasoning is a part of output.", "short", (
                Query("sum by (direction) (rate(assay_tokens_total{SELECTED, team=~\"$team\"}[1h])) * 3600", "{{direction}}"),), width=12, stacked=True),
            Panel("Read from a cache", "Of all input tokens.", "percentunit", (
                Query("sum(rate(assay_tokens_total{SELECTED, team=~\"$team\", direction=\"cache_read\"}[1h])) / sum(rate(assay_tokens_total{SELECTED, team=~\"$team\", direction!=\"output\"}[1h]))", "from a cache"),), width=12),
            Panel("Withheld spend", "Of groups too small to show: in no window, and known as a sum only.", "currencyUSD", (
                Query("sum(assay_withheld_spend_usd{SELECTED})", "withheld"),), width=12),
        )),
        Row("What is known of it", (
            Panel("Costs", "Calls by how the cost that was reported compares to the price book's.", "eps", (
                Query("sum by (check) (rate(assay_cost_checks_total{SELECTED}[$__rate_interval]))", "{{check}}"),), stacked=True),
            Panel("Calls without a price", "Counted as unpriced, never as free.", "percentunit", (
                Query("avg(job:assay_calls_unpriced_per_calls:ratio_rate1h{job=~\"$job\"})", "without a price"),)),
            Panel("Calls told twice", "Requests that two sources report, and of those the ones on which they disagree.", "eps", (
                Query("sum by (first_source, later_source) (rate(assay_duplicate_requests_total{SELECTED}[$__rate_interval]))", "{{first_source}} and {{later_source}}"),
                Query("sum by (first_source, later_source) (rate(assay_request_conflicts_total{SELECTED}[$__rate_interval]))", "{{first_source}} against {{later_source}}"),)),
        )),
        Row("Outcomes", (
            Panel("Joined to", "What outcomes were joined to.", "eps", (
                Query("sum by (join) (rate(assay_outcome_joins_total{SELECTED}[1h])) > 0", "{{join}}"),), width=12, stacked=True),
            Panel("Without usage", "Outcomes that name no run, workflow or team that has any.", "percentunit", (
                Query("avg(job:assay_outcomes_unmatched_per_outcomes:ratio_rate6h{job=~\"$job\"})", "unmatched"),), width=12),
        )),
        Row("Windows", (
            Panel("Published", "Windows published for the first time.", "eps", (
                Query("sum by (scope, size) (rate(assay_windows_published_total{SELECTED}[$__rate_interval]))", "{{scope}}, {{size}}"),), width=12),
            Panel("Corrected", "Windows published again, because events came late.", "eps", (
                Query("sum(rate(assay_window_revisions_total{SELECTED}[$__rate_interval]))", "corrected"),), width=12),
        )),
    ),
)  # fmt: skip
