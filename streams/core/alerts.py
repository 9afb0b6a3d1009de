"""The alert record: one change of state of one alert."""

from typing import Literal

import msgspec

__all__ = ["Alert"]


class Alert(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One revision of one alert; ``schemas/alert.avsc`` describes every field.

    The highest revision of an ``alert_id`` is the current one. Times are integer milliseconds UTC, money is integer
    micro-dollars, None is unknown. Numbers are finite: JSON has no others.
    """

    alert_id: str
    revision: int
    state: Literal["firing", "resolved"]
    reason: str
    detector: str
    family: Literal["waste", "runaway", "gaming", "budget", "quality", "data"]
    severity: Literal["critical", "warning", "info"]
    team: str
    workflow: str | None = None
    window_start: int
    window_end: int
    opened_at: int
    updated_at: int
    observed: float | None = None
    expected: float | None = None
    ratio: float | None = None
    sample_size: int
    min_sample_size: int
    money_at_stake_micro_usd: int | None = None
    evidence: dict[str, float] = msgspec.field(default_factory=dict)
    summary: str
    benign_causes: list[str] = msgspec.field(default_factory=list)
    next_step: str
    config_version: str = ""
