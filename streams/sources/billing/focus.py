"""FOCUS 1.2 cost and usage data, from CSV or Parquet: the rows of AI services.

FOCUS has no column for a model and none for tokens by kind: :data:`MODEL_COLUMNS` and what names a unit of tokens are looked
at, and nothing is guessed beyond that. Only charges of category Usage are compared; the others stand apart.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from typing import Any, Final, Literal

import orjson

from streams.core.reasons import Reason
from streams.sources.billing.bill import Bill, Billed, Report, Span, currency, model_name, whole_days
from streams.sources.billing.pages import Bucket, bucket
from streams.sources.contract import BadBody, Refused, Skip
from streams.sources.readings import BadField, count, dollars, instant_ms, text

__all__ = ["MODEL_COLUMNS", "PARQUET", "Cost", "read"]

#: Which of FOCUS's amounts is compared: what the invoice says, or what is left when commitments are spread over their use.
Cost = Literal["billed", "effective"]

_COST_COLUMNS: Final[Mapping[Cost, str]] = {"billed": "BilledCost", "effective": "EffectiveCost"}
_NEEDED: Final = ("BillingCurrency", "ChargeCategory", "ChargePeriodStart", "ChargePeriodEnd")
_AI: Final = "ai and machine learning"
#: Where a model's name may stand, the first that has one first; then the tag ``model``, then SkuPriceDetails.
MODEL_COLUMNS: Final = ("x_Model", "x_ModelName", "x_ModelId")
_MODEL_KEYS: Final = ("x_Model", "model", "Model", "ModelName")
#: ``Tokens``, ``1K tokens``, ``1000 Tokens``, ``Million tokens``.
_UNIT: Final = re.compile(r"(?:(\d{1,9})\s*)?(k|m|thousand|million)?\s*tokens?", re.IGNORECASE)
_TIMES: Final = {"": 1, "k": 1_000, "thousand": 1_000, "m": 1_000_000, "million": 1_000_000}
_APART: Final = frozenset(("credit", "tax", "purchase", "adjustment"))
PARQUET: Final = b"PAR1"


def read(body: bytes, cost: Cost = "billed") -> Bill:
    """The rows of a file, from its bytes. Raises BadBody.

    A file covers, for each provider in it, every day from the first to the last that it has charges of: FOCUS has no row
    for a time in which nothing was used.
    """
    bill = Bill()
    for place, row in _parquet(body) if body.startswith(PARQUET) else _csv(body, cost, bill):
        try:
            _read_row(row, cost, bill)
        except BadField as error:
            bill.refused.append(error.refused(place))
    bill.covered += _spans(bill.rows)
    return bill


def _csv(body: bytes, cost: Cost, bill: Bill) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        lines = io.StringIO(body.decode("utf-8-sig"), newline="")
    except UnicodeDecodeError:
        raise BadBody(Reason.INVALID_UTF8, "the file is not UTF-8: export it as UTF-8") from None
    reader = csv.reader(lines)
    try:
        header = [name.strip() for name in next(reader, [])]
    except csv.Error:
        raise BadBody(Reason.WRONG_TYPE, "the file is not CSV: export FOCUS 1.2 as CSV or Parquet") from None
    _check(header, cost)
    while True:
        try:
            cells = next(reader, None)
        except csv.Error:
            bill.refused.append(Refused(f"line {reader.line_num}", Reason.WRONG_TYPE, "the line is not CSV"))
            continue
        if cells is None:
            return
        place = f"line {reader.line_num}"
        if not cells:
            continue
        if len(cells) != len(header):
            detail = "the line has other columns than the header: it is cut off, or a comma is not quoted"
            bill.refused.append(Refused(place, Reason.INCONSISTENT, detail))
            continue
        yield place, dict(zip(header, cells, strict=True))


def _parquet(body: bytes) -> Iterator[tuple[str, dict[str, Any]]]:
    """Rows by pyarrow, which is large and hence only used where it is installed."""
    try:
        arrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError:
        raise BadBody(
            Reason.WRONG_TYPE, "Parquet needs pyarrow, which is not installed: install it, or export the file as CSV"
        ) from None
    try:
        file = parquet.ParquetFile(arrow.BufferReader(body))
        batches: Iterable[Any] = file.iter_batches()
        number = 0
        for batch in batches:
            for row in batch.to_pylist():
                number += 1
                yield f"row {number}", row
    except arrow.ArrowException:
        raise BadBody(Reason.WRONG_TYPE, "the file is not Parquet, or cut off: export it again") from None


def _check(header: list[str], cost: Cost) -> None:
    missing = [name for name in (*_NEEDED, _COST_COLUMNS[cost]) if name not in header]
    if missing:
        detail = f"the header lacks {', '.join(missing)}: export FOCUS 1.2 with these columns"
        raise BadBody(Reason.MISSING_FIELD, detail)


def _read_row(row: Mapping[str, Any], cost: Cost, bill: Bill) -> None:
    if (_text(row, "ServiceCategory") or "").lower() != _AI and _blank(row.get("x_ConsumedTokens")):
        bill.skipped[Skip.IRRELEVANT] += 1
        return
    currency(row.get("BillingCurrency"), "BillingCurrency")
    amount = _signed(row.get(_COST_COLUMNS[cost]), _COST_COLUMNS[cost])
    if amount is None:
        raise BadField(_COST_COLUMNS[cost], Reason.MISSING_FIELD, "is empty: FOCUS wants an amount, 0 if there is none")
    category = (_text(row, "ChargeCategory") or "").lower()
    if category in _APART:
        bill.apart[category] += amount
        return
    if category != "usage":
        raise BadField("ChargeCategory", Reason.UNKNOWN_VALUE, "is none of Usage, Purchase, Tax, Credit, Adjustment")
    if amount < 0:
        # A correction of another time: it would make this one too cheap.
        bill.apart["correction"] += amount
        return
    time = _time(row)
    bill.rows.append(
        Billed(
            Report.FOCUS, time.start_ms, time.end_ms - time.start_ms, _provider(row), _model(row),
            unsplit_tokens=_tokens(row), cost_micro_usd=amount,
        )
    )  # fmt: skip


def _time(row: Mapping[str, Any]) -> Bucket:
    start, end = (_instant(row.get(name), name) for name in ("ChargePeriodStart", "ChargePeriodEnd"))
    return bucket("", start, end, "ChargePeriodStart", "ChargePeriodEnd")


def _instant(value: Any, name: str) -> int | None:
    """Parquet has times as such."""
    return instant_ms(value.isoformat() if hasattr(value, "isoformat") else value, name)


def _provider(row: Mapping[str, Any]) -> str:
    """Who bills it: in FOCUS 1.2 the provider makes a service available, as a cloud does with another's model."""
    for name in ("ProviderName", "PublisherName", "InvoiceIssuerName"):
        if (found := model_name(row, name)) is not None:
            return found
    raise BadField("ProviderName", Reason.MISSING_FIELD, "is empty: say who bills it")


