"""What is done with metrics: nothing is counted from them, because every known client tells the same in spans or events.

Sums of tokens say neither how many calls there were nor which of two exporters' series they belong to, and counters of several
processes collide (:mod:`streams.sources.otlp.counters` takes care of those where nothing better is to be had).
"""

import re
from typing import Final

from streams.sources.contract import Skip
from streams.sources.otlp.records import MetricPoint

__all__ = ["NAMES", "read"]

#: No attribute of a point is needed to pass it over.
NAMES: Final[frozenset[str]] = frozenset()

_REPEATED: Final = re.compile(
    r"claude_code\.((token|cost)\.usage|code_edit_tool\.decision)"
    r"|codex\.(turn\.token_usage|api_request|websocket\.request|sse_event|responses_api.*|tool_decision)(\..*)?"
    r"|gemini_cli\.(token\.usage|api\.request\..*)"
    r"|gen_ai\.(client|invoke_agent|invoke_workflow)\..*"
)


def read(point: MetricPoint) -> Skip:
    """Whether a data point repeats calls that are told elsewhere, or is about something else."""
    return Skip.REPEATED if _REPEATED.fullmatch(point.name) else Skip.IRRELEVANT
