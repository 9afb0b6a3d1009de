"""Which system a bill is of, told from its first bytes and fields."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from streams.core.reasons import Reason
from streams.sources.billing import anthropic, copilot, focus, openai
from streams.sources.billing.bill import Bill
from streams.sources.contract import BadBody
from streams.sources.json_bodies import documents

__all__ = ["Format", "format_of", "read"]


class Format(StrEnum):
    """A system whose bills can be read."""

    ANTHROPIC = "anthropic"
    OPENAI = "openai"
    COPILOT = "copilot"
    FOCUS = "focus"


def read(body: bytes, form: Format | None = None, *, cost: focus.Cost = "billed") -> Bill:
    """The rows of a file; without a format it is told from what is in it. Raises BadBody."""
    match form or format_of(body):
        case Format.ANTHROPIC:
            return anthropic.read(body)
        case Format.OPENAI:
            return openai.read(body)
        case Format.COPILOT:
            return copilot.read(body)
        case Format.FOCUS:
            return focus.read(body, cost)


def format_of(body: bytes) -> Format:
    """The format of a file. Raises BadBody where it is of none, or of none that can be told."""
    if body.startswith(focus.PARQUET) or not body.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"{", b"[")):
        return Format.FOCUS
    found, _ = documents(body)
    for _, page in found:
        form = _of_page(page)
        if form is not None:
            return form
    raise BadBody(Reason.UNKNOWN_KIND, "whose bill this is cannot be told from it: name its format")


def _of_page(page: Mapping[str, Any]) -> Format | None:
    if page.keys() & {"usageItems", "day_totals", "user_totals", "day"}:
        return Format.COPILOT
    data = page.get("data")
    entry = data[0] if isinstance(data, list) and data and isinstance(data[0], dict) else {}
    if entry.keys() & {"starting_at", "model_breakdown", "actor"}:
        return Format.ANTHROPIC
    if page.get("object") == "page" or "start_time" in entry:
        return Format.OPENAI
    return None
