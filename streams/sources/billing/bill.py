"""What every reader of bills gives: rows at the grain of the report's buckets, what they cover, and what is told apart."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import blake2b
from typing import Any, Final, NamedTuple

import orjson

from streams.core.reasons import Reason
from streams.sources.contract import Refused, Skip
from streams.sources.readings import BadField, text
from streams.sources.token_usage import Tokens

__all__ = ["DAY_MS", "Bill", "Billed", "Report", "Span", "currency", "digest", "model_name", "whole_days"]

DAY_MS: Final = 86_400_000
#: No provider's names are as long; whatever is longer was not meant as one.
_LONGEST_NAME: Final = 256


class Report(StrEnum):
    """Which report a row is of. Of two that tell the same figure of a provider's day, the one that stands first counts."""

    ANTHROPIC_USAGE = "anthropic_usage"
    ANTHROPIC_COST = "anthropic_cost"
    OPENAI_USAGE = "openai_usage"
    OPENAI_COSTS = "openai_costs"
    COPILOT_BILLING = "copilot_billing"
    COPILOT_ORGANIZATION = "copilot_organization"
    COPILOT_USERS = "copilot_users"
    FOCUS = "focus"
    ANTHROPIC_CLAUDE_CODE = "anthropic_claude_code"
    """One program's part, and its cost an estimate: only where there is nothing better."""


class Billed(NamedTuple):
    """What a provider says was used in one bucket of time, by one combination of what the report is grouped by.

    Times are milliseconds UTC, money is micro-dollars. ``tokens`` are disjoint; where a report does not tell input from
    output, or cached from not, ``unsplit_tokens`` has their sum instead. None is a figure that the report does not have.
    ``model`` is None where the report is not grouped by it. ``identity`` is of the bucket and the groups, without
    the figures: the same row read again has the same. None where a report has nothing to know a row by.
    """

    report: Report
    start_ms: int
    bucket_ms: int
    provider: str
    model: str | None = None
    tokens: Tokens | None = None
    unsplit_tokens: int | None = None
    cost_micro_usd: int | None = None
    calls: int | None = None
    identity: str | None = None

    @property
    def all_tokens(self) -> int | None:
        """Input, cached or not, and output."""
        return self.unsplit_tokens if self.tokens is None else self.tokens.prompt + self.tokens.output


class Span(NamedTuple):
    """A time that a report speaks of, whether or not something was used in it."""

    report: Report
    provider: str
    start_ms: int
    end_ms: int


@dataclass(slots=True)
class Bill:
    """One file's rows. Each of its records is in rows, refused, skipped or apart.

    ``apart`` has micro-dollars, signed, by what they are for, which no usage event can answer for: taxes, credits,
    searches. ``unfinished`` are spans whose page says that there is another, ``finished`` those of last pages, for reports
    that cut a day in pages; ``more`` is whether a last page says that there is another.
    """

    rows: list[Billed] = field(default_factory=list)
    covered: list[Span] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    skipped: Counter[Skip] = field(default_factory=Counter)
    apart: Counter[str] = field(default_factory=Counter)
    unfinished: set[Span] = field(default_factory=set)
    finished: set[Span] = field(default_factory=set)
    more: bool = False


def digest(*parts: Any) -> str:
    """Sixteen bytes that stand for JSON values: names of keys and people must not stay in memory as they are."""
    return blake2b(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS), digest_size=16).hexdigest()


def model_name(holder: Mapping[str, Any], name: str) -> str | None:
    """A model's name; None where there is none. Raises BadField."""
    found = text(holder.get(name), name)
    if found is not None and len(found) > _LONGEST_NAME:
        raise BadField(name, Reason.TOO_LONG, f"is longer than {_LONGEST_NAME} characters: send the model's name")
    return found


def currency(value: Any, name: str) -> None:
    """Raises BadField where an amount is not of US dollars; one that is not named is."""
    said = text(value, name)
    if said is not None and said.upper() != "USD":
        raise BadField(name, Reason.UNKNOWN_VALUE, "is not USD: convert the amounts, with their rate, before")


def whole_days(start_ms: int, end_ms: int) -> tuple[int, int]:
    """The UTC days that a time lies in, from midnight to midnight."""
    return start_ms // DAY_MS * DAY_MS, -(-end_ms // DAY_MS) * DAY_MS
