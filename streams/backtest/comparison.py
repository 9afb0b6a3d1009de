"""Two sets of alerts beside each other: which appear, which vanish, which stay."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from streams.explain.lives import Life

__all__ = ["Change", "Entry", "Money", "by_change", "by_detector", "compared", "money_of", "money_sum"]


class Change(StrEnum):
    """What becomes of an alert under the new configuration; public, as a field of the JSON document."""

    APPEARS = "appears"
    """It fires under the new one only."""
    VANISHES = "vanishes"
    """It fires under the old one only."""
    STAYS = "stays"
    """It fires under both."""
    FIRES = "fires"
    """It fires; there is nothing to compare with."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One alert under the new configuration, the old one, or both."""

    change: Change
    new: Life | None
    old: Life | None

    @property
    def life(self) -> Life:
        """The alert under the new configuration if it fires there."""
        found = self.new or self.old
        assert found is not None
        return found


@dataclass(frozen=True, slots=True)
class Money:
    """Money at stake of some alerts: the sum of what is known, None if nothing is, and of how many it is not."""

    micro_usd: int | None
    unknown: int

    def __add__(self, other: "Money") -> "Money":
        known = [it for it in (self.micro_usd, other.micro_usd) if it is not None]
        return Money(sum(known) if known else None, self.unknown + other.unknown)


def compared(new: Mapping[str, Life], old: Mapping[str, Life] | None) -> list[Entry]:
    """All alerts of both, by the time they begin.

    An alert stays if the same id fires under both; else if the same detector fires on the same scope and what the two are
    about overlaps in time: a policy may let an episode begin at another instant. Each alert is matched once, in order of time.
    """
    if old is None:
        return sorted((Entry(Change.FIRES, life, None) for life in new.values()), key=_order)
    entries = [Entry(Change.STAYS, life, old[name]) for name, life in new.items() if name in old]
    left = sorted((life for name, life in old.items() if name not in new), key=_begin)
    for life in sorted((life for name, life in new.items() if name not in old), key=_begin):
        other = next((it for it in left if _overlap(life, it)), None)
        if other is None:
            entries.append(Entry(Change.APPEARS, life, None))
        else:
            left.remove(other)
            entries.append(Entry(Change.STAYS, life, other))
    entries += [Entry(Change.VANISHES, None, life) for life in left]
    return sorted(entries, key=_order)


def _overlap(one: Life, other: Life) -> bool:
    a, b = one.current, other.current
    same = (a.detector, a.team, a.workflow) == (b.detector, b.team, b.workflow)
    return same and one.begins_ms <= other.ends_ms and other.begins_ms <= one.ends_ms


def _begin(life: Life) -> tuple[int, str]:
    return life.records[0].opened_at, life.alert_id


def _order(entry: Entry) -> tuple[int, str]:
    return _begin(entry.life)


def money_of(life: Life) -> Money:
    """What is at stake by the record that holds."""
    known = life.current.money_at_stake_micro_usd
    return Money(known, 0 if known is not None else 1)


def money_sum(entries: Iterable[Entry]) -> Money:
    """The sum over alerts, each under the newer configuration that it fires under."""
    total = Money(None, 0)
    for entry in entries:
        total += money_of(entry.life)
    return total


def by_detector(entries: Iterable[Entry]) -> dict[str, list[Entry]]:
    """Entries by detector, in the order of their names."""
    found: dict[str, list[Entry]] = {}
    for entry in entries:
        found.setdefault(entry.life.current.detector, []).append(entry)
    return dict(sorted(found.items()))


def by_change(entries: Iterable[Entry], changes: Iterable[Change]) -> dict[Change, list[Entry]]:
    """Entries by each of some changes; an empty list where there are none."""
    found: dict[Change, list[Entry]] = {change: [] for change in changes}
    for entry in entries:
        found[entry.change].append(entry)
    return found
