"""OpenAI's organization usage (completions, embeddings) and costs.

``input_tokens`` includes what was read from a cache and what was written to it; money is in dollars. Fields as in OpenAI's
openapi.yaml of July 2026.
"""

import re
from typing import Any, Final

from streams.core.reasons import Reason
from streams.sources.billing.bill import Bill, Billed, Report, Span, currency, digest, model_name
from streams.sources.billing.pages import Bucket, bucket, each, pages
from streams.sources.contract import Skip
from streams.sources.json_bodies import member
from streams.sources.readings import BadField, dollars, epoch_ms, text
from streams.sources.token_usage import Tokens, first

__all__ = ["PROVIDER", "read"]

PROVIDER: Final = "openai"
_GROUPS: Final = ("api_key_id", "batch", "line_item", "model", "object", "project_id", "service_tier", "user_id")
_COSTS: Final = "organization.costs.result"
_USAGE: Final = frozenset(("organization.usage.completions.result", "organization.usage.embeddings.result"))
#: ``gpt-4o-2024-08-06, cached input``, or the model alone: a line of the bill that is for one model's tokens. OpenAI does not
#: say how it writes them; both forms are seen.
_MODEL_LINE: Final = re.compile(
    r"(\S{1,200}), (?:cached input|input|output)(?: .{0,100})?"
    r"|((?:gpt-|o\d|chatgpt-|codex-|text-embedding-)[a-z0-9.-]{0,100})",
    re.IGNORECASE,
)


def read(body: bytes) -> Bill:
    """The rows of pages of usage and costs, mixed or not. Raises BadBody."""
    bill = Bill()
    for place, page in pages(body, bill):
        bill.more |= page.get("has_more") is True
        each(page, "data", place, bill, lambda where, value: _read_bucket(where, value, bill))
    return bill


def _read_bucket(place: str, value: dict[str, Any], bill: Bill) -> None:
    start, end = epoch_ms(value.get("start_time"), "start_time"), epoch_ms(value.get("end_time"), "end_time")
    time = bucket(place, start, end, "start_time", "end_time")
    results = value.get("results")
    kinds = {it.get("object") for it in results if isinstance(it, dict)} if isinstance(results, list) else set()
    told = {Report.OPENAI_COSTS if kind == _COSTS else Report.OPENAI_USAGE for kind in kinds if isinstance(kind, str)}
    # A bucket without results says that nothing was used; of which report it is, it does not say.
    for report in told or {Report.OPENAI_USAGE, Report.OPENAI_COSTS}:
        bill.covered.append(Span(report, PROVIDER, time.start_ms, time.end_ms))
    each(value, "results", place, bill, lambda _, result: _read_result(time, result, bill))


def _read_result(time: Bucket, result: dict[str, Any], bill: Bill) -> None:
    kind = text(result.get("object"), "object")
    if kind != _COSTS and kind not in _USAGE:
        bill.skipped[Skip.UNKNOWN if kind is None else Skip.IRRELEVANT] += 1
        return
    report = Report.OPENAI_COSTS if kind == _COSTS else Report.OPENAI_USAGE
    row = Billed(
        report, time.start_ms, time.end_ms - time.start_ms, PROVIDER, model_name(result, "model"),
        identity=digest(report, time.start_ms, time.end_ms, {name: result.get(name) for name in _GROUPS}),
    )  # fmt: skip
    if report is Report.OPENAI_USAGE:
        bill.rows.append(row._replace(tokens=_tokens(result), calls=first(result, "num_model_requests")))
        return
    amount = member(result, "amount")
    currency(amount.get("currency"), "amount.currency")
    cost = dollars(amount.get("value"), "amount.value")
    if cost is None:
        raise BadField("amount.value", Reason.MISSING_FIELD, "is missing: a charge without one is no charge")
    line = text(result.get("line_item"), "line_item")
    named = None if line is None else _MODEL_LINE.fullmatch(line)
    bill.rows.append(row._replace(model=named[1] or named[2] if named else None, cost_micro_usd=cost))


def _tokens(result: dict[str, Any]) -> Tokens:
    given, output = first(result, "input_tokens"), first(result, "output_tokens")
    if given is None and output is None:
        raise BadField("input_tokens", Reason.MISSING_FIELD, "is missing: save the answers of the API as they came")
    read_, written = first(result, "input_cached_tokens") or 0, first(result, "input_cache_write_tokens") or 0
    whole = given or 0
    if read_ + written > whole:
        raise BadField("input_cached_tokens", Reason.INCONSISTENT, "exceeds input_tokens, which it is a part of")
    return Tokens(input=whole - read_ - written, cache_read=read_, cache_write=written, output=output or 0)
