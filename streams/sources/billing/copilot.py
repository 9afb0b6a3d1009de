"""GitHub Copilot's usage metrics (NDJSON of the download links, or their one- and 28-day documents) and billing usage.

Metrics tell tokens of the command line alone, input and cached together; AI credits are a cent each. Billing usage is
by model. Fields as in GitHub's REST documentation of 2026.
"""

from datetime import UTC, datetime
from typing import Any, Final

from streams.core.reasons import Reason
from streams.sources.billing.bill import DAY_MS, Bill, Billed, Report, Span, digest, model_name
from streams.sources.billing.pages import each, pages
from streams.sources.contract import Refused, Skip
from streams.sources.json_bodies import member
from streams.sources.readings import BadField, cents, count, dollars, instant_ms
from streams.sources.token_usage import first

__all__ = ["PROVIDER", "read"]

PROVIDER: Final = "github"
_CREDITS: Final = frozenset(("ai-credits", "ai-credit"))


def read(body: bytes) -> Bill:
    """The rows of metrics and billing usage, mixed or not. Raises BadBody."""
    bill = Bill()
    for place, page in pages(body, bill):
        try:
            _read(place, page, bill)
        except BadField as error:
            bill.refused.append(error.refused(place))
    return bill


def _read(place: str, page: dict[str, Any], bill: Bill) -> None:
    if "usageItems" in page:
        start, end = _period(member(page, "timePeriod"))
        bill.covered.append(Span(Report.COPILOT_BILLING, PROVIDER, start, end))
        whose = [page.get(name) for name in ("organization", "enterprise", "user")]
        each(page, "usageItems", place, bill, lambda _, item: _read_item(start, end, whose, item, bill))
    elif "day_totals" in page:
        each(page, "day_totals", place, bill, lambda _, row: _read_row(*_day(row), row, bill))
    elif "user_totals" in page:
        first_day, last_day = _midnight(page, "report_start_day"), _midnight(page, "report_end_day")
        each(page, "user_totals", place, bill, lambda _, row: _read_row(first_day, last_day + DAY_MS, row, bill))
    elif "day" in page:
        _read_row(*_day(page), page, bill)
    else:
        detail = "the record has neither usageItems nor a day: is it of Copilot's reports?"
        bill.refused.append(Refused(place, Reason.UNKNOWN_KIND, detail))


def _read_row(start: int, end: int, row: dict[str, Any], bill: Bill) -> None:
    """One person's, or everybody's, activity: only what is counted in tokens or credits is usage."""
    if not start < end <= start + 366 * DAY_MS:
        raise BadField("report_end_day", Reason.OUT_OF_RANGE, "is not within a year after report_start_day")
    person = [row.get(name) for name in ("user_id", "login", "user_login")]
    report = Report.COPILOT_ORGANIZATION if not any(person) else Report.COPILOT_USERS
    command_line = member(row, "totals_by_cli")
    usage = member(command_line, "token_usage")
    prompt, output = first(usage, "prompt_tokens_sum"), first(usage, "output_tokens_sum")
    cost = cents(row.get("ai_credits_used"), "ai_credits_used")
    if prompt is None and output is None and cost is None:
        bill.skipped[Skip.IRRELEVANT] += 1
        return
    bill.covered.append(Span(report, PROVIDER, start, end))
    bill.rows.append(
        Billed(
            report, start, end - start, PROVIDER, None,
            unsplit_tokens=None if prompt is None and output is None else (prompt or 0) + (output or 0),
            cost_micro_usd=cost,
            calls=first(command_line, "request_count"),
            identity=digest(report, start, end, person, row.get("organization_id"), row.get("enterprise_id")),
        )
    )  # fmt: skip


def _read_item(start: int, end: int, whose: list[Any], item: dict[str, Any], bill: Bill) -> None:
    """A line of the bill at its gross amount; what credits that were paid for take off it stands apart."""
    gross = dollars(item.get("grossAmount"), "grossAmount")
    if gross is None:
        raise BadField("grossAmount", Reason.MISSING_FIELD, "is missing: save the answer of the API as it came")
    discount = dollars(item.get("discountAmount"), "discountAmount")
    unit = item.get("unitType")
    if not isinstance(unit, str) or unit.lower() not in _CREDITS:
        # Seats, premium requests of the time before credits: no tokens stand behind them.
        bill.apart["other_units"] += gross - (discount or 0)
        return
    if discount:
        bill.apart["discount"] -= discount
    model = model_name(item, "model")
    bill.rows.append(
        Billed(
            Report.COPILOT_BILLING, start, end - start, PROVIDER, None if model is None else model.replace(" ", "-"),
            cost_micro_usd=gross,
            identity=digest(Report.COPILOT_BILLING, start, end, whose, item.get("product"), item.get("sku"), model),
        )
    )  # fmt: skip


def _day(row: dict[str, Any]) -> tuple[int, int]:
    start = _midnight(row, "day")
    return start, start + DAY_MS


def _midnight(holder: dict[str, Any], name: str) -> int:
    at = instant_ms(holder.get(name), name)
    if at is None:
        raise BadField(name, Reason.MISSING_FIELD, "is missing: a report without its day belongs to none")
    return at // DAY_MS * DAY_MS


def _period(period: dict[str, Any]) -> tuple[int, int]:
    """A year, a month or a day, from midnight UTC to midnight UTC."""
    year, month, day = (count(period.get(name), f"timePeriod.{name}") for name in ("year", "month", "day"))
    try:
        if year is None:
            raise BadField("timePeriod.year", Reason.MISSING_FIELD, "is missing: a bill without a time belongs to none")
        start = datetime(year, 1 if month is None else month, 1 if day is None else day, tzinfo=UTC)
        if month is None:
            end = datetime(year + 1, 1, 1, tzinfo=UTC)
        elif day is None:
            end = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC)
        else:
            end = start
    except (ValueError, OverflowError) as error:
        if isinstance(error, BadField):
            raise
        raise BadField("timePeriod", Reason.INVALID_TIMESTAMP, "is no year, month or day") from None
    start_ms = int(start.timestamp()) * 1000
    if start_ms <= 0:
        raise BadField("timePeriod", Reason.TIMESTAMP_OUT_OF_RANGE, "is before 1970")
    return start_ms, int(end.timestamp()) * 1000 if end > start else start_ms + DAY_MS
