"""Anthropic's admin reports: usage of messages, costs, and Claude Code's analytics.

Money is in cents: as decimal text in the cost report, as a number in the analytics. ``uncached_input_tokens`` and the
analytics' ``input`` leave out what was cached. Fields as in Anthropic's Admin API of 2025.
"""

from typing import Any, Final

from streams.core.reasons import Reason
from streams.sources.billing.bill import DAY_MS, Bill, Billed, Report, Span, currency, digest, model_name
from streams.sources.billing.pages import Bucket, bucket, each, pages
from streams.sources.contract import Refused, Skip
from streams.sources.json_bodies import member
from streams.sources.readings import BadField, cents, instant_ms, text
from streams.sources.token_usage import Tokens, first

__all__ = ["PROVIDER", "read"]

PROVIDER: Final = "anthropic"

#: What a report can be grouped by: a row is known by these, and its bucket.
_GROUPS: Final = (
    "account_id", "api_key_id", "context_window", "cost_type", "description", "inference_geo", "model",
    "service_account_id", "service_tier", "speed", "token_type", "workspace_id",
)  # fmt: skip
#: Charges for tokens, the one kind that usage events tell of.
_TOKENS: Final = "tokens"
_USAGE_FIELDS: Final = ("uncached_input_tokens", "cache_read_input_tokens", "cache_creation", "output_tokens")


def read(body: bytes) -> Bill:
    """The rows of pages of any of the three reports, mixed or not. Raises BadBody."""
    bill = Bill()
    for place, page in pages(body, bill):
        _read_page(place, page, bill)
    return bill


def _read_page(place: str, page: dict[str, Any], bill: Bill) -> None:
    more = page.get("has_more") is True
    bill.more |= more
    days: set[Span] = set()

    def entry(where: str, value: dict[str, Any]) -> None:
        if "starting_at" in value or "results" in value:
            _read_bucket(where, value, bill)
        else:
            days.add(_read_analytics(where, value, bill))

    each(page, "data", place, bill, entry)
    (bill.unfinished if more else bill.finished).update(days)


def _read_bucket(place: str, value: dict[str, Any], bill: Bill) -> None:
    start, end = instant_ms(value.get("starting_at"), "starting_at"), instant_ms(value.get("ending_at"), "ending_at")
    time = bucket(place, start, end, "starting_at", "ending_at")
    results = value.get("results")
    told = (
        {_report_of(result) for result in results if isinstance(result, dict)} if isinstance(results, list) else set()
    )
    # A bucket without results says that nothing was used; of which report it is, it does not say.
    for report in told or {Report.ANTHROPIC_USAGE, Report.ANTHROPIC_COST}:
        bill.covered.append(Span(report, PROVIDER, time.start_ms, time.end_ms))
    each(value, "results", place, bill, lambda where, result: _read_result(where, time, result, bill))


def _report_of(result: dict[str, Any]) -> Report:
    return Report.ANTHROPIC_COST if "amount" in result else Report.ANTHROPIC_USAGE


def _read_result(place: str, time: Bucket, result: dict[str, Any], bill: Bill) -> None:
    report = _report_of(result)
    model = model_name(result, "model")
    row = Billed(
        report, time.start_ms, time.end_ms - time.start_ms, PROVIDER, model,
        identity=digest(report, time.start_ms, time.end_ms, {name: result.get(name) for name in _GROUPS}),
    )  # fmt: skip
    if report is Report.ANTHROPIC_USAGE:
        if not any(name in result for name in _USAGE_FIELDS):
            bill.refused.append(
                Refused(
                    place, Reason.MISSING_FIELD, "the result has neither tokens nor an amount: is it of these reports?"
                )
            )
            return
        bill.rows.append(row._replace(tokens=_tokens(result)))
        return
    currency(result.get("currency"), "currency")
    amount = cents(result.get("amount"), "amount")
    if amount is None:
        raise BadField("amount", Reason.MISSING_FIELD, "is missing: a charge without one is no charge")
    kind = text(result.get("cost_type"), "cost_type")
    if kind not in (None, _TOKENS):
        bill.apart[kind if kind in _OTHER_KINDS else "other"] += amount
    else:
        bill.rows.append(row._replace(cost_micro_usd=amount))


_OTHER_KINDS: Final = frozenset(("web_search", "code_execution", "session_usage"))


def _tokens(result: dict[str, Any]) -> Tokens:
    written = member(result, "cache_creation")
    return Tokens(
        input=first(result, "uncached_input_tokens") or 0,
        cache_read=first(result, "cache_read_input_tokens") or 0,
        cache_write=(first(written, "ephemeral_5m_input_tokens") or 0)
        + (first(written, "ephemeral_1h_input_tokens") or 0),
        output=first(result, "output_tokens") or 0,
    )


def _read_analytics(place: str, record: dict[str, Any], bill: Bill) -> Span:
    """One person's or key's day in Claude Code; who that is serves to know the row by, and is not kept."""
    at = instant_ms(record.get("date"), "date")
    if at is None:
        raise BadField("date", Reason.MISSING_FIELD, "is missing: a record without its day belongs to none")
    start = at // DAY_MS * DAY_MS
    report = Report.ANTHROPIC_CLAUDE_CODE
    span = Span(report, PROVIDER, start, start + DAY_MS)
    bill.covered.append(span)
    if not record.get("model_breakdown"):
        bill.skipped[Skip.IRRELEVANT] += 1
        return span
    who = [record.get(name) for name in ("actor", "organization_id", "customer_type", "terminal_type")]

    def model(_: str, part: dict[str, Any]) -> None:
        tokens, cost = member(part, "tokens"), member(part, "estimated_cost")
        currency(cost.get("currency"), "estimated_cost.currency")
        name = model_name(part, "model")
        bill.rows.append(
            Billed(
                report, start, DAY_MS, PROVIDER, name,
                tokens=Tokens(
                    input=first(tokens, "input") or 0, cache_read=first(tokens, "cache_read") or 0,
                    cache_write=first(tokens, "cache_creation") or 0, output=first(tokens, "output") or 0,
                ) if tokens else None,
                cost_micro_usd=cents(cost.get("amount"), "estimated_cost.amount"),
                identity=digest(report, start, who, name),
            )
        )  # fmt: skip

    each(record, "model_breakdown", place, bill, model)
    return span
