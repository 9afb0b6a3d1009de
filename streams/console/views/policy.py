"""``/policy``: the policy in force and the detectors' parameters, read only."""

from typing import Any

from streams.console.asking import Ask, Site, View
from streams.core.findings import Detector
from streams.core.policy import Policy
from streams.detectors import REGISTRY
from streams.explain.words import persistence
from streams.policy_text import as_document, as_lines

__all__ = ["page"]


def page(site: Site, ask: Ask) -> View:
    """The policy as this console reads it, and whether alerts were raised under another one."""
    detectors = [_detector(it, site.policy) for it in REGISTRY]
    others = sorted({it.config_version for it in site.alerts.firing() if it.config_version} - {site.config_version})
    return View(
        "Policy",
        "policy.html.j2",
        {"lines": as_lines(site.policy), "version": site.config_version, "others": others, "detectors": detectors},
        {"config_version": site.config_version, "other_versions_of_firing_alerts": others, "policy": as_document(site.policy),
         "detectors": detectors},
    )  # fmt: skip


def _detector(it: Detector, policy: Policy) -> dict[str, Any]:
    chosen = policy.detector(it.name)
    return {
        "name": it.name, "family": it.family, "enabled": chosen.enabled, "alpha": chosen.alpha, "rule": it.rule,
        "silent_if": it.silent, "persistence": persistence(it), "min_sample": it.min_sample, "group": it.group,
        "after_days": it.after_days, "weekly": it.weekly,
        "looks_at": [name for name, does in (("team", it.team), ("workflow", it.workflow)) if does],
    }  # fmt: skip
