"""Alerts as Alertmanager takes them (API v2, ``POST /api/v2/alerts``): pure."""

import re
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

from streams.core.alerts import Alert

__all__ = ["Labels", "alert_name", "annotations", "labels", "postable"]

#: What makes an alert the same to Alertmanager: sorted pairs.
Labels = tuple[tuple[str, str], ...]

_WORD: Final = re.compile(r"[A-Za-z0-9]+")
_MICRO: Final = 1_000_000


def alert_name(detector: str) -> str:
    """``spend_without_outcomes`` is ``AssaySpendWithoutOutcomes``."""
    return "Assay" + "".join(word[0].upper() + word[1:] for word in _WORD.findall(detector))


def labels(alert: Alert) -> Labels:
    """The labels: those that a route would ask for, and the id that tells episodes apart."""
    values = {
        "alertname": alert_name(alert.detector),
        "alert_id": alert.alert_id,
        "detector": alert.detector,
        "family": alert.family,
        "severity": alert.severity,
        "team": alert.team,
        # A label without a value is none to Alertmanager.
        **({"workflow": alert.workflow} if alert.workflow else {}),
    }
    return tuple(sorted(values.items()))


def annotations(alert: Alert) -> dict[str, str]:
    """What a person reads; an unknown figure is left out, not said to be zero."""
    texts = {
        "summary": alert.summary,
        "next_step": alert.next_step,
        "benign_causes": "; ".join(alert.benign_causes),
        "reason": alert.reason,
        "observed": _number(alert.observed),
        "expected": _number(alert.expected),
        "ratio": _number(alert.ratio),
        "sample": f"{alert.sample_size} observations, {alert.min_sample_size} needed",
        "money_at_stake_usd": "" if alert.money_at_stake_micro_usd is None else _usd(alert.money_at_stake_micro_usd),
        "window": f"{_rfc3339(alert.window_start)} to {_rfc3339(alert.window_end)}",
    }
    return {name: text for name, text in texts.items() if text}


def postable(alert: Alert, now_ms: int, valid_ms: int, console_url: str | None = None) -> dict[str, Any]:
    """One element of the request's list.

    Args:
        alert: The record. While it fires it ends ``valid_ms`` from now, unless it is sent again before; one that is
            resolved ended when that was decided.
        now_ms: The time of sending. Nothing begins or has ended after it: another machine's clock may be ahead, and an
            end in the future would mean that it fires.
        valid_ms: How long Alertmanager believes that it fires.
        console_url: Where a page of the alert is, to link to it.
    """
    starts_ms = min(alert.opened_at, now_ms)
    ends_ms = now_ms + valid_ms if alert.state == "firing" else max(starts_ms, min(alert.updated_at, now_ms))
    element: dict[str, Any] = {
        "labels": dict(labels(alert)),
        "annotations": annotations(alert),
        "startsAt": _rfc3339(starts_ms),
        "endsAt": _rfc3339(ends_ms),
    }
    if console_url is not None:
        element["generatorURL"] = f"{console_url.rstrip('/')}/alerts/{quote(alert.alert_id, safe='')}"
    return element


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def _usd(micro_usd: int) -> str:
    sign, amount = ("-", -micro_usd) if micro_usd < 0 else ("", micro_usd)
    return f"{sign}{amount // _MICRO}.{amount % _MICRO // 10_000:02d}"


def _rfc3339(at_ms: int) -> str:
    at = datetime.fromtimestamp(at_ms // 1_000, UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at_ms % 1_000:03d}Z"
