"""A backtest as one JSON document."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from streams.backtest.comparison import Change, Entry, Money, by_change, by_detector, money_of, money_sum
from streams.explain.lives import Life

__all__ = ["CHANGES", "FORMAT", "Backtest", "document"]

#: Changes when a field changes its meaning or goes away; not when one is added.
FORMAT: Final = 1
#: In the order in which they are shown.
CHANGES: Final = (Change.APPEARS, Change.VANISHES, Change.STAYS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Backtest:
    """What came out. ``new`` and ``old`` name the configurations, ``old`` is None where there is none to compare with.

    ``alike`` says that the two configurations come to the same. ``as_of_ms`` is where the clock stood.
    """

    entries: Sequence[Entry]
    as_of_ms: int
    new: str
    old: str | None = None
    alike: bool = False

    @property
    def changes(self) -> tuple[Change, ...]:
        """The changes that there can be."""
        return (Change.FIRES,) if self.old is None else CHANGES


def document(backtest: Backtest) -> dict[str, Any]:
    """What a JSON encoder takes. Money is integer micro-dollars, times are milliseconds UTC, null is unknown."""
    return {
        "format": FORMAT, "as_of_ms": backtest.as_of_ms, "config_version": backtest.new,
        "against_config_version": backtest.old, "configurations_are_alike": backtest.alike,
        "totals": _totals(backtest.entries, backtest.changes),
        "detectors": {
            name: _totals(entries, backtest.changes) for name, entries in by_detector(backtest.entries).items()
        },
        "alerts": [_entry(entry) for entry in backtest.entries],
    }  # fmt: skip


def _totals(entries: Iterable[Entry], changes: Sequence[Change]) -> dict[str, Any]:
    return {
        change.value: {"alerts": len(some), **_money(money_sum(some))}
        for change, some in by_change(entries, changes).items()
    }


def _money(money: Money) -> dict[str, Any]:
    return {"money_at_stake_micro_usd": money.micro_usd, "alerts_of_unknown_money": money.unknown}


def _entry(entry: Entry) -> dict[str, Any]:
    now = entry.life.current
    return {
        "change": entry.change.value, "detector": now.detector, "family": now.family, "team": now.team,
        "workflow": now.workflow, "new": _life(entry.new), "old": _life(entry.old),
    }  # fmt: skip


def _life(life: Life | None) -> dict[str, Any] | None:
    if life is None:
        return None
    now = life.current
    return {
        "alert_id": life.alert_id, "state": now.state, "severity": now.severity, "opened_at_ms": now.opened_at,
        "updated_at_ms": now.updated_at, "revisions": now.revision, "observed": now.observed, "expected": now.expected,
        "money_at_stake_micro_usd": money_of(life).micro_usd, "summary": now.summary,
    }  # fmt: skip
