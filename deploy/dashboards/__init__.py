"""Dashboards for Grafana, written as code: ``python -m deploy.dashboards`` makes the chart's JSON of them."""
