"""What tokens cost: rates by model, and the computed cost of a call in whole micro-dollars.

Rates are integers, in pico-dollars a token (a dollar per million tokens is a million of them), so that a cost is the
same on every machine and in every replay. A call is priced only if each of its buckets has a rate: tokens without a
price are unpriced, never free.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

__all__ = ["PICO", "PriceBook", "Rates", "Tier", "Variant", "family"]

#: Pico-dollars in a micro-dollar.
PICO: Final = 1_000_000
#: Names that were looked up and are remembered; invented model names must not fill the memory.
_CACHE_BOUND: Final = 10_000

#: How a call was served, where that has rates of its own: ``""`` (as usual), ``batch``, ``priority``, ``flex``.
Variant = str


class Rates(NamedTuple):
    """Pico-dollars a token by bucket; None where there is no price.

    A cache bucket without a rate of its own costs what fresh input does: what a provider asks that has no discount.
    """

    input: int | None = None
    output: int | None = None
    cache_read: int | None = None
    cache_write: int | None = None

    def cost(self, fresh: int, cache_read: int, cache_write: int, output: int) -> int | None:
        """Micro-dollars, rounded half up; None if a bucket that holds tokens has no rate."""
        total = 0
        for tokens, rate in (
            (fresh, self.input),
            (output, self.output),
            (cache_read, self.input if self.cache_read is None else self.cache_read),
            (cache_write, self.input if self.cache_write is None else self.cache_write),
        ):
            if tokens:
                if rate is None:
                    return None
                total += tokens * rate
        return (total + PICO // 2) // PICO


class Tier(NamedTuple):
    """Rates of one model from a time on, for one variant, for prompts of more than so many tokens."""

    valid_from_ms: int
    variant: Variant
    above_tokens: int
    rates: Rates


@dataclass(frozen=True, slots=True)
class _Model:
    """The tiers of one model, the one to be taken first first."""

    tiers: tuple[Tier, ...]

    def rates(self, at_ms: int, variant: Variant, prompt_tokens: int) -> Rates | None:
        """The rates of the newest prices that are valid; None if those do not tell what such a prompt costs so served."""
        since = -1
        usual: Tier | None = None
        own: Tier | None = None
        for tier in self.tiers:
            if at_ms < tier.valid_from_ms:
                continue
            if since < 0:
                since = tier.valid_from_ms
            if tier.valid_from_ms != since:
                break
            if prompt_tokens > tier.above_tokens or not tier.above_tokens:
                if not tier.variant and usual is None:
                    usual = tier
                if tier.variant and tier.variant == variant and own is None:
                    own = tier
        if own is None:
            return None if usual is None else usual.rates
        # What long prompts cost so served is not said: the price of short ones would be too low.
        return None if usual is not None and usual.above_tokens > own.above_tokens else own.rates


class PriceBook:
    """Rates by model name. ``version`` is its author's word for it and goes into every KPI computed with it.

    A name is found as it is, with its provider before it, or by its family: without region, vendor, version and date.
    ``bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0`` is ``claude-sonnet-4-5``, unless the book has a longer form
    of it; of a family that the book has with dates only, the latest.
    """

    def __init__(self, version: str, models: Mapping[str, Iterable[Tier]]) -> None:
        self.version = version
        self._models = {
            name.lower(): _Model(tuple(sorted(tiers, key=lambda tier: (-tier.valid_from_ms, -tier.above_tokens))))
            for name, tiers in models.items()
        }
        self._families = _families(self._models)
        self._found: dict[tuple[str | None, str], _Model | None] = {}

    def __len__(self) -> int:
        return len(self._models)

    def cost(
        self, provider: str | None, model: str, at_ms: int, fresh: int, cache_read: int, cache_write: int, output: int,
        variant: Variant = "",
    ) -> int | None:  # fmt: skip
        """What a call cost, in micro-dollars; None if the book cannot tell.

        Args:
            provider: Who served the call, where that is known.
            model: The model's name as the source has it.
            at_ms: When, since prices change.
            fresh: Input tokens neither read from nor written to a cache.
            cache_read: Input tokens read from a cache.
            cache_write: Input tokens written to a cache.
            output: Output tokens, reasoning included.
            variant: How it was served; without rates of its own it costs the usual, with rates for short prompts alone
                nobody knows what long ones cost.
        """
        key = (provider, model)
        try:
            found = self._found[key]
        except KeyError:
            found = self._remember(key)
        if found is None:
            return None
        rates = found.rates(at_ms, variant, fresh + cache_read + cache_write)
        return None if rates is None else rates.cost(fresh, cache_read, cache_write, output)

    def _remember(self, key: tuple[str | None, str]) -> _Model | None:
        if len(self._found) >= _CACHE_BOUND:
            self._found.clear()
        found = self._found[key] = self._find(*key)
        return found

    def _find(self, provider: str | None, model: str) -> _Model | None:
        name = model.lower()
        names = [f"{provider.lower()}/{name}", name] if provider else [name]
        for candidate in (*names, *(shorter for shorter, _ in _shortened(name))):
            found = self._models.get(candidate) or self._families.get(candidate)
            if found is not None:
                return found
        return None


_REGION: Final = re.compile(r"^(?:us|eu|apac|jp|au|ca|sa|me|af|il|global|us-gov)\.")
_VENDOR: Final = re.compile(r"^(?:anthropic|meta|mistral|amazon|cohere|ai21|deepseek|openai|google|qwen|stability)\.")
_SERVED: Final = re.compile(r"(?:-v\d+)?:\d+(?::\w+)?$|-v\d+$|@[\w.-]+$|:[a-z][\w-]*$")
_DATED: Final = re.compile(r"-(?:20\d{6}|20\d\d-\d\d-\d\d|latest)$")


def family(model: str) -> str:
    """A model's name without region, vendor, version and date, in lower case: what a book's names are shortened to."""
    name = model.lower()
    for shorter, _ in _shortened(name):
        name = shorter
    return name


def _families(models: Mapping[str, _Model]) -> dict[str, _Model]:
    """Models by the shorter forms of their names: of several the one with the fewest other parts, then the latest."""
    chosen: dict[str, tuple[int, str]] = {}
    for name in sorted(models):
        parts = 0
        for shorter, dated in _shortened(name):
            parts += not dated
            if shorter not in chosen or parts <= chosen[shorter][0]:
                chosen[shorter] = (parts, name)
    return {shorter: models[name] for shorter, (_, name) in chosen.items()}


def _shortened(name: str) -> Iterator[tuple[str, bool]]:
    """Shorter and shorter forms of a lower-case name, down to its family, and whether what went was a date."""
    while True:
        shorter, dated = _without_part(name)
        if shorter in ("", name):
            return
        yield shorter, dated
        name = shorter


def _without_part(name: str) -> tuple[str, bool]:
    _, slash, rest = name.partition("/")
    if slash:
        return rest, False
    for part in (_REGION, _VENDOR, _SERVED, _DATED):
        shorter = part.sub("", name, count=1)
        if shorter != name:
            return shorter, part is _DATED
    return name, False
