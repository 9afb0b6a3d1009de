"""Stage *price*: what one call cost, as its source said and as the price book says, and how the two compare.

Both are kept. A source may be wrong (streamed calls that cost nothing, a gateway's stale price map), and so may a book.
"""

from enum import StrEnum
from typing import Final

from streams.core.events import UsageEvent
from streams.core.prices import PriceBook

__all__ = ["CHECKS", "UNPRICED", "CostCheck", "check", "computed_cost"]

#: What :func:`computed_cost` gives where there is no price.
UNPRICED: Final = -1


class CostCheck(StrEnum):
    """How a call's reported cost compares to the computed one; public, as the label ``check``."""

    AGREES = "agrees"
    DIVERGES = "diverges"
    """They differ by more than ``prices.divergence``."""
    REPORTED_ZERO = "reported_zero"
    """The source says that tokens cost nothing, and no price says so too: most often a gateway that lost the cost."""
    REPORTED_ONLY = "reported_only"
    """The book has no price for the model, or there is no book."""
    COMPUTED_ONLY = "computed_only"
    """The source does not report costs; the computed one stands for it."""
    UNPRICED = "unpriced"
    """Nobody knows. Its tokens are counted as unpriced, never as free."""


#: The checks in the order of the numbers that :func:`check` gives.
CHECKS: Final = tuple(CostCheck)


def computed_cost(book: PriceBook, event: UsageEvent) -> int:
    """Micro-dollars by the book; -1 where it has no price.

    How a call was served is in its attribute ``service_tier``, as providers call it.
    """
    variant = event.attributes.get("service_tier", "") if event.attributes else ""
    cost = book.cost(
        event.provider, event.model, event.occurred_at, event.input_tokens, event.cache_read_tokens,
        event.cache_write_tokens, event.output_tokens, variant,
    )  # fmt: skip
    return UNPRICED if cost is None else cost


def check(reported: int | None, computed: int, tokens: int, divergence_permille: int) -> int:
    """The number of the check that a call of so many tokens comes under; ``computed`` is -1 for no price.

    They diverge if they are further apart than so many thousandths of the larger one; a micro-dollar apart is rounding.
    """
    if reported is None:
        return 5 if computed < 0 else 4
    if reported == 0 and computed != 0 and (computed > 0 or tokens):
        return 2
    if computed < 0:
        return 3
    apart = abs(reported - computed)
    return 1 if apart > 1 and apart * 1_000 > max(computed, reported) * divergence_permille else 0
