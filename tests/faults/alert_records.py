"""What is wrong with the alerts that were published: records missing, told twice, out of order, or not as expected."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from tests.faults.load import LOOPING

__all__ = ["violations"]

#: What an alert's end may change of its record before.
_AT_THE_END: Final = {"state", "reason", "revision", "updated_at"}


def violations(
    expected: Iterable[Mapping[str, Any]], alerts: Iterable[tuple[int, dict[str, Any]]],
    partition_for: Callable[[str], int],
) -> list[str]:  # fmt: skip
    """Revisions are 1, 2, 3, ... in log order, nothing follows an end, and runs in circles are told of as expected.

    ``expected`` are first records, ``alerts`` partitions and records in log order. When a partition's clock has closed hours
    in the midst of a run, its alert ends and another begins: of each team the first one is expected.
    """
    told, found = _lives(alerts, partition_for)
    wanted = {alert["alert_id"]: alert for alert in expected}
    for name, alert in wanted.items():
        records = told.get(name)
        if not records:
            found.append(f"{name} of {alert['team']} was never told")
            continue
        wrong = [field for field in alert if records[0][field] != alert[field]]
        if wrong:
            said = ", ".join(f"{field} {records[0][field]}, expected {alert[field]}" for field in wrong)
            found.append(f"{name}: {said}")
        if records[-1]["state"] != "resolved":
            found.append(f"{name} of {alert['team']} has no end")
    teams = {alert["team"] for alert in wanted.values()}
    for name, (first, *_) in told.items():
        if first["team"].startswith(LOOPING) and first["detector"] == "runaway" and first["team"] not in teams:
            found.append(f"{name} of {first['team']} is about nothing")
    return found


def _lives(
    alerts: Iterable[tuple[int, dict[str, Any]]], partition_for: Callable[[str], int]
) -> tuple[dict[str, list[dict[str, Any]]], list[str]]:
    """The records of each alert in log order, and what is wrong with their order."""
    told: dict[str, list[dict[str, Any]]] = defaultdict(list)
    found: list[str] = []
    open_: dict[tuple[str, str, str | None], str] = {}
    for partition, alert in alerts:
        name = alert["alert_id"]
        before = told[name]
        place = alert["detector"], alert["team"], alert["workflow"]
        if open_.setdefault(place, name) != name:
            found.append(f"{name} begins before {open_[place]} of the same place has ended")
        if partition != partition_for(alert["team"]):
            found.append(f"{name} was published in partition {partition}")
        if alert["revision"] != len(before) + 1:
            found.append(f"{name}: revision {alert['revision']} as record {len(before) + 1}")
        if before and before[-1]["state"] == "resolved":
            found.append(f"{name}: revision {alert['revision']} after its end")
        if alert["state"] == "resolved":
            changed = {field for field in alert if before and alert[field] != before[-1][field]}
            if not before or changed - _AT_THE_END:
                found.append(f"{name}: its end changes {sorted(changed) or 'nothing, for it never began'}")
            open_.pop(place, None)
        before.append(alert)
    return told, found