def _model(row: Mapping[str, Any]) -> str | None:
    for name in MODEL_COLUMNS:
        if (found := model_name(row, name)) is not None:
            return found
    for column in ("Tags", "SkuPriceDetails"):
        said = _object(row.get(column), column)
        for key in _MODEL_KEYS:
            if isinstance(said.get(key), str) and (found := model_name(said, key)) is not None:
                return found
    if "model" in (_text(row, "ResourceType") or "").lower():
        return model_name(row, "ResourceName")
    return None


def _object(value: Any, name: str) -> dict[str, Any]:
    """A column of keys and values: JSON in CSV, a map in Parquet."""
    if isinstance(value, list):
        return {pair[0]: pair[1] for pair in value if isinstance(pair, tuple) and len(pair) == 2}
    if isinstance(value, str) and value:
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            raise BadField(name, Reason.INVALID_JSON, "is not JSON: FOCUS has keys and values there") from None
    return value if isinstance(value, dict) else {}


def _tokens(row: Mapping[str, Any]) -> int | None:
    """How many tokens a row is for: a quantity that is empty, or of another unit, does not say."""
    if not _blank(row.get("x_ConsumedTokens")):
        return count(_number(row.get("x_ConsumedTokens")), "x_ConsumedTokens")
    unit = _UNIT.fullmatch((_text(row, "ConsumedUnit") or "").strip())
    if unit is None or _blank(row.get("ConsumedQuantity")):
        return None
    micro = dollars(_number(row.get("ConsumedQuantity")), "ConsumedQuantity")
    if micro is None:
        return None
    # By millionths, as amounts of money are read: 1.5 thousand tokens are a count, too.
    return micro * int(unit[1] or 1) * _TIMES[(unit[2] or "").lower()] // 1_000_000


def _signed(value: Any, name: str) -> int | None:
    """Micro-dollars; corrections, credits and refunds are below zero."""
    value = _number(value)
    if isinstance(value, str) and value.strip().startswith("-"):
        found = dollars(value.strip()[1:], name)
        return None if found is None else -found
    return dollars(value, name)


def _number(value: Any) -> Any:
    """Parquet has decimals and floats; one text stands for each of them."""
    return value.strip() if isinstance(value, str) else None if value is None else str(value)


def _text(row: Mapping[str, Any], name: str) -> str | None:
    return text(row.get(name), name)


def _blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _spans(rows: Iterable[Billed]) -> list[Span]:
    reach: dict[str, tuple[int, int]] = {}
    for row in rows:
        start, end = whole_days(row.start_ms, row.start_ms + row.bucket_ms)
        first, last = reach.get(row.provider, (start, end))
        reach[row.provider] = min(first, start), max(last, end)
    return [Span(Report.FOCUS, provider, first, last) for provider, (first, last) in reach.items()]
