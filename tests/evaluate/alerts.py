"""Alerts as a subscriber sees them: one for each time that something begins to fire."""

from collections.abc import Iterable
from dataclasses import dataclass

import orjson

__all__ = ["Fired", "read_alerts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fired:
    """One alert as it was when it began to fire; ``at_ms`` is when that was decided, never what it was dated back to."""

    detector: str
    family: str
    team: str
    workflow: str | None
    start_ms: int
    end_ms: int
    at_ms: int
    alert_id: str = ""


def read_alerts(lines: Iterable[bytes]) -> list[Fired]:
    """The alerts of a file of alert records, by time.

    A record that fires is an alert where none of its identity was firing; whatever else changes about it is no new one.
    """
    firing: set[str] = set()
    newest: dict[str, int] = {}
    fired = []
    for line in lines:
        if not line.strip():
            continue
        record = orjson.loads(line)
        identity = record["alert_id"]
        # Delivered again.
        if record["revision"] <= newest.get(identity, 0):
            continue
        newest[identity] = record["revision"]
        if record["state"] == "resolved":
            firing.discard(identity)
        elif identity not in firing:
            firing.add(identity)
            fired.append(
                Fired(
                    detector=record["detector"],
                    family=record["family"],
                    team=record["team"],
                    workflow=record.get("workflow"),
                    start_ms=record["window_start"],
                    end_ms=record["window_end"],
                    at_ms=max(record["opened_at"], record["updated_at"]),
                    alert_id=identity,
                )
            )
    return sorted(fired, key=lambda each: (each.at_ms, each.alert_id))
