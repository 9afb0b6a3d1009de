"""What a page is asked for, what it is made from, and what it gives back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from streams.console.alerts import Alerts
from streams.console.figures import Figures
from streams.console.letters import Letters
from streams.console.scrapes import Target
from streams.core.policy import Policy

__all__ = ["Ask", "BadFilter", "FeedState", "NotThere", "Paging", "Site", "View", "paged"]

#: Rows of a page: with their small charts, less than 150 kB.
ROWS = 25
_LONGEST_FILTER = 200


class NotThere(Exception):
    """There is nothing of that name; the message says what to look at instead."""


class BadFilter(Exception):
    """The query cannot be understood; the message names the field and the fix."""


@dataclass(frozen=True, slots=True)
class FeedState:
    """How far a topic is read, for the status page."""

    topic: str
    progress: str
    problem: str
    records: int
    unreadable: int
    behind: int | None


@dataclass(frozen=True, slots=True)
class Site:
    """All that pages are made from. ``targets`` are None where no address is configured."""

    figures: Figures
    alerts: Alerts
    letters: Letters
    policy: Policy
    now_ms: int
    config_version: str = ""
    brokers: str = ""
    feeds: tuple[FeedState, ...] = ()
    workers: tuple[Target, ...] | None = None
    ingests: tuple[Target, ...] | None = None
    history_weeks: int = 13


@dataclass(frozen=True, slots=True)
class Ask:
    """A page's address: the names in its path, and its query."""

    names: tuple[str, ...] = ()
    query: Mapping[str, str] = field(default_factory=dict)

    def text(self, name: str) -> str:
        """A filter of words. Raises BadFilter for one that is too long."""
        said = self.query.get(name, "").strip()
        if len(said) > _LONGEST_FILTER:
            raise BadFilter(f"{name} is longer than {_LONGEST_FILTER} characters; give a part of a name")
        return said

    def choice(self, name: str, choices: tuple[str, ...]) -> str:
        """A filter with few values, empty for all of them. Raises BadFilter."""
        said = self.query.get(name, "")
        if said not in ("", *choices):
            raise BadFilter(f"{name} must be one of {', '.join(choices)}, or left out")
        return said

    @property
    def page(self) -> int:
        """Which page of rows, from 1. Raises BadFilter."""
        said = self.query.get("page", "1")
        if not (said.isascii() and said.isdigit() and 1 <= len(said) <= 6 and int(said) >= 1):
            raise BadFilter("page must be a whole number from 1")
        return int(said)


class View(NamedTuple):
    """A page: its title, its template with the values for it, and the same as a JSON document."""

    title: str
    template: str
    values: dict[str, Any]
    document: dict[str, Any]


class Paging(NamedTuple):
    """One page of rows out of all."""

    page: int
    pages: int
    first: int
    last: int
    total: int


def paged(total: int, page: int, rows: int = ROWS) -> Paging:
    """Where a page lies. Raises BadFilter for one behind the last."""
    pages = max(1, -(-total // rows))
    if page > pages:
        raise BadFilter(f"page is {page}, and there are {pages}")
    first = (page - 1) * rows
    return Paging(page, pages, first, min(first + rows, total), total)
