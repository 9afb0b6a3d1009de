"""What is said of one comparison, and from which gap on."""

from enum import StrEnum
from typing import Final, NamedTuple

from streams.reconciliation.recorded import Usage
from streams.sources.billing.bill import Report

__all__ = ["FINDINGS", "Figure", "Tolerance", "Verdict", "Why", "apart", "judge"]


class Verdict(StrEnum):
    """How recorded and billed compare; the values are public, in JSON and as metric label."""

    AGREE = "agree"
    RECORDED_LOW = "recorded_low"
    """Less is recorded than billed: telemetry is missing, or costs are recorded too low."""
    RECORDED_HIGH = "recorded_high"
    """More is recorded than billed: something is counted twice, or costs are recorded too high."""
    UNBILLED = "unbilled"
    """Recorded, and the bill of the time has nothing of it: another account pays, or the model's name is wrong."""
    UNRECORDED = "unrecorded"
    """Billed, and nothing of it is recorded: usage that no telemetry sees."""
    INCOMPARABLE = "incomparable"
    """Nothing can be said; see :class:`Why`."""


FINDINGS: Final = (Verdict.RECORDED_LOW, Verdict.RECORDED_HIGH, Verdict.UNBILLED, Verdict.UNRECORDED)


class Why(StrEnum):
    """Why two figures cannot be compared; public, in JSON."""

    PARTLY_BILLED = "partly_billed"
    """The bill speaks of a part of the time, or of none of it."""
    PARTLY_RECORDED = "partly_recorded"
    """The time is not wholly within the one that was recorded."""
    NOT_SETTLED = "not_settled"
    """The time has ended so recently, or not yet, that the bill may still grow."""
    NOT_PARTED = "not_parted"
    """A bucket begins or ends within a day, and spans several."""
    NO_FIGURE = "no_figure"
    """No figure is known on both sides: neither tokens nor dollars."""


class Tolerance(NamedTuple):
    """From which gap on two figures do not agree: beyond a share of the larger one, in thousandths, and beyond a least gap.

    Tokens are counted by the same provider on both sides, so that 2 % are much; dollars also differ by discounts, rounding
    and prices that are a day old.
    """

    tokens_permille: int = 20
    dollars_permille: int = 50
    least_tokens: int = 1_000
    least_micro_usd: int = 10_000


class Figure(NamedTuple):
    """Tokens, or micro-dollars. None is unknown. ``covered`` is of which part of the time the report speaks."""

    recorded: int | None
    billed: int | None = None
    report: Report | None = None
    covered: float = 0.0

    @property
    def gap(self) -> int | None:
        """How much more is recorded than billed."""
        return None if self.recorded is None or self.billed is None else self.recorded - self.billed

    @property
    def ratio(self) -> float | None:
        """Recorded to billed; None where nothing is billed."""
        return None if self.recorded is None or not self.billed else self.recorded / self.billed

    @property
    def whole(self) -> bool:
        """Whether what is billed is all of it."""
        return self.billed is not None and self.covered >= 1


def apart(recorded: int, billed: int, permille: int, least: int) -> int:
    """-1 if less is recorded than billed, 1 if more, 0 if they agree."""
    gap = recorded - billed
    if abs(gap) <= least or abs(gap) * 1_000 <= permille * max(abs(recorded), abs(billed)):
        return 0
    return 1 if gap > 0 else -1


def judge(usage: Usage, tokens: Figure, dollars: Figure, tolerance: Tolerance) -> Verdict:
    """The verdict over two figures whose time is comparable. Tokens decide; dollars where tokens agree or are unknown.

    What is recorded of dollars is a lower bound while some calls have no price: then too little is no finding.
    """
    of_tokens = (
        apart(tokens.recorded, tokens.billed, tolerance.tokens_permille, tolerance.least_tokens)
        if tokens.whole and tokens.recorded is not None and tokens.billed is not None
        else None
    )
    of_dollars = (
        apart(dollars.recorded, dollars.billed, tolerance.dollars_permille, tolerance.least_micro_usd)
        if dollars.whole and dollars.recorded is not None and dollars.billed is not None
        else None
    )
    if of_dollars == -1 and usage.priced < usage.calls:
        of_dollars = None
    if of_tokens is None and of_dollars is None:
        return Verdict.INCOMPARABLE
    direction = of_tokens or of_dollars or 0
    if direction < 0:
        return Verdict.RECORDED_LOW if usage.calls else Verdict.UNRECORDED
    if direction > 0:
        nothing = not any(figure.billed for figure in (tokens, dollars) if figure.whole)
        return Verdict.UNBILLED if nothing else Verdict.RECORDED_HIGH
    return Verdict.AGREE
