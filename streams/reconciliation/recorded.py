"""Recorded usage events, summed by UTC day, biller and family of the model: what bills are compared with."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from streams.core.costing import UNPRICED, computed_cost
from streams.core.events import UsageEvent
from streams.core.identity import agree, event_hashes, request_hashes, witness
from streams.core.prices import PriceBook, family
from streams.reconciliation.billers import biller_of
from streams.sources.contract import USAGE_UNKNOWN

__all__ = ["DAY_MS", "Place", "Recorded", "Usage"]

DAY_MS: Final = 86_400_000
#: Names that are remembered; invented ones must not fill the memory.
_MOST_NAMES: Final = 10_000

#: Midnight of the day, biller, family.
Place = tuple[int, str, str]


@dataclass(slots=True)
class Usage:
    """Sums over calls. ``priced`` is of how many the cost is known, ``untold`` of how many the tokens are not."""

    calls: int = 0
    tokens: int = 0
    cost_micro_usd: int = 0
    priced: int = 0
    untold: int = 0

    def merge(self, other: "Usage") -> None:
        """Add another sum to this one."""
        self.calls += other.calls
        self.tokens += other.tokens
        self.cost_micro_usd += other.cost_micro_usd
        self.priced += other.priced
        self.untold += other.untold


@dataclass(slots=True)
class Recorded:
    """Takes events in any order, each once: by source and event id, and by request id where two sources agree.

    That is how a worker counts, but without its horizon: an event that comes again after weeks does not count again. An
    event's cost is what its source reported, or else what the price book says. Keeps 8 bytes and a little for each id.
    """

    prices: PriceBook | None = None
    days: dict[Place, Usage] = field(default_factory=dict)
    duplicates: int = 0
    _events: set[int] = field(default_factory=set, repr=False)
    _requests: dict[int, list[tuple[int, str]]] = field(default_factory=dict, repr=False)
    _names: dict[tuple[str | None, str], tuple[str, str]] = field(default_factory=dict, repr=False)

    def add(self, events: Iterable[UsageEvent]) -> None:
        """Count events that have not been counted."""
        several = list(events)
        for event, identity, request in zip(several, event_hashes(several, 0), request_hashes(several, 0), strict=True):
            if identity in self._events or (request and self._told(event, request)):
                self.duplicates += 1
            else:
                self._events.add(identity)
                self._count(event)

    def _told(self, event: UsageEvent, request: int) -> bool:
        """Whether another source told of the call; if not, it is remembered."""
        prompt = event.input_tokens + event.cache_read_tokens + event.cache_write_tokens
        seen = witness(prompt, event.output_tokens, event.occurred_at, 0)
        before = self._requests.setdefault(request, [])
        if any(source != event.source and agree(seen, other) for other, source in before):
            return True
        before.append((seen, event.source))
        return False

    def _count(self, event: UsageEvent) -> None:
        cost = event.cost_micro_usd
        if cost is None and self.prices is not None:
            computed = computed_cost(self.prices, event)
            cost = None if computed == UNPRICED else computed
        tokens = event.input_tokens + event.cache_read_tokens + event.cache_write_tokens + event.output_tokens
        untold = bool(event.attributes) and USAGE_UNKNOWN.items() <= event.attributes.items()
        biller, model = self._name(event.provider, event.model)
        place = event.occurred_at // DAY_MS * DAY_MS, biller, model
        self.days.setdefault(place, Usage()).merge(Usage(1, tokens, cost or 0, cost is not None, untold))

    def _name(self, provider: str | None, model: str) -> tuple[str, str]:
        key = provider, model
        found = self._names.get(key)
        if found is None:
            if len(self._names) >= _MOST_NAMES:
                self._names.clear()
            found = self._names[key] = biller_of(provider, model), family(model)
        return found
