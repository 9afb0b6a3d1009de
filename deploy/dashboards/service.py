"""Dashboard *Service*: does Assay itself do what it should."""

from typing import Final

from deploy.dashboards.panels import Dashboard, Panel, Query, Row

__all__ = ["SERVICE"]

SERVICE: Final = Dashboard(
    uid="assay-service",
    title="Assay / Service",
    about="Whether events come in, are counted, and become visible in time.",
    seen_by="assay_build_info",
    rows=(
        Row("Objectives", (
            Panel("Records that count", "Of records of an hour, those that are counted, or known already; 99.9 % are promised.", "percentunit", (
                Query("1 - avg(job:assay_events_failed_per_events_received:ratio_rate1h{job=~\"$job\"})", "correct"),), "stat", 6),
            Panel("Events visible within 60 s", "Of the events of an hour; 99 % are promised.", "percentunit", (
                Query("1 - avg(job:assay_events_slow_per_events_applied:ratio_rate1h{job=~\"$job\"})", "fresh"),), "stat", 6),
            Panel("Workers", "Workers that are scraped.", "short", (Query("count(assay_build_info{SELECTED})", "workers"),), "stat", 6),
            Panel("Shards being restored", "Teams of these have no new figures for as long.", "short", (
                Query("sum(assay_recovering{SELECTED})", "restoring"),), "stat", 6),
        )),
        Row("Events", (
            Panel("Received", "Records read and accounted for.", "eps", (
                Query("sum by (topic) (rate(assay_events_received_total{SELECTED}[$__rate_interval]))", "{{topic}}"),)),
            Panel("What became of them", "Received is the sum of these.", "eps", (
                Query("sum(rate(assay_events_applied_total{SELECTED}[$__rate_interval]))", "applied"),
                Query("sum(rate(assay_events_duplicate_total{SELECTED}[$__rate_interval]))", "duplicate"),
                Query("sum(rate(assay_events_rerouted_total{SELECTED}[$__rate_interval]))", "rerouted"),
                Query("sum(rate(assay_events_late_total{SELECTED}[$__rate_interval]))", "late"),
                Query("sum(rate(assay_events_dead_lettered_total{SELECTED}[$__rate_interval]))", "dead-lettered"),
            ), stacked=True),
            Panel("Dead letters by reason", "Records that can never be counted.", "eps", (
                Query("sum by (reason) (rate(assay_events_dead_lettered_total{SELECTED}[$__rate_interval])) > 0", "{{reason}}"),)),
        )),
        Row("Time", (
            Panel("Lag", "Age of the newest applied event. Grows while records wait, stands still once all are applied.", "s", (
                Query("max by (instance) (assay_event_lag_seconds{SELECTED})", "{{instance}}"),)),
            Panel("Delay of events", "How far behind its partition was when an event became visible: half, and 99 of 100.", "s", (
                Query("histogram_quantile(0.5, sum by (le) (rate(assay_event_delay_seconds_bucket{SELECTED}[$__rate_interval])))", "half"),
                Query("histogram_quantile(0.99, sum by (le) (rate(assay_event_delay_seconds_bucket{SELECTED}[$__rate_interval])))", "99 of 100"),)),
            Panel("Time by stage", "Seconds of work in a second, by stage.", "percentunit", (
                Query("sum by (stage) (rate(assay_stage_duration_seconds_sum{SELECTED}[$__rate_interval]))", "{{stage}}"),), stacked=True),
        )),
        Row("State", (
            Panel("Transactions", "Aborted and fenced ones are done again.", "ops", (
                Query("sum by (result) (rate(assay_transactions_total{SELECTED}[$__rate_interval]))", "{{result}}"),)),
            Panel("Shards", "Owned, and followed as a standby.", "short", (
                Query("sum by (role) (assay_shards{SELECTED})", "{{role}}"),)),
            Panel("Rebalances", "Work stands still in each.", "short", (
                Query("sum(increase(assay_rebalances_total{SELECTED}[$__rate_interval]))", "rebalances"),)),
            Panel("Memory of the state", "By part.", "bytes", (
                Query("sum by (part) (assay_state_bytes{SELECTED})", "{{part}}"),), stacked=True),
            Panel("Standby lag", "Records of the changelog that standbys have still to read.", "short", (
                Query("max by (instance) (assay_standby_lag_records{SELECTED})", "{{instance}}"),)),
            Panel("Recoveries", "Shards taken over, by where their state came from.", "short", (
                Query("sum by (source) (increase(assay_recovery_seconds_count{SELECTED}[$__rate_interval]))", "{{source}}"),)),
        )),
        Row("Ingest", (
            Panel("Requests", "By the class of their answer.", "reqps", (
                Query("sum by (status) (rate(assay_ingest_requests_total[$__rate_interval]))", "{{status}}"),)),
            Panel("Answer within", "99 of 100 requests, by source.", "s", (
                Query("histogram_quantile(0.99, sum by (le, source) (rate(assay_ingest_request_duration_seconds_bucket[$__rate_interval])))", "{{source}}"),)),
            Panel("Spool", "What waits on disk for Kafka, and what may.", "bytes", (
                Query("sum by (instance) (assay_ingest_spool_bytes)", "{{instance}}"),
                Query("max(assay_ingest_spool_limit_bytes)", "limit"),)),
            Panel("Refused", "Items that can never become events, by source and reason.", "eps", (
                Query("sum by (source, reason) (rate(assay_ingest_refused_total[$__rate_interval])) > 0", "{{source}}: {{reason}}"),), width=12),
            Panel("Attributed by", "What told the team of an item.", "eps", (
                Query("sum by (by) (rate(assay_ingest_attributed_total[$__rate_interval]))", "{{by}}"),), width=12, stacked=True),
        )),
    ),
)  # fmt: skip
